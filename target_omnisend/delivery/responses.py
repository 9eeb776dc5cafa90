"""Reading what Omnisend says of a batch's items. Pure: JSON in, one verdict an item out."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections import Counter
from dataclasses import dataclass

from target_omnisend.api.answers import Answer, Kind, as_int, as_list, as_name

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

_TRANSIENT: t.Final = frozenset({403, 408, 425, 429})
"""Item codes that Omnisend's own WooCommerce plug-in sends again, with all of 5xx."""


_CONTACT_ID: t.Final = re.compile(r"[0-9a-f]{24}")
"""As Omnisend's IDs of contacts look, in its documentation and in its answers."""

_UNFINISHED: t.Final = frozenset({"pending", "inprogress"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why Omnisend rejected one item. `message` can quote the person's data: never log it.

    `fields` are the paths of all fields that it names. `final` says that the same item was
    tried often enough, whatever its status.
    """

    status: int | None
    field: str | None
    code: str
    message: str
    item_id: str | None
    fields: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    final: bool = False

    @property
    def transient(self) -> bool:
        """Whether the same item may succeed when sent again."""
        passing = self.status is None or self.status in _TRANSIENT or self.status >= 500
        return passing and not self.final

    @property
    def reason(self) -> str:
        """The reason that rejected items have in common, without personal data."""
        return " ".join(as_name(word) for word in (self.status, self.code, self.field) if word)


@dataclass(slots=True)
class Judgement:
    """One batch's verdicts by e-mail; `undone` lists those that nothing vouches for.

    `accepted` has True for a contact that was created, False for one that was updated and
    None if Omnisend does not say. `contact_ids` has Omnisend's names for accepted contacts: only
    those that one answer gives together with the e-mail, and to no other one.
    """

    accepted: dict[str, bool | None] = dataclasses.field(default_factory=dict)
    contact_ids: dict[str, str] = dataclasses.field(default_factory=dict)
    refused: dict[str, Refusal] = dataclasses.field(default_factory=dict)
    undone: list[str] = dataclasses.field(default_factory=list)


def is_over(batch: Mapping[str, t.Any]) -> bool:
    """Whether Omnisend has done with a batch, well or badly."""
    return _status(batch) in {"finished", "stopped"}


def all_done(batch: Mapping[str, t.Any], items: int) -> bool:
    """Whether the counts alone say that each of `items` items succeeded."""
    return _vouched(batch, items, 0)


def has_counts(batch: Mapping[str, t.Any]) -> bool:
    """Whether the counts are there at all; a list may leave them out."""
    return None not in {as_int(batch.get("errorsCount")), as_int(batch.get("finishedCount"))}


def judge(
    batch: Mapping[str, t.Any], emails: Collection[str], key: Callable[[str], str]
) -> Judgement:
    """Give each e-mail of a batch that is over its verdict.

    Items are matched by the e-mail they echo, normalised by `key`: neither their order nor
    `itemID` is documented to mean anything. Those that the answer does not name are
    accepted only if the counts leave no room for another verdict. In a batch of one an item
    without an echo can be no other.
    """
    ours = set(emails)
    only = next(iter(ours)) if len(ours) == 1 else None
    judgement = Judgement()
    unclear = set()
    named: list[tuple[str, str | None]] = []
    for item, failed in _items(batch):
        email = _echoed(item, key) or only
        if email not in ours:
            continue
        code = as_int(item.get("responseCode"))
        match _is_success(item, code, failed=failed):
            case True:
                judgement.accepted[email] = {201: True, 200: False}.get(code or 0)
                named.append((email, _contact_id(item, email, key)))
            case False:
                judgement.refused[email] = _refusal(item, code)
            case None:
                unclear.add(email)
    # Of two verdicts on an item the worse one counts: sending twice does no harm.
    for email in unclear.union(judgement.refused):
        judgement.accepted.pop(email, None)
    judgement.contact_ids = _believable(named, judgement.accepted)
    rest = [e for e in emails if e not in judgement.accepted and e not in judgement.refused]
    if not unclear and _vouched(batch, len(ours), len(judgement.refused)):
        judgement.accepted.update(dict.fromkeys(rest))
    else:
        judgement.undone = rest
    return judgement


def refusal_of(answer: Answer) -> Refusal:
    """The verdict on the only item of a call, from the call's answer."""
    field = next(iter(answer.fields), None)
    final = answer.kind is Kind.FORBIDDEN
    message = f"Calls with this record are forbidden: {answer.fault}" if final else answer.fault
    return Refusal(answer.status, field, "", message, None, answer.fields, final=final)


def _items(batch: Mapping[str, t.Any]) -> Iterator[tuple[Mapping[str, t.Any], bool]]:
    """Each item that is listed, and whether it is listed as an error."""
    for side in ("errors", "responses"):
        for item in as_list(batch.get(side)):
            if isinstance(item, dict):
                yield item, side == "errors"


def _is_success(item: Mapping[str, t.Any], code: int | None, *, failed: bool) -> bool | None:
    """Omnisend's verdict on an item; None if Omnisend reports a state in between."""
    if str(item.get("status")).lower() in _UNFINISHED:
        return None
    if code is None:
        return not failed
    if 200 <= code < 300:
        return True
    return False if code >= 400 else None


def _vouched(batch: Mapping[str, t.Any], items: int, refused: int) -> bool:
    """Whether the counts leave no room for more than so many rejected items.

    Counts that say fewer errors than are listed are not believed.
    """
    return (
        _status(batch) == "finished"
        and as_int(batch.get("errorsCount")) == refused
        and as_int(batch.get("finishedCount")) == items
        and len(as_list(batch.get("errors"))) <= refused
    )


def _status(batch: Mapping[str, t.Any]) -> str:
    return str(batch.get("status")).lower()


def _echoed(item: Mapping[str, t.Any], key: Callable[[str], str]) -> str | None:
    request, response = item.get("request"), item.get("response")
    if isinstance(request, dict):
        for identifier in as_list(request.get("identifiers")):
            if isinstance(identifier, dict) and identifier.get("type") == "email":
                return key(str(identifier.get("id")))
    if isinstance(response, dict) and isinstance(response.get("email"), str):
        return key(response["email"])
    return None


def _contact_id(item: Mapping[str, t.Any], email: str, key: Callable[[str], str]) -> str | None:
    """The ID that the answer to an item gives to the contact of this e-mail, if it does.

    An answer without the e-mail proves nothing: the request that it stands beside can be another
    one's.
    """
    response = item.get("response")
    if not isinstance(response, dict) or not isinstance(response.get("email"), str):
        return None
    name = response.get("id") or response.get("contactID")
    looks_right = isinstance(name, str) and _CONTACT_ID.fullmatch(name)
    return name if looks_right and key(response["email"]) == email else None


def _believable(
    named: Iterable[tuple[str, str | None]], accepted: Collection[str]
) -> dict[str, str]:
    """The IDs by e-mail, without each ID that two have and each e-mail that has two."""
    pairs = {(email, name) for email, name in named if name and email in accepted}
    emails = Counter(email for email, _ in pairs)
    names = Counter(name for _, name in pairs)
    return {email: name for email, name in pairs if emails[email] == names[name] == 1}


def _refusal(item: Mapping[str, t.Any], code: int | None) -> Refusal:
    response = item.get("response")
    where, what, message = _complaint(response)
    item_id = item.get("itemID")
    fields = tuple(_paths(response)) if isinstance(response, dict) else ()
    return Refusal(code, where, what, message, str(item_id) if item_id else None, fields)


def _paths(response: Mapping[str, t.Any]) -> Iterator[str]:
    """The paths of the request that a complaint names, in `errors` or as `fields` has them."""
    for error in as_list(response.get("errors")):
        if isinstance(error, dict) and isinstance(path := error.get("field"), str) and path:
            yield path
    fields = response.get("fields")
    for name, texts in fields.items() if isinstance(fields, dict) else ():
        if not str(name).isdigit():
            yield str(name)
        else:
            yield from (str(text).partition(":")[0] for text in as_list(texts))


def _complaint(response: t.Any) -> tuple[str | None, str, str]:
    """Field, code and message from any of the shapes that `response` is known to have."""
    if isinstance(response, str):
        return None, "", response
    if not isinstance(response, dict):
        return None, "", ""
    for error in as_list(response.get("errors")):
        if isinstance(error, dict):
            words = error.get("field"), error.get("code"), error.get("message")
            where, code, message = (str(word) if word else "" for word in words)
            return where or None, code, message or code
    message = response.get("error") or response.get("detail") or response.get("title") or ""
    return None, str(response.get("type") or "").rsplit("/", 1)[-1], _with_fields(message, response)


def _with_fields(message: t.Any, response: Mapping[str, t.Any]) -> str:
    fields = response.get("fields")
    return f"{message} {fields}" if fields else str(message)
