"""Before a run: the smallest effect that the planned repeats will find, from how stored differences spread."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.metrics import METRICS
from bench.reporting import values
from bench.reporting.comparing import Comparer, make_comparer, method_of
from bench.reporting.redrawn import redraw
from bench.reporting.standing import enough_repeats
from bench.reporting.trials import Trials
from bench.statistics import FEWEST_REPEATS, predicted_detectable

if TYPE_CHECKING:
    from bench.store import Store

_MOST = 8  # techniques whose predictions are drawn again; the median of more of them takes time and says the same
_COLUMNS = ("key", "training", "repeat", "fold", "truth", "rows_own", "rows_validation", "rows_test")


@dataclass(frozen=True)
class Foreseen:
    """What the planned repeats of one dataset will find with 80 % power.

    effect: in the metric's unit, NaN where it cannot be known; techniques: stored ones whose spread it comes from;
    family: comparisons that p-values will be adjusted over.
    """

    facts: Mapping[str, Any]
    effect: float
    techniques: int
    family: int

    @property
    def sentence(self) -> str:
        """Return it in words."""
        facts, metric = self.facts, METRICS[self.facts["metric"]].title
        if not enough_repeats(facts):
            return f"{facts['label']}: no verdicts, as its fixed test set needs at least {FEWEST_REPEATS} repeats"
        if not self.techniques:
            return f"{facts['label']}: smallest detectable effect unknown, as no differences to the baseline are stored"
        if not np.isfinite(self.effect):
            return f"{facts['label']}: smallest detectable effect unknown, as these repeats give {metric} no interval"
        return (
            f"{facts['label']}: will find differences of {self.effect:.3g} in {metric} with 80 % power "
            f"({facts['repeat_count']} x {facts['folds_per_repeat']} trainings, {self.family} comparisons; "
            f"spread as in {self.techniques} stored techniques)"
        )


def foresee(plan: Mapping[str, Any], store: "Store") -> list[Foreseen]:
    """Return the smallest detectable effect of every dataset: the median over stored techniques of the same label.

    Trials of any version of the suite serve, as long as they were tested on the same rows as the baseline's.
    """
    runs = store.runs()
    runs = runs[(runs["status"] == "ok") & (runs["replica"] == 0)]
    tests = store.scores().query("part == 'test' and reason == ''").drop(columns=["part", "rows", "reason"])
    table = runs[["dataset", "technique", *_COLUMNS]].merge(tests, on="key")
    by_dataset = dict(iter(table.groupby("dataset", observed=True)))
    found = []
    for facts in plan["datasets"]:
        cells = [cell for cell in plan["cells"] if cell["dataset"] == facts["label"] and not cell.get("replica", 0)]
        family = sum(cell["technique"] != plan["baseline"] and not cell["not_applicable"] for cell in cells)
        own = by_dataset.get(facts["label"], table.head(0))
        stored = {
            pair: Trials({name: group[name].to_numpy() for name in group.columns})
            for pair, group in own.groupby(["technique", "training", "rule"], sort=False, observed=True)
        }
        base = {pair for cell in cells for pair in stored if pair[0] == cell["technique"] == plan["baseline"]
                and pair[2] == (cell["rule"] or "")}  # fmt: skip
        effects = list(_effects(facts, stored, base, family, store)) if base and family else []
        found.append(Foreseen(facts, float(np.median(effects)) if effects else np.nan, len(effects), family))
    return found


def _effects(
    facts: Mapping[str, Any], stored: Mapping[Any, Trials], baselines: Collection[Any], family: int, store: "Store"
) -> Iterator[float]:
    """Yield the smallest detectable effect as the spread of each stored technique has it; identical ones apart.

    stored: by (technique, training, rule), of which some are baselines.
    """
    drawn = 0
    for pair in (pair for pair in stored if pair not in baselines):
        base, both = _same_rows(stored[pair], [stored[one] for one in stored if one in baselines])
        if len(np.unique(both["repeat"])) < 2 or not (both[facts["metric"]] - base[facts["metric"]]).any():
            continue
        drawn += 1
        if method_of(facts) == "test set" and drawn > _MOST:
            return
        done = {"technique": both, "baseline": base}
        places = list(zip(both["repeat"].tolist(), both["fold"].tolist(), strict=True))
        comparer = make_comparer(facts, done, places)
        redrawn = redraw(facts, done, store) if comparer.method == "test set" else None
        yield _effect(facts, comparer, values.scores(facts, done, places, redrawn), both, family)


def _same_rows(technique: Trials, baselines: list[Trials]) -> tuple[Trials, Trials]:
    """Return the trials of the baseline and of a technique that were tested on the same rows, pair by pair.

    Of several stored baselines the one that most trials pair with counts, and of these the latest.
    """
    names = ("repeat", "fold", "truth")
    own = {place: at for at, place in enumerate(zip(*(technique[name] for name in names), strict=True))}
    best: tuple[list[int], list[int], Trials | None] = [], [], None
    for baseline in baselines:
        places = list(zip(*(baseline[name] for name in names), strict=True))
        theirs = [at for at, place in enumerate(places) if place in own]
        if len(theirs) >= len(best[0]):
            best = theirs, [own[places[at]] for at in theirs], baseline
    theirs, ours, baseline = best
    return (technique if baseline is None else baseline).at(theirs), technique.at(ours)


def _effect(facts: Mapping[str, Any], comparer: Comparer, scores: values.Values, trials: Trials, family: int) -> float:
    """Return the effect that the planned repeats and folds find, where differences spread as these do."""
    test, own, validation = (float(trials[name].mean()) for name in ("rows_test", "rows_own", "rows_validation"))
    rows = test + own + validation
    planned_test = rows / facts["folds"]
    ratio = planned_test / ((rows - planned_test) * own / (own + validation))
    return predicted_detectable(
        comparer.spread(scores, 0, 1),
        comparer.method,
        facts["repeat_count"],
        facts["folds_per_repeat"],
        family,
        ratio,
        comparer.test_rows,
    )
