"""Gaps, classes and errors on a fixed test set: the same intervals as the score's, by routes of their own."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support, root_mean_squared_error

from bench.bootstrap import DRAWS, row_counts
from bench.reporting import Analysis, analyse, csvs, tables
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.statistics import Interval
from bench.store import Store
from tests import simulated
from tests.simulated import Simulation, simulate
from tests.synthetic import CLASSES, World, write

WORLD = World({"baseline": 0.0, "good": 0.12, "bad": -0.12, "rule": 0.0}, same_training=("rule",))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store whose training scores vary by themselves, so that gaps do."""
    store = write(tmp_path_factory.mktemp("comparing"), WORLD)
    rng = np.random.default_rng(0)
    rows = store.scores().query("part == 'train'").to_dict("records")
    for row in rows:
        moved = float(rng.normal(0, 0.01))
        row |= {"macro_f1": row["macro_f1"] + moved, "rmse": row["rmse"] + moved}
    store.write_scores("999999", rows, [])
    return Store(store.path)


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


def _standing(analysis: Analysis, label: str, technique: str) -> Standing:
    (dataset,) = (one for one in analysis.datasets if one.label == label)
    return next(one for one in dataset.standings if one.technique == technique)


def _gaps(store: Store, label: str, technique: str) -> np.ndarray:
    """Return how much better training rows look [R, m], read from the store."""
    metric = WORLD.facts(label)["metric"]
    frame = store.scores().set_index(["key", "rule", "part"])[metric]
    rule = WORLD.rule(label, technique)
    keys = [WORLD.key(label, technique, *place) for place in WORLD.places]
    gaps = np.array([frame[key, rule, "train"] - frame[key, rule, "test"] for key in keys])
    return gaps.reshape(WORLD.repeats, WORLD.folds) * (-1 if metric == "rmse" else 1)


def _is_t(found: Interval | None, values: np.ndarray) -> None:
    """Assert that an interval is scipy's over the rows of values [n]."""
    assert found is not None
    theirs: Any = stats.ttest_1samp(values, 0.0)
    low, high = theirs.confidence_interval(0.95)
    assert (found.estimate, found.low95, found.high95) == pytest.approx((values.mean(), low, high))
    assert found.p_value == pytest.approx(theirs.pvalue)


def test_the_gap_of_independent_repeats_has_a_paired_t_interval(store: Store, analysis: Analysis) -> None:
    for label in ("generator", "errors"):
        own, base = (_gaps(store, label, name).mean(axis=1) for name in ("good", "baseline"))
        one = _standing(analysis, label, "good")
        assert one.gap == pytest.approx(own.mean())
        _is_t(one.gap_interval, own)
        _is_t(one.gap_difference, own - base)


def test_the_gap_over_folds_is_corrected_as_the_score_is(store: Store, analysis: Analysis) -> None:
    own = _gaps(store, "folds", "good").ravel()
    found = _standing(analysis, "folds", "good").gap_interval
    assert found is not None
    assert found.standard_error == pytest.approx(own.std(ddof=1) * np.sqrt(1 / own.size + 500 / 1600))


def test_the_gap_on_a_fixed_test_set_has_the_rows_noise_of_the_score(store: Store, analysis: Analysis) -> None:
    """Training rows are held fixed, so that test rows move the gap as much as they move the score."""
    for name in ("good", "bad"):
        one = _standing(analysis, "fixed-test", name)
        gap = _gaps(store, "fixed-test", name) - _gaps(store, "fixed-test", "baseline")
        trials = gap.mean(axis=1).var(ddof=1) / WORLD.repeats
        assert one.difference is not None
        assert one.gap_difference is not None
        score_rows = one.difference.standard_error**2 - (one.spread**2) / WORLD.repeats
        assert one.gap_difference.standard_error**2 - trials == pytest.approx(score_rows)
    baseline = _standing(analysis, "fixed-test", "baseline")
    assert baseline.gap_difference is None
    assert baseline.gap_interval is not None
    assert baseline.gap_interval.standard_error > 0


def test_scores_on_validation_rows_are_means_of_the_stored_ones(tmp_path: Path) -> None:
    store = write(tmp_path, replace(WORLD, datasets=("generator",)))
    rows = store.scores().query("part == 'test'").to_dict("records")
    store.write_scores("999999", [{**row, "part": "validation", "macro_f1": row["macro_f1"] - 0.5} for row in rows], [])
    (dataset,) = analyse(Store(tmp_path)).datasets
    for one in dataset.standings:
        assert one.validation == pytest.approx(one.score - 0.5)
    written = list(csv.DictReader(io.StringIO(csvs.ranking_csv(dataset))))
    assert [float(row["validation"]) for row in written] == pytest.approx(
        [one.validation for one in dataset.standings], rel=1e-5
    )


# ---- classes


def _pooled(store: Store, label: str, technique: str) -> np.ndarray:
    """Return scikit-learn's precision, recall and F1 [R, 3, C] on the pooled folds of each repeat."""
    runs = store.runs().set_index("key")["truth"]
    found = []
    for repeat in range(WORLD.repeats):
        keys = [WORLD.key(label, technique, repeat, fold) for fold in range(WORLD.folds)]
        truth = np.concatenate([store.truth(runs[key])[0] for key in keys])
        labels = np.concatenate([store.labels[key, WORLD.rule(label, technique)] for key in keys])
        scores: Any = precision_recall_fscore_support(truth, labels, labels=range(4), zero_division=0)
        found.append(scores[:3])
    return np.array(found)


