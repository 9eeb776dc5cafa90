from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from target_omnisend.ledger import changes
from target_omnisend.ledger.journal import Sizes

if TYPE_CHECKING:
    from conftest import Opener

ANN, BOB, EVE = "ann@example.com", "bob@example.com", "eve@example.com"
ONE, TWO = b"1" * 16, b"2" * 16


def test_what_was_flushed_is_known_to_the_next_run(url: str, opened: Opener) -> None:
    first = opened(url)
    first.confirm("VIP", [(ANN, ONE), (BOB, TWO)])
    first.flush()
    first.close()

    assert opened(url).known("VIP", [ANN, BOB, EVE]) == {ANN: ONE, BOB: TWO}


def test_a_flush_lasts_though_the_run_dies_after_it(url: str, opened: Opener) -> None:
    first = opened(url)
    first.confirm("VIP", [(ANN, ONE), (BOB, ONE)])
    first.flush()
    first.forget("VIP", [BOB])
    first.flush()
    first.confirm("VIP", [(EVE, ONE)])
    first._database.close()

    second = opened(url)

    assert second.known("VIP", [ANN, BOB, EVE]) == {ANN: ONE}
    assert second.count("VIP") == 1


def test_segments_and_brands_do_not_share_members(url: str, opened: Opener) -> None:
    here = opened(url)
    here.confirm("VIP", [(ANN, ONE)])
    here.confirm("Lapsed", [(ANN, TWO), (BOB, TWO)])

    assert here.known("VIP", [ANN, BOB]) == {ANN: ONE}
    assert here.known("Lapsed", [ANN, BOB]) == {ANN: TWO, BOB: TWO}
    assert here.segments() == [("Lapsed", 2), ("VIP", 1)]
    here.close()
    assert opened(url, brand="other").segments() == []


def test_a_member_confirmed_again_has_the_newer_fingerprint(url: str, opened: Opener) -> None:
    here = opened(url)
    for fingerprint in (ONE, TWO):
        here.confirm("VIP", [(ANN, fingerprint)])
        assert here.known("VIP", [ANN]) == {ANN: fingerprint}
        assert here.count("VIP") == 1
    here.confirm("VIP", [(ANN, ONE)])
    assert here.known("VIP", [ANN]) == {ANN: ONE}


def test_the_forgotten_are_unknown_before_and_after_the_flush(url: str, opened: Opener) -> None:
    here = opened(url)
    here.confirm("VIP", [(ANN, ONE), (BOB, ONE)])
    assert here.count("VIP") == 2

    here.forget("VIP", [ANN, EVE])

    assert here.known("VIP", [ANN, BOB]) == {BOB: ONE}
    assert here.count("VIP") == 1
    assert here.known("VIP", [ANN, BOB]) == {BOB: ONE}


def test_only_memberships_that_this_target_gave_are_counted(url: str, opened: Opener) -> None:
    here = opened(url)
    here.confirm("VIP", [(ANN, ONE), (BOB, ONE)])
    here.confirm("VIP", [(EVE, ONE)], given=False)
    assert here.count("VIP") == 2
    here.confirm("VIP", [(ANN, TWO)], given=False)

    assert here.count("VIP") == 2, "given once, it stays given"
    assert list(here.members("VIP")) == [[ANN, BOB]]
    assert here.known("VIP", [ANN, EVE]) == {ANN: TWO, EVE: ONE}
    here.begin_seen("VIP")
    here.see("VIP", [BOB])
    assert list(here.leavers("VIP")) == [[ANN]]


def test_what_was_given_before_it_was_forgotten_is_not_given_again(
    url: str, opened: Opener
) -> None:
    here = opened(url)
    here.confirm("VIP", [(ANN, ONE)])
    assert here.count("VIP") == 1

    here.forget("VIP", [ANN])
    here.confirm("VIP", [(ANN, TWO)], given=False)

    assert here.count("VIP") == 0
    assert here.known("VIP", [ANN]) == {ANN: TWO}


def test_leavers_are_those_the_run_neither_saw_nor_confirmed(url: str, opened: Opener) -> None:
    here = opened(url)
    everybody = [f"{number}@example.com" for number in range(2_500)]
    here.confirm("VIP", [(email, ONE) for email in everybody])
    here.begin_seen("VIP")

    here.known("VIP", everybody[:1_200])
    here.see("VIP", everybody[:1_000])
    here.see("VIP", [*everybody[1_500:2_000], "unknown@example.com"])
    here.confirm("VIP", [(everybody[2_000], TWO), ("new@example.com", ONE)])

    left = {*everybody[1_000:1_500], *everybody[2_001:]}
    assert here.count_leavers("VIP") == len(left)
    found = list(here.leavers("VIP", 100))
    assert {len(page) for page in found[:-1]} == {100}
    assert {email for page in found for email in page} == left


def test_leavers_may_be_forgotten_as_they_come(url: str, opened: Opener) -> None:
    here = opened(url, sizes=Sizes(page=7, unwritten=3, unmerged=5))
    here.confirm("VIP", [(f"{number}@example.com", ONE) for number in range(50)])
    here.begin_seen("VIP")
    here.see("VIP", ["7@example.com"])

    for page in here.leavers("VIP", 4):
        here.forget("VIP", page)

    assert list(here.members("VIP")) == [["7@example.com"]]
    for page in here.members("VIP", 1):
        here.forget("VIP", page)
    assert here.segments() == []


