"""Suite: the question and the protocol, read strictly from YAML. Every complaint carries file:line:column."""

import dataclasses
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from bench.stages.base import Stage
from bench.yamlfile import Node, load, shown

BASELINE = "baseline"
AGAIN = "A/A"  # the baseline once more, with other initial weights and batch order: the noise floor
SUITES = Path("suites")
RESERVED = ("baselines", "reference")  # folders of results/ that no run may write to
SCORE_MARGIN = 0.01  # equivalence: absolute, for scores
ERROR_MARGIN = 0.02  # equivalence: fraction of the baseline's, for errors
SMOKE_STEPS = 40  # and an eighth of them where trials train one at a time, which are the slow ones
MOST_OF_RECIPE = {"steps": 10_000_000, "batch_size": 1_000_000}
MOST_SEED = 2**63 - 1
MOST_REPEATS, MOST_FOLDS, MOST_POINTS = 100_000, 1000, 10_000
SUITE_KEYS = (
    "question", "seed", "repeats", "folds", "folds_per_repeat", "budget", "equivalence", "datasets", "techniques",
)  # fmt: skip
DATASET_KEYS = (
    "use", "name", "set", "recipe", "metric", "repeats", "folds", "folds_per_repeat", "equivalence", "optional",
)  # fmt: skip
TECHNIQUE_KEYS = ("use", "name", "set", "grid", "datasets")
_DATASET_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")  # files are named by it, and names have a limit
_TECHNIQUE_LABEL = re.compile(r"[^,\[\]\x00-\x1f]+")  # what --filter can name


@dataclass(frozen=True)
class SuiteDataset:
    """One dataset of a suite: its label, baseline recipe and protocol.

    equivalence: half-width of the region of practical equivalence, absolute for scores, a fraction of the baseline's
    for errors.
    """

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
        task, kind = dataset.dataset.task, dataset.dataset.kind
        reasons = (part.not_applicable(task, kind, dataset.recipe) for part in self.parts)
        return next((reason for reason in reasons if reason), "")

    def recipe(self, dataset: SuiteDataset) -> Recipe:
        """Return the recipe it makes of a dataset's baseline. Raises UsageError where changes contradict."""
        return with_settings(apply(dataset.recipe, combine(self.parts, dataset.dataset.kind)), self.setting)


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


@dataclass(frozen=True)
class _Entry:
    """A technique with the places that complaints about it carry: its entry, ``use``, and each setting."""

    technique: SuiteTechnique
    node: Node
    use: Node
    settings: Mapping[str, Node] = field(default_factory=dict)


def with_settings(recipe: Recipe, setting: Mapping[str, Any], nodes: Mapping[str, Node] | None = None) -> Recipe:
    """Return the recipe with settings from a file made, whole slots first.

    ``nodes`` holds where each stands. Raises UsageError for a path or value that does not fit.
    """
    for path in sorted(setting, key=lambda path: path.count(".")):
        with _placed(nodes[path] if nodes else None):
            recipe = _with_setting(recipe, path, setting[path])
    return recipe


def _with_setting(recipe: Recipe, path: str, value: Any) -> Recipe:
    """Return the recipe with one value from a file, which is never a stage; nothing at all empties a slot."""
    slots = {slot.name: slot for slot in dataclasses.fields(recipe)}
    if path in slots and not isinstance(getattr(recipe, path), (int, float, str)):
        if value is None and slots[path].default in (None, ()) and path != "decide":
            return dataclasses.replace(recipe, **{path: slots[path].default})
        raise UsageError(f"'{path}' {_stage_sentence(path, getattr(recipe, path))}")
    if value is None:
        raise UsageError(f"'{path}' has no value")
    if path in MOST_OF_RECIPE and isinstance(value, int) and value > MOST_OF_RECIPE[path]:
        raise UsageError(f"'{path}' must be at most {MOST_OF_RECIPE[path]}, got {value}")
    return apply(recipe, {path: value})


