"""Stacks: the trials that are missing, a job for so many of them as train side by side.

Trials of one training fill a stack, or of several that differ in their learning rate alone: so the few trials of each
value of a grid or of a search train together. What a trial measures is the same either way.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from bench.jobs import Job, Own
from bench.keys import Place, digest
from bench.plan import Plan
from bench.process import source_state
from bench.trainings import Training

STACK = 20  # networks that train side by side: from 8 on, more bring next to nothing

Trial = tuple[Training, Place]


def missing_jobs(plan: Plan, settled: Collection[str], first: int, limit: float | None) -> list[Job]:
    """Return the jobs for every trial that is not settled.

    first: the number of the first part.
    """
    provenance = source_state() | {"run": uuid.uuid4().hex[:12]}
    stacks = [
        stack
        for group in _groups(plan.trainings)
        for stack in _even([(one, place) for one in group for place in one.trials if place.key not in settled], group)
    ]
    return [_job(plan.suite.seed, stack, first + at, provenance, limit) for at, stack in enumerate(stacks)]


def _groups(trainings: Sequence[Training]) -> list[list[Training]]:
    """Return trainings whose trials may stand in one stack: those that differ in their rate alone, where they stack.

    One that fills a stack by itself stands alone, so that its cost is its own.
    """
    groups: dict[str, list[Training]] = {}
    for one in trainings:
        alike = one.recipe.stacks and len(one.trials) < _most(one)
        groups.setdefault(_but_for_its_rate(one) if alike else one.digest, []).append(one)
    return list(groups.values())


def _but_for_its_rate(one: Training) -> str:
    """Return a digest of everything that decides what a training's job does, but for the learning rate."""
    recipe = one.description["recipe"]
    optimizer = {name: value for name, value in recipe["optimizer"].items() if name != "lr"}
    rules = [name for name, _ in one.rules]
    alike = {**one.description, "recipe": {**recipe, "optimizer": optimizer}}
    return digest([alike, rules, one.curve_metric, one.dataset_label, one.use])


def _most(one: Training) -> int:
    """Return how many trials train side by side at most."""
    return max(1, STACK // one.recipe.members) if one.recipe.stacks else 1


def _even(trials: list[Trial], group: Sequence[Training]) -> Iterator[list[Trial]]:
    """Cut trials into runs of nearly equal length, each as many as train side by side at most."""
    count = -(-len(trials) // _most(group[0]))
    for index in range(count):
        yield trials[index * len(trials) // count : (index + 1) * len(trials) // count]


def _job(seed: int, stack: Sequence[Trial], number: int, provenance: Mapping[str, Any], limit: float | None) -> Job:
    """Return the job of one stack; of several trainings it says what each trial has for itself."""
    training = stack[0][0]
    several = len({one.digest for one, _ in stack}) > 1
    return Job(
        part=f"{number:06d}-{training.digest[:12]}",
        seed=seed,
        dataset=training.dataset,
        identity=digest(training.description["dataset"]),
        dataset_label=training.dataset_label,
        technique_label=training.technique_label,
        training=training.digest,
        recipe=training.recipe,
        folds=training.folds,
        places=tuple(place for _, place in stack),
        rules=tuple(training.rules),
        provenance=dict(provenance),
        limit=limit,
        curve_metric=training.curve_metric,
        use=training.use,
        own={place.key: Own(one.digest, one.technique_label, one.recipe.optimizer) for one, place in stack}
        if several
        else {},
    )
