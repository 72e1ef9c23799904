"""What a suite file says of one dataset or one technique. Every complaint carries file:line:column."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.baselines import baseline
from bench.catalogue import TECHNIQUES
from bench.choosing import FIRST_REPEAT
from bench.datasets import DATASETS, create
from bench.datasets.base import Dataset
from bench.errors import LISTED, UsageError, unknown
from bench.gridentries import read_axes, read_grid
from bench.metrics import METRICS
from bench.recipe import Recipe, Technique, apply, combine
from bench.splits import check_folds
from bench.suite import BASELINE, SuiteDataset, SuiteTechnique, with_settings
from bench.yamlfile import Node, placed

SCORE_MARGIN = 0.01  # equivalence: absolute, for scores
ERROR_MARGIN = 0.02  # equivalence: fraction of the baseline's, for errors
MOST_REPEATS, MOST_FOLDS = FIRST_REPEAT, 1000
DATASET_KEYS = (
    "use", "name", "set", "with", "recipe", "metric", "repeats", "folds", "folds_per_repeat", "equivalence", "optional",
    "techniques",
)  # fmt: skip
TECHNIQUE_KEYS = ("use", "name", "set", "grid", "choose", "datasets", "test_curve")
TUNED = " (tuned)"  # after the name of a technique whose setting is chosen on validation rows
_DATASET_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")  # files are named by it, and names have a limit
_TECHNIQUE_LABEL = re.compile(r"[^,\[\]\x00-\x1f]+")  # what --filter can name


@dataclass(frozen=True)
class Protocol:
    """What the suite says for all its datasets."""

    repeats: int
    folds: int
    folds_per_repeat: int | None
    budget: Literal["steps", "epochs"]
    equivalence: float | None


@dataclass(frozen=True)
class Entry:
    """A technique with the places that complaints about it carry: its entry, ``use``, each setting, and ``choose``."""

    technique: SuiteTechnique
    node: Node
    use: Node
    settings: Mapping[str, Node] = field(default_factory=dict)
    choose: Node | None = None


def read_protocol(entries: Mapping[str, Node]) -> Protocol:
    """Return what the suite says for all its datasets."""
    folds = entries["folds"].whole("folds", 2, MOST_FOLDS) if "folds" in entries else 5
    return Protocol(
        repeats=entries["repeats"].whole("repeats", 1, MOST_REPEATS) if "repeats" in entries else 5,
        folds=folds,
        folds_per_repeat=_per_repeat(entries, folds),
        budget=entries["budget"].choice("budget", ("steps", "epochs")) if "budget" in entries else "steps",
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


def read_dataset(node: Node, protocol: Protocol) -> SuiteDataset:
    """Read one entry of ``datasets``: a name, or a mapping with ``use``."""
    entries = node.mapping("a dataset", DATASET_KEYS) if isinstance(node.value, dict) else {"use": node}
    if "use" not in entries:
        node.fail("the key 'use' is missing: it names the dataset")
    name = entries["use"].text("a dataset")
    if name not in DATASETS:
        entries["use"].fail(unknown("dataset", name, DATASETS))
    label = _label(entries, name, _DATASET_LABEL, "at most 60 letters, digits, '.', '_' and '-'")
    dataset = _create(name, entries.get("set"), node)
    parts = _parts(entries["with"]) if "with" in entries else ()
    recipe = dataclasses.replace(baseline(dataset), budget=protocol.budget)
    recipe = _with_parts(recipe, parts, entries["with"], dataset) if parts else recipe
    changes = entries["recipe"].mapping("recipe") if "recipe" in entries else {}
    recipe = with_settings(recipe, _settings(changes), changes)
    metric = _metric(entries["metric"], dataset) if "metric" in entries else dataset.metric
    folds = entries["folds"].whole("folds", 2, MOST_FOLDS) if "folds" in entries else protocol.folds
    with placed(entries.get("folds", node)):
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
        parts=parts,
    )


def only_techniques(node: Node, dataset: SuiteDataset, labels: Sequence[str]) -> SuiteDataset:
    """Return a dataset on which only the techniques are tried that its entry names, if it names any.

    node: its entry; labels: those of all techniques of the suite.
    """
    if not isinstance(node.value, dict) or "techniques" not in node.value:
        return dataset
    chosen = _names(node.value["techniques"], labels, "technique")
    if BASELINE not in chosen:
        node.value["techniques"].fail(f"'{BASELINE}' is missing: everything on {dataset.label} is compared with it")
    return dataclasses.replace(dataset, left_out=frozenset(labels) - frozenset(chosen))


def _with_parts(recipe: Recipe, parts: Sequence[Technique], node: Node, dataset: Dataset) -> Recipe:
    """Return a baseline recipe with techniques that belong to the baseline of this dataset."""
    for part, item in zip(parts, node.value if isinstance(node.value, list) else [node], strict=True):
        if part.name == BASELINE:
            item.fail(f"'{BASELINE}' changes nothing, so it has no place under 'with'; leave it out")
        if reason := part.not_applicable(dataset.task, dataset.kind, recipe, dataset.offers()):
            item.fail(f"{reason}, which {dataset.name} is")
    with placed(node):
        return apply(recipe, combine(parts, dataset.kind))


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


def read_techniques(node: Node, datasets: Sequence[str]) -> Iterator[Entry]:
    """Read one entry of ``techniques``: a name, a list of names to combine, or a mapping with ``use``."""
    if not isinstance(node.value, dict):
        parts = _parts(node)
        yield Entry(SuiteTechnique(_joined(parts), parts, {}), node, node)
        return
    entries = node.mapping("a technique", TECHNIQUE_KEYS)
    if "use" not in entries:
        node.fail("the key 'use' is missing: it names one technique, or a list of them to combine")
    parts = _parts(entries["use"])
    settings = entries["set"].mapping("set") if "set" in entries else {}
    setting = _settings(settings)
    only = _names(entries["datasets"], datasets, "dataset") if "datasets" in entries else None
    curve = entries["test_curve"].flag("test_curve") if "test_curve" in entries else False
    if "grid" in entries and "choose" in entries:
        entries["choose"].fail("'grid' makes a technique of every value, 'choose' one of the best; leave one out")
    axes = read_axes(entries["choose"], settings) if "choose" in entries else {}
    default = _joined(parts) + _bracketed(setting) + (TUNED if axes else "")
    label = _label(entries, default, _TECHNIQUE_LABEL, "anything but commas and brackets")
    if label == BASELINE and (parts != (TECHNIQUES[BASELINE],) or setting or axes or only is not None):
        node.fail(f"only the plain recipe on all datasets can be called '{BASELINE}'; give this one another name")
    if "grid" not in entries:
        technique = SuiteTechnique(label, parts, setting, only, curve, axes)
        yield Entry(technique, node, entries["use"], settings, entries.get("choose"))
        return
    if "name" in entries:
        entries["name"].fail("a grid makes several techniques, which are named by their settings; leave 'name' out")
    for point in read_grid(entries["grid"], parts, settings):
        chosen = {path: item.value for path, item in point.items()}
        label = _joined(parts) + _bracketed(setting | chosen)
        technique = SuiteTechnique(label, parts, setting | chosen, only, curve)
        yield Entry(technique, node, entries["use"], {**settings, **point})


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
            item.fail(unknown("technique", name, TECHNIQUES, LISTED))
        if any(part.name == name for part in parts):
            item.fail(f"the technique '{name}' stands twice in one combination")
        parts.append(TECHNIQUES[name])
    return tuple(parts)


def _names(node: Node, labels: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the labels, of datasets or of techniques of this suite, that a list names, each of them once."""
    chosen = node.sequence(f"{what}s")
    for index, item in enumerate(chosen):
        if item.text(f"a {what}") not in labels:
            item.fail(unknown(f"{what} of this suite", item.value, labels))
        if item.text(f"a {what}") in [earlier.text(f"a {what}") for earlier in chosen[:index]]:
            item.fail(f"the {what} '{item.value}' stands twice in this list")
    return tuple(item.text(f"a {what}") for item in chosen)
