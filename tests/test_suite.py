"""Strict suites: every mistake is one sentence with its place; the shipped ones are valid."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from bench.errors import UsageError
from bench.suite import Suite, load_suite, schema, smoke

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
        ("    recipe", "    metric: rmse\n    recipe", "10:", "unknown metric 'rmse'"),
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
