"""All contacts of the store: upsert, find, tag."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .contact import FIELDS, Contact, serial_of, with_tags, without_tags
from .reading import ContactBody, Identifier, Reader
from .wire import FieldError, instant, invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

MAX_PROPERTIES = 200
MAX_TAGS_HELD = 250


class People:
    """Contacts by e-mail, phone and order of creation.

    Attributes:
        by_email: Case matters: `A@x.org` and `a@x.org` are two contacts, as v5 says.
        all: Every contact, in order of creation.
        welcome_messages: E-mails a welcome message would have gone to, one entry each.
        ignored_fields: Body fields the store does not know, by dotted path.
        tag_misses: Selectors of tag calls that met no contact.
        version: Grows with each change; what is derived from contacts is cached by it.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.by_email: dict[str, Contact] = {}
        self.by_phone: dict[str, Contact] = {}
        self.all: list[Contact] = []
        self.welcome_messages: list[str] = []
        self.ignored_fields: Counter[str] = Counter()
        self.tag_misses = 0
        self.version = 0
        self._reader = Reader(self.ignored_fields)

    def upsert(
        self, item: Any, now: float, visible_from: float, wrongs: Collection[str] = ()
    ) -> tuple[Contact, bool]:
        """Create or update, as an item of a batch does.

        Args:
            item: The item, of any shape.
            now: Seconds since the epoch.
            visible_from: When tag calls find the contact, if it is new.
            wrongs: Kinds of faults in force for this item.

        Returns:
            The contact, and whether it is new.

        Raises:
            Problem: The body breaks a rule (400); nothing was changed.
        """
        asked = self._reader.read(item)
        email, *phones = asked.identifiers
        contact = self.by_email.get(email.id)
        if phones and self.by_phone.get(phones[0].id, contact) is not contact:
            del asked.identifiers[1]  # it belongs to another contact
        _check_room(contact, asked)
        created = contact is None
        if contact is None:
            contact = self._new(email.id, now, visible_from)
            if "subscribes_new" in wrongs:
                email.status, email.changed = "subscribed", now
        self._apply(contact, asked, now, wrongs, created=created)
        return contact, created

    def seed(self, given: dict[str, Any], now: float) -> Contact:
        """Put a contact in as others left it, or overwrite it; no rule is checked.

        Args:
            given: `email`, and any of `phone`, `status`, `statusChangedAt` (RFC 3339),
                `tags`, `customProperties` and the plain text fields.
            now: Seconds since the epoch.

        Raises:
            LookupError: Without e-mail.
            TypeError: The e-mail is not a text.
        """
        email = given["email"]
        if not isinstance(email, str):
            raise TypeError("email must be a text")
        contact = self.by_email.get(email) or self._new(email, now, now)
        if given.get("phone"):
            contact.phone = given["phone"]
            self.by_phone[contact.phone] = contact
        if "status" in given or not contact.email_status:
            changed = instant(given.get("statusChangedAt", "")) or now
            contact.set_status("email", given.get("status", "nonSubscribed"), changed)
        if "tags" in given:
            contact.tags = tuple(given["tags"])
        if "customProperties" in given:
            contact.properties = dict(given["customProperties"]) or None
        for name in FIELDS.keys() & given.keys():
            setattr(contact, FIELDS[name], given[name])
        self._changed(contact, now)
        return contact

    def tag(self, contacts: Iterable[Contact], tags: Sequence[str], now: float) -> None:
        """Add tags."""
        for contact in contacts:
            after = with_tags(contact.tags, tags)
            if len(contact.tags) < len(after) <= MAX_TAGS_HELD:
                contact.tags = after
                self._changed(contact, now)

    def untag(self, contacts: Iterable[Contact], tags: Sequence[str], now: float) -> None:
        """Take tags away."""
        for contact in contacts:
            after = without_tags(contact.tags, tags)
            if len(after) < len(contact.tags):
                contact.tags = after
                self._changed(contact, now)

    def select(self, selectors: Mapping[str, Any], now: float) -> dict[int, Contact]:
        """Contacts met by `emails`, `phones` or `contactIDs`, by serial; misses are counted."""
        met: dict[int, Contact] = {}
        for name, lookup in (
            ("emails", self.by_email.get),
            ("phones", self.by_phone.get),
            ("contactIDs", self._by_id),
        ):
            for value in selectors.get(name, ()):
                contact = lookup(value)
                if contact is None or contact.visible_from > now:
                    self.tag_misses += 1
                else:
                    met[contact.serial] = contact
        return met

    def _by_id(self, identifier: str) -> Contact | None:
        serial = serial_of(identifier)
        return self.all[serial] if serial is not None and serial < len(self.all) else None

    def _new(self, email: str, now: float, visible_from: float) -> Contact:
        contact = Contact(len(self.all), email, now, now, visible_from)
        self.all.append(contact)
        self.by_email[email] = contact
        return contact

    def _changed(self, contact: Contact, now: float) -> None:
        contact.updated = now
        self.version += 1

    def _apply(
        self,
        contact: Contact,
        asked: ContactBody,
        now: float,
        wrongs: Collection[str],
        *,
        created: bool,
    ) -> None:
        for one in asked.identifiers:
            self._identify(contact, one, now, wrongs, created=created)
        fields = dict.fromkeys(FIELDS.values(), "") if "wipes_fields" in wrongs else {}
        for attribute, value in (fields | asked.fields).items():
            setattr(contact, attribute, value)
        if asked.tags is not None or "wipes_tags" in wrongs:
            contact.tags = asked.tags or ()
        if asked.properties or "wipes_properties" in wrongs:
            contact.properties = _merged(contact, asked.properties, wrongs)
        self._changed(contact, now)

    def _identify(
        self,
        contact: Contact,
        one: Identifier,
        now: float,
        wrongs: Collection[str],
        *,
        created: bool,
    ) -> None:
        if one.type == "phone" and contact.phone != one.id:
            self.by_phone.pop(contact.phone, None)
            contact.phone = one.id
            self.by_phone[one.id] = contact
        # A zero date was read back as the time of writing by a live account (2026-09):
        # it counts as absent, and absent counts as now.
        changed = one.changed if one.changed is not None and one.changed > 0 else now
        was, since = contact.status_of(one.channel)
        downgraded = "downgrades_consent" in wrongs and one.status == "nonSubscribed"
        taken = not was or changed > since or downgraded
        if taken:
            contact.set_status(one.channel, one.status, changed)
        opted_in = taken and one.status == "subscribed" != was
        if one.channel == "email" and one.welcome and (created or opted_in):
            self.welcome_messages.append(one.id)


def _check_room(contact: Contact | None, asked: ContactBody) -> None:
    held = (contact.properties if contact is not None else None) or {}
    if len(held) + len(asked.properties) <= MAX_PROPERTIES:
        return
    merged = {**held, **asked.properties}
    if sum(value not in ("", None) for value in merged.values()) > MAX_PROPERTIES:
        raise invalid(FieldError("customProperties", "too_many", "At most 200 properties"))


def _merged(
    contact: Contact, sent: dict[str, Any], wrongs: Collection[str]
) -> dict[str, Any] | None:
    """The properties of a contact once `sent` is written; null and an empty text remove one."""
    if "keeps_on_null" in wrongs:
        sent = {key: value for key, value in sent.items() if value is not None}
    held = {} if "wipes_properties" in wrongs else contact.properties or {}
    left = {key: value for key, value in {**held, **sent}.items() if value not in ("", None)}
    return left or None
