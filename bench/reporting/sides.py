"""Techniques under other rules than their own: who can be held against whom on a dataset, and what comes of it.

A side is a technique under a rule: its own, or a companion rule that the suite scores every training under.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import statistics
from bench.metrics import METRICS
from bench.reporting import values
from bench.reporting.comparing import Comparer, make_comparer
from bench.reporting.gains import Judged
from bench.reporting.redrawn import redraw
from bench.reporting.standing import enough_repeats
from bench.reporting.trials import Trials, trial_table
from bench.reporting.values import Values
from bench.statistics import Interval

if TYPE_CHECKING:
    from bench.store import Store

OWN = "own"
Side = tuple[str, str]  # technique, rule: OWN, or the name of a companion rule
Tables = Mapping[Side, Trials]
Versus = Mapping[str, tuple[Side, Side]]  # by technique, who is held against whom


def companion_tables(plan: Mapping[str, Any], store: "Store") -> dict[str, dict[Side, Trials]]:
    """Return the planned trials of every cell under every companion rule, by dataset; none where a plan has none.

    A trial that is not scored under a rule is there with the status 'unscored'.
    """
    regressions = {one["label"] for one in plan["datasets"] if one["task"] != "classification"}
    cells = [one for one in plan["cells"] if not one["not_applicable"] and one["dataset"] not in regressions]
    found: dict[str, dict[Side, Trials]] = {}
    for name, rule in plan.get("companions", {}).items():
        table = trial_table({**plan, "cells": [{**cell, "rule": rule} for cell in cells]}, store)
        for dataset, trials in table.split("dataset").items():
            own = trials.split("technique")
            found.setdefault(dataset, {}).update({(technique, name): held for technique, held in own.items()})
    return found


@dataclass(frozen=True)
class Sides:
    """The scored trials of all sides on one dataset, and their values of one metric.

    index: of each side among the values, one for sides that are the same trials under the same rule; done: how many
    trials each has scored; planned: of all that were asked for.
    """

    facts: Mapping[str, Any]
    index: Mapping[Side, int]
    done: Mapping[Side, int]
    planned: Mapping[Side, int]
    comparer: Comparer
    values: Values

    def mean(self, side: Side) -> float:
        """Return the mean over repeats of the mean over folds; NaN where nothing is scored."""
        cells = self.values.cells[self.index[side]]
        known = np.isfinite(cells)
        if not known.any():
            return np.nan
        return float(np.mean([cells[known & (self.comparer.repeat == one)].mean() for one in self._repeats(known)]))

    def _repeats(self, known: np.ndarray) -> np.ndarray:
        return np.unique(self.comparer.repeat[known])

    def interval(self, one: Side, other: Side) -> Interval | None:
        """Return the interval of one side minus another; None where no trial has both."""
        return self.comparer.interval(self.values, self.index[one], self.index[other])

    def judged(self, family: Versus, beside: Versus, margin: float) -> dict[str, Judged]:
        """Return the difference of each pair, with the verdicts of a family; those ``beside`` it have none.

        A pair has a verdict where both are scored on every planned trial, and there are enough repeats for one.
        """
        pairs = {**family, **beside}
        found = {name: self.interval(*pair) for name, pair in pairs.items()}
        known = {name: one for name in family if (one := found[name]) is not None}
        enough = enough_repeats(self.facts)
        full = [self._complete(pairs[name]) and (enough or one.identical) for name, one in known.items()]
        words = statistics.verdicts(list(known.values()), margin, METRICS[self.facts["metric"]].better, full)
        said = dict(zip(known, words, strict=True))
        return {
            name: Judged(found[name], said.get(name), min(self.done[side] for side in pair), self.planned[pair[0]])
            for name, pair in pairs.items()
        }

    def _complete(self, pair: tuple[Side, Side]) -> bool:
        return all(self.done[side] == self.planned[side] > 0 for side in pair)


def make_sides(
    metric: str, facts: Mapping[str, Any], tables: Tables, places: Sequence[tuple[int, int]], store: "Store"
) -> Sides:
    """Return all sides of one dataset in one metric.

    facts: the dataset's entry of the plan; tables: the planned trials of each side; places: planned (repeat, fold).
    """
    facts = {**facts, "metric": metric}
    scored = {side: one.where((one["status"] == "ok") & np.isfinite(one[metric])) for side, one in tables.items()}
    names: dict[tuple[str, ...], int] = {}
    index = {side: names.setdefault(_identity(one), len(names)) for side, one in tables.items()}
    first = {at: side for side, at in reversed(index.items())}
    done = {str(at): scored[first[at]] for at in range(len(names))}
    comparer = make_comparer(facts, done, places)
    drawn = comparer.method == "test set" and METRICS[metric].kind == "count"
    redrawn = redraw(facts, done, store) if drawn else None
    return Sides(
        facts,
        index,
        {side: len(one) for side, one in scored.items()},
        {side: len(one) for side, one in tables.items()},
        comparer,
        values.scores(facts, done, places, redrawn),
    )


def _identity(trials: Trials) -> tuple[str, ...]:
    """Return what makes two sides the same: the trials, and the rule that they are scored under."""
    return (str(trials["rule"][0]), *map(str, trials["key"]))
