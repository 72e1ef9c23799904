"""Suite: the question and the protocol, read strictly from YAML. Every complaint carries file:line:column."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.baselines import baseline
from bench.catalogue import TECHNIQUES
from bench.datasets import DATASETS, create
from bench.datasets.base import Dataset
from bench.errors import UsageError, nearest, unknown
from bench.metrics import METRICS
from bench.recipe import Recipe, Technique, apply, combine
from bench.splits import check_folds
from bench.yamlfile import Node, load

BASELINE = "baseline"
SUITES = Path("suites")
SCORE_MARGIN = 0.01  # equivalence: absolute, for scores
ERROR_MARGIN = 0.02  # equivalence: fraction of the baseline's, for errors
SMOKE_STEPS = 40
SUITE_KEYS = (
    "question", "seed", "repeats", "folds", "folds_per_repeat", "budget", "equivalence", "datasets", "techniques",
)  # fmt: skip
DATASET_KEYS = (
    "use", "name", "set", "recipe", "metric", "repeats", "folds", "folds_per_repeat", "equivalence", "optional",
)  # fmt: skip
TECHNIQUE_KEYS = ("use", "name", "set", "grid", "datasets")


@dataclass(frozen=True)
class SuiteDataset:
    """One dataset of a suite: its label, baseline recipe and protocol."""

    label: str
    dataset: Dataset
    recipe: Recipe
    metric: str
    equivalence: float
    repeats: int
    folds: int
    folds_per_repeat: int
    optional: bool


@dataclass(frozen=True)
class SuiteTechnique:
    """One technique of a suite: a label, the catalogue entries it combines, and settings on top."""

    label: str
    parts: tuple[Technique, ...]
    setting: Mapping[str, Any]
    datasets: tuple[str, ...] | None = None

    def not_applicable(self, dataset: SuiteDataset) -> str:
        """Return why it does not apply to a dataset, or an empty string."""
        if self.datasets is not None and dataset.label not in self.datasets:
            return f"the suite asks for it on {', '.join(self.datasets)} only"
        reasons = (part.not_applicable(dataset.dataset.task, dataset.dataset.kind) for part in self.parts)
        return next((reason for reason in reasons if reason), "")

    def recipe(self, dataset: SuiteDataset) -> Recipe:
        """Return the recipe it makes of a dataset's baseline. Raises UsageError where changes contradict."""
        return apply(apply(dataset.recipe, combine(self.parts, dataset.dataset.kind)), self.setting)


@dataclass(frozen=True)
class Suite:
    """Datasets crossed with techniques, and the protocol."""

    name: str
    question: str
    seed: int
    datasets: tuple[SuiteDataset, ...]
    techniques: tuple[SuiteTechnique, ...]


@dataclass(frozen=True)
class _Protocol:
    """What the suite says for all its datasets."""

    repeats: int
    folds: int
    folds_per_repeat: int | None
    budget: Literal["steps", "epochs"]
    equivalence: float | None


def find_suite(name: str) -> Path:
    """Return the file of a suite given by path, or by name in suites/. Raises UsageError where there is none."""
    path = Path(name)
    if path.is_dir():
        raise UsageError(f"{name}: is a directory; name a suite file, such as suites/imbalance.yaml")
    if path.exists():
        return path
    known = {file.stem: file for file in sorted(SUITES.glob("*.yaml"))}
    if name in known:
        return known[name]
    there = f" Suites here: {', '.join(map(str, known.values()))}" if known else ""
    raise UsageError(f"{name}: no such suite file{nearest(Path(name).stem, known)}.{there}")


def load_suite(name: str) -> Suite:
    """Read and check a suite. Raises UsageError, with its place, for the first thing that is wrong."""
    path = find_suite(name)
    root = load(path)
    entries = root.mapping("a suite", SUITE_KEYS)
    for key in ("question", "seed", "datasets", "techniques"):
        if key not in entries:
            root.fail(f"the key '{key}' is missing")
    protocol = _protocol(entries)
    datasets = _unique([(node, _dataset(node, protocol)) for node in entries["datasets"].sequence("datasets")], "dataset")
    found = []
    for node in entries["techniques"].sequence("techniques"):
        found += [(node, technique) for technique in _techniques(node, [dataset.label for dataset in datasets])]
    techniques = _unique(found, "technique")
    if not any(technique.label == BASELINE for technique in techniques):
        entries["techniques"].fail(f"the technique '{BASELINE}' is missing: everything is compared with it")
    for node, technique in found:
        for dataset in datasets:
            if not technique.not_applicable(dataset):
                _at(node, technique.recipe, dataset)
    return Suite(
        name=path.stem,
        question=entries["question"].text("question"),
        seed=entries["seed"].whole("seed", 0, 2**63 - 1),
        datasets=datasets,
        techniques=techniques,
    )


