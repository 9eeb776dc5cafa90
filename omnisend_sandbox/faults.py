"""Trouble that the store can make on demand: which, where, when, how often.

Nothing here sleeps or rolls dice of its own: a fault says in its `Reply` what the
transport is to do, and chance comes from a seed.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from .wire import FieldError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ITEM = "item"
ITEMS = "GET /batches/{id}/items"

# Each kind of fault: where it strikes unless the fault says, and what happens then.
KINDS: dict[str, tuple[str, str]] = {
    # one call
    "status": ("*", "the call gets `status`, in HTML unless `html` is false; `acted`: done first"),
    "throttle": ("*", "429 with `retry_after` in the body, or with `header` in the header"),
    "reset_before": ("*", "nothing is done, and the connection is reset"),
    "reset_after": ("*", "the call is done, and the connection is reset"),
    "cut": ("*", "the call is done, and half of the answer arrives"),
    "broken_json": ("*", "the call is done, and the answer is not JSON"),
    "slow": ("*", "the call is done, and answered `seconds` later"),
    "ignores_tags": ("*/contacts/tags", "the call gets 202 and changes nothing"),
    "tags_late": (
        "*/contacts/tags",
        "the tags change `seconds`, or `calls` more calls, later",
    ),
    # one batch, chosen when it is submitted
    "stopped": ("POST /batches", "half of the batch is processed, then it is stopped"),
    "vanished": ("POST /batches", "the batch is 404 after `seconds`; `acted`: processed"),
    "stuck": ("POST /batches", "the batch stays pending for `seconds`; 0 is for good"),
    "shown_late": ("POST /batches", "the batch is 404 and not listed for `seconds` after its 201"),
    # how batches are shown
    "no_counts": ("GET /batches*", "finishedCount and errorsCount are null; `shape`: missing"),
    "shuffled": (ITEMS, "the items come in another order"),
    "no_arrays": (ITEMS, "errors and responses are null; `shape`: missing"),
    "answers": (
        ITEMS,
        "`shape` of each: fields, string, null, no_request, contact_id, or an ID that is wrong",
    ),
    # one item gets an error
    "item_flaky": (ITEM, "an item gets `code` for `failures` times, then succeeds"),
    "item_refused": (ITEM, "an item gets `code`"),
    "refuses_phones": (ITEM, "an item with a phone gets `code`, which names the phone"),
    "refuses_field": (ITEM, "an item that has `field` gets `code`, which names the field"),
    # one item succeeds, and does harm
    "downgrades_consent": (ITEM, "nonSubscribed overwrites any status, however old its date is"),
    "subscribes_new": (ITEM, "a new contact is subscribed, whatever its item says"),
    "wipes_fields": (ITEM, "the plain fields that an item does not have become empty"),
    "wipes_properties": (ITEM, "the custom properties that an item does not have are removed"),
    "wipes_tags": (ITEM, "the tags that an item does not have are removed"),
    "keeps_on_null": (ITEM, "null removes no custom property"),
}
ERRORS = frozenset({"item_flaky", "item_refused", "refuses_phones", "refuses_field"})
Shape = Literal[
    "null",
    "missing",
    "fields",
    "string",
    "no_request",
    "contact_id",
    "no_id",
    "odd_id",
    "same_id",
    "swapped",
]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One kind of trouble and when it strikes; `KINDS` says what the other attributes do.

    Attributes:
        kind: What happens; `KINDS` lists them.
        endpoint: Glob over endpoint names (`POST /batches`, `GET /batches/{id}`, `*`);
            empty is where the kind belongs.
        content: Regular expression; strike only calls whose body has a match.
        email: Regular expression; strike only items whose e-mail has a match.
        skip: Matching calls (items, for item faults) let through first.
        times: Strike at most so often; None is always.
        every: Strike each k-th matching call only.
        probability: Strike by chance, drawn from `seed`.
        field: Of `refuses_field`: `birthdate`, `customProperties.tier`, `phone`.
        retry_after: Seconds named by `throttle`; None names none.
    """

    kind: str
    endpoint: str = ""
    skip: int = 0
    times: int | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    status: int = 500
    html: bool = True
    acted: bool = False
    seconds: float = 0.0
    calls: int = 0
    retry_after: int | None = None
    header: bool = False
    content: str = ""
    email: str = ""
    field: str = ""
    code: int = 400
    failures: int = 1
    shape: Shape = "null"

    def __post_init__(self) -> None:
        """Check what the types do not.

        Raises:
            ValueError: The kind is not known, `refuses_field` names no field, or a pattern
                is not a regular expression.
        """
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; known: {', '.join(KINDS)}")
        if self.kind == "refuses_field" and not self.field:
            raise ValueError("refuses_field needs `field`")
        try:
            re.compile(self.email), re.compile(self.content)
        except re.error as wrong:
            raise ValueError(f"not a regular expression: {wrong}") from None


