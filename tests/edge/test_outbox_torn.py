"""Files that a power cut, a bad card or a stray program has damaged: the agent starts, and every loss is told."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import boxfile
from edge.outbox import Outbox
from edge.outgoing import RANKS, Rank
from events.envelope import MessageId
from tests.edge.making import message
from tests.edge.test_outbox import everything, given_up, ids

BUDGET = 50_000_000
Damage = Callable[[random.Random, bytearray], bytearray]


def cut(chance: random.Random, data: bytearray) -> bytearray:
    return data[: chance.randrange(len(data) + 1)]


def flip(chance: random.Random, data: bytearray) -> bytearray:
    for _ in range(chance.choice([1, 3, 30]) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def overwrite(chance: random.Random, data: bytearray) -> bytearray:
    for _ in range(chance.choice([1, 4])):
        begin, length = chance.randrange(len(data) + 1), chance.choice([20, 4096, 40_000])
        garbage = bytes(length) if chance.random() < 0.5 else chance.randbytes(length)
        data[begin : begin + length] = garbage[: max(0, len(data) - begin)]
    return data


def erase(_chance: random.Random, _data: bytearray) -> bytearray:
    return bytearray()


def swap_pages(chance: random.Random, data: bytearray) -> bytearray:
    """A card that wrote pages to the wrong places."""
    pages = len(data) // boxfile.PAGE
    if pages > 2:
        one, other = (chance.randrange(pages) * boxfile.PAGE for _ in range(2))
        kept = data[one : one + boxfile.PAGE]
        data[one : one + boxfile.PAGE] = data[other : other + boxfile.PAGE]
        data[other : other + boxfile.PAGE] = kept
    return data


DAMAGES: list[Damage] = [cut, flip, overwrite, erase, swap_pages]


def used(path: Path, chance: random.Random) -> dict[MessageId, bytes]:
    """Use an outbox for a while, over three runs; the last ends in a power cut. Return what is not stored."""
    kept: dict[MessageId, bytes] = {}
    for run in range(3):
        outbox = Outbox(path, BUDGET)
        for _ in range(chance.randrange(5, 60)):
            rank: Rank = chance.choice(RANKS)
            payload = chance.randbytes(chance.choice([0, 40, 3000, 4040, 12_000]))
            kept[outbox.put(message(rank, payload))] = payload
            if chance.random() < 0.2:
                outbox.commit()
            if chance.random() < 0.2:
                ident = chance.choice(sorted(kept))
                outbox.commit()
                outbox.acknowledge({ident.stream: [(1, ident.seq)]})
                kept = {other: data for other, data in kept.items() if other[0] != ident[0] or other[1] > ident[1]}
        outbox.set_note("about", f"{run}")
        outbox.next_connection()
        outbox.keep_announced()
        if run == 2:
            shutil.copytree(path.parent, path.parent.with_name("cut"))
        outbox.close()
    return kept


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_outbox_opens_and_each_message_is_found_or_its_loss_is_told(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    (tmp_path / "whole").mkdir()
    kept = used(tmp_path / "whole" / "outbox.db", chance)
    path = tmp_path / "cut" / "outbox.db"
    victims = [name for name in (path, path.with_name("outbox.db-wal")) if name.exists()]
    for victim in victims if chance.random() < 0.3 else [chance.choice(victims)]:
        victim.write_bytes(chance.choice(DAMAGES)(chance, bytearray(victim.read_bytes())))
    outbox = Outbox(path, BUDGET)
    found = {MessageId(row.stream, row.seq): row.payload for row in everything(outbox)}
    told = given_up(outbox)
    for ident, payload in kept.items():
        assert ident in told or found[ident] == payload
    assert not found.keys() & told.keys()
    fresh = [outbox.put(message(rank)) for rank in RANKS]
    outbox.commit()
    assert not kept.keys() & set(fresh)
    assert set(fresh) <= ids(outbox)
    outbox.close()


def test_an_untouched_outbox_loses_nothing_at_a_power_cut(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    kept = used(tmp_path / "whole" / "outbox.db", random.Random(0))
    outbox = Outbox(tmp_path / "cut" / "outbox.db", BUDGET)
    assert {MessageId(row.stream, row.seq): row.payload for row in everything(outbox)} == kept
    assert not given_up(outbox)
    outbox.close()


@pytest.mark.parametrize("where", [0.2, 0.5, 0.8])
def test_damage_in_one_place_costs_little(tmp_path: Path, where: float) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, BUDGET)
    made = {outbox.put(message(5, b"%04d" % number * 200)) for number in range(1000)}
    outbox.keep_announced()
    outbox.close()
    data = bytearray(path.read_bytes())
    page = int(len(data) * where) // boxfile.PAGE * boxfile.PAGE
    data[page : page + boxfile.PAGE] = bytes(boxfile.PAGE)
    path.write_bytes(data)
    outbox = Outbox(path, BUDGET)
    assert len(ids(outbox)) >= 990
    assert ids(outbox) | given_up(outbox).keys() == made
    assert set(given_up(outbox).values()) <= {"torn"}
    outbox.close()


def test_the_torn_file_is_kept_for_a_person_and_only_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    for _ in range(3):
        path.write_bytes(b"not a database" * 1000)
        Outbox(path, BUDGET).close()
    torn = list(tmp_path.glob("outbox.db.torn-*"))
    assert len(torn) == 1
    assert torn[0].read_bytes() == b"not a database" * 1000


def test_notes_outlive_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, BUDGET)
    for number in range(5):
        outbox.set_note("replay", str(number))
    outbox.close()
    data = bytearray(path.read_bytes())
    data[:100] = bytes(100)
    path.write_bytes(data)
    outbox = Outbox(path, BUDGET)
    assert outbox.note("replay") == "4"
    outbox.close()


def test_a_file_torn_while_in_use_is_mended_and_what_waits_in_memory_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, BUDGET)
    made = [outbox.put(message(5, bytes(3000))) for _ in range(500)]
    outbox.commit()
    outbox._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox._conn.execute("PRAGMA shrink_memory")
    with path.open("r+b") as file:
        file.seek(100_000)
        file.write(random.Random(1).randbytes(50_000))
    generation = outbox.generation
    waits = outbox.put(message(4))
    seen = {MessageId(row.stream, row.seq) for row in everything(outbox)}
    assert outbox.generation > generation
    assert len(seen) < 500
    more = outbox.put(message(5))
    outbox.commit()
    assert more == (made[0].stream, 501)
    assert ids(outbox) | given_up(outbox).keys() == {*made, waits, more}
    outbox.close()


def test_a_folder_that_cannot_be_written_is_an_error_and_not_a_torn_file(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").mkdir()
    with pytest.raises(OSError, match=r"outbox\.db"):
        Outbox(tmp_path / "outbox.db", BUDGET)


def test_what_was_committed_behind_a_damaged_place_of_the_log_is_found(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    outbox = Outbox(tmp_path / "whole" / "outbox.db", BUDGET)
    made = []
    for number in range(50):
        made.append(outbox.put(message(5, b"%04d" % number * 200)))
        outbox.commit()
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    outbox.close()
    wal = tmp_path / "cut" / "outbox.db-wal"
    data = bytearray(wal.read_bytes())
    data[len(data) // 3] ^= 1
    wal.write_bytes(data)
    outbox = Outbox(tmp_path / "cut" / "outbox.db", BUDGET)
    assert made[-1] in ids(outbox)
    assert len(ids(outbox)) >= 45
    assert ids(outbox) | given_up(outbox).keys() == set(made)
    outbox.close()
