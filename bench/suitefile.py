"""A suite's file: the question and the protocol, read strictly from YAML. Every complaint carries file:line:column."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from bench.catalogue import TECHNIQUES
from bench.choosing import MOST_EXTEND, Choosing, points
from bench.datasets import DATASETS
from bench.errors import UsageError, nearest
from bench.gridentries import read_choosing
from bench.metrics import METRICS
from bench.recipe import apply, combine
from bench.searches import check_budgets
from bench.searchrows import check_enough
from bench.suite import AGAIN, BASELINE, Focus, Suite, SuiteDataset, with_settings
from bench.suiteentries import Entry, only_techniques, read_dataset, read_protocol, read_techniques
from bench.yamlfile import Node, load, placed

SUITES = Path("suites")
RESERVED = ("baselines", "reference")  # folders of results/ that no run may write to
MOST_SEED = 2**63 - 1
SUITE_KEYS = (
    "question", "focus", "seed", "repeats", "folds", "folds_per_repeat", "budget", "equivalence", "choosing",
    "datasets", "techniques",
)  # fmt: skip


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
    protocol = read_protocol(entries)
    datasets = [(node, read_dataset(node, protocol)) for node in entries["datasets"].sequence("datasets")]
    _check_labels([(node, dataset.label) for node, dataset in datasets], "dataset")
    labels = [dataset.label for _, dataset in datasets]
    found = [e for node in entries["techniques"].sequence("techniques") for e in read_techniques(node, labels)]
    _check_labels([(entry.node, entry.technique.label) for entry in found], "technique")
    for entry in found:
        if entry.technique.label == AGAIN:
            entry.node.fail(f"'{AGAIN}' is what reports call the baseline against itself; choose another name")
    if not any(entry.technique.label == BASELINE for entry in found):
        entries["techniques"].fail(f"the technique '{BASELINE}' is missing: everything is compared with it")
    named = [entry.technique.label for entry in found]
    chosen = tuple(only_techniques(node, dataset, named) for node, dataset in datasets)
    for entry in found:
        for dataset in chosen:
            _check_recipe(entry, dataset)
    suite = Suite(
        name=path.stem,
        question=question,
        seed=seed,
        datasets=chosen,
        techniques=tuple(entry.technique for entry in found),
        focus=entries["focus"].choice("focus", get_args(Focus)) if "focus" in entries else "score",
        choosing=read_choosing(entries["choosing"]) if "choosing" in entries else Choosing(),
    )
    _check_choosing(suite, root, entries, [node for node, _ in datasets])
    return suite


def _check_choosing(suite: Suite, root: Node, entries: Mapping[str, Node], nodes: Sequence[Node]) -> None:
    """Complain of choices that cannot be made, or are not made at equal budgets. nodes: the entries of datasets."""
    if not any(one.choose for one in suite.techniques):
        if "choosing" in entries:
            entries["choosing"].fail("no technique says 'choose', so there is nothing to choose; leave 'choosing' out")
        return
    for node, dataset in zip(nodes, suite.datasets, strict=True):
        if suite.chooses(dataset):
            with placed(node):
                check_enough(dataset.dataset, dataset.folds)
    with placed(entries.get("choosing", root)):
        check_budgets(suite)


def _check_labels(found: Iterable[tuple[Node, str]], what: str) -> None:
    """Complain of a label that stands twice."""
    places: dict[str, str] = {}
    for node, label in found:
        if label in places:
            node.fail(f"the {what} '{label}' is given twice (first at {places[label]}); give one of them another name")
        places[label] = node.place


def _check_recipe(entry: Entry, dataset: SuiteDataset) -> None:
    """Complain of a technique that contradicts itself, or of settings that do not fit, on one dataset."""
    technique = entry.technique
    if technique.not_applicable(dataset):
        return
    where = f" (on dataset '{dataset.label}')"
    with placed(entry.use, where):
        recipe = apply(dataset.recipe, combine(technique.parts, dataset.dataset.kind))
    with placed(None, where):
        with_settings(recipe, technique.setting, entry.settings)
    with placed(entry.choose, where):
        for point in points(technique.choose) if technique.choose else ():
            technique.at(point).recipe(dataset)


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
        "use": {"enum": sorted(DATASETS)}, "name": {"type": "string"}, "set": {"type": "object"}, "with": use,
        "recipe": paths, "metric": {"enum": sorted(METRICS)}, "optional": {"type": "boolean"},
        "techniques": {"type": "array", "items": {"type": "string"}, "minItems": 1}, **protocol,
    }  # fmt: skip
    span = {
        "type": "object", "required": ["from", "to", "per_decade"], "additionalProperties": False,
        "properties": {"from": positive, "to": positive, "per_decade": count},
    }  # fmt: skip
    values = {"oneOf": [{"type": "array"}, span]}
    grid = {"oneOf": [{"const": "default"}, {"type": "object", "additionalProperties": values}]}
    numbers = {"oneOf": [{"type": "array", "items": {"type": "number"}, "minItems": 2}, span]}
    technique = {
        "use": use, "name": {"type": "string"}, "set": paths, "grid": grid,
        "choose": {"type": "object", "additionalProperties": numbers, "minProperties": 1},
        "datasets": {"type": "array", "items": {"type": "string"}}, "test_curve": {"type": "boolean"},
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
            "focus": {"enum": list(get_args(Focus))},
            "choosing": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "repeats": count,
                    "extend": {"type": "integer", "minimum": 0, "maximum": MOST_EXTEND},
                    "why_budgets_differ": {"type": "string"},
                },
            },
            **protocol,
            "datasets": {"type": "array", "items": {"oneOf": [dataset["use"], long_form(dataset)]}, "minItems": 1},
            "techniques": {"type": "array", "items": {"oneOf": [use, long_form(technique)]}, "minItems": 1},
        },
    }
