"""A grid of optimizers and learning rates as a whole run, against a plain loop over its trials in two processes.

    python -m tests.performance.optimizer_run [--optimizers 13] [--repeats 5] [--steps 800]

13 optimizers that stack x 13 rates (1e-5 to 1e1) x 5 repeats on ``fraud`` (MLP 16-64-64-2, batch 256), the same worlds,
folds and steps two ways on two cores. *plain*: one trial after another, tensors indexed directly, the library's
optimizer as it comes, five metrics on training, validation and test rows by scikit-learn at the end. *bench*: a suite
with ``grid:`` on a local cluster of two workers; planning, ten validations a training, scoring and storing included.
No clock counts the making of the worlds or the starting of processes. Prints seconds per trial and the ratio.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import yaml

from bench import execution, runner
from bench.catalogue.optimizers import RATES
from bench.datasets import create
from bench.plan import filter_plan, make_plan
from bench.splits import split
from bench.store import Store
from bench.suitefile import load_suite
from tests.performance import plain
from tests.test_optimizers import LIBRARY, STACKING

FOLDS, SEED = 5, 98


def world(repeat: int):
    """One world, and the split whose fold is that repeat's."""
    dataset = create("fraud", {})
    data = dataset.make(SEED, repeat)
    return data, split(dataset, data, FOLDS, SEED, repeat, repeat % FOLDS)


def plain_trial(job) -> float:
    """Train and score one trial the plain way."""
    (data, parts), name, rate, steps = job
    return plain.trial(data, parts, steps, lambda parameters: LIBRARY[name](parameters, rate))


class Clock:
    """Is told of the run."""

    def started(self, jobs) -> None:
        """Count what is trained."""
        self.trials = sum(len(job.places) for job in jobs if not job.probe)

    def stored(self, job, part) -> None:
        """Take no notice."""


def main() -> None:
    """Measure both ways in turn and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizers", type=int, default=13)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=800)
    given = parser.parse_args()
    names = list(STACKING)[: given.optimizers]
    worlds = [world(repeat) for repeat in range(given.repeats)]
    jobs = [(one, name, rate, given.steps) for name in names for rate in RATES for one in worlds]

    with ProcessPoolExecutor(2) as pool:
        list(pool.map(plain_trial, [(one, name, rate, 2) for one, name, rate, _ in jobs[:2]]))  # starts the processes
        began = time.perf_counter()
        list(pool.map(plain_trial, jobs))
        looped = (time.perf_counter() - began) / len(jobs)

    with tempfile.TemporaryDirectory() as folder, execution.local_cluster(2) as cluster:
        # a job for each, so that both workers have their libraries and the worlds in memory
        warm = {"use": "dropout", "grid": {"network.dropout": [0.1, 0.2, 0.3, 0.4, 0.5]}}
        grids = [{"use": name, "grid": {"optimizer.lr": list(RATES)}} for name in names]
        suite = {
            "question": "?", "seed": SEED, "repeats": given.repeats, "folds": FOLDS, "folds_per_repeat": 1,
            "datasets": [{"use": "fraud", "recipe": {"steps": given.steps}}],
            "techniques": ["baseline", warm, *grids],
        }  # fmt: skip
        file = Path(folder) / "suite.yaml"
        file.write_text(yaml.safe_dump(suite), encoding="utf-8")
        plan, execute = make_plan(load_suite(str(file))), execution.remote(cluster)
        runner.run(filter_plan(plan, "technique=dropout*"), Store(Path(folder) / "warm"), execute, Clock())
        only, clock = filter_plan(plan, "technique=*lr*"), Clock()
        began = time.perf_counter()
        runner.run(only, Store(Path(folder) / "run"), execute, clock)
        bench = (time.perf_counter() - began) / clock.trials
    print(f"{len(names)} optimizers x {len(RATES)} rates x {given.repeats} repeats of {given.steps} steps, two cores")
    print(f"plain  {looped:.3f} seconds per trial ({len(jobs)} trials)")
    print(f"bench  {bench:.3f} seconds per trial ({clock.trials} trials), {looped / bench:.2f} times as fast")


if __name__ == "__main__":
    main()
