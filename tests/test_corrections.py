"""Rules that correct probabilities, against known posteriors, published formulas and other optimisers."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from bench.catalogue import TECHNIQUES
from bench.errors import UsageError
from bench.jobs import Job
from bench.keys import Place, digest
from bench.recipe import apply, combine
from bench.stages.corrections import (
    COLDEST,
    HOTTEST,
    LogitAdjustment,
    PriorCorrection,
    TemperatureScaling,
    UnderSamplingCorrection,
)
from bench.stages.decisions import Argmax, Priors, Rule, log_softmax
from bench.work import run_job
from tests import tiny

NOTHING = np.empty(0)


def _priors(loss: np.ndarray, target: np.ndarray | None = None, rows: np.ndarray = NOTHING, own: np.ndarray = NOTHING):
    return Priors(loss=loss, rows=rows, own=own, target=loss if target is None else target)


def _shares(rng: np.random.Generator, classes: int) -> np.ndarray:
    shares = rng.dirichlet(np.ones(classes)) + 1e-3
    return shares / shares.sum()


def _corrected(rule: Rule, logits: np.ndarray, priors: Priors) -> np.ndarray:
    """Return corrected probabilities; labels and weights are nobody's business here, so they are absurd."""
    rows = len(logits)
    return np.exp(rule.fit(logits, np.full(rows, -1), np.full(rows, np.nan), priors).apply(logits).log_probabilities)


CASE = st.tuples(st.integers(0, 10_000), st.integers(2, 6))