def _at(node: Node, call: Any, *arguments: Any) -> Any:
    """Call; put the node's place before any complaint."""
    try:
        return call(*arguments)
    except UsageError as error:
        raise UsageError(f"{node.place}: {error}") from error


def _unique(found: Sequence[tuple[Node, Any]], what: str) -> tuple[Any, ...]:
    """Return the entries; complain of a label that stands twice."""
    labels: dict[str, Node] = {}
    for node, entry in found:
        if entry.label in labels:
            node.fail(
                f"the {what} '{entry.label}' is given twice (first at {labels[entry.label].place}); "
                "give one of them another name"
            )
        labels[entry.label] = node
    return tuple(entry for _, entry in found)


def _protocol(entries: Mapping[str, Node]) -> _Protocol:
    """Return what the suite says for all its datasets."""
    folds = entries["folds"].whole("folds", 2, 1000) if "folds" in entries else 5
    budget = entries["budget"].text("budget") if "budget" in entries else "steps"
    if budget not in ("steps", "epochs"):
        entries["budget"].fail(unknown("budget", budget, ("steps", "epochs")))
    return _Protocol(
        repeats=entries["repeats"].whole("repeats", 1, 100_000) if "repeats" in entries else 5,
        folds=folds,
        folds_per_repeat=_per_repeat(entries, folds),
        budget="epochs" if budget == "epochs" else "steps",
        equivalence=entries["equivalence"].above_zero("equivalence") if "equivalence" in entries else None,
    )


def _per_repeat(entries: Mapping[str, Node], folds: int) -> int | None:
    if "folds_per_repeat" not in entries:
        return None
    return entries["folds_per_repeat"].whole("folds_per_repeat", 1, folds)


def _dataset(node: Node, protocol: _Protocol) -> SuiteDataset:
    """Read one entry of ``datasets``: a name, or a mapping with ``use``."""
    entries = {"use": node} if isinstance(node.value, str) else node.mapping("a dataset", DATASET_KEYS)
    if "use" not in entries:
        node.fail("the key 'use' is missing: it names the dataset")
    name = entries["use"].text("use")
    if name not in DATASETS:
        entries["use"].fail(unknown("dataset", name, DATASETS))
    settings = entries["set"].mapping("set") if "set" in entries else {}
    dataset: Dataset = _at(entries.get("set", node), create, name, {key: item.plain() for key, item in settings.items()})
    recipe = _at(entries.get("recipe", node), apply, _budgeted(baseline(dataset), protocol), _changes(entries, "recipe"))
    metric = entries["metric"].text("metric") if "metric" in entries else dataset.metric
    fitting = [m.name for m in METRICS.values() if m.task == dataset.task]
    if metric not in fitting:
        entries["metric"].fail(f"{unknown('metric', metric, fitting)} (for {dataset.task})")
    folds = entries["folds"].whole("folds", 2, 1000) if "folds" in entries else protocol.folds
    _at(entries.get("folds", node), check_folds, dataset, folds)
    per_repeat = _per_repeat(entries, folds) or min(protocol.folds_per_repeat or folds, folds)
    default = ERROR_MARGIN if METRICS[metric].better == "lower" else SCORE_MARGIN
    equivalence = entries["equivalence"].above_zero("equivalence") if "equivalence" in entries else protocol.equivalence
    return SuiteDataset(
        label=entries["name"].text("name") if "name" in entries else name,
        dataset=dataset,
        recipe=recipe,
        metric=metric,
        equivalence=equivalence or default,
        repeats=entries["repeats"].whole("repeats", 1, 100_000) if "repeats" in entries else protocol.repeats,
        folds=folds,
        folds_per_repeat=per_repeat,
        optional=entries["optional"].flag("optional") if "optional" in entries else False,
    )


def _budgeted(recipe: Recipe, protocol: _Protocol) -> Recipe:
    return dataclasses.replace(recipe, budget=protocol.budget)


def _changes(entries: Mapping[str, Node], key: str) -> dict[str, Any]:
    """Return the dotted paths of ``set`` or ``recipe`` with their values."""
    return {path: item.plain() for path, item in entries[key].mapping(key).items()} if key in entries else {}


def _techniques(node: Node, datasets: Sequence[str]) -> Iterator[SuiteTechnique]:
    """Read one entry of ``techniques``: a name, a list of names to combine, or a mapping with ``use``."""
    if not isinstance(node.value, dict):
        parts = _parts(node)
        yield SuiteTechnique(" + ".join(part.name for part in parts), parts, {})
        return
    entries = node.mapping("a technique", TECHNIQUE_KEYS)
    if "use" not in entries:
        node.fail("the key 'use' is missing: it names one technique, or a list of them to combine")
    parts = _parts(entries["use"])
    setting = _changes(entries, "set")
    only = _only(entries["datasets"], datasets) if "datasets" in entries else None
    grid = _grid(entries["grid"], parts) if "grid" in entries else {}
    if grid and "name" in entries:
        entries["name"].fail("a grid makes several techniques, which are named by their settings; leave 'name' out")
    label = entries["name"].text("name") if "name" in entries else " + ".join(part.name for part in parts)
    if setting and "name" not in entries:
        label += _bracketed(setting)
    for point in itertools.product(*grid.values()):
        chosen = dict(zip(grid, point, strict=True))
        yield SuiteTechnique(label + _bracketed(chosen), parts, {**setting, **chosen}, only)


