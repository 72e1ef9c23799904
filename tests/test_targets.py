"""DisturbLabel against its probabilities, and against the label smoothing that it equals in expectation."""

import dataclasses

import pytest
import torch
from torch import nn

from bench import training
from bench.keys import Streams
from bench.stages.context import Context
from bench.stages.losses import CrossEntropy
from bench.stages.mixing import Mixup
from bench.stages.targets import DisturbLabel, LabelSmoothing, Targets
from tests import tiny

CLASSES = 4


def context(trials: tuple[int, ...] = (0,), outputs: int = CLASSES, regression: bool = False) -> Context:
    streams = [Streams(1, "targets", trial, 0) for trial in trials]
    return Context([], [], None, outputs, regression, streams, torch.device("cpu"))


def labels(count: int, trials: int = 1) -> torch.Tensor:
    return torch.randint(0, CLASSES, (trials, count), generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("alpha", [0.003, 0.1, 0.2, 1.0])
@pytest.mark.parametrize("outputs", [2, CLASSES])
def test_a_label_stays_true_as_often_as_the_formula_says_and_others_share_the_rest(alpha: float, outputs: int) -> None:
    count = 400_000
    truth = torch.ones(1, count, dtype=torch.int64)
    drawn = DisturbLabel(alpha).begin(context(outputs=outputs))(truth)
    assert drawn.dtype == torch.int64
    shares = torch.bincount(drawn[0], minlength=outputs) / count
    expected = torch.full((outputs,), alpha / outputs)
    expected[1] = 1 - alpha * (outputs - 1) / outputs
    torch.testing.assert_close(shares, expected, atol=0.004 * alpha**0.5, rtol=0)


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_its_expected_loss_is_torchs_label_smoothing(alpha: float) -> None:
    rows, draws = 5, 60_000
    logits = torch.randn(rows, CLASSES, generator=torch.Generator().manual_seed(1)).repeat(draws, 1)
    truth = labels(rows).repeat(1, draws)
    disturbed = DisturbLabel(alpha).begin(context())(truth)
    loss = CrossEntropy().begin(context())(logits[None], disturbed)[0]
    expected = nn.CrossEntropyLoss(label_smoothing=alpha)(logits[:rows], truth[0, :rows])
    assert float(loss) == pytest.approx(float(expected), abs=0.01)
    assert abs(float(expected) - float(nn.CrossEntropyLoss()(logits[:rows], truth[0, :rows]))) > 0.05


def test_a_soft_label_that_is_drawn_again_is_one_hot_and_another_is_left_alone() -> None:
    soft = torch.rand(1, 20_000, CLASSES, generator=torch.Generator().manual_seed(2)).softmax(2)
    disturbed = DisturbLabel(0.2).begin(context())(soft)
    changed = (disturbed != soft).any(2)
    assert changed.float().mean() == pytest.approx(0.2, abs=0.01)
    assert set(disturbed[changed].unique().tolist()) == {0.0, 1.0}
    assert (disturbed[changed].sum(1) == 1).all()
    torch.testing.assert_close(disturbed[changed].mean(0), torch.full((CLASSES,), 1 / CLASSES), atol=0.02, rtol=0)


def test_every_batch_is_drawn_afresh_and_a_member_of_a_stack_meets_the_same_as_alone() -> None:
    truth = labels(200, trials=3)
    stack, alone = (DisturbLabel(0.5).begin(context(trials)) for trials in ((0, 1, 2), (1,)))
    seen = []
    for _ in range(3):
        seen.append(stack(truth))
        assert torch.equal(seen[-1][1], alone(truth[1:2])[0])
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0][0] - truth[0], seen[0][2] - truth[2])


@pytest.mark.parametrize("stage", [DisturbLabel(0.0), LabelSmoothing(0.0)], ids=["disturb-label", "label-smoothing"])
def test_at_zero_labels_are_left_alone(stage: Targets) -> None:
    truth = labels(10)
    assert stage.begin(context())(truth) is truth


@pytest.mark.parametrize("epsilon", [0.1, 0.2])
def test_label_smoothing_of_mixed_labels_is_torchs_on_soft_labels(epsilon: float) -> None:
    inputs = torch.randn(1, 30, 3)
    _, soft = Mixup(1.0).begin(context())(inputs, labels(30))
    logits = torch.randn(1, 30, CLASSES, generator=torch.Generator().manual_seed(4))
    loss = CrossEntropy().begin(context())(logits, LabelSmoothing(epsilon).begin(context())(soft))[0]
    torch.testing.assert_close(loss, nn.CrossEntropyLoss(label_smoothing=epsilon)(logits[0], soft[0]))


@pytest.mark.parametrize("mix", [None, Mixup(0.4)], ids=["labels", "soft labels"])
def test_it_trains(mix: Mixup | None) -> None:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset, 80), targets=DisturbLabel(0.2), mix=mix)
    fitted = training.fit(recipe, [tiny.prepared(dataset, recipe, repeat) for repeat in range(3)], 3, 80)
    assert fitted.curve.train[:, -1].mean() < fitted.curve.train[:, 0].mean()


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_must_be_a_probability(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must be a probability between 0 and 1, got"):
        DisturbLabel(alpha)


def test_a_regression_has_no_labels_to_draw() -> None:
    with pytest.raises(ValueError, match="disturb-label draws class labels; the task is a regression"):
        DisturbLabel(0.1).begin(context(regression=True))
