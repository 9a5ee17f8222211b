"""Units: golden conversions, round trips without drift, names of others, and what is no unit."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.unit_names import NAMES, SENML
from ingest.units import SAME, Conversion, conversion, convert, is_known, ucum

GOLDEN = [
    ("[degF]", "Cel", 212.0, 100.0),
    ("[degF]", "Cel", -40.0, -40.0),
    ("Cel", "[degF]", 37.5, 99.5),
    ("K", "Cel", 300.0, 26.85),
    ("km/h", "m/s", 36.0, 10.0),
    ("m/s", "km/h", 13.9, 50.04),
    ("[mi_i]/h", "km/h", 62.5, 100.584),
    ("[kn_i]", "m/s", 900.0, 463.0),
    ("mg/m3", "ug/m3", 0.035, 35.0),
    ("ug/m3", "mg/m3", 35.0, 0.035),
    ("[in_i]", "mm", 0.1, 2.54),
    ("[ft_i]", "m", 10.0, 3.048),
    ("hPa", "kPa", 1013.25, 101.325),
    ("kW.h", "J", 1.0, 3.6e6),
    ("[ppm]", "%", 420.0, 0.042),
    ("{veh}/h", "/min", 1200.0, 20.0),
    ("m3/h", "L/s", 3.6, 1.0),
]
PAIRS = sorted({(unit, into) for unit, into, *_ in GOLDEN})


def converted(value: float, rule: Conversion | None) -> float:
    assert rule is not None
    columns = [np.array([x]) for x in (value, rule.numerator, rule.offset, rule.denominator)]
    return float(convert(*columns)[0])


@pytest.mark.parametrize(("unit", "into", "value", "wanted"), GOLDEN)
def test_a_value_becomes_the_very_number_that_one_would_write(
    unit: str, into: str, value: float, wanted: float
) -> None:
    assert converted(value, conversion(unit, into)) == wanted


@settings(deadline=None)
@given(st.sampled_from(PAIRS), st.floats(-1e9, 1e9))
def test_a_conversion_is_the_nearest_float_to_the_exact_one(pair: tuple[str, str], value: float) -> None:
    rule = conversion(*pair)
    assert rule is not None
    numerator, offset, denominator = map(Fraction, (rule.numerator, rule.offset, rule.denominator))
    exact = (Fraction(value) * numerator + offset) / denominator
    got = converted(value, rule)
    unit = math.ulp(max(abs(got), abs(float(offset / denominator)) * 2.0**-10))  # 64 bits on the way, 53 in the end
    assert abs(Fraction(got) - exact) <= unit * Fraction(51, 100)


@settings(deadline=None)
@given(st.sampled_from(PAIRS), st.floats(-1e6, 1e6))
def test_there_and_back_is_where_it_began(pair: tuple[str, str], value: float) -> None:
    unit, into = pair
    back = converted(converted(value, conversion(unit, into)), conversion(into, unit))
    assert back == pytest.approx(value, rel=1e-15, abs=1e-12)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_of_others_means_a_unit_that_is_known(name: str) -> None:
    assert is_known(name)
    assert ucum(ucum(name)) == ucum(name)


def test_names_of_senml_say_the_same_as_their_codes() -> None:
    assert {conversion(name, code) for name, code in SENML.items()} == {SAME}
    assert converted(50.0, conversion("/1000", "%RH")) == 5.0
    assert (ucum("µg/m³"), ucum("°C"), ucum("Cel"), ucum("m/s")) == ("ug/m3", "Cel", "Cel", "m/s")


@pytest.mark.parametrize("text", ["", "furlongs", "°X", "km9999999", "((", "m" * 61, "\x00", "1/", "Celsius"])
def test_what_is_no_unit_is_not_known(text: str) -> None:
    assert not is_known(text)


@pytest.mark.parametrize(
    ("unit", "into"),
    [("m", "Cel"), ("dB", "1"), ("dB[W]", "W"), ("dBm", "dB"), ("[pH]", "1"), ("Cel/h", "K/s"), ("lx", "lm")],
)
def test_other_quantities_and_other_scales_are_not_converted(unit: str, into: str) -> None:
    assert is_known(unit)
    assert conversion(unit, into) is None


@settings(deadline=None)  # the first one loads the grammar
@given(st.text(max_size=70))
def test_any_text_is_a_unit_or_is_not(text: str) -> None:
    assert is_known(text) in {True, False}


def test_two_codes_for_one_unit_need_no_arithmetic() -> None:
    assert conversion("m/s", "m.s-1") == SAME