def test_somebody_forgotten_and_confirmed_in_one_run_is_present(url: str, opened: Opener) -> None:
    here = opened(url)
    here.confirm("VIP", [(ANN, ONE), (BOB, ONE)])
    here.begin_seen("VIP")
    here.forget("VIP", [BOB])
    assert here.count("VIP") == 1
    here.confirm("VIP", [(BOB, ONE)])

    assert list(here.leavers("VIP")) == [[ANN]]


def test_a_stale_look_up_hides_nobody_from_the_next_counting(url: str, opened: Opener) -> None:
    here = opened(url)
    here.confirm("VIP", [(EVE, ONE)])
    here.known("VIP", [ANN])
    here.confirm("VIP", [(ANN, ONE)])
    here.begin_seen("VIP")
    here.see("VIP", [ANN])

    assert list(here.leavers("VIP")) == [[EVE]]


def test_a_run_that_died_has_seen_nobody(url: str, opened: Opener) -> None:
    first = opened(url)
    first.confirm("VIP", [(ANN, ONE), (BOB, ONE)])
    first.begin_seen("VIP")
    first.see("VIP", [ANN])
    first._database.close()

    second = opened(url)
    second.begin_seen("VIP")
    second.see("VIP", [BOB])

    assert list(second.leavers("VIP")) == [[ANN]]


def test_leavers_need_a_beginning(url: str, opened: Opener) -> None:
    here = opened(url)
    here.confirm("VIP", [(ANN, ONE)])

    with pytest.raises(RuntimeError, match="begin_seen"):
        here.count_leavers("VIP")


def test_a_version_that_an_earlier_run_left_unfinished_is_not_complete(
    url: str, opened: Opener
) -> None:
    first = opened(url)
    assert first.begin_seen("VIP", "1")
    assert first.begin_seen("VIP", "1"), "the same run may begin again"
    first._database.close()

    second = opened(url)
    assert not second.begin_seen("VIP", "1")
    second.end_seen("VIP")
    assert second.begin_seen("VIP", "1"), "once ended, it may be brought again"
    second.end_seen("VIP")
    second.close()

    third = opened(url)
    assert third.begin_seen("VIP", "2")
    assert third.begin_seen("VIP")


def test_a_look_at_omnisend_leaves_a_version_half_read(url: str, opened: Opener) -> None:
    first = opened(url)
    first.confirm("VIP", [(ANN, ONE), (BOB, ONE)])
    first.begin_seen("VIP", "1")
    first.close()

    second = opened(url)
    second.begin_look("VIP")
    second.see("VIP", [ANN])
    assert list(second.leavers("VIP")) == [[BOB]]
    assert not second.begin_seen("VIP", "1")


def test_the_mapping_is_remembered_by_segment(url: str, opened: Opener) -> None:
    first = opened(url)
    assert first.mapping_fingerprint("VIP") is None
    first.set_mapping_fingerprint("VIP", "v1:tag")
    first._database.close()

    second = opened(url)
    assert second.mapping_fingerprint("VIP") == "v1:tag"
    assert second.mapping_fingerprint("Lapsed") is None
    second.set_mapping_fingerprint("VIP", "v2:tag")
    assert second.mapping_fingerprint("VIP") == "v2:tag"


def test_nobody_is_known_in_a_segment_nobody_heard_of(url: str, opened: Opener) -> None:
    here = opened(url)

    assert here.known("VIP", [ANN]) == {}
    assert here.count("VIP") == 0
    assert list(here.members("VIP")) == []
    assert here.segments() == []


def test_text_of_any_language_comes_back(url: str, opened: Opener) -> None:
    emails = ["Ünï@exämple.com", "Zoë@例え.jp", "o'\"\\neil@example.com", "😀@example.com"]
    here = opened(url)
    here.confirm("Ærø 'x' %s ?", [(email, ONE) for email in emails])

    assert list(here.members("Ærø 'x' %s ?")) == [sorted(emails)]
    assert set(here.known("Ærø 'x' %s ?", emails)) == set(emails)


def test_changes_are_written_unasked_when_there_are_many(url: str, opened: Opener) -> None:
    first = opened(url, sizes=Sizes(unwritten=10, unmerged=25))
    for number in range(39):
        first.confirm("VIP", [(f"{number}@example.com", ONE)])
    kept = sum(len(place.unmerged) for place in first._segments.values())
    first._database.close()

    assert kept < 25
    assert opened(url).count("VIP") == 30


def test_threads_take_turns(url: str, opened: Opener) -> None:
    here = opened(url)

    def work() -> None:
        here.confirm("VIP", [(ANN, ONE)])
        here.flush()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert here.count("VIP") == 1


def test_confirmed_at_is_seconds_of_utc(opened: Opener, tmp_path: object) -> None:
    here = opened(f"sqlite:///{tmp_path}/ledger.db")
    here.confirm("VIP", [(ANN, ONE)])
    here.close()

    with sqlite3.connect(f"{tmp_path}/ledger.db") as database:
        found = database.execute(
            "SELECT datetime(confirmed_at, 'unixepoch') FROM target_omnisend_members"
        ).fetchone()
    database.close()
    assert found == ("2026-11-22 12:00:00",)


def test_the_journal_reads_what_it_wrote() -> None:
    written: list[tuple[int, changes.Changes]] = [
        (1, {ANN: changes.Change(ONE, 1, 5), BOB: None}),
        (2, {EVE: changes.Change(TWO, 0, 5, anew=True)}),
    ]

    assert changes.decode(changes.encode(written)) == written
