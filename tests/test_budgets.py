"""What a search came to, against enumeration."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.budgets import diverged_share, expected_best, good_range, ranked, steps_to_target

SCORES = arrays(
    float, st.tuples(st.integers(1, 6), st.integers(2, 4)), elements=st.integers(0, 20).map(lambda one: one / 20)
)


@given(SCORES, st.booleans())
def test_the_best_of_n_is_what_every_choice_of_n_values_gives_on_average(scores: np.ndarray, higher: bool) -> None:
    values, repeats = scores.shape
    sign = 1 if higher else -1
    for number in range(1, values + 1):
        told = []
        for left_out in range(repeats):
            means = np.delete(scores, left_out, axis=1).mean(axis=1)
            for choice in combinations(range(values), number):
                best = max(choice, key=lambda one: (round(sign * means[one], 12), -one))
                told.append(scores[best, left_out])
        assert expected_best(scores, higher)[number - 1] == pytest.approx(np.mean(told))


@given(SCORES)
def test_one_try_scores_the_mean_of_all_values(scores: np.ndarray) -> None:
    assert expected_best(scores, True)[0] == pytest.approx(scores.mean())


def test_a_value_that_diverged_once_is_ranked_last_and_scores_as_the_worst_of_its_repeat() -> None:
    scores = np.array([[0.5, 0.6, 0.7], [0.9, 0.9, np.nan], [0.2, 0.3, 0.4]])
    assert ranked(scores, True).tolist() == [0, 2, 1]
    assert ranked(np.array([[0.5], [0.5], [0.4]]), True).tolist() == [0, 1, 2]
    # left out: repeat 0 (value 0 is best of the other two), 1 (likewise), 2 (value 1 did not diverge in the others)
    assert expected_best(scores, True)[2] == pytest.approx(np.mean([0.5, 0.6, 0.4]))
    assert np.isnan(expected_best(scores[:, :1], True)).all()
    assert diverged_share(scores) == pytest.approx(1 / 9)


def test_errors_are_better_when_lower() -> None:
    errors = np.array([[3.0, 3.0], [1.0, 1.0], [np.nan, 2.0]])
    assert ranked(errors, False).tolist() == [1, 0, 2]
    assert expected_best(errors, False)[-1] == 1.0


def test_the_good_range_is_the_run_around_the_best_and_stops_where_a_training_diverged() -> None:
    scores = np.array([0.80, 0.10, 0.79, 0.80, 0.795, np.nan, 0.80])[:, None]
    assert good_range(scores[1:5], True, 0.011) == (1, 3)
    assert good_range(scores, True, 0.011) == (0, 0)
    assert good_range(1 - scores[1:], False, 0.011) == (1, 3)
    with pytest.raises(ValueError, match="diverged at every value"):
        good_range(np.full((2, 2), np.nan), True, 0.01)


@given(SCORES, st.floats(0, 1))
def test_every_value_of_the_good_range_is_good(scores: np.ndarray, margin: float) -> None:
    first, last = good_range(scores, True, margin)
    means = scores.mean(axis=1)
    assert (means.max() - means[first : last + 1] <= margin + 1e-9).all()
    assert first <= ranked(scores, True)[0] <= last


def test_steps_to_a_target_are_those_of_the_first_point_that_reaches_it() -> None:
    steps = np.array([10, 20, 30])
    curves = np.array([[0.1, 0.5, 0.4], [0.1, 0.2, 0.3], [np.nan, np.nan, 0.5]])
    assert steps_to_target(steps, curves, True, 0.5).tolist() == [20, np.inf, 30]
    assert steps_to_target(steps, curves, False, 0.1).tolist() == [10, 10, np.inf]
