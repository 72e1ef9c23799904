"""``--json``: one document on standard output and nothing else, of the shape that docs/json.schema.json says."""

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from bench import output
from bench.catalogue import TECHNIQUES
from bench.cli import main
from bench.datasets import DATASETS
from bench.metrics import METRICS
from bench.output import Answer, document, plain
from bench.store import Store
from tests.synthetic import World, write
from tests.test_cifar10 import archive, batches, expect, no_network, official

SCHEMA = json.loads(Path("docs/json.schema.json").read_text(encoding="utf-8"))
SUITE: dict[str, Any] = {
    "question": "?",
    "seed": 5,
    "repeats": 5,
    "folds": 3,
    "folds_per_repeat": 1,
    "datasets": [{"use": "digits", "recipe": {"steps": 20, "network.width": 16}}],
    "techniques": ["baseline", "focal", "tuned-threshold", "last-value"],
}
EFFECTS = {"baseline": 0.0, "good": 0.12, "none": 0.0, "rule": 0.0}
WORLD = World(
    EFFECTS,
    same_training=("rule",),
    not_applicable=(("errors", "none"),),
    statuses={("folds", "none", 0, 0): "diverged", ("generator", "good", 1, 1): "missing"},
)


def _no_number(text: str) -> NoReturn:
    raise AssertionError(f"{text} is no JSON")


def parsed(text: str, kind: str) -> dict[str, Any]:
    """The only document of a text, checked against its own schema and that of all documents."""
    found = json.loads(text, parse_constant=_no_number)
    for schema in ({**SCHEMA["$defs"][kind], "$defs": SCHEMA["$defs"]}, SCHEMA):
        told = best_match(Draft202012Validator(schema).iter_errors(found))
        assert told is None, f"{told.json_path}: {told.message[:300]}"
    return found


def asked(capsys: pytest.CaptureFixture[str], *arguments: object, kind: str, code: int = 0) -> tuple[dict, str]:
    """The document of a command, and what it said on standard error."""
    assert main([*map(str, arguments), "--json"]) == code
    shown = capsys.readouterr()
    found = parsed(shown.out, kind)
    assert found["exit_code"] == code
    return found, shown.err


def suite_file(folder: Path, **changes: Any) -> Path:
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump({**SUITE, **changes}), encoding="utf-8")
    return file


# ---- documents


def test_the_schema_is_one_and_says_everything_that_documents_hold() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    def objects(part: Any) -> list[dict]:
        inside = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
        return ([part] if isinstance(part, dict) and "properties" in part else []) + [
            one for each in inside for one in objects(each)
        ]

    found = objects(SCHEMA)
    assert len(found) > 10
    assert all(one["additionalProperties"] is False for one in found)
    named = {name for one in found for name in one["properties"]}
    told = set(re.findall(r"[`.]([a-z_0-9]+)`", Path("docs/json.md").read_text(encoding="utf-8")))
    assert named <= told, f"docs/json.md lacks {sorted(named - told)}"


@given(st.floats() | st.floats().map(np.float64) | st.floats(width=32).map(np.float32))
def test_numbers_keep_every_bit_and_what_is_none_is_null(number: float) -> None:
    (back,) = json.loads(document("run", Answer(0, {"held": (number,)})), parse_constant=_no_number)["held"]
    if math.isfinite(number):
        assert back == float(number)
        assert math.copysign(1, back) == math.copysign(1, number)
    else:
        assert back is None


def test_what_has_no_place_in_a_document_is_refused() -> None:
    assert plain({1: (np.int64(3), True, Path("a/b"), None)}) == {"1": [3, True, "a/b", None]}
    with pytest.raises(TypeError, match="set has no place in a document"):
        plain({"a": {1}})


# ---- light commands


def test_list_holds_every_name_once_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    found, errors = asked(capsys, "list", kind="list")
    assert errors == ""
    for section, held in (("techniques", TECHNIQUES), ("datasets", DATASETS), ("metrics", METRICS)):
        assert [one["name"] for one in found[section]] == list(held)
        alone, _ = asked(capsys, "list", section, kind="list")
        assert alone.keys() == {"version", "command", "exit_code", section}
        assert alone[section] == found[section]


