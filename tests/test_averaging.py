"""Averaged weights against running means written by hand, and what averaging must leave alone."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from bench import training
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Gru, Mlp, NetworkSpec
from bench.recipe import Recipe
from bench.stages.averaging import Ema, Swa
from bench.stages.optimizers import AdamW
from bench.stages.stopping import Stopping
from tests import reference, tiny

STEPS = 20
SPEC = ResidualCnn(width=4, depth=1, groups=2)


def recipe_of(kind: str, spec: NetworkSpec, stopping: Stopping | None) -> Recipe:
    recipe = tiny.baseline(tiny.DATASETS[kind], STEPS)
    return dataclasses.replace(recipe, network=spec, optimizer=AdamW(lr=0.02), stopping=stopping)


def trained(kind: str, spec: NetworkSpec, stopping: Stopping | None, repeats: tuple[int, ...] = (0,)) -> training.Fit:
    recipe = recipe_of(kind, spec, stopping)
    trials = [tiny.prepared(tiny.DATASETS[kind], recipe, repeat) for repeat in repeats]
    return training.fit(recipe, trials, 3, STEPS, snapshots=range(1, STEPS + 1))


def _running(fitted: training.Fit, name: str) -> list[torch.Tensor]:
    """The running values of one parameter after each step, in double precision."""
    assert [step for step, _ in fitted.snapshots] == list(range(1, STEPS + 1))
    return [state[name].double() for _, state in fitted.snapshots]


@pytest.mark.parametrize(("start", "count"), [(0.0, 20), (0.75, 5), (0.99, 1)])
def test_swa_keeps_the_mean_of_the_weights_after_each_step_from_its_start_on(start: float, count: int) -> None:
    fitted = trained("table", Mlp(width=9, depth=2), Swa(start), (0, 1))
    for name, kept in fitted.network.named_parameters():
        mean = torch.stack(_running(fitted, name)[-count:]).mean(0)
        torch.testing.assert_close(kept.detach().double(), mean, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("decay", [0.2, 0.6, 0.999])
def test_ema_follows_its_formula_with_the_decay_rising_to_its_own(decay: float) -> None:
    fitted = trained("table", Mlp(width=9, depth=2), Ema(decay), (0, 1))
    for name, kept in fitted.network.named_parameters():
        average, *later = _running(fitted, name)
        for update, weights in enumerate(later, start=1):
            now = min(decay, (1 + update) / (10 + update))
            average = now * average + (1 - now) * weights
        torch.testing.assert_close(kept.detach().double(), average, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("stopping", [Swa(0.5), Ema(0.9)], ids=str)
def test_averaging_leaves_the_training_itself_and_its_curve_alone(stopping: Stopping) -> None:
    for kind, spec in (("table", Mlp(width=9, depth=2, dropout=0.5)), ("image", SPEC)):
        plain, averaged = trained(kind, spec, None), trained(kind, spec, stopping)
        for (_, one), (_, other) in zip(plain.snapshots, averaged.snapshots, strict=True):
            assert all(torch.equal(one[name], other[name]) for name in one)
        np.testing.assert_array_equal(plain.curve.validation, averaged.curve.validation)
        assert (averaged.steps == STEPS).all()
        assert (averaged.stop_step == STEPS).all()
        kept, last = averaged.network.state_dict(), averaged.snapshots[-1][1]
        assert not any(torch.equal(kept[name], last[name]) for name in kept if name.endswith("weight"))


@pytest.mark.parametrize("spec", [Mlp(width=9, depth=2), SPEC], ids=["mlp", "cnn"])
def test_at_decay_zero_the_last_weights_and_statistics_are_kept_to_the_bit(spec: NetworkSpec) -> None:
    kind = "image" if spec is SPEC else "table"
    plain, neutral = trained(kind, spec, None).network.state_dict(), trained(kind, spec, Ema(0.0)).network.state_dict()
    assert all(torch.equal(plain[name], neutral[name]) for name in plain)


@pytest.mark.parametrize("stopping", [Swa(0.5), Ema(0.9)], ids=str)
@pytest.mark.parametrize(("kind", "spec"), [("table", Mlp(width=33, depth=2)), ("series", Gru(units=6))])
def test_a_member_of_a_stack_equals_it_alone(kind: str, spec: NetworkSpec, stopping: Stopping) -> None:
    together, alone = trained(kind, spec, stopping, (0, 1, 2)), trained(kind, spec, stopping, (2,))
    own = alone.network.state_dict()
    for name, value in together.network.state_dict().items():
        assert torch.equal(value[2], own[name][0]), name


@pytest.mark.parametrize("stopping", [Swa(0.5), Ema(0.9)], ids=str)
def test_running_statistics_are_measured_again_for_the_averaged_weights(stopping: Stopping) -> None:
    recipe = recipe_of("image", SPEC, stopping)
    trial = tiny.prepared(tiny.DATASETS["image"], recipe)
    network = training.fit(recipe, [trial], 3, STEPS).network
    pixels = trial.inputs.astype(np.float64)
    scaled = (pixels - pixels.mean((0, 2, 3), keepdims=True)) / pixels.std((0, 2, 3), keepdims=True)
    images, weight = torch.from_numpy(scaled).float(), network.get_parameter("stem.weight").detach()[0]
    means, variances = [], []
    for rows in reference.epochs_of_batches(trial.streams.numpy("refresh"), len(images), recipe.batch_size, STEPS):
        responses = functional.conv2d(functional.pixel_unshuffle(images[rows], 2), weight, padding=1)
        means.append(responses.mean((0, 2, 3)))
        variances.append(responses.var((0, 2, 3)))
    torch.testing.assert_close(network.get_buffer("stem.mean")[0], torch.stack(means).mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        network.get_buffer("stem.variance")[0], torch.stack(variances).mean(0), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("stopping", [Swa(0.5), Ema(0.9)], ids=str)
def test_averaging_reads_no_validation_row(stopping: Stopping) -> None:
    recipe = recipe_of("image", SPEC, stopping)
    trial = tiny.prepared(tiny.DATASETS["image"], recipe)
    wild = dataclasses.replace(trial, validation_inputs=255 - trial.validation_inputs)
    one, other = (training.fit(recipe, [each], 3, STEPS).network.state_dict() for each in (trial, wild))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_stack_that_diverges_before_the_average_begins_is_told_as_diverged() -> None:
    recipe = recipe_of("table", Mlp(width=9, depth=2), Swa(0.75))
    trial = tiny.prepared(tiny.DATASETS["table"], recipe)
    trial.inputs[:] = np.inf
    fitted = training.fit(recipe, [trial], 3, 200)
    assert fitted.diverged.tolist() == [True]
    assert fitted.steps[0] < 0.75 * 200


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Swa(1.0), "start must be at least 0 and below 1"),
        (lambda: Swa(-0.1), "start must be at least 0 and below 1"),
        (lambda: Ema(1.0), "decay must be at least 0 and below 1"),
    ],
)
def test_a_value_out_of_range_is_refused(build, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()
