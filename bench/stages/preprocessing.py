"""Slot ``preprocess``: how inputs (and regression targets) are scaled or encoded, fitted on training rows only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.datasets.base import Column
from bench.stages.base import Stage

if TYPE_CHECKING:
    import numpy as np

Transform = Callable[["np.ndarray"], "np.ndarray"]


@dataclass(frozen=True)
class Fitted:
    """What was learned from training rows: maps for inputs, for targets, and back from predictions to targets."""

    inputs: Transform
    targets: Transform
    restore: Transform


@dataclass(frozen=True)
class Standardise(Stage):
    """Zero mean and unit variance; categories of a table one-hot; missing numbers become the median.

    A table is scaled per column, series and images per channel. Regression targets are scaled as well: those of a
    series with the series' own numbers (they are further points of it), those of a table by their own.
    """

    kind: ClassVar[str] = "standardise"

    def fit(self, inputs: "np.ndarray", targets: "np.ndarray", columns: Sequence[Column], regression: bool) -> Fitted:
        """Fit on training rows: inputs [N, ...], targets [N] or [N, K]."""
        if inputs.ndim == 2:
            transform = _fit_table(inputs, columns)
            centre, scale = _centre_and_scale(targets) if regression else (0.0, 1.0)
        else:
            centre, scale = _centre_and_scale(inputs, channel_axis=1 if inputs.ndim == 4 else 2)
            transform = _scaler(centre, scale)
            centre, scale = (float(centre.ravel()[0]), float(scale.ravel()[0])) if regression else (0.0, 1.0)
        if not regression:
            return Fitted(transform, _unchanged, _unchanged)
        return Fitted(transform, _scaler(centre, scale), lambda predicted: predicted * scale + centre)


def _unchanged(array: "np.ndarray") -> "np.ndarray":
    return array


def _scaler(centre: "np.ndarray | float", scale: "np.ndarray | float") -> Transform:
    """Return the map (x - centre) / scale in float32."""
    return lambda array: ((array - centre) / scale).astype("float32")


def _centre_and_scale(array: "np.ndarray", channel_axis: int | None = None) -> tuple["np.ndarray", "np.ndarray"]:
    """Return mean and standard deviation per column (or per channel), with 1 in place of a zero deviation."""
    import numpy as np

    axes = 0 if channel_axis is None else tuple(axis for axis in range(array.ndim) if axis != channel_axis)
    centre = array.mean(axis=axes, keepdims=True, dtype=np.float64)
    scale = array.std(axis=axes, keepdims=True, dtype=np.float64)
    return centre, np.where(scale == 0, 1.0, scale)


def _fit_table(inputs: "np.ndarray", columns: Sequence[Column]) -> Transform:
    """Fit scikit-learn's scaler, imputer and one-hot encoder to the columns of a table."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    levels = [column.levels for column in columns] or [0] * inputs.shape[1]
    numeric = [index for index, count in enumerate(levels) if count == 0]
    codes = [index for index, count in enumerate(levels) if count > 0]
    scaler = StandardScaler()
    if numeric and _has_missing(inputs[:, numeric]):
        scaler = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), scaler)
    encoder = OneHotEncoder(
        categories=[[float(code) for code in range(levels[index])] for index in codes],
        handle_unknown="ignore",
        sparse_output=False,
    )
    table = ColumnTransformer([("numeric", scaler, numeric), ("codes", encoder, codes)]).fit(inputs)
    return lambda array: table.transform(array).astype("float32")


def _has_missing(array: "np.ndarray") -> bool:
    import numpy as np

    return bool(np.isnan(array).any())
