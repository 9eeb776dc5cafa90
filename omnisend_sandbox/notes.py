"""What Omnisend itself does where a fault strikes, as far as it is known."""

from __future__ import annotations

OMNISEND: dict[str, str] = {
    "status": "Omnisend acts on the call, or says in JSON why it does not.",
    "throttle": "Omnisend answers 429 only above its limit, with `retryAfter` in the body.",
    "reset_before": "Omnisend acts on the call and answers it.",
    "reset_after": "Omnisend answers each call on which it has acted.",
    "cut": "Omnisend sends the whole answer.",
    "broken_json": "Omnisend answers in JSON.",
    "slow": "Omnisend answers; how fast is not documented.",
    "ignores_tags": "Omnisend answers 202, and each contact gets or loses the tags.",
    "tags_late": "Omnisend changes the tags; how soon is not documented.",
    "stopped": "Omnisend processes the whole batch, unless too many items have errors.",
    "vanished": "Omnisend keeps a batch; for how long is not documented.",
    "stuck": "Omnisend finishes a batch in minutes; in incidents it took hours.",
    "shown_late": "Omnisend shows a batch once it has answered 201, by its reference.",
    "no_counts": "Omnisend shows both counts.",
    "shuffled": "Omnisend documents no order.",
    "no_arrays": "Omnisend shows both lists; an empty one can be missing.",
    "answers": "Omnisend does not document the shape of an answer.",
    "item_flaky": "Omnisend takes an item that fits its reference.",
    "item_refused": "Omnisend takes an item that fits its reference.",
    "refuses_phones": "Omnisend ignores the phone number of another contact, by its reference.",
    "refuses_field": "Omnisend takes a field whose value fits its reference.",
    "downgrades_consent": "Omnisend keeps the status with the newest date, by its reference.",
    "subscribes_new": "Omnisend gives a contact the status of its item.",
    "wipes_fields": "Omnisend keeps the fields that an item does not have.",
    "wipes_properties": "Omnisend keeps the custom properties that an item does not have.",
    "wipes_tags": "Omnisend keeps the tags of a contact whose item has none.",
    "keeps_on_null": 'Omnisend removes a property by null or "", by its reference.',
}
"""By kind of fault. "By its reference" is documented and was not tried on a live account."""
