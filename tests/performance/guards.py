"""What the guards cost (bench/audit.py, bench/canary.py): CPU time in each over that of the jobs that they watch.

    python -m tests.performance.guards [fraud | sine-events | digits | cifar10] ... [--technique smote] [--turns 3]

A job is what a worker is given: 20 trials of one training, or of CIFAR-10's network --trials jobs of one. It is run
several times, and the medians are shown: milliseconds per trial and the share of the job's CPU time.

    roles     rows keep to their roles, equal rows, hashes of evaluation rows: once per world in a worker, here always
    scored    what is scored is what was sealed: every trial
    canary    two short runs, rows wild in one of them: once per training, run and worker

The making of worlds is outside every clock.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench import audit, canary, work
from bench.baselines import baseline
from bench.catalogue import TECHNIQUES
from bench.datasets import create
from bench.jobs import Job
from bench.keys import Place, digest
from bench.process import settle_process
from bench.recipe import apply, combine
from bench.stages.decisions import Argmax
from bench.work import run_job

FOLDS, SEED = 5, 5
SETTINGS: dict[str, dict[str, Any]] = {
    "fraud": {"rows": 10_000}, "sine-events": {}, "digits": {}, "cifar10": {"n_max": 5000, "imbalance": 100.0},
}  # fmt: skip
GUARDS = {"roles": (audit, "watch"), "scored": (audit, "check_scored"), "canary": (canary, "leak")}


@contextmanager
def clocks(spent: dict[str, float]) -> Iterator[None]:
    """Add the CPU seconds of every guard to ``spent`` while the block runs."""

    def clocked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*given)
            finally:
                spent[name] = spent.get(name, 0.0) + time.thread_time() - began

        return timed

    held = {name: getattr(module, function) for name, (module, function) in GUARDS.items()}
    for name, (module, function) in GUARDS.items():
        setattr(module, function, clocked(name, held[name]))
    try:
        yield
    finally:
        for name, (module, function) in GUARDS.items():
            setattr(module, function, held[name])


def jobs_of(name: str, technique: str, trials: int) -> list[Job]:
    """Return what a worker is given of so many trials of one training."""
    dataset = create(name, SETTINGS[name])
    recipe = apply(baseline(dataset), combine([TECHNIQUES[technique]], dataset.kind))
    places = [Place(repeat, repeat % FOLDS, 0, f"{name} {repeat}") for repeat in range(trials)]
    stacks = [tuple(places)] if recipe.stacks else [(place,) for place in places]
    return [
        Job("part", SEED, dataset, digest(dataset.identity()), name, technique, "training", recipe, FOLDS, stack,
            (("rule", Argmax()),), {"run": "run"})
        for stack in stacks
    ]  # fmt: skip


def measured(jobs: list[Job]) -> dict[str, float]:
    """Return CPU seconds of the guards, and of everything, in one turn."""
    audit._seals.clear()
    work._watched.clear()
    spent: dict[str, float] = {"all": 0.0}
    with clocks(spent):
        for job in jobs:
            for place in job.places:
                work._cached(job.dataset, job.seed, place.repeat)
            began = time.thread_time()
            ended = run_job(job).runs
            spent["all"] += time.thread_time() - began
            assert {row["status"] for row in ended} == {"ok"}, ended[0]["reason"]
    return spent


def main() -> None:
    """Print a row per dataset."""
    parser = argparse.ArgumentParser()
    parser.add_argument("datasets", nargs="*", default=list(SETTINGS))
    parser.add_argument("--technique", default="baseline")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    settle_process()
    work._CACHE_BYTES = 1_000_000_000
    for name in options.datasets:
        jobs = jobs_of(name, options.technique, options.trials)
        turns = [measured(jobs) for _ in range(options.turns)]
        each = {guard: float(np.median([turn[guard] for turn in turns])) for guard in turns[0]}
        total, trials = each["all"], options.trials
        print(f"{name}: {options.technique}, {trials} trials, {1e3 * total / trials:.0f} ms CPU per trial")
        for guard in GUARDS:
            print(f"  {guard:7} {1e3 * each[guard] / trials:8.2f} ms per trial  {100 * each[guard] / total:5.2f} %")


if __name__ == "__main__":
    main()
