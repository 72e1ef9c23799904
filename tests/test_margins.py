"""Losses that move or stretch logits, against plain formulas example by example, and the head with cosines."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from torch import nn

from bench import training
from bench.catalogue import TECHNIQUES
from bench.keys import Streams, described, digest
from bench.networks.base import NetworkSpec
from bench.networks.image_specs import ResidualCnn
from bench.networks.layers import NormalisedLinear
from bench.networks.specs import Gru, Lstm, Mlp, Rnn
from bench.recipe import Recipe, apply, combine
from bench.stages.context import Context
from bench.stages.losses import CrossEntropy, LogitAdjusted, Loss
from bench.stages.margins import Ldam, VectorScaling
from tests import tiny

COUNTS = np.array([[60, 30, 10], [50, 25, 25]])


def context(counts: np.ndarray = COUNTS, shape: tuple[int, ...] = (4,)) -> Context:
    images = len(shape) == 3
    return Context(
        inputs=[np.zeros((sum(own), *shape), dtype=np.float32) for own in counts],
        targets=[np.repeat(np.arange(len(own)), own) for own in counts],
        seen=counts / counts.sum(axis=1, keepdims=True),
        outputs=counts.shape[1],
        regression=False,
        streams=[Streams(1, "margins", trial, 0) for trial in range(len(counts))],
        device=torch.device("cpu"),
        pixels=np.ones((len(counts), 2, 3), dtype=np.float32) if images else None,
    )


def batch(scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 40, 3, generator=generator) * scale
    return logits.requires_grad_(), torch.randint(0, 3, (2, 40), generator=generator)


def gradient(value: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(value.sum(), logits, retain_graph=True)[0]


# ---- LDAM -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0.5, 4.0, 15.0])
def test_ldam_and_its_gradient_are_the_plain_formulas_example_by_example(margin: float) -> None:
    logits, labels = batch(10.0)
    losses = Ldam(margin).begin(context())(logits, labels)
    slopes = gradient(losses, logits)
    for trial, counts in enumerate(COUNTS):
        total = 0.0
        for example in range(40):
            z, y = logits[trial, example].tolist(), int(labels[trial, example])
            z[y] -= margin * (int(counts[y]) / int(counts.min())) ** -0.25
            top = sum(math.exp(one) for one in z)
            total -= z[y] - math.log(top)
            for label in range(3):
                slope = math.exp(z[label]) / top - (label == y)
                assert math.isclose(float(slopes[trial, example, label]), slope / 40, rel_tol=1e-4, abs_tol=1e-7)
        assert math.isclose(float(losses[trial].detach()), total / 40, rel_tol=1e-5)


def test_the_rarest_class_has_the_whole_margin() -> None:
    """By how much the label's logit must rise for the loss to be that of no margin."""
    for label, expected in enumerate(15 * (COUNTS[0] / 10.0) ** -0.25):
        logits, labels = torch.zeros(1, 1, 3), torch.tensor([[label]])
        raised = logits.clone()
        raised[..., label] += float(expected)
        ldam = Ldam(15.0).begin(context(COUNTS[:1]))(raised, labels)
        torch.testing.assert_close(ldam, CrossEntropy().begin(context(COUNTS[:1]))(logits, labels))


def test_ldam_without_a_margin_is_cross_entropy_bit_for_bit() -> None:
    logits, labels = batch()
    ours, theirs = (loss.begin(context())(logits, labels) for loss in (Ldam(0.0), CrossEntropy()))
    assert torch.equal(ours, theirs)
    assert torch.equal(gradient(ours, logits), gradient(theirs, logits))


@pytest.mark.parametrize("loss", [Ldam(15.0), Ldam(4.0, weights="effective"), VectorScaling(0.3, 1.0)], ids=str)
def test_soft_labels_are_means_of_hard_ones_and_extreme_logits_have_finite_gradients(loss: Loss) -> None:
    logits, labels = batch(40.0)
    begun = loss.begin(context())
    hard = nn.functional.one_hot(labels, 3).float()
    torch.testing.assert_close(begun(logits, hard), begun(logits, labels))
    for targets in (labels, hard, 0.7 * hard + 0.1):
        assert torch.isfinite(gradient(begun(logits, targets), logits)).all()
    if isinstance(loss, Ldam) and loss.weights == "none":
        each = [begun(logits, torch.full_like(labels, label)) for label in range(3)]
        mixed = torch.tensor([0.2, 0.3, 0.5]).expand(2, 40, 3)
        torch.testing.assert_close(begun(logits, mixed), 0.2 * each[0] + 0.3 * each[1] + 0.5 * each[2])


@given(st.integers(1, 400), st.floats(0.1, 15.0))
@settings(max_examples=15, deadline=None)
def test_margins_hardly_move_the_boundary_that_is_best_in_expectation(ratio: int, margin: float) -> None:
    """The odds at which the best margin between two logits changes its sign, as the docstring has them."""
    loss = Ldam(margin).begin(context(np.array([[10 * ratio, 10]])))
    odds = (1 + math.exp(-margin)) / (1 + math.exp(-margin * ratio**-0.25))
    for factor, sign in ((0.97, -1), (1.03, 1)):
        p = odds * factor / (1 + odds * factor)
        soft = torch.tensor([[[1 - p, p]]], dtype=torch.float64)

        def expected(lead: float, soft: torch.Tensor = soft) -> float:
            return float(loss(torch.tensor([[[0.0, lead]]], dtype=torch.float64), soft))

        best = minimize_scalar(expected, bounds=(-40, 40), method="bounded", options={"xatol": 1e-7})
        assert math.copysign(1, best.x) == sign
    np.testing.assert_allclose(Ldam(margin).prior(np.array([0.9, 0.1]), 100), [0.9, 0.1])


