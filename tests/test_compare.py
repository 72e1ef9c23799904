"""``compare``: verdicts on stored pairs, pairs that must be refused, techniques of users' own files."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

from bench import cli, ownfile
from bench.comparability import Reader, hindrances
from bench.comparison import Comparison, compare_stored
from bench.errors import UsageError
from bench.keys import digest
from bench.metrics import METRICS
from bench.recipe import Technique
from bench.store import Store
from bench.suitefile import load_suite
from bench.versus import compare_command
from tests.synthetic import World, write

WORLD = World({"baseline": 0.0, "good": 0.15, "bad": -0.15, "none": 0.0}, repeats=8)
DESCRIPTION = {
    "seed": 7,
    "dataset": {"name": "generator", "parameters": {"rows": 4000}},
    "folds": 5,
    "trainer": 1,
    "recipe": {"steps": 300, "batch_size": 64, "budget": "steps", "loss": {"kind": "cross-entropy"}},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A folder named as a suite's, with what every training stands for."""
    made = write(tmp_path / "results" / "synthetic", WORLD)
    for dataset in WORLD.datasets:
        for name in WORLD.effects:
            made.remember(WORLD.training(dataset, name), DESCRIPTION, dataset, name)
    return made


def compared(store: Store, technique: str = "good", other: str = "baseline", **options) -> Comparison:
    return compare_stored(store.read_plan(), store, technique, other, **options)


# ---- verdicts


def test_the_verdict_on_a_pair_is_that_of_its_paired_differences(store: Store) -> None:
    found = compared(store, "good", "bad")
    (one,) = [each for each in found.datasets if each.label == "generator"]
    scores = store.scores().query("part == 'test'").set_index("key")["macro_f1"]
    each = [[scores[WORLD.key("generator", name, *place)] for place in WORLD.places] for name in ("good", "bad")]
    means = [np.reshape(values, (WORLD.repeats, WORLD.folds)).mean(axis=1) for values in each]
    expected = stats.ttest_rel(*means)
    standing = one.standing("good")
    assert standing is not None
    assert standing.difference is not None
    assert standing.verdict is not None
    assert standing.difference.estimate == pytest.approx(np.mean(means[0] - means[1]))
    assert standing.verdict.p_holm == pytest.approx(expected.pvalue), "one comparison: nothing to adjust"
    assert (standing.word, standing.beats, standing.beaten_by) == ("better", ("bad",), ())
    assert not found.worse
    assert compared(store, "bad", "good").worse


def test_techniques_beside_the_pair_give_the_verdict_of_the_suites_report(store: Store) -> None:
    from bench.reporting import analyse

    found = compared(store, "none", "baseline", field=["good", "bad"])
    for one, whole in zip(found.datasets, analyse(store).datasets, strict=True):
        own = one.standing("none")
        (same,) = (each for each in whole.standings if each.technique == "none")
        assert own is not None
        assert (own.verdict, own.difference, own.rank, own.beats) == (
            same.verdict, same.difference, same.rank, same.beats,
        )  # fmt: skip


def test_what_is_incomplete_or_does_not_apply_is_said_and_not_compared(tmp_path: Path) -> None:
    world = dataclasses.replace(
        WORLD,
        not_applicable=(("errors", "good"),),
        statuses={("folds", "good", 1, 0): "diverged", ("generator", "none", 0, 0): "missing"},
    )
    found = compared(write(tmp_path, world), field=["none"])
    by_label = {one.label: one for one in found.datasets}
    assert by_label["errors"].missing == "it must not"
    assert by_label["folds"].missing == "15 of 16 trials of good are stored and scored, 1 diverged"
    assert by_label["folds"].analysis is None
    assert by_label["generator"].left_out == ("none: 15 of 16 trials of none are stored and scored",)
    assert by_label["generator"].standing("none") is None
    assert not found.refused


def test_nothing_to_compare_at_all_is_said_and_exit_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {("generator", "good", repeat, fold): "diverged" for repeat, fold in WORLD.places}
    world = dataclasses.replace(WORLD, datasets=("generator",), statuses=places)
    store = write(tmp_path / "results" / "synthetic", world)
    arguments = ["compare", "synthetic", "good", "baseline", "--results", str(tmp_path / "results"), "--json"]
    assert cli.main(arguments) == 3
    (one,) = json.loads(capsys.readouterr().out)["datasets"]
    assert one["missing"] == "0 of 16 trials of good are stored and scored, 16 diverged"
    plan = store.read_plan()
    plan["datasets"][0]["absent"] = "generator is not on this machine"
    store.write_plan(plan)
    assert cli.main(arguments) == 3
    (one,) = json.loads(capsys.readouterr().out)["datasets"]
    assert (one["missing"], one["technique"]) == ("generator is not on this machine", None)


