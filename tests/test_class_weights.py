"""Class weights, and the losses that take them, against exact arithmetic, scikit-learn, torch and torchvision."""

import dataclasses
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torchvision.ops import sigmoid_focal_loss

from bench import training
from bench.catalogue import TECHNIQUES
from bench.keys import Streams, described
from bench.recipe import apply, combine
from bench.stages.class_weights import EVEN, KINDS, REDUCTIONS, Kind, class_weights
from bench.stages.context import Context
from bench.stages.losses import CrossEntropy, Focal, LogitAdjusted, Loss
from bench.stages.margins import Ldam, VectorScaling
from bench.stages.mixing import Mixup
from bench.stages.optimizers import AdamW, Optimizer, Sgd
from bench.work import run_job
from tests import tiny
from tests.test_work import job

COUNTS = np.array([[600, 30, 10], [50, 25, 25]])
WEIGHTED: list[Kind] = ["inverse", "share", "balanced", "sqrt", "effective"]
every_kind = pytest.mark.parametrize("kind", WEIGHTED)
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def context(counts: np.ndarray = COUNTS) -> Context:
    return Context(
        inputs=[],
        targets=[np.repeat(np.arange(len(own)), own) for own in counts],
        seen=counts / counts.sum(axis=1, keepdims=True),
        outputs=counts.shape[1],
        regression=False,
        streams=[Streams(1, "weights", trial, 0) for trial in range(len(counts))],
        device=torch.device("cpu"),
    )


def batch(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(2, 40, classes, generator=generator) * 3
    return logits.requires_grad_(), torch.randint(0, classes, (2, 40), generator=generator)


def exact_effective(counts: list[int], beta: float) -> list[float]:
    """Cui's eq. 2 with 60 digits, scaled so that the sum is the number of classes."""
    with localcontext() as digits:
        digits.prec = 60
        each = [(1 - Decimal(beta)) / (1 - Decimal(beta) ** count) for count in counts]
        return [float(one * len(counts) / sum(each)) for one in each]


def by_formula(kind: Kind, counts: np.ndarray) -> np.ndarray:
    total, classes = counts.sum(), len(counts)
    simple = {"inverse": 1 / counts, "share": total / counts, "balanced": total / (classes * counts)}
    simple["sqrt"] = counts**-0.5
    return np.array(exact_effective(counts.tolist(), 0.9999)) if kind == "effective" else simple[kind]


# ---- the weights ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 5_000_000), min_size=2, max_size=6),
    st.sampled_from([0.01, 0.5, 0.9, 0.999, 0.9999, 1 - 1e-9, 1 - 1e-15]),
)
@settings(max_examples=80, deadline=None)
def test_effective_weights_are_cuis_in_exact_arithmetic(counts: list[int], beta: float) -> None:
    shares, rows = np.array([counts]) / sum(counts), np.array([[sum(counts)]], dtype=float)
    ours = class_weights("effective", shares, rows, beta)[0]
    np.testing.assert_allclose(ours, exact_effective(counts, beta), rtol=1e-9)


def test_effective_weights_go_from_none_to_inverse() -> None:
    shares, rows = np.array([[0.9, 0.09, 0.01]]), np.array([[1000.0]])
    inverse = class_weights("inverse", shares, rows)
    np.testing.assert_allclose(class_weights("effective", shares, rows, 1e-9), 1, rtol=1e-8)
    almost = class_weights("effective", shares, rows, 1 - 1e-12)
    np.testing.assert_allclose(almost, inverse * 3 / inverse.sum(), rtol=1e-8)


def test_balanced_weights_are_scikit_learns() -> None:
    labels = np.repeat(np.arange(3), COUNTS[0])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    shares, rows = COUNTS[:1] / COUNTS[0].sum(), np.array([[640.0]])
    np.testing.assert_allclose(class_weights("balanced", shares, rows)[0], expected)


@every_kind
@every_reduction
def test_weighted_cross_entropy_is_torchs_with_the_weights_of_the_formula(kind: Kind, reduction) -> None:
    logits, labels = batch()
    losses = CrossEntropy(kind, reduction).begin(context())(logits, labels)
    for trial, counts in enumerate(COUNTS):
        weight = torch.tensor(by_formula(kind, counts), dtype=torch.float32)
        expected = nn.functional.cross_entropy(logits[trial], labels[trial], weight, reduction="none")
        divisor = len(labels[trial]) if reduction == "mean" else weight[labels[trial]].sum()
        torch.testing.assert_close(losses[trial], expected.sum() / divisor)


