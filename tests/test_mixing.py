"""Mixup and CutMix against torchvision pair by pair, and with every loss."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from bench import training
from bench.catalogue import TECHNIQUES
from bench.errors import UsageError
from bench.keys import Streams
from bench.recipe import apply, combine
from bench.stages.context import Context
from bench.stages.mixing import CutMix, Mix, Mixup
from bench.stages.targets import LabelSmoothing
from tests import tiny

CPU = torch.device("cpu")
EVERY = [Mixup(1.0), Mixup(0.2), CutMix(1.0)]
named = pytest.mark.parametrize("mix", EVERY, ids=lambda mix: f"{mix.kind} {mix.alpha}")


def context(outputs: int, trials: tuple[int, ...] = (0,), regression: bool = False) -> Context:
    streams = [Streams(1, "mixing", trial, 0) for trial in trials]
    return Context([], [], None, outputs, regression, streams, CPU)


def batch(count: int, shape: tuple[int, ...] = (3, 8, 12), trials: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise [T, B, ...], and labels [T, B] that are all different, so that soft labels tell who was mixed with whom."""
    inputs = torch.randn(trials, count, *shape, generator=torch.Generator().manual_seed(count))
    return inputs, torch.arange(count).expand(trials, count).contiguous()


def pairs(soft: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """From soft labels [B, B] of different labels: each example's partner, and the share it kept."""
    own = soft.diagonal()
    partners = (soft - torch.diag(own)).argmax(1)
    return torch.where(own == 1, torch.arange(len(own)), partners), own


@named
@pytest.mark.parametrize("trials", [1, 3])
def test_soft_labels_are_shares_and_the_batch_is_left_alone(mix: Mix, trials: int) -> None:
    inputs, labels = batch(50, trials=trials)
    before = inputs.clone()
    mixed, soft = mix.begin(context(50, tuple(range(trials))))(inputs, labels)
    assert mixed.shape == inputs.shape
    assert mixed.dtype == torch.float32
    assert soft.shape == (trials, 50, 50)
    assert (soft >= 0).all()
    torch.testing.assert_close(soft.sum(2), torch.ones(trials, 50))
    assert torch.equal(inputs, before)
    assert not torch.equal(mixed, inputs)


def test_mixup_is_torchvisions_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, labels = batch(40)
    mixed, soft = Mixup(1.0).begin(context(40))(inputs, labels)
    partners, kept = pairs(soft[0])
    theirs = v2.MixUp(num_classes=40)
    for one, (partner, share) in enumerate(zip(partners.tolist(), kept.tolist(), strict=True)):
        monkeypatch.setattr(theirs, "make_params", lambda _, share=share: {"lam": share})
        images, expected = theirs(inputs[0, [one, partner]], labels[0, [one, partner]])
        torch.testing.assert_close(mixed[0, one], images[0])
        torch.testing.assert_close(soft[0, one], expected[0])


@pytest.mark.parametrize("shape", [(5,), (7, 2)], ids=["table", "series"])
def test_mixup_takes_the_weighted_mean_of_any_inputs(shape) -> None:
    inputs, labels = batch(40, shape)
    mixed, soft = Mixup(1.0).begin(context(40))(inputs, labels)
    torch.testing.assert_close(mixed[0], torch.einsum("ij,j...->i...", soft[0], inputs[0]))


def test_cutmix_is_torchvisions_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the stage's own shares and centres replayed through torchvision's class."""
    count, (height, width) = 60, (8, 12)
    inputs, labels = batch(count, (3, height, width))
    mixed, soft = CutMix(1.0).begin(context(count))(inputs, labels)
    partners, _ = pairs(soft[0])
    shares = Streams(1, "mixing", 0, 0).numpy("cutmix shares").beta(1.0, 1.0, count)
    replay = context(count)
    rows, columns = (replay.integers("cutmix centres", 0, side, (count,))[0] for side in (height, width))
    theirs = v2.CutMix(num_classes=count)
    for one, partner in enumerate(partners.tolist()):
        centre = iter([columns[one, None], rows[one, None]])
        theirs._dist = type("Fixed", (), {"sample": lambda _, shape, one=one: shares[one]})()
        with monkeypatch.context() as patched:
            patched.setattr(torch, "randint", lambda *_, centre=centre, **__: next(centre))
            images, expected = theirs(inputs[0, [one, partner]], labels[0, [one, partner]])
        assert torch.equal(mixed[0, one], images[0])
        torch.testing.assert_close(soft[0, one], expected[0])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_every_example_has_its_own_share_from_the_beta_distribution(alpha: float) -> None:
    inputs, labels = batch(1500, (1,))
    _, soft = Mixup(alpha).begin(context(1500))(inputs, labels)
    kept = soft[0].diagonal()[soft[0].diagonal() < 1].double().numpy()
    assert stats.kstest(kept, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


@named
def test_mean_soft_labels_are_the_class_shares(mix: Mix) -> None:
    inputs, _ = batch(40)
    labels = torch.tensor([[0] * 28 + [1] * 8 + [2] * 4])
    mixer = mix.begin(context(3))
    mean = torch.stack([mixer(inputs, labels)[1].mean((0, 1)) for _ in range(400)]).mean(0)
    torch.testing.assert_close(mean, torch.tensor([0.7, 0.2, 0.1]), atol=0.01, rtol=0)


@named
def test_partners_come_from_the_whole_batch_even_where_it_is_sorted_by_class(mix: Mix) -> None:
    """As balanced batches are: neighbours would nearly always be of one class."""
    inputs, _ = batch(60)
    labels = torch.arange(3).repeat_interleave(20)[None]
    mixer = mix.begin(context(3))
    crossed = torch.stack([(mixer(inputs, labels)[1] > 0).sum(2) > 1 for _ in range(20)]).float().mean()
    assert crossed > 0.5


@named
def test_an_example_meets_the_same_in_a_stack_as_alone(mix: Mix) -> None:
    stack = mix.begin(context(20, (0, 1, 2)))
    alone = [mix.begin(context(20, (trial,))) for trial in (0, 1, 2)]
    for _ in range(3):
        inputs, labels = batch(20, trials=3)
        mixed, soft = stack(inputs, labels)
        for trial, one in enumerate(alone):
            own_mixed, own_soft = one(inputs[trial, None], labels[trial, None])
            assert torch.equal(mixed[trial], own_mixed[0])
            assert torch.equal(soft[trial], own_soft[0])
        assert not torch.equal(soft[0], soft[1])


@pytest.mark.parametrize("mix", [Mixup(0), CutMix(0)], ids=["mixup", "cutmix"])
def test_at_alpha_zero_labels_stay_labels(mix: Mix) -> None:
    inputs, labels = batch(20)
    mixed, same = mix.begin(context(20))(inputs, labels)
    assert mixed is inputs
    assert same is labels


def test_what_cannot_be_mixed_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha must be at least 0, got -1"):
        Mixup(-1)
    with pytest.raises(ValueError, match="cutmix mixes class labels; the task is a regression"):
        CutMix(1.0).begin(context(2, regression=True))


def values(count: int, trials: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs [T, B, 7, 1], values [T, B, 2] that are a linear map of them, and the map."""
    inputs, _ = batch(count, (7, 1), trials)
    linear = torch.randn(7, 2, generator=torch.Generator().manual_seed(3))
    return inputs, inputs[..., 0] @ linear, linear


def test_values_are_mixed_as_their_inputs_are_so_that_a_linear_map_stays_one() -> None:
    inputs, targets, linear = values(200, trials=2)
    before = targets.clone()
    mixed, means = Mixup(1.0).begin(context(2, (0, 1), regression=True))(inputs, targets)
    assert means.shape == targets.shape
    torch.testing.assert_close(means, mixed[..., 0] @ linear, atol=1e-5, rtol=1e-5)
    assert torch.equal(targets, before)
    assert (means != targets).any(2).float().mean() > 0.9


def test_values_get_the_shares_and_partners_that_labels_get() -> None:
    inputs, targets, _ = values(40)
    _, soft = Mixup(1.0).begin(context(40))(inputs, torch.arange(40)[None])
    _, means = Mixup(1.0).begin(context(2, regression=True))(inputs, targets)
    torch.testing.assert_close(means, soft @ targets)


def test_mean_values_stay_and_members_of_a_stack_meet_the_same_as_alone() -> None:
    inputs, targets, _ = values(30, trials=3)
    stack = Mixup(0.4).begin(context(2, (0, 1, 2), regression=True))
    alone = Mixup(0.4).begin(context(2, (1,), regression=True))
    means = []
    for _ in range(600):
        _, mixed = stack(inputs, targets)
        assert torch.equal(mixed[1], alone(inputs[1:2], targets[1:2])[1][0])
        means.append(mixed.mean(1))
    torch.testing.assert_close(torch.stack(means).mean(0), targets.mean(1), atol=0.03, rtol=0)


def test_at_alpha_zero_values_stay_values() -> None:
    inputs, targets, _ = values(20)
    mixed, same = Mixup(0).begin(context(2, regression=True))(inputs, targets)
    assert mixed is inputs
    assert same is targets


def test_of_a_forecast_validation_rows_are_not_mixed() -> None:
    dataset = tiny.DATASETS["forecast"]
    plain = tiny.baseline(dataset)
    recipe = apply(plain, TECHNIQUES["mixup"].change)
    one, other = tiny.prepared(dataset, plain), tiny.prepared(dataset, recipe)
    np.testing.assert_array_equal(one.validation_targets, other.validation_targets)
    fitted = training.fit(recipe, [other], 2, 20)
    outputs = training.predict(fitted.network, [other.validation_inputs])[0]
    expected = np.square(outputs.astype(float) - other.validation_targets).mean()
    assert fitted.curve.validation[0, -1] == pytest.approx(expected)


def test_two_mixes_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="'mixup' and 'cutmix' contradict each other: both set 'mix'"):
        combine([TECHNIQUES["mixup"], TECHNIQUES["cutmix"]], "image")


