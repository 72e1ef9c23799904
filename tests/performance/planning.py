"""How long planning takes: 100,000 trials from YAML to keys, and what a store of them compares to.

python -m tests.performance.planning
"""

import tempfile
import time
from pathlib import Path

from bench.catalogue import TECHNIQUES
from bench.plan import Plan, make_plan
from bench.stored import compare
from bench.suitefile import load_suite

TRIALS = 100_000
LIMIT = 3.0  # seconds, for reading and planning


def suite_of(trials: int, folder: Path) -> Path:
    """Write a suite whose trainings are at least ``trials`` trials; return its file."""
    techniques = [name for name, technique in TECHNIQUES.items() if "classification" in technique.tasks]
    entries = "".join(f"  - {name}\n" for name in techniques)
    file = folder / "large.yaml"
    head = "question: How long does planning take?\nseed: 1\nfolds: 5\ndatasets: [fraud, sine-events, digits]\n"
    text = f"{head}techniques:\n{entries}"
    file.write_text(f"{text}repeats: 1\n", encoding="utf-8")
    per_repeat = count(make_plan(load_suite(file)))
    file.write_text(f"{text}repeats: {-(-trials // per_repeat)}\n", encoding="utf-8")
    return file


def count(plan: Plan) -> int:
    """Return how many trials a plan trains."""
    return sum(len(training.trials) for training in plan.trainings)


def measure(trials: int) -> tuple[int, float, float]:
    """Return how many trials were planned, the seconds that took, and the seconds to compare them with a full store."""
    with tempfile.TemporaryDirectory() as folder:
        file = suite_of(trials, Path(folder))
        began = time.perf_counter()
        plan = make_plan(load_suite(file))
        planned = time.perf_counter() - began
    statuses = {place.key: "ok" for training in plan.trainings for place in training.trials}
    scored = {(place.key, rule) for t in plan.trainings for place in t.trials for rule, _ in t.rules}
    began = time.perf_counter()
    states = compare(plan, statuses, scored, {})
    compared = time.perf_counter() - began
    if any(state.missing or state.to_score for state in states):
        raise AssertionError("a store that holds every trial must be complete")
    return len(statuses), planned, compared


if __name__ == "__main__":
    count_of, seconds, comparing = measure(TRIALS)
    print(
        f"planning {count_of} trials: {seconds:.2f} s (limit {LIMIT} s); comparing with a full store: {comparing:.2f} s"
    )
    raise SystemExit(0 if seconds < LIMIT else 1)
