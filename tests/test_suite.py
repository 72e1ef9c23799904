"""Strict suites: every mistake is one sentence with its place; the shipped ones are valid."""

import dataclasses
import itertools
import math
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from bench.absence import absence
from bench.catalogue import TECHNIQUES
from bench.datasets import create
from bench.datasets.fraud import Fraud
from bench.errors import UsageError
from bench.networks.specs import Lstm, Rnn
from bench.stages.penalties import L2
from bench.suite import Suite, smoke
from bench.suiteentries import DATASET_KEYS, TECHNIQUE_KEYS
from bench.suitefile import SUITE_KEYS, load_suite, schema

GOOD = """\
question: Which helps?
seed: 1
repeats: 3
folds: 3
datasets:
  - digits
  - use: digits
    name: mild
    set: {imbalance: 5}
    recipe: {steps: 20}
techniques:
  - baseline
  - focal
  - [dropout, focal]
  - use: focal
    grid: {loss.gamma: [0.5, 1]}
"""


def load(folder: Path, text: str) -> Suite:
    file = folder / "s.yaml"
    file.write_text(text, encoding="utf-8")
    return load_suite(str(file))


def test_a_good_suite_is_read(tmp_path: Path) -> None:
    suite = load(tmp_path, GOOD)
    assert [one.label for one in suite.datasets] == ["digits", "mild"]
    labels = ["baseline", "focal", "dropout + focal", "focal [loss.gamma=0.5]", "focal [loss.gamma=1]"]
    assert [one.label for one in suite.techniques] == labels
    assert suite.datasets[1].recipe.steps == 20
    assert suite.datasets[0].folds_per_repeat == 3
    assert suite.techniques[3].recipe(suite.datasets[0]).loss.gamma == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "place", "sentence"),
    [
        ("  - focal\n", "  - focall\n", "13:5", "unknown technique 'focall', did you mean 'focal'"),
        ("  - digits\n", "  - digitz\n", "6:5", "unknown dataset 'digitz', did you mean 'digits'"),
        ("seed: 1", "sead: 1", "2:1", "unknown key 'sead', did you mean 'seed'"),
        ("    name: mild", "    nome: mild", "8:5", "unknown key 'nome', did you mean 'name'"),
        ("imbalance: 5", "imbalanse: 5", "9:11", "unknown parameter of digits 'imbalanse', did you mean 'imbalance'"),
        ("imbalance: 5", "imbalance: big", "9:22", "imbalance must be of type float, got 'big'"),
        ("imbalance: 5", "imbalance: 0.5", "9:", "imbalance is the largest class over the smallest, so at least 1"),
        ("repeats: 3", "repeats: 0", "3:10", "repeats must be a whole number from 1"),
        ("repeats: 3", "repeats: many", "3:10", "repeats must be a whole number from 1 to 100000, got 'many'"),
        ("folds: 3", "folds: 1", "4:8", "folds must be a whole number from 2"),
        ("folds: 3", "folds: 9", "6:5", "9 folds are more than the rarest class allows: '9' of digits"),
        ("steps: 20", "stepz: 20", "10:", "'stepz': unknown recipe slot 'stepz', did you mean 'steps'"),
        ("steps: 20", "steps: 0", "10:", "steps must be at least 1"),
        ("    recipe", "    metric: rmse\n    recipe", "10:13", "the metric 'rmse' cannot rank digits"),
        ("[dropout, focal]", "[class-weights, focal]", "14:5", "'class-weights' and 'focal' contradict each other"),
        ("[dropout, focal]", "[focal, focal]", "14:13", "'focal' stands twice in one combination"),
        ("loss.gamma:", "loss.gama:", "16:", "unknown field of focal 'gama', did you mean 'gamma'"),
        ("[0.5, 1]", "[-1, 1]", "16:", "gamma must be at least 0, got -1"),
        ("[0.5, 1]", "[1, 1]", "16:28", "holds the value 1 twice"),
        ("[0.5, 1]", "[]", "16:24", "must be a list with at least one entry, got an empty list"),
        ("  - baseline\n", "", "12:3", "the technique 'baseline' is missing"),
        ("  - focal\n", "  - focal\n  - focal\n", "14:5", "the technique 'focal' is given twice"),
        ("question: Which helps?\n", "", "1:1", "the key 'question' is missing"),
        ("seed: 1\n", "seed: 1\nseed: 2\n", "3:1", "the key 'seed' is given twice"),
        ("folds: 3", "folds: [", "", "not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, sentence: str
) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert f"s.yaml:{place}" in message
    assert sentence in message
    assert "\n" not in message


HEAD = "question: q\nseed: 1\nrepeats: 2\nfolds: 3\n"
ONE = f"{HEAD}datasets:\n  - use: digits\n    {{}}\ntechniques: [baseline]\n"
TWO = f"{HEAD}datasets: [digits, sine]\ntechniques:\n  - baseline\n  - {{}}\n"
STAGE = "is a stage, not a value"


@pytest.mark.parametrize(
    ("text", "line", "place", "sentence"),
    [
        (ONE, "recipe: {network: mlp}", "7:23", f"'network' {STAGE}; set one of its fields, as in 'network.width'"),
        (ONE, "recipe: {decide: null}", "7:22", f"'decide' {STAGE}"),
        (ONE, "recipe: {stopping: 3}", "7:24", f"'stopping' {STAGE}; name a technique that fills it"),
        (ONE, "recipe: {penalties: [1]}", "7:25", f"'penalties' {STAGE}"),
        (ONE, "recipe: {network.width: null}", "7:29", "'network.width' has no value"),
        (ONE, "recipe: {steps: null}", "7:21", "'steps' has no value"),
        (ONE, "recipe: {network.width: {a: 1}}", "7:29", "must be a plain value or a list of them, got a mapping"),
        (ONE, "recipe: {network.width: [[1]]}", "7:30", "must be a plain value or a list of them, got a list inside"),
        (ONE, "recipe: {batch_size: 8, steps: 1.5}", "7:36", "'steps' must be of type int, got 1.5"),
        (ONE, "recipe: {steps: 9999999999999}", "7:21", "'steps' must be at most 10000000, got 9999999999999"),
        (ONE, "recipe: {batch_size: 99999999999}", "7:26", "'batch_size' must be at most 1000000"),
        (ONE, "recipe: {network.width: 99999999999}", "7:29", "width must be at least 1 and at most 65536"),
        (TWO, "{use: focal, name: f, set: {steps: 99999999999}}", "8:40", "'steps' must be at most 10000000"),
        (ONE, "set: {imbalance: 3, n_max: 4000}", "7:32", "n_max must be at most 124, got 4000"),
        (ONE, "set: {imbalance: [1, 2]}", "7:22", "imbalance must be of type float"),
        (ONE, "set: 3", "7:10", "set must be a mapping of names to values, got 3"),
        (ONE, "name: a/b", "7:11", "name must be made of at most 60 letters, digits"),
        (ONE, f"name: {'a' * 61}", "7:11", "name must be made of at most 60 letters, digits"),
        (ONE, "metric: recall_at_fpr_1", "7:13", "cannot rank digits (classification of 10 classes)"),
        (ONE, "metric: precision_top_day", "7:13", "cannot rank digits"),
        (ONE, "folds: 7", "7:12", "7 folds are more than the rarest class allows"),
        (ONE, "folds_per_repeat: 4", "7:23", "folds_per_repeat must be a whole number from 1 to 3, got 4"),
        (ONE, "optional: yes", "7:15", "optional must be true or false, got 'yes'"),
        (ONE, "equivalence: 0", "7:18", "equivalence must be a number above 0, got 0"),
        (ONE, "repeats: true", "7:14", "repeats must be a whole number from 1 to 100000, got true"),
        (ONE, "techniques: [baselin]", "7:18", "unknown technique of this suite 'baselin', did you mean 'baseline'"),
        (ONE, "techniques: []", "7:17", "techniques must be a list with at least one entry, got an empty list"),
        (ONE, "techniques: [baseline, baseline]", "7:28", "the technique 'baseline' stands twice in this list"),
        (ONE, "with: [focl]", "7:12", "unknown technique 'focl', did you mean 'focal'"),
        (ONE, "with: dropuot", "7:11", "unknown technique 'dropuot', did you mean 'dropout'"),
        (ONE, "with: []", "7:11", "a combination must be a list with at least one entry, got an empty list"),
        (ONE, "with: {dropout: 1}", "7:11", "a technique must be a word or a sentence, got a mapping"),
        (ONE, "with: [focal, focal]", "7:19", "the technique 'focal' stands twice in one combination"),
        (ONE, "with: [dropout, rnn]", "7:21", "rnn applies to series data, not to image data, which digits is"),
        (ONE, "with: [last-value]", "7:12", "last-value applies to regression, not to classification, which digits is"),
        (ONE, "with: [focal, class-weights]", "7:11", "'focal' and 'class-weights' contradict each other"),
        (ONE, "with: baseline", "7:11", "'baseline' changes nothing, so it has no place under 'with'"),
        (ONE, "recipe: {network.dropot: 0.1}\n    with: dropout", "7:30", "unknown field of mlp 'dropot'"),
        (TWO, "{use: dropout, test_curve: 1}", "8:32", "test_curve must be true or false, got 1"),
        (
            TWO,
            "{use: [last-value, dropout], test_curve: true}",
            "8:11",
            "'last-value' and 'dropout' contradict each other: the former is solved for",
        ),
        (TWO, "{use: baseline, name: again, test_curves: true}", "8:34", "did you mean 'test_curve'"),
        (
            TWO,
            "[last-value, dropout]",
            "8:5",
            "'last-value' and 'dropout' contradict each other: the former is solved for",
        ),
        (TWO, "focal: {}", "8:5", "unknown key 'focal'. Valid: choose, datasets, grid, name, set, test_curve, use"),
        (TWO, "{name: x}", "8:5", "the key 'use' is missing"),
        (TWO, "{use: focal, name: baseline}", "8:5", "only the plain recipe on all datasets can be called 'baseline'"),
        (TWO, "{use: focal, name: 'a, b'}", "8:24", "anything but commas and brackets"),
        (TWO, "{use: focal, name: a, grid: default}", "8:24", "leave 'name' out"),
        (TWO, "{use: focal, grid: often}", "8:24", "unknown grid 'often'"),
        (TWO, "{use: focal, grid: {}}", "8:24", "a grid must name at least one path"),
        (TWO, "{use: focal, grid: {loss.gamma: 3}}", "8:37", "must be a list with at least one entry, got 3"),
        (TWO, "{use: focal, grid: {loss.gamma: [1, [2]]}}", "8:41", "must hold plain values, got a list"),
        (TWO, "{use: focal, grid: {loss.gamma: [1, 1.0]}}", "8:41", "holds the value 1.0 twice"),
        (TWO, "{use: focal, grid: {loss.gamma: [1, null]}}", "8:41", "'loss.gamma' has no value (on dataset 'digits')"),
        (TWO, "{use: focal, set: {loss.gamma: 1}, grid: {loss.gamma: [1]}}", "8:47", "stands under both set and grid"),
        (TWO, "{use: balanced-batches, grid: default}", "8:35", "balanced-batches has no default grid"),
        (
            TWO,
            "{use: focal, datasets: [digit]}",
            "8:29",
            "unknown dataset of this suite 'digit', did you mean 'digits'",
        ),
        (TWO, "{use: focal, datasets: [sine, sine]}", "8:35", "'sine' stands twice"),
        (TWO, "{use: focal, datasets: []}", "8:28", "datasets must be a list with at least one entry"),
        (TWO, "{use: focal, name: f, set: {loss.gamma: -1}}", "8:45", "gamma must be at least 0"),
        (TWO, "{use: dropout, set: {network.depth: 1}}", "8:41", "unknown field of lstm 'depth'"),
    ],
)
def test_a_mistake_in_a_long_form_has_the_exact_place(
    tmp_path: Path, text: str, line: str, place: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text.replace("{}", line))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 's.yaml'}:{place}: ")
    assert sentence in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("old", "new", "place", "sentence"),
    [
        ("seed: 1", "seed: -1", "2:7", "seed must be a whole number from 0 to 9223372036854775807, got -1"),
        ("seed: 1", f"seed: {2**63}", "2:7", "seed must be a whole number from 0"),
        ("folds: 3", "budget: step", "4:9", "unknown budget 'step', did you mean 'steps'"),
        ("folds: 3", "focus: gaps", "4:8", "unknown focus 'gaps', did you mean 'gap'"),
        ("folds: 3", "focus: [gap]", "4:8", "focus must be a word or a sentence, got a list"),
        ("folds: 3", "folds_per_repeat: 6", "4:19", "folds_per_repeat must be a whole number from 1 to 5, got 6"),
        ("question: q", "question: ''", "1:11", "question must be a word or a sentence"),
        ("[digits, sine]", "[]", "5:11", "datasets must be a list with at least one entry, got an empty list"),
        (
            "[digits, sine]",
            "[digits, {use: sine, name: digits}]",
            "5:20",
            "the dataset 'digits' is given twice (first at",
        ),
    ],
)
def test_a_mistake_in_the_protocol_has_the_exact_place(
    tmp_path: Path, old: str, new: str, place: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, TWO.format("dropout").replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path / 's.yaml'}:{place}: {sentence}")


