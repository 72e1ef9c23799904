"""Columns of a user's table as arrays: numbers, codes of categories, days."""

import functools
import gzip
import hashlib
import numbers
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import nearest
from bench.stages.base import require

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LARGEST = 3e38  # the inputs are float32
_BLOCK = 2**20  # bytes read at a time
_PACKED = (".bz2", ".tar", ".xz", ".zip", ".zst")  # forms that pandas unpacks, in which NUL bytes mean nothing
_MISSING = "\0missing"  # the category of missing values; no file holds this word


def read(path: str) -> "pd.DataFrame":
    """Return the rows of a CSV or Parquet file; read again only when it has changed.

    Raises ValueError for a file that is missing, empty or not a table.
    """
    file = Path(path)
    try:
        require(file.is_file(), f"no such file: '{path}' (paths are relative to where the command runs)")
        facts = file.stat()
    except OSError as error:  # a name that is too long, or a folder that may not be entered
        raise ValueError(f"'{path}' cannot be read: {error.strerror}") from error
    return _read_cached(path, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=8)
def _read_cached(path: str, _changed: int, _size: int) -> "pd.DataFrame":
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.endswith((".parquet", ".pq")) else _read_csv(path)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise ValueError(f"'{path}' cannot be read as a table: {' '.join(str(error).split())}") from error
    require(len(frame) > 0, f"'{path}' has no rows")
    # A Parquet file may declare categories that no row has; the values alone count here.
    return frame.astype({name: object for name, kind in frame.dtypes.items() if isinstance(kind, pd.CategoricalDtype)})


def _read_csv(path: str) -> "pd.DataFrame":
    """Return the rows of a CSV file. Raises ValueError for NUL bytes, at which words end, and for names given twice."""
    import pandas as pd

    if not path.endswith(_PACKED):
        with gzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as file:
            for block in iter(lambda: file.read(_BLOCK), b""):
                require(b"\0" not in block, "it holds NUL bytes; save it as UTF-8 text")
    # The rows' own reading would rename a second 'x' to 'x.1'; columns without a name are told apart by their place.
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    twice = header[header.duplicated() & (header != "")]
    require(twice.empty, f"its header names the column '{''.join(twice[:1])}' twice; rename one of them")
    return pd.read_csv(path)


def fingerprint(path: str) -> str:
    """Return a hash of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:32]


def check_present(path: str, frame: "pd.DataFrame", column: str, what: str) -> None:
    """Raise ValueError with the nearest name where the file has no such column."""
    names = [str(name) for name in frame.columns]
    require(
        column in names,
        f"{what}: '{path}' has no column '{column}'{nearest(column, names) or '.'} Columns: {', '.join(names)}",
    )


def check_complete(path: str, frame: "pd.DataFrame", column: str, what: str) -> None:
    """Raise ValueError where a column has missing values."""
    missing = int(frame[column].isna().sum())
    require(missing == 0, f"{what} column '{column}' of '{path}' has {missing} missing values; drop or fill those rows")


def check_numbers(path: str, frame: "pd.DataFrame", column: str) -> None:
    """Raise ValueError unless a column holds finite numbers, or true and false, that float32 can hold."""
    from pandas.api.types import is_bool_dtype

    values = frame[column]
    if is_bool_dtype(values):
        return
    require(is_number(values), f"column '{column}' of '{path}' must hold numbers, not words; name it under categorical")
    large = int((values.abs() > LARGEST).sum())
    require(large == 0, f"column '{column}' of '{path}' has {large} values that are infinite or beyond {LARGEST:g}")


def is_number(values: "pd.Series[Any]") -> bool:
    """Return whether a column holds numbers; true and false are words."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(values)) and not is_bool_dtype(values)


def levels(values: "pd.Series[Any]") -> dict[str, int]:
    """Return the code of each category, in the order of their words; missing values have one, the last."""
    words = as_words(values)
    found = sorted(str(word) for word in words.dropna().unique())
    if words.isna().any():
        found.append(_MISSING)
    return {word: code for code, word in enumerate(found)}


def as_numbers(values: "pd.Series[Any]") -> "np.ndarray":
    """Return a column as float32 [N], NaN where a value is missing."""
    import numpy as np

    return values.to_numpy(dtype=np.float32, na_value=np.nan)


def as_codes(values: "pd.Series[Any]", codes: dict[str, int]) -> "np.ndarray":
    """Return a column as codes, float32 [N]; -1 for a category that has none."""
    import numpy as np

    return as_words(values).fillna(_MISSING).map(codes).fillna(-1).to_numpy(dtype=np.float32)


def as_words(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return categories as words; missing values stay missing.

    1 and 1.0 are one word: whole numbers with a missing value among them are read as fractions.
    """
    words = {value: _word(value) for value in values.dropna().unique()}
    return values.astype(object).map(words).astype(object)


def _word(value: object) -> str:
    """Return the word for one value of a category."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(value)
    number = float(value)
    return str(int(number)) if number.is_integer() else str(value)


def as_moments(path: str, frame: "pd.DataFrame", column: str) -> "pd.Series[Any]":
    """Return a time column as numbers (days) or moments. Raises ValueError for anything but numbers and ISO dates."""
    import pandas as pd

    values = frame[column]
    if is_number(values):
        large = int((values.abs() > LARGEST).sum())
        require(
            large == 0, f"time column '{column}' of '{path}' has {large} values that are infinite or beyond {LARGEST:g}"
        )
        return values
    try:
        return pd.to_datetime(values, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"time column '{column}' of '{path}' must hold numbers of days, or dates as in 2026-01-31"
        ) from error


def as_days(moments: "pd.Series[Any]", since: "pd.Series[Any]") -> "np.ndarray":
    """Return moments in days, float64 [N]: numbers as they are, dates since the earliest of ``since``."""
    import numpy as np
    import pandas as pd

    if is_number(moments):
        return moments.to_numpy(dtype=np.float64)
    return ((moments - since.min()) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
