"""The one place that chooses where rejected records are kept, by `rejects_path`."""

from __future__ import annotations

import typing as t

from target_omnisend.config.rejects_path import LEDGER, folder_of, is_url
from target_omnisend.output.object_store import ObjectStore
from target_omnisend.output.rejects import RejectsFile
from target_omnisend.output.stored_rejects import StoredRejects

if t.TYPE_CHECKING:
    from target_omnisend.commands.parts import KeptRejects
    from target_omnisend.commands.session import Session


def make_rejects(session: Session) -> KeptRejects:
    """Where a session keeps rejected records.

    Raises:
        RunFailed: when the folder cannot be written to, or a package is missing.
    """
    path = session.settings.rejects_path
    if path == LEDGER:
        from target_omnisend.ledger import LedgerRejects  # noqa: PLC0415 - a tenth of a second

        return LedgerRejects(lambda: session.ledger, session.id, session.utc_now)
    if is_url(path):
        return StoredRejects(ObjectStore(path), session.id, session.utc_now)
    return RejectsFile(folder_of(path), session.id, session.utc_now)
