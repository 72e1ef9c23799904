"""The baseline of each dataset: the plain recipe that every technique changes and is compared with.

Network, optimizer, rate, steps, decay and scaling were tuned on validation rows of worlds, rows and seeds that no
suite uses, by tools/tune_baselines.py; its result is results/baselines/ and docs/baselines.md. A weak baseline would
make every remedy look good.
"""

from bench.datasets.base import Dataset
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Lstm, Mlp
from bench.recipe import Recipe
from bench.stages.batching import Shuffled
from bench.stages.decisions import Argmax
from bench.stages.losses import CrossEntropy, MeanSquaredError
from bench.stages.optimizers import AdamW
from bench.stages.preprocessing import Standardise
from bench.stages.schedules import Cosine
from bench.stages.updates import ClipNorm

_CLASSIFICATION = Recipe(
    network=Mlp(width=64, depth=2),
    loss=CrossEntropy(),
    optimizer=AdamW(lr=3e-3, weight_decay=1e-2),
    schedule=Cosine(),
    batches=Shuffled(),
    preprocess=Standardise(),
    batch_size=256,
    steps=800,
    decide=Argmax(),
)


def _with(recipe: Recipe, **changes: object) -> Recipe:
    """Return the recipe with slots replaced."""
    import dataclasses

    return dataclasses.replace(recipe, **changes)


_SERIES = _with(
    _CLASSIFICATION,
    network=Lstm(units=32),
    optimizer=AdamW(lr=3e-2, weight_decay=1e-1),
    updates=(ClipNorm(1.0),),
    batch_size=64,
    steps=400,
)

BASELINES: dict[str, Recipe] = {
    "fraud": _with(_CLASSIFICATION, optimizer=AdamW(lr=1e-2, weight_decay=1.0)),
    "sine": _with(_SERIES, loss=MeanSquaredError(), decide=None),
    "sine-events": _with(_CLASSIFICATION, network=Mlp(width=128, depth=2), optimizer=AdamW(lr=1e-2), batch_size=128),
    "digits": _with(
        _CLASSIFICATION,
        network=Mlp(width=128, depth=2),
        optimizer=AdamW(lr=1e-2, weight_decay=1e-1),
        batch_size=64,
        steps=400,
    ),
    "cifar10": _with(
        _CLASSIFICATION,
        network=ResidualCnn(width=16),
        optimizer=AdamW(lr=1e-2, weight_decay=1e-1),
        batch_size=128,
        steps=400,
    ),
}
TABLE_CLASSIFICATION = _with(_CLASSIFICATION, batch_size=128, steps=600)
TABLE_REGRESSION = _with(TABLE_CLASSIFICATION, loss=MeanSquaredError(), decide=None)


def baseline(dataset: Dataset) -> Recipe:
    """Return the baseline recipe of a dataset; a user's own table has one per task."""
    if dataset.name in BASELINES:
        return BASELINES[dataset.name]
    return TABLE_REGRESSION if dataset.task == "regression" else TABLE_CLASSIFICATION
