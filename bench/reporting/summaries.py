"""What a report says in a few words and numbers: made from an analysis, kept beside it as JSON for the index.

An index is made from these files alone, so it needs no analysis, and covers every suite whose report is there.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.metrics import METRICS
from bench.reporting import tables
from bench.reporting.drawing import file_stem
from bench.reporting.focus import focus_of
from bench.reporting.standing import Analysis, DatasetAnalysis, Standing

SUMMARY = "summary.json"
VERSION = 1  # of the file; raise it when what a field means changes
MOST = 3  # techniques named per dataset


@dataclass(frozen=True)
class Gain:
    """A technique with the verdict *better*: its difference with the 95 % interval, and its cost, as printed."""

    technique: str
    difference: str
    cost: str


@dataclass(frozen=True)
class Outcome:
    """One dataset in short.

    name: the label as the reports' files have it. metric: the ranking metric and which way is better. finding: the
    first sentence of the summary. counts: verdict word -> techniques, without the baseline. best: those with the
    verdict *better*, the largest gain first, at most three.
    """

    label: str
    name: str
    metric: str
    finding: str
    counts: Mapping[str, int]
    best: tuple[Gain, ...]


@dataclass(frozen=True)
class Summary:
    """One suite in short: its name, its question, and the outcome on each dataset, in the suite's order."""

    suite: str
    question: str
    outcomes: tuple[Outcome, ...]


def slug(dataset: DatasetAnalysis) -> str:
    """Return a dataset's label as the start of a file name."""
    return file_stem(dataset.label)


def summarise(analysis: Analysis) -> Summary:
    """Return an analysis in short."""
    outcomes = tuple(_outcome(dataset, _finding(analysis, dataset)) for dataset in analysis.datasets)
    return Summary(analysis.plan["suite"], analysis.plan["question"], outcomes)


def _finding(analysis: Analysis, dataset: DatasetAnalysis) -> str:
    """Return what is said first of a dataset: on what the suite asks for."""
    return focus_of(analysis).answers(analysis, dataset)[0]


def _outcome(dataset: DatasetAnalysis, finding: str) -> Outcome:
    """Return one dataset in short."""
    metric = METRICS[dataset.metric]
    counted = Counter(_word(one, dataset) for one in dataset.standings if not one.is_baseline)
    better = [one for one in dataset.compared if one.word == "better"]
    return Outcome(
        label=dataset.label,
        name=slug(dataset),
        metric=f"{metric.title}, {metric.better} is better",
        finding=finding,
        counts={word: counted[word] for word in (*tables.VERDICTS, "no data") if word in counted},
        best=tuple(
            Gain(one.technique, tables.with_interval(one.difference), tables.cost(one)) for one in better[:MOST]
        ),
    )


def _word(one: Standing, dataset: DatasetAnalysis) -> str:
    return "no data" if dataset.absent and not one.not_applicable else one.word


def to_json(summary: Summary) -> str:
    """Return a summary as JSON text."""
    return json.dumps({"version": VERSION, **asdict(summary)}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Summary:
    """Return the summary in a JSON text; raise ValueError where it is none of this version."""
    try:
        held = json.loads(text)
        if held["version"] != VERSION:
            raise ValueError(f"version {held['version']}, not {VERSION}")
        return Summary(held["suite"], held["question"], tuple(_read(one) for one in held["outcomes"]))
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a summary ({type(error).__name__}: {error})") from error


def _read(held: Mapping[str, Any]) -> Outcome:
    best = tuple(Gain(**one) for one in held["best"])
    return Outcome(**{**held, "best": best})
