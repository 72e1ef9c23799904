"""tools/make_reference.py: a run becomes the reference without a change in what a report says of it."""

import dataclasses
from pathlib import Path

from bench import execution, runner
from bench.reporting.page import write_report
from bench.store import Store
from tests import test_searches
from tests.synthetic import wide, write
from tools.make_reference import gather


def test_gathered_results_give_the_same_report_from_a_part_per_dataset(tmp_path: Path) -> None:
    world = dataclasses.replace(wide(repeats=5), datasets=("generator", "errors"))
    run = write(tmp_path / "run", world)
    rows = run.runs().query("technique == 'baseline' and dataset == 'generator'").to_dict("records")
    run.write("999999-again", [row | {"cpu_seconds": 2.5} for row in rows], [], [], [], {})  # the latest counts
    gather(run.path, tmp_path / "reference")
    reference = Store(tmp_path / "reference")
    assert {tier: len(list((reference.path / tier).iterdir())) for tier in ("records", "scores", "labels")} == {
        "records": 2, "scores": 2, "labels": 2,
    }  # fmt: skip
    before, after = (
        write_report(store.path, tmp_path / "report" / store.path.name).page.parent for store in (run, reference)
    )
    assert {file.name: file.read_bytes() for file in before.iterdir()} == {
        file.name: file.read_bytes() for file in after.iterdir()
    }


def test_search_trials_go_along(tmp_path: Path) -> None:
    run = Store(tmp_path / "run")
    runner.run(test_searches.plan_of(tmp_path), run, execution.inline, test_searches.Sums())
    gather(run.path, tmp_path / "reference")
    reference = Store(tmp_path / "reference")
    assert len(list((reference.searches.path / "records").iterdir())) == 1
    pages = [write_report(one.path, tmp_path / "report" / one.path.name).page for one in (run, reference)]
    for name in ("searches.csv", "search-curves.csv"):  # costs may come from probes, which stay behind
        assert (pages[0].parent / name).read_bytes() == (pages[1].parent / name).read_bytes()
    assert "<section id='searches'>" in pages[0].read_text(encoding="utf-8")
