"""Cost of augmenting and mixing images: a training step with each technique against one without, in one run.

    python tests/performance/augmentation.py [float32 | bfloat16]

CIFAR-10's baseline network, batch 128, random images 3 x 32 x 32, one thread: the stages of the loop in its order,
stepped bare. Techniques take turns step by step, so that what else the machine does meets them alike, and the medians
over all turns are compared. Processors without bfloat16 arithmetic are slow at it; float32 says more there.
"""

import dataclasses
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from bench.baselines import BASELINES, TABLE_CLASSIFICATION
from bench.catalogue import TECHNIQUES
from bench.keys import Streams
from bench.networks.image_specs import ResidualCnn
from bench.process import settle_process
from bench.recipe import Recipe, apply, combine
from bench.stages.context import Context
from bench.stages.preprocessing import Standardise

BATCH, CLASSES, ROWS, TURNS = 128, 10, 1024, 25
NAMES = ("baseline", "augmentation", "cutout", "randaugment", "trivialaugment", "mixup", "cutmix")


def stack() -> Context:
    """One trial of random images."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (ROWS, 3, 32, 32), dtype=np.uint8)
    targets = rng.integers(0, CLASSES, ROWS)
    pixels = Standardise().fit(inputs, targets, (), False).pixels
    assert pixels is not None
    streams = [Streams(1, "speed", 0, 0)]
    return Context([inputs], [targets], None, CLASSES, False, streams, torch.device("cpu"), pixels[None], True)


def stepper(recipe: Recipe, context: Context) -> Callable[[], None]:
    """Return what takes one training step."""
    network = recipe.network.build((3, 32, 32), context)
    optimizer = recipe.optimizer.make(*network.split(), alone=True)
    augment = [stage.begin(context) for stage in recipe.augment]
    mix = recipe.mix.begin(context) if recipe.mix else None
    loss_of = recipe.loss.begin(context)
    rows, labels = torch.from_numpy(context.inputs[0]), torch.from_numpy(context.targets[0])

    def step() -> None:
        index = torch.randint(ROWS, (BATCH,))
        inputs, targets = rows.index_select(0, index)[None], labels[index][None]
        for change in augment:
            inputs = change(inputs, targets)
        inputs = network.entry(inputs)
        if mix is not None:
            inputs, targets = mix(inputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss_of(network(inputs, training=True), targets).sum().backward()
        optimizer.step()

    return step


def timed(step: Callable[[], None]) -> float:
    """Milliseconds of one call."""
    began = time.thread_time()
    step()
    return 1e3 * (time.thread_time() - began)


def main() -> None:
    """Print a row per technique."""
    settle_process()
    torch.set_num_threads(1)
    network = BASELINES["cifar10"].network
    assert isinstance(network, ResidualCnn)
    network = dataclasses.replace(network, precision="bfloat16" if sys.argv[1:] == ["bfloat16"] else "float32")
    plain = apply(TABLE_CLASSIFICATION, {"network": network, "batch_size": BATCH})
    context = stack()
    steps = [stepper(apply(plain, combine([TECHNIQUES[name]], "image")), context) for name in NAMES]
    times = np.array([[timed(step) for step in steps] for _ in range(TURNS + 2)])[2:]
    middle = np.median(times, axis=0)
    print(f"milliseconds per step, {network.precision}, median and fastest of {TURNS}; median / baseline's")
    for name, own, fastest in zip(NAMES, middle, times.min(axis=0), strict=True):
        print(f"{name:15} {own:7.1f} {fastest:7.1f}   {own / middle[0]:.3f} times")


if __name__ == "__main__":
    main()
