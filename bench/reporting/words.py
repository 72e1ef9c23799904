"""Verdicts in sentences. They claim what the verdicts say and no more; every technique is named at most once."""

import math
from collections.abc import Mapping, Sequence

from bench.metrics import METRICS
from bench.reporting.standing import DatasetAnalysis, Standing, enough_repeats
from bench.reporting.tables import cost, number, with_interval
from bench.statistics import FEWEST_REPEATS

Groups = Mapping[str, Sequence[Standing]]  # verdict word -> techniques


def summary(dataset: DatasetAnalysis) -> list[str]:
    """Return what the verdicts say of one dataset, in sentences."""
    if dataset.absent:
        return ["Nothing was trained: the data were not on the machine."]
    groups: dict[str, list[Standing]] = {}
    for one in dataset.standings:
        groups.setdefault(one.word, []).append(one)
    starts = {
        "worse": "Worse than the baseline",
        "equivalent": f"Practically equivalent to it (within ±{dataset.margin:.4g})",
        "identical": "Identical to it, trial by trial",
        "undecided": "Undecided, each with the smallest effect that these repeats would have found with 80 % power",
        "incomplete": "Incomplete, so without a verdict",
        "not compared": "Not compared",
    }
    told = [f"{start}: {', '.join(map(_named, groups[word]))}." for word, start in starts.items() if word in groups]
    return [_finding(dataset, groups), *told, *noise(dataset)]


def _named(one: Standing) -> str:
    """Return a technique's name; an undecided one's with the effect that would have been found."""
    if one.word == "undecided" and one.verdict is not None:
        return f"{one.technique} ({number(one.verdict.smallest_detectable)})"
    return one.technique


def _finding(dataset: DatasetAnalysis, groups: Groups) -> str:
    """Return what is better than the baseline, or why nothing can be said of that."""
    metric = METRICS[dataset.metric].title
    if "better" in groups:
        return f"Better than the baseline in {metric}: {_better(dataset, groups['better'])}."
    return silence(dataset) or f"Nothing was shown to be better than the baseline in {metric}."


def silence(dataset: DatasetAnalysis) -> str:
    """Return why there is no verdict on any technique; empty where there is one."""
    metric = METRICS[dataset.metric].title
    words = {one.word for one in dataset.standings}
    if not enough_repeats(dataset.facts):
        held = dataset.facts["repeat_count"]
        found = "1 was planned" if held == 1 else f"{held} were planned"
        return f"No verdict: on a fixed test set at least {FEWEST_REPEATS} repeats are needed, and {found}."
    if dataset.family or "identical" in words:
        return ""
    if dataset.baseline is None:
        return "No verdict: the baseline is not part of what was planned."
    if not dataset.baseline.complete:
        return "No verdict yet: the baseline is not complete on this dataset."
    if "not compared" in words:
        return f"No verdict: these repeats and rows give differences in {metric} no interval."
    if "incomplete" in words:
        return "No verdict yet: no technique is complete on this dataset."
    return "No verdict: no technique beside the baseline applies to this dataset."


def _better(dataset: DatasetAnalysis, better: Sequence[Standing]) -> str:
    """Return the names of those shown to be better, the one of the largest estimate first, with its numbers."""
    rank = {one.technique: place for place, one in enumerate(dataset.compared)}
    first, *others = sorted(better, key=lambda one: rank[one.technique])
    most = "the largest estimate, " if others else ""
    price = "" if cost(first) == "-" else f", at {cost(first)} the cost"
    return ", ".join(
        [f"{first.technique} ({most}{with_interval(first.difference)}{price})", *(one.technique for one in others)]
    )


def noise(dataset: DatasetAnalysis) -> list[str]:
    """Return a sentence on the baseline against itself (A/A), the noise floor; none where that was not trained."""
    one = dataset.noise
    if one is None or one.difference is None:
        return []
    if one.difference.identical:
        return ["The baseline against itself (other initial weights and batch order): identical, trial by trial."]
    spread = f" with a standard deviation of {number(one.spread)} over repeats" if math.isfinite(one.spread) else ""
    missing = "" if one.complete else f" ({one.done} of {one.planned} trials)"
    return [
        f"The baseline against itself (other initial weights and batch order){missing}: "
        f"{with_interval(one.difference)}{spread}, the noise floor."
    ]


def protocol(dataset: DatasetAnalysis) -> str:
    """Return how the numbers came about."""
    facts = dataset.facts
    methods = sorted({one.difference.method for one in dataset.standings if one.difference is not None})
    relative = "" if dataset.higher else f" ({100 * facts['equivalence']:g} % of the baseline's)"
    band = f"{dataset.margin:.4g}{relative}" if math.isfinite(dataset.margin) else "a margin still unknown"
    repeats = "new data each" if facts["repeats"] == "independent" else "the same data"
    held = "own test rows" if facts["has_test"] else "the held-out folds are the test rows"
    machines = f" ({', '.join(dataset.machines)})" if dataset.machines else ""
    made = "; ".join(part for part in (", ".join(dataset.versions), ", ".join(dataset.sources)) if part)
    return (
        f"{facts['repeat_count']} repeats ({repeats}) x {facts['folds_per_repeat']} of {facts['folds']} folds, {held}. "
        f"Intervals: {', '.join(methods) or 'none'}; {_tests(dataset.family)}; "
        f"equivalent: within ±{band}. Cost: CPU seconds of training and resampling over the baseline's, among trials "
        f"of the same machine and stack size{machines}; FLOPs where the baseline has none of those."
        + (f" Data: {facts['origin']}." if facts["origin"] else "")
        + (f" Made with {made}." if made else "")
    )


def _tests(family: int) -> str:
    """Return over how many comparisons p-values are adjusted."""
    if not family:
        return "no difference was tested"
    return f"p-values Holm-adjusted over {family} comparison{'s' * (family > 1)}"
