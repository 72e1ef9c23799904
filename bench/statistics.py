"""Paired differences -> intervals, verdicts, ranks. Arrays in, frozen values out; numpy and scipy alone.

Differences are technique minus baseline, cell by cell on shared splits and seeds. R repeats, m folds per repeat.
Folds and seeds are not independent samples, so the interval follows from how the data
repeat: see docs/protocol.md for the false-positive rates of each.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

FEWEST_REPEATS = 5  # for a verdict on a fixed test set; fewer tell too little of the trials' spread
POWER = 0.8
ALPHA = 0.05
ROUNDING = 1e-12  # what sums of scores may differ by although the scores agree


@dataclass(frozen=True)
class Interval:
    """A mean difference and how sure it is: standard error, t degrees of freedom, 95 and 90 % bounds, p against 0.

    ``identical``: every difference is zero, so there is nothing to test (p is NaN).
    """

    estimate: float
    standard_error: float
    degrees_of_freedom: float
    low95: float
    high95: float
    low90: float
    high90: float
    p_value: float
    identical: bool
    method: str

    @property
    def known(self) -> bool:
        """Return whether there is a standard error, so that something can be said of the true difference."""
        return bool(np.isfinite(self.standard_error))

    def p_one_sided(self, bound: float, side: Literal["above", "below"]) -> float:
        """Return p of the one-sided test that the true difference lies above (or below) ``bound``."""
        if self.identical:
            return 0.0 if (bound < 0) == (side == "above") and bound != 0 else 1.0
        t = (self.estimate - bound) / self.standard_error
        return float(special.stdtr(self.degrees_of_freedom, -t if side == "above" else t))


def _interval(estimate: float, error: float, freedom: float, identical: bool, method: str) -> Interval:
    """Return the t interval for an estimate with its standard error."""
    if identical:
        return Interval(0.0, 0.0, freedom, 0.0, 0.0, 0.0, 0.0, np.nan, True, method)
    if not np.isfinite(error) or freedom <= 0:
        nan = np.nan
        return Interval(estimate, nan, freedom, nan, nan, nan, nan, nan, False, method)
    if error < ROUNDING:  # the same difference every time; at zero, folds that differ cancel within each repeat
        estimate = estimate if abs(estimate) >= ROUNDING else 0.0
        p = 0.0 if estimate else 1.0
        return Interval(estimate, 0.0, freedom, estimate, estimate, estimate, estimate, p, False, method)
    wide, narrow = (special.stdtrit(freedom, level) * error for level in (0.975, 0.95))
    p = 2 * special.stdtr(freedom, -abs(estimate) / error)
    return Interval(
        estimate,
        error,
        freedom,
        low95=float(estimate - wide),
        high95=float(estimate + wide),
        low90=float(estimate - narrow),
        high90=float(estimate + narrow),
        p_value=float(p),
        identical=False,
        method=method,
    )


def nadeau_bengio(differences: np.ndarray, ratio: float) -> Interval:
    """Corrected resampled t-test on n differences [n], where folds of fixed data are the test sets.

    ratio: test rows over rows actually trained on; SE^2 = s^2 (1/n + ratio), t with n - 1 degrees of freedom.
    Source: Nadeau and Bengio 2003, eq. 9.
    """
    n = differences.size
    spread = differences.std(ddof=1) if n > 1 else np.nan
    error = spread * np.sqrt(1 / n + ratio)
    return _interval(float(differences.mean()), float(error), n - 1, not differences.any(), "Nadeau-Bengio")


def independent_repeats(differences: np.ndarray) -> Interval:
    """Paired t over repeats of a generator: differences [R, m] are averaged over the folds of a repeat first."""
    means = differences.mean(axis=1)
    repeats = len(means)
    error = means.std(ddof=1) / np.sqrt(repeats) if repeats > 1 else np.nan
    return _interval(float(means.mean()), float(error), repeats - 1, not differences.any(), "paired t over repeats")


def fixed_test_set(differences: np.ndarray, row_error: float, test_rows: int) -> Interval:
    """Two sources of noise added up: trials (over repeats) and test rows (``bootstrap.row_standard_error``).

    SE^2 = s_r^2 / R + SE_x^2, t with Satterthwaite's degrees of freedom (R - 1 and test rows - 1).
    """
    means = differences.mean(axis=1)
    repeats = len(means)
    trial = means.var(ddof=1) / repeats if repeats > 1 else np.nan
    rows = row_error**2
    total = trial + rows
    freedom = total**2 / (trial**2 / (repeats - 1) + rows**2 / (test_rows - 1)) if total > 0 else repeats - 1
    identical = not differences.any() and row_error == 0
    return _interval(float(means.mean()), float(np.sqrt(total)), float(freedom), identical, "trials and test rows")


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return Holm-adjusted p-values; NaNs stay NaN and do not count. Source: Holm 1979."""
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    running = np.maximum.accumulate((len(order) - np.arange(len(order))) * p[order])
    adjusted[order] = np.minimum(running, 1.0)
    return adjusted


