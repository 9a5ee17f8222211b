"""Readings in columns say the same as readings one by one."""

import json
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from events.errors import BadMessage
from events.pack import Pack, decode_pack
from events.reading import Reading, decode_senml

names = st.sampled_from(["", "a", "cpu/load1", "b", "dev/x", "-", "ô"])
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
times = st.sampled_from([0.0, -5.0, 1.5, -1e12, 1e9, 1.7e9, 3e8, 2.5e11, 1e300])
records = st.fixed_dictionaries(
    {},
    optional={
        "n": names,
        "v": numbers,
        "t": times,
        "u": st.sampled_from(["Cel", "", "m"]),
        "bn": names,
        "bt": times,
        "bu": st.sampled_from(["Cel", ""]),
        "bv": numbers,
        "vs": st.text(max_size=3),
        "vb": st.booleans(),
        "vd": st.sampled_from(["AQI", "!"]),
        "s": numbers,
        "x": st.none(),
        "x_": st.none(),
        "bver": st.sampled_from([10, 11]),
    },
)
plain = st.fixed_dictionaries({"n": names, "v": numbers}, optional={"t": times, "u": st.sampled_from(["Cel", ""])})
bases = st.fixed_dictionaries({"v": numbers}, optional={"n": names, "bn": names, "bt": times})
packs = st.one_of(
    st.lists(records, max_size=4),
    st.builds(lambda base, rest: [base, *rest], bases, st.lists(st.one_of(plain, plain, bases), max_size=5)),
)


def one_by_one(payload: bytes) -> list[Reading]:
    return decode_senml(payload, "dev")


def in_columns(payload: bytes) -> list[Reading]:
    return decode_pack(payload, "dev").readings()


def outcome(decode: Callable[[bytes], list[Reading]], payload: bytes) -> list[Reading] | str:
    try:
        return decode(payload)
    except BadMessage as bad:
        return f"{bad.reason} {bad.detail}"


@given(packs)
@example([{"bn": "dev/", "bt": 1.7e9, "n": "a", "v": 1.0}, {"n": "b", "t": 0.5, "v": 2}])
@example([])
def test_a_pack_says_what_its_readings_say(pack: list[dict[str, object]]) -> None:
    payload = json.dumps(pack).encode()
    assert outcome(in_columns, payload) == outcome(one_by_one, payload)


@given(st.binary(max_size=60))
@example(b'[{"n":"a","v":1e999}]')
@example(b'[{"n":"a","v":1,"\\u0062t":5}]')
@example(b"[" * 5000)
def test_any_bytes_are_refused_for_the_same_reason(payload: bytes) -> None:
    assert outcome(in_columns, payload) == outcome(one_by_one, payload)


@given(
    st.lists(
        st.builds(Reading, names, st.none() | times, st.one_of(numbers, st.text(), st.booleans()), st.none() | names)
    )
)
def test_what_is_laid_out_is_what_is_read_back(readings: list[Reading]) -> None:
    assert Pack.of(readings).readings() == readings


@pytest.mark.parametrize("count", [1, 127, 128, 129, 1000])
def test_packs_of_any_size_are_read(count: int) -> None:
    pack = [{"n": f"s{n}", "v": n, "t": 1.7e9 + n} for n in range(count)]
    decoded = decode_pack(json.dumps(pack).encode(), "dev")
    assert (len(decoded), decoded.numeric) == (count, True)
    assert decoded.readings() == decode_senml(json.dumps(pack).encode(), "dev")


def test_messages_of_the_same_series_share_one_layout() -> None:
    first, second = (decode_pack(b'[{"n":"a","v":%d},{"n":"b","v":2}]' % n, "dev") for n in (1, 2))
    other = decode_pack(b'[{"n":"a","v":1},{"n":"b","v":2}]', "another")
    assert first.layout is second.layout
    assert other.layout is not first.layout


def test_what_a_sender_doubts_stays_beside_its_value() -> None:
    readings = [
        Reading("a", 1e9, 1.0),
        Reading("b", 1e9, 2.0, "Cel", doubted=True),
        Reading("c", None, 3.0, doubted=True),
    ]
    assert Pack.of(readings).readings() == readings
    assert Pack.of(readings[:1]).doubted is None
