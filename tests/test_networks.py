"""The residual network against a plain torch.nn model, torch's FLOP counter, and its own promises."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils.flop_counter import FlopCounterMode

from bench import training
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Gru, Lstm, Mlp, Rnn
from bench.preparation import Prepared
from bench.recipe import Recipe
from bench.stages.optimizers import AdamW
from bench.stages.preprocessing import Standardise
from bench.stages.stopping import EarlyStopping
from tests import reference, tiny

STEPS = 50
SPEC = ResidualCnn(width=4, depth=2, groups=2)
CHOICES = [
    ResidualCnn(width=4, depth=1, groups=3, patch=2, filter=3, pooling="average", normalisation="batch"),
    ResidualCnn(width=4, depth=2, groups=2, patch=1, filter=3, pooling="max", normalisation="none"),
    ResidualCnn(width=8, depth=1, groups=2, patch=2, filter=5, pooling="stride", normalisation="batch"),
    ResidualCnn(width=4, depth=2, groups=3, patch=4, filter=1, pooling="stride", normalisation="none"),
    ResidualCnn(width=4, depth=1, groups=2, normalisation="layer", precision="bfloat16", survival=0.8),
    ResidualCnn(width=6, depth=2, groups=2, scale=0.5, input_noise=0.1, hidden_noise=0.1, survival=0.5),
]


def norm_of(kind: str, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(1, channels)


class PlainBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, kind: str) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2) if inputs != outputs else nn.Identity()
        layers = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), norm_of(kind, outputs), nn.ReLU()
        self.body = nn.Sequential(
            *layers, nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), norm_of(kind, outputs)
        )
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), norm_of(kind, outputs))
        self.shortcut = shortcut if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        return torch.relu(self.body(x) + self.shortcut(x))


def plain_model(kind: str) -> nn.Sequential:
    """The same architecture the ordinary way, channels first, for SPEC on three channels and three classes."""
    stem = nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 3, padding=1, bias=False), norm_of(kind, 4), nn.ReLU()
    blocks = PlainBlock(4, 4, kind), PlainBlock(4, 4, kind), PlainBlock(4, 8, kind), PlainBlock(8, 8, kind)
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def copy_weights(network: nn.Module, model: nn.Module) -> None:
    """Give a plain model the convolution and head weights of the network; its norms start as torch's do."""
    state = dict(network.named_parameters())
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    weights = [value for name, value in state.items() if name.endswith("weight") and not name.startswith("head")]
    for layer, value in zip(convolutions, weights, strict=True):
        layer.weight.data = value.detach()[0].clone()
    head = next(m for m in model.modules() if isinstance(m, nn.Linear))
    head.weight.data = state["head.weight"].detach()[0].t().clone()
    head.bias.data = state["head.bias"].detach()[0, 0].clone()


def trial_of(spec: ResidualCnn, **changes: object) -> tuple[Recipe, Prepared]:
    dataset = tiny.DATASETS["image"]
    recipe = dataclasses.replace(tiny.baseline(dataset, STEPS), network=spec, schedule=None, **changes)
    return recipe, tiny.prepared(dataset, recipe)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_the_trainer_equals_the_plain_trainer_after_50_steps(kind: str) -> None:
    spec = dataclasses.replace(SPEC, normalisation=kind)
    recipe, trial = trial_of(spec, optimizer=AdamW(lr=1e-3, weight_decay=0.1))
    fitted = training.fit(recipe, [trial], 3, STEPS)
    model = plain_model(kind)
    copy_weights(spec.build((3, 8, 8), training._context(recipe, [trial], 3, torch.device("cpu"))), model)
    norms = [p for m in model.modules() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm) for p in m.parameters()]
    others = [*norms, list(model.parameters())[-1]]
    weights = [p for p in model.parameters() if all(p is not other for other in others)]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    pixels = trial.inputs.astype(np.float64)
    mean, deviation = pixels.mean((0, 2, 3), keepdims=True), pixels.std((0, 2, 3), keepdims=True)

    def scaled(images: np.ndarray) -> np.ndarray:
        return ((images - mean) / deviation).astype(np.float32)

    order = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), 16, STEPS)
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    reference.train(model, optimizer, scaled(trial.inputs), trial.targets, order, nn.CrossEntropyLoss())
    model.eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(scaled(trial.validation_inputs))).numpy()
    actual = training.predict(fitted.network, [trial.validation_inputs])[0]
    np.testing.assert_allclose(actual, expected, atol=2e-4)
    assert np.abs(expected).max() > 0.5


@pytest.mark.parametrize("spec", CHOICES, ids=str)
def test_every_choice_trains_and_costs_what_torch_counts(spec: ResidualCnn) -> None:
    recipe, trial = trial_of(spec)
    fitted = training.fit(recipe, [trial], 3, STEPS)
    assert not fitted.diverged.any()
    assert fitted.curve.train[0, -1] < np.log(3)
    with FlopCounterMode(display=False) as counter:
        fitted.network(torch.randn(1, 2, 3, 8, 8))
    assert counter.get_total_flops() == pytest.approx(2 * spec.flops((3, 8, 8), 3), rel=1e-12)


