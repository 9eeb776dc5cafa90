"""All contacts of the store: upsert, find, tag."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Any

from .contact import FIELDS, Contact, serial_of
from .reading import ContactBody, Identifier, Reader
from .wire import FieldError, Refused, instant, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_PROPERTIES = 200
MAX_TAGS_HELD = 250


class People:
    """Contacts by e-mail, phone and order of creation.

    Attributes:
        by_email: Case matters: `A@x.org` and `a@x.org` are two contacts, as v5 says.
        all: Every contact, in order of creation.
        welcome_messages: E-mails a welcome message would have gone to, one entry each.
        ignored_fields: Body fields nobody reads, by dotted path.
        tag_misses: Selectors of tag calls that met nobody.
        version: Grows with each change; what is derived from contacts is cached by it.
    """

    def __init__(self, *, eager_consent: bool = False) -> None:
        """Start empty; `eager_consent` as in `Store`."""
        self.by_email: dict[str, Contact] = {}
        self.by_phone: dict[str, Contact] = {}
        self.all: list[Contact] = []
        self.welcome_messages: list[str] = []
        self.ignored_fields: Counter[str] = Counter()
        self.tag_misses = 0
        self.version = 0
        self._eager_consent = eager_consent
        self._reader = Reader(self.ignored_fields)
        self._by_update: tuple[int, list[Contact]] = (-1, [])

    def find(self, identifier: str) -> Contact | None:
        """The contact with that id."""
        serial = serial_of(identifier)
        return self.all[serial] if serial is not None and serial < len(self.all) else None

    def upsert(self, body: Any, now: float, visible_from: float) -> tuple[Contact, bool]:
        """Create or update, as `POST /contacts` and an item of a batch do.

        Returns:
            The contact, and whether it is new.

        Raises:
            Refused: The body breaks a rule (400); nothing was changed.
        """
        asked = self._reader.read(body)
        email = next((one for one in asked.identifiers if one.type == "email"), None)
        contact = self.by_email.get(email.id) if email is not None else None
        phone = next((one for one in asked.identifiers if one.type == "phone"), None)
        if phone is not None and self.by_phone.get(phone.id, contact) is not contact:
            asked.identifiers.remove(phone)
            if email is None:
                raise invalid(FieldError("identifiers", "taken", "Phone belongs to a contact"))
        self._check_room(contact, asked)
        created = contact is None
        if contact is None:
            contact = Contact(len(self.all), now, now, visible_from)
            self.all.append(contact)
        self._apply(contact, asked, now, created=created)
        return contact, created

    def patch(self, contact: Contact, body: Any, now: float) -> None:
        """Update one contact, as `PATCH /contacts` does.

        Raises:
            Refused: 400 for a broken rule, 409 for an identifier of somebody else.
        """
        asked = self._reader.read(body, identified=False)
        for one in asked.identifiers:
            owners = self.by_email if one.type == "email" else self.by_phone
            if owners.get(one.id, contact) is not contact:
                raise Refused(409, "conflict", "Identifier belongs to another contact")
        self._check_room(contact, asked)
        self._apply(contact, asked, now, created=False)

    def seed(self, given: dict[str, Any], now: float) -> Contact:
        """Put a contact in as others left it, or overwrite it; no rule is checked.

        Args:
            given: `email`, and any of `phone`, `status`, `statusChangedAt` (RFC 3339),
                `tags`, `customProperties` and the plain text fields.
            now: Seconds since the epoch.

        Raises:
            LookupError: Without e-mail.
            TypeError: The e-mail is no text.
        """
        email = given["email"]
        if not isinstance(email, str):
            raise TypeError("email must be a text")
        contact = self.by_email.get(email)
        if contact is None:
            contact = Contact(len(self.all), now, now, now, email=email)
            self.all.append(contact)
            self.by_email[contact.email] = contact
        if given.get("phone"):
            contact.phone = given["phone"]
            self.by_phone[contact.phone] = contact
        if "status" in given or not contact.email_status:
            contact.email_status = given.get("status", "nonSubscribed")
            contact.email_changed = instant(given.get("statusChangedAt", "")) or now
        if "tags" in given:
            contact.tags = tuple(given["tags"])
        if "customProperties" in given:
            contact.properties = dict(given["customProperties"]) or None
        for name, attribute in FIELDS.items():
            if name in given:
                setattr(contact, attribute, given[name])
        contact.updated = now
        self.version += 1
        return contact

    def tag(self, contacts: Iterable[Contact], tags: Sequence[str], now: float) -> None:
        """Add tags."""
        for contact in contacts:
            new = [tag for tag in tags if tag not in contact.tags]
            if new and len(contact.tags) + len(new) <= MAX_TAGS_HELD:
                contact.tags = (*contact.tags, *new)
                contact.updated = now
        self.version += 1

    def untag(self, contacts: Iterable[Contact], tags: Sequence[str], now: float) -> None:
        """Take tags away."""
        for contact in contacts:
            if not set(tags).isdisjoint(contact.tags):
                contact.tags = tuple(tag for tag in contact.tags if tag not in tags)
                contact.updated = now
        self.version += 1

    def select(self, selectors: dict[str, list[str]], now: float) -> list[Contact]:
        """Contacts met by `emails`, `phones` or `contactIDs`, each once; misses are counted."""
        met: dict[int, Contact] = {}
        for name, lookup in (
            ("emails", self.by_email.get),
            ("phones", self.by_phone.get),
            ("contactIDs", self.find),
        ):
            for value in selectors.get(name, ()):
                contact = lookup(value)
                if contact is None or contact.visible_from > now:
                    self.tag_misses += 1
                else:
                    met[contact.serial] = contact
        return list(met.values())

    def page(
        self,
        keep: Callable[[Contact], bool],
        *,
        limit: int,
        sort: str = "createdAt",
        descending: bool = True,
        after: list[Any] | None = None,
        before: list[Any] | None = None,
    ) -> tuple[list[Contact], bool]:
        """One page, and whether there is more beyond it in the direction walked.

        Args:
            keep: The filter.
            limit: Contacts on the page.
            sort: `createdAt` or `updatedAt`.
            descending: Newest first.
            after: Sort key of the last contact of the page before.
            before: Sort key of the first contact of the page after.
        """
        order = self.all if sort == "createdAt" else self._in_order_of_update()
        upwards = descending == (before is not None)
        origin = after if before is None else before
        if origin is None:
            at = 0 if upwards else len(order) - 1
        elif upwards:
            at = bisect_right(order, origin, key=lambda one: sort_key(one, sort))
        else:
            at = bisect_left(order, origin, key=lambda one: sort_key(one, sort)) - 1
        found: list[Contact] = []
        for index in range(at, len(order)) if upwards else range(at, -1, -1):
            if keep(order[index]):
                found.append(order[index])
                if len(found) > limit:
                    break
        page = found[:limit]
        return (page[::-1] if before is not None else page), len(found) > limit

    def _in_order_of_update(self) -> list[Contact]:
        version, order = self._by_update
        if version != self.version:
            order = sorted(self.all, key=lambda one: sort_key(one, "updatedAt"))
            self._by_update = (self.version, order)
        return order

    @staticmethod
    def _check_room(contact: Contact | None, asked: ContactBody) -> None:
        held = (contact.properties if contact is not None else None) or {}
        if len(held) + len(asked.properties) <= MAX_PROPERTIES:
            return
        merged = {**held, **asked.properties}
        if sum(value not in ("", None) for value in merged.values()) > MAX_PROPERTIES:
            raise invalid(FieldError("customProperties", "too_many", "At most 200 properties"))

    def _apply(self, contact: Contact, asked: ContactBody, now: float, *, created: bool) -> None:
        for one in asked.identifiers:
            self._identify(contact, one)
            self._status(contact, one, now, created=created)
        for attribute, value in asked.fields.items():
            setattr(contact, attribute, value)
        if asked.tags is not None:
            contact.tags = asked.tags
        if asked.properties:
            merged = {**(contact.properties or {}), **asked.properties}
            left = {key: value for key, value in merged.items() if value not in ("", None)}
            contact.properties = left or None
        contact.updated = now
        self.version += 1

    def _identify(self, contact: Contact, one: Identifier) -> None:
        if one.type == "email":
            if contact.email != one.id:
                self.by_email.pop(contact.email, None)
                contact.email = one.id
                self.by_email[one.id] = contact
        elif contact.phone != one.id:
            self.by_phone.pop(contact.phone, None)
            contact.phone = one.id
            self.by_phone[one.id] = contact

    def _status(self, contact: Contact, one: Identifier, now: float, *, created: bool) -> None:
        was = contact.email_status
        # A zero date was read back as the time of writing by a live account (2026-09):
        # it counts as absent, and absent counts as now.
        changed = one.changed if one.changed is not None and one.changed > 0 else now
        if (
            self._eager_consent
            and one.channel == "email"
            and (was, one.status) == ("nonSubscribed", "subscribed")
        ):
            changed = max(now, changed)
        taken = contact.set_channel(one.channel, one.status, changed)
        if one.channel == "email" and one.welcome:
            opted_in = taken and one.status == "subscribed" != was
            if created or opted_in:
                self.welcome_messages.append(one.id)
        if one.consent is not None and one.consent not in contact.consents:
            contact.consents = (*contact.consents, one.consent)


def sort_key(contact: Contact, sort: str) -> list[Any]:
    """Place of a contact in an order, as a cursor carries it."""
    return [contact.serial] if sort == "createdAt" else [contact.updated, contact.serial]
