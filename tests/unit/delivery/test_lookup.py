"""Looking one person up, against a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.simulation import StoreClient

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.model import Store
from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.scheduler import Scheduler
from target_omnisend.delivery.exchange import Exchanges
from target_omnisend.delivery.lookup import Finding, look_up, read_finding

if TYPE_CHECKING:
    from target_omnisend.delivery.exchange import Exchange


ADA, PLUS = "ada@example.com", "ada+vip@example.com"


@pytest.fixture
def store() -> Store:
    store = Store(lambda: 0.0)
    store.seed([{"email": ADA, "firstName": "Ada"}, {"email": PLUS, "firstName": "Plus"}])
    return store


def found(store: Store, *emails: str) -> list[Finding]:
    """The findings of exchanges that a scheduler moves, in the order in which they ended."""
    scheduler, client = Scheduler(0.9), StoreClient(store)
    findings: list[Finding] = []

    def keep(email: str) -> Exchange[None]:
        findings.append((yield from look_up(email)))

    exchanges = Exchanges(scheduler)
    for email in emails:
        exchanges.start(keep(email))
    now = 0.0
    while exchanges.open:
        now = max(now, scheduler.wake_at(now))
        call = scheduler.next(now)
        assert call is not None
        assert call.endpoint is Endpoint.READ_CONTACTS
        scheduler.answered(call, call.run(client), now)
    return findings


def test_a_person_that_omnisend_has_is_found(store: Store) -> None:
    (plus,) = found(store, PLUS)  # a plus sign in a query means a space unless it is encoded
    assert plus.contact is not None
    assert (plus.contact["firstName"], plus.is_known, plus.is_absent) == ("Plus", True, False)


def test_a_person_that_omnisend_does_not_have_is_absent(store: Store) -> None:
    (finding,) = found(store, "stranger@example.com")
    assert (finding.contact, finding.is_known, finding.is_absent) == (None, True, True)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 500])
def test_a_refused_or_failing_look_up_tells_nothing_and_ends_no_run(
    store: Store, status: int
) -> None:
    store.faults.add(Fault("status", status=status))
    (finding,) = found(store, ADA)
    assert (finding.contact, finding.is_known, finding.is_absent) == (None, False, False)
    assert str(status) in finding.fault
    assert finding.forbidden == (status == 403)


def test_a_fault_that_passes_is_waited_for(store: Store) -> None:
    store.faults.add(Fault("status", status=500, times=2), Fault("throttle", skip=2, times=1))
    (finding,) = found(store, ADA)
    assert finding.contact is not None


@pytest.mark.parametrize(
    "contact",
    [
        {"email": "ADA@Example.com "},
        {"email": None, "identifiers": [{"type": "email", "id": ADA}]},
        {"identifiers": [7, {"type": "phone", "id": "+44"}, {"type": "email", "id": ADA}]},
    ],
)
def test_a_contact_is_recognised_in_any_form(contact: object) -> None:
    finding = read_finding(ADA, Answer(Kind.DONE, 200, {"contacts": [None, contact]}))
    assert finding.contact == contact


def test_a_list_of_other_people_proves_nothing() -> None:
    answer = Answer(Kind.DONE, 200, {"contacts": [{"email": "eve@example.com"}]})
    finding = read_finding(ADA, answer)
    assert (finding.is_known, finding.is_absent, "eve" in finding.fault) == (False, False, False)
