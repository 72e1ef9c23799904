"""Run a plan: which trials are missing, the jobs that make them, the parts that come back, the store they go to.

Nothing is printed here; ``Observer`` is told what happens.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from bench import searched, searching
from bench.execution import Execute
from bench.jobs import Job, Observer
from bench.plan import Plan, Training, make_plan
from bench.scoring import PARTS, Outcome, Scored, score_rules
from bench.stacks import missing_jobs
from bench.stages.decisions import Rule
from bench.store import Store
from bench.stored import Stored, look_up, unwell
from bench.suite import BASELINE

__all__ = ["Observer", "Outcomes", "missing_jobs", "rescore", "run", "with_probes"]

PROBED, FEWEST_PROBED = 10, 20  # a probe takes this part of a training's steps, but at least so many


@dataclass
class Outcomes:
    """How the trials of this run ended, by status, and how many scores were made from stored logits.

    unwell: how many planned scores the store lacks now, since a trial or a rule failed, in this run or an earlier one
    """

    statuses: Counter[str] = field(default_factory=Counter)
    rescored: int = 0
    unwell: int = 0


def with_probes(plan: Plan, jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs with short timings of the baseline among them, where this run does not train it anyway.

    Costs are ratios to the baseline's on the same machine in a stack of the same size. Two probes per dataset and stack
    size, before the first of its jobs and after the last, so that a machine that slows down does so for both.
    """
    before: dict[int, list[Job]] = {}
    after: dict[int, list[Job]] = {}
    for training in _baselines(plan):
        own = [at for at, job in enumerate(jobs) if job.dataset_label == training.dataset_label]
        sizes = {at: jobs[at].recipe.beside(len(jobs[at].places)) for at in own}
        timed = {sizes[at] for at in own if jobs[at].training == training.digest}
        for size in sorted({*sizes.values()} - timed):
            like = [at for at in own if sizes[at] == size]
            for at, where, name in ((like[0], before, "before"), (like[-1], after, "after")):
                where.setdefault(at, []).append(_probe_job(training, jobs[at], size, name))
    return [one for at, job in enumerate(jobs) for one in (*before.get(at, ()), job, *after.get(at, ()))]


def _baselines(plan: Plan) -> list[Training]:
    """Return the training of each dataset's baseline, also where a filter has left it out."""
    whole = make_plan(plan.suite)  # the baseline waits for no search
    digests = {cell.training for cell in whole.cells if cell.technique == BASELINE}
    return [training for training in whole.trainings if training.digest in digests]


def _probe_job(training: Training, like: Job, size: int, name: str) -> Job:
    """Return a short training of the baseline, as many networks side by side as in another job.

    Where an ensemble's members are more than the baseline has trials, some of these stand there several times.
    """
    count = max(1, size // training.recipe.members) if training.recipe.network.stacks else 1
    return dataclasses.replace(
        like,
        part=f"{like.part}-probe-{name}",
        training=training.digest,
        recipe=training.recipe,
        places=tuple(islice(cycle(training.trials), count)),
        rules=(),
        curve_metric="",
        probe=min(training.recipe.steps, max(FEWEST_PROBED, training.recipe.steps // PROBED)),
    )


def run(
    plan: Plan,
    store: Store,
    execute: Execute,
    observer: Observer,
    retry: bool = False,
    limit: float | None = None,
    keep_plan: bool = False,
) -> Outcomes:
    """Choose values where the suite says so, score what stored logits allow, train what is missing, store each part.

    keep_plan: leave what the folder says of the last run's plan, and so what a report is of, as it is.
    """
    store.writable()
    outcomes = Outcomes()
    _write_plan(plan, store, keep_plan)
    if plan.searches:
        plan = searching.settle(plan, store, execute, observer, outcomes.statuses, retry, limit)
        _write_plan(plan, store, keep_plan)
    for training in plan.trainings:
        store.remember(training.digest, training.description, training.dataset_label, training.technique_label)
    held = look_up(plan, store, retry)
    outcomes.rescored = rescore(plan, store, held)
    settled = held.statuses.keys() - held.lost.keys()
    jobs = with_probes(plan, missing_jobs(plan, settled, store.next_part(), limit))
    observer.started(jobs)
    if jobs:
        for job, part in execute(jobs):
            store.write_probes(job.part, part.probes)
            store.write(job.part, part.runs, part.scores, part.labels, part.logits, part.truths)
            outcomes.statuses.update(row["status"] for row in part.runs)
            observer.stored(job, part)
    outcomes.unwell = unwell(plan, store) + (searched.unwell(plan, store) if plan.searches else 0)
    return outcomes


def _write_plan(plan: Plan, store: Store, keep: bool) -> None:
    """Write what the folder is of: all of the plan, as a filter must not drop the others from the report."""
    if not keep:
        store.write_plan(searched.followed(make_plan(plan.suite), store, searched.recorded).as_dict())


def rescore(plan: Plan, store: Store, held: Stored) -> int:
    """Score rules that are new to stored trainings from their logits, where those are stored; return how many."""
    made = Scored([], [])
    for training in plan.trainings:
        if training.dataset.task != "classification":
            continue
        for place in training.trials:
            new = [(name, rule) for name, rule in training.rules if (place.key, name) not in held.scored]
            if new and held.statuses.get(place.key) == "ok" and place.key not in held.lost:
                _rescore_trial(store, place.key, new, made)
    if made.scores:
        store.write_scores(f"{store.next_part():06d}-rescored", made.scores, made.labels)
    return len(made.labels)


def _rescore_trial(store: Store, key: str, rules: Sequence[tuple[str, Rule]], made: Scored) -> None:
    """Add the scores of new rules on one stored trial, if its logits are there."""
    held = store.logits(key)
    if held is None:
        return
    outcomes = {name: Outcome(*held.parts[name]) for name in PARTS}
    scored = score_rules(key, rules, outcomes, held.priors)
    made.scores.extend(scored.scores)
    made.labels.extend(scored.labels)
