"""Every technique over all datasets of a suite: gains side by side, their mean, and how often each verdict fell.

With the few datasets of a suite no test over them could reject anything (2m / 2^D <= 0.05 is needed for m techniques on
D datasets), so there is no p-value here: the mean is that of these datasets, and says nothing of others.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.reporting.standing import Analysis, DatasetAnalysis, Standing

COUNTED: tuple[str, ...] = ("better", "equivalent", "worse")


@dataclass(frozen=True)
class Across:
    """One technique over the datasets, in the suite's order.

    standings: None where the plan has no such cell; gains: positive where better, of an error as a fraction of the
    baseline's, NaN below full coverage; mean: over ``averaged`` datasets, variants of one dataset averaged first;
    counts: by verdict word, over datasets; of variants of one dataset only a word on which all agree counts.
    """

    technique: str
    standings: tuple[Standing | None, ...]
    gains: tuple[float, ...]
    mean: float
    averaged: int
    counts: Mapping[str, int]


def across(analysis: Analysis) -> list[Across]:
    """Return all techniques but the baseline that the plan has cells of, in the suite's order."""
    by_name = [{one.technique: one for one in dataset.standings} for dataset in analysis.datasets]
    sources = [source(dataset.facts) for dataset in analysis.datasets]
    found = []
    for technique in (one["label"] for one in analysis.plan["techniques"]):
        standings = tuple(held.get(technique) for held in by_name)
        if technique != analysis.plan["baseline"] and any(standings):
            pairs = zip(analysis.datasets, standings, strict=True)
            gains = tuple(np.nan if one is None else _gain(dataset, one) for dataset, one in pairs)
            found.append(_row(technique, standings, gains, sources))
    return found


def source(facts: Mapping[str, Any]) -> str:
    """Return what a dataset is a variant of: its name, and for a user's own files which files."""
    parameters = facts["parameters"]
    own = parameters.get("files", parameters.get("images", ""))
    return json.dumps([facts["name"], own.get("path", "") if isinstance(own, Mapping) else own])


def _gain(dataset: DatasetAnalysis, one: Standing) -> float:
    """Return how much better than the baseline a technique is; NaN where trials of either are missing."""
    base = dataset.baseline
    if one.difference is None or base is None or not (one.complete and base.complete):
        return np.nan
    return one.difference.estimate if dataset.higher else -one.difference.estimate / base.score


def _row(
    technique: str, standings: tuple[Standing | None, ...], gains: tuple[float, ...], sources: list[str]
) -> Across:
    """Return the line of one technique: variants of one source count once."""
    each: list[float] = []
    counts: dict[str, int] = dict.fromkeys(COUNTED, 0)
    for name in dict.fromkeys(sources):
        variants = [at for at, other in enumerate(sources) if other == name]
        known = [gains[at] for at in variants if np.isfinite(gains[at])]
        each += [float(np.mean(known))] if known else []
        words = {"" if (one := standings[at]) is None else one.word for at in variants}
        if len(words) == 1 and (word := words.pop()) in counts:
            counts[word] += 1
    return Across(technique, standings, gains, float(np.mean(each)) if each else np.nan, len(each), counts)
