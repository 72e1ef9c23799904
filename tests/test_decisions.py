"""Decision rules against brute force, known optima and scikit-learn."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from bench.stages.corrections import LogitAdjustment
from bench.stages.decisions import Argmax, Priors, log_softmax, row_weights, to_logits
from bench.stages.thresholds import TunedThreshold


def priors(loss: np.ndarray) -> Priors:
    return Priors(loss, loss, loss, loss)


def _logits(seed: int, classes: int, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    return np.round(rng.normal(size=(rows, classes)) + np.eye(classes)[labels], 2), labels


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_binary_cut_has_the_best_weighted_f1_of_all_cuts(seed: int) -> None:
    logits, labels = _logits(seed, 2)
    weights = np.random.default_rng(seed).uniform(0.5, 2, len(labels))
    fitted = TunedThreshold().fit(logits, labels, weights, priors(np.array([0.5, 0.5])))
    ours = f1_score(labels, fitted.apply(logits).predicted, sample_weight=weights)
    margin = np.unique(np.round(logits[:, 1] - logits[:, 0], 6))
    cuts = (margin[:-1] + margin[1:]) / 2
    best = max(f1_score(labels, (logits[:, 1] - logits[:, 0] > cut).astype(int), sample_weight=weights) for cut in cuts)
    assert ours == pytest.approx(best)


@given(st.integers(0, 10_000), st.integers(3, 4))
@settings(max_examples=15, deadline=None)
def test_tuned_offsets_never_lose_macro_f1_on_the_rows_they_were_tuned_on(seed: int, classes: int) -> None:
    logits, labels = _logits(seed, classes)
    weights = np.random.default_rng(seed).uniform(0.5, 2, len(labels))

    def score(predicted: np.ndarray) -> float:
        return float(f1_score(labels, predicted, average="macro", sample_weight=weights))

    fitted = TunedThreshold().fit(logits, labels, weights, priors(np.full(classes, 1 / classes)))
    tuned = score(fitted.apply(logits).predicted)
    assert tuned >= score(logits.argmax(1)) - 1e-12
    grid = itertools.product(np.linspace(-1, 1, 5), repeat=classes - 1)
    rough = max(score((log_softmax(logits) + np.array([0.0, *offset])).argmax(1)) for offset in grid)
    assert tuned >= rough - 0.12, "coordinate ascent should come near what a rough grid finds"


def test_a_single_offset_is_the_best_of_all_for_its_class() -> None:
    from bench.stages.thresholds import _best_offset

    logits, labels = _logits(5, 3, rows=40)
    weights = np.ones(40)
    ours = f1_score(
        labels, (logits + np.array([0, 0, _best_offset(logits, 2, labels, weights)])).argmax(1), average="macro"
    )
    lack = np.sort(logits[:, :2].max(1) - logits[:, 2])  # a prediction changes at each of these and nowhere else
    steps = [lack[0] - 1, *(lack[1:] + lack[:-1]) / 2, lack[-1] + 1]
    best = max(f1_score(labels, (logits + np.array([0, 0, step])).argmax(1), average="macro") for step in steps)
    assert ours == pytest.approx(best)


def test_on_a_toy_the_tuned_cut_converges_to_the_known_optimum() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 3, 400_000)
    labels = (rng.random(len(p)) < p).astype(int)
    margin = np.log(p / (1 - p))
    fitted = TunedThreshold().fit(
        np.stack([np.zeros_like(margin), margin], 1), labels, np.ones(len(p)), priors(np.ones(2) / 2)
    )
    cut = 1 / (1 + np.exp(fitted.offset[1]))  # predicted as class 1 above this probability
    f1 = 2 * (labels * (p > cut)).sum() / (labels.sum() + (p > cut).sum())
    assert cut == pytest.approx(f1 / 2, abs=0.02), "the optimal cut is half the optimal F1 (Lipton et al. 2014)"


def test_probabilities_stay_as_they_were_under_a_tuned_cut() -> None:
    logits, labels = _logits(1, 3)
    fitted = TunedThreshold().fit(logits, labels, np.ones(60), priors(np.ones(3) / 3))
    np.testing.assert_allclose(fitted.apply(logits).log_probabilities, log_softmax(logits))


def test_logit_adjustment_takes_the_log_prior_off_and_is_idle_at_tau_zero_or_a_uniform_prior() -> None:
    logits, labels = _logits(2, 3)
    prior = np.array([0.7, 0.2, 0.1])
    plain = Argmax().fit(logits, labels, np.ones(60), priors(prior)).apply(logits)
    adjusted = LogitAdjustment(1.0).fit(logits, labels, np.ones(60), priors(prior)).apply(logits)
    np.testing.assert_allclose(adjusted.log_probabilities, log_softmax(logits - np.log(prior)))
    np.testing.assert_array_equal(adjusted.predicted, (logits - np.log(prior)).argmax(1))
    ratio = np.exp(plain.log_probabilities) / prior
    np.testing.assert_allclose(np.exp(adjusted.log_probabilities), ratio / ratio.sum(1, keepdims=True))
    for rule, shares in ((LogitAdjustment(0.0), prior), (LogitAdjustment(1.0), np.full(3, 1 / 3))):
        idle = rule.fit(logits, labels, np.ones(60), priors(shares)).apply(logits)
        np.testing.assert_array_equal(idle.predicted, plain.predicted)
        np.testing.assert_allclose(idle.log_probabilities, plain.log_probabilities, atol=1e-12)


def test_logit_adjustment_recovers_the_balanced_posterior() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=1000)
    prior = np.array([0.95, 0.05])
    log_likelihood = np.stack([-((x - 0) ** 2) / 2, -((x - 1) ** 2) / 2], axis=1)
    adjusted = LogitAdjustment().fit(log_likelihood, np.zeros(1000, int), np.ones(1000), priors(prior))
    found = adjusted.apply(log_likelihood + np.log(prior)).log_probabilities
    np.testing.assert_allclose(found, log_softmax(log_likelihood), atol=1e-12)


LONG_TAIL = np.array([0.90, 0.08, 0.02])


def _tuned_offsets(rows: int, seed: int, target: np.ndarray) -> np.ndarray:
    """Offsets relative to class 0, tuned on exact logits of long-tailed rows of three equally distant classes."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(3) / 3
    means = 1.2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = np.repeat(np.arange(3), np.round(LONG_TAIL * rows).astype(int))
    x = rng.normal(size=(len(labels), 2)) + means[labels]
    logits = -((x[:, None] - means) ** 2).sum(2) / 2 + np.log(LONG_TAIL)
    offset = TunedThreshold().fit(logits, labels, row_weights(labels, target), priors(LONG_TAIL)).offset
    return offset - offset[0]


