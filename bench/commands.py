"""``run`` and ``report``: the commands that read or make results."""

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.errors import IncompleteError, UsageError, unknown
from bench.plan import CellState, Plan, compare, filter_plan, look_up, make_plan
from bench.store import Store
from bench.suite import Suite, SuiteDataset, load_suite, smoke

REFERENCE = "reference"


def run_command(options: argparse.Namespace) -> int:
    """Plan, train what is missing, store, rank and report; return the exit code."""
    from bench import terminal

    _check_options(options)
    console = Console()
    suite = _suite(options)
    plan = _plan(suite, options.filter)
    if absent := _absent(plan):
        failures = {} if options.dry_run or options.smoke else _obtain(absent)
        plan = _plan(suite, options.filter)
        absent = _absent(plan)
        for one in absent:
            reason = failures.get(one.dataset.name) or one.dataset.absent()
            console.print(f"{one.label}: {reason}", soft_wrap=True, markup=False, highlight=False)
    if absent and options.require_all:
        names = ", ".join(one.label for one in absent)
        raise IncompleteError(f"--require-all: nothing was trained, because data are not on this machine: {names}")
    store = Store(options.results / suite.name)
    held = look_up(plan, store, options.retry)
    states = compare(plan, held.statuses, held.scored, store.remembered(), held.lost)
    if options.dry_run:
        console.print(terminal.plan_table(plan, states))
        for line in (*terminal.fold_picture(plan), *_foreseen(plan, store)):
            console.print(line)
    console.print(terminal.summary(plan, states, _estimate(store, plan, states, _workers(options))))
    if options.dry_run:
        return 0
    return _run(plan, store, options, console)


def _foreseen(plan: Plan, store: Store) -> list[str]:
    """Return, per dataset, the smallest effect that the planned repeats will find."""
    from bench.reporting.foreseeing import foresee

    return [one.sentence for one in foresee(plan.as_dict(), store)]


def _check_options(options: argparse.Namespace) -> None:
    """Raise UsageError for options that 'run' cannot mean, before anything is read."""
    if options.workers is not None and options.workers < 0:
        raise UsageError(f"--workers must be 0 (inline) or more, got {options.workers}")
    if not 0 < options.timeout < math.inf:
        raise UsageError(f"--timeout must be above 0 seconds, and finite, got {options.timeout:g}")
    if _is_reference(options.results):
        raise UsageError("reference results are never written by 'run'; choose another --results folder")


def _is_reference(results: Path) -> bool:
    """Return whether a folder is, or lies in, the reference results of a checkout."""
    path = results.resolve()
    below = path.parts[path.parts.index("results") :] if "results" in path.parts else path.parts[-1:]
    return REFERENCE in below


def _plan(suite: Suite, wanted: str | None) -> Plan:
    plan = make_plan(suite)
    return plan if wanted is None else filter_plan(plan, wanted)


def _absent(plan: Plan) -> list[SuiteDataset]:
    """Return the planned datasets whose data are not on this machine."""
    labels = {cell.dataset for cell in plan.cells if cell.absent}
    return [one for one in plan.suite.datasets if one.label in labels]


def _obtain(absent: Sequence[SuiteDataset]) -> dict[str, str]:
    """Bring absent data here where that is possible; return, by name of the dataset, why it was not."""
    failures = {}
    for dataset in {one.dataset.name: one.dataset for one in absent}.values():
        try:
            dataset.obtain()
        except UsageError as error:
            failures[dataset.name] = str(error)
    return failures


def _suite(options: argparse.Namespace) -> Suite:
    suite = load_suite(options.suite)
    return smoke(suite) if options.smoke else suite


def _workers(options: argparse.Namespace) -> int:
    """Return how many trials train at a time."""
    if options.scheduler is not None:
        from bench.execution import check_scheduler

        return check_scheduler(options.scheduler)
    return options.workers if options.workers is not None else len(os.sched_getaffinity(0))


def _run(plan: Plan, store: Store, options: argparse.Namespace, console: Console) -> int:
    """Train and report; return the exit code."""
    from bench import execution, runner, terminal
    from bench.reporting import terminal_ranking, write_report

    if options.scheduler is not None:
        execute = execution.remote(options.scheduler)
    elif options.workers == 0:
        execute = execution.inline
    else:
        execute = execution.local(_workers(options))
    _check_report(options.report / plan.suite.name)
    with terminal.Running(console, plan) as observer:
        outcomes = runner.run(plan, store, execute, observer, options.retry, options.timeout)
    written = write_report(store.path, options.report / plan.suite.name)
    console.print(terminal_ranking(written.analysis))
    console.print(terminal.outcome(outcomes))
    console.print(f"report: {written.page}", soft_wrap=True)
    if outcomes.unwell:
        return 1
    return 3 if any(not one.optional for one in _absent(plan)) else 0


def _check_report(folder: Path) -> None:
    """Raise UsageError where a report folder cannot be made; make nothing, for the run may still be refused."""
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not there.is_dir():
        why = "Not a directory"
    elif not os.access(there, os.W_OK | os.X_OK):
        why = "Permission denied"
    else:
        return
    raise UsageError(f"the report folder '{folder}' cannot be written ({why}); choose another with --report")


def _estimate(store: Store, plan: Plan, states: Sequence[CellState], workers: int) -> float | None:
    """Return the seconds that the missing trials will take, from stored ones of the same datasets; None if unknown."""
    missing = {key for state in states for key in state.missing_keys}
    if not missing:
        return 0.0
    measured = store.runs()
    if measured.empty:
        return None
    spent = measured[["cpu_seconds", "resample_seconds", "prepare_seconds", "evaluate_seconds"]].sum(axis=1)
    per_step = (spent / measured["steps"].clip(lower=1)).groupby(measured["dataset"]).median()
    total = 0.0
    for training in plan.trainings:
        count = sum(place.key in missing for place in training.trials)
        if count and training.dataset_label not in per_step:
            return None
        total += count * training.recipe.steps * per_step.get(training.dataset_label, 0.0)
    return total / max(1, workers)


def report_command(options: argparse.Namespace) -> int:
    """Make the report of every named suite from its stored results."""
    from bench.reporting import write_report

    console = Console()
    for name in options.suites or _with_results(options.results):
        folder = _results_of(name, options.results)
        written = write_report(folder, options.report / folder.relative_to(options.results))
        console.print(f"report: {written.page}", soft_wrap=True)
    return 0


def _with_results(results: Path) -> list[str]:
    """Return the names of all suites with results, references too; raise UsageError where there are none."""
    found = sorted(str(plan.parent.relative_to(results)) for plan in results.glob("**/plan.json"))
    if not found:
        raise UsageError(f"no results in '{results}'; make some with 'python -m bench run suites/imbalance.yaml'")
    return found


def _results_of(name: str, results: Path) -> Path:
    """Return the results folder of a suite given by name or by its YAML file."""
    stem = name.removesuffix(".yaml").removeprefix("suites/")
    if not (results / stem / "plan.json").exists():
        held = sorted(str(plan.parent.relative_to(results)) for plan in results.glob("**/plan.json"))
        raise UsageError(f"no results of that name in '{results}': {unknown('suite', stem, held)}")
    return results / stem
