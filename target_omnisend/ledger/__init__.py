"""What Omnisend already has: who is a confirmed member of which segment, and with what details."""

from target_omnisend.ledger.dry import DryLedger
from target_omnisend.ledger.erasing import ErasingLedger, brands_of
from target_omnisend.ledger.ledger import Ledger
from target_omnisend.ledger.rejects import LedgerRejects
from target_omnisend.ledger.runs import RunRow, StreamRow
from target_omnisend.ledger.url import is_there

__all__ = [
    "DryLedger",
    "ErasingLedger",
    "Ledger",
    "LedgerRejects",
    "RunRow",
    "StreamRow",
    "brands_of",
    "is_there",
]