@given(CASE)
@settings(max_examples=50, deadline=None)
def test_correcting_to_equal_shares_is_logit_adjustment_at_tau_one(case: tuple[int, int]) -> None:
    seed, classes = case
    rng = np.random.default_rng(seed)
    logits, priors = rng.normal(0, 4, (40, classes)), _priors(_shares(rng, classes))
    ours, theirs = (_corrected(rule, logits, priors) for rule in (PriorCorrection("uniform"), LogitAdjustment(1.0)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    for column in range(classes):
        np.testing.assert_array_equal(np.argsort(ours[:, column]), np.argsort(theirs[:, column]))


@given(CASE)
@settings(max_examples=50, deadline=None)
def test_a_posterior_under_some_shares_becomes_that_under_others(case: tuple[int, int]) -> None:
    """Bayes by hand: p(x | c) times a prior, renormalised, is given one prior and must answer for the other."""
    seed, classes = case
    rng = np.random.default_rng(seed)
    likelihood = rng.uniform(0.05, 1, (40, classes))
    seen, target = _shares(rng, classes), _shares(rng, classes)
    posteriors = {
        name: likelihood * prior / (likelihood * prior).sum(1, keepdims=True)
        for name, prior in (("seen", seen), ("target", target), ("uniform", np.ones(classes)))
    }
    logits = np.log(posteriors["seen"]) + rng.normal(size=(40, 1))
    for to in ("uniform", "target"):
        found = _corrected(PriorCorrection(to), logits, _priors(seen, target))
        np.testing.assert_allclose(found, posteriors[to], rtol=1e-9)


def test_where_the_loss_saw_the_target_nothing_changes_to_the_bit() -> None:
    logits, shares = np.random.default_rng(0).normal(size=(50, 3)), np.array([0.7, 0.2, 0.1])
    plain = _corrected(Argmax(), logits, _priors(shares))
    np.testing.assert_array_equal(_corrected(PriorCorrection("target"), logits, _priors(shares)), plain)


@given(st.integers(0, 10_000), st.floats(0.01, 1))
@settings(max_examples=50, deadline=None)
def test_of_two_classes_it_is_the_published_formula(seed: int, kept: float) -> None:
    rng = np.random.default_rng(seed)
    logits, minority = rng.normal(0, 3, (40, 2)), rng.uniform(0.01, 0.5)
    own = np.array([1 - minority, minority])
    rows = own * np.array([kept, 1])
    sampled = np.exp(log_softmax(logits))[:, 1]
    expected = kept * sampled / (kept * sampled - sampled + 1)
    found = _corrected(UnderSamplingCorrection(), logits, _priors(own, rows=rows / rows.sum(), own=own))
    np.testing.assert_allclose(found[:, 1], expected, rtol=1e-9, atol=1e-15)


def test_after_under_sampling_known_posteriors_come_back() -> None:
    """Two classes one standard deviation apart on a line: their posterior is logistic, and so is that of fewer rows."""
    rng = np.random.default_rng(1)
    counts = np.array([400_000, 8_000])
    x, labels = rng.normal(size=counts.sum()), np.repeat([0, 1], counts)
    x += labels
    keep = np.concatenate([rng.choice(counts[0], counts[1], replace=False), np.arange(counts[0], counts.sum())])
    fitted = LogisticRegression(C=np.inf).fit(x[keep, None], labels[keep])
    at = np.linspace(-2, 3, 26)
    own, rows = counts / counts.sum(), np.array([0.5, 0.5])
    priors = _priors(rows, target=own, rows=rows, own=own)
    logits = np.column_stack([np.zeros(len(at)), fitted.decision_function(at[:, None])])
    known = 1 / (1 + np.exp(-(at - 0.5 + np.log(own[1] / own[0]))))
    for rule in (UnderSamplingCorrection(), PriorCorrection("target")):
        np.testing.assert_allclose(_corrected(rule, logits, priors)[:, 1], known, rtol=0.1)
    assert np.abs(_corrected(Argmax(), logits, priors)[:, 1] - known).max() > 0.3, "nothing was to be corrected"


def test_what_cannot_be_corrected_says_why() -> None:
    logits, labels, weights = np.zeros((4, 3)), np.arange(4) % 3, np.ones(4)
    full, gap = np.full(3, 1 / 3), np.array([0.5, 0.5, 0.0])
    refused = [
        (PriorCorrection("uniform"), _priors(gap), "class 2 has no training row, so what it is corrected from"),
        (PriorCorrection("target"), _priors(full, gap), "class 2 has no share in the target"),
        (UnderSamplingCorrection(), _priors(full), "which this trial's record is too old to hold; train it again"),
        (UnderSamplingCorrection(), _priors(full, rows=full), "too old to hold"),
        (UnderSamplingCorrection(), _priors(full, rows=gap, own=full), "class 2 has no training row"),
        (UnderSamplingCorrection(), _priors(full, rows=full, own=gap), "class 2 has no training row"),
    ]
    for rule, priors, sentence in refused:
        with pytest.raises(ValueError, match=sentence):
            rule.fit(logits, labels, weights, priors)
    with pytest.raises(ValueError, match="to must be one of uniform, target, got 'test'"):
        PriorCorrection("test")  # type: ignore[arg-type]


def _drawn(seed: int, classes: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits, labels drawn from their probabilities, and row weights."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (rows, classes))
    labels = (np.exp(log_softmax(logits)).cumsum(1) < rng.random((rows, 1))).sum(1).clip(max=classes - 1)
    return logits, labels, rng.uniform(0.5, 2, rows)


def _loss(log_temperature: float, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    probabilities = np.exp(log_softmax(logits / np.exp(log_temperature)))
    return log_loss(labels, probabilities / probabilities.sum(1, keepdims=True), sample_weight=weights, labels=range(9))


@pytest.mark.parametrize("known", [0.3, 1.0, 5.0])
def test_a_known_temperature_is_recovered(known: float) -> None:
    logits, labels, _ = _drawn(0, 4, 200_000)
    fitted = TemperatureScaling().fit(known * logits, labels, np.ones(len(labels)), _priors(np.ones(4) / 4))
    assert 1 / fitted.scale == pytest.approx(known, rel=0.02)


@given(st.integers(0, 10_000), st.integers(2, 5), st.floats(0.5, 20))
@settings(max_examples=30, deadline=None)
def test_no_temperature_has_a_lower_weighted_log_loss(seed: int, classes: int, blown_up: float) -> None:
    logits, labels, weights = _drawn(seed, classes)
    logits = np.pad(logits * blown_up, ((0, 0), (0, 9 - classes)), constant_values=-1e4)  # classes that nothing is of
    fitted = TemperatureScaling().fit(logits, labels, weights, _priors(np.ones(9) / 9))
    bounds = np.log([COLDEST, HOTTEST])
    other = minimize_scalar(_loss, bounds=bounds, args=(logits, labels, weights), method="bounded")
    ours = -np.log(fitted.scale)
    assert _loss(ours, logits, labels, weights) <= other.fun + 1e-9
    assert COLDEST < 1 / fitted.scale < HOTTEST
    step = 1e-4
    slope = _loss(ours + step, logits, labels, weights) - _loss(ours - step, logits, labels, weights)
    assert abs(slope / (2 * step)) < 1e-5, "at the optimum the derivative vanishes"
    plain = Argmax().fit(logits, labels, weights, _priors(np.ones(9) / 9)).apply(logits)
    np.testing.assert_array_equal(fitted.apply(logits).predicted, plain.predicted)


def test_a_temperature_stays_within_its_bounds_where_no_optimum_is() -> None:
    labels = np.arange(40) % 3
    separated = 5.0 * np.eye(3)[labels]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for logits, bound in ((separated, COLDEST), (1e4 * separated, COLDEST), (-separated, HOTTEST)):
            fitted = TemperatureScaling().fit(logits, labels, np.ones(40), _priors(np.ones(3) / 3))
            assert 1 / fitted.scale == pytest.approx(bound)
            assert np.isfinite(fitted.apply(logits).log_probabilities).all()


RULES = ("prior-correction", "target-correction", "under-sampling-corrected", "temperature-scaling")


def test_on_a_trained_trial_each_rule_is_scored_and_undoing_leads_back_to_the_shares() -> None:
    """Under-sampled to equal classes, the mean probability of a class is too high; both ways of undoing mend it."""
    dataset = tiny.TinyPlenty()
    base = tiny.baseline(dataset, 150)
    recipe = apply(base, combine([TECHNIQUES["under-sampling-corrected"]], dataset.kind))
    decide = {"argmax": base.decide} | {name: apply(base, {**TECHNIQUES[name].change}).decide for name in RULES}
    rules = tuple((name, rule) for name, rule in decide.items() if isinstance(rule, Rule))
    places = tuple(Place(0, fold, 0, f"key {fold}") for fold in range(3))
    identity = digest(dataset.identity())
    part = run_job(Job("0-x", 1, dataset, identity, "tiny", "t", "t", recipe, 3, places, rules, {}))
    assert [row["status"] for row in part.runs] == ["ok"] * 3
    loss = {
        name: np.mean([row["log_loss"] for row in part.scores if (row["rule"], row["part"]) == (name, "validation")])
        for name in decide
    }
    for name in ("target-correction", "under-sampling-corrected", "temperature-scaling"):
        assert loss[name] < loss["argmax"], name
    assert loss["target-correction"] == pytest.approx(loss["under-sampling-corrected"]), "here they are one"
    assert loss["prior-correction"] == pytest.approx(loss["argmax"]), "the loss saw equal shares already"


def test_two_rules_do_not_combine() -> None:
    with pytest.raises(UsageError, match="both set 'decide'"):
        combine([TECHNIQUES["temperature-scaling"], TECHNIQUES["prior-correction"]], "table")
