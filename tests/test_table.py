"""A user's own table: what is inferred, what is refused, and that its arrays say what the file says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.datasets import create
from bench.errors import UsageError
from bench.splits import check_folds


def frame(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "amount": rng.normal(size=rows),
            "city": rng.choice(["Bern", "Rome", "Oslo"], rows),
            "who": rng.integers(0, 20, rows),
            "when": pd.date_range("2026-01-01", periods=rows).astype(str),
            "label": rng.choice(["no", "yes"], rows, p=[0.7, 0.3]),
            "price": rng.normal(100, 20, rows),
        }
    )


def saved(folder: Path, table: pd.DataFrame, name: str = "t.csv") -> str:
    path = folder / name
    table.to_parquet(path) if name.endswith("parquet") else table.to_csv(path, index=False)
    return str(path)


def test_csv_and_parquet_give_the_same_arrays(tmp_path: Path) -> None:
    drop = {"target": "label", "drop": ("when",)}
    one = create("table", {"path": saved(tmp_path, frame()), **drop}).make(0, 0)
    other = create("table", {"path": saved(tmp_path, frame(), "t.parquet"), **drop}).make(0, 0)
    np.testing.assert_allclose(one.inputs, other.inputs, rtol=1e-6)
    assert [(column.name, column.levels) for column in one.columns] == [
        ("amount", 0),
        ("city", 3),
        ("who", 0),
        ("price", 0),
    ]
    assert sorted(np.unique(one.inputs[:, 1])) == [0, 1, 2]


def test_tasks_divisions_and_classes_follow_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path, frame())
    words = create("table", {"path": path, "target": "label", "drop": ("when",), "group": "who"})
    assert (words.task, words.metric, words.division, words.has_test) == ("classification", "macro_f1", "group", False)
    assert words.classes() == ("no", "yes")
    assert words.class_counts() == tuple(frame()["label"].value_counts().sort_index())
    numbers = create("table", {"path": path, "target": "price", "time": "when"})
    assert (numbers.task, numbers.metric, numbers.division) == ("regression", "rmse", "time")
    days = numbers.make(0, 0).time
    assert days is not None
    np.testing.assert_allclose(days, np.arange(60))


def test_folds_never_cut_what_a_table_holds_together(tmp_path: Path) -> None:
    path = saved(tmp_path, frame().assign(who=np.arange(60) % 4, when=np.arange(60) % 7))
    label = {"path": path, "target": "label"}
    assert create("table", label).blocks() is None
    assert create("table", {**label, "group": "who"}).blocks() == 4
    assert create("table", {**label, "time": "when"}).blocks() == 7
    with pytest.raises(UsageError, match="5 folds are more than whole groups allow: table has 4 groups"):
        check_folds(create("table", {**label, "group": "who"}), 5)
    with pytest.raises(UsageError, match="8 folds are more than whole moments allow: table has 7 moments"):
        check_folds(create("table", {**label, "time": "when"}), 8)


def test_an_unseen_category_of_the_test_file_has_no_code_and_a_test_file_is_the_test_set(tmp_path: Path) -> None:
    tests = frame(20)
    tests.loc[0, "city"] = "Lima"
    path, test_path = saved(tmp_path, frame()), saved(tmp_path, tests, "test.csv")
    dataset = create("table", {"path": path, "test_path": test_path, "target": "label", "drop": ("when",)})
    data = dataset.make(0, 0)
    assert dataset.has_test
    assert data.test_inputs is not None
    assert data.test_inputs[0, 1] == -1


def test_the_key_of_a_table_is_its_bytes_not_its_path(tmp_path: Path) -> None:
    one = create("table", {"path": saved(tmp_path, frame()), "target": "label"}).identity()
    moved = create("table", {"path": saved(tmp_path, frame(), "moved.csv"), "target": "label"}).identity()
    changed = create("table", {"path": saved(tmp_path, frame(61), "more.csv"), "target": "label"}).identity()
    assert one == moved
    assert one != changed


def test_what_is_declared_overrides_what_is_inferred_and_leaves_the_other_columns(tmp_path: Path) -> None:
    path = saved(tmp_path, frame())
    data = create("table", {"path": path, "target": "label", "categorical": ["who"], "drop": "when"}).make(0, 0)
    levels = {column.name: column.levels for column in data.columns}
    assert levels == {"amount": 0, "city": 3, "who": frame()["who"].nunique(), "price": 0}


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_missing_numbers_are_nan_and_missing_categories_have_a_code_of_their_own(tmp_path: Path, name: str) -> None:
    table = frame()
    table.loc[:4, "city"] = None
    table.loc[7, "amount"] = np.nan
    data = create("table", {"path": saved(tmp_path, table, name), "target": "label", "drop": "when"}).make(0, 0)
    assert np.flatnonzero(np.isnan(data.inputs[:, 0])).tolist() == [7]
    assert data.columns[1].levels == 4
    names = ["Bern", "Oslo", "Rome", None]
    assert [names[int(code)] for code in data.inputs[:, 1]] == [*[None] * 5, *table["city"][5:]]


def test_a_number_used_as_category_is_the_same_in_a_test_file_with_missing_values(tmp_path: Path) -> None:
    tests = frame()
    tests["who"] = tests["who"].astype(float)
    tests.loc[0, "who"] = np.nan
    parameters = {"target": "label", "categorical": "who", "drop": "when"}
    files = {"path": saved(tmp_path, frame()), "test_path": saved(tmp_path, tests, "test.csv")}
    data = create("table", {**parameters, **files}).make(0, 0)
    assert data.test_inputs is not None
    assert data.test_inputs[0, 2] == -1
    np.testing.assert_array_equal(data.test_inputs[1:, 2], data.inputs[1:, 2])


@pytest.mark.parametrize("kind", [int, float, bool, "category"])
def test_classes_counts_and_codes_agree_whatever_the_target_is_stored_as(tmp_path: Path, kind: type | str) -> None:
    table = frame()
    table["label"] = (table["label"] == "yes").astype(int)
    table["label"] = table["label"].map({0: "b", 1: "a"}).astype(kind) if kind == "category" else table["label"] == 1
    table["label"] = table["label"] if kind in (bool, "category") else table["label"].astype(kind)
    dataset = create("table", {"path": saved(tmp_path, table, "t.parquet"), "target": "label", "drop": "when"})
    targets = dataset.make(0, 0).targets
    names = {"category": ("a", "b"), bool: ("False", "True")}.get(kind, ("0", "1"))
    assert dataset.classes() == names
    assert dataset.class_counts() == tuple(np.bincount(targets))
    yes = frame()["label"] == "yes"
    np.testing.assert_array_equal(targets, ~yes if kind == "category" else yes)


def test_test_rows_are_dated_from_the_first_day_of_the_table(tmp_path: Path) -> None:
    tests = frame(5).assign(when=pd.date_range("2026-03-02", periods=5).astype(str))
    files = {"path": saved(tmp_path, frame()), "test_path": saved(tmp_path, tests, "test.csv")}
    data = create("table", {**files, "target": "label", "time": "when"}).make(0, 0)
    assert data.test_time is not None
    np.testing.assert_allclose(data.test_time, 60 + np.arange(5))


@pytest.mark.parametrize(
    ("change", "parameters", "sentence"),
    [
        ({}, {"target": "lable"}, "did you mean 'label'"),
        ({}, {"target": "label", "numeric": ("amont",)}, "did you mean 'amount'"),
        ({}, {"target": "label", "group": "whom"}, "did you mean 'who'"),
        ({}, {"target": "label", "task_name": "regression"}, "must hold numbers for a regression"),
        ({}, {"target": "label", "numeric": ("label",)}, "is the target and cannot be named under numeric"),
        ({}, {"target": "label", "group": "who", "time": "when"}, "give group or time, not both"),
        ({}, {"target": "label", "group": "label"}, "column 'label' is the target and cannot be the group too"),
        (
            {},
            {"target": "label", "numeric": "who", "drop": "who"},
            "is named under numeric and cannot be named under drop",
        ),
        ({}, {"target": "label", "group": "who", "numeric": "who"}, "is the group and cannot be named under numeric"),
        ({}, {"target": "label", "numeric": ("city",)}, "must hold numbers, not words; name it under categorical"),
        ({}, {"target": "label", "time": "city"}, "must hold numbers of days, or dates as in 2026-01-31"),
        ({}, {"target": "label", "drop": ("amount", "city", "who", "when", "price")}, "has no input columns"),
        ({"who": [np.nan, *range(59)]}, {"target": "label", "group": "who"}, "group column 'who' of"),
        ({"when": [None, *["2026-01-01"] * 59]}, {"target": "label", "time": "when"}, "has 1 missing values"),
        ({"amount": [np.inf, *range(59)]}, {"target": "label"}, "has 1 values that are infinite"),
        ({"when": [np.inf, *range(59)]}, {"target": "label", "time": "when"}, "time column 'when' of"),
        ({"price": [np.inf, *range(59)]}, {"target": "price"}, "has 1 values that are infinite"),
        ({"label": "no"}, {"target": "label"}, "has 1 classes, not 2 to 255"),
        ({"amount": 1.0}, {"target": "label"}, "column 'amount' is constant"),
        ({"label": ["no"] * 59 + ["yes"]}, {"target": "label"}, "class 'yes' of 'label' has 1 row"),
        ({"label": [None] * 2 + ["yes", "no"] * 29}, {"target": "label"}, "has 2 missing values"),
    ],
)
def test_tables_that_cannot_work_are_refused(tmp_path: Path, change: dict, parameters: dict, sentence: str) -> None:
    path = saved(tmp_path, frame().assign(**change))
    with pytest.raises(UsageError) as caught:
        create("table", {"path": path, **parameters})
    assert sentence in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UsageError, match=r"no such file: 'nowhere.csv'"):
        create("table", {"path": "nowhere.csv", "target": "label"})


@pytest.mark.parametrize(
    ("change", "parameters", "sentence"),
    [
        ({"label": ["maybe", *["no"] * 9]}, {}, "has classes that"),
        ({"label": [None, *["no"] * 9]}, {}, "target column 'label' of"),
        ({"amount": "much"}, {}, "column 'amount' of"),
        ({"label": "yes", "price": "dear"}, {"target": "price"}, "column 'price' of"),
        ({"when": 3}, {"time": "when"}, "holds dates in one of the two files and numbers in the other"),
        ({"city": None}, {}, None),
    ],
)
def test_a_test_file_is_checked_before_anything_trains(
    tmp_path: Path, change: dict, parameters: dict, sentence: str | None
) -> None:
    tests = frame(10).assign(**change)
    files = {"path": saved(tmp_path, frame()), "test_path": saved(tmp_path, tests, "test.csv")}
    if sentence is None:
        data = create("table", {**files, "target": "label"}).make(0, 0)
        assert data.test_inputs is not None
        assert (data.test_inputs[:, 1] == -1).all(), "the table has no missing city, so that has no code"
        return
    with pytest.raises(UsageError) as caught:
        create("table", {**files, "target": "label", **parameters})
    assert sentence in str(caught.value)


def test_a_test_file_without_a_column_is_refused(tmp_path: Path) -> None:
    files = {"path": saved(tmp_path, frame()), "test_path": saved(tmp_path, frame().drop(columns="city"), "test.csv")}
    with pytest.raises(UsageError, match=r"test_path: .* has no column 'city'"):
        create("table", {**files, "target": "label"})


@pytest.mark.parametrize("name", ["empty.csv", "broken.parquet"])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=f"{name}' cannot be read as a table"):
        create("table", {"path": str(tmp_path / name), "target": "label"})


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_column_named_twice_and_nul_bytes_are_refused(tmp_path: Path, name: str) -> None:
    twice = frame().rename(columns={"price": "who"})
    with pytest.raises(UsageError, match="its header names the column 'who' twice; rename one of them"):
        create("table", {"path": saved(tmp_path, twice, name), "target": "label"})
    nul = frame().replace({"city": {"Rome": "Ro\0me"}})
    with pytest.raises(UsageError, match="cannot be read as a table: it holds NUL bytes"):
        create("table", {"path": saved(tmp_path, nul, name), "target": "label"})
    fine = frame().rename(columns={"price": "who.1", "amount": ""})
    dataset = create("table", {"path": saved(tmp_path, fine, name), "target": "label", "drop": "when"})
    assert [column.name for column in dataset.make(0, 0).columns] == ["Unnamed: 0", "city", "who", "who.1"]


def test_a_packed_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, frame(), "t.csv.gz"))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UsageError, match=r"t.csv.gz' cannot be read as a table"):
        create("table", {"path": str(path), "target": "label"})


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    parameters = {"path": saved(tmp_path, frame()), "target": "label"}
    assert sum(create("table", parameters).class_counts() or ()) == 60
    saved(tmp_path, frame(80))
    assert sum(create("table", parameters).class_counts() or ()) == 80


def test_a_path_that_no_file_can_have_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"cannot be read: File name too long$"):
        create("table", {"path": "x" * 5000, "target": "label"})