def test_smoothing_treats_soft_labels_as_it_treats_labels() -> None:
    labels = torch.randint(0, 3, (2, 30), generator=torch.Generator().manual_seed(0))
    smooth = LabelSmoothing(0.2).begin(context(3, (0, 1)))
    hard = torch.nn.functional.one_hot(labels, 3).float()
    torch.testing.assert_close(smooth(hard), smooth(labels))
    torch.testing.assert_close(smooth(hard.mean(1, keepdim=True)), smooth(labels).mean(1, keepdim=True))


def test_an_empty_slot_is_in_no_key() -> None:
    recipe = tiny.baseline(tiny.DATASETS["image"])
    assert "mix" not in recipe.training()
    assert "mix" in dataclasses.replace(recipe, mix=Mixup()).training()


@pytest.mark.parametrize("kind", ["table", "series", "image"])
@pytest.mark.parametrize(
    "other", ["class-weights", "focal", "logit-adjusted-loss", "label-smoothing", "balanced-batches", "augmentation"]
)
def test_mixup_trains_together_with_other_remedies(other: str, kind: str) -> None:
    dataset = tiny.DATASETS[kind]
    curves = []
    for names in ([other], ["mixup", other]):
        change = combine([TECHNIQUES[name] for name in names], kind)
        recipe = apply(tiny.baseline(dataset, 60), change)
        fit = training.fit(recipe, [tiny.prepared(dataset, recipe, repeat) for repeat in (0, 1)], 3, 60)
        assert not fit.diverged.any()
        curves.append(fit.curve.train)
    assert np.isfinite(curves[1]).all()
    assert curves[1][:, -1].mean() < curves[1][:, 0].mean(), "it learns"
    assert not np.array_equal(*curves)