def _bracketed(setting: Mapping[str, Any]) -> str:
    """Return a setting as it stands in a label: ' [loss.gamma=2.0]'."""
    return f" [{', '.join(f'{path}={value}' for path, value in setting.items())}]" if setting else ""


def _parts(node: Node) -> tuple[Technique, ...]:
    """Return the catalogue's techniques that a name, or a list of names, stands for."""
    parts = []
    for item in node.sequence("a combination") if isinstance(node.value, list) else [node]:
        name = item.text("a technique")
        if name not in TECHNIQUES:
            item.fail(unknown("technique", name, TECHNIQUES))
        if TECHNIQUES[name] in parts:
            item.fail(f"the technique '{name}' stands twice in one combination")
        parts.append(TECHNIQUES[name])
    return tuple(parts)


def _only(node: Node, datasets: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that ``datasets`` restricts a technique to."""
    chosen = node.sequence("datasets")
    for item in chosen:
        if item.value not in datasets:
            item.fail(unknown("dataset of this suite", item.value, datasets))
    return tuple(item.value for item in chosen)


def _grid(node: Node, parts: Sequence[Technique]) -> dict[str, tuple[Any, ...]]:
    """Return the grid: dotted paths with the values to try, from the file or (``default``) the catalogue."""
    if node.value == "default":
        grid = {path: values for part in parts for path, values in part.grid.items()}
        if not grid:
            node.fail(f"{' + '.join(part.name for part in parts)} has no default grid; write one, such as {{path: [1, 2]}}")
        return grid
    grid = {}
    for path, item in node.mapping("grid").items():
        values = [one.plain() for one in item.sequence(f"the grid of '{path}'")]
        if len({str(value) for value in values}) < len(values):
            item.fail(f"the grid of '{path}' holds a value twice")
        grid[path] = tuple(values)
    return grid


def smoke(suite: Suite) -> Suite:
    """Return a suite of the same cells that takes under a minute: too short to conclude anything from."""
    datasets = []
    for one in suite.datasets:
        small = dataclasses.replace(one.dataset, **one.dataset.smoke)  # type: ignore[arg-type]
        recipe = dataclasses.replace(one.recipe, steps=min(one.recipe.steps, SMOKE_STEPS))
        datasets.append(dataclasses.replace(one, dataset=small, recipe=recipe, repeats=2, folds_per_repeat=1))
    return dataclasses.replace(suite, name=f"{suite.name}-smoke", datasets=tuple(datasets))


def schema() -> dict[str, Any]:
    """Return the JSON schema of suite files."""
    count = {"type": "integer", "minimum": 1}
    folds = {"type": "integer", "minimum": 2}
    positive = {"type": "number", "exclusiveMinimum": 0}
    paths = {"type": "object", "description": "dotted path -> value"}
    names = {"enum": sorted(TECHNIQUES)}
    use = {"oneOf": [names, {"type": "array", "items": names, "minItems": 1}]}
    protocol = {"repeats": count, "folds": folds, "folds_per_repeat": count, "equivalence": positive}
    dataset = {
        "use": {"enum": sorted(DATASETS)}, "name": {"type": "string"}, "set": {"type": "object"}, "recipe": paths,
        "metric": {"enum": sorted(METRICS)}, "optional": {"type": "boolean"}, **protocol,
    }  # fmt: skip
    grid = {"oneOf": [{"const": "default"}, {"type": "object", "additionalProperties": {"type": "array"}}]}
    technique = {
        "use": use, "name": {"type": "string"}, "set": paths, "grid": grid,
        "datasets": {"type": "array", "items": {"type": "string"}},
    }  # fmt: skip

    def long_form(properties: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "properties": properties, "required": ["use"], "additionalProperties": False}

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Remedy Bench suite",
        "type": "object",
        "required": ["question", "seed", "datasets", "techniques"],
        "additionalProperties": False,
        "properties": {
            "question": {"type": "string"},
            "seed": {"type": "integer", "minimum": 0},
            "budget": {"enum": ["steps", "epochs"]},
            **protocol,
            "datasets": {"type": "array", "items": {"oneOf": [dataset["use"], long_form(dataset)]}, "minItems": 1},
            "techniques": {"type": "array", "items": {"oneOf": [use, long_form(technique)]}, "minItems": 1},
        },
    }