def test_a_mistake_in_a_table_of_ones_own_has_the_exact_place(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("x,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(20)), encoding="utf-8")
    text = ONE.replace("use: digits", "use: table")
    wrong = f"set: {{path: {file}, target: y, task_name: 3x}}"
    column = len("    ") + wrong.rindex("3") + 1
    for line, sentence in (
        (wrong, f"7:{column}: table: task_name must be one of"),
        (f"set: {{path: {file}}}", "7:10: table: the parameter 'target' is missing"),
        (
            f"set: {{path: {file}, target: y}}\n    metric: precision_top_day",
            "8:13: the metric 'precision_top_day' cannot",
        ),
    ):
        with pytest.raises(UsageError, match=f"s.yaml:{sentence}"):
            load(tmp_path, text.replace("{}", line))
    found = load(tmp_path, text.replace("{}", f"set: {{path: {file}, target: y}}\n    metric: recall_at_fpr_5"))
    assert found.datasets[0].metric == "recall_at_fpr_5"


@pytest.mark.parametrize("metric", ["average_precision", "roc_auc", "log_loss", "brier", "ece"])
def test_fixed_test_rows_are_ranked_by_counts_only(tmp_path: Path, metric: str) -> None:
    with pytest.raises(UsageError, match=f"7:13: the metric '{metric}' cannot rank digits: on fixed test rows"):
        load(tmp_path, ONE.format(f"metric: {metric}"))
    assert load(tmp_path, ONE.format("metric: tail_accuracy")).datasets[0].metric == "tail_accuracy"
    generator = ONE.replace("use: digits", "use: sine-events").format(f"metric: {metric}")
    assert load(tmp_path, generator).datasets[0].metric == metric


def test_a_table_is_ranked_by_counts_only_where_it_has_a_test_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("x,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(20)), encoding="utf-8")
    line = f"set: {{path: {file}, target: y{{}}}}\n    metric: roc_auc"
    text = ONE.replace("use: digits", "use: table")
    assert load(tmp_path, text.replace("{}", line.replace("{}", ""))).datasets[0].metric == "roc_auc"
    with pytest.raises(UsageError, match=r"cannot rank table: .* Valid: accuracy, balanced_accuracy, g_mean, macro_f1"):
        load(tmp_path, text.replace("{}", line.replace("{}", f", test_path: {file}")))


def test_more_folds_than_series_are_refused_where_they_stand(tmp_path: Path) -> None:
    text = ONE.replace("use: digits", "use: sine")
    for series, told in ((1, "1 group; it needs at least 2"), (2, "2 groups; use at most 2 folds or more of them")):
        with pytest.raises(UsageError, match=f"3 folds are more than whole groups allow: sine has {told}$"):
            load(tmp_path, text.format(f"set: {{series: {series}}}"))
    with pytest.raises(UsageError, match="7:12: 31 folds are more than whole groups allow: sine has 30 groups"):
        load(tmp_path, text.format("folds: 31"))
    assert load(tmp_path, text.format("set: {series: 3}")).datasets[0].folds == 3


def test_a_label_of_sixty_letters_is_still_one(tmp_path: Path) -> None:
    assert load(tmp_path, ONE.format(f"name: {'a' * 60}")).datasets[0].label == "a" * 60


def test_a_setting_that_fits_one_dataset_only_names_the_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\(on dataset 'sine'\)$"):
        load(tmp_path, TWO.format("{use: dropout, set: {network.depth: 1}}"))
    load(tmp_path, TWO.format("{use: dropout, set: {network.depth: 1}, datasets: [digits]}"))


def test_nothing_empties_a_slot(tmp_path: Path) -> None:
    recipe = load(tmp_path, ONE.format("recipe: {schedule: null, penalties: null}")).datasets[0].recipe
    assert recipe.schedule is None
    assert recipe.penalties == ()


def test_settings_come_after_the_technique_and_slots_before_their_fields(tmp_path: Path) -> None:
    suite = load(tmp_path, TWO.format("{use: l2, set: {penalties.l2.strength: 0.5, steps: 7}, datasets: [digits]}"))
    recipe = suite.techniques[1].recipe(suite.datasets[0])
    assert recipe.steps == 7
    assert [(p.kind, p.strength) for p in recipe.penalties if isinstance(p, L2)] == [("l2", 0.5)]
    assert suite.techniques[1].label == "l2 [penalties.l2.strength=0.5, steps=7]"


def test_techniques_of_a_datasets_baseline_come_before_its_settings_and_are_in_every_recipe(tmp_path: Path) -> None:
    text = TWO.replace("[digits, sine]", "[{use: sine, with: [rnn, dropout], recipe: {network.units: 7}}, sine]")
    text = text.replace("use: sine,", "use: sine, name: sine-rnn,", 1)
    suite = load(tmp_path, text.replace("{}", "l2"))
    changed, plain = suite.datasets
    assert changed.recipe.network == Rnn(units=7, dropout=0.5)
    assert plain.recipe.network == Lstm(units=plain.recipe.network.units)  # type: ignore[attr-defined]
    assert [part.name for part in changed.parts] == ["rnn", "dropout"]
    assert plain.parts == ()
    assert suite.techniques[1].recipe(changed).network == changed.recipe.network
    network = dataclasses.replace(changed.recipe, network=plain.recipe.network)
    assert network == plain.recipe, "nothing else differs"
    one = load(tmp_path, text.replace("[rnn, dropout]", "rnn").replace("{}", "l2")).datasets[0]
    assert one.recipe.network == Rnn(units=7)


def test_a_test_curve_is_asked_for_technique_by_technique_the_baseline_too(tmp_path: Path) -> None:
    text = TWO.replace("- baseline", "- {use: baseline, test_curve: true}")
    suite = load(tmp_path, text.replace("{}", "{use: dropout, grid: default, test_curve: true}\n  - l2"))
    assert [(one.label, one.test_curve) for one in suite.techniques] == [
        ("baseline", True),
        *((f"dropout [network.dropout={value}]", True) for value in (0.2, 0.5, 0.8)),
        ("l2", False),
    ]
    assert not any(one.test_curve for one in load(tmp_path, TWO.format("dropout")).techniques)


@pytest.mark.parametrize(("line", "focus"), [("", "score"), ("focus: score\n", "score"), ("focus: gap\n", "gap")])
def test_the_report_leads_with_the_score_unless_the_suite_says_the_gap(tmp_path: Path, line: str, focus: str) -> None:
    text = line + TWO.format("{use: dropout, test_curve: true}").replace("digits, sine", "{use: sine, with: [rnn]}")
    assert load(tmp_path, text).focus == focus
    jsonschema.validate(yaml.safe_load(text), schema())


def test_what_a_dataset_leaves_out_comes_from_the_suite_or_the_default(tmp_path: Path) -> None:
    text = TWO.format("dropout").replace(
        "[digits, sine]", "[{use: digits, folds: 2, repeats: 9, equivalence: 0.03}, sine]"
    )
    digits, sine = load(tmp_path, text.replace("folds: 3", "budget: epochs\nfolds_per_repeat: 3", 1)).datasets
    assert (digits.repeats, digits.folds, digits.folds_per_repeat, digits.equivalence) == (9, 2, 2, 0.03)
    assert (sine.repeats, sine.folds, sine.folds_per_repeat, sine.equivalence) == (2, 5, 3, 0.02)
    assert (digits.metric, sine.metric) == ("macro_f1", "rmse")
    assert {digits.recipe.budget, sine.recipe.budget} == {"epochs"}
    assert load(tmp_path, TWO.format("dropout")).datasets[0].equivalence == 0.01


def test_a_default_grid_is_the_catalogues_with_one_technique_per_point(tmp_path: Path) -> None:
    suite = load(tmp_path, TWO.format("{use: smote, grid: default}"))
    grid = TECHNIQUES["smote"].grid
    assert len(suite.techniques) == 1 + math.prod(map(len, grid.values()))
    assert {tuple(t.setting.values()) for t in suite.techniques[1:]} == set(itertools.product(*grid.values()))


def test_a_suite_is_found_by_name_unless_a_file_has_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "mine.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "mine").mkdir()
    assert load_suite("mine").question == "Which helps?"
    (tmp_path / "mine").rmdir()
    (tmp_path / "mine").write_text(GOOD.replace("Which helps?", "Which file?"), encoding="utf-8")
    assert load_suite("mine").question == "Which file?"
    with pytest.raises(
        UsageError, match=r"nine: no such suite file, did you mean 'mine'\? Suites here: suites/mine.yaml"
    ):
        load_suite("nine")
    with pytest.raises(UsageError, match="cannot be read"):
        load_suite("n" * 5000)


@pytest.mark.parametrize("name", ["reference", "baselines"])
def test_a_suite_cannot_be_named_as_a_folder_that_no_run_may_write_to(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(UsageError, match=f"a suite cannot be called '{name}'"):
        load_suite(tmp_path / f"{name}.yaml")


def test_a_smoke_run_is_never_larger_and_keeps_datasets_that_cannot_shrink(tmp_path: Path) -> None:
    text = TWO.format("dropout").replace("[digits, sine]", "[{use: sine, set: {SET}}, fraud]")
    sine, fraud = smoke(load(tmp_path, text.replace("SET", "series: 10"))).datasets
    assert sine.dataset == create("sine", {"series": 10, "test_series": 10, "points": 100})
    assert fraud.dataset == create("fraud", dict(Fraud.smoke))
    long = smoke(load(tmp_path, text.replace("SET", "length: 200, points: 400"))).datasets[0]
    assert long.dataset == create("sine", {"length": 200, "points": 400}), "100 points would hold no window"
    assert {one.folds_per_repeat for one in (sine, fraud, long)} == {1}


def test_the_schema_knows_every_key() -> None:
    found = schema()["properties"]
    assert set(found) == set(SUITE_KEYS)
    assert set(found["datasets"]["items"]["oneOf"][1]["properties"]) == set(DATASET_KEYS)
    assert set(found["techniques"]["items"]["oneOf"][1]["properties"]) == set(TECHNIQUE_KEYS)


def test_reading_and_planning_load_nothing_heavy() -> None:
    code = (
        "import sys; from bench.suitefile import load_suite; from bench.plan import make_plan\n"
        "make_plan(load_suite('imbalance')), make_plan(load_suite('overfitting'))\n"
        "print(*{'torch', 'pandas', 'sklearn', 'scipy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("text", ["", "- a\n", "a: &x [*x]\n", "\t- 1\n", "1: 2\n"])
def test_files_that_are_no_suite_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_nearest_suite_and_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'imbalance'"):
        load_suite("imbalence")
    with pytest.raises(UsageError, match="is a directory"):
        load_suite(str(tmp_path))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(UsageError, match="not a UTF-8 text file"):
        load_suite(str(tmp_path / "s.yaml"))


@pytest.mark.parametrize("path", sorted(Path("suites").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_suites_are_valid_under_the_schema_too(path: Path) -> None:
    suite = load_suite(str(path))
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema())
    small = smoke(suite)
    assert small.name == f"{suite.name}-smoke"
    assert all(one.repeats == 2 and one.recipe.steps <= 40 for one in small.datasets)


def test_a_dataset_can_name_the_techniques_that_are_tried_on_it(tmp_path: Path) -> None:
    suite = load(
        tmp_path, GOOD.replace("    name: mild\n", "    name: mild\n    techniques: [baseline, dropout + focal]\n")
    )
    digits, mild = suite.datasets
    labels = [[one.label for one in suite.techniques if not one.not_applicable(data)] for data in (digits, mild)]
    assert labels == [[one.label for one in suite.techniques], ["baseline", "dropout + focal"]]
    reason = suite.techniques[1].not_applicable(mild)
    assert reason == "the suite leaves it out on mild"
    assert absence(reason) == "not tried"
    elsewhere = dataclasses.replace(suite.techniques[1], datasets=("digits",)).not_applicable(mild)
    assert absence(elsewhere) == "not tried"
    assert absence("last-value applies to regression, not to classification") == "not applicable"


def test_a_dataset_without_the_baseline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"s.yaml:9:17: 'baseline' is missing: everything on mild is compared with it"):
        load(tmp_path, GOOD.replace("    name: mild\n", "    name: mild\n    techniques: [focal]\n"))
