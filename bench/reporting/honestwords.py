"""What is left of each gain once the baseline may move its threshold, in sentences that claim what verdicts say."""

import math
from collections.abc import Callable, Sequence

from bench.metrics import METRICS
from bench.reporting import words
from bench.reporting.gains import Adjustment, Judged
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.tables import number, with_interval

Names = Callable[[Sequence[str]], str]
TITLE = "Does it survive a threshold?"
MOST = 4  # techniques named in a short answer
EXPLANATION = (
    "Moving the threshold, or correcting probabilities for class shares, takes no training. So each technique is held "
    "against the baseline with the argmax rule and against the adjusted baseline: the same training under the decision "
    "rule that scored best on validation rows (weighted to the class shares that test rows stand for; a rule that was "
    "fitted to these rows is scored there crosswise).",
    "Both tuned: the technique's own training gets a tuned threshold too, and so does the baseline's.",
    "Each of the three is a family of verdicts of its own, Holm-adjusted over the dataset's techniques. A gain "
    "survives where the technique is better than the adjusted baseline as well; it does not where it is shown to be "
    "equivalent or worse. An undecided technique stands with the smallest difference that would have been found.",
)
OUTCOMES = ("better", "equivalent", "identical", "worse", "undecided", "not compared", "incomplete", "not scored")
_SAID = {
    "better": "also better than the adjusted baseline",
    "equivalent": "practically equivalent to it",
    "identical": "identical to it",
    "worse": "worse than it",
    "undecided": "undecided against it",
    "not compared": "not compared with it",
    "incomplete": "incomplete under it",
    "not scored": "not scored against it",
}


def answers(dataset: DatasetAnalysis) -> list[str]:
    """Return in short what survives and what stands for the adjusted baseline; at most four names of a kind."""
    return _told(dataset, some)


def summary(dataset: DatasetAnalysis) -> list[str]:
    """Return the same with every name, then how it is with a tuned threshold on both sides."""
    return [*_told(dataset, every), *tuned(dataset)]


def above(dataset: DatasetAnalysis) -> list[str]:
    """Return what stands above a ranked table that has both gains: what the adjusted baseline is; else nothing."""
    if dataset.absent or dataset.adjusted is None:
        return []
    return [adjustment(dataset), *blindness(dataset)]


def _told(dataset: DatasetAnalysis, joined: Names) -> list[str]:
    if dataset.absent:
        return ["Nothing was trained: the data were not on the machine."]
    if dataset.adjusted is None:
        return words.summary(dataset)[:1]
    if dataset.adjusted.chosen is None:
        rules = "no other decision rule is scored on every trained trial of the baseline"
        return [f"Not known whether gains survive a threshold: {rules}.", *words.summary(dataset)[:1]]
    ranking = [words.summary(dataset)[0], *blindness(dataset)] if dataset.adjusted.blind else []
    return [*ranking, *survival(dataset, joined), adjustment(dataset)]


def some(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")


def every(names: Sequence[str]) -> str:
    """Return all names."""
    return ", ".join(names)


def survival(dataset: DatasetAnalysis, joined: Names = every) -> list[str]:
    """Return how many techniques that beat the baseline with the argmax rule beat the adjusted one too."""
    if dataset.adjusted is None:
        return []
    metric = METRICS[dataset.adjusted.metric].title
    held = techniques(dataset)
    beat = [one for one in held if one.gains is not None and one.gains.plain.word == "better"]
    later = [one for one in held if one not in beat and one.gains is not None and one.gains.adjusted.word == "better"]
    others = "Better than the adjusted baseline, though not shown to be so over the argmax rule"
    more = [f"{others}: {joined([one.technique for one in later])}."] if later else []
    if not beat:
        reason = words.silence(dataset) if not dataset.family else ""
        nothing = f"Nothing was shown to be better than the baseline with the argmax rule in {metric}."
        return [reason or nothing, *more]
    groups: dict[str, list[str]] = {}
    for one in beat:
        assert one.gains is not None
        groups.setdefault(one.gains.adjusted.word, []).append(_named(one.technique, one.gains.adjusted))
    parts = []
    for word in OUTCOMES:
        if word in groups or word == "better":
            names = groups.get(word, [])
            parts.append(f"{len(names)} {_SAID[word]}" + (f": {joined(names)}" if names else ""))
    noun = "technique is" if len(beat) == 1 else "techniques are"
    start = f"{len(beat)} {noun} better than the baseline with the argmax rule in {metric}; of these"
    return [f"{start} {'; '.join(parts)}.", *more]


def tuned(dataset: DatasetAnalysis) -> list[str]:
    """Return how many techniques are better where both sides get a tuned threshold, and which."""
    if dataset.adjusted is None:
        return []
    held = [(one.technique, one.gains.tuned) for one in techniques(dataset) if one.gains is not None]
    scored = [judged for _, judged in held if judged.word != "not scored"]
    if not scored:
        return ["With a tuned threshold on both sides: not scored."]
    names = [name for name, judged in held if judged.word == "better"]
    which = f": {', '.join(names)}" if names else ""
    metric = METRICS[dataset.adjusted.metric].title
    shown = f"shown to be better than the baseline in {metric}: {len(names)} of {len(scored)} techniques"
    return [f"With a tuned threshold on both sides, {shown}{which}."]


def techniques(dataset: DatasetAnalysis) -> list[Standing]:
    """Return the standings of all techniques but the baseline that apply."""
    return [one for one in dataset.standings if not one.is_baseline and not one.not_applicable]


def adjustment(dataset: DatasetAnalysis) -> str:
    """Return what stands for the adjusted baseline, why, and how it scores; in numbers, without a verdict."""
    found = dataset.adjusted
    if found is None or found.chosen is None:
        return "The adjusted baseline is not scored."
    metric = METRICS[found.metric].title
    chosen, *others = [found.chosen, *(one for one in found.candidates if one is not found.chosen)]
    scores = "; ".join([f"{metric} {_scored(chosen)}", *(f"{one.name} {_scored(one)}" for one in others)])
    return (
        f"The adjusted baseline is {found.chosen.name} on the baseline's own training, chosen on validation rows "
        f"({scores}); on test rows {metric} is {number(found.score)} "
        f"against {number(found.plain)} with the argmax rule: {with_interval(found.gain)}."
    )


def _scored(one: Adjustment) -> str:
    """Return the score that a rule was, or was not, chosen by."""
    if not math.isfinite(one.validation):
        return "not scored"
    return number(one.validation, 3) + (" on the very rows that it was fitted to" if one.flattered else "")


def blindness(dataset: DatasetAnalysis) -> list[str]:
    """Return that a threshold cannot change the ranking metric, where that is so and gains are told in another."""
    found = dataset.adjusted
    if found is None or not found.blind:
        return []
    ranking = METRICS[dataset.metric].title
    return [
        f"No threshold changes {ranking}, so a gain in it is over the adjusted baseline too; what a threshold does is "
        f"told in {METRICS[found.metric].title}."
    ]


def _named(name: str, judged: Judged) -> str:
    """Return a technique's name; an undecided one's with the effect that would have been found."""
    if judged.word == "undecided" and judged.verdict is not None:
        return f"{name} ({number(judged.verdict.smallest_detectable, 3)})"
    return name
