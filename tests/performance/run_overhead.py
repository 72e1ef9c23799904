"""What the harness itself costs: start-up of light commands, overhead of a run, memory of its workers.

    python -m tests.performance.run_overhead [--suite suites/imbalance.yaml] [--repeats 4]

start-up  wall seconds of `--help`, `list` and `validate`, the best of five
overhead  a run of the suite's generated data on two workers: what is neither training, resampling, preparing nor
          predicting, as a share of the workers' time (scoring, storing, dispatch, planning, idling)
memory    the most that any worker process held, sampled four times a second
"""

import argparse
import dataclasses
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from bench import execution, runner
from bench.plan import make_plan
from bench.store import Store
from bench.suitefile import load_suite

WORKERS = 2
TRAINING = ("cpu_seconds", "resample_seconds", "prepare_seconds", "evaluate_seconds")


def start_up(suite: str) -> None:
    """Print the seconds of the light commands."""
    for arguments in (["--help"], ["list"], ["validate", suite]):
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-m", "bench", *arguments], check=True, capture_output=True)
            best = min(best, time.perf_counter() - began)
        print(f"start-up  {arguments[0]:9} {best:.2f} s")


class Watch:
    """Adds up the workers' work, and the highest memory of this process's children."""

    def __init__(self) -> None:
        self.work = self.scoring = 0.0
        self.trials, self.memory, self.done = 0, 0, False
        self._thread = threading.Thread(target=self._sample)

    def started(self, jobs) -> None:
        self._thread.start()

    def stored(self, job, part) -> None:
        self.trials += len(part.runs)
        self.work += sum(row[name] for row in part.runs for name in TRAINING if row["status"] == "ok")
        self.scoring += sum(row["score_seconds"] for row in part.runs if row["status"] == "ok")

    def _sample(self) -> None:
        while not self.done:
            for child in psutil.Process().children(recursive=True):
                try:
                    self.memory = max(self.memory, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.25)

    def finish(self) -> None:
        self.done = True
        self._thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", default="suites/imbalance.yaml")
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    start_up(options.suite)
    suite = load_suite(options.suite)
    generated = tuple(
        dataclasses.replace(one, repeats=options.repeats) for one in suite.datasets if one.dataset.name != "cifar10"
    )
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder, execution.local_cluster(WORKERS) as cluster:
        began = time.perf_counter()
        plan = make_plan(dataclasses.replace(suite, datasets=generated))
        runner.run(plan, Store(Path(folder)), execution.remote(cluster), watch)
        seconds = time.perf_counter() - began
        watch.finish()
    total = WORKERS * seconds
    print(f"overhead  {100 * (1 - watch.work / total):.1f} % of {total:.0f} worker seconds, {watch.trials} trials")
    print(f"          of it scoring {100 * watch.scoring / total:.1f} %")
    print(f"memory    {watch.memory / 1e9:.2f} GB at most in one worker")


if __name__ == "__main__":
    main()
