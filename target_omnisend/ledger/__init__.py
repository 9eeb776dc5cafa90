"""What Omnisend already has: who is a confirmed member of which segment, and with what details."""

from target_omnisend.ledger.dry import DryLedger
from target_omnisend.ledger.ledger import Ledger

__all__ = ["DryLedger", "Ledger"]