def _stage_sentence(slot: str, held: Any) -> str:
    """Return what to write instead of a value for a slot that holds stages."""
    for stage in held if isinstance(held, tuple) else (held,):
        names = [f.name for f in dataclasses.fields(stage)] if isinstance(stage, Stage) else []
        if names:
            inside = f"{stage.kind}." if isinstance(held, tuple) else ""
            return f"is a stage, not a value; set one of its fields, as in '{slot}.{inside}{names[0]}'"
    return "is a stage, not a value; name a technique that fills it, then set the stage's fields"


def find_suite(name: str) -> Path:
    """Return the file of a suite given by path, or by name in suites/. Raises UsageError where there is none."""
    path = Path(name)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from error
    known = {file.stem: file for file in sorted(SUITES.glob("*.yaml"))}
    if not is_file and name in known:
        return known[name]
    if is_folder:
        raise UsageError(f"{name}: is a directory; name a suite file, such as suites/imbalance.yaml")
    if path.exists():
        return path
    there = f" Suites here: {', '.join(map(str, known.values()))}" if known else ""
    raise UsageError(f"{name}: no such suite file{nearest(path.stem, known) or '.'}{there}")


def load_suite(name: str | Path) -> Suite:
    """Read and check a suite. Raises UsageError, with its place, for the first thing that is wrong."""
    path = find_suite(str(name))
    root = load(path)
    entries = root.mapping("a suite", SUITE_KEYS)
    for key in ("question", "seed", "datasets", "techniques"):
        if key not in entries:
            root.fail(f"the key '{key}' is missing")
    if path.stem in RESERVED:
        root.fail(f"a suite cannot be called '{path.stem}': results/{path.stem}/ holds other things; rename the file")
    question = entries["question"].text("question")
    seed = entries["seed"].whole("seed", 0, MOST_SEED)
    protocol = _protocol(entries)
    datasets = [(node, _dataset(node, protocol)) for node in entries["datasets"].sequence("datasets")]
    _check_labels([(node, dataset.label) for node, dataset in datasets], "dataset")
    labels = [dataset.label for _, dataset in datasets]
    found = [e for node in entries["techniques"].sequence("techniques") for e in _techniques(node, labels)]
    _check_labels([(entry.node, entry.technique.label) for entry in found], "technique")
    for entry in found:
        if entry.technique.label == AGAIN:
            entry.node.fail(f"'{AGAIN}' is what reports call the baseline against itself; choose another name")
    if not any(entry.technique.label == BASELINE for entry in found):
        entries["techniques"].fail(f"the technique '{BASELINE}' is missing: everything is compared with it")
    for entry in found:
        for _, dataset in datasets:
            _check_recipe(entry, dataset)
    return Suite(
        name=path.stem,
        question=question,
        seed=seed,
        datasets=tuple(dataset for _, dataset in datasets),
        techniques=tuple(entry.technique for entry in found),
    )


@contextmanager
def _placed(node: Node | None, where: str = "") -> Iterator[None]:
    """Put the node's place, if any, before a complaint from inside, and ``where`` after it."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{f'{node.place}: ' if node else ''}{error}{where}") from error


def _check_labels(found: Iterable[tuple[Node, str]], what: str) -> None:
    """Complain of a label that stands twice."""
    places: dict[str, str] = {}
    for node, label in found:
        if label in places:
            node.fail(f"the {what} '{label}' is given twice (first at {places[label]}); give one of them another name")
        places[label] = node.place


def _check_recipe(entry: _Entry, dataset: SuiteDataset) -> None:
    """Complain of a technique that contradicts itself, or of settings that do not fit, on one dataset."""
    technique = entry.technique
    if technique.not_applicable(dataset):
        return
    where = f" (on dataset '{dataset.label}')"
    with _placed(entry.use, where):
        recipe = apply(dataset.recipe, combine(technique.parts, dataset.dataset.kind))
    with _placed(None, where):
        with_settings(recipe, technique.setting, entry.settings)


def _protocol(entries: Mapping[str, Node]) -> _Protocol:
    """Return what the suite says for all its datasets."""
    folds = entries["folds"].whole("folds", 2, MOST_FOLDS) if "folds" in entries else 5
    budget = entries["budget"].text("budget") if "budget" in entries else "steps"
    if budget not in ("steps", "epochs"):
        entries["budget"].fail(unknown("budget", budget, ("steps", "epochs")))
    return _Protocol(
        repeats=entries["repeats"].whole("repeats", 1, MOST_REPEATS) if "repeats" in entries else 5,
        folds=folds,
        folds_per_repeat=_per_repeat(entries, folds),
        budget="epochs" if budget == "epochs" else "steps",
        equivalence=entries["equivalence"].above_zero("equivalence") if "equivalence" in entries else None,
    )


def _per_repeat(entries: Mapping[str, Node], folds: int) -> int | None:
    """Return how many folds each repeat trains, if said; at most all of them."""
    if "folds_per_repeat" not in entries:
        return None
    return entries["folds_per_repeat"].whole("folds_per_repeat", 1, folds)


def _label(entries: Mapping[str, Node], default: str, pattern: re.Pattern[str], allowed: str) -> str:
    """Return the entry's name, or the default."""
    if "name" not in entries:
        return default
    label = entries["name"].text("name")
    if not pattern.fullmatch(label):
        entries["name"].fail(f"name must be made of {allowed}, got {label!r}")
    return label


