"""A CIFAR-10 cell two ways in one run, on the same rows, network, batch and steps; then what one core can do at most.

    python -m tests.performance.cifar10_cell [--steps 100] [--trials 4] [--set network.precision=bfloat16 ...]

plain   a float32 loop over trials, channels first, torchvision's transforms image by image under a DataLoader, the
        network of plain torch modules, AdamW; two processes; validation rows predicted ten times, test rows at the end
bench   this project: two workers; planning, ten validations, scoring and storing included
Each with crop and flip, and without. No clock counts the starting of processes or the import of the images.

Then, on one thread: images per second of a bare training step and of the training loop, the share of the peak that
matrix products of 2048 x 2048 reach in the recipe's precision, seconds to load the data, and a worker's memory.
Needs CIFAR-10 (`python -m bench data import cifar10 PATH`).
"""

import argparse
import dataclasses
import itertools
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from bench import execution, runner, training
from bench.datasets import create
from bench.keys import Streams
from bench.networks.image_specs import ResidualCnn
from bench.plan import Plan, make_plan
from bench.preparation import prepare
from bench.process import settle_process
from bench.recipe import Recipe
from bench.splits import split
from bench.store import Store
from bench.suitefile import load_suite

SEED, FOLDS, PEAK_SIDE = 99, 5, 2048
TECHNIQUES = ("baseline", "augmentation")


class Block(nn.Module):
    """A residual block of plain modules."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2) if inputs != outputs else nn.Identity()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
            if inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Activations of images [B, inputs, H, W]."""
        x = self.pool(x)
        return functional.relu(self.branch(x) + self.shortcut(x))


def plain_network(spec: ResidualCnn) -> nn.Module:
    """The baseline's network of plain modules."""
    channels = [spec.width, *spec.channels()]
    blocks = [Block(before, after) for before, after in itertools.pairwise(channels)]
    return nn.Sequential(
        nn.PixelUnshuffle(spec.patch), nn.Conv2d(3 * spec.patch**2, spec.width, 3, padding=1, bias=False),
        nn.BatchNorm2d(spec.width), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(channels[-1], 10),
    )  # fmt: skip


class Images(Dataset):
    """Images with their transform, as one writes it for torchvision."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: v2.Transform) -> None:
        self._images, self._labels, self._transform = images, labels, transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = torch.from_numpy(np.array(self._images[index]))
        return self._transform(image), int(self._labels[index])


@dataclasses.dataclass(frozen=True)
class PlainJob:
    """One trial for the plain way."""

    recipe: Recipe
    repeat: int
    augmented: bool


def plain_trial(job: PlainJob) -> int:
    """Train and predict one trial the plain way; return the steps."""
    torch.set_num_threads(1)
    dataset = create("cifar10", {})
    data = dataset.make(SEED, job.repeat)
    parts = split(dataset, data, FOLDS, SEED, job.repeat, job.repeat % FOLDS)
    train = data.inputs[parts.train]
    mean = (train.mean((0, 2, 3)) / 255).tolist()
    deviation = (train.std((0, 2, 3)) / 255).tolist()
    still = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, deviation)]
    moving = [v2.RandomCrop(32, padding=4, padding_mode="reflect"), v2.RandomHorizontalFlip()] if job.augmented else []
    batch, steps = job.recipe.batch_size, job.recipe.steps
    rows = Images(train, data.targets[parts.train], v2.Compose([*moving, *still]))
    loader = DataLoader(rows, batch, shuffle=True, drop_last=True)
    assert isinstance(job.recipe.network, ResidualCnn)
    model = plain_network(job.recipe.network)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    validation = Images(data.inputs[parts.validation], data.targets[parts.validation], v2.Compose(still))
    done = 0
    while done < steps:
        for images, labels in loader:
            model.train()
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
            done += 1
            if done % max(1, steps // 10) == 0:
                predicted(model, validation)
            if done == steps:
                break
    assert data.test_inputs is not None
    assert data.test_targets is not None
    predicted(model, Images(data.test_inputs, data.test_targets, v2.Compose(still)))
    return done


def predicted(model: nn.Module, rows: Images) -> torch.Tensor:
    """Predicted labels of all rows."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(images).argmax(1) for images, _ in DataLoader(rows, 256)])


