"""Reading what Omnisend says of a batch's items, in every shape it may say it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_omnisend.delivery.responses import (
    Judgement,
    Refusal,
    all_done,
    has_counts,
    is_over,
    judge,
)

A, B, C = "a@example.com", "b@example.com", "c@example.com"
FIELDS = {"0": ["identifiers[0].channels: field required"]}


def item(email: str | None, code: Any, response: Any = None, **more: Any) -> dict[str, Any]:
    request = {"identifiers": [{"type": "phone", "id": "+1"}, {"type": "email", "id": email}]}
    echoed = {} if email is None else {"request": request}
    return {"itemID": "1", "responseCode": code, "response": response, **echoed, **more}


def batch(
    errors: Any = (), responses: Any = (), status: str = "finished", **more: Any
) -> dict[str, Any]:
    errors, responses = (list(v) if isinstance(v, tuple) else v for v in (errors, responses))
    counts = {"finishedCount": 3, "errorsCount": len(errors or ())}
    return {"status": status, **counts, "errors": errors, "responses": responses, **more}


def verdicts(told: dict[str, Any], *emails: str) -> Judgement:
    return judge(told, emails or (A, B, C), str.lower)


# -- whole batches ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "over"),
    [
        ("finished", True),
        ("stopped", True),
        ("Finished", True),
        ("pending", False),
        ("inProgress", False),
        (None, False),
        ("", False),
    ],
    ids=repr,
)
def test_a_batch_is_over_when_finished_or_stopped(status: Any, *, over: bool) -> None:
    assert is_over({"status": status}) is over


@pytest.mark.parametrize(
    ("told", "done"),
    [
        ({"status": "finished", "errorsCount": 0, "finishedCount": 3}, True),
        ({"status": "finished", "errorsCount": "0", "finishedCount": "3"}, True),
        ({"status": "finished", "errorsCount": 1, "finishedCount": 3}, False),
        ({"status": "finished", "errorsCount": 0, "finishedCount": 2}, False),
        ({"status": "finished", "errorsCount": 0, "finishedCount": 4}, False),
        ({"status": "stopped", "errorsCount": 0, "finishedCount": 3}, False),
        ({"status": "inProgress", "errorsCount": 0, "finishedCount": 3}, False),
        ({"status": "finished", "errorsCount": None, "finishedCount": 3}, False),
        ({"status": "finished", "finishedCount": 3}, False),
        ({"status": "finished", "errorsCount": 0}, False),
        ({"status": "finished", "errorsCount": 0, "finishedCount": 3, "errors": [{}]}, False),
        ({"status": "finished", "errorsCount": 0, "finishedCount": 3, "errors": []}, True),
        ({}, False),
    ],
    ids=repr,
)
def test_counts_alone_prove_success_only_when_they_leave_no_room(
    told: dict[str, Any], *, done: bool
) -> None:
    assert all_done(told, 3) is done


@pytest.mark.parametrize(
    ("told", "there"),
    [
        ({"errorsCount": 0, "finishedCount": 0}, True),
        ({"errorsCount": None, "finishedCount": 0}, False),
        ({"finishedCount": 0}, False),
        ({}, False),
    ],
    ids=repr,
)
def test_counts_are_there_or_not(told: dict[str, Any], *, there: bool) -> None:
    assert has_counts(told) is there


# -- each item -------------------------------------------------------------------------


def test_each_named_item_gets_its_verdict() -> None:
    told = verdicts(batch((item(B, 400),), (item(A, 201), item(C, 200))))
    assert told.accepted == {A: True, C: False}
    assert (list(told.refused), told.undone) == ([B], [])


def test_the_order_of_items_means_nothing() -> None:
    items = [item(A, 201), item(B, 200), item(C, 201)]
    told = [verdicts(batch((), order)) for order in itertools.permutations(items)]
    assert all(one.accepted == {A: True, B: False, C: True} for one in told)


def test_an_echoed_address_is_normalised_before_it_is_matched() -> None:
    assert verdicts(batch((), (item(A.upper(), 201),)), A).accepted == {A: True}


@pytest.mark.parametrize("code", [201.0, "201"])
def test_a_code_may_be_written_as_text(code: Any) -> None:
    assert verdicts(batch((), (item(A, code),)), A).accepted == {A: True}


@pytest.mark.parametrize(
    ("side", "code", "accepted"),
    [
        ("errors", 400, False),
        ("responses", 400, False),
        ("responses", 200, True),
        ("errors", 200, True),
        ("responses", None, True),
        ("errors", None, False),
        ("errors", "odd", False),
    ],
    ids=repr,
)
def test_the_code_decides_and_without_one_the_list(side: str, code: Any, *, accepted: bool) -> None:
    lists: dict[str, Any] = {side: (item(A, code),)}
    told = verdicts(batch(**lists), A)
    assert (A in told.accepted, A in told.refused) == (accepted, not accepted)


@pytest.mark.parametrize("side", ["errors", "responses"])
@pytest.mark.parametrize("code", [0, 100, 102, 301, 304, 399, -1, "0", 302.0], ids=repr)
def test_a_code_that_is_not_a_verdict_leaves_its_item_undone(side: str, code: Any) -> None:
    lists: dict[str, Any] = {side: (item(A, code),), "errorsCount": 0, "finishedCount": 1}
    told = verdicts(batch(**lists), A)
    assert (told.accepted, told.refused, told.undone) == ({}, {}, [A])


@pytest.mark.parametrize("code", [None, 200, 201, 400, 503])
@pytest.mark.parametrize("status", ["pending", "inProgress", "PENDING"])
@pytest.mark.parametrize("side", ["errors", "responses"])
def test_an_item_that_is_still_under_way_is_undone(side: str, status: str, code: Any) -> None:
    lists: dict[str, Any] = {side: (item(A, code, status=status),)}
    told = verdicts(batch(**lists, errorsCount=0, finishedCount=2), A, B)
    assert (told.accepted, told.refused, told.undone) == ({}, {}, [A, B])


def test_counts_without_errors_are_not_believed_while_an_error_is_listed() -> None:
    told = verdicts(batch((item(None, 400),), None, errorsCount=0))
    assert (told.accepted, told.undone) == ({}, [A, B, C])


def test_an_item_on_both_lists_counts_as_refused() -> None:
    told = verdicts(batch((item(A, 503),), (item(A, 200),)), A)
    assert (told.accepted, list(told.refused)) == ({}, [A])


def test_an_item_without_its_request_is_known_by_the_address_in_its_response() -> None:
    told = verdicts(batch((), (item(None, 201, {"email": A.upper(), "id": "x"}),)), A)
    assert told.accepted == {A: True}


@pytest.mark.parametrize(
    "stranger",
    [
        item("stranger@example.com", 400),
        item(None, 400),
        item(None, 400, "a@example.com is bad"),
        item(None, 400, {"email": 7}),
        {"request": None, "responseCode": 400},
        {"request": {"identifiers": None}, "responseCode": 400},
        {"request": {"identifiers": ["a@example.com"]}, "responseCode": 400},
        {"request": "a@example.com", "responseCode": 400},
        {},
        "failed",
        None,
    ],
    ids=repr,
)
def test_an_item_that_names_none_of_ours_blames_nobody(stranger: Any) -> None:
    told = verdicts(batch((stranger,), (item(A, 201), item(B, 201))))
    assert (told.accepted, told.refused, told.undone) == ({A: True, B: True}, {}, [C])


# -- those that are not named ----------------------------------------------------------


@pytest.mark.parametrize("missing", [None, (), {}, "none"], ids=repr)
@pytest.mark.parametrize("side", ["errors", "responses"])
def test_a_list_may_be_empty_null_or_of_another_type(side: str, missing: Any) -> None:
    assert verdicts(batch(**{side: missing}, errorsCount=0)).accepted == dict.fromkeys((A, B, C))


@pytest.mark.parametrize("side", ["errors", "responses"])
def test_a_list_may_be_missing(side: str) -> None:
    told = batch()
    del told[side]
    assert verdicts(told).accepted == dict.fromkeys((A, B, C))


@pytest.mark.parametrize(
    ("counts", "undone"),
    [
        ({}, []),
        ({"errorsCount": "1", "finishedCount": "3"}, []),
        ({"errorsCount": 2}, [A, C]),
        ({"errorsCount": 0}, [A, C]),
        ({"errorsCount": None}, [A, C]),
        ({"finishedCount": 2}, [A, C]),
        ({"finishedCount": None}, [A, C]),
        ({"status": "stopped"}, [A, C]),
    ],
    ids=repr,
)
def test_the_unnamed_are_accepted_only_if_the_counts_vouch_for_them(
    counts: dict[str, Any], undone: list[str]
) -> None:
    told = verdicts(batch((item(B, 400),), None, **counts))
    assert told.undone == undone
    assert told.accepted == ({} if undone else {A: None, C: None})


def test_what_a_stopped_batch_does_not_name_is_undone() -> None:
    told = verdicts(batch((item(A, 400),), (item(B, 201),), status="stopped", finishedCount=2))
    assert (told.accepted, list(told.refused), told.undone) == ({B: True}, [A], [C])


# -- why -------------------------------------------------------------------------------

PROBLEM = {
    "type": "https://problems.omnisend.com/validation-failed",
    "title": "Bad Request",
    "detail": "It is wrong",
}
ERROR = {"field": "identifiers.0.id", "code": "invalid_format", "message": "no e-mail"}


@pytest.mark.parametrize(
    ("response", "field", "code", "message"),
    [
        (PROBLEM, None, "validation-failed", "It is wrong"),
        ({**PROBLEM, "errors": [ERROR]}, "identifiers.0.id", "invalid_format", "no e-mail"),
        ({"errors": ["odd", ERROR]}, "identifiers.0.id", "invalid_format", "no e-mail"),
        ({"errors": [{"code": "required"}]}, None, "required", "required"),
        ({"errors": None, "title": "Conflict"}, None, "", "Conflict"),
        ({"error": "1 error(s)", "fields": FIELDS}, None, "", f"1 error(s) {FIELDS}"),
        ({"error": "1 error(s)"}, None, "", "1 error(s)"),
        ("it is wrong", None, "", "it is wrong"),
        ({}, None, "", ""),
        (None, None, "", ""),
        ([ERROR], None, "", ""),
        (7, None, "", ""),
    ],
    ids=repr,
)
def test_a_complaint_is_read_from_any_shape_of_response(
    response: Any, field: str | None, code: str, message: str
) -> None:
    told = verdicts(batch((item(A, 400, response),)), A)
    assert told.refused[A] == Refusal(400, field, code, message, "1")


@pytest.mark.parametrize("item_id", [None, "", 0])
def test_an_item_may_have_no_id(item_id: Any) -> None:
    assert verdicts(batch((item(A, 400, itemID=item_id),)), A).refused[A].item_id is None


@pytest.mark.parametrize(
    ("status", "transient"),
    [
        *((code, True) for code in (403, 408, 425, 429, 500, 502, 503, 504, 524, None)),
        *((code, False) for code in (400, 401, 402, 404, 409, 413, 422)),
    ],
    ids=repr,
)
def test_some_refusals_pass(status: int | None, *, transient: bool) -> None:
    assert Refusal(status, None, "", "", None).transient is transient


def test_the_reason_of_a_refusal_holds_no_message() -> None:
    refusal = Refusal(400, "email", "taken", "ada@example.com is taken", "1")
    assert refusal.reason == "400 taken email"


# -- whatever Omnisend says ------------------------------------------------------------

NAMES = ("status", "errors", "responses", "errorsCount", "finishedCount")
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from([A, B]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["request", "response", "identifiers", "type", "id", "email",
                         "responseCode", "errors", "error", "fields", "field", "code"]),
        inner,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(NAMES, anything),
    )
)
def test_everybody_gets_exactly_one_verdict_whatever_is_said(told: dict[str, Any]) -> None:
    given = verdicts(told)
    assert sorted([*given.accepted, *given.refused, *given.undone]) == [A, B, C]


def test_the_reason_of_a_refusal_holds_names_only() -> None:
    refusal = Refusal(400, f"field of {A}", f"bad:{A}", f"{A} is bad", "1")
    assert refusal.reason == "400 ? ?"
    assert Refusal(400, "identifiers[0].id", "invalid_format", A, "1").reason == (
        "400 invalid_format identifiers[0].id"
    )


# -- contact IDs -----------------------------------------------------------------------

ID, OTHER_ID = "60a6170920d91c215e949b5c", "60a6170920d91c215e949b5d"


@pytest.mark.parametrize(
    "response",
    [
        {"id": ID, "email": A},
        {"contactID": ID, "email": A},
        {"id": None, "contactID": ID, "email": A.upper()},
    ],
    ids=repr,
)
def test_an_id_is_believed_that_stands_beside_the_email(response: Any) -> None:
    assert verdicts(batch((), (item(A, 201, response),)), A).contact_ids == {A: ID}


@pytest.mark.parametrize(
    "response",
    [
        {"id": ID},
        {"id": ID, "email": None},
        {"id": ID, "email": B},
        {"id": None, "email": A},
        {"id": 12, "email": A},
        {"id": "", "email": A},
        {"id": "undefined", "email": A},
        {"id": {"id": ID}, "email": A},
        {"id": ID.upper(), "email": A},
        {"id": f"{ID}\n", "email": A},
        {"id": A, "email": A},
        {"email": A},
        ID,
        [ID],
        None,
    ],
    ids=repr,
)
def test_an_odd_id_is_not_believed(response: Any) -> None:
    told = verdicts(batch((), (item(A, 201, response),)), A)
    assert (told.accepted, told.contact_ids) == ({A: True}, {})


def test_an_id_that_two_have_is_believed_for_neither() -> None:
    items = [item(one, 200, {"id": ID, "email": one}) for one in (A, B)]
    items.append(item(C, 200, {"id": OTHER_ID, "email": C}))
    assert verdicts(batch((), tuple(items))).contact_ids == {C: OTHER_ID}


def test_of_two_ids_of_one_person_neither_is_believed() -> None:
    items = [item(A, 200, {"id": one, "email": A}) for one in (ID, OTHER_ID)]
    assert verdicts(batch((), tuple(items)), A).contact_ids == {}


def test_a_rejected_item_has_no_id() -> None:
    told = verdicts(batch((item(A, 400, {"id": ID, "email": A}),)), A)
    assert told.contact_ids == {}
    both = batch((item(A, 400),), (item(A, 201, {"id": ID, "email": A}),))
    assert verdicts(both, A).contact_ids == {}
