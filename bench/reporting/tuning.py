"""What searches came to on one dataset: the values taken, what that gained, and how soon a target was reached."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.budgets import steps_to_target
from bench.metrics import METRICS
from bench.reporting.ground import Ground
from bench.reporting.searching import Reached, Target, Tuned
from bench.reporting.trials import Trials

if TYPE_CHECKING:
    from bench.searched import Searched

WITHIN = 0.05  # of the baseline's lowest validation loss: the target to reach


def measure(
    ground: Ground, found: Sequence["Searched"], techniques: Sequence[Mapping[str, Any]], margin: float
) -> tuple[Tuned, ...]:
    """Return the searches of one setting that are complete, in the plan's order.

    found: those of the dataset; techniques: as the plan describes them. Verdicts on what choosing gained over the
    recipe's own value are Holm-adjusted over the searches.
    """
    made = [_tuned(one, techniques, ground.higher, margin) for one in found if len(one.paths) == 1 and _known(one)]
    index = {name: at for at, name in enumerate(ground.names)}
    scores = ground.scores()
    pairs = {}
    for one in made:
        if one.technique in index and one.plain in index:
            indices = (index[one.technique], index[one.plain])
            gained = ground.comparer.interval(scores, *indices)
            if gained is not None:
                pairs[one.technique] = gained, indices
    words = ground.verdicts(pairs, margin, METRICS[ground.facts["metric"]].better)
    told = []
    for one in made:
        trials = (ground.done.get(name) for name in (one.technique, one.plain))
        test, own = (trial.mean(ground.facts["metric"]) if trial is not None else np.nan for trial in trials)
        gained = pairs[one.technique][0] if one.technique in pairs else None
        verdict = words.get(one.technique)
        told.append(dataclasses.replace(one, test=test, own_test=own, gained=gained, verdict=verdict))
    return tuple(told)


def _known(one: "Searched") -> bool:
    """Return whether every trial of a search has ended."""
    return len(one.trials) > 0 and bool((one.trials["status"] != "").all())


def _tuned(one: "Searched", techniques: Sequence[Mapping[str, Any]], higher: bool, margin: float) -> Tuned:
    """Return a search of one setting as arrays."""
    path = one.paths[0]
    table = one.trials.pivot(index=path, columns="repeat", values="score").sort_index()
    return Tuned(
        technique=one.technique,
        path=path,
        values=table.index.to_numpy(dtype=float),
        scores=table.to_numpy(dtype=float),
        chosen=float(one.chosen.get(path, np.nan)),
        edge=one.edges.get(path, ""),
        default=float(one.default[path]),
        plain=_plain(one.technique, techniques),
        higher=higher,
        margin=margin,
    )


def _plain(technique: str, techniques: Sequence[Mapping[str, Any]]) -> str:
    """Return the technique that is the same but for the search; '' where the suite has none."""
    described = {one["label"]: one for one in techniques if "setting" in one}
    own = described.get(technique)
    if own is None:
        return ""
    alike = (
        label
        for label, one in described.items()
        if not one.get("choose") and (one["parts"], one["setting"]) == (own["parts"], own["setting"])
    )
    return next(alike, "")


def target_of(ground: Ground, tuned: Sequence[Tuned]) -> Target | None:
    """Return how soon each technique with a search, its plain form and the baseline reach a validation loss.

    The target lies ``WITHIN`` above the lowest validation loss of the baseline's trainings, on average. None without
    searches, or where the baseline has no curve. Times are those of validations, about ten in a training.
    """
    if ground.base is None or not tuned:
        return None
    baseline = ground.names[ground.base]
    lowest = [float(np.nanmin(values)) for _, values, _ in _curves(ground.done[baseline]) if np.isfinite(values).any()]
    if not lowest:
        return None
    loss = (1 + WITHIN) * float(np.mean(lowest))
    names = dict.fromkeys([baseline, *(name for one in tuned for name in (one.plain, one.technique) if name)])
    reached = [_reached(name, ground.done[name], loss) for name in names if name in ground.done]
    return Target(loss, baseline, tuple(one for one in reached if one.trainings))


def _curves(trials: Trials) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Return steps, validation losses and CPU seconds per step of the trainings that have a curve."""
    found = []
    for steps, losses, count, seconds in zip(
        trials["curve_step"], trials["curve_validation"], trials["steps"], trials["cpu_seconds"], strict=True
    ):
        if isinstance(steps, np.ndarray) and len(steps) and count > 0:
            found.append((steps.astype(float), np.asarray(losses, dtype=float), float(seconds / count)))
    return found


def _reached(technique: str, trials: Trials, loss: float) -> Reached:
    """Return how soon the trainings of one technique come down to a loss."""
    curves = _curves(trials)
    steps = np.array([steps_to_target(at, losses[None], False, loss)[0] for at, losses, _ in curves])
    seconds = steps * np.array([each for _, _, each in curves])
    middle = [float(np.sort(values)[(len(values) - 1) // 2]) if len(values) else np.nan for values in (steps, seconds)]
    return Reached(technique, len(curves), int(np.isfinite(steps).sum()), *middle)
