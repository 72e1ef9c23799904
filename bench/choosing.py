"""Choosing a value on validation rows: which of a grid's points is best, and when the grid grows because of it.

A point is one value per axis, in the order of the axes. Nothing here knows where scores come from: ``follow`` replays a
search from what is known of its points, so that a choice is made again from the records and never kept beside them.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.ranges import SIDES, Axis, Number, Side

FIRST_REPEAT = 100_000  # search trials are numbered from here on: a suite's own repeats never come so far
MOST_EXTEND = 20

Axes = Mapping[str, Axis]
Point = tuple[Number, ...]
Scores = Callable[[Point], "Sequence[float] | None"]


@dataclass(frozen=True)
class Choosing:
    """How a suite chooses values.

    repeats  search trials of each value; extend: values at most that a grid gains beyond each of its ends
    why_budgets_differ  why techniques have unequal numbers of search trials, if they do
    """

    repeats: int = 3
    extend: int = 2
    why_budgets_differ: str = ""


@dataclass(frozen=True)
class Choice:
    """What a search has come to.

    axes   as they were written, with what they have gained
    point  the best one; None while trials are missing, or where no trial of any point has a score
    done   every trial of every point has ended, and no axis is to grow
    edges  the paths whose chosen value still lies on an end of its axis, with that end
    """

    axes: Axes
    point: Point | None = None
    done: bool = False
    edges: Mapping[str, Side] | None = None


def points(axes: Axes) -> list[Point]:
    """Return every point of crossed axes."""
    return list(itertools.product(*(axis.values for axis in axes.values())))


def best(scores: Mapping[Point, Sequence[float]], higher: bool) -> Point | None:
    """Return the point with the best mean score, of equals the smallest; None where no point can be chosen.

    A point with a trial that has no score (NaN: it diverged or failed) is worse than any without.
    """
    sign = 1.0 if higher else -1.0
    means = {point: sign * _mean(own) for point, own in scores.items()}
    known = [point for point, mean in means.items() if math.isfinite(mean)]
    return min(known, key=lambda point: (-means[point], point), default=None)


def _mean(scores: Sequence[float]) -> float:
    # rounded, so that the last bit of a mean breaks no tie
    return round(math.fsum(scores) / len(scores), 12) if scores else math.nan


def edges(axes: Axes, point: Point) -> dict[str, Side]:
    """Return the paths whose value lies on an end of its axis, with that end."""
    found: dict[str, Side] = {}
    for (path, axis), value in zip(axes.items(), point, strict=True):
        if side := axis.at_edge(value):
            found[path] = side
    return found


def follow(
    declared: Axes, scores: Scores, higher: bool, extend: int, fits: Callable[[Axes], bool] = lambda _: True
) -> Choice:
    """Replay a search: while the best point lies on an end of an axis, the axis grows there, ``extend`` values at most.

    scores: those of a point's trials, or None where some have not ended; fits: whether recipes can be made of all
    points of some axes. Where an axis cannot grow the choice stays on its end, and says so.
    """
    axes = dict(declared)
    gained = {(path, side): 0 for path in axes for side in SIDES}
    while True:
        found = {point: scores(point) for point in points(axes)}
        known = {point: own for point, own in found.items() if own is not None}
        if len(known) < len(found):
            return Choice(axes)
        point = best(known, higher)
        if point is None:
            return Choice(axes, done=True)
        at = edges(axes, point)
        grown = dict(axes)
        for path, side in at.items():
            longer = axes[path].grown(side) if gained[path, side] < extend else None
            if longer is not None and fits({**grown, path: longer}):
                grown[path] = longer
                gained[path, side] += 1
        if grown == axes:
            return Choice(axes, point, True, at)
        axes = grown