@pytest.mark.parametrize("name", [*TECHNIQUES, *DATASETS, *METRICS])
def test_describe_says_what_the_text_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found, errors = asked(capsys, "describe", name, kind="describe")
    one = found[found["kind"]]
    assert (one["name"], errors) == (name, "")
    assert main(["describe", name]) == 0
    text = " ".join(capsys.readouterr().out.split())
    said = one["claim"] if found["kind"] == "technique" else one["summary"]
    for part in (said, one["source"]):
        assert " ".join(part.split()) in text
    if found["kind"] == "technique":
        assert one["change"].keys() == TECHNIQUES[name].change.keys()
        assert all(f"{path}: {', '.join(map(str, values))}" in text for path, values in one["grid"].items())
    if found["kind"] == "dataset":
        for parameter in one["parameters"]:
            assert f"{parameter['name']} {'required' if parameter['required'] else 'default'}" in text


def test_validate_counts_cells_and_trainings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, errors = asked(capsys, "validate", suite_file(tmp_path), kind="validate")
    assert errors == ""
    assert (found["suite"], found["datasets"], found["techniques"]) == ("small", ["digits"], SUITE["techniques"])
    assert found["trainings"] == 15  # the baseline with its rule, the baseline again, and focal: 5 repeats each
    assert found["cells"] == 5


