"""``run`` and ``report``: the commands that read or make results."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bench import documents, rotation
from bench.errors import IncompleteError, UsageError
from bench.launching import absent_datasets, check_options, estimate, executor, with_data, worker_count
from bench.output import Answer
from bench.plan import Plan, filter_plan, make_plan
from bench.resultsfolder import results_of, with_results
from bench.searched import followed, missing
from bench.searches import sentence
from bench.store import Store
from bench.stored import compare, look_up
from bench.suite import Suite, smoke
from bench.suitefile import load_suite

if TYPE_CHECKING:
    from bench.reporting.foreseeing import Foreseen


def run_command(options: argparse.Namespace) -> Answer:
    """Plan, train what is missing, store, rank and report, and say so as it goes on."""
    from bench import terminal

    check_options(options)
    console = Console()
    suite = _suite(options)
    fetch = not (options.dry_run or options.smoke)
    plan, reasons = with_data(lambda: _plan(suite, options.filter), fetch, console)
    if reasons and options.require_all:
        names = ", ".join(reasons)
        raise IncompleteError(f"--require-all: nothing was trained, because data are not on this machine: {names}")
    store = Store(options.results / suite.name)
    plan = followed(plan, store)
    held = look_up(plan, store, options.retry)
    states = compare(plan, held.statuses, held.scored, store.remembered(), held.lost)
    foreseen = _foreseen(plan, store) if options.dry_run else []
    if options.dry_run:
        console.print(terminal.plan_table(plan, states))
        told = (*rotation.lines(plan.suite.datasets), *map(sentence, plan.searches))
        for line in (*told, *(one.sentence for one in foreseen)):
            console.print(line, markup=False)
    unsearched = missing(plan, store) if plan.searches else set()
    seconds = estimate(store, plan, states, worker_count(options), unsearched)
    console.print(terminal.summary(plan, states, seconds, unsearched))
    data = {"suite": suite.name, "dry_run": options.dry_run, "results": store.path}
    data |= {
        "plan": documents.planned(plan, states, seconds, reasons, unsearched),
        "foreseen": documents.foreseen(foreseen),
    }
    if options.dry_run:
        return Answer(0, data | {"outcomes": None, "datasets": [], "report": None})
    return _run(plan, store, options, console, data)


def _foreseen(plan: Plan, store: Store) -> "list[Foreseen]":
    """Return, per dataset, the smallest effect that the planned repeats will find."""
    from bench.reporting.foreseeing import foresee

    return foresee(plan.as_dict(), store)


def _plan(suite: Suite, wanted: str | None) -> Plan:
    plan = make_plan(suite)
    return plan if wanted is None else filter_plan(plan, wanted)


def _suite(options: argparse.Namespace) -> Suite:
    suite = load_suite(options.suite)
    return smoke(suite) if options.smoke else suite


def _run(plan: Plan, store: Store, options: argparse.Namespace, console: Console, data: Mapping[str, Any]) -> Answer:
    """Train and report; ``data``: what the answer says of the plan."""
    from bench import runner, terminal
    from bench.reporting import terminal_ranking
    from bench.reporting.index import check_indexes, write_indexes
    from bench.reporting.page import write_report

    execute = executor(options)
    _check_report(options.report / plan.suite.name)
    check_indexes(options.report, [options.report / plan.suite.name])
    with terminal.Running(console, plan) as observer:
        outcomes = runner.run(plan, store, execute, observer, options.retry, options.timeout)
    written = write_report(store.path, options.report / plan.suite.name)
    write_indexes(options.report, [written.page.parent])
    console.print(terminal_ranking(written.analysis))
    console.print(terminal.outcome(outcomes))
    console.print(f"report: {written.page}", soft_wrap=True)
    code = 1 if outcomes.unwell else 3 if any(not one.optional for one in absent_datasets(plan)) else 0
    made = {"outcomes": documents.outcomes(outcomes), "datasets": documents.standings(written.analysis)}
    return Answer(code, {**data, **made, "report": written.page})


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


def report_command(options: argparse.Namespace) -> Answer:
    """Make the report of every named suite from its stored results, and the indexes of reports; say where each is."""
    from bench.reporting.index import check_indexes, write_indexes
    from bench.reporting.page import write_report

    console = Console()
    places = {}
    for name in options.suites or with_results(options.results):
        folder = results_of(name, options.results)
        own = folder.relative_to(options.results) if folder.is_relative_to(options.results) else Path(folder.name)
        places[folder] = options.report / own
    check_indexes(options.report, places.values())
    made = []
    for folder, report in places.items():
        written = write_report(folder, report)
        console.print(f"report: {written.page}", soft_wrap=True)
        shown = {"suite": written.analysis.plan["suite"], "results": folder, "report": written.page}
        made.append(shown | {"datasets": documents.standings(written.analysis)})
    index = write_indexes(options.report, places.values())
    console.print(f"index of all reports: {index}", soft_wrap=True)
    return Answer(0, {"reports": made, "index": index})
