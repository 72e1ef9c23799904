"""How much "best epoch on the test set" would have inflated each score: from the recorded test curves, never to rank.

Somebody who keeps the best epoch on the test set has the recorded steps to choose from and the network that the
training ended with. So what he reports is the best of all of these, and what he gains by it is never negative. The
honest score is the one that ranks. Of a training that stopped early, or that averages its weights, it is the score of
the weights that were kept, whatever the last recorded step has: where the step that was kept is one of those recorded,
the two scores are the same number.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from bench.bootstrap import DRAWS
from bench.keys import digest
from bench.metrics import METRICS
from bench.reporting.asides import Flattered
from bench.reporting.ground import Ground
from bench.reporting.trials import Trials
from bench.reporting.values import Values, on_cells
from bench.stages.decisions import Argmax
from bench.statistics import ROUNDING, Interval, Verdict

JUDGED_ALIKE = ("", digest(Argmax()))  # rules under which a trial's score and its curve are of one kind


def measure(ground: Ground, margin: float) -> tuple[Flattered, ...]:
    """Return the flattery of every technique with test curves, the baseline among them; empty without any.

    margin: half-width of the region of practical equivalence.
    """
    own = [flattery_of(trials, ground.facts["metric"]) for trials in ground.done.values()]
    if not any(np.isfinite(one).any() for one in own):
        return ()
    # the rows of a fixed test set are those that were cherry-picked on, so they are held fixed
    added = Values(on_cells(ground.done, ground.places, own), np.zeros((len(own), DRAWS)))
    told = _told(ground, added.cells, margin)
    found = []
    for index, name in enumerate(ground.names):
        mean = ground.comparer.interval(added, index)
        if mean is not None and index not in ground.again:
            each = own[index][np.isfinite(own[index])]
            found.append(Flattered(name, index == ground.base, each, _from_zero(mean), *told.get(index, (None, None))))
    return tuple(found)


def flattery_of(trials: Trials, metric: str) -> np.ndarray:
    """Return by how much the best recorded step beats what each trial ended with, >= 0 [trials].

    NaN without a curve of this metric, and where the cell has a decision rule of its own: the points of a curve are
    judged by the plain rule.
    """
    sign = 1 if METRICS[metric].better == "higher" else -1
    columns = (trials[name] for name in ("curve_test_score", "curve_metric", "rule", metric))
    return np.array([
        _flattery(curve, sign, float(score)) if of == metric and rule in JUDGED_ALIKE else math.nan
        for curve, of, rule, score in zip(*columns, strict=True)
    ], dtype=float)  # fmt: skip


def _flattery(curve: Any, sign: int, score: float) -> float:
    """Return the flattery of one trial; NaN where its curve has no finite point."""
    points = sign * np.asarray(curve, dtype=float) if isinstance(curve, np.ndarray) else np.empty(0)
    if not np.isfinite(points).any():
        return math.nan
    more = float(np.nanmax(points[~np.isinf(points)])) - sign * score
    return more if more > ROUNDING else 0.0


def _from_zero(one: Interval) -> Interval:
    """Return the interval of a mean that cannot be negative: cut at zero, and without a test against zero."""
    low95, low90 = (max(0.0, low) if math.isfinite(low) else low for low in (one.low95, one.low90))
    return replace(one, low95=low95, low90=low90, p_value=math.nan)


def _told(ground: Ground, added: np.ndarray, margin: float) -> dict[int, tuple[Interval, Verdict]]:
    """Return each flattered technique's difference to the baseline's honest score, and what would have been said of it.

    The family is that of the honest verdicts, so that no word differs but by flattery; techniques without curves have
    their honest scores in it.
    """
    base = ground.base
    if base is None:
        return {}
    honest = ground.scores()
    whole = (np.isfinite(added) == np.isfinite(honest.cells)).all(axis=1)
    sign = 1 if ground.higher else -1
    moved = np.where(whole[:, None] & np.isfinite(added), sign * added, 0.0)
    moved[base] = 0.0
    flattered = Values(honest.cells + moved, honest.draws)
    pairs = {index: ground.comparer.interval(flattered, index, base) for index in ground.techniques}
    found = {index: (one, (index, base)) for index, one in pairs.items() if one is not None}
    words = ground.verdicts(found, margin, METRICS[ground.facts["metric"]].better)
    return {index: (one, words[index]) for index, (one, _) in found.items() if whole[index]}