@pytest.mark.parametrize("label", ["generator", "fixed-test", "folds"])
def test_class_scores_and_their_changes_are_those_of_pooled_folds(store: Store, analysis: Analysis, label: str) -> None:
    own, base = (_pooled(store, label, name) for name in ("good", "baseline"))
    one = _standing(analysis, label, "good")
    precision, recall, f1 = own.mean(axis=0)
    assert one.class_precision == pytest.approx(precision)
    assert one.class_recall == pytest.approx(recall)
    assert one.class_f1 == pytest.approx(f1)
    assert one.class_change == pytest.approx((own - base)[:, 2].mean(axis=0))
    if label == "generator":
        theirs: Any = stats.ttest_1samp((own - base)[:, 2], 0.0, axis=0)
        assert one.class_p == pytest.approx(theirs.pvalue)


def test_p_values_of_classes_are_adjusted_together_over_techniques_and_classes(analysis: Analysis) -> None:
    for dataset in analysis.datasets[:3]:
        tested = [one for one in dataset.standings if one.class_p is not None and not one.is_baseline]
        p = np.array([one.class_p for one in tested])
        q = np.array([one.class_q for one in tested])
        known = ~np.isnan(p)
        assert known.sum() == 2 * len(CLASSES), "what is identical is not tested"
        np.testing.assert_allclose(q[known], stats.false_discovery_control(p[known]))
        assert np.isnan(q[~known]).all()


def test_below_full_coverage_no_class_is_tested(tmp_path: Path) -> None:
    statuses = {("generator", "good", 0, 0): "diverged"}
    store = write(tmp_path, replace(WORLD, datasets=("generator",), statuses=statuses))
    good = _standing(analyse(store), "generator", "good")
    assert good.class_q is not None
    assert np.isnan(good.class_q).all()
    assert good.class_change is not None
    assert np.isfinite(good.class_change).all()


def test_the_csv_of_classes_has_every_class_of_every_technique(analysis: Analysis) -> None:
    dataset = analysis.datasets[0]
    rows = list(csv.DictReader(io.StringIO(csvs.classes_csv(dataset))))
    assert len(rows) == len(dataset.scored) * len(CLASSES)
    assert [row["class"] for row in rows[:4]] == ["upper", "lower", "middle", "rare"], "most test rows first"
    good = _standing(analysis, dataset.label, "good")
    own = {row["class"]: row for row in rows if row["technique"] == "good"}
    for at, name in enumerate(CLASSES):
        for column, values in (("recall", good.class_recall), ("q", good.class_q), ("change", good.class_change)):
            assert values is not None
            assert float(own[name][column]) == pytest.approx(values[at], rel=1e-5)
    assert all(row["q"] == "" for row in rows if row["technique"] in ("baseline", "rule"))


# ---- a regression on a fixed test set


def _regression(tmp_path: Path, stored_share: float = 1.0) -> tuple[DatasetAnalysis, simulated.Simulated, Simulation]:
    rows = round(1000 / stored_share)
    of = Simulation("regression", comparisons=1, folds=1, test_rows=rows, planted=0.1)
    made = simulate(of)
    cut = simulated.Simulated(made.truth, made.predicted[..., :1000])
    store = simulated.write(tmp_path, of, made)
    if rows > 1000:
        labels = [
            {"key": f"{place[0]}-{place[1]}-{place[2]}-{place[3]}", "rule": "", "predicted": [],
             "values": cut.predicted[place].astype(np.float32)}
            for place in np.ndindex(*cut.predicted.shape[:-1])
        ]  # fmt: skip
        store.write_scores("999999", [], labels)
    (dataset,) = analyse(Store(tmp_path)).datasets
    return dataset, made, of


@pytest.mark.parametrize("stored", [1.0, 0.5])
def test_errors_on_a_fixed_test_set_have_the_noise_of_trials_and_of_drawn_rows(tmp_path: Path, stored: float) -> None:
    dataset, made, of = _regression(tmp_path, stored)
    one = next(one for one in dataset.standings if one.technique == "technique")
    truth, predicted = made.truth[0, 0, 0][:1000], made.predicted[:, 0, :, 0, :1000].astype(np.float32)
    drawn = []
    for counts in row_counts(1000):
        rows = np.repeat(np.arange(1000), counts.astype(int))
        errors = [np.mean([root_mean_squared_error(truth[rows], trial[rows]) for trial in own]) for own in predicted]
        drawn.append(errors[1] - errors[0])
    assert len(drawn) == DRAWS
    rows_error = np.std(drawn, ddof=1) * np.sqrt(stored)
    assert one.difference is not None
    assert one.difference.method == "trials and test rows"
    assert one.difference.standard_error**2 == pytest.approx(one.spread**2 / of.repeats + rows_error**2, rel=1e-4)
    assert one.word == "better"
    assert one.rank == 1


def test_without_stored_predictions_a_regression_is_not_compared(tmp_path: Path) -> None:
    of = Simulation("regression", comparisons=1, folds=1, planted=0.1)
    store = simulated.write(tmp_path, of, simulate(of))
    for file in (store.path / "labels").iterdir():
        file.unlink()
    (dataset,) = analyse(Store(tmp_path)).datasets
    assert {one.word for one in dataset.standings} == {"baseline", "not compared"}
    assert tables.with_interval(dataset.compared[0].difference).endswith("(no interval)")
