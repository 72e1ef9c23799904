"""Tuning levers: a suite's techniques by what they turn, each setting with its effect on score, gap and cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from bench.catalogue import TECHNIQUES
from bench.reporting.closing import ALIKE, JUDGED
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.trials import Trials, means

MULTIPLES = ("network.scale", "preprocess.image_scale", "preprocess.window", "steps_factor", "batch_factor")
Word = Literal["better", "worse", "equivalent", "undecided", ""]


@dataclass(frozen=True)
class Cost:
    """What a setting costs over the baseline: a ratio with its 95 % interval, NaN where that is not known.

    unit: 'CPU time', or 'FLOPs' where no machine timed both. A ratio of FLOPs is exact and has no interval; neither has
    one of CPU times where fewer than two stacks of trials were timed apart.
    """

    ratio: float
    low95: float = math.nan
    high95: float = math.nan
    unit: Literal["CPU time", "FLOPs"] = "CPU time"


@dataclass(frozen=True)
class Setting:
    """One setting of a lever: its value as text ('' where the lever has none), and how it stands."""

    value: str
    standing: Standing
    cost: Cost


@dataclass(frozen=True)
class Lever:
    """A lever on one dataset: its catalogue names, the paths it sets, the baseline's own value ('' where unknown).

    settings: in order of value.
    """

    name: str
    paths: frozenset[str]
    own: str
    settings: tuple[Setting, ...]

    @property
    def word(self) -> Word:
        """Return what the verdicts on its settings say together.

        better: some setting is; worse: some setting is and none is better; equivalent: all are, or are identical;
        undecided: none is better or worse, and not all are equivalent; '': no setting has a verdict.
        """
        words = {one.standing.word for one in self.settings} & set(JUDGED)
        if not words:
            return ""
        if "better" in words or "worse" in words:
            return "better" if "better" in words else "worse"
        judged = all(one.standing.word in ALIKE for one in self.settings)
        return "equivalent" if judged else "undecided"


def levers_of(plan: Mapping[str, Any], dataset: DatasetAnalysis) -> tuple[Lever, ...]:
    """Return the levers that were turned on a dataset, in the plan's order, their settings in order of value."""
    standings = {one.technique: one for one in dataset.standings if one.difference is not None}
    held: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for one in plan["techniques"]:
        if one["label"] in standings and one["label"] != plan["baseline"]:
            held.setdefault(tuple(one["parts"]), []).append(one)
    by_technique = dataset.trials.split("technique")
    return tuple(
        Lever(
            " + ".join(parts),
            frozenset(path for one in group for path in one["setting"]),
            _own(parts, group, dataset.recipe),
            tuple(
                _setting(one, standings[one["label"]], by_technique, plan["baseline"])
                for one in sorted(group, key=_order)
            ),
        )
        for parts, group in held.items()
    )


def _setting(described: Mapping[str, Any], one: Standing, trials: Mapping[str, Trials], base: str) -> Setting:
    return Setting(_told(described["setting"]), one, _cost(one, trials, base))


def _order(technique: Mapping[str, Any]) -> tuple[float, ...]:
    """Return what settings of one lever are sorted by: numbers ascend, words stay as the suite has them."""
    return tuple(float(value) if isinstance(value, (int, float)) else 0.0 for value in technique["setting"].values())


def _told(setting: Mapping[str, Any]) -> str:
    """Return a setting's values; with their names where there are several."""
    if len(setting) == 1:
        return _text(*next(iter(setting.items())))
    return ", ".join(f"{path.rpartition('.')[2]} {_text(path, value)}" for path, value in setting.items())


def _text(path: str, value: Any) -> str:
    """Return a value; of a field that multiplies what the baseline has, as '0.5x'."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text}x" if path in MULTIPLES else text


def _own(parts: Sequence[str], group: Sequence[Mapping[str, Any]], recipe: Mapping[str, Any]) -> str:
    """Return the baseline's value of the one setting of a lever, as its stored recipe has it.

    A field that it leaves out is at the value at which the catalogue's technique is neutral.
    """
    paths = {path for one in group for path in one["setting"]}
    if len(paths) != 1 or len(parts) != 1:
        return ""
    path = paths.pop()
    found = _held(recipe, path)
    if found is None and parts[0] in TECHNIQUES:
        found = (TECHNIQUES[parts[0]].neutral or {}).get(path)
    return "" if found is None else _text(path, found)


def _held(recipe: Mapping[str, Any], path: str) -> Any:
    """Return what a recipe holds at a dotted path of plain stages; None where it holds nothing plain."""
    found: Any = recipe
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, (int, float, str)) else None


def _cost(one: Standing, trials: Mapping[str, Trials], base: str) -> Cost:
    """Return the cost of a technique: the ratio that all tables have, with an interval where repeats give one."""
    if not math.isfinite(one.cost_ratio):
        return Cost(one.flops_ratio, unit="FLOPs")
    low, high = _bounds(trials[one.technique], trials[base])
    return Cost(one.cost_ratio, one.cost_ratio * low, one.cost_ratio * high)


def _bounds(one: Trials, base: Trials) -> tuple[float, float]:
    """Return factors from a cost ratio to the ends of its 95 % interval; NaN where they are not known.

    Of the logarithm of the ratio, repeat by repeat, Student's t. Trials of one stack share its time, so as many
    timings count as stacks were timed apart, on the side that has fewer.
    """
    (repeats, first, apart), (others, second, base_apart) = _timed(one), _timed(base)
    both = np.intersect1d(repeats, others)
    count = min(apart, base_apart, len(both))
    if count < 2:
        return math.nan, math.nan
    ratio = np.log(first[np.isin(repeats, both)] / second[np.isin(others, both)])
    half = float(stats.t.ppf(0.975, count - 1) * ratio.std(ddof=1) / math.sqrt(count))
    return math.exp(-half), math.exp(half)


def _timed(trials: Trials) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the repeats with their mean CPU seconds per trial, and how many different timings there are."""
    done = trials.where(trials["status"] == "ok")
    seconds = done["cpu_seconds"] + done["resample_seconds"]
    known = np.isfinite(seconds) & (seconds > 0)
    repeats = done["repeat"][known]
    if not known.any():
        return np.empty(0), np.empty(0), 0
    return np.unique(repeats), means(seconds[known], repeats), len(np.unique(done["cpu_seconds"][known]))