def false_discovery(p_values: np.ndarray) -> np.ndarray:
    """Return Benjamini-Hochberg adjusted p-values in the shape given; NaNs stay NaN and do not count (scipy's)."""
    from scipy import stats  # takes a second to load, and comparisons of two techniques do without it

    adjusted = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p_values[tested])
    return adjusted


@functools.lru_cache(maxsize=4096)
def detectable_in_standard_errors(freedom: float, family: int, power: float = POWER) -> float:
    """Return the smallest true effect, in standard errors, found with ``power`` at Holm's strictest level.

    Two-sided t at alpha / family: the noncentrality at which the t value exceeds the critical one that often.
    """
    critical = special.stdtrit(freedom, 1 - ALPHA / (2 * family))
    return float(special.nctdtrinc(freedom, 1 - power, critical))


def smallest_detectable(repeats: int, family: int, power: float = POWER) -> float:
    """Return the smallest detectable effect in standard deviations of the repeat means' differences."""
    return detectable_in_standard_errors(repeats - 1, family, power) / np.sqrt(repeats)


@dataclass(frozen=True)
class Spread:
    """What makes a technique's difference to the baseline vary, apart from how many repeats and folds there are.

    repeat: standard deviation over repeats of what the folds of a repeat share; fold: over the folds of one repeat;
    rows: standard error over the rows of a fixed test set, which no number of repeats makes smaller.
    """

    repeat: float
    fold: float
    rows: float = 0.0


def spread_of(differences: Sequence[np.ndarray], rows: float = 0.0) -> Spread:
    """Return the spread of the differences of some repeats, each [folds]; NaN below two repeats.

    Where no repeat has two folds, all is laid to the repeats, so that more folds promise nothing.
    """
    means = np.array([one.mean() for one in differences])
    over = means.var(ddof=1) if len(means) > 1 else np.nan
    freedom = sum(len(one) - 1 for one in differences)
    within = sum(float(np.square(one - one.mean()).sum()) for one in differences) / freedom if freedom else 0.0
    shared = over - within * np.mean([1 / len(one) for one in differences])
    return Spread(float(np.sqrt(np.maximum(shared, 0.0))), float(np.sqrt(within)), rows)


def predicted_detectable(
    spread: Spread,
    method: Literal["independent", "test set", "folds"],
    repeats: int,
    folds: int,
    family: int,
    ratio: float = np.nan,
    test_rows: int = 0,
) -> float:
    """Return the effect that so many repeats of so many folds will find with 80 % power, in the metric's unit.

    family: comparisons that the p-values will be adjusted over; ratio: rows tested over rows trained on, where folds
    are the test sets; test_rows: of a fixed test set. NaN where that is too few for a standard error.
    """
    if method == "folds":
        n = repeats * folds
        error, freedom = np.hypot(spread.repeat, spread.fold) * np.sqrt(1 / n + ratio), n - 1.0
    else:
        freedom = repeats - 1.0
        trial = (spread.repeat**2 + spread.fold**2 / folds) / repeats
        rows = spread.rows**2 if method == "test set" else 0.0
        error = np.sqrt(trial + rows)
        if rows and freedom:
            freedom = error**4 / (trial**2 / freedom + rows**2 / (test_rows - 1))
    if freedom <= 0 or not np.isfinite(error):
        return np.nan
    return float(error * detectable_in_standard_errors(float(freedom), family))