# ---- pairs that are not comparable


def _records(store: Store, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Store the records of the technique 'good' on the generator again, changed."""
    rows = store.runs().query("technique == 'good' and dataset == 'generator'").to_dict("records")
    store.write("999999-again", [row | change(row) for row in rows], [], [], [], {})


def _score_again(store: Store, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    keys = [WORLD.key("generator", "good", *place) for place in WORLD.places]
    rows = store.scores().set_index("key", drop=False).loc[keys].to_dict("records")
    store.write_scores("999999-again", [row | change(row) for row in rows], [])


def _describe(store: Store, **changes: Any) -> None:
    path = store.path / "trainings" / f"{WORLD.training('generator', 'good')}.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    held["description"] |= changes
    path.write_text(json.dumps(held), encoding="utf-8")


DEFECTS: dict[str, tuple[Callable[[Store], None], str]] = {
    "swapped split": (
        lambda store: _records(store, lambda row: {"split": "other"} if row["repeat"] == 3 else {"split": "same"}),
        "the rows were split otherwise (repeat 3, fold 0 and 1 more)",
    ),
    "swapped folds": (
        lambda store: _records(store, lambda row: {"fold": 1 - row["fold"]}),
        "the records of good stand at another repeat or fold than their keys say",
    ),
    "other validation rows": (
        lambda store: _records(store, lambda row: {"rows_validation": 399}),
        "there are other validation rows (repeat 0, fold 0 and 15 more)",
    ),
    "other fingerprint": (
        lambda store: _records(store, lambda row: {"fingerprint": "g"}),
        "the data have other fingerprints (repeat 0, fold 0 and 15 more)",
    ),
    "other test rows": (
        lambda store: _records(store, lambda row: {"truth": "other" if row["repeat"] == 7 else row["truth"]}),
        "the test rows are others (repeat 7, fold 0 and 1 more)",
    ),
    "edited metric": (
        lambda store: _score_again(store, lambda row: {"macro_f1": min(1.0, row["macro_f1"] + 0.01)}),
        "the stored macro F1 of good is not what its confusion matrices give",
    ),
    "other budget": (
        lambda store: _describe(store, recipe=DESCRIPTION["recipe"] | {"steps": 600}),
        "budgets differ (steps: 300 -> 600)",
    ),
    "other budget kind": (
        lambda store: _describe(store, recipe=DESCRIPTION["recipe"] | {"budget": "epochs"}),
        "budgets differ (budget: steps -> epochs)",
    ),
    "other seed": (lambda store: _describe(store, seed=8), "seeds differ (seed: 7 -> 8)"),
    "other data": (
        lambda store: _describe(store, dataset={"name": "generator", "parameters": {"rows": 500}}),
        "data differ (dataset.parameters.rows: 4000 -> 500)",
    ),
    "other folds": (lambda store: _describe(store, folds=3), "folds differ (folds: 5 -> 3)"),
    "other trainer": (lambda store: _describe(store, trainer=2), "trainer revisions differ (trainer: 1 -> 2)"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_pair_with_a_seeded_defect_is_refused_and_the_difference_named(
    store: Store, defect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if defect == "swapped split":  # older records do not name their splits; then nothing can be said of them
        rows = store.runs().to_dict("records")
        store.write("999998-again", [row | {"split": "same"} for row in rows], [], [], [], {})
    plant, sentence = DEFECTS[defect]
    plant(store)
    found = compared(Store(store.path))
    refused = {one.label: one.refused for one in found.datasets if one.refused}
    assert list(refused) == ["generator"], "the other datasets are as they were"
    assert len(refused["generator"]) == 1, "nothing else is wrong with it"
    assert sentence in refused["generator"][0]
    arguments = ["compare", "synthetic", "good", "baseline", "--results", str(store.path.parent)]
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: good and baseline cannot be compared on generator: ")
    assert sentence in " ".join(told.err.split())
    assert "better than baseline" in " ".join(told.out.split()), "what can be compared is shown"


def test_scores_of_another_revision_of_a_metric_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "macro_f1", dataclasses.replace(METRICS["macro_f1"], revision=2))
    _score_again_all = store.all_scores().query("part == 'test'").to_dict("records")
    keys = {WORLD.key("generator", "good", *place) for place in WORLD.places}
    store.write_scores("999999-again", [row for row in _score_again_all if row["key"] in keys], [])
    (cell, base) = (
        next(each for each in store.read_plan()["cells"] if (each["dataset"], each["technique"]) == ("generator", name))
        for name in ("good", "baseline")
    )
    reader = Reader(Store(store.path))
    assert hindrances(reader.side(cell), reader.side(base), "macro_f1") == [
        "the scores of baseline were made by another revision of the metrics (all 1 against macro_f1 2)"
    ]


def test_a_pair_without_a_defect_is_not_refused(store: Store) -> None:
    assert not compared(store).refused


def test_times_of_different_machines_are_shown_and_not_compared(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", "synthetic", "good", "bad", "--results", str(store.path.parent), "--dataset", "generator"]
    assert cli.main(arguments) == 0
    assert "x the CPU time on the same machine" in " ".join(capsys.readouterr().out.split())
    _records(store, lambda row: {"machine": "another", "cpu_seconds": 3.0})
    assert cli.main(arguments) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "not compared in time: 3.01 s on another against 0.4" in told
    assert "1.00x FLOPs" in told


# ---- the command


def test_exit_1_guards_against_a_technique_that_is_worse(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    results = ["--results", str(store.path.parent), "--json"]
    assert cli.main(["compare", "synthetic", "good", "baseline", *results]) == 0
    better = json.loads(capsys.readouterr().out)
    assert cli.main(["compare", "synthetic", "bad", "baseline", *results]) == 1
    worse = json.loads(capsys.readouterr().out)
    for found, word in ((better, "better"), (worse, "worse")):
        assert (found["version"], found["command"]) == (1, "compare")
        verdicts = {one["dataset"]: one["technique"]["verdict"] for one in found["datasets"]}
        assert verdicts == dict.fromkeys(WORLD.datasets, word)
    assert (better["exit_code"], worse["exit_code"], better["worse"], worse["worse"]) == (0, 1, False, True)


def test_results_of_another_folder_can_be_compared_with(store: Store, tmp_path: Path) -> None:
    theirs = write(tmp_path / "theirs", dataclasses.replace(WORLD, effects={"baseline": 0.0, "good": -0.3}))
    for name in ("baseline", "good"):
        theirs.remember(WORLD.training("generator", name), DESCRIPTION, "generator", name)
    options = _options(store, "good", "baseline", against=theirs.path, dataset="generator")
    found = compare_command(options).data
    assert found["datasets"][0]["against"]["technique"] == "baseline"
    same = compare_command(_options(store, "good", "good", against=theirs.path, dataset="generator")).data
    assert same["against"] == f"good ({theirs.path})"


@pytest.mark.parametrize(
    ("technique", "other", "sentence"),
    [
        ("god", "baseline", "unknown technique 'god', did you mean 'good'"),
        ("good", "smote", "'python -m bench compare synthetic smote' trains one that is not stored"),
        ("good", "good", "'good' is the same technique twice"),
    ],
)
def test_a_stored_pair_that_is_not_there_is_one_sentence(
    store: Store, technique: str, other: str, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        compare_command(_options(store, technique, other))


def _options(store: Store, technique: str, other: str | None, **more: Any) -> Any:
    from argparse import Namespace

    held = {"suite": "synthetic", "technique": technique, "other": other, "results": store.path.parent}
    return Namespace(**held | {"against": None, "dataset": None} | more)


# ---- techniques of users' own files


OWN = """\
from dataclasses import dataclass
from typing import ClassVar
import torch
from bench.recipe import Technique
from bench.stages.losses import Loss

@dataclass(frozen=True)
class Squared(Loss):
    kind: ClassVar[str] = "squared"
    scale: float = 1.0

    def begin(self, context):
        def loss(logits, targets):
            truth = torch.nn.functional.one_hot(targets, logits.shape[-1])
            return self.scale * (logits.softmax(-1) - truth).square().sum(-1).mean(1)
        return loss

technique = Technique(
    name="squared", family="imbalance: loss", claim="squared error of probabilities", source="Brier 1950",
    change={"loss": Squared()}, tasks=("classification",),
)
"""


def write_suite(folder: Path, **changes: Any) -> str:
    digits = {"use": "digits", "recipe": {"steps": 30, "network.width": 16}}
    suite = {"question": "?", "seed": 3, "repeats": 5, "folds": 3, "folds_per_repeat": 1, "datasets": [digits]}
    suite["techniques"] = ["baseline", "focal"]
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(suite | changes), encoding="utf-8")
    return str(path)


def test_a_technique_of_ones_own_file_is_trained_on_the_stored_splits_and_nothing_else_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite, own = write_suite(tmp_path), tmp_path / "mine.py"
    own.write_text(OWN, encoding="utf-8")
    reference = tmp_path / "results" / "reference" / "suite"
    made = tmp_path / "made"
    assert cli.main(["run", suite, "--workers", "0", "--results", str(made), "--report", str(tmp_path / "report")]) == 0
    reference.parent.mkdir(parents=True)
    (made / "suite").rename(reference)
    before = {file: file.read_bytes() for file in reference.rglob("*") if file.is_file()}
    capsys.readouterr()

    arguments = ["compare", suite, str(own), "--results", str(tmp_path / "results"), "--json"]
    code = cli.main([*arguments, "--workers", "2"])
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert "5 stored, 5 to train" in " ".join(told.err.split())
    (one,) = found["datasets"]
    assert code == int(found["worse"])
    assert (one["technique"]["technique"], one["technique"]["done"], one["against"]["done"]) == ("squared", 5, 5)
    assert (one["compared"], one["of"], one["left_out"]) == (2, 3, [])
    assert np.isfinite(one["technique"]["cost_ratio"])
    assert {file: file.read_bytes() for file in reference.rglob("*") if file.is_file()} == before
    stored = Store(tmp_path / "results" / "suite")
    assert set(stored.runs()["technique"]) == {"squared"}
    assert len(stored.probes()) == 2
    with pytest.raises(UsageError, match="no results"):
        stored.read_plan()

    assert cli.main([*arguments, "--workers", "0"]) == code
    again = capsys.readouterr()
    assert "10 stored, 0 to train" in " ".join(again.err.split())
    assert json.loads(again.out) == found
    own.write_text(OWN.replace(".square()", ".abs()"), encoding="utf-8")
    cli.main([*arguments, "--workers", "0"])
    assert "5 stored, 5 to train" in " ".join(capsys.readouterr().err.split()), "other code is another technique"


def test_the_template_is_a_technique_of_at_most_15_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["new", "technique"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 15
    path = tmp_path / "my_technique.py"
    path.write_text(text, encoding="utf-8")
    technique = ownfile.load_technique(path)
    assert isinstance(technique, Technique)
    assert not list(tmp_path.glob("__pycache__"))
    for dataset in load_suite("imbalance").datasets:
        assert not technique.not_applicable(dataset.dataset.task, dataset.dataset.kind, dataset.recipe)


def test_code_of_a_users_own_stage_is_part_of_its_identity(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    digests = []
    for text in (OWN, OWN, OWN.replace(".square()", ".abs()")):
        path.write_text(text, encoding="utf-8")
        digests.append(digest(ownfile.load_technique(path).change["loss"]))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "no such file; 'python -m bench new technique > my_technique.py' starts one"),
        ("x = 1\n", "must define one Technique, found none"),
        ("from bench.catalogue import TECHNIQUES\nmine = TECHNIQUES['focal']\n", "found none"),
        (
            ownfile.TEMPLATE + ownfile.TEMPLATE.replace("technique =", "second =").replace("focal-4", "b"),
            "found b, focal-4",
        ),
        ("x = (\n", r"mine.py:1: SyntaxError: "),
        ("import math\n\nmath.sqrt('a')\n", r"mine.py:3: TypeError: must be real number"),
        (ownfile.TEMPLATE.replace("focal-4", "focal"), "the suite has a technique 'focal' already"),
        (
            ownfile.TEMPLATE.replace('"loss"', '"los"', 1),
            r"mine.py: 'los': unknown recipe slot 'los', did you mean 'loss'",
        ),
        (
            ownfile.TEMPLATE.replace("change={", 'change={"steps": 60, '),
            r"it cannot be compared on digits: budgets differ \(steps: 30 -> 60\)",
        ),
        (ownfile.TEMPLATE.replace("gamma=4.0", "gamma=-1.0"), "mine.py:9: ValueError: "),
    ],
)
def test_a_file_that_is_no_technique_is_one_sentence_and_nothing_is_written(
    tmp_path: Path, text: str | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    results = tmp_path / "results"
    assert cli.main(["compare", write_suite(tmp_path), str(path), "--results", str(results)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    with pytest.raises(UsageError, match=sentence):
        raise UsageError(told)
    assert not results.exists()


def test_the_baseline_is_not_compared_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    assert cli.main(["compare", write_suite(tmp_path), "baseline", "--results", str(results)]) == 2
    assert capsys.readouterr().err.startswith("error: 'baseline' is what techniques are compared with; name another")
    assert not results.exists()


def test_compare_never_writes_reference_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", write_suite(tmp_path), "cutout", "--results", str(tmp_path / "results" / "reference")]
    assert cli.main(arguments) == 2
    assert "reference results are never written by 'compare'" in capsys.readouterr().err
