"""``compare`` and ``new``: train what is missing of one technique and say how it stands against stored results."""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import documents, ownfile
from bench.catalogue import TECHNIQUES
from bench.comparability import budgets
from bench.comparison import Comparison, compare_stored
from bench.errors import LISTED, UsageError, unknown
from bench.launching import REFERENCE, check_options, estimate, executor, with_data, worker_count
from bench.output import Answer
from bench.plan import Plan, filter_plan, make_plan, restrict
from bench.resultsfolder import results_of
from bench.searched import followed, missing, recorded
from bench.store import Store
from bench.stored import compare, look_up
from bench.suite import AGAIN, BASELINE, Suite, SuiteDataset, SuiteTechnique
from bench.suitefile import load_suite


def new_command(what: str) -> Answer:
    """Return a file to start from."""
    if what != "technique":
        raise UsageError(unknown("thing to start", what, ("technique",)))
    return Answer(0, {"template": ownfile.TEMPLATE}, ownfile.TEMPLATE)


def compare_command(options: argparse.Namespace) -> Answer:
    """Compare a technique with the stored results of a suite; say so as it goes on."""
    from bench.reporting.contest import shown

    console = Console()
    unwell = 0
    if options.other is None:
        found, unwell = _against_suite(options, console)
    else:
        found = _stored_pair(options)
    console.print(shown(found))
    if found.refused:
        raise UsageError("; ".join(found.refused))
    missing = not any(one.analysis is not None for one in found.datasets)
    code = 1 if found.worse or unwell else 3 if missing else 0
    return Answer(code, documents.compared(found))


# ---- a technique against a suite's stored results


def _against_suite(options: argparse.Namespace, console: Console) -> tuple[Comparison, int]:
    """Train what is missing of a technique (and of the baseline); return the comparison and the trials that failed."""
    from bench import runner, terminal

    check_options(options)
    suite, label = _with_technique(_unmarked(load_suite(options.suite)), options.technique)
    plan, _ = with_data(lambda: _planned(suite, options), True, console)
    store = Store(options.results / suite.name, _also(options, suite.name))
    plan = followed(plan, store)
    wanted = restrict(plan, [one for one in plan.cells if one.technique in (label, BASELINE)])
    held = look_up(wanted, store, options.retry)
    states = compare(wanted, held.statuses, held.scored, store.remembered(), held.lost)
    unsearched = missing(wanted, store) if wanted.searches else set()
    seconds = estimate(store, wanted, states, worker_count(options), unsearched)
    told = terminal.summary(wanted, states, seconds, unsearched)
    console.print(f"{label} against {_named(store)}: {told}", soft_wrap=True, markup=False, highlight=False)
    unwell = 0
    if unsearched or any(state.missing or state.to_score for state in states):
        with terminal.Running(console, wanted) as observer:
            execute = executor(options)
            unwell = runner.run(wanted, store, execute, observer, options.retry, options.timeout, True).unwell
        store = Store(store.path, store.folders[:-1])  # the other one remembers what was there before
        plan = followed(plan, store, recorded)
    field = [one.label for one in suite.techniques]
    return compare_stored(plan.as_dict(), store, label, BASELINE, field), unwell


def _unmarked(suite: Suite) -> Suite:
    """Return the suite without marks for test curves and without companion rules: nothing is trained again for them."""
    techniques = tuple(dataclasses.replace(one, test_curve=False) for one in suite.techniques)
    return dataclasses.replace(suite, techniques=techniques, focus="score")


def _named(store: Store) -> str:
    """Return the results that a technique is held against, for a person."""
    return " and ".join(str(folder) for folder in store.folders)


def _also(options: argparse.Namespace, name: str) -> list[Path]:
    """Return the folders that are read beside the user's own results: what --against names, or the reference.

    The reference stands in only where the user has no run of the suite.
    """
    if options.against is not None:
        return [results_of(str(options.against), options.results)]
    reference = options.results / REFERENCE / name
    own = (options.results / name / "plan.json").exists()
    return [] if own or not (reference / "plan.json").exists() else [reference]