# ---- their reductions -------------------------------------------------------------------------------------------

soft_labels = st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=8)


@given(soft_labels)
@settings(max_examples=40, deadline=None)
def test_under_the_weighted_mean_three_kinds_are_one_loss_for_soft_labels_too(rows: list[list[float]]) -> None:
    soft = torch.tensor([rows])
    soft = soft / soft.sum(2, keepdim=True)
    logits = torch.randn(1, len(rows), 3, generator=torch.Generator().manual_seed(len(rows)))
    losses = [CrossEntropy(kind).begin(context(COUNTS[:1]))(logits, soft)[0] for kind in EVEN]
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(losses[0], losses[2])
    weight = torch.tensor(1 / COUNTS[0], dtype=torch.float32)
    each = -(soft * weight * logits.log_softmax(2)).sum()
    torch.testing.assert_close(losses[0], each / (soft * weight).sum())


def _trained(loss: Loss, optimizer: Optimizer) -> torch.Tensor:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset), loss=loss, optimizer=optimizer, schedule=None)
    network = training.fit(recipe, [tiny.prepared(dataset, recipe)], 3, 20).network
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_under_a_plain_mean_they_train_apart_under_sgd_and_hardly_under_adam() -> None:
    apart = {}
    for optimizer in (Sgd(lr=0.05), AdamW(lr=0.01, weight_decay=0.0)):
        one, other = (_trained(CrossEntropy(kind, "mean"), optimizer) for kind in ("share", "balanced"))
        apart[optimizer.kind] = float((one - other).abs().max())
    assert apart["sgd"] > 0.05
    assert apart["adamw"] < 1e-3


# ---- the posterior that a loss teaches --------------------------------------------------------------------------

TEACHING = [
    *(CrossEntropy(kind, reduction) for kind in KINDS for reduction in REDUCTIONS),  # type: ignore[arg-type]
    CrossEntropy("effective", beta=0.9),
    Focal(0.0, weights="sqrt"),
    LogitAdjusted(0.5),
    LogitAdjusted(1.0),
    VectorScaling(0.0, 1.25),
    VectorScaling(0.0, 0.5, weights="effective"),
    Ldam(0.0, weights="inverse"),
]


@pytest.mark.parametrize("loss", TEACHING, ids=str)
def test_a_loss_is_least_where_logits_are_the_posterior_under_the_prior_it_names(loss: Loss) -> None:
    """Rows at one place have labels in other shares than all rows: the gradient vanishes at the posterior named."""
    counts, here = np.array([600, 30, 10]), np.array([20, 7, 13])
    prior = counts / counts.sum()
    posterior = here * loss.prior(prior, 640) / prior
    logits = torch.tensor(np.log(posterior), dtype=torch.float32).expand(1, here.sum(), 3).clone().requires_grad_()
    labels = torch.from_numpy(np.repeat(np.arange(3), here))[None]
    loss.begin(context(counts[None]))(logits, labels).sum().backward()
    assert logits.grad is not None
    largest = logits.grad.abs().max()
    assert largest > 0
    assert (logits.grad.sum(1).abs() < 1e-5 * here.sum() * largest).all()


def test_alpha_shifts_the_prior_of_two_classes() -> None:
    prior = np.array([0.9, 0.1])
    np.testing.assert_allclose(Focal(0.0, alpha=0.75).prior(prior, 100), np.array([0.225, 0.075]) / 0.3)
    np.testing.assert_allclose(Focal(2.0).prior(prior, 100), prior)


