"""The check before a run: whose API key it is, and whether it may read contacts."""

from __future__ import annotations

import typing as t

from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.failures import not_there
from target_omnisend.delivery.exchange import Ask

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_omnisend.delivery.exchange import Exchange


def ask_for_brand() -> Exchange[Mapping[str, t.Any]]:
    """Omnisend's facts about the key's store; empty if the key cannot read them.

    Raises:
        RunFailed: when the key is not good.
    """
    answer = yield Ask(Endpoint.CHECK_BRAND, lambda api: api.current_brand(), may_be_refused=True)
    if answer.kind is Kind.DONE:
        return answer.body if isinstance(answer.body, dict) else {}
    # Only the success of that call is documented, and a run does not need brands.read. So even
    # a 401 is about the key only if the key cannot read contacts either.
    answer = yield Ask(
        Endpoint.READ_CONTACTS, lambda api: api.any_contact(), may_be_forbidden=False
    )
    if answer.kind is not Kind.DONE:
        raise not_there(answer)
    return {}
