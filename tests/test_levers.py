"""Tuning levers against what they mean: sizes by formulas, weights and losses by torch's own, equal examples."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional, init

from bench import records, training
from bench.baselines import baseline
from bench.catalogue import TECHNIQUES
from bench.catalogue.tuning import TUNING
from bench.datasets import create
from bench.errors import UsageError
from bench.keys import Streams, differences
from bench.networks.image_specs import ResidualCnn
from bench.networks.layers import Network
from bench.networks.specs import Gru, Lstm, Mlp, NetworkSpec, Rnn
from bench.plan import make_plan
from bench.preparation import prepare
from bench.recipe import Recipe, apply
from bench.splits import split
from bench.stages.augmentation import ClassNoise
from bench.stages.class_losses import Hinge, SquaredError
from bench.stages.context import Context
from bench.stages.initial import METHODS, InitialWeights, Pretrained
from bench.stages.optimizers import Sgd
from bench.stages.preprocessing import Standardise
from bench.stages.value_losses import Huber, MeanAbsoluteError
from bench.suite import Suite
from bench.suitefile import load_suite
from tests import tiny

TRIALS = 2


def _context(outputs: int = 3, trials: int = TRIALS, regression: bool = False) -> Context:
    nothing = [np.zeros((4, 1), dtype=np.float32)] * trials
    streams = [Streams(5, "levers", repeat, 0) for repeat in range(trials)]
    return Context(nothing, nothing, None, outputs, regression, streams, torch.device("cpu"))


def _built(spec: NetworkSpec, shape: tuple[int, ...], method: str = "default") -> Network:
    context = _context(trials=TRIALS if spec.stacks else 1)
    network = spec.build(shape, context)
    InitialWeights(method).put(network, _beginning(context))  # type: ignore[arg-type]
    return network


def _beginning(context: Context):
    from bench.stages.initial import Beginning

    def never(*_: object):
        raise AssertionError("no batch and no optimizer is needed")

    return Beginning(context, 10, never, never)


def _count(spec: NetworkSpec, shape: tuple[int, ...]) -> int:
    """Return the parameters of one trial's network."""
    network = _built(spec, shape)
    return sum(p[0].numel() for p in network.parameters())


def _changed(name: str, recipe: Recipe, kind: str = "table", **more: object) -> Recipe:
    return apply(apply(recipe, TECHNIQUES[name].changes(kind)), {key.replace("__", "."): v for key, v in more.items()})


# ---- sizes


@pytest.mark.parametrize("depth", TECHNIQUES["depth"].grid["network.depth"])
def test_depth_adds_square_layers(depth: int) -> None:
    recipe = dataclasses.replace(tiny.baseline(tiny.DATASETS["table"]), network=Mlp(width=9, depth=2))
    spec = _changed("depth", recipe, network__depth=depth).network
    assert _count(spec, (5,)) == (5 * 9 + 9) + (depth - 1) * (9 * 9 + 9) + (9 * 3 + 3)


@pytest.mark.parametrize("scale", TECHNIQUES["width"].grid["network.scale"])
def test_width_is_a_multiple_of_the_baselines(scale: float) -> None:
    recipe = dataclasses.replace(tiny.baseline(tiny.DATASETS["table"]), network=Mlp(width=8, depth=1))
    wide = round(8 * scale)
    assert _count(_changed("width", recipe, network__scale=scale).network, (5,)) == 5 * wide + wide + wide * 3 + 3


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("spec", "kind"), [(Rnn(6), torch.nn.RNN), (Gru(6), torch.nn.GRU), (Lstm(6), torch.nn.LSTM)])
def test_recurrent_layers_have_torchs_parameters(layers: int, spec: NetworkSpec, kind: type) -> None:
    recipe = dataclasses.replace(tiny.baseline(tiny.DATASETS["series"]), network=spec)
    theirs = sum(p.numel() for p in kind(1, 6, num_layers=layers).parameters())
    assert _count(_changed("layers", recipe, network__layers=layers).network, (7, 1)) == theirs + 6 * 3 + 3


