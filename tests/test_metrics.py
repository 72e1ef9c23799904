"""Every metric against scikit-learn, ties and absent classes included."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from bench import metrics
from bench.stages.decisions import log_softmax

cases = st.tuples(st.integers(0, 10_000), st.integers(2, 5), st.integers(30, 80), st.booleans())


def _draw(seed: int, classes: int, rows: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    logits = rng.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[true]
    return true, log_softmax(np.round(logits, 0) if ties else logits)


@given(cases)
@settings(max_examples=80, deadline=None)
def test_classification_metrics_are_scikit_learns(case: tuple[int, int, int, bool]) -> None:
    true, log_p = _draw(*case)
    p, classes = np.exp(log_p), log_p.shape[1]
    predicted = log_p.argmax(1)
    ours, matrix = metrics.classification(true, log_p, predicted, None)
    labels = range(classes)
    np.testing.assert_array_equal(matrix, oracle.confusion_matrix(true, predicted, labels=list(labels)))
    expected = {
        "accuracy": oracle.accuracy_score(true, predicted),
        "balanced_accuracy": oracle.balanced_accuracy_score(true, predicted),
        "macro_f1": oracle.f1_score(true, predicted, average="macro", labels=list(labels), zero_division=0),
        "mcc": oracle.matthews_corrcoef(true, predicted),
        "log_loss": oracle.log_loss(true, p / p.sum(1, keepdims=True), labels=list(labels)),
        "worst_recall": oracle.recall_score(true, predicted, average=None, zero_division=0).min(),
        "g_mean": np.prod(oracle.recall_score(true, predicted, average=None, zero_division=0)) ** (1 / classes),
    }
    if classes == 2:
        expected["average_precision"] = oracle.average_precision_score(true, log_p[:, 1] - log_p[:, 0])
        expected["roc_auc"] = oracle.roc_auc_score(true, log_p[:, 1] - log_p[:, 0])
        expected["brier"] = oracle.brier_score_loss(true, p[:, 1])
        expected["prevalence"] = true.mean()
    else:
        hot = np.eye(classes)[true]
        expected["average_precision"] = np.mean(
            [oracle.average_precision_score(hot[:, c], log_p[:, c]) for c in labels]
        )
        expected["roc_auc"] = np.mean([oracle.roc_auc_score(hot[:, c], log_p[:, c]) for c in labels])
        expected["brier"] = np.square(p - hot).sum(1).mean()
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


@given(cases)
@settings(max_examples=40, deadline=None)
def test_per_class_scores_are_scikit_learns_with_leading_axes(case: tuple[int, int, int, bool]) -> None:
    true, log_p = _draw(*case)
    classes = log_p.shape[1]
    one, other = log_p.argmax(1), log_p.argmin(1)
    each = metrics.per_class(np.stack([metrics.confusion(true, guess, classes) for guess in (one, other)]))
    for index, guess in enumerate((one, other)):
        theirs = oracle.precision_recall_fscore_support(true, guess, labels=list(range(classes)), zero_division=0)
        for ours, expected in zip((each.precision, each.recall, each.f1, each.support), theirs, strict=True):
            np.testing.assert_allclose(ours[index], expected, atol=1e-12)


@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05]))
@settings(max_examples=40, deadline=None)
def test_recall_at_a_false_positive_rate_is_read_off_the_roc_curve(seed: int, rate: float) -> None:
    true, log_p = _draw(seed, 2, 400, ties=bool(seed % 2))
    score = log_p[:, 1] - log_p[:, 0]
    fpr, tpr, _ = oracle.roc_curve(true, score, drop_intermediate=False)
    ours = metrics.classification(true, log_p, log_p.argmax(1), None)[0]
    assert ours[f"recall_at_fpr_{round(100 * rate)}"] == pytest.approx(tpr[fpr <= rate].max())


def test_precision_of_the_top_of_each_day_by_hand() -> None:
    day = np.repeat([3, 5], [200, 50])
    score = np.arange(250.0)[::-1].copy()  # falls through both days
    true = np.zeros(250, dtype=int)
    true[[0, 2, 200]] = 1  # day 3: rows 0 and 1 are its top 1 %; day 5: row 200
    log_p = log_softmax(np.stack([np.zeros(250), score], axis=1))
    log_p = np.stack([np.zeros(250), score], axis=1)
    assert metrics._precision_top_day(true == 1, log_p[:, 1], day) == pytest.approx((1 / 2 + 1) / 2)


@given(st.integers(0, 10_000), st.integers(1, 600), st.integers(1, 40), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_the_top_of_each_day_is_a_loop_over_days_and_ties_go_to_the_first_rows(
    seed: int, rows: int, days: int, decimals: int
) -> None:
    rng = np.random.default_rng(seed)
    true, day = rng.integers(0, 2, rows), rng.integers(0, days, rows) * 1000
    log_p = log_softmax(np.stack([np.zeros(rows), np.round(rng.normal(size=rows), decimals)], axis=1))
    score = log_p[:, 1] - log_p[:, 0]
    found = []
    for one in np.unique(day):
        held = np.flatnonzero(day == one)
        top = sorted(held, key=lambda row: (-score[row], row))[: max(1, round(0.01 * len(held)))]
        found.append(true[top].mean())
    ours = metrics.classification(true, log_p, log_p.argmax(1), day)[0]["precision_top_day"]
    assert ours == pytest.approx(np.mean(found))


@pytest.mark.parametrize("classes", [2, 4])
def test_without_rows_every_metric_is_nan(classes: int) -> None:
    none = np.empty(0, dtype=int)
    ours, matrix = metrics.classification(none, np.empty((0, classes)), none, none)
    assert set(ours) == {metric.name for metric in metrics.METRICS.values() if metric.task == "classification"}
    assert np.isnan(list(ours.values())).all()
    assert matrix.tolist() == np.zeros((classes, classes)).tolist()


def test_calibration_error_by_hand() -> None:
    p = np.array([0.95, 0.95, 0.95, 0.65])
    true = np.array([1, 1, 0, 0])
    log_p = np.log(np.stack([1 - p, p], axis=1))
    ours = metrics.classification(true, log_p, log_p.argmax(1), None)[0]["ece"]
    assert ours == pytest.approx(3 / 4 * abs(0.95 - 2 / 3) + 1 / 4 * 0.65)


def test_what_is_undefined_is_nan_without_a_warning() -> None:
    true = np.zeros(10, dtype=int)
    log_p = log_softmax(np.random.default_rng(0).normal(size=(10, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours, _ = metrics.classification(true, log_p, log_p.argmax(1), None)
    assert all(
        np.isnan(ours[name]) for name in ("roc_auc", "average_precision", "recall_at_fpr_1", "precision_top_day")
    )
    assert ours["balanced_accuracy"] == ours["worst_recall"]


@given(st.integers(0, 10_000), st.integers(1, 3), st.floats(0.1, 5))
@settings(max_examples=30, deadline=None)
def test_regression_metrics_are_scikit_learns_in_the_unit(seed: int, targets: int, unit: float) -> None:
    true, predicted = np.random.default_rng(seed).normal(size=(2, 40, targets))
    ours = metrics.regression(true, predicted, unit)
    assert ours["rmse"] == pytest.approx(np.sqrt(oracle.mean_squared_error(true, predicted)) / unit)
    assert ours["mae"] == pytest.approx(oracle.mean_absolute_error(true, predicted) / unit)
    assert ours["r2"] == pytest.approx(oracle.r2_score(true, predicted))


def test_every_listed_metric_is_computed() -> None:
    true, log_p = _draw(0, 2, 60, False)
    found = set(metrics.classification(true, log_p, log_p.argmax(1), true)[0])
    found |= set(metrics.regression(log_p, log_p + 1, 1.0))
    assert found == set(metrics.METRICS)


def test_head_middle_and_tail_accuracy_of_ten_classes() -> None:
    rng = np.random.default_rng(5)
    true, predicted = rng.integers(0, 10, 3000), rng.integers(0, 10, 3000)
    found = metrics.from_confusion(metrics.confusion(true, predicted, 10))
    for name, labels in (("head", (0, 1, 2)), ("middle", (3, 4, 5, 6)), ("tail", (7, 8, 9))):
        rows = np.isin(true, labels)
        assert float(found[f"{name}_accuracy"]) == pytest.approx(float((true == predicted)[rows].mean()))


def test_thirds_without_classes_or_rows_are_undefined() -> None:
    two = metrics.from_confusion(np.array([[5, 1], [2, 3]]))
    assert np.isnan(two["middle_accuracy"])
    empty_tail = np.diag([4, 4, 0])
    assert np.isnan(metrics.from_confusion(empty_tail)["tail_accuracy"])


def test_a_metric_fits_where_the_dataset_has_what_it_needs() -> None:
    from bench.datasets import create

    fitting = {name: {m.name for m in metrics.METRICS.values() if m.fits(one.task, one.offers())}
               for name, one in ((name, create(name, {})) for name in ("fraud", "digits", "sine"))}  # fmt: skip
    assert "precision_top_day" in fitting["fraud"]
    assert "tail_accuracy" in fitting["digits"] - fitting["fraud"]
    assert fitting["sine"] == {"rmse", "mae", "r2"}
