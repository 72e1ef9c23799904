"""Summaries of reports and the indexes made from them."""

import csv
import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli import main
from bench.errors import UsageError
from bench.reporting.index import write_indexes
from bench.reporting.page import write_report
from bench.reporting.summaries import from_json, to_json
from tests.synthetic import World, wide, write

FOUND = World({"baseline": 0.0, "fine": 0.08, "finer": 0.15, "finest": 0.2, "good": 0.05, "bad": -0.15})
NONE = World({"baseline": 0.0, "bad": -0.15, "none": 0.0}, datasets=("generator",))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the results of two suites, one below 'reference', and their reports and indexes."""
    folder = tmp_path_factory.mktemp("made")
    write(folder / "results" / "found", replace(FOUND, datasets=("generator", "errors")))
    write(folder / "results" / "reference" / "none", NONE)
    assert main(["report", *_places(folder)]) == 0
    return folder


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder, to be changed."""
    shutil.copytree(made, tmp_path / "site")
    return tmp_path / "site"


def _places(folder: Path) -> list[str]:
    return ["--results", str(folder / "results"), "--report", str(folder / "report")]


def _text(folder: Path, name: str = "README.md") -> str:
    return (folder / name).read_text(encoding="utf-8")


def test_it_names_at_most_three_that_were_shown_to_be_better_the_largest_gain_first(made: Path) -> None:
    summary = from_json(_text(made / "report" / "found", "summary.json"))
    readme, page = _text(made / "report"), html.unescape(_text(made / "report", "index.html"))
    assert [one.label for one in summary.outcomes] == ["generator", "errors"]
    for one in summary.outcomes:
        with (made / "report" / "found" / f"{one.name}-ranking.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["technique"] != "baseline"]
        better = [row for row in rows if row["verdict"] == "better"]
        better.sort(key=lambda row: -abs(float(row["difference"])))
        assert len(better) == 4
        assert [gain.technique for gain in one.best] == [row["technique"] for row in better[:3]]
        assert dict(one.counts) == {
            word: sum(row["verdict"] == word for row in rows) for word in {row["verdict"] for row in rows}
        }
        for gain, row in zip(one.best, better, strict=False):
            numbers = [float(text) for text in re.findall(r"[-+][\d.]+", gain.difference)]
            expected = [float(row[name]) for name in ("difference", "low95", "high95")]
            assert numbers == pytest.approx(expected, abs=6e-5)
            assert float(gain.cost.removesuffix("x")) == pytest.approx(float(row["cost_ratio"]), abs=6e-3)
            for text in (readme, page):
                assert gain.technique in text
                assert gain.difference in text
                assert f"cost {gain.cost}" in text


def test_a_plain_sentence_stands_where_nothing_was_shown_to_be_better(made: Path) -> None:
    for folder in (made / "report", made / "report" / "reference"):
        for name in ("README.md", "index.html"):
            assert "Nothing was shown to be better than the baseline in macro F1." in _text(folder, name)


def test_every_folder_above_a_report_has_an_index_of_what_is_below_it(made: Path) -> None:
    suites = {}
    for folder in (made / "report", made / "report" / "reference"):
        suites[folder.name] = re.findall(r"^## \[(.*)\]\((.*)/README\.md\)", _text(folder), re.MULTILINE)
        for name, link in suites[folder.name]:
            assert name == link
            assert (folder / link / "README.md").is_file()
        for link in re.findall(r"href='([^']*)'", _text(folder, "index.html")):
            target, _, anchor = link.partition("#")
            assert f"id='{anchor}'" in (page := _text(folder, target)) or not anchor, page[:80]
    assert [name for name, _ in suites["report"]] == ["found", "reference/none"]
    assert [name for name, _ in suites["reference"]] == ["none"]


def test_a_report_of_one_suite_keeps_the_others_and_all_again_gives_the_same_bytes(site: Path) -> None:
    before = {path: path.read_bytes() for path in (site / "report").rglob("*") if path.is_file()}
    for gone in ("index.html", "README.md"):
        (site / "report" / gone).unlink()
    shutil.rmtree(site / "results" / "found")
    assert main(["report", "reference/none", *_places(site)]) == 0
    assert {path: path.read_bytes() for path in (site / "report").rglob("*") if path.is_file()} == before


def test_a_summary_survives_its_file(made: Path) -> None:
    text = _text(made / "report" / "found", "summary.json")
    assert to_json(from_json(text)) == text


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"version": 99}', '{"version": 1, "suite": "x"}', "[" * 9**5]
)
def test_a_damaged_summary_is_named_and_hides_no_other(site: Path, text: str) -> None:
    (site / "report" / "found" / "summary.json").write_text(text, encoding="utf-8")
    assert main(["report", "reference/none", *_places(site)]) == 0
    for name in ("README.md", "index.html"):
        told = _text(site / "report", name)
        assert "The summary of this report cannot be read" in told
        assert "Nothing was shown to be better" in told


def test_a_summary_that_is_no_text_is_named_too(site: Path) -> None:
    (site / "report" / "found" / "summary.json").write_bytes(b"\xff\xfe")
    write_indexes(site / "report", [site / "report" / "found"])
    assert "The summary of this report cannot be read" in _text(site / "report")


def test_text_of_a_suite_cannot_break_the_index(site: Path) -> None:
    path = site / "report" / "found" / "summary.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    nasty = "<script>alert('$x')</script>|[x](y)"
    held["question"] = nasty
    for one in held["outcomes"]:
        one |= {"label": nasty, "metric": nasty, "finding": nasty}
        one["best"] = [{"technique": nasty, "difference": nasty, "cost": nasty}]
    path.write_text(json.dumps(held), encoding="utf-8")
    write_indexes(site / "report", [path.parent])
    page = _text(site / "report", "index.html")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    lines = [line for line in _text(site / "report").splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {5}


def test_the_readme_of_something_else_is_left_alone(site: Path) -> None:
    (site / "report" / "README.md").write_text("# A project\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"not an index of reports and is left alone; choose another .* --report"):
        write_indexes(site / "report", [site / "report" / "found"])
    before = (site / "report" / "found" / "index.html").stat().st_mtime_ns
    assert main(["report", "found", *_places(site)]) == 2
    assert (site / "report" / "found" / "index.html").stat().st_mtime_ns == before
    assert _text(site / "report") == "# A project\n"


def test_an_index_of_many_suites_stays_small(tmp_path: Path) -> None:
    store = write(tmp_path / "results", replace(wide(repeats=2, folds=1), datasets=("generator",)))
    page = write_report(store.path, tmp_path / "report" / "suite0").page
    for place in range(1, 40):
        shutil.copytree(page.parent, tmp_path / "report" / f"suite{place}")
    index = write_indexes(tmp_path / "report", [page.parent])
    assert index.read_text(encoding="utf-8").count("class='card'") == 40
    assert index.stat().st_size < 300_000
