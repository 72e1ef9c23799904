"""table: a user's own CSV or Parquet file."""

import dataclasses
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bench.datasets.base import Column, Data, Dataset, Task
from bench.errors import nearest
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
    task         classification, regression or auto (words, or at most 20 whole numbers, are classes)
    numeric, categorical  columns; by default numbers are numeric and everything else is categorical
    drop         columns to leave out
    group, time  column whose values are never split, or that folds are contiguous blocks of (days, or dates)
    """

    name: ClassVar[str] = "table"
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
        """Read the file and check every column; raise ValueError in one sentence for what is wrong."""
        tasks = ("auto", "classification", "regression")
        require(self.task_name in tasks, f"task_name must be one of {', '.join(tasks)}, got '{self.task_name}'")
        require(not (self.group and self.time), "give group or time, not both")
        frame = _read(self.path)
        for what in ("target", "group", "time"):
            if getattr(self, what):
                _check_column(self.path, frame, getattr(self, what), what)
        for what in ("numeric", "categorical", "drop"):
            for column in getattr(self, what):
                _check_column(self.path, frame, column, what)
                special = {self.target: "target", self.group: "group", self.time: "time"}.get(column)
                require(special is None, f"column '{column}' is the {special} and cannot be named under {what} too")
        target = frame[self.target]
        missing = int(target.isna().sum())
        require(missing == 0, f"target column '{self.target}' has {missing} missing values; drop or fill those rows")
        if self.task == "classification":
            counts = target.value_counts()
            require(2 <= len(counts) <= MOST_CLASSES, f"target '{self.target}' has {len(counts)} classes, not 2 to 255")
            require(
                int(counts.min()) >= 2, f"class '{counts.idxmin()}' of '{self.target}' has 1 row; every class needs 2"
            )
        else:
            require(_is_number(target), f"target column '{self.target}' must hold numbers for a regression, not words")
        for column in self._inputs(frame):
            require(frame[column].nunique(dropna=False) > 1, f"column '{column}' is constant; name it under drop")
        if self.test_path:
            tests = _read(self.test_path)
            for column in (self.target, *self._inputs(frame)):
                _check_column(self.test_path, tests, column, "input")

    @property
    def task(self) -> Task:
        """Return what is given, or what the target looks like."""
        if self.task_name == "classification" or self.task_name == "regression":
            return self.task_name
        target = _read(self.path)[self.target]
        whole = _is_number(target) and bool((target == target.round()).all()) and target.nunique() <= _FEW
        return "classification" if whole or not _is_number(target) else "regression"

    @property
    def metric(self) -> str:
        """Return macro F1, or RMSE for a regression."""
        return "rmse" if self.task == "regression" else "macro_f1"

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
        return tuple(str(value) for value in sorted(_read(self.path)[self.target].unique()))

    def class_counts(self) -> tuple[int, ...] | None:
        """Return the rows of each class, or None for a regression."""
        if self.task == "regression":
            return None
        return tuple(int(count) for count in _read(self.path)[self.target].value_counts().sort_index())

    def identity(self) -> dict[str, object]:
        """Return the fingerprints of the files and the parameters; the paths are not part of it."""
        parameters = {f.name: canonical(getattr(self, f.name)) for f in dataclasses.fields(self)}
        files = {name: _fingerprint(str(parameters.pop(name))) for name in ("path", "test_path") if parameters[name]}
        parameters.pop("test_path", None)
        return {"name": self.name, "revision": self.revision, "files": files, **parameters}

    def _inputs(self, frame: "pd.DataFrame") -> list[str]:
        """Return the input columns: those named, else all but target, group, time and dropped ones."""
        if self.numeric or self.categorical:
            return [*self.numeric, *self.categorical]
        special = {self.target, self.group, self.time, *self.drop}
        return [column for column in frame.columns if column not in special]

    def make(self, seed: int, repeat: int) -> Data:
        """Return the file's rows: the same in every repeat."""
        import numpy as np

        frame = _read(self.path)
        tests = _read(self.test_path) if self.test_path else None
        columns, arrays, test_arrays = [], [], []
        for name in self._inputs(frame):
            numeric = name in self.numeric or (name not in self.categorical and _is_number(frame[name]))
            levels = None if numeric else {value: code for code, value in enumerate(_levels(frame[name]))}
            columns.append(Column(name, 0 if levels is None else len(levels)))
            arrays.append(_codes(frame[name], levels))
            test_arrays += [] if tests is None else [_codes(tests[name], levels)]
        groups = None if not self.group else np.unique(frame[self.group].astype(str), return_inverse=True)[1]
        return Data(
            inputs=np.stack(arrays, axis=1),
            targets=self._targets(frame),
            test_inputs=None if tests is None else np.stack(test_arrays, axis=1),
            test_targets=None if tests is None else self._targets(tests),
            groups=groups,
            time=_days(frame[self.time]) if self.time else None,
            columns=tuple(columns),
        )

    def _targets(self, frame: "pd.DataFrame") -> "np.ndarray":
        import numpy as np

        values = frame[self.target]
        if self.task == "regression":
            return values.to_numpy(dtype=np.float32)[:, None]
        codes = {value: code for code, value in enumerate(sorted(_read(self.path)[self.target].unique()))}
        unseen = set(values.unique()) - set(codes)
        if unseen:
            raise ValueError(f"the test file has classes that the table has not: {', '.join(map(str, unseen))}")
        return values.map(codes).to_numpy(dtype=np.int64)


def _read(path: str) -> "pd.DataFrame":
    """Return the rows of a file; read again only when it has changed."""
    file = Path(path)
    require(file.is_file(), f"no such file: '{path}' (paths are relative to where the command runs)")
    facts = file.stat()
    return _read_cached(path, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=8)
def _read_cached(path: str, _changed: int, _size: int) -> "pd.DataFrame":
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.endswith((".parquet", ".pq")) else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"'{path}' cannot be read as a table: {' '.join(str(error).split())}") from error
    require(len(frame) > 0, f"'{path}' has no rows")
    return frame


def _fingerprint(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:32]


def _check_column(path: str, frame: "pd.DataFrame", column: str, what: str) -> None:
    names = [str(name) for name in frame.columns]
    require(
        column in names,
        f"{what}: '{path}' has no column '{column}'{nearest(column, names)} Columns: {', '.join(names)}",
    )


def _is_number(values: "pd.Series[Any]") -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(values)) and not is_bool_dtype(values)


def _levels(values: "pd.Series[Any]") -> list[str]:
    """Return the categories of a column in order; missing values are one of them."""
    return sorted(values.astype(str).unique())


def _codes(values: "pd.Series[Any]", levels: dict[str, int] | None) -> "np.ndarray":
    """Return a column as float32: numbers as they are, categories as codes, -1 for an unseen category."""
    import numpy as np

    if levels is None:
        return values.to_numpy(dtype=np.float32, na_value=np.nan)
    return values.astype(str).map(levels).fillna(-1).to_numpy(dtype=np.float32)


def _days(values: "pd.Series[Any]") -> "np.ndarray":
    """Return a time column in days: numbers as they are, dates since the earliest."""
    import numpy as np
    import pandas as pd

    if _is_number(values):
        return values.to_numpy(dtype=np.float64)
    moments = pd.to_datetime(values)
    return ((moments - moments.min()) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
