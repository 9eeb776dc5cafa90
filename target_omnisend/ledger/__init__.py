"""What Omnisend already has: who is a confirmed member of which segment, and with what details."""

from target_omnisend.ledger.dry import DryLedger
from target_omnisend.ledger.erasing import ErasingLedger, brands_of
from target_omnisend.ledger.ledger import Ledger
from target_omnisend.ledger.rejects import LedgerRejects

__all__ = ["DryLedger", "ErasingLedger", "Ledger", "LedgerRejects", "brands_of"]
