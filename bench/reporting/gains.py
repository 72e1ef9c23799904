"""The nouns of an honest gain: what is compared, what stands for the baseline once its threshold is moved, the bill."""

from dataclasses import dataclass

from bench.statistics import Interval, Verdict

NOT_SCORED = "not scored"


@dataclass(frozen=True)
class Judged:
    """A paired difference of two sides, and its verdict; ``done`` of the ``planned`` trials are scored on both.

    verdict: None where the comparison is no member of a family (the baseline itself, the noise floor).
    """

    difference: Interval | None
    verdict: Verdict | None
    done: int
    planned: int

    @property
    def word(self) -> str:
        """Return the verdict in one word, or why there is none."""
        if not self.done:
            return NOT_SCORED
        if self.verdict is not None and self.verdict.word:
            return self.verdict.word
        return "not compared" if self.done == self.planned else "incomplete"


@dataclass(frozen=True)
class Adjustment:
    """Another decision rule on the baseline's own training.

    name: the technique that is just this, or else the companion rule's name; rule: its digest; validation: the mean
    over trials of the score on validation rows, weighted to the target prior; NaN where it is not scored everywhere.
    flattered: whether that is the score on the very rows that the rule was fitted to, as older results have it.
    """

    name: str
    rule: str
    validation: float
    flattered: bool = False


@dataclass(frozen=True)
class Adjusted:
    """What stands for the baseline on one dataset once its threshold is moved.

    metric: in which gains are told: the ranking metric, or macro F1 where that has no threshold; margin: its half-width
    of practical equivalence; candidates: what was chosen from, on validation rows alone; chosen: None where none of
    them is scored; plain, score: of the baseline with the argmax rule and adjusted, on test rows; gain: between them;
    blind: whether no candidate can change the ranking metric.
    """

    metric: str
    margin: float
    candidates: tuple[Adjustment, ...]
    chosen: Adjustment | None
    plain: float
    score: float
    gain: Interval | None
    blind: bool


@dataclass(frozen=True)
class Gains:
    """A technique's gains on one dataset, each with a family of its own.

    plain: over the baseline with the argmax rule; adjusted: over the adjusted baseline; tuned: where the technique gets
    a tuned threshold too, over the baseline with one. These in ``Adjusted.metric``; ranked: over the adjusted baseline
    in the ranking metric.
    """

    plain: Judged
    adjusted: Judged
    tuned: Judged
    ranked: Judged

    @property
    def survives(self) -> str:
        """Return whether a gain over the argmax baseline is one over the adjusted baseline; '-' where there is none."""
        if self.plain.word != "better":
            return "-"
        return {"better": "yes", "worse": "no", "equivalent": "no", "identical": "no"}.get(
            self.adjusted.word, self.adjusted.word
        )


@dataclass(frozen=True)
class Bill:
    """What a technique does to one measure of calibration (lower is better), against the baseline as it is.

    before: with the probabilities of the technique's own rule; after: with those of its training, corrected to the
    target prior; score_before, score_after: the measure itself.
    """

    before: Judged
    after: Judged
    score_before: float
    score_after: float
