"""Units of measure, by their UCUM codes: which are known, and how one is exactly converted into another.

Grammar and definitions are ucumvert's and pint's. They are loaded when the first unit is met that the registry does not
have yet, and asked once for each pair of units.
"""

import math
import re
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest.unit_names import LETTERS, NAMES

if TYPE_CHECKING:
    from ucumvert import PintUcumRegistry

LONGEST: Final = 60  # characters of a code: those of the standard's examples have up to 30
HUGE_POWER: Final = re.compile(r"[^\d+\-./(][+-]?\d{3}")  # m100: nobody's unit, and hours of arithmetic
ANNOTATION: Final = re.compile(r"\{[^{}]*\}")  # {veh}: says of what, and is no unit (UCUM, section 6)
LEVEL: Final = re.compile(r"B\{")  # dB{mW}: here the annotation is the reference, and levels of two are not one scale
EXACT: Final = 2**53  # integers up to here are floats without rounding


class Conversion(msgspec.Struct, frozen=True):
    """`(value * numerator + offset) / denominator`: of 32 [degF] 0.0 Cel comes, not 1e-15."""

    numerator: float = 1.0
    offset: float = 0.0
    denominator: float = 1.0


SAME: Final = Conversion()


def convert(
    values: NDArray[np.float64],
    numerator: NDArray[np.float64],
    offset: NDArray[np.float64],
    denominator: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Apply to each value the conversion beside it: all (n,). In the widest floats there are, rounded once at the end.

    >>> convert(np.array([212.0]), np.array([5.0]), np.array([-160.0]), np.array([9.0]))
    array([100.])
    """
    wide = values.astype(np.longdouble)
    with np.errstate(over="ignore"):  # a value that no float holds becomes infinite, as IEEE 754 has it
        return ((wide * numerator + offset) / denominator).astype(np.float64)


def ucum(unit: str) -> str:
    """Return the UCUM code of a unit that is written as SenML or people write it; a code stays as it is."""
    plain = unit.strip().translate(LETTERS)
    return NAMES.get(plain, plain)


def is_known(unit: str) -> bool:
    """Whether `unit` is a UCUM code, or a name for one."""
    return _parses(ucum(unit))


def conversion(unit: str, into: str) -> Conversion | None:
    """How values in `unit` become values in `into`; None: they measure different things, or not on a linear scale."""
    return _conversion(ucum(unit), ucum(into))


@lru_cache(maxsize=4096)
def _parses(code: str) -> bool:
    from ucumvert import InvalidUcumError, parse_ucum  # noqa: PLC0415 - most processes never need it: 25 MB, a second

    if not code or len(code) > LONGEST or HUGE_POWER.search(code):
        return False
    try:
        parse_ucum(code)
    except InvalidUcumError:
        return False
    return True


@lru_cache(maxsize=4096)
def _conversion(code: str, into: str) -> Conversion | None:
    if code == into:
        return SAME
    if not (_parses(code) and _parses(into)) or LEVEL.search(code) or LEVEL.search(into):
        return None
    try:
        at_0, at_1, at_2 = (_value(x, code, into) for x in range(3))
    except _refusals():
        return None
    if at_2 - at_1 != at_1 - at_0 or at_1 == at_0:
        return None  # a logarithmic scale
    return _rational(at_1 - at_0, at_0)


def _rational(slope: Fraction, intercept: Fraction) -> Conversion | None:
    """One denominator for both, so that nothing is rounded before the division."""
    common = math.lcm(slope.denominator, intercept.denominator)
    parts = int(slope * common), int(intercept * common), common
    if max(map(abs, parts)) <= EXACT:
        return Conversion(*map(float, parts))
    try:
        return Conversion(float(slope), float(intercept))
    except OverflowError:
        return None


def _value(x: int, code: str, into: str) -> Fraction:
    """Return what `x` in `code` is in `into`. Floats come from scales that are not linear: they stay as far from it."""
    registry = _registry()
    source, target = (registry.from_ucum(ANNOTATION.sub("", c) or "1").units for c in (code, into))
    return Fraction(registry.Quantity(Fraction(x), source).to(target).magnitude)


@cache
def _registry() -> "PintUcumRegistry":
    from ucumvert import PintUcumRegistry  # noqa: PLC0415 - see _parses

    return PintUcumRegistry(non_int_type=Fraction)


@cache
def _refusals() -> tuple[type[Exception], ...]:
    """What they raise of units that parse and that they can't convert; TypeError: the logarithm of a Fraction."""
    from lark.exceptions import VisitError  # noqa: PLC0415 - see _parses
    from pint import PintError  # noqa: PLC0415 - see _parses

    return PintError, VisitError, ArithmeticError, TypeError, ValueError
