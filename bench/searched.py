"""What searches have found: scores on validation rows, read from stored records, and the choices that follow.

Search trials lie in ``searches/`` of a results folder, records and scores alone: they have no test rows, so there are
no labels, truths or logits. A choice is not stored; whoever asks makes it again from the records.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.choosing import Point, best, edges, follow
from bench.metrics import METRICS
from bench.plan import Plan, make_plan, restrict
from bench.ranges import Axis, Side
from bench.scoring import CROSSED, weighted_score
from bench.searches import Search
from bench.stored import FINAL, UNWELL

if TYPE_CHECKING:
    import pandas as pd

    from bench.store import Store

Ended = Callable[[str, str], bool]


def final(_: str, status: str) -> bool:
    """Return whether a search trial of this status need not be trained again."""
    return status in FINAL


def recorded(_: str, __: str) -> bool:
    """Return True: what has a record has ended for now, also a trial that was killed or ran out of time."""
    return True


class Found:
    """The scores of all search trials of a store, read once.

    The score of a trial is its ranking metric on validation rows under its cell's own rule, on crossed ones where the
    rule was fitted to their labels; one made of counts is weighted to the class shares that the test rows stand for.
    """

    def __init__(self, store: "Store") -> None:
        place = store.searches
        self.runs = place.runs().set_index("key")
        self._statuses: dict[str, str] = self.runs["status"].to_dict()
        scores = place.scores()
        self._rows = {(row["key"], row["rule"], row["part"]): row for row in scores.to_dict("records")}

    def status(self, key: str) -> str:
        """Return a trial's status; empty where there is no record, or none that today's metrics have scored."""
        return self._statuses.get(key, "")

    def score(self, key: str, rule: str, metric: str) -> float | None:
        """Return a trial's score; NaN where it diverged, failed, or its rule could not be fitted; None if unknown."""
        status = self.status(key)
        if status != "ok":
            return math.nan if status else None
        row = self._rows.get((key, rule, CROSSED)) or self._rows.get((key, rule, "validation"))
        if row is None:
            return None
        if row["reason"]:
            return math.nan
        if METRICS[metric].kind != "count":
            return float(row[metric])
        import numpy as np

        counts, target = (np.asarray(one, dtype=float) for one in (row["confusion"], self.runs["target_prior"][key]))
        return weighted_score(counts, target, metric)


# ---- of a plan


def followed(plan: Plan, store: "Store", ended: Ended = final) -> Plan:
    """Return the plan with the searches replayed: what they try next, or what they have chosen, with its trainings.

    ended: (key, status) -> whether a search trial with a record is not to be trained again.
    """
    if not plan.searches:
        return plan
    found = Found(store)
    made = make_plan(plan.suite, [_replayed(search, found, ended) for search in plan.searches])
    names = {(cell.dataset, cell.technique, cell.replica) for cell in plan.cells}
    cells = [cell for cell in made.cells if (cell.dataset, cell.technique, cell.replica) in names]
    return made if len(cells) == len(made.cells) else restrict(made, cells)


def _replayed(search: Search, found: Found, ended: Ended) -> Search:
    metric, extend = search.dataset.metric, search.suite.choosing.extend

    def scores(point: Point) -> list[float] | None:
        own = [_score(key, rule, metric, found, ended) for key, rule in _trials(search, point)]
        known = [one for one in own if one is not None]
        return known if len(known) == len(own) else None

    return search.came_to(follow(search.technique.choose, scores, search.higher, extend, search.fits))


def _trials(search: Search, point: Point) -> list[tuple[str, str]]:
    """Return the keys of a point's trials, with the rule that they are scored under."""
    training = search.training(point)
    rule = training.rules[0][0] if training.rules else ""
    return [(place.key, rule) for place in training.trials]


def _score(key: str, rule: str, metric: str, found: Found, ended: Ended) -> float | None:
    return found.score(key, rule, metric) if ended(key, found.status(key)) else None


def missing(plan: Plan, store: "Store", ended: Ended = final) -> set[str]:
    """Return the search trials of a plan that are to be trained before anything more is known."""
    found = Found(store)
    return {
        key
        for search in plan.searches
        for point in search.trainings
        for key, rule in _trials(search, point)
        if _score(key, rule, search.dataset.metric, found, ended) is None
    }


def unwell(plan: Plan, store: "Store") -> int:
    """Return how many search trials failed, timed out or were killed."""
    found = Found(store)
    keys = {key for one in plan.searches for key in one.keys}
    return sum(found.status(key) in UNWELL for key in keys)


# ---- of stored results


@dataclass(frozen=True)
class Searched:
    """One search, for a report.

    dataset, technique  the labels of its cell; metric: what it chose by
    paths     the settings that were chosen, dotted
    trials    one row per point and repeat: a column per path, then repeat, fold, score (on validation rows; NaN without
              one), diverged, status (empty where it is not trained), seconds (CPU, of training and resampling), steps,
              key (of its record in ``Store.searches``)
    axes      path -> its values, with those that it gained; declared: as the suite writes them
    default   path -> the value that the technique has without a search; NaN where it has none
    chosen    path -> the chosen value; empty while trials are missing, or where no value has a score
    edges     the paths whose chosen value lies on an end of its axis, with that end: 'low' or 'high'
    """

    dataset: str
    technique: str
    metric: str
    paths: tuple[str, ...]
    trials: "pd.DataFrame"
    axes: Mapping[str, Sequence[float]]
    declared: Mapping[str, Sequence[float]]
    default: Mapping[str, float]
    chosen: Mapping[str, float]
    edges: Mapping[str, Side]


def searched(plan: Mapping[str, Any], store: "Store") -> list[Searched]:
    """Return every search of a stored plan (``Store.read_plan``), its choice made again from the stored trials."""
    searches: Sequence[Mapping[str, Any]] = plan.get("searches", ())
    if not searches:
        return []
    found = Found(store)
    return [_searched(one, found) for one in searches]


def _searched(search: Mapping[str, Any], found: Found) -> Searched:
    import pandas as pd

    metric, paths = search["metric"], tuple(search["axes"])
    rows, scores = [], {}
    for each in search["points"]:
        own = [found.score(key, search["rule"], metric) for key in each["keys"]]
        scores[tuple(each["point"])] = [math.nan if one is None else one for one in own]
        values = dict(zip(paths, each["point"], strict=True))
        places = zip(each["keys"], each["repeat_fold"], scores[tuple(each["point"])], strict=True)
        rows += [{**values, "repeat": repeat, "fold": fold, "score": score, **_run(key, found), "key": key}
                 for key, (repeat, fold), score in places]  # fmt: skip
    point = best(scores, METRICS[metric].better == "higher") if search["done"] else None
    axes = {path: Axis(tuple(values)) for path, values in search["axes"].items()}
    return Searched(
        dataset=search["dataset"],
        technique=search["technique"],
        metric=metric,
        paths=paths,
        trials=pd.DataFrame(rows),
        axes=search["axes"],
        declared=search["declared"],
        default=search["default"],
        chosen={} if point is None else dict(zip(paths, point, strict=True)),
        edges={} if point is None else edges(axes, point),
    )


def _run(key: str, found: Found) -> dict[str, Any]:
    """Return how a trial ended and what it cost."""
    status = found.status(key)
    if not status:
        return {"diverged": False, "status": "", "seconds": math.nan, "steps": 0}
    row = found.runs.loc[key]
    seconds = float(row["cpu_seconds"]) + float(row["resample_seconds"])
    return {"diverged": status == "diverged", "status": status, "seconds": seconds, "steps": int(row["steps"])}