def test_filters_and_their_size_count_as_in_torchs_convolutions() -> None:
    def theirs(width: int, side: int) -> int:
        stem, out = torch.nn.Conv2d(3 * 4, width, side, bias=False), torch.nn.Linear(2 * width, 3)
        first = [torch.nn.Conv2d(width, width, side, bias=False) for _ in range(2)]
        second = [torch.nn.Conv2d(width, 2 * width, side, bias=False), torch.nn.Conv2d(2 * width, 2 * width, side)]
        convolutions = sum(part.weight.numel() for part in [stem, *first, *second]) + width * 2 * width  # and shortcut
        norms = 2 * (3 * width + 3 * 2 * width)
        return convolutions + norms + sum(p.numel() for p in out.parameters())

    recipe = dataclasses.replace(tiny.baseline(tiny.DATASETS["image"]), network=ResidualCnn(width=4, groups=2))
    assert _count(recipe.network, (3, 8, 8)) == theirs(4, 3)
    assert _count(_changed("filters", recipe, "image").network, (3, 8, 8)) == theirs(8, 3)
    for side in (1, 5):
        assert _count(_changed("filter-size", recipe, "image", network__filter=side).network, (3, 8, 8)) == theirs(
            4, side
        )


def test_pooling_over_time_shows_the_head_the_mean_or_the_largest_state() -> None:
    x = torch.randn(1, 4, 7, 1, generator=torch.Generator().manual_seed(0))
    networks = {pool: _built(Lstm(6, pool=pool), (7, 1)) for pool in ("last", "mean", "max")}  # type: ignore[arg-type]
    own = torch.nn.LSTM(1, 6, batch_first=True)
    layer = networks["last"].get_submodule("layers.0")
    named = ("weight_ih_l0", "input_weight"), ("weight_hh_l0", "state_weight")
    own.load_state_dict(
        {theirs: getattr(layer, ours)[0] for theirs, ours in named}
        | {"bias_ih_l0": layer.input_bias[0, 0], "bias_hh_l0": layer.state_bias[0, 0]}  # type: ignore[index]
    )
    states, _ = own(x[0])
    expected = {"last": states[:, -1], "mean": states.mean(1), "max": states.amax(1)}
    for pool, network in networks.items():
        torch.testing.assert_close(network.features(x)[0], expected[pool])


# ---- input size


@pytest.mark.parametrize("factor", [0.5, 0.75, 2.0])
def test_images_are_resized_as_pillow_does_but_for_rounding(factor: float) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 8, 12)).astype(np.uint8)
    fitted = Standardise(image_scale=factor).fit(images, np.zeros(3, dtype=np.int64), (), False)
    made = fitted.inputs(images)
    height, width = round(8 * factor), round(12 * factor)
    assert made.shape == (3, 2, height, width)
    assert made.dtype == np.uint8
    for image, own in zip(images.reshape(-1, 8, 12), made.reshape(-1, height, width), strict=True):
        theirs = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        assert np.abs(theirs.astype(int) - own.astype(int)).max() <= 1
    assert fitted.pixels is not None
    np.testing.assert_allclose(fitted.pixels[0], made.mean((0, 2, 3)), rtol=1e-5)


