"""Searches in a run: train the values to choose from, round by round, until every choice is made.

Nothing of a search is kept but its trials. A run that is interrupted goes on where it was, as the next one replays what
is stored. All searches end before anything is scored on test rows.
"""

import dataclasses
from collections import Counter

from bench.execution import Execute
from bench.jobs import Observer
from bench.plan import Plan
from bench.searched import final, followed, missing
from bench.stacks import missing_jobs
from bench.store import Store
from bench.trainings import Training, joined


def settle(
    plan: Plan,
    store: Store,
    execute: Execute,
    observer: Observer,
    statuses: Counter[str],
    retry: bool = False,
    limit: float | None = None,
) -> Plan:
    """Train what the searches of a plan lack; return the plan with what they have chosen.

    statuses: counts how trials end. A trial that failed is trained once in a run at most: again only with ``retry``, or
    where it was killed or ran out of time; whatever then becomes of it, the search goes on.
    """
    place, tried = store.searches, set[str]()
    place.writable(("records", "scores", "trainings"))  # nothing of test rows

    def ended(key: str, status: str) -> bool:
        return key in tried or (status == "ok" if retry else final(key, status))

    while True:
        plan = followed(plan, store, ended)
        wanted = missing(plan, store, ended) - tried
        if not wanted:
            return plan
        trainings: dict[str, Training] = {}
        for one in (one for search in plan.searches for one in search.trainings.values()):
            held = trainings.get(one.digest)
            trainings[one.digest] = joined(held, one) if held else one
            place.remember(one.digest, one.description, one.dataset_label, one.technique_label)
        settled = {trial.key for one in trainings.values() for trial in one.trials} - wanted
        part_of = dataclasses.replace(plan, trainings=tuple(trainings.values()))
        jobs = missing_jobs(part_of, settled, place.next_part(), limit)
        observer.started(jobs)
        for job, part in execute(jobs):
            place.write(job.part, part.runs, part.scores, [], [], {})
            statuses.update(row["status"] for row in part.runs)
            tried.update(row["key"] for row in part.runs)
            observer.stored(job, part)
