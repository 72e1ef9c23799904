"""The gap between training and test rows in sentences: who raised the test score, who only lowered the training score.

They claim what three verdicts say (on the test score, on the gap, on the training score) and no more; of a dataset
every technique is named at most once.
"""

from collections.abc import Callable, Sequence

from bench.metrics import METRICS
from bench.reporting.closing import JUDGED, Closing, closing
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.tables import cost, number, with_interval
from bench.reporting.words import noise, silence

MOST, FEW = 4, 2  # techniques named in a short answer, and those of whom nothing was shown
EXPLANATION = (
    "Gap: how much better the score on training rows is than on test rows. It closes where the test score gets better, "
    "where the training score gets worse, or both; only the first makes a better model.",
    "Each of the three (gap, test score, training score) is compared with the baseline's by paired differences, with "
    "p-values Holm-adjusted over the dataset's techniques and with the ranking metric's margin. Closed: the gap is "
    "shown to be smaller. Not closed: its change is shown to lie within the margin.",
    "'Only' is said where the test score is also shown to be alike. Without it, what the test score did is undecided.",
)
RAISED = ("raised, test", "raised, both", "raised")  # kinds of outcome with a better score on test rows
SILENT = ("neither", "not shown", "incomplete", "not compared")  # kinds of which a short answer gives the number
Names = Callable[[Sequence[str], str], str]


def summary(dataset: DatasetAnalysis) -> list[str]:
    """Return what the verdicts say of the gap on one dataset, in sentences that name every technique."""
    return [*_sentences(dataset, _all), *noise(dataset)]


def answers(dataset: DatasetAnalysis) -> list[str]:
    """Return the same in short: some techniques of each kind are named; those without an answer are counted."""
    return _sentences(dataset, _some, short=True)


def _some(names: Sequence[str], kind: str) -> str:
    most = FEW if kind in SILENT else MOST
    if kind in SILENT and len(names) > most:
        return f"{len(names)} techniques"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _all(names: Sequence[str], _: str) -> str:
    return ", ".join(names)


def _sentences(dataset: DatasetAnalysis, joined: Names, short: bool = False) -> list[str]:
    """Return a sentence per kind of outcome that some technique has; first on those that made test rows better."""
    if dataset.absent:
        return ["Nothing was trained: the data were not on the machine."]
    groups: dict[str, list[Standing]] = {}
    for one in [*dataset.compared, *(one for one in dataset.standings if one.difference is None)]:
        groups.setdefault(_kind(one), []).append(one)
    told = []
    first = next((groups[kind][0] for kind in RAISED if kind in groups), None)
    for kind, start in (_starts(dataset) | ({"not shown": "Undecided"} if short else {})).items():
        if kind in groups:
            told.append(f"{start}: {joined([_named(one, one is first) for one in groups[kind]], kind)}.")
    if first is not None:
        return told
    nothing = f"Nothing was shown to have {_better(dataset)} {METRICS[dataset.metric].title} on test rows."
    return [silence(dataset) or nothing, *told]


def _better(dataset: DatasetAnalysis) -> str:
    """Return what happens to the metric where a technique does better."""
    return "raised" if dataset.higher else "lowered"


def _starts(dataset: DatasetAnalysis) -> dict[str, str]:
    """Return how the sentence of each kind begins."""
    metric, better = METRICS[dataset.metric].title, _better(dataset)
    worse, by = ("lowered", "lowering") if dataset.higher else ("raised", "raising")
    up = f"{better.capitalize()} {metric} on test rows"
    down = f"Closed the gap {{}}by {by} {metric} on training rows"
    return {
        "raised, test": f"{up} and closed the gap",
        "raised, both": f"{up}, {worse} it on training rows, and closed the gap",
        "raised": f"{up}, while the gap was not shown to close",
        "train only": f"{down.format('only ')}, practically equivalent on test rows",
        "train": f"{down.format('')}; on test rows undecided",
        "both worse": f"{down.format('')} and, less so, on test rows",
        "how undecided": "Closed the gap, but by which of the two scores is undecided",
        "neither": f"Neither {better} {metric} on test rows nor closed the gap by more than {dataset.margin:.4g}",
        "not shown": "Undecided, with the smallest effect on test rows that would have been found where that is open",
        "incomplete": "Incomplete, so without a verdict",
        "not compared": "Not compared",
    }


def _kind(one: Standing) -> str:
    """Return the kind of a technique's outcome; of one without any (the baseline), its verdict word."""
    found: Closing = closing(one)
    if one.word == "better":
        return f"raised, {found}" if found in ("test", "both") else "raised"
    if one.word not in JUDGED:
        return one.word
    if found in ("not closed", "widened"):
        return "not shown" if one.word == "undecided" else "neither"
    return "not shown" if found in ("undecided", "") else found


def _named(one: Standing, numbers: bool) -> str:
    """Return a technique's name with what its sentence leaves open; ``numbers``: and with its difference and cost."""
    kind, more = _kind(one), []
    if numbers:
        more += [with_interval(one.difference), *([] if cost(one) == "-" else [f"at {cost(one)} the cost"])]
    if one.word == "worse" and kind in ("neither", "not shown", "how undecided"):
        more.append("worse on test rows")
    if closing(one) == "widened":
        more.append("the gap widened")
    if kind == "not shown" and one.word == "undecided" and one.verdict is not None:
        more.append(number(one.verdict.smallest_detectable))
    return f"{one.technique} ({', '.join(more)})" if more else one.technique
