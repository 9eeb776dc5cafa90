"""Why a mirror removes no member: each cause, and what the operator can do about it."""

from __future__ import annotations

import typing as t

NO_VERSION: t.Final = (
    "no record of it carries a version. Set 'mirror_on: end_of_stream' if the tap always sends "
    "every member."
)
EMPTY: t.Final = (
    "its source sent no member. Check the tap's selection and the column in 'mapping.email'; run "
    "the tap with --full-refresh if it skips what it has read."
)
NOT_ACTIVATED: t.Final = (
    "no ACTIVATE_VERSION with the version of its records said that they are all. Set "
    "'mirror_on: end_of_stream' if the tap always sends every member."
)
ANNOUNCED: t.Final = (
    "its ACTIVATE_VERSION came before its records, and none after them. Set "
    "'mirror_on: end_of_stream', as the taps of Meltano's SDK need it."
)
FILTERED: t.Final = (
    "a '__filter__' in 'stream_maps' can hold back members. Remove the filter, or set "
    "'sync_mode: upsert'."
)
RESUMED: t.Final = (
    "this run can have gone on where an earlier one stopped half-way. The next complete run "
    "removes; no setting needs a change."
)
TURNED_BACK: t.Final = (
    "its records went back to a version they had left. Set 'mirror_on: end_of_stream' if the tap "
    "always sends every member."
)
UNVERSIONED: t.Final = (
    "some of its records carry no version, and others do. Set 'mirror_on: end_of_stream' if the "
    "tap always sends every member."
)
NO_HISTORY: t.Final = (
    "its ledger was made before ledgers noted which streams feed a segment. The next complete "
    "run removes; no setting needs a change."
)
FED_BACK: t.Final = (
    "it was fed rejected records of an earlier run. The next complete run removes; no setting "
    "needs a change."
)
CUT_OFF: t.Final = (
    "the input ended with a RECORD after its last STATE, as it does when a tap fails. Run the tap "
    "to its end; set 'sync_mode: upsert' if the tap always ends so."
)

_FORGET: t.Final = "set 'full_refresh: true' for one run; the run after it removes."


def absent(stream: str) -> str:
    """A stream that the settings name did not come."""
    return (
        f"stream '{stream}', which the setting 'streams' names, is missing. Have the tap send it, "
        "or remove it from 'streams'."
    )


def not_brought(stream: str) -> str:
    """A stream that the ledger knows is missing, or sent no member."""
    return (
        f"stream '{stream}' fed it in an earlier run and sent no member in this one. Have the "
        f"tap send it; if the stream is gone for good, {_FORGET}"
    )


def other_loader(stream: str) -> str:
    """A stream of that name came under other settings before."""
    return (
        f"a loader with other settings fed stream '{stream}' in an earlier run, and the ledger "
        f"does not know whose members these are. Give each loader its own 'segment'; if there is "
        f"one loader and 'mapping' or 'custom_properties' changed, {_FORGET}"
    )


def under_way(stream: str) -> str:
    """The last STATE says that a stream is not through."""
    return (
        f"the last STATE says that stream '{stream}' is under way. Run the tap to its end; set "
        "'sync_mode: upsert' if the tap always ends so."
    )
