"""Every code that a run may give, with its cause and its cure.

The README's tables, `docs/errors.md` and the report's page are made from or checked against
these.
"""

from __future__ import annotations

import typing as t


class Code(t.NamedTuple):
    """What a code means: a cause and what to do about it, each in plain sentences."""

    cause: str
    cure: str


REJECTIONS: t.Final[dict[str, Code]] = {
    "email_missing": Code(
        "The column that `mapping.email` names is empty, or the record does not have it.",
        "Give the record an address, or leave it out of the segment.",
    ),
    "email_invalid": Code(
        "The e-mail column holds something that no mail can be sent to.",
        "Correct the address.",
    ),
    "record_invalid": Code(
        "The e-mail address or the consent of the record does not fit the schema that its tap "
        "wrote.",
        "`field` and `message` say where: correct the record or the schema, or set "
        "`validate_records: false`.",
    ),
    "consent_date_missing": Code(
        "A consent status has no date of its own, or one that cannot be read, lies before 2000 "
        "or lies in the future.",
        "Give the date at which the person decided, with its time zone; `message` says what is "
        "wrong with it.",
    ),
    "omnisend_refused": Code(
        "Omnisend rejected this contact for good.",
        "Omnisend's own reason is in `message` and `field`: correct the value that it names.",
    ),
    "omnisend_unavailable": Code(
        "Omnisend failed on this contact eight times, or did not say what became of it.",
        "Send it again later: the rejects file can be sent as it is.",
    ),
}
"""Why a record was rejected; it stands in the rejects file."""

WARNINGS: t.Final[dict[str, Code]] = {
    "phone_invalid": Code(
        "A value is not a phone number, or has no country code and no usable country.",
        "Write it as +44 20 7946 0000, or map `country` too.",
    ),
    "birthdate_invalid": Code(
        "A date of birth is not a date, is before 1900, or is not before today.",
        "Write it as 1990-12-31, or name its pattern in `date_formats`.",
    ),
    "country_unknown": Code(
        "A country is neither an ISO code nor a name that is known; it was sent as it stands.",
        "Use ISO codes such as GB, GBR or 826, or the country's name.",
    ),
    "gender_unknown": Code(
        "A gender is not one that Omnisend knows.",
        "Use f, m, female or male.",
    ),
    "subscription_status_unknown": Code(
        "A subscription status is a word that is not known; the contact went out as "
        "nonSubscribed, which does not change consent.",
        "Use `subscribed`, `unsubscribed` or `nonSubscribed`, or another word that the page on "
        "consent lists.",
    ),
    "value_unusable": Code(
        "A value is not a text, number or truth value (a list, an object, or half a character).",
        "Map a column that holds plain values, or flatten the record.",
    ),
    "value_mistyped": Code(
        "A value cannot be made the type that `custom_properties`, or the tap for its column, "
        "says.",
        "Correct the value or the type; for dates, name their pattern in `date_formats`.",
    ),
    "value_unfit": Code(
        "A value does not fit the schema that its tap wrote for its column.",
        "Correct the value or the schema, or set `validate_records: false`.",
    ),
    "value_too_long": Code(
        "A custom property holds more than 2,048 characters; or the whole contact more than "
        "900,000 bytes, of which this was one of the longest values.",
        "Shorten it, or do not map its column.",
    ),
    "omnisend_refused_value": Code(
        "Omnisend rejected the contact for this value: a phone that belongs to another contact, "
        "or a form that Omnisend does not take.",
        "Correct the value, or leave its column out of the mapping.",
    ),
}
"""Why a value was left out or altered; its contact was sent without it."""

EXITS: t.Final[dict[str, Code]] = {
    "0": Code("Done.", "Nothing is left to do; look into the rejects file if there is one."),
    "1": Code(
        "A line of the input cannot be used (the message names stream and line number), "
        "Omnisend, a disk or the ledger failed, or another fault.",
        "Do what the last error says, then run again: it continues from the last state.",
    ),
    "2": Code("Wrong use of the command line.", "See `target-omnisend --help`."),
    "3": Code(
        "Settings or credentials: wrong or missing setting, wrong key or scopes, retired API "
        "version, full plan.",
        "Correct what the message names, then run `target-omnisend --check`.",
    ),
    "4": Code(
        "More records are rejected than `max_rejected_percent`, or some are rejected and none is "
        "accepted or unchanged.",
        "Correct the records in the rejects file or the mapping, then run again.",
    ),
    "5": Code(
        "Some records stayed unconfirmed (their batches are named), some members that left the "
        "segment were not removed, or a look at all members found some missing in Omnisend.",
        "Run again: no state has passed the records, and a repeat changes nothing; missing "
        "members need a run over all of the source.",
    ),
    "6": Code(
        "More members than `max_removed_percent` would have left, so the run removed none; or more "
        "people than `max_new_contacts` are new, so it sent nothing.",
        "Check the source; if it is right, run again with a higher value of that setting.",
    ),
    "7": Code(
        "Omnisend does not show what was asked for: a look at its contacts found another consent, "
        "a value that is gone, or no membership.",
        "Do what the last error says. At most one batch was sent before the look.",
    ),
    "130, 143": Code(
        "Stopped by SIGINT or SIGTERM.",
        "Run again: it continues from the last state.",
    ),
}
"""Exit codes of the command."""
