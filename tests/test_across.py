"""Gains over datasets: variants of one count once, errors are fractions, and nothing is tested."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from bench.reporting import Analysis, analyse, csvs, tables
from bench.reporting.across import across, source
from bench.reporting.standing import DatasetAnalysis
from tests.synthetic import World, write

EFFECTS = {"baseline": 0.0, "good": 0.12, "bad": -0.12, "small": 0.0}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    world = World(EFFECTS, statuses={("folds", "small", 0, 0): "diverged"}, not_applicable=(("errors", "small"),))
    return analyse(write(tmp_path_factory.mktemp("across"), world))


def _as_variants(analysis: Analysis, labels: tuple[str, ...]) -> Analysis:
    """Return the analysis with some datasets as variants of one."""

    def renamed(one: DatasetAnalysis) -> DatasetAnalysis:
        return replace(one, facts={**one.facts, "name": "one source"}) if one.label in labels else one

    return replace(analysis, datasets=tuple(map(renamed, analysis.datasets)))


def test_gains_are_positive_where_better_and_errors_are_fractions_of_the_baselines(analysis: Analysis) -> None:
    by_name = {one.technique: one for one in across(analysis)}
    assert list(by_name) == ["good", "bad", "small"]
    for dataset, gain in zip(analysis.datasets, by_name["good"].gains, strict=True):
        scores = {one.technique: one.score for one in dataset.standings}
        change = scores["good"] - scores["baseline"]
        assert gain == pytest.approx(change if dataset.higher else -change / scores["baseline"])
        assert gain > 0
    assert max(by_name["bad"].gains) < 0


def test_below_full_coverage_there_is_no_gain_and_the_mean_says_over_how_many_it_is(analysis: Analysis) -> None:
    small = next(one for one in across(analysis) if one.technique == "small")
    assert np.isnan(small.gains).tolist() == [False, False, True, True]
    assert small.averaged == 2
    assert small.mean == pytest.approx(np.mean(small.gains[:2]))


def test_variants_of_one_dataset_are_averaged_first_and_count_once(analysis: Analysis) -> None:
    plain, grouped = (across(one)[0] for one in (analysis, _as_variants(analysis, ("generator", "fixed-test"))))
    assert (plain.averaged, grouped.averaged) == (4, 3)
    first, second, *others = plain.gains
    assert plain.mean == pytest.approx(np.mean(plain.gains))
    assert grouped.mean == pytest.approx(np.mean([(first + second) / 2, *others]))
    assert (plain.counts["better"], grouped.counts["better"]) == (4, 3)


def test_a_word_counts_only_where_all_variants_of_a_dataset_agree(analysis: Analysis) -> None:
    first, *others = analysis.datasets
    turned = replace(
        first,
        standings=tuple(
            replace(one, verdict=replace(one.verdict, word="worse")) if one.technique == "good" and one.verdict else one
            for one in first.standings
        ),
    )
    apart = replace(analysis, datasets=(turned, *others))
    counts = [dict(across(one)[0].counts) for one in (apart, _as_variants(apart, ("generator", "fixed-test")))]
    assert counts[0] == {"better": 3, "equivalent": 0, "worse": 1}
    assert counts[1] == {"better": 2, "equivalent": 0, "worse": 0}
    heading, line, *_ = tables.verdict_matrix(_as_variants(apart, ("generator", "fixed-test")))
    assert dict(zip(heading, line, strict=True)) | {"better": "2", "worse": "0", "generator": "worse"} == dict(
        zip(heading, line, strict=True)
    )


def test_two_tables_of_a_users_own_are_no_variants_of_one_but_two_uses_of_a_file_are() -> None:
    def own(path: str, **more: str) -> dict[str, object]:
        return {"name": "table", "parameters": {"files": {"path": path, **more}}}

    assert source(own("abc")) != source(own("def"))
    assert source(own("abc")) == source(own("abc", test_path="ghi"))
    assert source({"name": "digits", "parameters": {"imbalance": 5}}) == source({"name": "digits", "parameters": {}})


def test_the_table_and_its_csv_say_the_same(analysis: Analysis) -> None:
    heading, *lines = tables.across_datasets(analysis)
    assert heading == ["technique", "generator", "fixed-test", "folds", "errors (share of error)",
                       "mean of these datasets", "datasets"]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(csvs.datasets_csv(analysis))))
    for line, row in zip(lines, rows, strict=True):
        assert line[0] == row["technique"]
        for shown, number in zip(line[1:6], list(row.values())[1:6], strict=True):
            assert (shown == "-") == (number == "")
            assert shown == "-" or float(shown) == pytest.approx(float(number), abs=6e-5)


def test_nothing_is_tested_across_datasets(analysis: Analysis) -> None:
    headings = {*tables.across_datasets(analysis)[0], *csvs.datasets_csv(analysis).splitlines()[0].split(",")}
    assert not any(word in heading for heading in headings for word in ("p_", "wilcoxon", "significant", "[95 %]"))