def _dataset(node: Node, protocol: _Protocol) -> SuiteDataset:
    """Read one entry of ``datasets``: a name, or a mapping with ``use``."""
    entries = node.mapping("a dataset", DATASET_KEYS) if isinstance(node.value, dict) else {"use": node}
    if "use" not in entries:
        node.fail("the key 'use' is missing: it names the dataset")
    name = entries["use"].text("a dataset")
    if name not in DATASETS:
        entries["use"].fail(unknown("dataset", name, DATASETS))
    label = _label(entries, name, _DATASET_LABEL, "at most 60 letters, digits, '.', '_' and '-'")
    dataset = _create(name, entries.get("set"), node)
    changes = entries["recipe"].mapping("recipe") if "recipe" in entries else {}
    recipe = with_settings(dataclasses.replace(baseline(dataset), budget=protocol.budget), _settings(changes), changes)
    metric = _metric(entries["metric"], dataset) if "metric" in entries else dataset.metric
    folds = entries["folds"].whole("folds", 2, MOST_FOLDS) if "folds" in entries else protocol.folds
    with _placed(entries.get("folds", node)):
        check_folds(dataset, folds)
    default = ERROR_MARGIN if METRICS[metric].better == "lower" else SCORE_MARGIN
    equivalence = entries["equivalence"].above_zero("equivalence") if "equivalence" in entries else protocol.equivalence
    return SuiteDataset(
        label=label,
        dataset=dataset,
        recipe=recipe,
        metric=metric,
        equivalence=equivalence or default,
        repeats=entries["repeats"].whole("repeats", 1, MOST_REPEATS) if "repeats" in entries else protocol.repeats,
        folds=folds,
        folds_per_repeat=_per_repeat(entries, folds) or min(protocol.folds_per_repeat or folds, folds),
        optional=entries["optional"].flag("optional") if "optional" in entries else False,
    )


def _create(name: str, node: Node | None, entry: Node) -> Dataset:
    """Return the dataset with the parameters of ``set``; a complaint carries the place of the parameter at fault."""
    settings = node.mapping("set") if node else {}
    fields = {f.name: f for f in dataclasses.fields(DATASETS[name])}
    for key in settings:
        if key not in fields and node:
            node.fail_at_key(key, unknown(f"parameter of {name}", key, fields))
    values = _settings(settings)
    try:
        return create(name, values)
    except UsageError as error:
        required = [key for key, one in fields.items() if one.default is dataclasses.MISSING]
        base = {key: values[key] for key in required if key in values}
        blamed = settings if len(base) == len(required) else ()
        alone = (key for key in blamed if _complaint(name, {**base, key: values[key]}) == str(error))
        place = next((settings[key].place for key in alone), (node or entry).place)
        raise UsageError(f"{place}: {error}") from error


