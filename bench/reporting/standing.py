"""The nouns of an analysis: how a technique stands on a dataset, a dataset's standings, a suite's datasets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.absence import absence
from bench.metrics import METRICS
from bench.reporting.asides import Asides
from bench.reporting.gains import Adjusted, Bill, Gains
from bench.reporting.grids import Grid
from bench.reporting.trials import Trials
from bench.statistics import FEWEST_REPEATS, Interval, Verdict

FEW_ROWS = 10  # below this many test rows, a class's scores are flagged


def enough_repeats(facts: Mapping[str, Any]) -> bool:
    """Return whether a dataset has enough repeats for verdicts and ranks: on a fixed test set, five are needed."""
    fixed = facts["repeats"] == "fixed" and facts["has_test"]
    return not fixed or facts["repeat_count"] >= FEWEST_REPEATS


@dataclass(frozen=True)
class Standing:
    """How one technique did on one dataset. NaN and None where it was not, or not yet, measured.

    score, train, validation, gap: the ranking metric on test rows, on rows trained on and on rows decided on, and how
    much better it is on those trained on; each is the mean over repeats of the mean over folds. difference: to the
    baseline, with its interval; spread: the standard deviation over repeats of that difference. gap_interval: of the
    gap itself; gap_difference, train_difference: gap and training score minus the baseline's, paired; gap_verdict,
    train_verdict: what these say, where a smaller gap and a better training score are *better*.
    class_precision, class_recall, class_f1 [C]: from confusion matrices pooled over the folds of a repeat, then
    averaged over repeats. class_change [C]: F1 minus the baseline's; class_p, class_q [C]: p against no change, and
    adjusted by false discovery rate over the dataset's techniques and classes (exploratory).
    cost_ratio: seconds of training and resampling over the baseline's, on the same machine and stack size;
    flops_ratio: FLOPs over the baseline's, shown where no trial of the baseline shares machine and stack size.
    places: the share of resamplings of the repeats in which it takes the first place, the second and so on.
    beats, beaten_by: techniques that it is significantly better than, and those that are than it, in the plan's order.
    no_op: its resampling or enlarging changed no row in any trial; same_scores: its training is another than the
    baseline's, and yet every score of every trial is the baseline's to the bit.
    replica: 1 where this is the baseline once more, whose difference to the baseline is the noise floor (A/A).
    gains: over the baseline with the argmax rule and adjusted; bill: by measure of calibration, what it does to that.
    Both are there in suites on class imbalance alone.
    """

    technique: str
    family: str
    is_baseline: bool
    not_applicable: str
    planned: int
    done: int
    statuses: Mapping[str, int]
    reasons: tuple[str, ...]
    training: str
    rule: str
    score: float = np.nan
    train: float = np.nan
    validation: float = np.nan
    gap: float = np.nan
    gap_interval: Interval | None = None
    gap_difference: Interval | None = None
    gap_verdict: Verdict | None = None
    train_difference: Interval | None = None
    train_verdict: Verdict | None = None
    difference: Interval | None = None
    spread: float = np.nan
    verdict: Verdict | None = None
    rank: int | None = None
    p_first: float = np.nan
    place_low: int | None = None
    place_high: int | None = None
    places: np.ndarray | None = None
    beats: tuple[str, ...] = ()
    beaten_by: tuple[str, ...] = ()
    cost_ratio: float = np.nan
    flops_ratio: float = np.nan
    cost_seconds: float = np.nan
    steps: float = np.nan
    examples: float = np.nan
    flops: float = np.nan
    no_op: bool = False
    same_scores: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    class_precision: np.ndarray | None = None
    class_recall: np.ndarray | None = None
    class_f1: np.ndarray | None = None
    class_change: np.ndarray | None = None
    class_p: np.ndarray | None = None
    class_q: np.ndarray | None = None
    replica: int = 0
    gains: Gains | None = None
    bill: Mapping[str, Bill] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Return whether every planned trial is stored and scored."""
        return self.planned > 0 and self.done == self.planned

    @property
    def word(self) -> str:
        """Return the verdict in one word, or why there is none."""
        if self.not_applicable:
            return absence(self.not_applicable)
        if self.is_baseline:
            return "baseline"
        if self.replica:
            return "noise floor"
        if self.verdict is not None and self.verdict.word:
            return self.verdict.word
        return "not compared" if self.complete else "incomplete"