def test_evaluation_changes_nothing_and_does_not_depend_on_what_is_beside_it() -> None:
    recipe, trial = trial_of(SPEC)
    network = training.fit(recipe, [trial], 3, 10).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    whole = training.predict(network, [trial.own_inputs])[0]
    np.testing.assert_allclose(training.predict(network, [trial.own_inputs[5:9]])[0], whole[5:9], atol=1e-5)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_running_statistics_come_from_training_rows_and_are_kept_with_the_weights() -> None:
    recipe, trial = trial_of(SPEC, optimizer=AdamW(lr=3e-2), stopping=EarlyStopping(patience=1))
    fitted = training.fit(recipe, [trial], 3, 200)
    kept = int(fitted.stop_step[0])
    assert kept < fitted.steps[0], "it stopped after its best step, so weights were put back"
    again = training.fit(dataclasses.replace(recipe, stopping=None), [trial], 3, kept)
    for (name, value), other in zip(
        fitted.network.state_dict().items(), again.network.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), name
    wild = dataclasses.replace(trial, validation_inputs=255 - trial.validation_inputs)
    other = training.fit(dataclasses.replace(recipe, stopping=None), [wild], 3, kept)
    for name, value in other.network.named_buffers():
        assert torch.equal(value, dict(again.network.named_buffers())[name]), name


def test_refreshed_statistics_are_those_of_torchs_update() -> None:
    recipe, trial = trial_of(SPEC)
    network = SPEC.build((3, 8, 8), training._context(recipe, [trial], 3, torch.device("cpu")))
    model = plain_model("batch")
    copy_weights(network, model)
    batches = torch.randn(4, 1, 9, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 1
    network.refresh(batches)
    update_bn(batches.squeeze(1), model)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    buffers = {name: value for name, value in network.named_buffers() if not name.startswith("pixel")}
    assert len(buffers) == 2 * len(norms)
    for (name, value), norm in zip(buffers.items(), [norm for norm in norms for _ in range(2)], strict=True):
        expected = norm.running_mean if name.endswith("mean") else norm.running_var
        assert expected is not None
        torch.testing.assert_close(value[0], expected, atol=1e-5, rtol=1e-4)


def test_bfloat16_follows_float32_at_its_precision() -> None:
    recipe, trial = trial_of(SPEC)
    half = dataclasses.replace(recipe, network=dataclasses.replace(SPEC, precision="bfloat16"))
    networks = [training.fit(one, [trial], 3, 1).network for one in (recipe, half)]
    full, rounded = (training.predict(network, [trial.own_inputs])[0] for network in networks)
    assert rounded.dtype == np.float32
    assert not np.array_equal(full, rounded)
    np.testing.assert_allclose(rounded, full, atol=0.05 * np.abs(full).max())


def test_dropout_draws_in_training_only() -> None:
    recipe, trial = trial_of(dataclasses.replace(SPEC, dropout=0.5))
    network = training.fit(recipe, [trial], 3, 2).network
    x = network.entry(torch.from_numpy(trial.inputs[None, :8].copy()))
    assert torch.equal(network(x), network(x))
    assert not torch.equal(network(x, training=True), network(x, training=True))


def test_pixels_are_scaled_with_the_training_rows_own_numbers() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 5, 5), dtype=np.uint8)
    images[:, 1] = 7
    fitted = Standardise().fit(images, np.zeros(40, np.int64), (), regression=False)
    assert fitted.inputs(images) is images
    assert fitted.pixels is not None
    np.testing.assert_allclose(fitted.pixels[0], images.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(fitted.pixels[1], [images[:, 0].std(), 1.0, images[:, 2].std()], rtol=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("width", 0, "width must be at least 1"),
        ("width", 99_999_999_999, "width must be at least 1 and at most 65536, got 99999999999"),
        ("groups", 17, "groups must be at least 1 and at most 16"),
        ("groups", 16, "channels of the last group must be at least 1 and at most 65536"),
        ("depth", 10**9, "depth must be at least 1 and at most 1000"),
        ("filter", 4, "filter must be odd"),
        ("pooling", "median", "pooling must be one of average, max, stride"),
        ("precision", "float16", "precision must be one of float32, bfloat16"),
        ("normalisation", "group", "normalisation must be one of batch, layer, none"),
        ("dropout", 1.0, "dropout must be at least 0 and at most 0.99"),
    ],
)
def test_bad_fields_are_refused(field: str, value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(SPEC, **{field: value})


@pytest.mark.parametrize(
    ("kind", "field"), [(Mlp, "width"), (Mlp, "depth"), (Lstm, "units"), (Gru, "layers"), (Rnn, "units")]
)
def test_sizes_that_no_machine_holds_are_refused(kind: type, field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must be at least [01] and at most [0-9]+, got 99999999999"):
        kind(**{field: 99_999_999_999})


def test_a_patch_that_does_not_divide_the_image_is_refused() -> None:
    recipe, trial = trial_of(SPEC)
    with pytest.raises(ValueError, match="patch 3 does not divide images of 8 x 8 pixels"):
        ResidualCnn(patch=3).build((3, 8, 8), training._context(recipe, [trial], 3, torch.device("cpu")))


@pytest.mark.parametrize("fields", [{}, {"normalisation": "layer"}, {"hidden_noise": 0.1, "survival": 0.5}], ids=str)
def test_no_gradient_is_made_channels_first(fields: dict[str, object]) -> None:
    """A tensor in another layout than its neighbours makes element-wise steps ten times as slow."""
    recipe, trial = trial_of(dataclasses.replace(ResidualCnn(width=8, groups=2), **fields))
    network = training.fit(recipe, [trial], 3, 1).network
    convolutions = [p for name, p in network.named_parameters() if p.dim() == 5 and p.shape[-1] > 1]
    network(torch.randn(1, 4, 3, 8, 8), training=True).sum().backward()
    for weight, other in itertools.pairwise(convolutions):
        assert weight[0].is_contiguous(memory_format=torch.channels_last)
        assert other.grad is not None
        assert other.grad[0].is_contiguous(memory_format=torch.channels_last)