def test_the_schema_of_suites_is_the_one_without_json(capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = asked(capsys, "schema", kind="schema")
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == found["schema"]


def test_data_says_what_is_here_before_and_after_an_import(
    tmp_path: Path, no_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, errors = asked(capsys, "data", "status", kind="data status")
    assert errors == ""
    assert found["folder"] == str(no_data)
    assert found["datasets"] == [{"name": "cifar10", "here": False, "imported": None}]
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    files = official(batches())
    expect(files, monkeypatch)
    archive(tmp_path / "cifar-10-python.tar.gz", files)
    brought, _ = asked(capsys, "data", "import", "cifar10", tmp_path / "cifar-10-python.tar.gz", kind="data import")
    found, _ = asked(capsys, "data", "--json", "status", kind="data status")
    assert found["datasets"] == brought["datasets"]
    (one,) = found["datasets"]
    assert one["here"] is True
    assert one["imported"]["images"] == {"train": 100, "test": 20}
    assert main(["data", "status"]) == 0
    assert one["imported"]["fingerprint"] in capsys.readouterr().out


@pytest.mark.parametrize("words", ["list", "describe focal", "validate imbalance", "schema", "lst"])
def test_light_documents_load_nothing_heavy(words: str) -> None:
    code = (
        "import sys; from bench.cli import main\n"
        f"main({[*words.split(), '--json']!r})\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'pyarrow', 'matplotlib', 'rich', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


@pytest.mark.parametrize(
    "words", ["", "run", "compare", "new", "report", "list", "describe", "validate", "schema", "data status"]
)
def test_help_shows_json(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words.split(), "--help"])
    assert "--json" in capsys.readouterr().out


# ---- errors


@pytest.mark.parametrize(
    ("words", "command", "sentence"),
    [
        ("", None, "the following arguments are required: COMMAND"),
        ("lst", "lst", "unknown command 'lst', did you mean 'list'?"),
        ("list techniqes", "list", "did you mean 'techniques'?"),
        ("list --bogus", "list", "unrecognized arguments: --bogus"),
        ("describe focl", "describe", "did you mean 'focal'?"),
        ("validate imbalence", "validate", "did you mean 'imbalance'?"),
        ("run imbalance --workers many", "run", "invalid int value"),
        ("run imbalance --workers -1", "run", "--workers must be 0 (inline) or more"),
        ("run", "run", "the following arguments are required: suite"),
        ("report nothing --results nowhere", "report", "no results of that name in 'nowhere'"),
        ("data", "data", "the following arguments are required: ACTION"),
        ("data import cifr10 x", "data import", "unknown dataset to import 'cifr10', did you mean 'cifar10'?"),
        ("data import cifar10 nowhere.tar", "data import", "nowhere.tar"),
    ],
)
def test_an_error_is_a_document_beside_the_sentence(
    words: str, command: str | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, errors = asked(capsys, *words.split(), kind="error", code=2)
    assert found["command"] == command
    assert sentence in found["error"]
    assert errors == f"error: {found['error']}\n"
    assert main(words.split()) == 2, "the same code without a document"
    plainly = capsys.readouterr()
    assert (plainly.out, plainly.err) == ("", errors)


def test_a_bad_suite_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = suite_file(tmp_path, techniques=["baseline", "focl"])
    for command in ("validate", "run"):
        found, _ = asked(capsys, command, file, kind="error", code=2)
        assert re.match(rf"{re.escape(str(file))}:\d+:\d+: unknown technique 'focl', did you mean", found["error"])


# ---- runs and reports


def test_a_run_says_what_was_planned_how_it_ended_and_who_stands_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = suite_file(tmp_path)
    dry, errors = asked(capsys, "run", file, "--dry-run", kind="run")
    assert "15 to train" in " ".join(errors.split()), "what people read goes to standard error"
    assert (dry["outcomes"], dry["datasets"], dry["report"], dry["dry_run"]) == (None, [], None, True)
    assert not (tmp_path / "results").exists()
    plan = dry["plan"]
    assert (plan["trainings"], plan["stored"], plan["missing"], plan["seconds"]) == (15, 0, 15, None)
    assert plan["datasets"][0]["rotation"] == ["TTV", "TVT", "VTT"]
    cells = {cell["technique"]: cell for cell in plan["cells"]}
    assert {name: cell["missing"] for name, cell in cells.items()} == {
        "baseline": 5, "A/A": 5, "focal": 5, "tuned-threshold": 5, "last-value": 0,
    }  # fmt: skip
    assert [name for name, cell in cells.items() if cell["replica"]] == ["A/A"]
    assert cells["last-value"]["not_applicable"]

    done, _ = asked(capsys, "run", file, "--workers", "0", kind="run")
    assert done["plan"] == plan, "the plan is told as it was before the run"
    assert done["outcomes"] == {"statuses": {"ok": 15}, "rescored": 0, "unwell": 0}
    assert (tmp_path / done["report"]).is_file()
    (dataset,) = done["datasets"]
    standings = {one["technique"]: one for one in dataset["standings"]}
    store = Store(tmp_path / done["results"])
    scores, runs = store.scores(), store.runs()
    test = scores[(scores["part"] == "test") & (scores["rule"] == standings["focal"]["rule"])]
    own = runs.loc[runs["training"] == standings["focal"]["training"], "key"]
    assert len(own) == 5
    assert standings["focal"]["score"] == pytest.approx(test[test["key"].isin(own)]["macro_f1"].mean(), rel=1e-14)
    assert standings["baseline"]["verdict"] == "baseline"
    assert standings["last-value"]["score"] is None
    assert (dataset["noise"]["technique"], dataset["noise"]["rank"]) == ("A/A", None)
    told = [one["rank"] for one in dataset["standings"] if one["rank"]]
    assert told == sorted(told)

    again, _ = asked(capsys, "run", file, "--workers", "0", kind="run")
    assert again["outcomes"]["statuses"] == {}
    assert again["datasets"] == done["datasets"]
    assert {cell["stored"] for cell in again["plan"]["cells"]} == {5, 0}
    changed = suite_file(tmp_path, datasets=[{"use": "digits", "recipe": {"steps": 21, "network.width": 16}}])
    stale, _ = asked(capsys, "run", changed, "--dry-run", kind="run")
    assert stale["plan"]["seconds"] > 0
    assert [cell["changed"] for cell in stale["plan"]["cells"][:2]] == [["recipe.steps: 20 -> 21"]] * 2
    assert [cell["stale"] for cell in stale["plan"]["cells"]] == [5, 5, 5, 5, 0]


def test_failed_trials_and_absent_data_are_told_with_their_exit_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.datasets.utils.download_url", no_network)
    digits = {"use": "digits", "set": {"imbalance": 24}, "recipe": {"steps": 5, "network.width": 8}}
    short = {"repeats": 1, "folds_per_repeat": 1}
    fails = suite_file(tmp_path, datasets=[digits], techniques=["baseline", "smote"], **short)
    found, _ = asked(capsys, "run", fails, "--workers", "0", kind="run", code=1)
    assert found["outcomes"] == {"statuses": {"failed": 1, "ok": 2}, "rescored": 0, "unwell": 1}
    smote = next(one for one in found["datasets"][0]["standings"] if one["technique"] == "smote")
    assert (smote["verdict"], smote["done"], smote["statuses"]) == ("incomplete", 0, {"failed": 1})
    assert smote["reasons"][0].startswith("1 x ")
    lacks = suite_file(tmp_path, datasets=[digits, {"use": "cifar10"}], techniques=["baseline"], **short)
    found, _ = asked(capsys, "run", lacks, "--workers", "0", "--results", "other", kind="run", code=3)
    assert "could not be downloaded" in found["plan"]["datasets"][1]["absent"]
    assert "not on this machine" in found["datasets"][1]["absent"]
    refused, _ = asked(capsys, "run", lacks, "--workers", "0", "--require-all", kind="error", code=3)
    assert "data are not on this machine: cifar10" in refused["error"]


def test_a_report_says_what_the_csv_beside_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "results" / "synthetic", WORLD)
    places = ("--results", tmp_path / "results", "--report", tmp_path / "report")
    found, errors = asked(capsys, "report", *places, kind="report")
    (one,) = found["reports"]
    assert one["report"] in errors.replace("\n", "")
    assert (one["suite"], one["results"]) == ("synthetic", str(tmp_path / "results" / "synthetic"))
    assert [dataset["dataset"] for dataset in one["datasets"]] == list(WORLD.datasets)
    compared = 0
    for dataset in one["datasets"]:
        file = Path(one["report"]).with_name(f"{dataset['dataset']}-ranking.csv")
        lines = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
        assert [line["technique"] for line in lines] == [each["technique"] for each in dataset["standings"]]
        for line, each in zip(lines, dataset["standings"], strict=True):
            for name in set(line) & set(each) - {"statuses", "reasons"}:
                value = each[name]
                written = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
                assert line[name] == written, name
                compared += 1
            assert {name: f"{value:.6g}" for name, value in each["metrics"].items()} == {
                name: line[name] for name in METRICS if line.get(name)
            }
    assert compared > 300
    generator, *_ = one["datasets"]
    good = next(each for each in generator["standings"] if each["technique"] == "good")
    assert (good["verdict"], good["statuses"], good["p_holm"]) == ("incomplete", {"missing": 1, "ok": 11}, None)


def test_a_comparison_is_a_document_with_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "synthetic", World(EFFECTS | {"bad": -0.15}, datasets=("generator", "folds"), repeats=8))
    for technique, other, code in (("good", "baseline", 0), ("bad", "good", 1), ("baseline", "none", 0)):
        words = ("compare", "synthetic", technique, other, "--results", tmp_path)
        found, errors = asked(capsys, *words, kind="compare", code=code)
        assert errors
        assert (found["technique"], found["against"], found["worse"]) == (technique, other, code == 1)
        for one in found["datasets"]:
            assert one["technique"]["difference"] == pytest.approx(
                one["technique"]["score"] - one["against"]["score"], abs=1e-12
            )
    refused, _ = asked(capsys, "compare", "synthetic", "good", "good", "--results", tmp_path, kind="error", code=2)
    assert "the same technique twice" in refused["error"]


def test_the_template_of_new_is_the_one_without_json(capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = asked(capsys, "new", "technique", kind="new")
    assert main(["new", "technique"]) == 0
    assert capsys.readouterr().out == found["template"]


def test_a_folder_of_results_is_named_by_its_path_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "elsewhere", World({"baseline": 0.0, "good": 0.1}, datasets=("generator",))).path
    places = ("--results", tmp_path / "results", "--report", tmp_path / "report")
    found, _ = asked(capsys, "report", folder, *places, kind="report")
    assert found["reports"][0]["report"] == str(tmp_path / "report" / "elsewhere" / "index.html")


def test_an_interrupted_run_is_a_document_with_exit_code_3(tmp_path: Path) -> None:
    lasting = [
        {"use": "digits", "name": name, "recipe": {"steps": n}} for name, n in (("quick", 5), ("slow", 2_000_000))
    ]
    file = suite_file(tmp_path, datasets=lasting, techniques=["baseline"])
    # What is started in the background ignores Ctrl-C; a terminal's processes do not.
    listening = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); import bench.cli; "
    command = [sys.executable, "-c", f"{listening}sys.exit(bench.cli.main(sys.argv[1:]))", "run", str(file), "--json"]
    command += ["--workers", "0", "--results", str(tmp_path / "results"), "--report", str(tmp_path / "report")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not list(tmp_path.glob("results/small/records/0*.parquet")):  # libraries are imported, the quick is done
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGINT)
        try:
            written, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 3
    found = parsed(written.decode(), "error")
    assert (found["command"], found["exit_code"]) == ("run", 3)
    assert errors.decode().splitlines()[-1] == found["error"]
    assert "2 datasets x 1 techniques" in errors.decode()


def test_nothing_but_the_document_reaches_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def noisy(_: object) -> Answer:
        sys.stdout.write("a library talks\n")
        return Answer(0, {"kind": "metric", "metric": {}}, "text")

    monkeypatch.setattr("bench.describing.description", noisy)
    assert main(["describe", "focal", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["version"] == output.VERSION
    assert shown.err == "a library talks\n"
