"""Choosing: the best mean by pandas' own route, ties, edges that make a grid grow, and where growing ends."""

import math

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.choosing import Choice, Point, best, edges, follow, points
from bench.ranges import Axis

AXIS = {"optimizer.lr": Axis((0.01, 0.1, 1.0))}
numbers = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, math.nan])


@settings(deadline=None)
@given(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=8), st.booleans())
def test_the_best_point_is_that_of_the_means_and_of_equals_the_smallest(rows: list[list[float]], higher: bool) -> None:
    scores: dict[Point, list[float]] = {(float(at),): own for at, own in enumerate(rows)}
    frame = pd.DataFrame([(at, one) for (at,), own in scores.items() for one in own], columns=["value", "score"])
    whole = frame.groupby("value").filter(lambda own: own["score"].notna().all())
    found = best(scores, higher)
    if whole.empty:
        assert found is None
        return
    means = whole.groupby("value")["score"].mean()
    wanted = means.idxmax() if higher else means.idxmin()  # the first of equals, and values ascend
    assert found == (wanted,)


def test_a_point_of_which_a_trial_diverged_is_worse_than_any_other() -> None:
    assert best({(1,): [0.9, math.nan], (2,): [0.1, 0.1]}, True) == (2,)
    assert best({(1,): [0.9, math.inf], (2,): [0.1, 0.1]}, True) == (2,)
    assert best({(1,): [math.nan], (2,): [math.nan]}, True) is None


def test_a_score_that_rises_without_end_makes_the_grid_grow_so_often_and_then_says_so() -> None:
    tried: list[Point] = []

    def rising(point: Point) -> list[float]:
        tried.append(point)
        return [math.log10(point[0])]

    found = follow(AXIS, rising, higher=True, extend=2)
    assert found.axes["optimizer.lr"].values == (0.01, 0.1, 1.0, 10.0, 100.0)
    assert (found.point, found.done, found.edges) == ((100.0,), True, {"optimizer.lr": "high"})
    assert max(tried) == (100.0,)
    falling = follow(AXIS, lambda point: [point[0]], higher=False, extend=1)
    assert falling.axes["optimizer.lr"].values == (0.001, 0.01, 0.1, 1.0)
    assert falling.edges == {"optimizer.lr": "low"}
    assert follow(AXIS, rising, higher=True, extend=0).axes["optimizer.lr"].values == (0.01, 0.1, 1.0)


def test_a_peak_inside_ends_the_search_and_one_just_beyond_the_end_is_found() -> None:
    inside = follow(AXIS, lambda point: [-abs(math.log10(point[0]) + 1)], higher=True, extend=2)
    assert inside == Choice(AXIS, (0.1,), True, {})
    beyond = follow(AXIS, lambda point: [-abs(math.log10(point[0]) - 1)], higher=True, extend=2)
    assert (beyond.point, beyond.edges) == ((10.0,), {})
    assert beyond.axes["optimizer.lr"].values[-1] == 100.0  # one more was needed to know


def test_nothing_is_chosen_while_trials_are_missing_nor_where_all_diverged() -> None:
    part = follow(AXIS, lambda point: None if point == (0.1,) else [1.0], higher=True, extend=2)
    assert part == Choice(AXIS)
    nothing = follow(AXIS, lambda _: [math.nan], higher=True, extend=2)
    assert nothing == Choice(AXIS, done=True)


def test_a_missing_trial_of_a_value_that_was_added_is_what_is_open() -> None:
    found = follow(AXIS, lambda point: None if point[0] > 1 else [point[0]], higher=True, extend=2)
    assert not found.done
    assert found.axes["optimizer.lr"].values == (0.01, 0.1, 1.0, 10.0)


def test_a_value_that_does_not_fit_is_not_added_and_the_end_is_told() -> None:
    found = follow(
        {"network.dropout": Axis((0.2, 0.4, 0.8))},
        lambda point: [point[0]],
        higher=True,
        extend=2,
        fits=lambda axes: axes["network.dropout"].values[-1] < 1,
    )
    assert (found.point, found.edges) == ((0.8,), {"network.dropout": "high"})
    assert found.axes["network.dropout"].values == (0.2, 0.4, 0.8)


def test_crossed_axes_grow_each_at_its_own_end() -> None:
    axes = {"a": Axis((1, 2)), "b": Axis((1.0, 10.0, 100.0))}
    found = follow(axes, lambda point: [point[0] - abs(point[1] - 10)], higher=True, extend=1)
    assert (found.point, found.edges) == ((4, 10.0), {"a": "high"})
    assert found.axes["b"] == axes["b"]
    assert len(points(found.axes)) == 9
    assert edges(found.axes, (1, 100.0)) == {"a": "low", "b": "high"}
