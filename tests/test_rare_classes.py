"""What is done for rare classes alone: who is rare, whose label a mixture has, and who is left as it was."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.catalogue import TECHNIQUES
from bench.catalogue.augmentation import USUAL
from bench.keys import Streams
from bench.stages.augmentation import RareClasses
from bench.stages.context import Context
from bench.stages.mixing import CutMix, Mix, Mixup, Remix
from bench.stages.rarity import class_counts, rare_classes

COUNTS = np.array([[60, 25, 10, 5], [12, 48, 12, 30]])


def context(counts: np.ndarray = COUNTS, shape: tuple[int, ...] = (5,), regression: bool = False) -> Context:
    """Rows of noise; batches are said to be balanced, which is no matter to who is rare."""
    rng = np.random.default_rng(0)
    images = len(shape) == 3
    sizes = [(int(sum(own)), *shape) for own in counts]
    return Context(
        inputs=[rng.integers(0, 256, size).astype(np.uint8 if images else np.float32) for size in sizes],
        targets=[np.repeat(np.arange(len(own)), own) for own in counts],
        seen=np.full(counts.shape, 1 / counts.shape[1]),
        outputs=counts.shape[1],
        regression=regression,
        streams=[Streams(1, "rare", trial, 0) for trial in range(len(counts))],
        device=torch.device("cpu"),
        pixels=np.ones((len(counts), 2, 3), dtype=np.float32) if images else None,
        mirrors=images,
    )


def batch(shape: tuple[int, ...], count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    inputs = torch.randn(2, count, *shape, generator=generator)
    labels = torch.randint(0, 4, (2, count), generator=generator)
    return (inputs * 40 + 128).clamp_(0, 255).byte() if len(shape) == 3 else inputs, labels


# ---- who is rare ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any))
@settings(max_examples=60, deadline=None)
def test_rare_is_a_class_with_fewer_rows_than_the_mean_class(counts: list[int]) -> None:
    known = context(np.array([counts]))
    assert class_counts(known)[0].tolist() == counts
    mean = sum(counts) / len(counts)
    assert rare_classes(known)[0].tolist() == [count < mean for count in counts]


@pytest.mark.parametrize("stage", [RareClasses(), Remix(), Mixup(rare_only=True), CutMix(rare_only=True)], ids=str)
def test_a_regression_is_refused(stage) -> None:
    with pytest.raises(ValueError, match="regression"):
        stage.begin(context(regression=True))


# ---- Remix ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kappa", "tau"), [(3.0, 0.5), (1.5, 0.9), (100.0, 0.5), (3.0, 0.0)])
def test_remix_mixes_inputs_as_mixup_and_labels_by_the_papers_rule(kappa: float, tau: float) -> None:
    """With inputs that tell who was mixed with whom, and how much of each."""
    count = 200
    inputs = torch.eye(count).expand(2, count, count).contiguous()
    _, labels = batch((1,), count)
    mixed, soft = Remix(1.0, kappa=kappa, tau=tau).begin(context())(inputs, labels)
    cases = {"partner": 0, "own": 0, "mixup": 0}
    for trial in range(2):
        for one in range(count):
            kept = float(mixed[trial, one, one])
            rest = mixed[trial, one].clone()
            rest[one] = 0
            partner = int(rest.argmax()) if kept < 1 else one
            assert abs(float(rest.sum()) - (1 - kept)) < 1e-6
            i, j = int(labels[trial, one]), int(labels[trial, partner])
            ratio = COUNTS[trial, i] / COUNTS[trial, j]
            case = (
                "partner"
                if ratio >= kappa and kept < tau
                else "own"
                if 1 / ratio >= kappa and 1 - kept < tau
                else "mixup"
            )
            cases[case] += 1
            expected = torch.zeros(4)
            share = {"partner": 0.0, "own": 1.0, "mixup": kept}[case]
            expected[i] += share
            expected[j] += 1 - share
            torch.testing.assert_close(soft[trial, one], expected)
    acts = kappa < 100 and tau > 0
    assert (cases["partner"] > 10 and cases["own"] > 10) == acts
    assert cases["mixup"] > 10


# ---- mixing rare classes alone ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mix", "shape"),
    [
        (Mixup(1.0, rare_only=True), (5,)),
        (Mixup(0.3, rare_only=True), (7, 2)),
        (CutMix(1.0, rare_only=True), (3, 8, 8)),
    ],
    ids=["table", "series", "cutmix"],
)
def test_only_examples_of_rare_classes_are_mixed(mix: Mix, shape: tuple[int, ...]) -> None:
    inputs, labels = batch(shape)
    inputs = inputs.float()
    mixed, soft = mix.begin(context())(inputs, labels)
    usual, usual_soft = type(mix)(mix.alpha).begin(context())(inputs, labels)
    rare = rare_classes(context()).gather(1, labels)
    assert 10 < int(rare.sum()) < rare.numel() - 10
    assert torch.equal(mixed[~rare], inputs[~rare])
    assert torch.equal(soft[~rare], torch.nn.functional.one_hot(labels, 4).float()[~rare])
    assert torch.equal(mixed[rare], usual[rare])
    assert torch.equal(soft[rare], usual_soft[rare])
    assert not torch.equal(mixed[rare], inputs[rare])


# ---- augmenting rare classes alone ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "shape"), [("table", (5,)), ("series", (9, 2)), ("image", (3, 8, 8))])
def test_only_examples_of_rare_classes_are_augmented(kind: str, shape: tuple[int, ...]) -> None:
    inputs, labels = batch(shape)
    (stage,) = TECHNIQUES["minority-augmentation"].per_kind[kind]["augment"]
    assert stage == RareClasses(USUAL[kind])
    found = stage.begin(context(shape=shape))(inputs, labels)
    expected, known = inputs, context(shape=shape)
    for usual in USUAL[kind]:
        expected = usual.begin(known)(expected, labels)
    rare = rare_classes(known).gather(1, labels)
    assert found.dtype == inputs.dtype
    assert torch.equal(found[~rare], inputs[~rare])
    assert torch.equal(found[rare], expected[rare])
    changed = (found != inputs).flatten(2).any(2)
    assert int(changed.sum()) > 0.7 * int(rare.sum())


@pytest.mark.parametrize("name", ["minority-augmentation", "minority-mixup"])
def test_where_all_classes_have_as_many_rows_nothing_is_done(name: str) -> None:
    even = context(np.full((2, 4), 20))
    inputs, labels = batch((5,))
    change = TECHNIQUES[name].changes("table")
    if "mix" in change:
        mixed, soft = change["mix"].begin(even)(inputs, labels)
        assert torch.equal(soft, torch.nn.functional.one_hot(labels, 4).float())
    else:
        mixed = change["augment"][0].begin(even)(inputs, labels)
    assert torch.equal(mixed, inputs)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Remix(kappa=0.5), r"kappa must be at least 1, got 0\.5"),
        (lambda: Remix(tau=1.5), r"tau must be between 0 and 1, got 1\.5"),
        (lambda: Remix(alpha=-1.0), "alpha must be at least 0"),
    ],
)
def test_parameters_out_of_range_are_refused(make, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
