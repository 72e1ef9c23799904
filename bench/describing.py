"""``list`` and ``describe``: what can be named in a suite, as text and as data.

Light: no torch, pandas, scikit-learn or scipy.
"""

import dataclasses
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from bench.catalogue import TECHNIQUES
from bench.datasets import DATASETS
from bench.datasets.base import Dataset
from bench.errors import LISTED, UsageError, unknown
from bench.keys import canonical, told
from bench.metrics import METRICS, Metric
from bench.output import Answer
from bench.recipe import Technique
from bench.stages.base import Stage
from bench.stages.phases import Phase

WIDTH = 100
SECTIONS = ("techniques", "datasets", "metrics")


def listing(what: str | None) -> Answer:
    """Return names with what each is; all sections where ``what`` is None. Raises UsageError for an unknown section."""
    if what is not None and what not in SECTIONS:
        raise UsageError(unknown("section", what, SECTIONS))
    rows = {
        "techniques": [(t.name, f"{t.claim} [{t.source}]") for t in TECHNIQUES.values()],
        "datasets": [(name, f"{kind.summary} [{kind.source}]") for name, kind in DATASETS.items()],
        "metrics": [(m.name, f"{m.summary}; {m.better} is better [{m.source}]") for m in METRICS.values()],
    }
    data = {
        "techniques": [_technique_data(one) for one in TECHNIQUES.values()],
        "datasets": [_dataset_data(name, kind) for name, kind in DATASETS.items()],
        "metrics": [_metric_data(one) for one in METRICS.values()],
    }
    chosen = SECTIONS if what is None else (what,)
    text = "\n".join(f"{section}\n{_table(rows[section])}" for section in chosen)
    return Answer(0, {section: data[section] for section in chosen}, text)


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """Return two columns, the second wrapped."""
    rows = list(rows)
    left = max(len(name) for name, _ in rows) + 4
    lines = []
    for name, text in rows:
        wrapped = textwrap.wrap(text, WIDTH - left, break_on_hyphens=False)
        lines.append(f"  {name:<{left - 2}}{wrapped[0]}")
        lines += [" " * left + line for line in wrapped[1:]]
    return "\n".join(lines) + "\n"


def description(name: str) -> Answer:
    """Return what a technique, dataset or metric is. Raises UsageError for an unknown name."""
    if name in TECHNIQUES:
        one = TECHNIQUES[name]
        return Answer(0, {"kind": "technique", "technique": _technique_data(one)}, _technique(one))
    if name in DATASETS:
        return Answer(
            0, {"kind": "dataset", "dataset": _dataset_data(name, DATASETS[name])}, _dataset(name, DATASETS[name])
        )
    if name in METRICS:
        return Answer(0, {"kind": "metric", "metric": _metric_data(METRICS[name])}, _metric(METRICS[name]))
    raise UsageError(unknown("technique, dataset or metric", name, [*TECHNIQUES, *DATASETS, *METRICS], LISTED))


def _technique(technique: Technique) -> str:
    rows = [("family", technique.family), ("claim", technique.claim), ("source", technique.source)]
    rows += [("sets", f"{path} = {shown(value)}") for path, value in technique.change.items()]
    for kind, change in technique.per_kind.items():
        rows += [(f"sets ({kind})", f"{path} = {shown(value)}") for path, value in change.items()]
    rows += [("grid", f"{path}: {', '.join(map(str, values))}") for path, values in technique.grid.items()]
    fits = [technique.tasks, tuple(technique.per_kind) or technique.kinds, technique.offers, technique.networks]
    rows.append(("applies to", "; ".join(", ".join(names) for names in fits if names)))
    if technique.neutral is None:
        rows.append(("neutral", f"has no neutral setting: {technique.why_not}"))
    elif technique.neutral:
        rows.append(("neutral", ", ".join(f"{path} = {value}" for path, value in technique.neutral.items())))
    return f"{technique.name} (technique)\n{_table(rows)}"


def _dataset(name: str, dataset: type[Dataset]) -> str:
    rows = [("is", dataset.summary), ("source", dataset.source), ("kind", dataset.kind), ("repeats", dataset.repeats)]
    for field in dataclasses.fields(dataset):
        required = field.default is dataclasses.MISSING
        rows.append((field.name, "required" if required else f"default {field.default!r}"))
    return f"{name} (dataset)\n{_table(rows)}"


def _metric(metric: Metric) -> str:
    rows = [("is", metric.summary), ("task", metric.task), ("better", metric.better), ("source", metric.source)]
    return f"{metric.name} (metric)\n{_table(rows)}"


def shown(value: object) -> str:
    """Return a value of a change as a person would write it."""
    if isinstance(value, Phase):
        return _phase(value)
    if isinstance(value, Stage):
        return f"{value.kind}({', '.join(f'{name}={_inside(one)}' for name, one in told(value).items())})"
    if isinstance(value, tuple):
        return ", ".join(shown(item) for item in value)
    return str(value)


def _phase(phase: Phase) -> str:
    """Return a phase as 'retrained (from 0.8 of the steps: head alone, with new weights; batches = balanced())'."""
    notes = [] if phase.part == "all" else [f"{phase.part} alone{', with new weights' if phase.fresh else ''}"]
    notes += ["optimizer begins anew"] if phase.reset else []
    notes += [f"{path} = {shown(value)}" for path, value in phase.change.items()]
    return f"{phase.name} (from {phase.start:g} of the steps{': ' if notes else ''}{'; '.join(notes)})"


def _inside(value: object) -> str:
    """Return a value within a stage: several in brackets, so that they are told from the stage's next field."""
    if isinstance(value, Mapping):
        return f"[{', '.join(f'{name}={shown(one)}' for name, one in value.items())}]"
    return f"[{shown(value)}]" if isinstance(value, tuple) else shown(value)


def _technique_data(one: Technique) -> dict[str, Any]:
    """Return all that the catalogue says of a technique; a stage is its kind, revision and parameters."""
    told = {name: canonical(getattr(one, name)) for name in ("change", "per_kind", "grid", "neutral")}
    return {
        "name": one.name,
        "family": one.family,
        "claim": one.claim,
        "source": one.source,
        "tasks": one.tasks,
        "data_kinds": tuple(one.per_kind) or one.kinds,
        **told,
        "why_not": one.why_not,
    }


def _dataset_data(name: str, dataset: type[Dataset]) -> dict[str, Any]:
    """Return what a dataset is, and the parameters that a suite can set."""
    parameters = [
        {"name": field.name, "required": True, "default": None}
        if field.default is dataclasses.MISSING
        else {"name": field.name, "required": False, "default": canonical(field.default)}
        for field in dataclasses.fields(dataset)
    ]
    told = {key: getattr(dataset, key) for key in ("summary", "source", "repeats")}
    return {"name": name, **told, "data_kind": dataset.kind, "parameters": parameters}


def _metric_data(one: Metric) -> dict[str, Any]:
    """Return what a metric is; ``needs``: what a dataset must have for it to mean something."""
    told = {key: getattr(one, key) for key in ("name", "title", "summary", "source", "task", "better")}
    return {**told, "made_of": one.kind, "needs": sorted(one.needs)}
