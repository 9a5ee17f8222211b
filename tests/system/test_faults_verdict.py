from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from events.envelope import MessageId
from ngatu.faults.plan import KINDS, faults
from ngatu.faults.report import Report
from ngatu.faults.truth import Log, Made
from ngatu.faults.verdict import Stored, compare
from storage.audit import Gap

STREAM = "01JD0000000000000000000000"
AT = 1_800_000_000.0


def made(seq: int, series: str = "gen/0000", value: str | None = None) -> Made:
    return Made(
        device="a", message=MessageId(STREAM, seq), series=series, at=AT + seq / 40, value=value or f"{seq}.125"
    )


def row(thing: Made, off: int = 0) -> tuple[str, str, str, int]:
    return thing.device, thing.series, thing.value, round(thing.at * 1e6) + off


def gap(first: int, last: int, reason: str = "evicted") -> Gap:
    return Gap(device="a", stream=STREAM, first=first, last=last, reason=reason, explained=reason == "evicted")


FIVE = tuple(made(seq) for seq in range(1, 6))
ALL_THERE = Stored(readings=Counter(row(thing) for thing in FIVE), incidents={}, evidence=Counter(), gaps=())


def test_what_is_all_there_once_is_well() -> None:
    finding = compare(FIVE, ALL_THERE)
    assert not finding.lost
    assert not finding.doubled
    assert not finding.unlogged
    assert not finding.evicted


def test_a_last_microsecond_off_is_the_same_reading() -> None:
    there = replace(ALL_THERE, readings=Counter(row(thing, off=-1) for thing in FIVE))
    assert compare(FIVE, there) == compare(FIVE, ALL_THERE)


def test_what_is_missing_without_a_reason_is_lost() -> None:
    there = replace(ALL_THERE, readings=Counter(row(thing) for thing in FIVE[1:]), gaps=[gap(1, 1, "not received")])
    assert compare(FIVE, there).lost == (FIVE[0],)


def test_what_was_given_up_for_want_of_room_is_evicted() -> None:
    there = replace(ALL_THERE, readings=Counter(row(thing) for thing in FIVE[2:]), gaps=[gap(1, 2)])
    finding = compare(FIVE, there)
    assert not finding.lost
    assert finding.evicted == {MessageId(STREAM, 1), MessageId(STREAM, 2)}


def test_a_row_that_is_there_twice_is_doubled() -> None:
    there = replace(ALL_THERE, readings=ALL_THERE.readings + Counter([row(FIVE[0])]))
    assert len(compare(FIVE, there).doubled) == 1


def test_a_reading_that_comes_back_after_it_was_checked_and_deleted_is_doubled() -> None:
    assert len(compare(FIVE[2:], ALL_THERE, forgotten_until=FIVE[1].at).doubled) == 2


def test_a_row_that_no_log_names_is_told() -> None:
    assert compare(FIVE[1:], ALL_THERE).unlogged == {row(FIVE[0])}


def test_an_incident_is_there_with_its_revision_or_a_later_one() -> None:
    opened, ended = made(1, "incident", "X 1"), made(2, "incident", "X 2")
    assert compare([opened, ended], replace(ALL_THERE, incidents={"X": 1})).lost == (ended,)
    assert not compare([opened, ended], replace(ALL_THERE, incidents={"X": 2})).lost


def test_a_still_is_there_once() -> None:
    still = made(1, "evidence", "X abcd")
    assert compare([still], ALL_THERE).lost == (still,)
    assert not compare([still], replace(ALL_THERE, evidence=Counter(["X abcd"]))).lost
    assert compare([still], replace(ALL_THERE, evidence=Counter(["X abcd"] * 2))).doubled == ("X abcd",)


def test_a_log_is_read_on_from_where_it_was_and_only_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "made.csv"
    log = Log("a", file)
    assert not list(log.read())
    file.write_text(f"{STREAM}:1,gen/0000,{AT!r},1.5\n{STREAM}:2,gen/00")
    assert [thing.message.seq for thing in log.read()] == [1]
    with file.open("a") as more:
        more.write(f"00,{AT!r},2.5\n")
    assert [(thing.message.seq, thing.value) for thing in log.read()] == [(2, "2.5")]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nine_rounds_hold_every_kind_of_fault_and_the_seed_says_which(seed: int) -> None:
    drawn = list(faults(18, seed))
    assert {fault.kind for fault in drawn[:9]} == {fault.kind for fault in drawn[9:]} == set(KINDS)
    assert drawn == list(faults(18, seed))
    assert drawn != list(faults(18, seed + 1))


def good_report() -> Report:
    return Report(seed=1, messages=5000, evicted=3, recovery_s={kind: [1.0] for kind in KINDS})


def test_a_good_campaign_has_nothing_to_complain_of() -> None:
    assert good_report().verdict() == []


@pytest.mark.parametrize(
    "change",
    [
        {"lost": 1},
        {"duplicated": 1},
        {"unexplained_gaps": 1},
        {"evicted_outside": 1},
        {"evicted": 0},
        {"crashes": 1},
        {"unlogged": 101},
        {"messages": 10},
        {"recovery_s": {kind: [1.0] for kind in KINDS[1:]}},
        {"problems": ["round 3: no recovery"]},
    ],
)
def test_a_campaign_fails_for(change: dict[str, object]) -> None:
    report = good_report()
    for name, value in change.items():
        setattr(report, name, value)
    assert len(report.verdict()) == 1
