"""What is said of each technique on one dataset: intervals against the baseline, verdict, rank, gap, classes."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bench import statistics
from bench.metrics import METRICS
from bench.reporting import values
from bench.reporting.comparing import Comparer
from bench.reporting.ground import Ground
from bench.reporting.standing import enough_repeats
from bench.reporting.values import Values

Found = dict[str, dict[str, Any]]  # technique -> fields of its standing


def margin(facts: Mapping[str, Any], baseline: float) -> float:
    """Return the half-width of the region of practical equivalence, in the metric's unit."""
    relative = METRICS[facts["metric"]].better == "lower"
    return float(facts["equivalence"] * (baseline if relative else 1.0))


@dataclass(frozen=True)
class _Field:
    """Who is compared on a dataset: techniques by index, the baseline's index, those complete, and the A/A cell's."""

    names: tuple[str, ...]
    base: int | None
    complete: tuple[bool, ...]
    again: frozenset[int]

    @property
    def others(self) -> list[int]:
        """Return all but the baseline."""
        return [index for index in range(len(self.names)) if index != self.base]


def judge(
    ground: Ground,
    classes: bool,
) -> Found:
    """Return each technique's intervals, verdict and rank; of the baseline against itself (A/A) the intervals alone.

    classes: whether to test single classes.
    """
    facts, done, places, redrawn, comparer = ground.facts, ground.done, ground.places, ground.redrawn, ground.comparer
    field = _Field(ground.names, ground.base, ground.complete, ground.again)
    scores = ground.scores()
    found: Found = {name: {} for name in ground.names}
    gaps, trained = (make(facts, done, places, redrawn) for make in (values.gaps, values.trained))
    parts = [_gaps(field, comparer, gaps), _ranks(field, comparer, scores, facts)]
    metric = facts["metric"]
    if field.base is not None:
        half_width = margin(facts, done[ground.names[field.base]].mean(metric))
        parts.append(_verdicts(field, field.base, comparer, scores, facts, half_width))
        parts.append(_closings(field, field.base, comparer, gaps, trained, facts, half_width))
        if classes and facts["task"] == "classification":
            parts.append(_classes(field, field.base, comparer, values.class_f1(facts, done, places, redrawn), facts))
    for part in parts:
        for name, fields in part.items():
            found[name] |= fields
    return found


def _verdicts(
    field: _Field, base: int, comparer: Comparer, scores: Values, facts: Mapping[str, Any], half_width: float
) -> Found:
    """Return differences to the baseline with their verdicts; a cell below full coverage has none."""
    found: Found = {}
    judged = []
    enough = enough_repeats(facts)  # what is identical needs no test, and so no number of repeats
    for index in field.others:
        difference = comparer.interval(scores, index, base)
        if difference is None:
            continue
        spread = comparer.repeat_deviation(scores, index, base)
        found[field.names[index]] = {"difference": difference, "spread": spread}
        if index not in field.again:
            full = field.complete[index] and field.complete[base] and (enough or difference.identical)
            judged.append((field.names[index], difference, full))
    words = statistics.verdicts(
        [one for _, one, _ in judged], half_width, METRICS[facts["metric"]].better, [full for *_, full in judged]
    )
    for (name, *_), verdict in zip(judged, words, strict=True):
        found[name]["verdict"] = verdict
    return found


def _gaps(field: _Field, comparer: Comparer, gaps: Values) -> Found:
    """Return the interval of each technique's gap, and of its difference to the baseline's."""
    return {
        name: {
            "gap_interval": comparer.interval(gaps, index),
            "gap_difference": None if field.base in (None, index) else comparer.interval(gaps, index, field.base),
        }
        for index, name in enumerate(field.names)
    }


def _closings(
    field: _Field,
    base: int,
    comparer: Comparer,
    gaps: Values,
    trained: Values,
    facts: Mapping[str, Any],
    half_width: float,
) -> Found:
    """Return verdicts on the differences of the gap and of the training score to the baseline's.

    Two families beside that of the ranking metric, each Holm-adjusted by itself over the same techniques, with the
    same margin. A gap is better where it is smaller.
    """
    found: Found = {}
    for index in field.others:
        one = comparer.interval(trained, index, base)
        if one is not None:
            found[field.names[index]] = {"train_difference": one}
    ways: tuple[tuple[str, Values, Literal["higher", "lower"]], ...] = (
        ("gap_verdict", gaps, "lower"),
        ("train_verdict", trained, METRICS[facts["metric"]].better),
    )
    for name, held, better in ways:
        intervals = {index: comparer.interval(held, index, base) for index in field.others if index not in field.again}
        judged = {index: one for index, one in intervals.items() if one is not None}
        measured = [
            bool(np.isfinite(cells).all()) and full for cells, full in zip(held.cells, field.complete, strict=True)
        ]
        full = [
            measured[index] and measured[base] and (enough_repeats(facts) or one.identical)
            for index, one in judged.items()
        ]
        words = statistics.verdicts(list(judged.values()), half_width, better, full)
        for index, verdict in zip(judged, words, strict=True):
            found.setdefault(field.names[index], {})[name] = verdict
    return found


def _ranks(field: _Field, comparer: Comparer, scores: Values, facts: Mapping[str, Any]) -> Found:
    """Return the ranks of the complete techniques; none where there are too few repeats to test."""
    ranked = [full and index not in field.again for index, full in enumerate(field.complete)]
    higher = METRICS[facts["metric"]].better == "higher"
    ranks = comparer.ranks(scores, ranked, higher) if enough_repeats(facts) else None
    if ranks is None:
        return {}
    names = [field.names[index] for index in np.flatnonzero(ranked)]
    return {
        name: {
            "rank": int(ranks.rank[place]),
            "p_first": float(ranks.first[place]),
            "place_low": int(ranks.low[place]),
            "place_high": int(ranks.high[place]),
            "places": ranks.places[place],
            "beats": tuple(itertools.compress(names, ranks.better[place])),
            "beaten_by": tuple(itertools.compress(names, ranks.better[:, place])),
        }
        for place, name in enumerate(names)
    }


def _classes(field: _Field, base: int, comparer: Comparer, f1: Sequence[Values], facts: Mapping[str, Any]) -> Found:
    """Return each class's change of F1 to the baseline, with p and what false discovery makes of it.

    The family is all complete techniques x classes of the dataset; the baseline against itself is no part of it.
    """
    change, p = np.full((2, len(field.names), len(f1)), np.nan)
    tested = enough_repeats(facts) and field.complete[base]
    for index in field.others:
        for at, values_of in enumerate(f1):
            one = comparer.interval(values_of, index, base)
            if one is not None:
                change[index, at] = one.estimate
                p[index, at] = one.p_value if tested and field.complete[index] else np.nan
    in_family = np.array([index not in field.again for index in range(len(field.names))])
    q = np.full_like(p, np.nan)
    q[in_family] = statistics.false_discovery(p[in_family])
    return {
        field.names[index]: {"class_change": change[index], "class_p": p[index], "class_q": q[index]}
        for index in field.others
    }
