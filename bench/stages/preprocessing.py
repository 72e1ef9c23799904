"""Slot ``preprocess``: how inputs (and regression targets) are scaled or encoded, fitted on training rows only."""

import importlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.datasets.base import Column
from bench.keys import added
from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np

MOST_SCALE = 16.0
Transform = Callable[["np.ndarray"], "np.ndarray"]


@dataclass(frozen=True)
class Fitted:
    """What was learned from training rows: maps for inputs, for targets, and back from predictions to targets.

    pixels: mean and standard deviation per channel, float32 [2, channels], for images, which stay bytes until they
    have been augmented; the network's entry applies them. None for everything else.
    categories: the columns that each category of a table takes in what ``inputs`` returns, after its numbers.
    """

    inputs: Transform
    targets: Transform
    restore: Transform
    pixels: "np.ndarray | None" = None
    categories: tuple[slice, ...] = ()


@dataclass(frozen=True)
class Standardise(Stage):
    """Zero mean and unit variance; categories of a table one-hot; missing numbers become the training rows' median.

    A table is scaled per column, series per channel, the pixels (uint8) of images per channel. Regression targets are
    scaled as well: those of a series with the series' own numbers (they are further points of it), those of a table by
    their own.

    image_scale  factor on the sides of images, which are drawn again at that size (bilinear, as torchvision resizes
                 with antialias) and rounded to bytes; a side has at least one pixel
    window       share of a series' points that is kept, the newest; at least one of them
    """

    kind: ClassVar[str] = "standardise"
    image_scale: float = added(1.0)
    window: float = added(1.0)

    def __post_init__(self) -> None:
        """Check both shares."""
        require(0 < self.image_scale <= MOST_SCALE, f"image_scale must be above 0 and at most {MOST_SCALE:g}, "
                f"got {self.image_scale}")  # fmt: skip
        require(0 < self.window <= 1, f"window must be a share above 0 and at most 1 of a series, got {self.window}")

    def load(self) -> None:
        """Import scikit-learn, which takes most of a second: no cost of the first trial that a worker prepares."""
        for module in ("compose", "impute", "pipeline", "preprocessing"):
            importlib.import_module(f"sklearn.{module}")

    def fit(self, inputs: "np.ndarray", targets: "np.ndarray", columns: Sequence[Column], regression: bool) -> Fitted:
        """Fit on training rows: inputs [N, ...], targets [N] or [N, K].

        Raises ValueError where images or series are to be made smaller and the data are neither.
        """
        pixels, categories, cut = None, (), self._cut(inputs)
        inputs = cut(inputs)
        centre, scale = _centre_and_scale(targets) if regression else (0.0, 1.0)
        if inputs.ndim == 2:
            transform, categories = _fit_table(inputs, columns), _category_places(columns)
        elif inputs.ndim == 4:
            transform, pixels = cut, _fit_pixels(inputs)
        else:
            all_points = _centre_and_scale(inputs, axes=(0, 1))
            scale_points = _scaler(*all_points)
            transform = scale_points if cut is _unchanged else lambda array: scale_points(cut(array))
            centre, scale = (float(one.ravel()[0]) for one in all_points)
        if not regression:
            return Fitted(transform, _unchanged, _unchanged, pixels, categories)
        return Fitted(transform, _scaler(centre, scale), lambda value: value * scale + centre, pixels, categories)

    def _cut(self, inputs: "np.ndarray") -> Transform:
        """Return the map from inputs to those of the size asked for."""
        require(self.image_scale == 1 or inputs.ndim == 4, "image_scale resizes images, and these data are none")
        require(self.window == 1 or inputs.ndim == 3, "window cuts series of points, and these data are none")
        if self.image_scale != 1:
            sides = tuple(max(1, round(self.image_scale * side)) for side in inputs.shape[2:])
            return lambda images: _resized(images, sides)
        if self.window != 1:
            kept = max(1, round(self.window * inputs.shape[1]))
            return lambda series: series[:, -kept:]
        return _unchanged


def _resized(images: "np.ndarray", sides: tuple[int, ...]) -> "np.ndarray":
    """Return images uint8 [N, channels, height, width] with other sides; some at a time, for they become floats."""
    import numpy as np
    import torch
    from torch.nn import functional

    parts = [
        functional.interpolate(torch.from_numpy(images[start : start + 1024]).float(), sides, mode="bilinear",
                               antialias=True).round_().clamp_(0, 255).to(torch.uint8).numpy()
        for start in range(0, len(images), 1024)
    ]  # fmt: skip
    return np.concatenate(parts) if parts else np.empty((0, images.shape[1], *sides), dtype=np.uint8)


def _unchanged(array: "np.ndarray") -> "np.ndarray":
    return array


def _scaler(centre: "np.ndarray | float", scale: "np.ndarray | float") -> Transform:
    """Return the map (x - centre) / scale in float32."""
    return lambda array: ((array - centre) / scale).astype("float32")


def _centre_and_scale(array: "np.ndarray", axes: int | tuple[int, ...] = 0) -> tuple["np.ndarray", "np.ndarray"]:
    """Return mean and standard deviation over some axes, with 1 in place of a zero deviation."""
    import numpy as np

    centre = array.mean(axis=axes, keepdims=True, dtype=np.float64)
    scale = array.std(axis=axes, keepdims=True, dtype=np.float64)
    return centre, np.where(scale == 0, 1.0, scale)


def _fit_pixels(images: "np.ndarray") -> "np.ndarray":
    """Return mean and standard deviation float32 [2, channels] of images uint8 [N, channels, height, width].

    From how often each of the 256 values occurs, so that no image becomes an array of floats.
    """
    import numpy as np

    fitted = []
    for channel in range(images.shape[1]):
        counts = np.zeros(256)
        for start in range(0, len(images), 1024):  # counting turns what it counts into int64
            counts += np.bincount(images[start : start + 1024, channel].ravel(), minlength=256)
        share = counts / images[:, channel].size
        mean = share @ np.arange(256)
        deviation = float(np.sqrt(share @ (np.arange(256) - mean) ** 2))
        fitted.append((mean, deviation or 1.0))
    return np.array(fitted, dtype=np.float32).T


def _fit_table(inputs: "np.ndarray", columns: Sequence[Column]) -> Transform:
    """Fit scikit-learn's scaler, imputer and one-hot encoder to the columns of a table."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    levels = [column.levels for column in columns] or [0] * inputs.shape[1]
    numeric = [index for index, count in enumerate(levels) if count == 0]
    codes = [index for index, count in enumerate(levels) if count > 0]
    # Rows seen later may lack a number that every training row has. Where none is missing the imputer changes no bit.
    scaler = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    encoder = OneHotEncoder(
        categories=[[float(code) for code in range(levels[index])] for index in codes],
        handle_unknown="ignore",
        sparse_output=False,
    )
    table = ColumnTransformer([("numeric", scaler, numeric), ("codes", encoder, codes)]).fit(inputs)
    return lambda array: table.transform(array).astype("float32")


def _category_places(columns: Sequence[Column]) -> tuple[slice, ...]:
    """Return the columns that each category takes once it is encoded: after all numbers, in the table's order."""
    levels = [column.levels for column in columns if column.levels > 0]
    ends = list(itertools.accumulate(levels, initial=len(columns) - len(levels)))
    return tuple(slice(*place) for place in itertools.pairwise(ends))
