"""The table of answers, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from target_omnisend.api.answers import Answer, Kind, as_int, as_list, classify, read_problem

PERSON = "ada.private@example.com"
INSTANCE = "urn:omnisend:request:11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Kind.DONE),
        (201, Kind.DONE),
        (202, Kind.DONE),
        (204, Kind.DONE),
        (400, Kind.INVALID),
        (401, Kind.UNAUTHORIZED),
        (402, Kind.PLAN_FULL),
        (403, Kind.FORBIDDEN),
        (404, Kind.GONE),
        (405, Kind.INVALID),
        (408, Kind.RETRY),
        (409, Kind.RETRY),
        (410, Kind.RETIRED),
        (413, Kind.TOO_LARGE),
        (418, Kind.INVALID),
        (422, Kind.INVALID),
        (425, Kind.RETRY),
        (429, Kind.THROTTLED),
        (500, Kind.RETRY),
        (501, Kind.RETRY),
        (502, Kind.RETRY),
        (503, Kind.RETRY),
        (504, Kind.RETRY),
        (524, Kind.RETRY),
        (599, Kind.RETRY),
        (100, Kind.RETRY),
        (301, Kind.RETRY),
        (302, Kind.RETRY),
        (308, Kind.RETRY),
    ],
)
def test_each_status_has_its_row(status: int, kind: Kind) -> None:
    assert classify(status) is kind


def test_no_status_is_without_a_row_and_only_2xx_is_a_success() -> None:
    done = [status for status in range(100, 1000) if classify(status) is Kind.DONE]
    assert done == list(range(200, 300))


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"retryAfter": 17}, {}, 17.0),
        ({"retryAfter": 0}, {}, 0.0),
        ({"retryAfter": 17}, {"retry-after": "5"}, 17.0),
        ({"retryAfter": "17"}, {}, 17.0),
        ({"retryAfter": 17.9}, {}, 17.0),
        ({}, {"retry-after": "5"}, 5.0),
        ({"retryAfter": None}, {"retry-after": "5"}, 5.0),
        ({"retryAfter": -1}, {"retry-after": "5"}, 5.0),
        ({"retryAfter": "soon"}, {}, 60.0),
        ({"retryAfter": True}, {}, 60.0),
        ({"retryAfter": 10**12}, {}, 600.0),
        ({"retryAfter": "9" * 400}, {}, 600.0),
        ({"retryAfter": [1]}, {}, 60.0),
        ({"retryAfter": float("inf")}, {}, 60.0),
        ({"retryAfter": float("nan")}, {}, 60.0),
        ({}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60.0),
        ({}, {}, 60.0),
        (None, {}, 60.0),
        ([], {}, 60.0),
        ("slow down", {}, 60.0),
    ],
    ids=repr,
)
def test_a_429_waits_as_the_body_says_or_the_header_or_a_minute(
    body: Any, headers: dict[str, str], seconds: float
) -> None:
    answer = read_problem(429, body, headers)
    assert (answer.kind, answer.retry_after) == (Kind.THROTTLED, seconds)


def test_only_a_429_waits() -> None:
    assert read_problem(503, {"retryAfter": 9}, {"retry-after": "9"}).retry_after == 0.0


PROBLEM = {
    "type": "https://problems.omnisend.com/validation-failed",
    "title": "Bad Request",
    "status": 400,
    "detail": f"{PERSON} is wrong",
    "instance": INSTANCE,
    "errors": [
        {"field": "items.0.email", "code": "invalid_format", "message": f"{PERSON} is no e-mail"},
        {"field": "items", "code": "required", "message": PERSON},
    ],
}


@pytest.mark.parametrize(
    ("status", "body", "fault", "fields"),
    [
        (
            400,
            PROBLEM,
            f"400 validation-failed items.0.email:invalid_format items:required ({INSTANCE})",
            ("items.0.email", "items"),
        ),
        (401, {"type": "https://problems.omnisend.com/unauthorized"}, "401 unauthorized", ()),
        (403, {"type": "https://problems.omnisend.com/forbidden/"}, "403 forbidden", ()),
        (400, {"error": PERSON}, "400", ()),
        (400, {"errors": None}, "400", ()),
        (400, {"errors": {"0": PERSON}}, "400", ()),
        (400, {"errors": [PERSON, None, 3]}, "400", ()),
        (400, {"errors": [{"code": "required"}]}, "400 None:required", ()),
        (400, {"type": 7, "instance": 7}, "400", ()),
        (400, {"type": None, "title": PERSON}, "400", ()),
        (400, {"type": f"https://x/{PERSON}", "instance": f"a\n{PERSON}"}, "400 ? (?)", ()),
        (400, {"errors": [{"field": "e", "code": f"bad:{PERSON}"}]}, "400 e:?", ("e",)),
        (400, {"errors": [{"field": PERSON, "code": "bad"}]}, "400 ?:bad", (PERSON,)),
        (400, PERSON, "400", ()),
        (400, [PERSON], "400", ()),
        (502, None, "502", ()),
    ],
)
def test_a_problem_body_of_any_shape_becomes_a_fault(
    status: int, body: Any, fault: str, fields: tuple[str, ...]
) -> None:
    answer = read_problem(status, body, {})
    assert (answer.status, answer.fault, answer.fields) == (status, fault, fields)


@pytest.mark.parametrize("name", ["title", "detail", "error", "message"])
def test_a_fault_never_quotes_a_message(name: str) -> None:
    body = {name: PERSON, "errors": [{"field": "email", "code": "taken", "message": PERSON}]}
    assert PERSON not in repr(read_problem(400, body, {}))


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"title": "T", "detail": " D\n d "}, "D d"),
        ({"title": "T", "errors": [{"message": "M"}, {"message": "N"}, 7]}, "T; M"),
        ({"detail": ["D"], "errors": [{"message": 7}]}, ""),
        ({"detail": "D\x1b[2J"}, ""),
        ({"detail": "D" * 999}, "D" * 200),
        (None, ""),
    ],
)
def test_a_problem_keeps_omnisends_own_words_apart(body: Any, detail: str) -> None:
    assert read_problem(400, body, {}).detail == detail


def test_a_fault_names_three_complaints_at_most() -> None:
    errors = [{"field": f"items.{n}", "code": "required"} for n in range(100)]
    answer = read_problem(400, {"errors": errors}, {})
    assert (answer.fault.count("required"), len(answer.fields)) == (3, 100)


def test_a_problem_body_is_not_kept() -> None:
    assert read_problem(400, PROBLEM, {}).body is None


@pytest.mark.parametrize("value", [None, {}, "a", 1, ({},)])
def test_what_is_no_list_counts_as_an_empty_one(value: Any) -> None:
    assert as_list(value) == []


def test_a_list_is_itself() -> None:
    assert as_list([1, None]) == [1, None]


@pytest.mark.parametrize(
    ("value", "count"),
    [(3, 3), (3.0, 3), ("3", 3), (0, 0), (None, None), ("", None), (True, None), ([3], None)],
    ids=repr,
)
def test_a_count_is_read_as_it_may_be_written(value: Any, count: int | None) -> None:
    assert as_int(value) == count


def test_an_answer_without_particulars_says_nothing() -> None:
    assert Answer(Kind.DONE) == Answer(Kind.DONE, None, None, 0.0, "", ())