@dataclass(frozen=True)
class DatasetAnalysis:
    """One dataset: its facts from the plan, the standings by rank, class supports [C] and its trials.

    noise: the baseline against itself (A/A), which is no technique: it has no verdict, no rank and no part in the
    family. None where the plan is older than that comparison. grids: the remedies at several strengths. asides: what is
    told beside the verdicts. adjusted: what stands for the baseline once its threshold is moved, in suites on class
    imbalance. recipe: the baseline's, as stored, in suites on levers.
    """

    facts: Mapping[str, Any]
    standings: tuple[Standing, ...]
    support: np.ndarray
    margin: float
    trials: Trials
    noise: Standing | None = None
    grids: tuple[Grid, ...] = ()
    asides: Asides = field(default_factory=Asides)
    adjusted: Adjusted | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scored(self) -> tuple[Standing, ...]:
        """Return the standings that have a score."""
        return tuple(one for one in self.standings if one.done)

    @property
    def planned(self) -> tuple[Standing, ...]:
        """Return the standings of the techniques that apply, then the noise floor; none where nothing was trained."""
        if self.absent:
            return ()
        return (
            *(one for one in self.standings if not one.not_applicable),
            *([] if self.noise is None else [self.noise]),
        )

    @property
    def absent(self) -> str:
        """Return why nothing was trained: the data were not on the machine. Empty where anything was."""
        return "" if self.scored else self.facts["absent"]

    @property
    def compared(self) -> tuple[Standing, ...]:
        """Return the standings that have a difference to the baseline, the largest gain first."""
        found = [(one.difference.estimate, one) for one in self.standings if one.difference is not None]
        sign = -1 if self.higher else 1
        return tuple(one for _, one in sorted(found, key=lambda pair: (sign * round(pair[0], 12), pair[1].technique)))

    @property
    def family(self) -> int:
        """Return how many comparisons the p-values are adjusted over."""
        return sum(one.word in ("better", "worse", "equivalent", "undecided") for one in self.standings)

    @property
    def machines(self) -> tuple[str, ...]:
        """Return the names of the processors that trained, sorted."""
        return tuple(sorted({name for name in self.trials["machine"] if isinstance(name, str)}))

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the packages that trained with their versions, as 'torch 2.14.0', sorted."""
        held = {text for text in self.trials["versions"] if isinstance(text, str)}
        return tuple(sorted({f"{name} {number}" for text in held for name, number in json.loads(text).items()}))

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the commits whose code trained, sorted; 'changed' where their files had been edited."""
        pairs = {*zip(self.trials["commit"], self.trials["dirty"], strict=True)}
        known = {(commit[:12], bool(dirty)) for commit, dirty in pairs if isinstance(commit, str) and commit}
        return tuple(f"{commit} (changed)" if dirty else commit for commit, dirty in sorted(known))

    @property
    def label(self) -> str:
        """Return the dataset's label in the suite."""
        return self.facts["label"]

    @property
    def metric(self) -> str:
        """Return the name of the ranking metric."""
        return self.facts["metric"]

    @property
    def higher(self) -> bool:
        """Return whether a higher score is better."""
        return METRICS[self.metric].better == "higher"

    @property
    def baseline(self) -> Standing | None:
        """Return the baseline's standing, if it is part of the plan."""
        return next((one for one in self.standings if one.is_baseline), None)


@dataclass(frozen=True)
class Analysis:
    """A suite's plan and the analysis of each of its datasets, in the suite's order."""

    plan: Mapping[str, Any]
    datasets: tuple[DatasetAnalysis, ...]

    @property
    def focus(self) -> str:
        """Return what the suite asks for first; plans from before that was asked do not say, and mean the score."""
        return self.plan.get("focus", "score")

    @property
    def leads_with_gap(self) -> bool:
        """Return whether the suite asks for the gap between training and test rows first."""
        return self.focus == "gap"

    @property
    def on_imbalance(self) -> bool:
        """Return whether the suite is on class imbalance, so that honest gains come first."""
        return self.focus == "imbalance"
