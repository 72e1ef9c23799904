"""Stacks: the trials of one training that are missing, a job for so many of them as train side by side."""

import uuid
from collections.abc import Collection, Iterator

from bench.jobs import Job
from bench.keys import Place, digest
from bench.plan import Plan
from bench.process import source_state

STACK = 20  # networks that train side by side: from 8 on, more bring next to nothing


def missing_jobs(plan: Plan, settled: Collection[str], first: int, limit: float | None) -> list[Job]:
    """Return the jobs for every trial that is not settled, stacks of one training each.

    first: the number of the first part.
    """
    provenance = source_state() | {"run": uuid.uuid4().hex[:12]}
    jobs: list[Job] = []
    for training in plan.trainings:
        identity = digest(training.description["dataset"])
        places = [place for place in training.trials if place.key not in settled]
        most = max(1, STACK // training.recipe.members) if training.recipe.network.stacks else 1
        for stack in _even(places, most):
            number = first + len(jobs)
            jobs.append(
                Job(
                    part=f"{number:06d}-{training.digest[:12]}",
                    seed=plan.suite.seed,
                    dataset=training.dataset,
                    identity=identity,
                    dataset_label=training.dataset_label,
                    technique_label=training.technique_label,
                    training=training.digest,
                    recipe=training.recipe,
                    folds=training.folds,
                    places=tuple(stack),
                    rules=tuple(training.rules),
                    provenance=provenance,
                    limit=limit,
                    curve_metric=training.curve_metric,
                    use=training.use,
                )
            )
    return jobs


def _even(places: list[Place], most: int) -> Iterator[list[Place]]:
    """Cut places into runs of nearly equal length, each at most ``most``."""
    count = -(-len(places) // most)
    for index in range(count):
        yield places[index * len(places) // count : (index + 1) * len(places) // count]