def test_a_window_keeps_the_newest_points_and_is_scaled_by_what_it_keeps() -> None:
    series = np.random.default_rng(0).normal(3, 2, (20, 8, 1)).astype(np.float32)
    targets = series[:, -1]
    fitted = Standardise(window=0.5).fit(series, targets, (), True)
    kept = series[:, 4:]
    np.testing.assert_allclose(fitted.inputs(series), (kept - kept.mean()) / kept.std(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fitted.restore(fitted.targets(targets)), targets, rtol=1e-5)


@pytest.mark.parametrize(("field", "data"), [("image_scale", np.zeros((4, 3))), ("window", np.zeros((4, 3)))])
def test_sizes_that_do_not_fit_the_data_are_refused(field: str, data: np.ndarray) -> None:
    with pytest.raises(ValueError, match=f"{field} .* and these data are none"):
        Standardise(**{field: 0.5}).fit(data, np.zeros(4), (), False)


@pytest.mark.parametrize("change", [{"preprocess.image_scale": 0.0}, {"preprocess.window": 1.5},
                                    {"steps_factor": 0.0}, {"batch_factor": math.inf}])  # fmt: skip
def test_factors_out_of_range_are_refused_in_a_sentence(change: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"must be .*above 0 and at most"):
        apply(tiny.baseline(tiny.DATASETS["image"]), change)


# ---- length of training


@pytest.mark.parametrize("factor", [0.1, 0.25, 0.5, 1.5, 2.0, 4.0, 100.0])
@pytest.mark.parametrize(("batch", "steps"), [(256, 800), (64, 400), (30, 101)])
def test_another_batch_size_sees_as_many_examples(factor: float, batch: int, steps: int) -> None:
    recipe = dataclasses.replace(tiny.baseline(tiny.DATASETS["table"]), batch_size=batch, steps=steps)
    found = dataclasses.replace(recipe, batch_factor=factor).resolved()
    assert found.batch_size == max(1, round(batch * factor))
    assert abs(found.batch_size * found.steps - batch * steps) <= found.batch_size / 2


def test_epochs_multiply_steps_and_neither_factor_is_in_a_key() -> None:
    recipe = tiny.baseline(tiny.DATASETS["table"], steps=20)
    longer = dataclasses.replace(recipe, steps_factor=2.5, batch_factor=0.5).resolved()
    assert (longer.steps, longer.batch_size) == (100, 8)
    assert longer.training() == dataclasses.replace(recipe, steps=100, batch_size=8).training()
    assert recipe.resolved() is recipe


def test_new_fields_leave_the_keys_of_recipes_without_them_as_they_were() -> None:
    told = baseline(create("sine", {})).training()
    assert not {"initial", "steps_factor", "batch_factor"} & told.keys()
    assert told["preprocess"] == {"kind": "standardise", "revision": 1}


# ---- initial weights


NETWORKS: dict[str, tuple[NetworkSpec, tuple[int, ...]]] = {
    "mlp": (Mlp(width=40, depth=2), (30,)),
    "rnn": (Rnn(units=40), (5, 1)),
    "gru": (Gru(units=40, layers=2), (5, 1)),
    "lstm": (Lstm(units=40, layers=2), (5, 1)),
    "residual-cnn": (ResidualCnn(width=12, groups=2), (3, 8, 8)),
}


def _theirs(method: str, units: int, incoming: int, area: int) -> torch.Tensor:
    weights = torch.empty(units, incoming // area, area)
    draw = {
        "zero": init.zeros_, "small-normal": lambda w: init.normal_(w, std=0.01), "xavier": init.xavier_uniform_,
        "he": lambda w: init.kaiming_normal_(w, nonlinearity="relu"), "orthogonal": init.orthogonal_,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return draw[method](weights).view(units, incoming)


@pytest.mark.parametrize("label", NETWORKS)
@pytest.mark.parametrize("method", METHODS[1:])
def test_initial_weights_have_the_statistics_of_torchs(label: str, method: str) -> None:
    spec, shape = NETWORKS[label]
    network = _built(spec, shape, method)
    assert all(not bias.any() for bias in network.biases())
    for matrix in network.matrices():
        for own in matrix.values.detach():
            theirs = _theirs(method, own.shape[0], own.shape[1], matrix.area)
            tolerance = 6 * float(theirs.std()) / math.sqrt(own.numel())
            assert abs(float(own.mean())) <= tolerance
            assert float(own.square().mean().sqrt()) == pytest.approx(
                float(theirs.square().mean().sqrt()), abs=tolerance
            )
            assert float(own.abs().max()) <= 2 * float(theirs.abs().max()) + 1e-9


@pytest.mark.parametrize("label", NETWORKS)
def test_orthogonal_weights_are_orthogonal_and_zero_ones_zero(label: str) -> None:
    spec, shape = NETWORKS[label]
    for matrix in _built(spec, shape, "orthogonal").matrices():
        for own in matrix.values.detach().double():
            small = own @ own.T if own.shape[0] <= own.shape[1] else own.T @ own
            torch.testing.assert_close(small, torch.eye(len(small), dtype=torch.float64), atol=1e-5, rtol=0)
    network = _built(spec, shape, "zero")
    assert not any(p.any() for name, p in network.named_parameters() if name.endswith("weight"))


def test_matrices_cover_every_weight_once() -> None:
    for spec, shape in NETWORKS.values():
        network = _built(spec, shape)
        held = sum(matrix.values.numel() for matrix in network.matrices())
        assert held == sum(p.numel() for p in network.split()[0])


def test_zero_weights_learn_nothing_but_the_last_bias() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset), initial=InitialWeights("zero"))
    network = training.fit(recipe, [tiny.prepared(dataset, recipe)], 3, recipe.steps).network
    moved = {name for name, p in network.named_parameters() if p.any()}
    assert moved == {"head.bias"}


@pytest.mark.parametrize("initial", [InitialWeights("he"), Pretrained(share=0.5)])
def test_initial_weights_leave_the_trainings_own_draws_as_they_are(initial: InitialWeights | Pretrained) -> None:
    dataset = tiny.DATASETS["table"]
    plain = dataclasses.replace(tiny.baseline(dataset), augment=(ClassNoise(0.1),))
    fits = [
        training.fit(recipe, [tiny.prepared(dataset, recipe)], 3, 5)
        for recipe in (plain, dataclasses.replace(plain, initial=initial))
    ]
    drawn, other = (fit.network._context._generators for fit in fits)
    assert len(drawn) > 1
    for purpose, streams in drawn.items():
        assert torch.equal(streams[0].get_state(), other[purpose][0].get_state()), purpose


# ---- pretraining


def test_pretraining_learns_to_give_inputs_back_without_labels() -> None:
    dataset = tiny.DATASETS["table"]
    plain = dataclasses.replace(tiny.baseline(dataset), optimizer=Sgd(lr=1e-12), schedule=None)
    recipe = dataclasses.replace(plain, initial=Pretrained(share=5.0))
    with pytest.MonkeyPatch.context() as patch:
        losses = _watched(patch)
        ready = tiny.prepared(dataset, dataclasses.replace(recipe, optimizer=Sgd(lr=0.1)))
        fit = training.fit(dataclasses.replace(recipe, optimizer=Sgd(lr=0.1)), [ready], 3, 20)
        other = dataclasses.replace(ready, targets=ready.targets[::-1].copy())
        assert len(losses) == 100
        assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
        first = list(losses)
        losses.clear()
        training.fit(dataclasses.replace(recipe, optimizer=Sgd(lr=0.1)), [other], 3, 20)
        assert losses == first, "what is pretrained follows the labels"
    assert fit.seconds > 0


def _watched(patch: pytest.MonkeyPatch) -> list[float]:
    from bench.networks.denoising import Denoiser

    losses: list[float] = []
    own = Denoiser.losses

    def recorded(self: Denoiser, clean: torch.Tensor) -> torch.Tensor:
        found = own(self, clean)
        losses.append(float(found.detach().sum()))
        return found

    patch.setattr(Denoiser, "losses", recorded)
    return losses


def test_pretraining_keeps_the_head_as_drawn_and_is_counted() -> None:
    dataset = tiny.DATASETS["table"]
    plain = tiny.baseline(dataset)
    recipe = dataclasses.replace(plain, initial=Pretrained(share=0.5))
    ready = tiny.prepared(dataset, recipe)
    before = plain.network.build(ready.inputs.shape[1:], training._context(plain, [ready], 3, torch.device("cpu")))
    frozen = dataclasses.replace(recipe, optimizer=Sgd(lr=1e-12), schedule=None)
    after = training.fit(frozen, [ready], 3, 20).network
    torch.testing.assert_close(after.linear_head().weight, before.linear_head().weight)
    spent = records.passes(recipe, 20, 20, ready)
    assert spent == 1.5 * records.passes(plain, 20, 20, ready)


# ---- losses


def _logits(outputs: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(TRIALS, 6, outputs, generator=generator) * 2
    labels = torch.randint(0, outputs, (TRIALS, 6), generator=generator)
    soft = torch.rand(TRIALS, 6, outputs, generator=generator)
    return logits, labels, soft / soft.sum(2, keepdim=True)


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_the_hinge_is_torchs_and_linear_in_soft_labels(margin: float) -> None:
    logits, labels, soft = _logits()
    loss = Hinge(margin=margin).begin(_context(4))
    theirs = [functional.multi_margin_loss(z, y, margin=margin) for z, y in zip(logits, labels, strict=True)]
    torch.testing.assert_close(loss(logits, labels), torch.stack(theirs))
    torch.testing.assert_close(loss(logits, functional.one_hot(labels, 4).float()), torch.stack(theirs))
    each = [loss(logits[:, [i]], torch.full((TRIALS, 1), c)) for i in range(6) for c in range(4)]
    expected = (soft * torch.stack(each, 1).view(TRIALS, 6, 4)).sum(2).mean(1)
    torch.testing.assert_close(loss(logits, soft), expected)


def test_the_squared_error_is_torchs_of_probabilities_and_linear_in_soft_labels() -> None:
    logits, labels, soft = _logits()
    loss = SquaredError().begin(_context(4))
    hard = functional.one_hot(labels, 4).float()
    theirs = torch.stack([4 * functional.mse_loss(z.softmax(1), y) for z, y in zip(logits, hard, strict=True)])
    torch.testing.assert_close(loss(logits, labels), theirs)
    torch.testing.assert_close(loss(logits, hard), theirs)
    each = [loss(logits[:, [i]], torch.full((TRIALS, 1), c)) for i in range(6) for c in range(4)]
    expected = (soft * torch.stack(each, 1).view(TRIALS, 6, 4)).sum(2).mean(1)
    torch.testing.assert_close(loss(logits, soft), expected)


@pytest.mark.parametrize(("loss", "theirs"), [
    (MeanAbsoluteError(), torch.nn.L1Loss()), (Huber(delta=0.5), torch.nn.HuberLoss(delta=0.5)),
    (Huber(delta=2.0), torch.nn.HuberLoss(delta=2.0)),
])  # fmt: skip
def test_losses_of_values_are_torchs(loss: Huber | MeanAbsoluteError, theirs: torch.nn.Module) -> None:
    predicted, targets = torch.randn(2, TRIALS, 50, 3, generator=torch.Generator().manual_seed(2)) * 2
    found = loss.begin(_context(regression=True))(predicted, targets)
    torch.testing.assert_close(found, torch.stack([theirs(*pair) for pair in zip(predicted, targets, strict=True)]))


def test_losses_of_values_refuse_classes() -> None:
    with pytest.raises(ValueError, match="huber is for regressions"):
        Huber().begin(_context())


# ---- where they apply


def test_levers_of_size_apply_to_the_networks_that_have_them() -> None:
    reasons = {
        name: TECHNIQUES[name].not_applicable("classification", "image", baseline(create("digits", {})))
        for name in ("depth", "width", "layers", "filters", "filter-size", "pooling", "time-pooling", "image-side",
                     "window-length", "absolute-error", "hinge")
    }  # fmt: skip
    assert [name for name, reason in reasons.items() if not reason] == ["depth", "width", "image-side", "hinge"]


def test_a_smaller_image_reaches_the_network_in_a_whole_trial() -> None:
    dataset = create("digits", {})
    recipe = _changed("image-side", baseline(dataset), "image")
    data = dataset.make(1, 0)
    ready = prepare(dataset, data, split(dataset, data, 5, 1, 0, 0), recipe, Streams(1, "digits", 0, 0))
    assert ready.inputs.shape[1:] == ready.validation_inputs.shape[1:] == (1, 4, 4)
    fit = training.fit(dataclasses.replace(recipe, steps=2), [ready], 10, 2)
    assert fit.network.get_parameter("hidden.0.weight").shape == (1, 16, 128)


# ---- the shipped suite


@pytest.fixture(scope="module")
def shipped() -> Suite:
    return load_suite("suites/tuning.yaml")


def test_the_shipped_suite_turns_one_thing_at_a_time(shipped: Suite) -> None:
    together = {"batch_size", "steps"}
    for dataset in shipped.datasets:
        for technique in shipped.techniques:
            if technique.not_applicable(dataset):
                continue
            changed = differences(dataset.recipe.training(), technique.recipe(dataset).training())
            slots = {line.split(":")[0].split(".")[0] for line in changed}
            parts = {part.name for part in technique.parts}
            assert len(slots) <= 1 or (parts == {"batch-size"} and slots == together), (technique.label, changed)


def test_every_lever_of_the_catalogue_is_turned_somewhere_in_the_shipped_suite(shipped: Suite) -> None:
    turned = {
        part.name
        for dataset in shipped.datasets
        for technique in shipped.techniques
        if not technique.not_applicable(dataset)
        for part in technique.parts
    }
    assert turned >= {one.name for one in TUNING} | {"dropout", "l2", "augmentation", "weighted-sampling"}


def test_the_shipped_suites_batch_sizes_see_as_many_examples(shipped: Suite) -> None:
    for dataset in shipped.datasets:
        own = dataset.recipe.batch_size * dataset.recipe.steps
        for technique in shipped.techniques:
            if [part.name for part in technique.parts] == ["batch-size"]:
                recipe = technique.recipe(dataset)
                assert abs(recipe.batch_size * recipe.steps - own) <= recipe.batch_size / 2


def test_a_value_that_the_baseline_has_anyway_is_its_training(shipped: Suite) -> None:
    trainings = {(cell.dataset, cell.technique): cell.training for cell in make_plan(shipped).cells}
    assert trainings["fraud", "learning-rate [optimizer.lr=0.01]"] == trainings["fraud", "baseline"]
    assert trainings["sine", "learning-rate [optimizer.lr=0.01]"] != trainings["sine", "baseline"]


def test_a_window_is_cut_in_a_whole_trial_of_a_forecast() -> None:
    dataset = create("sine", {"series": 10, "points": 60, "length": 20})
    recipe = _changed("window-length", baseline(dataset), "series", preprocess__window=0.25)
    data = dataset.make(1, 0)
    ready = prepare(dataset, data, split(dataset, data, 5, 1, 0, 0), recipe, Streams(1, "sine", 0, 0))
    assert ready.inputs.shape[1:] == (5, 1)
    assert data.test_inputs is not None
    assert ready.scaling.inputs(data.test_inputs).shape[1:] == (5, 1)
