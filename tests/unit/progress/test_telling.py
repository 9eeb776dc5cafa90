"""What is told of a run under way: numbers, pace, lines, METRIC lines. No process, no waiting."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from rich.text import Text
from singer_sdk.metrics import METRICS_LOGGER_NAME
from support.simulation import Member, Simulation, Wait, members

from target_omnisend.output.terminal import NARROWEST
from target_omnisend.progress.display import picture
from target_omnisend.progress.lines import duration, fields, sentence
from target_omnisend.progress.reporter import Progress
from target_omnisend.progress.snapshot import Counts, Pace, Requests, Snapshot, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.simulation import Message

POST = "POST /batches"


def snapshot(at: float, read_share: float | None = None, **counts: int) -> Snapshot:
    total = Counts(**counts)
    requests = (
        Requests("vip", POST, counts.get("sent", 0) // 100, at / 10),
        Requests(None, "GET /batches", int(at), 0.0),
    )
    return Snapshot(at, total, {"vip": total}, requests, 0.25, POST, read_share)


def pace(*snapshots: Snapshot) -> Pace:
    pace = Pace()
    for one in snapshots:
        pace.add(one)
    return pace


class Shown:
    """A display, and what it was given."""

    def __init__(self) -> None:
        self.shown: list[Snapshot] = []
        self.closed = 0

    def show(self, snapshot: Snapshot, _: Pace) -> None:
        self.shown.append(snapshot)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def metric_lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(record.getMessage().removeprefix("METRIC: ")))

    caplog.set_level(logging.INFO)
    logger, handler = logging.getLogger(METRICS_LOGGER_NAME), Keep()
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def test_the_pace_is_that_of_the_last_minute() -> None:
    run = pace(*(snapshot(at, accepted=at * 1000) for at in range(0, 100, 10)))
    run.add(snapshot(100.0, accepted=90_000))
    assert run.per_minute == round((90_000 - 40_000) * 60 / 60)


def test_time_left_counts_what_is_read_and_not_settled_and_what_is_not_read() -> None:
    run = pace(
        snapshot(0.0, 0.1, received=100),
        snapshot(10.0, 0.5, received=500, accepted=80, rejected=5, duplicates=5, unchanged=10),
    )
    assert (run.seconds_left, run.done_share) == (90.0, 0.1)


@pytest.mark.parametrize(
    "last", [snapshot(10.0, received=50, accepted=9), snapshot(10.0, 0.5), snapshot(0.0, 1.0)]
)
def test_no_time_left_is_told_without_a_size_or_a_pace(last: Snapshot) -> None:
    run = pace(snapshot(0.0), last)
    assert run.seconds_left is None
    assert "left" not in sentence(last, run)


def test_a_line_says_it_in_words_and_in_fields() -> None:
    first = snapshot(0.0, 0.0)
    last = snapshot(30.0, 0.5, received=40, sent=30, accepted=10, rejected=2, unchanged=3)
    run = pace(first, last)
    assert sentence(last, run) == (
        "Under way: 40 received, 30 sent, 10 accepted, 2 rejected, 3 unchanged; 20 accepted a "
        "minute; 25 % of the limit on POST /batches in use; about 2 min left."
    )
    told = fields(last, run)
    assert told["streams"]["vip"]["rejected"] == told["counts"]["rejected"] == 2
    assert (told["limit_share"], told["seconds_left"], told["read_share"]) == (0.25, 130, 0.5)


def test_a_burst_at_the_start_promises_no_more_than_the_budget_allows() -> None:
    first = snapshot(0.0)
    last = replace(
        snapshot(5.0, 0.1, received=100_000, sent=40_000, accepted=15_000), allowed=15_000.0
    )
    run = pace(first, last)
    assert run.per_minute == 15_000
    assert run.seconds_left == (1_000_000 - 15_000) / 15_000 * 60


def test_a_tap_slower_than_the_budget_decides_the_time_left() -> None:
    last = replace(snapshot(60.0, 0.5, received=1000, sent=1000, accepted=1000), allowed=15_000.0)
    run = pace(snapshot(0.0), last)
    assert run.per_minute == 1000
    assert run.seconds_left == pytest.approx(60.0)


def test_records_that_need_no_call_need_no_budget() -> None:
    counts = {"received": 10_000, "sent": 100, "accepted": 100, "unchanged": 9_900}
    last = replace(snapshot(60.0, 0.5, **counts), allowed=100.0)
    assert pace(snapshot(0.0), last).seconds_left == pytest.approx(60.0)


def test_at_the_limit_the_line_says_how_long_the_run_waits() -> None:
    last = replace(snapshot(30.0, sent=30, accepted=10), wait=41.2)
    run = pace(snapshot(0.0), last)
    assert "; waiting 41 s for Omnisend's limit." in sentence(last, run)
    assert fields(last, run)["limit_seconds"] == 41
    console = Console(file=StringIO(), width=NARROWEST)
    console.print(picture(last, run, 30.0))
    assert "waiting 41 s for Omnisend's limit" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_moments_wait_is_not_worth_a_word() -> None:
    last = replace(snapshot(30.0, sent=30, accepted=10), wait=0.4)
    assert "waiting" not in sentence(last, pace(snapshot(0.0), last))


@pytest.mark.parametrize(
    ("tags", "allowed"), [((), 2000), (("vip",), 1500)], ids=["property", "tag"]
)
def test_the_budget_says_pace_and_wait(tags: tuple[str, ...], allowed: int) -> None:
    run = Simulation(tags={"vip": tags}, quota_share=0.05, batch_latency=1.0, verify=False)
    seen = []

    def messages() -> Iterator[Message]:
        yield from members(4000)
        yield Wait(30.0)
        yield Member("last@example.com")
        seen.append(take(run.delivery, run.now))

    run.run(messages())
    assert seen[0].allowed == allowed
    assert 25 < seen[0].wait < 60


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59, "59 s"), (90, "2 min"), (3600 * 2.5, "2 h 30 min")]
)
def test_two_figures_of_a_duration_are_enough(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_metric_lines_are_increments_in_the_sdks_format(
    metric_lines: list[dict[str, Any]],
) -> None:
    looks = iter(
        [
            snapshot(0.0),
            snapshot(10.0, sent=500, accepted=100),
            snapshot(60.0, sent=500, accepted=250, rejected=3),
            snapshot(70.0, sent=500, accepted=300, rejected=3),
        ]
    )
    progress = Progress(lambda: next(looks), seconds=3600.0)
    with progress:
        progress.tick()
        assert metric_lines == [], "as seldom as the SDK's counters"
        progress.tick()
        first = len(metric_lines)
    streams = [(line["metric"], line["value"]) for line in metric_lines if "stream" in line["tags"]]
    assert (
        streams[:first]
        == [
            ("records_accepted", 250),
            ("records_rejected", 3),
            ("http_request_count", 5),
            ("http_request_wait", 6.0),
            ("records_accepted", 50),
        ][:first]
    )
    assert streams[4:] == [
        ("records_accepted", 50),
        ("records_rejected", 0),
        ("records_unchanged", 0),
        ("http_request_wait", 1.0),
    ]
    shared = [line for line in metric_lines if "stream" not in line["tags"]]
    assert [line["value"] for line in shared] == [60, 10]
    assert {line["tags"]["endpoint"] for line in shared} == {"GET /batches"}


def test_on_a_terminal_there_are_pictures_and_no_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    display = Shown()
    with Progress(lambda: snapshot(0.0), display=lambda: display, seconds=3600.0) as progress:
        progress.tick()
        assert display.closed == 0
    assert (len(display.shown), display.closed) == (1, 1)
    assert "Under way" not in caplog.text


def test_elsewhere_there_is_a_line_each_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Progress(lambda: snapshot(0.0, received=7), seconds=0.01) as progress:
        while caplog.text.count("Under way: 7 received") < 3:
            progress._over.wait(0.01)
    assert caplog.records[0].counts["received"] == 7  # type: ignore[attr-defined]


def test_a_terminal_that_is_gone_ends_the_telling_and_not_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Gone(Shown):
        def show(self, *_: object) -> None:
            raise OSError("gone")

    display = Gone()
    with Progress(lambda: snapshot(0.0), display=lambda: display, seconds=0.01) as progress:
        assert progress._ended.wait(10)
    assert display.closed == 1
    assert "Progress is not shown any more (OSError)." in caplog.text


def test_without_room_for_a_thread_a_run_goes_on_without_progress(
    caplog: pytest.LogCaptureFixture,
) -> None:
    display = Shown()
    with Progress(
        lambda: snapshot(0.0), display=lambda: display, seconds=0.01, start=lambda *_: False
    ):
        pass
    assert (display.shown, display.closed) == ([], 1)
    assert "Progress is not shown, because the system has no room for a thread." in caplog.text


def test_a_display_that_cannot_be_put_up_or_taken_down_does_not_end_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stuck(Shown):
        def close(self) -> None:
            raise ValueError("closed file")

    def unmakeable() -> Shown:
        raise OSError("no terminal")

    for display, error in ((Stuck, "ValueError"), (unmakeable, "OSError")):
        with Progress(lambda: snapshot(0.0), display=display, seconds=60.0):
            pass
        assert f"Progress is not shown any more ({error})." in caplog.text


def test_the_largest_numbers_fit_the_narrowest_terminal() -> None:
    large = dict.fromkeys(("received", "sent", "accepted", "unchanged", "removed"), 1000000)
    first, last = snapshot(0.0, 0.1), snapshot(5000.0, 0.5, rejected=99_999, **large)
    console = Console(width=NARROWEST, file=StringIO(), force_terminal=True, no_color=True)
    with console.capture() as capture:
        console.print(picture(last, pace(first, last), 40_000.0))
    lines = Text.from_ansi(capture.get()).plain.splitlines()
    assert lines[0].split() == ["received", "sent", "accepted", "rejected", "unchanged", "removed"]
    assert lines[1].split()[3:] == ["99,999", "1,000,000", "1,000,000"]
    assert lines[2].endswith("limit in use 25 % (POST /batches)")
    assert (lines[3][-4:], len(lines)) == ("left", 4)