# ---- balanced softmax, vector scaling ---------------------------------------------------------------------------


def _recipe(name: str) -> Recipe:
    dataset = tiny.DATASETS["table"]
    return apply(tiny.baseline(dataset), combine([TECHNIQUES[name]], dataset.kind))


def test_balanced_softmax_is_its_formula_and_the_logit_adjusted_loss() -> None:
    logits, labels = batch()
    losses = _recipe("balanced-softmax").loss.begin(context())(logits, labels)
    for trial, counts in enumerate(COUNTS):
        weighed = torch.from_numpy(counts) * logits[trial].double().exp()  # n_c e^z_c
        p = weighed.gather(1, labels[trial][:, None])[:, 0] / weighed.sum(1)
        torch.testing.assert_close(losses[trial].double(), -p.log().mean(), atol=1e-5, rtol=1e-5)
    keys = {digest(_recipe(name).training()) for name in ("balanced-softmax", "logit-adjusted-loss")}
    assert len(keys) == 1, "a suite with both must train once"
    assert digest(_recipe("vector-scaling").training()) not in keys


@given(st.floats(0, 2), st.floats(0, 2))
@settings(max_examples=30, deadline=None)
def test_vector_scaling_is_its_formula(gamma: float, tau: float) -> None:
    logits, labels = batch()
    losses = VectorScaling(gamma, tau).begin(context())(logits, labels)
    for trial, counts in enumerate(COUNTS):
        delta, iota = (counts / counts.max()) ** gamma, tau * np.log(counts / counts.sum())
        moved = logits[trial].double() * torch.from_numpy(delta) + torch.from_numpy(iota)
        expected = nn.functional.cross_entropy(moved, labels[trial])
        torch.testing.assert_close(losses[trial].double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("special", "known"),
    [
        (VectorScaling(0.0, 0.0), CrossEntropy()),
        (VectorScaling(0.0, 0.0, weights="effective"), CrossEntropy("effective")),
        (VectorScaling(0.0, 1.0), LogitAdjusted(1.0)),
        (VectorScaling(0.0, 0.7), LogitAdjusted(0.7)),
    ],
    ids=str,
)
def test_its_special_cases_are_other_losses_bit_for_bit(special: Loss, known: Loss) -> None:
    logits, labels = batch()
    ours, theirs = (loss.begin(context())(logits, labels) for loss in (special, known))
    assert torch.equal(ours, theirs)
    assert torch.equal(gradient(ours, logits), gradient(theirs, logits))
    prior = np.array([0.8, 0.15, 0.05])
    np.testing.assert_allclose(special.prior(prior, 100), known.prior(prior, 100))


@pytest.mark.parametrize("loss", [Ldam(), VectorScaling()], ids=str)
def test_a_class_without_rows_is_refused(loss: Loss) -> None:
    with pytest.raises(ValueError, match="class 2 has no training row"):
        loss.begin(context(np.array([[60, 30, 0]])))


# ---- the head with cosines --------------------------------------------------------------------------------------

SPECS = [
    (Mlp(width=7, head="cosine"), (4,)),
    (Rnn(units=5, head="cosine"), (6, 2)),
    (Gru(units=5, head="cosine"), (6, 2)),
    (Lstm(units=5, head="cosine"), (6, 2)),
    (ResidualCnn(width=4, groups=2, head="cosine"), (3, 8, 8)),
]


@pytest.mark.parametrize(("spec", "shape"), SPECS, ids=[spec.kind for spec, _ in SPECS])
def test_logits_are_cosines_times_the_heads_scale(spec: NetworkSpec, shape: tuple[int, ...]) -> None:
    known = context(COUNTS[:1], shape)
    network = spec.build(shape, known)
    x = torch.randn(1, 9, *shape, generator=torch.Generator().manual_seed(1))
    logits, features = network(x), network.features(x)
    weights = network.get_parameter("head.weight")  # [T, H, C]
    cosines = nn.functional.cosine_similarity(features[..., None], weights[:, None], dim=2)
    torch.testing.assert_close(logits, 30 * cosines)
    assert "head.bias" not in dict(network.named_parameters())
    assert not any("scale" in name for name, _ in [*network.named_parameters(), *network.named_buffers()])


def test_its_scale_is_the_recipes_and_no_matter_to_a_linear_head() -> None:
    x = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(1))
    twice, once = (Mlp(width=7, head="cosine", head_scale=scale).build((4,), context())(x) for scale in (20.0, 10.0))
    torch.testing.assert_close(twice, 2 * once)
    linear = [Mlp(width=7, head_scale=scale).build((4,), context())(x) for scale in (20.0, 30.0)]
    assert torch.equal(*linear)
    assert "head_scale" not in described(Mlp(head="cosine"))
    with pytest.raises(ValueError, match="head_scale must be above 0"):
        Gru(head_scale=0.0)


def test_what_it_trains_predicts_with_confidence() -> None:
    """Bare cosines could never say more than e^2 to 1."""
    dataset, recipe = tiny.DATASETS["table"], _recipe("ldam")
    trial = tiny.prepared(dataset, recipe)
    network = training.fit(recipe, [trial], 3, 20).network
    assert isinstance(network.get_submodule("head"), NormalisedLinear)
    p = torch.from_numpy(training.predict(network, [trial.own_inputs])[0]).softmax(1)
    assert p.max() > 0.99
