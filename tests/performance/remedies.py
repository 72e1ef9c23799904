"""Cost of every remedy against overfitting: its time per training step over the baseline's, in one run.

    python -m tests.performance.remedies [mlp | cnn | series | digits | a technique] ...

Each technique of the catalogue's overfitting families that applies, at its default, through the whole training loop
(batches, augmentation, forward, backward, update, step; validation and preparation apart), on one thread:

    mlp      table of 30 numbers, network 30-64-64-2, batch 256, 20 trials side by side
    cnn      the residual network of the CIFAR-10 baseline in float32, images 3 x 32 x 32, batch 128, one trial
    series   windows of 30 points, GRU of 32 units, batch 64, 20 trials side by side
    digits   images 1 x 8 x 8, network 64-128-128-10, batch 64, 20 trials side by side

Techniques take turns, so that what else the machine does meets them alike; the median over the turns of a technique's
time over the baseline's of the same turn is shown, and the least and largest. Techniques may be named, else it is all.
What averaged weights cost once, at the end, is scaled to the few steps that are timed here.
"""

import dataclasses
import sys

import numpy as np

from bench import drawing, training
from bench.baselines import BASELINES, TABLE_CLASSIFICATION
from bench.catalogue import TECHNIQUES
from bench.keys import Streams
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Gru, Mlp
from bench.preparation import Prepared, prepare
from bench.process import settle_process
from bench.recipe import Recipe, Technique, apply, combine
from bench.splits import Split
from tests.performance.random_data import RandomData

TURNS = 7
SETTINGS = ("mlp", "cnn", "series", "digits")
REFRESH_BATCHES = drawing.REFRESH_BATCHES


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a technique is timed on."""

    data: RandomData
    recipe: Recipe
    trials: int
    steps: int


def setting(name: str) -> Setting:
    """Return one of the settings by name."""
    if name == "mlp":
        recipe = dataclasses.replace(TABLE_CLASSIFICATION, network=Mlp(64, 2), batch_size=256)
        return Setting(RandomData((30,), 2), recipe, 20, 60)
    if name == "series":
        recipe = dataclasses.replace(TABLE_CLASSIFICATION, network=Gru(32), batch_size=64)
        return Setting(RandomData((30, 1), 6), recipe, 20, 12)
    if name == "digits":
        return Setting(RandomData((1, 8, 8), 10), BASELINES["digits"], 20, 40)
    recipe = BASELINES["cifar10"]
    assert isinstance(recipe.network, ResidualCnn)
    network = dataclasses.replace(recipe.network, precision="float32")
    return Setting(RandomData((3, 32, 32), 10), dataclasses.replace(recipe, network=network), 1, 10)


def timed(one: Setting, technique: Technique) -> float:
    """Return milliseconds per trial and step of a short training."""
    recipe = apply(one.recipe, combine([technique], one.data.kind))
    data = one.data.make(0, 0)
    rows = np.arange(len(data.targets))
    split = Split(rows[200:], rows[:200], None)
    ready: list[Prepared] = []
    for repeat in range(one.trials):
        ready.append(prepare(one.data, data, split, recipe, Streams(1, "speed", repeat, 0)))
    drawing.REFRESH_BATCHES = max(1, round(REFRESH_BATCHES * one.steps / recipe.steps))
    fit = training.fit(recipe, ready, one.data.outputs, one.steps)
    return 1e3 * fit.seconds / one.steps


def main() -> None:
    """Print a row per technique and setting."""
    settle_process()
    only = [name for name in sys.argv[1:] if name in TECHNIQUES]
    for name in [name for name in sys.argv[1:] if name in SETTINGS] or SETTINGS[:2]:
        one = setting(name)
        remedies = [
            technique
            for technique in TECHNIQUES.values()
            if technique.name == "baseline" or technique.family.startswith("overfitting")
            if not only or technique.name in ("baseline", *only)
            if not technique.not_applicable(one.data.task, one.data.kind, one.recipe, one.data.offers())
        ]
        times = np.array([[timed(one, technique) for technique in remedies] for _ in range(TURNS + 1)])[1:]
        ratios = times / times[:, :1]
        print(f"{name}: baseline {np.median(times[:, 0]):.3f} ms per trial and step; ratios over {TURNS} turns")
        for technique, own in zip(remedies, ratios.T, strict=True):
            print(f"{technique.name:20} {np.median(own):6.2f}  ({own.min():.2f} to {own.max():.2f})")


if __name__ == "__main__":
    main()