def _complaint(name: str, values: Mapping[str, Any]) -> str:
    """Return what is wrong with a dataset's parameters, or an empty string."""
    try:
        create(name, values)
    except UsageError as error:
        return str(error)
    return ""


def _metric(node: Node, dataset: Dataset) -> str:
    """Return a metric that techniques can be ranked by on this dataset.

    Fixed test rows of classes are drawn again from the stored labels, which give metrics made of counts an interval.
    """
    metric = node.text("metric")
    offers = dataset.offers()
    fitting = [name for name, one in METRICS.items() if one.fits(dataset.task, offers) and name != "prevalence"]
    if metric in fitting and dataset.repeats == "fixed" and dataset.has_test and dataset.task == "classification":
        counted = [name for name in fitting if METRICS[name].kind == "count"]
        if metric not in counted:
            node.fail(
                f"the metric '{metric}' cannot rank {dataset.name}: on fixed test rows only metrics made of counts "
                f"have an interval. Valid: {', '.join(sorted(counted))}"
            )
    if metric in METRICS and metric not in fitting:
        shape = f"{dataset.task} of {len(dataset.classes())} classes" if dataset.classes() else dataset.task
        node.fail(f"the metric '{metric}' cannot rank {dataset.name} ({shape}). Valid: {', '.join(sorted(fitting))}")
    if metric not in METRICS:
        node.fail(unknown("metric", metric, fitting))
    return metric


def _settings(nodes: Mapping[str, Node]) -> dict[str, Any]:
    """Return the plain values of ``set`` or ``recipe``."""
    return {key: node.setting(f"'{key}'") for key, node in nodes.items()}


def _techniques(node: Node, datasets: Sequence[str]) -> Iterator[_Entry]:
    """Read one entry of ``techniques``: a name, a list of names to combine, or a mapping with ``use``."""
    if not isinstance(node.value, dict):
        parts = _parts(node)
        yield _Entry(SuiteTechnique(_joined(parts), parts, {}), node, node)
        return
    entries = node.mapping("a technique", TECHNIQUE_KEYS)
    if "use" not in entries:
        node.fail("the key 'use' is missing: it names one technique, or a list of them to combine")
    parts = _parts(entries["use"])
    settings = entries["set"].mapping("set") if "set" in entries else {}
    setting = _settings(settings)
    only = _only(entries["datasets"], datasets) if "datasets" in entries else None
    label = _label(entries, _joined(parts) + _bracketed(setting), _TECHNIQUE_LABEL, "anything but commas and brackets")
    if label == BASELINE and (parts != (TECHNIQUES[BASELINE],) or setting or only is not None):
        node.fail(f"only the plain recipe on all datasets can be called '{BASELINE}'; give this one another name")
    if "grid" not in entries:
        yield _Entry(SuiteTechnique(label, parts, setting, only), node, entries["use"], settings)
        return
    if "name" in entries:
        entries["name"].fail("a grid makes several techniques, which are named by their settings; leave 'name' out")
    for point in _grid(entries["grid"], parts, settings):
        chosen = {path: item.value for path, item in point.items()}
        technique = SuiteTechnique(_joined(parts) + _bracketed(setting | chosen), parts, setting | chosen, only)
        yield _Entry(technique, node, entries["use"], {**settings, **point})


def _joined(parts: Sequence[Technique]) -> str:
    """Return the label of a combination."""
    return " + ".join(part.name for part in parts)


def _bracketed(setting: Mapping[str, Any]) -> str:
    """Return a setting as it stands in a label: ' [loss.gamma=2.0]'."""
    return f" [{', '.join(f'{path}={value}' for path, value in setting.items())}]" if setting else ""


def _parts(node: Node) -> tuple[Technique, ...]:
    """Return the catalogue's techniques that a name, or a list of names, stands for."""
    parts: list[Technique] = []
    for item in node.sequence("a combination") if isinstance(node.value, list) else [node]:
        name = item.text("a technique")
        if name not in TECHNIQUES:
            item.fail(unknown("technique", name, TECHNIQUES))
        if any(part.name == name for part in parts):
            item.fail(f"the technique '{name}' stands twice in one combination")
        parts.append(TECHNIQUES[name])
    return tuple(parts)