def test_offsets_tuned_on_long_tailed_rows_converge_to_the_balanced_optimum() -> None:
    """By symmetry the optimum on balanced rows is the balanced posterior: offsets -log pi, up to a constant."""
    optimum = np.log(LONG_TAIL[0]) - np.log(LONG_TAIL)
    balanced = np.ones(3) / 3
    errors = [
        np.sqrt(np.mean([(_tuned_offsets(rows, seed, balanced) - optimum) ** 2 for seed in range(3)]))
        for rows in (500, 5000, 50_000)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.2
    assert np.sqrt(np.mean((_tuned_offsets(5000, 0, LONG_TAIL) - optimum) ** 2)) > 1, "unweighted, they aim elsewhere"


@given(st.integers(0, 1000), st.integers(2, 5))
def test_row_weights_give_the_target_shares_and_mean_one(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 30)])
    target = rng.dirichlet(np.ones(classes))
    weights = row_weights(labels, target)
    np.testing.assert_allclose(np.bincount(labels, weights) / len(labels), target)
    shares = np.bincount(labels) / len(labels)
    np.testing.assert_allclose(row_weights(labels, shares), 1.0)


def test_logits_relative_to_class_zero_have_the_same_probabilities() -> None:
    logits, _ = _logits(4, 4)
    again = to_logits((logits[:, 1:] - logits[:, :1]).astype(np.float16))
    np.testing.assert_allclose(log_softmax(again), log_softmax(logits), atol=5e-3)
