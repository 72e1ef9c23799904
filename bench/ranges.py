"""Numbers in steps of equal ratio: ranges as a suite writes them, and lists that grow outward in their own ratio.

``{from: 1e-5, to: 1e1, per_decade: 2}`` stands for 1e-5, 3.16e-5, 1e-4, ..., 3.16, 10: half-decades, rounded to three
digits. An axis grows by one value at a time: a range by its step, a list by the ratio of its two outermost values.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from bench.errors import UsageError

DIGITS = 3  # that a value between the ends of a range keeps
MOST_PER_DECADE = 20  # neighbours are then 12 % apart
MOST_VALUES = 1000
_NEAR = 0.01  # by which an end that was itself rounded may miss its step

Number = int | float
Side = Literal["low", "high"]
SIDES: tuple[Side, ...] = ("low", "high")


def spread(low: float, high: float, per_decade: int) -> tuple[float, ...]:
    """Return the values from ``low`` to ``high``, both included, so many to a factor of ten, each of equal ratio.

    Raises UsageError where an end is not above 0 and finite, or ``high`` is not one of the steps from ``low``.
    """
    for name, value in (("from", low), ("to", high)):
        if not 0 < value < math.inf:
            raise UsageError(f"'{name}' must be a number above 0, got {value!r}")
    if not high > low:
        raise UsageError(f"'to' must be above 'from' ({low!r}), got {high!r}")
    if not 1 <= per_decade <= MOST_PER_DECADE:
        raise UsageError(f"'per_decade' must be a whole number from 1 to {MOST_PER_DECADE}, got {per_decade!r}")
    wanted = (math.log10(high) - math.log10(low)) * per_decade
    steps = round(wanted)
    if steps >= MOST_VALUES:
        raise UsageError(f"the range has {steps + 1} values; {MOST_VALUES} are the most")
    if steps < 1 or abs(high / _step(low, steps, per_decade) - 1) > _NEAR:
        near = [_rounded(_step(low, at, per_decade)) for at in (max(1, math.floor(wanted)), math.floor(wanted) + 1)]
        ends = " or ".join(f"{value:g}" for value in dict.fromkeys(near))
        raise UsageError(
            f"'to' is not reached from {low:g} in steps of 1/{per_decade} decade, got {high:g}; write {ends}"
        )
    between = (_rounded(_step(low, at, per_decade)) for at in range(1, steps))
    return (float(low), *between, float(high))


def _step(low: float, at: int, per_decade: int) -> float:
    # powers of ten apart from the root, so that whole decades are exact but for the last bit, which rounding takes
    return low * 10.0 ** (at // per_decade) * 10.0 ** (at % per_decade / per_decade)


def _rounded(value: float) -> float:
    """Return the nearest number of few digits."""
    return float(f"{value:.{DIGITS - 1}e}")


@dataclass(frozen=True)
class Axis:
    """The values of a setting, ascending: written as a list or, with ``per_decade``, as a range from ``origin`` on."""

    values: tuple[Number, ...]
    origin: float = 1.0
    per_decade: int | None = None

    @classmethod
    def of_range(cls, low: float, high: float, per_decade: int) -> "Axis":
        """Return the axis of a range. Raises UsageError for one that cannot be."""
        return cls(spread(low, high, per_decade), float(low), per_decade)

    def at_edge(self, value: Number) -> Side | None:
        """Return on which end a value lies, or None; a single value has no ends."""
        if len(self.values) < 2 or value not in (self.values[0], self.values[-1]):
            return None
        return "low" if value == self.values[0] else "high"

    def grown(self, side: Side) -> "Axis | None":
        """Return the axis with the next value beyond one end, or None where there is none.

        A list has none where it has no ratio, with a value that is not above 0; one of whole numbers goes on in whole
        numbers and ends where the next would be one that it has.
        """
        value = self._next_step(side) if self.per_decade else self._next_of_list(side)
        if value is None or not 0 < value < math.inf or value in self.values:
            return None
        values = (value, *self.values) if side == "low" else (*self.values, value)
        return dataclasses.replace(self, values=values)

    def _next_step(self, side: Side) -> float:
        assert self.per_decade is not None
        before = self.values.index(self.origin)  # values that were added below
        at = -before - 1 if side == "low" else len(self.values) - before
        return _rounded(_step(self.origin, at, self.per_decade))

    def _next_of_list(self, side: Side) -> Number | None:
        if len(self.values) < 2:
            return None
        edge, inner = self.values[:2] if side == "low" else self.values[:-3:-1]
        if not (edge > 0 and inner > 0):
            return None
        value = edge * (edge / inner)
        return round(value) if all(isinstance(one, int) for one in self.values) else float(f"{value:.12g}")