def test_effective_weights_need_to_know_of_how_many_rows_a_prior_is() -> None:
    with pytest.raises(ValueError, match="needs the number of rows"):
        CrossEntropy("effective").prior(np.array([0.9, 0.1]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_rows_has_no_prior_and_no_weight(kind) -> None:
    loss = CrossEntropy(kind)
    prior = loss.prior(np.array([0.75, 0.0, 0.25]), 100)
    assert prior[1] == 0
    np.testing.assert_allclose(prior.sum(), 1)
    if kind != "none":
        with pytest.raises(ValueError, match="class 1 has no training row"):
            loss.begin(context(np.array([[75, 0, 25]])))


@pytest.mark.parametrize("name", ["class-weights-effective", "deferred-reweighting", "class-weights-sqrt"])
def test_a_record_holds_the_prior_that_the_loss_saw_at_the_end(name: str) -> None:
    dataset = tiny.DATASETS["table"]
    plain = job(dataset)
    recipe = apply(plain.recipe, combine([TECHNIQUES[name]], dataset.kind))
    row = run_job(dataclasses.replace(plain, recipe=recipe)).runs[0]
    counts = np.array(row["own_prior"]) * row["rows_own"]
    weights = (
        counts**-0.5
        if name.endswith("sqrt")
        else np.array(exact_effective(counts.round().astype(int).tolist(), 0.9999))
    )
    np.testing.assert_allclose(row["seen_prior"], counts * weights / (counts * weights).sum(), rtol=1e-9)


# ---- focal ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [0.25, 0.9])
def test_focal_with_alpha_is_torchvisions_gradient_included(gamma: float, alpha: float) -> None:
    logits, labels = batch(classes=2)
    losses = Focal(gamma, alpha).begin(context(COUNTS[:, :2]))(logits, labels)
    margin = logits[..., 1] - logits[..., 0]
    expected = sigmoid_focal_loss(margin, labels.float(), alpha, gamma, reduction="none").mean(1)
    torch.testing.assert_close(losses, expected)
    ours, theirs = (torch.autograd.grad(value.sum(), logits, retain_graph=True)[0] for value in (losses, expected))
    torch.testing.assert_close(ours, theirs)


@every_kind
@every_reduction
def test_focal_at_gamma_zero_is_weighted_cross_entropy_bit_for_bit(kind: Kind, reduction) -> None:
    logits, labels = batch()
    focal = Focal(0.0, weights=kind, reduction=reduction).begin(context())(logits, labels)
    plain = CrossEntropy(kind, reduction).begin(context())(logits, labels)
    assert torch.equal(focal, plain)
    ours, theirs = (torch.autograd.grad(value.sum(), logits, retain_graph=True)[0] for value in (focal, plain))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("loss", [Focal(2.0, weights="effective"), Focal(0.5, alpha=0.25)], ids=str)
def test_focal_with_weights_takes_hard_labels_as_soft_ones_and_stays_finite_at_certainty(loss: Focal) -> None:
    logits, labels = batch(classes=2)
    with torch.no_grad():
        logits[0, 0] = torch.tensor([90.0, -90.0])
        logits[0, 1] = torch.tensor([-90.0, 90.0])
    begun = loss.begin(context(COUNTS[:, :2]))
    soft = nn.functional.one_hot(labels, 2).float()
    torch.testing.assert_close(begun(logits, soft), begun(logits, labels))
    for targets in (labels, soft):
        assert torch.isfinite(torch.autograd.grad(begun(logits, targets).sum(), logits)[0]).all()


def test_alpha_is_for_two_classes() -> None:
    with pytest.raises(ValueError, match="alpha weights one of two classes, and here are 3"):
        Focal(alpha=0.25).begin(context())


# ---- values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: CrossEntropy("cubic"), "one of none, inverse, share, balanced, sqrt, effective, got 'cubic'"),  # type: ignore[arg-type]
        (lambda: CrossEntropy("sqrt", "sum"), "reduction must be one of weighted-mean, mean, got 'sum'"),  # type: ignore[arg-type]
        (lambda: Ldam(beta=1.0), r"beta must be above 0 and below 1, got 1\.0"),
        (lambda: Focal(beta=0.0), r"beta must be above 0 and below 1, got 0\.0"),
        (lambda: Focal(alpha=1.0), r"alpha must be above 0 and below 1, or none, got 1\.0"),
    ],
)
def test_parameters_out_of_range_are_refused_in_one_sentence(make, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_what_was_stored_before_has_the_same_key() -> None:
    assert described(CrossEntropy("balanced", "mean")) == {"weights": "balanced", "reduction": "mean"}
    assert described(Focal(2.0)) == {"gamma": 2.0}
    assert described(Mixup(1.0)) == {"alpha": 1.0}
    assert described(CrossEntropy("effective", beta=0.9))["beta"] == 0.9
