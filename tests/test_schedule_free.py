"""Schedule-free optimizers: what is evaluated is the average, as their authors say, and training never notices."""

import dataclasses

import numpy as np
import pytest
import schedulefree
import torch
from torch import nn
from torch.nn import functional

from bench import training
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Mlp
from bench.recipe import Recipe
from bench.stages.optimizers import Optimizer
from bench.stages.schedule_free import ScheduleFreeAdamW, ScheduleFreeSgd
from bench.stages.schedules import Constant
from bench.stages.stopping import EarlyStopping
from tests import reference, tiny

TABLE, IMAGES = tiny.DATASETS["table"], tiny.DATASETS["image"]
STEPS = 60
BOTH = [ScheduleFreeSgd(lr=0.3), ScheduleFreeAdamW(lr=0.02)]
NETWORK = Mlp(width=9, depth=2)


def _recipe(optimizer: Optimizer, **slots) -> Recipe:
    return dataclasses.replace(tiny.baseline(TABLE, STEPS), optimizer=optimizer, **{"schedule": Constant(), **slots})


def _fit(recipe: Recipe, repeats: int = 2, **named) -> training.Fit:
    trials = [tiny.prepared(TABLE, recipe, repeat) for repeat in range(repeats)]
    return training.fit(recipe, trials, 3, recipe.steps, **named)


@pytest.mark.parametrize("stage", BOTH, ids=lambda stage: stage.kind)
def test_its_warm_up_is_the_packages_and_its_curve_is_of_the_average(stage: Optimizer) -> None:
    """The package's warm-up in 7 steps is a fraction of 6 steps here, which end one below the full rate."""
    recipe = _recipe(stage, schedule=Constant(warmup=0.1), network=NETWORK)
    fit, trial = _fit(recipe), tiny.prepared(TABLE, recipe, 1)
    context = training._context(recipe, [trial], 3, torch.device("cpu"))
    model = reference.mlp_like(recipe.network.build(trial.inputs.shape[1:], context))
    library = {"schedule-free-sgd": schedulefree.SGDScheduleFree, "schedule-free-adamw": schedulefree.AdamWScheduleFree}
    optimizer = library[stage.kind](model.parameters(), lr=stage.lr, warmup_steps=7)
    order = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), 16, STEPS)
    rows, truth = torch.from_numpy(trial.validation_inputs), torch.from_numpy(trial.validation_targets)
    before = 0
    for at, measured in zip(fit.curve.steps, fit.curve.validation[1], strict=True):
        optimizer.train()
        loss = nn.CrossEntropyLoss()
        reference.train(model, optimizer, trial.inputs, trial.targets, order[before:at], loss)
        with torch.no_grad():
            training_point = float(functional.cross_entropy(model(rows).double(), truth))
            optimizer.eval()
            average = float(functional.cross_entropy(model(rows).double(), truth))
        assert measured == pytest.approx(average, rel=1e-3)
        assert abs(measured - training_point) > 3 * abs(measured - average), "the two points are apart"
        before = at


@pytest.mark.parametrize("stage", BOTH, ids=lambda stage: stage.kind)
def test_looking_at_the_average_leaves_no_trace_in_the_training(stage: Optimizer) -> None:
    noisy = Mlp(width=9, depth=2, dropout=0.3, normalisation="batch", input_noise=0.1)
    recipe = _recipe(stage, network=noisy)
    plain, watched = _fit(recipe), _fit(recipe, snapshots=range(1, STEPS + 1))
    for name, value in plain.network.state_dict().items():
        assert torch.equal(value, watched.network.state_dict()[name]), name
    np.testing.assert_array_equal(plain.curve.validation, watched.curve.validation)


@pytest.mark.parametrize("stage", BOTH, ids=lambda stage: stage.kind)
def test_what_is_kept_is_the_average_of_that_step(stage: Optimizer) -> None:
    recipe = _recipe(stage, network=NETWORK)
    snapshots = dict(_fit(recipe, snapshots=range(1, STEPS + 1)).snapshots)
    for steps in (1, 20, 60):
        shorter = _fit(dataclasses.replace(recipe, steps=steps)).network.state_dict()
        assert all(torch.equal(value, snapshots[steps][name]) for name, value in shorter.items())
    stopped = _fit(dataclasses.replace(recipe, stopping=EarlyStopping(patience=1)))
    for index, step in enumerate(stopped.stop_step):
        for name, value in stopped.network.state_dict().items():
            assert torch.equal(value[index], snapshots[int(step)][name][index]), name


@pytest.mark.parametrize("stage", BOTH, ids=lambda stage: stage.kind)
def test_running_statistics_are_measured_again_at_the_average(stage: Optimizer) -> None:
    recipe = dataclasses.replace(
        tiny.baseline(IMAGES, STEPS), network=ResidualCnn(width=4, depth=1, groups=2), optimizer=stage, schedule=None
    )
    trial = tiny.prepared(IMAGES, recipe)
    network = training.fit(recipe, [trial], 3, STEPS).network
    pixels = trial.inputs.astype(np.float64)
    scaled = (pixels - pixels.mean((0, 2, 3), keepdims=True)) / pixels.std((0, 2, 3), keepdims=True)
    images, weight = torch.from_numpy(scaled).float(), network.get_parameter("stem.weight").detach()[0]
    order = reference.epochs_of_batches(trial.streams.numpy("refresh"), len(images), recipe.batch_size, 50)
    responses = [functional.conv2d(functional.pixel_unshuffle(images[rows], 2), weight, padding=1) for rows in order]
    mean = torch.stack([one.mean((0, 2, 3)) for one in responses]).mean(0)
    variance = torch.stack([one.var((0, 2, 3)) for one in responses]).mean(0)
    torch.testing.assert_close(network.get_buffer("stem.mean")[0], mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network.get_buffer("stem.variance")[0], variance, atol=1e-5, rtol=1e-4)