class _Armed:
    """A fault and how often it has met its match."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        self._scope = fault.endpoint or KINDS[fault.kind][0]
        self._content = re.compile(fault.content.encode())
        self._email = re.compile(fault.email)
        self._field = "phone" if fault.kind == "refuses_phones" else fault.field
        self._failed: Counter[str] = Counter()
        self._met = 0
        # Chance must be repeatable, not secret.
        self._random = random.Random(fault.seed)  # noqa: S311

    def strikes_call(self, endpoint: str, body: bytes) -> bool:
        if self._scope != "*" and not fnmatchcase(endpoint, self._scope):
            return False
        return self._content.search(body) is not None and self._draw()

    def strikes_item(self, item: Any, email: str) -> bool:
        if not self._email.search(email) or (self._field and not place_of(item, self._field)):
            return False
        if self.fault.kind != "item_flaky":
            return self._draw()
        if self._failed[email] >= self.fault.failures or not self._draw():
            return False
        self._failed[email] += 1
        return True

    def problem(self, item: Any) -> Problem:
        code = self.fault.code
        if not self._field:
            return Problem(code, "planted", f"Planted {code}")
        error = FieldError(place_of(item, self._field), "invalid_value", f"Invalid {self._field}")
        return Problem(code, "validation-failed", error.message, (error,))

    def _draw(self) -> bool:
        fault = self.fault
        self._met += 1
        if self._met <= fault.skip or self.struck == fault.times:
            return False
        if fault.every is not None and (self._met - fault.skip) % fault.every:
            return False
        if fault.probability is not None and self._random.random() >= fault.probability:
            return False
        self.struck += 1
        return True


class Faults:
    """The faults in force.

    Attributes:
        hits: How often each kind struck.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        """Put faults in force."""
        self.hits: Counter[str] = Counter()
        self._calls: list[_Armed] = []
        self._items: list[_Armed] = []
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Put more faults in force."""
        for fault in faults:
            at_items = KINDS[fault.kind][0] == ITEM
            (self._items if at_items else self._calls).append(_Armed(fault))

    def clear(self) -> None:
        """Take all back; what a batch already got, it keeps."""
        self._calls.clear()
        self._items.clear()

    def in_force(self) -> list[tuple[Fault, int]]:
        """All of them, used up or not, and how often each struck."""
        return [(armed.fault, armed.struck) for armed in (*self._calls, *self._items)]

    def strike(self, endpoint: str, body: bytes) -> Sequence[Fault]:
        """The faults that strike this call."""
        if not self._calls:
            return ()
        struck = [one.fault for one in self._calls if one.strikes_call(endpoint, body)]
        self.hits.update(fault.kind for fault in struck)
        return struck

    def strike_item(self, item: Any) -> Sequence[str]:
        """The kinds of faults that strike this item and do harm.

        Raises:
            Problem: A fault that strikes it gives it an error.
        """
        if not self._items:
            return ()
        email = _email_of(item)
        kinds = []
        for armed in self._items:
            if armed.strikes_item(item, email):
                self.hits[armed.fault.kind] += 1
                if armed.fault.kind in ERRORS:
                    raise armed.problem(item)
                kinds.append(armed.fault.kind)
        return kinds


def _email_of(item: Any) -> str:
    """The e-mail of an item of any shape; empty when it has none."""
    try:
        return next(str(one["id"]) for one in item["identifiers"] if one["type"] == "email")
    except (LookupError, TypeError, StopIteration):
        return ""


def place_of(item: Any, field: str) -> str:
    """The dotted path of a field of an item; empty when the item does not have it."""
    try:
        if field == "phone":
            types = [one["type"] for one in item["identifiers"]]
            return f"identifiers.{types.index('phone')}.id"
        for name in field.split("."):
            item = item[name]
    except (LookupError, TypeError, ValueError):
        return ""
    return field


def among(struck: Sequence[Fault], kind: str) -> Fault | None:
    """The first struck fault of a kind."""
    return next((fault for fault in struck if fault.kind == kind), None)