@dataclass(frozen=True)
class Verdict:
    """One of better, worse, equivalent, undecided; identical without a test; '' where nothing can be said.

    sign: '+' or '-' where the (Holm-adjusted) difference is significant, whatever the word.
    smallest_detectable: the effect that this many repeats find with 80 % power, in the metric's unit.
    """

    word: str
    sign: str
    p_holm: float
    p_equivalence: float
    smallest_detectable: float


def verdicts(
    intervals: Sequence[Interval], margin: float, better: Literal["higher", "lower"], complete: Sequence[bool]
) -> list[Verdict]:
    """Return the verdict on each technique of a family: every technique against the baseline, on one metric.

    Equivalent: both one-sided tests at 5 %, Holm-adjusted, within +-margin; it takes precedence. Better or worse:
    Holm-adjusted p below 5 %. A technique that is identical to the baseline is not tested and not counted. Below full
    coverage, and without a standard error, there is no word, and the technique does not count either.
    """
    direction = 1 if better == "higher" else -1
    spoken = [full and one.known for one, full in zip(intervals, complete, strict=True)]
    tested = [said and not one.identical for one, said in zip(intervals, spoken, strict=True)]
    p_holm = holm([one.p_value if use else np.nan for one, use in zip(intervals, tested, strict=True)])
    within = [
        max(one.p_one_sided(-margin, "above"), one.p_one_sided(margin, "below")) if use and one.standard_error > 0
        else (float(abs(one.estimate) >= margin) if use and one.standard_error == 0 else np.nan)
        for one, use in zip(intervals, tested, strict=True)
    ]  # fmt: skip
    p_within = holm(within)
    family = max(1, sum(tested))
    found = []
    for one, said, difference_p, equivalence_p in zip(intervals, spoken, p_holm, p_within, strict=True):
        if not said:
            found.append(Verdict("", "", np.nan, np.nan, np.nan))
            continue
        if one.identical:
            found.append(Verdict("identical", "", np.nan, np.nan, 0.0))
            continue
        significant = difference_p < ALPHA
        sign = ("+" if one.estimate > 0 else "-") if significant else ""
        gain = one.estimate * direction > 0
        clear = ("better" if gain else "worse") if significant else "undecided"
        word = "equivalent" if equivalence_p < ALPHA else clear
        effect = one.standard_error * detectable_in_standard_errors(one.degrees_of_freedom, family)
        found.append(Verdict(word, sign, float(difference_p), float(equivalence_p), float(effect)))
    return found


@dataclass(frozen=True)
class Ranks:
    """Per technique: 1 + the number significantly better, P(rank = 1), and the 90 % interval of its rank.

    places [techniques, techniques]: the share of draws in which row takes place 1 + column.
    better [techniques, techniques]: whether row is significantly better than column.
    """

    rank: np.ndarray
    first: np.ndarray
    low: np.ndarray
    high: np.ndarray
    places: np.ndarray
    better: np.ndarray


def ranks(scores: np.ndarray, better: np.ndarray, seed: int = 0, draws: int = 2000) -> Ranks:
    """Rank techniques from repeat means (higher is better) [techniques, R].

    better [techniques, techniques]: whether row is significantly better than column. Chances come from resampling
    whole repeats, so that pairs stay pairs.
    """
    count, repeats = scores.shape
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(repeats, np.full(repeats, 1 / repeats), draws) / repeats
    drawn = scores @ weights.T  # [techniques, draws]
    rounded = np.round(drawn, 12)
    place = 1 + np.array([(rounded > own).sum(axis=0) for own in rounded]).reshape(rounded.shape)
    winners = place == 1
    first = (winners / winners.sum(axis=0)).mean(axis=1)
    low, high = np.quantile(place, (0.05, 0.95), axis=1, method="nearest") if count else (np.empty(0), np.empty(0))
    places = np.array([np.bincount(line, minlength=count) for line in place.astype(int) - 1]) / draws
    return Ranks(1 + better.sum(axis=0), first, low.astype(int), high.astype(int), places.reshape(count, count), better)
