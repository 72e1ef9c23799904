"""The whole path, from stored trials to verdicts, on hundreds of comparisons of two that are equal by construction.

docs/protocol.md has the rates that are measured here, beside those of tests that take every training for independent.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.reporting import Analysis, analyse
from bench.reporting.foreseeing import foresee
from bench.reporting.standing import Standing
from tests.simulated import NAMES, Simulation, scores, simulate, write

CASES = (
    Simulation("independent"),
    Simulation("fixed test set", folds=1),
    Simulation("folds", repeats=3, folds=5),
    Simulation("regression", folds=1),
)
PROTOCOL = Path(__file__).parents[1] / "docs" / "protocol.md"


@dataclass(frozen=True)
class Measured:
    """Equal techniques' analysis, and what a dry run on the same results would have said of detectable effects."""

    of: Simulation
    scores: np.ndarray
    analysis: Analysis
    foreseen: float


@pytest.fixture(scope="module", params=CASES, ids=lambda of: of.kind)
def equals(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    of = request.param
    made = simulate(of)
    store = write(tmp_path_factory.mktemp("equals"), of, made)
    plan = store.read_plan()
    some = foresee(plan | {"datasets": plan["datasets"][:40]}, store)
    effect = float(np.median([one.effect for one in some]))
    return Measured(of, scores(of, made)[0][of.metric], analyse(store), effect)


def _compared(analysis: Analysis) -> list[Standing]:
    return [one for dataset in analysis.datasets for one in dataset.standings if one.technique == NAMES[1]]


def _rate(analysis: Analysis, *words: str) -> float:
    return float(np.mean([one.word in words for one in _compared(analysis)]))


def _naive_rates(found: np.ndarray) -> tuple[float, float]:
    """Return how often a t-test and a percentile bootstrap over all trainings [2, D, R, m] find a difference."""
    cells = (found[1] - found[0]).reshape(found.shape[1], -1)
    t: Any = stats.ttest_1samp(cells, 0.0, axis=1)
    drawn = np.random.default_rng(0).integers(0, cells.shape[1], (1000, cells.shape[1]))
    low, high = np.quantile(cells[:, drawn].mean(axis=2), (0.025, 0.975), axis=1)
    return float((t.pvalue < 0.05).mean()), float(((low > 0) | (high < 0)).mean())


def test_equals_are_seldom_told_apart(equals: Measured) -> None:
    assert len(_compared(equals.analysis)) >= 500
    assert _rate(equals.analysis, "better", "worse") < 0.10
    assert _rate(equals.analysis, "better", "worse", "undecided") == 1.0


def test_classes_of_equals_are_seldom_told_apart(equals: Measured) -> None:
    if equals.of.kind == "regression":
        assert all(one.class_p is None for one in _compared(equals.analysis))
        return
    p = np.array([one.class_p for one in _compared(equals.analysis)])
    assert p.shape == (equals.of.comparisons, 2)
    assert ((p < 0.05).mean(axis=0) < 0.10).all()


def test_effects_of_the_size_that_a_dry_run_predicts_are_mostly_found(equals: Measured, tmp_path: Path) -> None:
    own = [one.verdict.smallest_detectable for one in _compared(equals.analysis) if one.verdict is not None]
    assert equals.foreseen == pytest.approx(np.median(own), rel=0.2)
    wrong = equals.scores[0].mean() if equals.of.kind == "regression" else 1 - equals.scores[0].mean()
    planted = replace(equals.of, planted=equals.foreseen / wrong, comparisons=200, seed=5)
    made = simulate(planted)
    found = scores(planted, made)[0][planted.metric]
    assert abs((found[1] - found[0]).mean()) == pytest.approx(equals.foreseen, rel=0.1)
    assert _rate(analyse(write(tmp_path, planted, made)), "better") >= 0.70


def test_the_documented_rates_are_these(equals: Measured) -> None:
    rows = re.findall(r"^\| ([^|]+?) \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) % \|", PROTOCOL.read_text("utf-8"), re.M)
    documented = {name: np.array([float(rate) for rate in rates]) / 100 for name, *rates in rows}
    measured = _rate(equals.analysis, "better", "worse"), *_naive_rates(equals.scores)
    assert documented[equals.of.kind] == pytest.approx(np.array(measured), abs=0.006), measured