class Quiet:
    """Counts jobs."""

    def started(self, jobs) -> None:
        self.jobs = len(jobs)

    def stored(self, job, part) -> None:
        assert [row["status"] for row in part.runs] == ["ok"], part.runs[0]["reason"]


def plan_of(folder: Path, technique: str, trials: int, settings: dict[str, Any]) -> Plan:
    """Return the plan of one cell."""
    techniques = ["baseline"] if technique == "baseline" else ["baseline", technique]
    suite = {
        "question": "how fast?", "seed": SEED, "repeats": trials, "folds": FOLDS, "folds_per_repeat": 1,
        "datasets": [{"use": "cifar10", "recipe": settings}], "techniques": techniques,
    }  # fmt: skip
    file = folder / f"{technique}.yaml"
    file.write_text(yaml.safe_dump(suite), encoding="utf-8")
    plan = make_plan(load_suite(file))
    return dataclasses.replace(plan, trainings=plan.trainings[-1:])


def cells(trials: int, settings: dict[str, Any]) -> Recipe:
    """Print images per second of both ways; return the baseline's recipe."""
    with tempfile.TemporaryDirectory() as name, execution.local_cluster(2) as cluster, ProcessPoolExecutor(2) as pool:
        folder, execute = Path(name), execution.remote(cluster)
        short = settings | {"steps": 1}
        runner.run(plan_of(folder, "baseline", 2, short), Store(folder / "warm"), execute, Quiet())
        recipe = plan_of(folder, "baseline", trials, settings).trainings[0].recipe
        images = trials * recipe.steps * recipe.batch_size
        list(pool.map(plain_trial, [PlainJob(dataclasses.replace(recipe, steps=1), n, False) for n in range(2)]))
        for technique in TECHNIQUES:
            jobs = [PlainJob(recipe, repeat, technique == "augmentation") for repeat in range(trials)]
            began = time.perf_counter()
            list(pool.map(plain_trial, jobs))
            plain = time.perf_counter() - began
            plan = plan_of(folder, technique, trials, settings)
            began = time.perf_counter()
            runner.run(plan, Store(folder / technique), execute, Quiet())
            bench = time.perf_counter() - began
            print(
                f"{technique:13} plain {images / plain:6.0f}   bench {images / bench:6.0f} images/s on two cores, all "
                f"included: {plain / bench:.2f} times"
            )
    return recipe


def one_core(recipe: Recipe) -> None:
    """Print what one thread does: loading, peak, the training loop's share of it, memory."""
    settle_process()
    began = time.perf_counter()
    dataset = create("cifar10", {})
    data = dataset.make(SEED, 0)
    print(f"loading   {time.perf_counter() - began:.3f} s")
    assert isinstance(recipe.network, ResidualCnn)
    precision = getattr(torch, recipe.network.precision)
    left, right = (torch.randn(PEAK_SIDE, PEAK_SIDE).to(precision) for _ in range(2))
    peaks = []
    for _ in range(4):
        began = time.thread_time()
        torch.mm(left, right)
        peaks.append(2 * PEAK_SIDE**3 / (time.thread_time() - began) / 1e9)
    peak = max(peaks)
    parts = split(dataset, data, FOLDS, SEED, 0, 0)
    ready = prepare(dataset, data, parts, recipe, Streams(SEED, dataset.name, 0, 0))
    training.fit(recipe, [ready], 10, 2)
    fit = training.fit(recipe, [ready], 10, recipe.steps)
    images = recipe.steps * recipe.batch_size / fit.seconds
    share = 3 * images * recipe.network.flops((3, 32, 32), 10) / 1e9 / peak
    print(f"training  {images:.0f} images/s per core, {100 * share:.0f} % of a matrix product's {peak:.0f} GFLOP/s")
    print(f"memory    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB at most")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--set", nargs="*", default=[], metavar="PATH=VALUE", help="changes to the baseline's recipe")
    options = parser.parse_args()
    changes = dict(text.split("=", 1) for text in options.set)
    settings = {path: yaml.safe_load(value) for path, value in changes.items()} | {"steps": options.steps}
    recipe = cells(options.trials, settings)
    with ProcessPoolExecutor(1) as pool:  # a process of its own, so that its memory is a worker's
        pool.submit(one_core, recipe).result()


if __name__ == "__main__":
    main()