def _only(node: Node, datasets: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that ``datasets`` restricts a technique to."""
    chosen = node.sequence("datasets")
    for index, item in enumerate(chosen):
        if item.text("a dataset") not in datasets:
            item.fail(unknown("dataset of this suite", item.value, datasets))
        if item.text("a dataset") in [earlier.text("a dataset") for earlier in chosen[:index]]:
            item.fail(f"the dataset '{item.value}' stands twice in this list")
    return tuple(item.text("a dataset") for item in chosen)


def _grid(node: Node, parts: Sequence[Technique], settings: Mapping[str, Node]) -> Iterator[dict[str, Node]]:
    """Yield the points of a grid: dotted path -> value with its place, from the file or (``default``) the catalogue."""
    if isinstance(node.value, str):
        if node.value != "default":
            node.fail(f"{unknown('grid', node.value, ('default',))}; or a mapping, such as {{loss.gamma: [1, 2]}}")
        values = {path: [Node(v, node.place) for v in grid] for part in parts for path, grid in part.grid.items()}
        if not values:
            node.fail(f"{_joined(parts)} has no default grid; write one, such as {{loss.gamma: [1, 2]}}")
    else:
        values = {path: item.sequence(f"the grid of '{path}'") for path, item in node.mapping("a grid").items()}
        if not values:
            node.fail("a grid must name at least one path with the values to try")
        _check_grid(node, values, settings)
    if math.prod(map(len, values.values())) > MOST_POINTS:
        node.fail(f"the grid has {math.prod(map(len, values.values()))} points; {MOST_POINTS} are the most")
    for point in itertools.product(*values.values()):
        yield dict(zip(values, point, strict=True))


def _check_grid(node: Node, values: Mapping[str, Sequence[Node]], settings: Mapping[str, Node]) -> None:
    """Complain of a path that is also under ``set``, and of values that are no plain ones or stand twice."""
    for path, items in values.items():
        if path in settings:
            node.fail_at_key(path, f"'{path}' stands under both set and grid; leave one out")
        for index, item in enumerate(items):
            if isinstance(item.value, (dict, list)):
                item.fail(f"the grid of '{path}' must hold plain values, got {shown(item)}")
            if item.value in [earlier.value for earlier in items[:index]]:
                item.fail(f"the grid of '{path}' holds the value {item.value!r} twice")


def smoke(suite: Suite) -> Suite:
    """Return a suite of the same cells that takes under a minute: too short to conclude anything from."""
    datasets = []
    for one in suite.datasets:
        most = SMOKE_STEPS if one.recipe.network.stacks else SMOKE_STEPS // 8
        recipe = dataclasses.replace(one.recipe, steps=min(one.recipe.steps, most))
        small = _smaller(one)
        datasets.append(dataclasses.replace(one, dataset=small, recipe=recipe, repeats=2, folds_per_repeat=1))
    return dataclasses.replace(suite, name=f"{suite.name}-smoke", datasets=tuple(datasets))


def _smaller(one: SuiteDataset) -> Dataset:
    """Return the dataset at the size of a smoke run; as it is where its other parameters or folds forbid that."""
    sizes = {key: _least(value, getattr(one.dataset, key)) for key, value in one.dataset.smoke.items()}
    try:
        small = dataclasses.replace(one.dataset, **sizes)
        check_folds(small, one.folds)
    except (ValueError, UsageError):
        return one.dataset
    return small


def _least(wanted: Any, held: Any) -> Any:
    """Return the smaller of two numbers; what is wanted where one of them is none."""
    return min(wanted, held) if isinstance(wanted, (int, float)) and held is not None else wanted


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
            "seed": {"type": "integer", "minimum": 0, "maximum": MOST_SEED},
            "budget": {"enum": ["steps", "epochs"]},
            **protocol,
            "datasets": {"type": "array", "items": {"oneOf": [dataset["use"], long_form(dataset)]}, "minItems": 1},
            "techniques": {"type": "array", "items": {"oneOf": [use, long_form(technique)]}, "minItems": 1},
        },
    }
