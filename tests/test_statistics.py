"""Intervals against published implementations; verdicts against hand-made numbers; error rates by simulation."""

from typing import Any

import baycomp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench import bootstrap, statistics
from bench.metrics import from_confusion
from bench.statistics import Interval


def _normal(estimate: float, error: float, freedom: float = 19) -> Interval:
    return statistics._interval(estimate, error, freedom, False, "test")


@given(st.integers(0, 10_000), st.sampled_from([2, 5, 10]), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_nadeau_bengio_is_baycomps_correlated_t(seed: int, folds: int, runs: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.normal(0.7, 0.1, (2, folds * runs))
    ours = statistics.nadeau_bengio(other - one, 1 / (folds - 1))
    posterior = baycomp.CorrelatedTTest(one, other, runs=runs)
    assert ours.estimate == pytest.approx(posterior.mean)
    assert ours.standard_error**2 == pytest.approx(posterior.var)
    assert ours.degrees_of_freedom == posterior.df
    _, above = posterior.probs()[0], posterior.probs()[-1]
    assert ours.p_one_sided(0.0, "below") == pytest.approx(above, abs=1e-9)


def test_carved_validation_rows_widen_the_interval() -> None:
    differences = np.random.default_rng(0).normal(size=10)
    plain, carved = (statistics.nadeau_bengio(differences, ratio) for ratio in (20 / 80, 20 / 64))
    assert carved.standard_error > plain.standard_error


@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_independent_repeats_is_scipys_paired_t_on_repeat_means(seed: int, repeats: int, folds: int) -> None:
    differences = np.random.default_rng(seed).normal(0.02, 0.1, (repeats, folds))
    ours = statistics.independent_repeats(differences)
    theirs: Any = stats.ttest_1samp(differences.mean(axis=1), 0.0)
    assert ours.p_value == pytest.approx(theirs.pvalue)
    low, high = theirs.confidence_interval(0.95)
    assert (ours.low95, ours.high95) == (pytest.approx(low), pytest.approx(high))
    low, high = theirs.confidence_interval(0.90)
    assert (ours.low90, ours.high90) == (pytest.approx(low), pytest.approx(high))


def test_identical_results_are_said_to_be_so_without_a_test() -> None:
    for one in (
        statistics.independent_repeats(np.zeros((5, 2))),
        statistics.nadeau_bengio(np.zeros(10), 0.25),
        statistics.fixed_test_set(np.zeros((5, 1)), 0.0, 500),
    ):
        assert one.identical
        assert np.isnan(one.p_value)
        assert statistics.verdicts([one], 0.01, "higher", [True])[0].word == "identical"


def test_folds_that_cancel_within_every_repeat_are_no_difference() -> None:
    one = statistics.independent_repeats(np.tile([0.5, -0.5], (5, 1)))
    assert not one.identical
    assert one.p_value == 1.0
    assert statistics.verdicts([one], 0.01, "higher", [True])[0].sign == ""


def test_too_few_repeats_give_no_word_and_no_numbers() -> None:
    for one in (
        statistics.independent_repeats(np.array([[0.3, 0.4]])),
        statistics.nadeau_bengio(np.array([0.3]), 0.25),
        statistics.fixed_test_set(np.array([[0.3]]), 0.05, 100),
    ):
        found = statistics.verdicts([one], 0.01, "higher", [True])[0]
        assert found.word == ""
        assert np.isnan([one.standard_error, one.low95, one.p_value, found.smallest_detectable]).all()


def test_false_discovery_by_hand() -> None:
    np.testing.assert_allclose(
        statistics.false_discovery(np.array([0.01, 0.04, 0.03, 0.5])), [0.04, 0.16 / 3, 0.16 / 3, 0.5]
    )


def test_false_discovery_keeps_the_shape_and_does_not_count_what_was_not_tested() -> None:
    grid = np.array([[0.01, np.nan], [0.04, 0.03]])
    np.testing.assert_allclose(statistics.false_discovery(grid), [[0.03, np.nan], [0.04, 0.04]])
    assert np.isnan(statistics.false_discovery(np.full((2, 2), np.nan))).all()


def test_fixed_test_set_adds_the_two_variances_and_takes_satterthwaites_freedom() -> None:
    differences = np.array([[0.1], [0.3], [0.2], [0.0], [0.15]])
    trial = differences.var(ddof=1) / 5
    ours = statistics.fixed_test_set(differences, 0.05, 400)
    assert ours.standard_error**2 == pytest.approx(trial + 0.0025)
    assert ours.degrees_of_freedom == pytest.approx((trial + 0.0025) ** 2 / (trial**2 / 4 + 0.0025**2 / 399))
    without_rows = statistics.fixed_test_set(differences, 0.0, 400)
    theirs: Any = stats.ttest_1samp(differences[:, 0], 0)
    assert without_rows.p_value == pytest.approx(theirs.pvalue)


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.holm([0.9, np.nan, 0.04]), [0.9, np.nan, 0.08])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_raw_p_and_bonferroni(p: list[float]) -> None:
    adjusted = statistics.holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()  # the order of the evidence stays


@pytest.mark.parametrize(("repeats", "effect"), [(5, 3.78), (10, 1.6), (25, 0.85)])
def test_the_smallest_detectable_effect_with_20_techniques(repeats: int, effect: float) -> None:
    assert statistics.smallest_detectable(repeats, 20) == pytest.approx(effect, abs=0.06)


@pytest.mark.parametrize("repeats", [5, 10, 25])
def test_the_smallest_detectable_effect_is_found_four_times_in_five(repeats: int) -> None:
    effect = statistics.smallest_detectable(repeats, 20)
    drawn = np.random.default_rng(1).normal(effect, 1, (20_000, repeats))
    tested: Any = stats.ttest_1samp(drawn, 0, axis=1)
    assert (tested.pvalue < 0.05 / 20).mean() == pytest.approx(0.8, abs=0.015)


def test_verdict_words() -> None:
    cases = {
        "better": _normal(0.05, 0.005),
        "worse": _normal(-0.05, 0.005),
        "equivalent": _normal(0.001, 0.002),
        "undecided": _normal(0.02, 0.02),
    }
    found = statistics.verdicts(list(cases.values()), 0.01, "higher", [True] * 4)
    assert [one.word for one in found] == list(cases)
    assert [one.sign for one in found] == ["+", "-", "", ""]
    flipped = statistics.verdicts(list(cases.values()), 0.01, "lower", [True] * 4)
    assert [one.word for one in flipped] == ["worse", "better", "equivalent", "undecided"]


def test_equivalence_takes_precedence_and_keeps_the_sign() -> None:
    found = statistics.verdicts([_normal(0.004, 0.0005)], 0.01, "higher", [True])[0]
    assert (found.word, found.sign) == ("equivalent", "+")


def test_below_full_coverage_there_is_no_verdict_and_no_part_in_the_family() -> None:
    clear, partial = _normal(0.05, 0.019), _normal(0.09, 0.001)
    alone = statistics.verdicts([clear], 0.01, "higher", [True])[0]
    beside = statistics.verdicts([clear, partial], 0.01, "higher", [True, False])
    assert beside[1].word == ""
    assert beside[0] == alone


def test_without_a_standard_error_there_is_no_verdict_and_no_part_in_the_family() -> None:
    clear, unknown = _normal(0.05, 0.019), _normal(0.09, np.nan)
    alone = statistics.verdicts([clear], 0.01, "higher", [True])[0]
    beside = statistics.verdicts([clear, unknown, unknown], 0.01, "higher", [True] * 3)
    assert [one.word for one in beside] == ["better", "", ""]
    assert beside[0] == alone


def test_ranks_count_who_is_significantly_better_and_resample_repeats() -> None:
    rng = np.random.default_rng(0)
    scores = np.array([0.9, 0.8, 0.8])[:, None] + rng.normal(0, 0.01, (3, 12))
    better = np.array([[False, True, True], [False, False, False], [False, False, False]])
    found = statistics.ranks(scores, better)
    assert found.rank.tolist() == [1, 2, 2]
    assert found.first[0] == 1.0
    assert found.first.sum() == pytest.approx(1.0)
    assert found.low.tolist()[0] == found.high.tolist()[0] == 1
    assert (found.low[1:] == 2).all()
    assert (found.high[1:] == 3).all()


# ---- error rates of the whole path, on techniques that are equal by construction ----------------------------------

COMPARISONS = 600


def _cross_validated(
    rng: np.random.Generator, effect: float, repeats: int = 5, folds: int = 5
) -> tuple[np.ndarray, float]:
    """Differences of k-fold cross-validation on fixed data: folds share training rows, so they are correlated."""
    shared = rng.normal(0, np.sqrt(1 / folds))  # what all trainings on this data have in common
    return effect + shared + rng.normal(0, np.sqrt(1 - 1 / folds), repeats * folds), 1 / (folds - 1)


def _drawn_accuracy(truth: np.ndarray, trials: np.ndarray) -> np.ndarray:
    return from_confusion(bootstrap.DrawnRows.of(truth, 2).confusions(trials))["accuracy"].mean(axis=0)


def _fixed_test(rng: np.random.Generator, skill: float, repeats: int = 6, rows: int = 300) -> Interval:
    """Two techniques that err on different rows of one fixed test set; the first is right ``skill`` more often."""
    truth = rng.integers(0, 2, rows)
    hard = [np.clip(rng.beta(2, 1, rows) * 0.9, 0, 1) for _ in range(2)]
    hard[0] = np.clip(hard[0] + skill, 0, 1)
    right = [rng.random((repeats, rows)) < chance for chance in hard]
    one, other = (np.where(good, truth, 1 - truth) for good in right)
    differences = ((one == truth).mean(1) - (other == truth).mean(1))[:, None]
    drawn = [_drawn_accuracy(truth, labels) for labels in (one, other)]
    return statistics.fixed_test_set(differences, bootstrap.row_standard_error(*drawn), rows)


def _word(one: Interval) -> str:
    return statistics.verdicts([one], 1e-9, "higher", [True])[0].word


def _share(words: list[str], wanted: set[str]) -> float:
    return sum(word in wanted for word in words) / len(words)


def test_equal_techniques_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(11)
    either = {"better", "worse"}
    draws = [rng.normal(size=(8, 1)) + rng.normal(size=(8, 3)) for _ in range(COMPARISONS)]
    repeats = [_word(statistics.independent_repeats(one)) for one in draws]
    folds = [_word(statistics.nadeau_bengio(*_cross_validated(rng, 0.0))) for _ in range(COMPARISONS)]
    fixed = [_word(_fixed_test(rng, 0.0)) for _ in range(COMPARISONS)]
    for words in (repeats, folds, fixed):
        assert _share(words, either) < 0.10


def test_effects_of_the_smallest_detectable_size_are_mostly_found() -> None:
    rng = np.random.default_rng(12)
    effect = statistics.smallest_detectable(8, 1)
    found = [_word(statistics.independent_repeats(effect + rng.normal(size=(8, 1)))) for _ in range(COMPARISONS)]
    assert 0.7 < _share(found, {"better"}) < 0.9
    error = np.sqrt(1 / 25 + 1 / 4)
    effect = statistics.detectable_in_standard_errors(24, 1) * error
    found = [_word(statistics.nadeau_bengio(*_cross_validated(rng, effect))) for _ in range(COMPARISONS)]
    assert _share(found, {"better"}) > 0.7
    typical = np.median([_fixed_test(rng, 0.0).standard_error for _ in range(30)])
    probes = [_fixed_test(rng, 0.1) for _ in range(60)]
    gain, freedom = np.mean([one.estimate for one in probes]), np.median([one.degrees_of_freedom for one in probes])
    wanted = statistics.detectable_in_standard_errors(float(freedom), 1) * typical
    found = [_word(_fixed_test(rng, 0.1 * float(wanted / gain))) for _ in range(COMPARISONS)]
    assert _share(found, {"better"}) > 0.7
