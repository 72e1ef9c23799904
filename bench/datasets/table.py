"""table: a user's own CSV or Parquet file."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.datasets.base import Column, Data, Dataset, Task
from bench.datasets.columns import (
    as_codes,
    as_days,
    as_moments,
    as_numbers,
    as_words,
    check_complete,
    check_numbers,
    check_present,
    fingerprint,
    is_number,
    levels,
    read,
)
from bench.keys import canonical
from bench.stages.base import require

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MOST_CLASSES = 255
_FEW = 20  # a numeric target of whole numbers with at most this many values is a class


@dataclass(frozen=True)
class Table(Dataset):
    """Rows of a file. The folds are the test sets, unless ``test_path`` brings test rows.

    path         CSV (.csv, .csv.gz) or Parquet
    target       column to predict; without missing values
    task_name    classification, regression or auto (words, or at most 20 whole numbers, are classes)
    numeric, categorical  what a column is, where it is not as inferred: numbers are numeric, all else is categorical
    drop         columns to leave out
    group, time  column whose values are never split, or that folds are contiguous blocks of (days, or ISO dates)
    test_path    file of test rows with the same columns
    """

    name: ClassVar[str] = "table"
    revision: ClassVar[int] = 2
    summary: ClassVar[str] = "a CSV or Parquet file of your own"
    source: ClassVar[str] = "the file"
    kind = "table"
    repeats = "fixed"

    path: str
    target: str
    task_name: str = "auto"
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    group: str = ""
    time: str = ""
    test_path: str = ""

    def __post_init__(self) -> None:
        """Read the files and check every column; raise ValueError in one sentence for what is wrong."""
        tasks = ("auto", "classification", "regression")
        require(self.task_name in tasks, f"task_name must be one of {', '.join(tasks)}, got '{self.task_name}'")
        require(not (self.group and self.time), "give group or time, not both")
        frame = read(self.path)
        self._check_names(frame)
        self._check_target(frame[self.target])
        inputs = self._inputs(frame)
        require(len(inputs) > 0, f"'{self.path}' has no input columns beside the target and those named under drop")
        for column in inputs:
            require(frame[column].nunique(dropna=False) > 1, f"column '{column}' is constant; name it under drop")
        self._check_values(self.path, frame)
        if self.test_path:
            self._check_tests(read(self.test_path), frame)

    def _check_names(self, frame: "pd.DataFrame") -> None:
        """Refuse columns that the file has not, or that are named for two things."""
        for what in ("target", "group", "time"):
            if getattr(self, what):
                check_present(self.path, frame, getattr(self, what), what)
        taken = {self.target: "is the target"}
        for what, column in (("group", self.group), ("time", self.time)):
            require(column not in taken, f"column '{column}' is the target and cannot be the {what} too")
            taken |= {column: f"is the {what}"} if column else {}
        for what in ("numeric", "categorical", "drop"):
            for column in getattr(self, what):
                check_present(self.path, frame, column, what)
                use = taken.setdefault(column, f"is named under {what}")
                require(
                    use == f"is named under {what}", f"column '{column}' {use} and cannot be named under {what} too"
                )

    def _check_target(self, target: "pd.Series") -> None:
        """Refuse a target with missing values, too few or too many classes, or words for a regression."""
        check_complete(self.path, target.to_frame(), self.target, "target")
        if self.task == "regression":
            require(is_number(target), f"target column '{self.target}' must hold numbers for a regression, not words")
            return
        counts = target.value_counts()
        require(2 <= len(counts) <= MOST_CLASSES, f"target '{self.target}' has {len(counts)} classes, not 2 to 255")
        rarest = counts.idxmin()
        require(int(counts.min()) >= 2, f"class '{rarest}' of '{self.target}' has 1 row; every class needs 2")

    def _check_values(self, path: str, frame: "pd.DataFrame") -> None:
        """Refuse words in numeric columns, infinite numbers, and rows without a group or a time."""
        numeric = [column for column in self._inputs(frame) if self._is_numeric(column)]
        for column in (*numeric, *([self.target] if self.task == "regression" else [])):
            check_numbers(path, frame, column)
        for what, column in (("group", self.group), ("time", self.time)):
            if column and column in frame.columns:
                check_complete(path, frame, column, what)
        if self.time:
            as_moments(path, frame, self.time)

    def _check_tests(self, tests: "pd.DataFrame", frame: "pd.DataFrame") -> None:
        """Refuse a test file that the table cannot be tested on."""
        for column in (self.target, *self._inputs(frame), *([self.time] if self.time else [])):
            check_present(self.test_path, tests, column, "test_path")
        check_complete(self.test_path, tests, self.target, "target")
        self._check_values(self.test_path, tests[[*self._inputs(frame), self.target, *([self.time] * bool(self.time))]])
        if self.time:
            same = is_number(tests[self.time]) == is_number(frame[self.time])
            require(same, f"time column '{self.time}' holds dates in one of the two files and numbers in the other")
        if self.task == "classification":
            unseen = sorted(set(as_words(tests[self.target])) - set(self.classes()))
            require(not unseen, f"'{self.test_path}' has classes that '{self.path}' has not: {', '.join(unseen)}")

    @property
    def task(self) -> Task:
        """Return what is given, or what the target looks like."""
        if self.task_name == "classification" or self.task_name == "regression":
            return self.task_name
        target = read(self.path)[self.target]
        whole = is_number(target) and bool((target == target.round()).all()) and target.nunique() <= _FEW
        return "classification" if whole or not is_number(target) else "regression"

    @property
    def metric(self) -> str:
        """Return macro F1, or RMSE for a regression."""
        return "rmse" if self.task == "regression" else "macro_f1"

    @property
    def mixed(self) -> bool:
        """Return whether some input columns are categories and some are numbers."""
        return len({self._is_numeric(column) for column in self._inputs(read(self.path))}) == 2

    @property
    def has_test(self) -> bool:
        """Return whether a test file is given."""
        return bool(self.test_path)

    @property
    def division(self) -> Literal["stratified", "group", "time"]:
        """Return how folds are cut."""
        return "group" if self.group else "time" if self.time else "stratified"

    def classes(self) -> tuple[str, ...]:
        """Return the target's values, sorted; empty for a regression."""
        if self.task == "regression":
            return ()
        target = read(self.path)[self.target]
        return tuple(as_words(target.drop_duplicates().sort_values()))

    def class_counts(self) -> tuple[int, ...] | None:
        """Return the rows of each class, or None for a regression."""
        if self.task == "regression":
            return None
        counts = as_words(read(self.path)[self.target]).value_counts()
        return tuple(int(counts[name]) for name in self.classes())

    def blocks(self) -> int | None:
        """Return the number of groups, or of distinct moments; None where rows stand alone."""
        frame = read(self.path)
        if self.group:
            return int(as_words(frame[self.group]).nunique())
        return int(as_moments(self.path, frame, self.time).nunique()) if self.time else None

    def identity(self) -> dict[str, object]:
        """Return the fingerprints of the files and the parameters; the paths are not part of it."""
        parameters = {f.name: canonical(getattr(self, f.name)) for f in dataclasses.fields(self)}
        files = {name: fingerprint(str(parameters.pop(name))) for name in ("path", "test_path") if parameters[name]}
        parameters.pop("test_path", None)
        return {"name": self.name, "revision": self.revision, "files": files, **parameters}

    def _inputs(self, frame: "pd.DataFrame") -> list[str]:
        """Return the input columns: all but target, group, time and dropped ones."""
        apart = {self.target, self.group, self.time, *self.drop}
        return [column for column in frame.columns if column not in apart]

    def _is_numeric(self, column: str) -> bool:
        """Return whether an input column is a number: as declared, else as the table (not the test file) has it."""
        return column in self.numeric or (column not in self.categorical and is_number(read(self.path)[column]))

    def make(self, seed: int, repeat: int) -> Data:
        """Return the files' rows: the same in every repeat."""
        import numpy as np

        frame = read(self.path)
        codes = {name: {} if self._is_numeric(name) else levels(frame[name]) for name in self._inputs(frame)}
        groups = (
            None if not self.group else np.unique(as_words(frame[self.group]).to_numpy(str), return_inverse=True)[1]
        )
        data = Data(
            inputs=_matrix(frame, codes),
            targets=self._targets(frame),
            groups=groups,
            time=self._days(self.path) if self.time else None,
            columns=tuple(Column(name, len(words)) for name, words in codes.items()),
        )
        if not self.test_path:
            return data
        tests = read(self.test_path)
        return dataclasses.replace(
            data,
            test_inputs=_matrix(tests, codes),
            test_targets=self._targets(tests),
            test_time=self._days(self.test_path) if self.time else None,
        )

    def _days(self, path: str) -> "np.ndarray":
        since = as_moments(self.path, read(self.path), self.time)
        return as_days(as_moments(path, read(path), self.time), since)

    def _targets(self, frame: "pd.DataFrame") -> "np.ndarray":
        import numpy as np

        if self.task == "regression":
            return as_numbers(frame[self.target])[:, None]
        codes = {name: code for code, name in enumerate(self.classes())}
        return as_words(frame[self.target]).map(codes).to_numpy(dtype=np.int64)


def _matrix(frame: "pd.DataFrame", codes: dict[str, dict[str, int]]) -> "np.ndarray":
    """Return input columns as float32 [N, F]: numbers where a column has no codes, else codes."""
    import numpy as np

    return np.stack(
        [as_codes(frame[name], of) if of else as_numbers(frame[name]) for name, of in codes.items()], axis=1
    )
