"""Tiny data of every kind, so that a law can be tested on all techniques in seconds."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bench.baselines import TABLE_CLASSIFICATION, TABLE_REGRESSION
from bench.datasets.base import Column, Data, Dataset
from bench.keys import Streams, numpy_stream
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Gru, Lstm, Mlp, Rnn
from bench.preparation import Prepared, prepare
from bench.recipe import Recipe
from bench.splits import split

CLASSES = ("common", "less", "rare")
COUNTS = (60, 30, 18)
FEW = 12  # steps, where there are many cases


@dataclass(frozen=True)
class TinyTable(Dataset):
    """Three classes, five numbers and one category."""

    counts: ClassVar[tuple[int, ...]] = COUNTS
    name: ClassVar[str] = "tiny-table"
    summary: ClassVar[str] = "tiny table"
    source: ClassVar[str] = "tests"
    kind = "table"
    repeats = "independent"

    @property
    def mixed(self) -> bool:
        return self.kind == "table"

    def classes(self) -> tuple[str, ...]:
        return CLASSES

    def class_counts(self) -> tuple[int, ...] | None:
        return self.counts

    def make(self, seed: int, repeat: int) -> Data:
        rng = numpy_stream("world", seed, self.name, repeat)
        labels, test_labels = np.repeat(np.arange(3), self.counts), np.repeat(np.arange(3), 20)
        columns = (*(Column(f"x{i}") for i in range(5)), Column("category", 3))
        return Data(self._inputs(rng, labels), labels, self._inputs(rng, test_labels), test_labels, columns=columns)

    def _inputs(self, rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        numbers = rng.normal(size=(len(labels), 5)) * 3 + labels[:, None]
        return np.column_stack([numbers, rng.integers(0, 3, len(labels))]).astype(np.float32)


@dataclass(frozen=True)
class TinyPlenty(TinyTable):
    """Four times as many rows, so that most can be held back."""

    name: ClassVar[str] = "tiny-plenty"
    counts = tuple(4 * count for count in COUNTS)


@dataclass(frozen=True)
class TinySeries(TinyTable):
    """Three classes of short series."""

    name: ClassVar[str] = "tiny-series"
    kind = "series"

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        assert data.test_inputs is not None
        return dataclasses.replace(
            data, inputs=data.inputs[:, :, None], test_inputs=data.test_inputs[:, :, None], columns=()
        )


@dataclass(frozen=True)
class TinyImages(TinyTable):
    """Three classes of 8 x 8 colour images, the rarer the brighter in one half."""

    name: ClassVar[str] = "tiny-images"
    kind = "image"
    mirrors = True

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        assert data.test_targets is not None
        rng = numpy_stream("pixels", seed, self.name, repeat)
        inputs, tests = self._images(rng, data.targets), self._images(rng, data.test_targets)
        return dataclasses.replace(data, inputs=inputs, test_inputs=tests, columns=())

    def _images(self, rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        images = rng.integers(0, 180, (len(labels), 3, 8, 8))
        images[:, :, :4] += 25 * labels[:, None, None, None]
        return images.astype(np.uint8)


@dataclass(frozen=True)
class TinyForecast(TinyTable):
    """Forecasts of two points."""

    name: ClassVar[str] = "tiny-forecast"
    kind = "series"

    @property
    def task(self):
        return "regression"

    @property
    def metric(self) -> str:
        return "rmse"

    def classes(self) -> tuple[str, ...]:
        return ()

    def class_counts(self) -> None:
        return None

    def make(self, seed: int, repeat: int) -> Data:
        rng = numpy_stream("world", seed, self.name, repeat)
        series = np.sin(rng.uniform(0, 6, (200, 1)) + np.arange(8) * 0.7).astype(np.float32)
        series += rng.normal(0, 0.1, series.shape).astype(np.float32)
        inputs, targets = series[:, :6, None], series[:, 6:]
        return Data(inputs[:120], targets[:120], inputs[120:], targets[120:], unit=0.1)


DATASETS: dict[str, Dataset] = {
    "table": TinyTable(),
    "series": TinySeries(),
    "image": TinyImages(),
    "forecast": TinyForecast(),
}


def baseline(dataset: Dataset, steps: int = 20) -> Recipe:
    """A small recipe for a tiny dataset."""
    recipe = TABLE_REGRESSION if dataset.task == "regression" else TABLE_CLASSIFICATION
    network = Gru(units=6) if dataset.kind == "series" else Mlp(width=9, depth=2)
    return dataclasses.replace(recipe, network=network, batch_size=16, steps=steps)


def _cases() -> dict[str, tuple[Dataset, Recipe]]:
    """Return a dataset and a baseline for every kind of data, of network, and for rows held back."""
    cases = {label: (dataset, baseline(dataset, FEW)) for label, dataset in DATASETS.items()}
    networks = {
        "series-rnn": ("series", Rnn(units=6)),
        "series-lstm": ("series", Lstm(units=6)),
        "image-residual-cnn": ("image", ResidualCnn(width=4, groups=2)),
    }
    for label, (of, network) in networks.items():
        dataset, recipe = cases[of]
        cases[label] = (dataset, dataclasses.replace(recipe, network=network))
    plenty = TinyPlenty()
    return cases | {"table-rows-held-back": (plenty, dataclasses.replace(baseline(plenty, FEW), rows=0.25))}


CASES: dict[str, tuple[Dataset, Recipe]] = _cases()


def prepared(dataset: Dataset, recipe: Recipe, repeat: int = 0, fold: int = 0, seed: int = 7) -> Prepared:
    """One prepared trial."""
    data = dataset.make(seed, repeat)
    parts = split(dataset, data, 3, seed, repeat, fold)
    return prepare(dataset, data, parts, recipe, Streams(seed, dataset.name, repeat, fold))


def outputs(dataset: Dataset) -> int:
    """How many outputs a network needs."""
    return len(dataset.classes()) or 2