def _with_technique(suite: Suite, name: str) -> tuple[Suite, str]:
    """Return the suite with the technique of a file, or of the catalogue, in it, and the technique's label."""
    labels = [one.label for one in suite.techniques]
    if name == BASELINE:
        raise UsageError(f"'{BASELINE}' is what techniques are compared with; name another one, or two that are stored")
    if name in labels:
        return suite, name
    technique = ownfile.load_technique(Path(name)) if ownfile.is_file(name) else TECHNIQUES.get(name)
    if technique is None:
        raise UsageError(
            f"{unknown('technique', name, {*labels, *TECHNIQUES}, LISTED)}; or name a file, as my_technique.py"
        )
    label = technique.name
    if label in labels or label == AGAIN:
        raise UsageError(f"{name}: the suite has a technique '{label}' already; give this one another name")
    added = SuiteTechnique(label, (technique,), {})
    for dataset in suite.datasets:
        if not added.not_applicable(dataset):
            _check_recipe(name, added, dataset)
    return dataclasses.replace(suite, techniques=(*suite.techniques, added)), label


def _check_recipe(name: str, technique: SuiteTechnique, dataset: SuiteDataset) -> None:
    """Raise UsageError where a technique does not fit a dataset's recipe, or could not be compared once trained."""
    try:
        found = budgets(technique.recipe(dataset).training(), dataset.recipe.training())
    except UsageError as error:
        raise UsageError(f"{name}: {error} (on dataset '{dataset.label}')") from error
    if found:
        raise UsageError(f"{name}: it cannot be compared on {dataset.label}: {'; '.join(found)}")


def _planned(suite: Suite, options: argparse.Namespace) -> Plan:
    plan = make_plan(suite)
    if options.dataset is None:
        return plan
    return filter_plan(plan, f"dataset={options.dataset}")


# ---- two techniques that are stored


def _stored_pair(options: argparse.Namespace) -> Comparison:
    """Compare two stored techniques: both of one folder, or the second of the folder that --against names."""
    own = _folder(options)
    theirs = own if options.against is None else results_of(str(options.against), options.results)
    store = Store(own, [] if theirs == own else [theirs])
    plan, other_plan = Store(own).read_plan(), Store(theirs).read_plan()
    technique, other = options.technique, options.other
    for name, one in ((technique, plan), (other, other_plan)):
        labels = [each["label"] for each in one["techniques"]]
        if name not in labels:
            raise UsageError(
                f"{unknown('technique', name, labels)}; 'python -m bench compare {options.suite} {name}' trains one "
                "that is not stored"
            )
    if technique == other and theirs == own:
        raise UsageError(f"'{technique}' is the same technique twice; name two")
    label = other if technique != other else f"{other} ({theirs})"
    cells = [_cell(cell, technique) for cell in plan["cells"] if _is(cell, technique)]
    cells += [_cell(cell, label) for cell in other_plan["cells"] if _is(cell, other)]
    if options.dataset is not None:
        cells = [cell for cell in cells if cell["dataset"] == options.dataset]
        if not cells:
            known = [one["label"] for one in plan["datasets"]]
            raise UsageError(unknown("dataset", options.dataset, known))
    pair = [{"label": name, "family": ""} for name in (technique, label)]
    return compare_stored({**plan, "techniques": pair, "cells": cells}, store, technique, label)


def _is(cell: Mapping[str, Any], technique: str) -> bool:
    return cell["technique"] == technique and not cell.get("replica", 0)


def _cell(cell: Mapping[str, Any], label: str) -> dict[str, Any]:
    return {**cell, "technique": label}


def _folder(options: argparse.Namespace) -> Path:
    """Return the folder of a suite's results: the user's own, or the reference where there is none."""
    stem = options.suite.removesuffix(".yaml").removeprefix("suites/")
    for name in (stem, f"{REFERENCE}/{stem}"):
        if (options.results / name / "plan.json").exists():
            return options.results / name
    return results_of(options.suite, options.results)
