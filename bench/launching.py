"""What commands that train share: data that are not here, which workers train, and how long it will take."""

import argparse
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from bench.errors import UsageError
from bench.plan import Plan, Training
from bench.store import Store
from bench.stored import CellState
from bench.suite import SuiteDataset

if TYPE_CHECKING:
    import pandas as pd

    from bench.execution import Execute

REFERENCE = "reference"


def check_options(options: argparse.Namespace) -> None:
    """Raise UsageError for options that no command that trains can mean, before anything is read."""
    if options.workers is not None and options.workers < 0:
        raise UsageError(f"--workers must be 0 (inline) or more, got {options.workers}")
    if not 0 < options.timeout < math.inf:
        raise UsageError(f"--timeout must be above 0 seconds, and finite, got {options.timeout:g}")
    if is_reference(options.results):
        raise UsageError(f"reference results are never written by '{options.command}'; choose another --results folder")


def is_reference(results: Path) -> bool:
    """Return whether a folder is, or lies in, the reference results of a checkout."""
    path = results.resolve()
    below = path.parts[path.parts.index("results") :] if "results" in path.parts else path.parts[-1:]
    return REFERENCE in below


def absent_datasets(plan: Plan) -> list[SuiteDataset]:
    """Return the planned datasets whose data are not on this machine."""
    labels = {cell.dataset for cell in plan.cells if cell.absent}
    return [one for one in plan.suite.datasets if one.label in labels]


def with_data(make: Callable[[], Plan], fetch: bool, console: Console) -> tuple[Plan, dict[str, str]]:
    """Return a plan once data that are not here were brought, and by dataset's label why some still are not.

    make: makes the plan; fetch: whether to try to bring them. The reasons are printed.
    """
    plan = make()
    if not (absent := absent_datasets(plan)):
        return plan, {}
    failures = _bring(absent) if fetch else {}
    plan = make()
    reasons = {one.label: failures.get(one.dataset.name) or one.dataset.absent() for one in absent_datasets(plan)}
    for label, reason in reasons.items():
        console.print(f"{label}: {reason}", soft_wrap=True, markup=False, highlight=False)
    return plan, reasons


def _bring(absent: Sequence[SuiteDataset]) -> dict[str, str]:
    """Bring absent data here where that is possible; return, by name of the dataset, why it was not."""
    failures = {}
    for dataset in {one.dataset.name: one.dataset for one in absent}.values():
        try:
            dataset.obtain()
        except UsageError as error:
            failures[dataset.name] = str(error)
    return failures


def worker_count(options: argparse.Namespace) -> int:
    """Return how many trials train at a time."""
    if options.scheduler is not None:
        from bench.execution import check_scheduler

        return check_scheduler(options.scheduler)
    return options.workers if options.workers is not None else len(os.sched_getaffinity(0))


def estimate(
    store: Store, plan: Plan, states: Sequence[CellState], workers: int, unsearched: Collection[str] = ()
) -> float | None:
    """Return the seconds that the missing trials will take, from stored ones of the same datasets; None if unknown.

    unsearched: search trials that are missing. A cell that waits for its search takes what that takes per trial.
    """
    missing = {key for state in states for key in state.missing_keys} | set(unsearched)
    coming = {(one.cell.dataset, one.cell.technique): one.cell.coming for one in states if one.cell.coming}
    if not missing and not coming:
        return 0.0
    measured = _measured(store, bool(plan.searches))
    if measured.empty:
        return None
    spent = measured[["cpu_seconds", "resample_seconds", "prepare_seconds", "evaluate_seconds"]].sum(axis=1)
    per_step = (spent / measured["steps"].clip(lower=1)).groupby(measured["dataset"]).median()
    total = 0.0
    for training, waiting in _to_train(plan, coming):
        count = waiting + sum(place.key in missing for place in training.trials)
        if count and training.dataset_label not in per_step:
            return None
        total += count * training.recipe.steps * per_step.get(training.dataset_label, 0.0)
    return total / max(1, workers)


def _measured(store: Store, searches: bool) -> "pd.DataFrame":
    """Return the records of scored trials, or of search trials where there are none of those yet."""
    measured = store.runs()
    return store.searches.runs() if measured.empty and searches else measured


def _to_train(plan: Plan, coming: Mapping[tuple[str, str], int]) -> "Iterator[tuple[Training, int]]":
    """Yield each training of a plan and its searches, with the trials that will come once a search is done."""
    for training in plan.trainings:
        yield training, 0
    for search in plan.searches:
        for at, training in enumerate(search.trainings.values()):
            yield training, 0 if at else coming.get(search.name, 0)


def executor(options: argparse.Namespace) -> "Execute":
    """Return what runs the jobs: this process, this machine's cores, or a cluster."""
    from bench import execution

    if options.scheduler is not None:
        return execution.remote(options.scheduler)
    return execution.inline if options.workers == 0 else execution.local(worker_count(options))
