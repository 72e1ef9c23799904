"""Ranges of equal ratio, and axes that grow: laws, and numpy's logspace as the other route."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.ranges import MOST_PER_DECADE, SIDES, Axis, Side, spread

exponents = st.integers(-8, 6)


def test_the_half_decades_of_learning_rates() -> None:
    values = spread(1e-5, 1e1, 2)
    assert values == (1e-5, 3.16e-5, 1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 0.1, 0.316, 1.0, 3.16, 10.0)


@settings(deadline=None)
@given(exponents, st.integers(1, 8), st.integers(1, MOST_PER_DECADE))
def test_whole_decades_are_those_of_logspace_to_three_digits(low: int, decades: int, per_decade: int) -> None:
    values = spread(10.0**low, 10.0 ** (low + decades), per_decade)
    expected = np.logspace(low, low + decades, decades * per_decade + 1)
    assert len(values) == len(expected)
    np.testing.assert_allclose(values, expected, rtol=5.1e-3)
    assert values[::per_decade] == pytest.approx([10.0**at for at in range(low, low + decades + 1)], rel=1e-12)
    assert all(value == float(f"{value:.2e}") for value in values)


@settings(deadline=None)
@given(st.floats(1e-6, 1e3), st.integers(1, 40), st.integers(1, MOST_PER_DECADE))
def test_both_ends_are_in_it_and_its_steps_are_alike(low: float, steps: int, per_decade: int) -> None:
    high = low * 10 ** (steps / per_decade)
    values = spread(low, high, per_decade)
    assert (values[0], values[-1], len(values)) == (low, high, steps + 1)
    ratios = np.divide(values[1:], values[:-1])
    np.testing.assert_allclose(ratios, 10 ** (1 / per_decade), rtol=1.1e-2)
    assert list(values) == sorted(set(values))


@settings(deadline=None)
@given(exponents, st.integers(1, 4), st.integers(1, MOST_PER_DECADE), st.lists(st.sampled_from(SIDES), max_size=6))
def test_a_range_that_grows_is_the_longer_range(low: int, decades: int, per_decade: int, sides: list[Side]) -> None:
    axis = Axis.of_range(10.0**low, 10.0 ** (low + decades), per_decade)
    for side in sides:
        longer = axis.grown(side)
        assert longer is not None
        assert len(longer.values) == len(axis.values) + 1
        assert set(axis.values) < set(longer.values)
        axis = longer
    below, above = sides.count("low"), sides.count("high")
    expected = 10.0 ** (low + np.arange(-below, decades * per_decade + above + 1) / per_decade)
    np.testing.assert_allclose(axis.values, expected, rtol=5.1e-3)


@settings(deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1.1, 10), st.integers(2, 6))
def test_a_list_grows_by_the_ratio_at_its_end(first: float, ratio: float, count: int) -> None:
    axis = Axis(tuple(first * ratio**at for at in range(count)))
    ends: list[tuple[Side, int]] = [("low", -1), ("high", count)]
    for side, power in ends:
        longer = axis.grown(side)
        assert longer is not None
        assert longer.values[0 if side == "low" else -1] == pytest.approx(first * ratio**power, rel=1e-9)


def test_whole_numbers_stay_whole_and_lists_without_a_ratio_do_not_grow() -> None:
    longer = Axis((16, 32, 64)).grown("high")
    assert longer is not None
    assert longer.values == (16, 32, 64, 128)
    assert isinstance(longer.values[-1], int)
    assert Axis((1, 2, 4)).grown("low") is None  # a half is no whole number, and rounded it is none or 0
    assert Axis((0, 1)).grown("low") is None
    assert Axis((-1.0, 1.0)).grown("low") is None
    assert Axis((3.0,)).grown("high") is None


def test_ends_are_told_and_a_single_value_has_none() -> None:
    axis = Axis((1, 2, 4))
    assert [axis.at_edge(value) for value in axis.values] == ["low", None, "high"]
    assert Axis((1,)).at_edge(1) is None


@pytest.mark.parametrize(
    ("low", "high", "per_decade", "sentence"),
    [
        (0, 1, 2, "'from' must be a number above 0, got 0"),
        (1, math.inf, 2, "'to' must be a number above 0, got inf"),
        (1, 1, 2, "'to' must be above 'from' (1), got 1"),
        (1, 10, 0, "'per_decade' must be a whole number from 1 to 20, got 0"),
        (1e-5, 7, 2, "'to' is not reached from 1e-05 in steps of 1/2 decade, got 7; write 3.16 or 10"),
        (1, 1.5, 1, "write 10"),
        (1e-300, 1e300, 20, "the range has 12001 values; 1000 are the most"),
    ],
)
def test_what_is_no_range_is_one_sentence(low: float, high: float, per_decade: int, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        spread(low, high, per_decade)
    assert sentence in str(caught.value)
