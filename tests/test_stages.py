"""Each mechanism against an independent formula."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from torch import nn

from bench import training
from bench.keys import Streams
from bench.networks.layers import Network, drop
from bench.networks.specs import Gru, LastValue, LinearAutoregression, Lstm, Mlp, Rnn
from bench.stages.augmentation import ClassNoise, Jitter, Scaling, WindowShift
from bench.stages.batching import Balanced, Shuffled, WeightedRandom
from bench.stages.context import Context
from bench.stages.losses import CrossEntropy, Focal, LogitAdjusted, MeanSquaredError
from bench.stages.optimizers import AdamW, Optimizer, Sgd
from bench.stages.penalties import L1, L2, ElasticNet, Penalty
from bench.stages.preprocessing import Standardise
from bench.stages.resampling import OverSample, Smote, UnderOverSample, UnderSample
from bench.stages.targets import LabelSmoothing
from bench.stages.updates import ClipNorm
from tests import tiny

COUNTS = np.array([[60, 30, 10], [50, 25, 25]])


def context(trials: int = 2, outputs: int = 3, regression: bool = False) -> Context:
    targets = [np.repeat(np.arange(3), counts) for counts in COUNTS[:trials]]
    rng = np.random.default_rng(0)
    return Context(
        inputs=[rng.normal(size=(100, 4)).astype(np.float32) * (1 + labels[:, None]) for labels in targets],
        targets=targets,
        seen=None if regression else COUNTS[:trials] / 100,
        outputs=outputs,
        regression=regression,
        streams=[Streams(1, "stages", repeat, 0) for repeat in range(trials)],
        device=torch.device("cpu"),
    )


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 40, 3, generator=generator, dtype=torch.float32) * 3
    return logits.requires_grad_(), torch.randint(0, 3, (2, 40), generator=generator)


# ---- losses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["none", "inverse", "share", "balanced"])
@pytest.mark.parametrize("reduction", ["weighted-mean", "mean"])
def test_cross_entropy_equals_torchs_with_the_weights_of_the_formula(weights: str, reduction: str) -> None:
    logits, labels = batch()
    losses = CrossEntropy(weights, reduction).begin(context())(logits, labels)  # type: ignore[arg-type]
    for trial, counts in enumerate(COUNTS):
        table = {"none": np.ones(3), "inverse": 1 / counts, "share": 100 / counts, "balanced": 100 / (3 * counts)}
        weight = torch.tensor(table[weights], dtype=torch.float32)
        if reduction == "mean":
            expected = nn.functional.cross_entropy(logits[trial], labels[trial], weight, reduction="none").mean()
        else:
            expected = nn.functional.cross_entropy(logits[trial], labels[trial], weight)
        torch.testing.assert_close(losses[trial], expected)


def test_soft_targets_take_the_weighted_mean_by_the_stated_rule() -> None:
    logits, labels = batch()
    soft = LabelSmoothing(0.3).begin(context())(labels)
    losses = CrossEntropy("balanced").begin(context())(logits, soft)
    for trial, counts in enumerate(COUNTS):
        weight = torch.tensor(100 / (3 * counts), dtype=torch.float32)
        each = -(soft[trial] * weight * logits[trial].log_softmax(1)).sum(1)
        torch.testing.assert_close(losses[trial], each.sum() / (soft[trial] * weight).sum())
        torchs = nn.functional.cross_entropy(logits[trial], soft[trial], weight)
        assert not torch.isclose(losses[trial], torchs), "torch divides by the batch size here; the rules must differ"


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_equals_its_formula_in_double_precision(gamma: float) -> None:
    logits, labels = batch()
    losses = Focal(gamma).begin(context())(logits, labels)
    p = logits.double().softmax(2).gather(2, labels[..., None])[..., 0]
    torch.testing.assert_close(losses.double(), ((1 - p) ** gamma * -p.log()).mean(1), atol=1e-5, rtol=1e-5)


def test_focal_at_zero_is_cross_entropy_gradients_included() -> None:
    logits, labels = batch()
    focal = torch.autograd.grad(Focal(0.0).begin(context())(logits, labels).sum(), logits)[0]
    plain = torch.autograd.grad(CrossEntropy().begin(context())(logits, labels).sum(), logits)[0]
    assert torch.equal(focal, plain)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 2.0])
def test_focal_gradients_are_finite_at_certainty(gamma: float) -> None:
    logits = torch.tensor([[[90.0, -90.0, 0.0], [0.0, 80.0, -80.0]]]).repeat(2, 1, 1).requires_grad_()
    labels = torch.tensor([[0, 0]]).repeat(2, 1)
    gradient = torch.autograd.grad(Focal(gamma).begin(context())(logits, labels).sum(), logits)[0]
    assert torch.isfinite(gradient).all()


def test_focal_with_soft_targets_that_are_hard_equals_the_hard_one() -> None:
    logits, labels = batch()
    soft = nn.functional.one_hot(labels, 3).float()
    loss = Focal(2.0).begin(context())
    torch.testing.assert_close(loss(logits, soft), loss(logits, labels))


def test_logit_adjusted_loss_adds_the_log_prior_of_each_trial() -> None:
    logits, labels = batch()
    losses = LogitAdjusted(1.5).begin(context())(logits, labels)
    for trial, counts in enumerate(COUNTS):
        shifted = logits[trial] + 1.5 * torch.tensor(np.log(counts / 100), dtype=torch.float32)
        torch.testing.assert_close(losses[trial], nn.functional.cross_entropy(shifted, labels[trial]))


def test_at_tau_one_log_counts_serve_as_well_as_log_shares() -> None:
    logits, labels = batch()
    losses = LogitAdjusted(1.0).begin(context())(logits, labels)
    balanced_softmax = nn.functional.cross_entropy(logits[0] + torch.tensor(COUNTS[0]).log(), labels[0])
    torch.testing.assert_close(losses[0], balanced_softmax)


def test_mean_squared_error_is_torchs() -> None:
    predicted, targets = torch.randn(2, 9, 3), torch.randn(2, 9, 3)
    losses = MeanSquaredError().begin(context(regression=True))(predicted, targets)
    torch.testing.assert_close(losses[1], nn.functional.mse_loss(predicted[1], targets[1]))


def test_a_class_without_rows_is_refused_by_losses_that_need_its_share() -> None:
    empty = context()
    empty.seen = np.array([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3]])
    for loss in (CrossEntropy("balanced"), LogitAdjusted()):
        with pytest.raises(ValueError, match="class 2 has no training row"):
            loss.begin(empty)


def test_priors_follow_what_the_loss_sees() -> None:
    prior = np.array([0.8, 0.15, 0.05])
    uniform = np.full(3, 1 / 3)
    np.testing.assert_allclose(CrossEntropy().prior(prior), prior)
    np.testing.assert_allclose(CrossEntropy("share").prior(prior), uniform)
    np.testing.assert_allclose(LogitAdjusted(1.0).prior(prior), uniform)
    np.testing.assert_allclose(LogitAdjusted(0.5).prior(prior), prior**0.5 / (prior**0.5).sum())
    np.testing.assert_allclose(WeightedRandom(0.0).prior(prior), uniform)
    np.testing.assert_allclose(WeightedRandom(1.0).prior(prior), prior)
    np.testing.assert_allclose(Balanced().prior(prior), uniform)
    np.testing.assert_allclose(Shuffled().prior(prior), prior)


# ---- class weights under training -------------------------------------------------------------------------------


def _train_with(loss: CrossEntropy, optimizer: Sgd) -> torch.Tensor:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset), loss=loss, optimizer=optimizer, schedule=None)
    network = training.fit(recipe, [tiny.prepared(dataset, recipe)], 3, 20).network
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_the_three_weights_train_alike_under_the_weighted_mean_and_apart_under_the_plain_one() -> None:
    sgd = Sgd(lr=0.05)
    inverse, share, balanced = (_train_with(CrossEntropy(w), sgd) for w in ("inverse", "share", "balanced"))
    torch.testing.assert_close(inverse, share, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(balanced, share, atol=1e-5, rtol=1e-4)
    plain_inverse, plain_balanced = (_train_with(CrossEntropy(w, "mean"), sgd) for w in ("inverse", "balanced"))
    assert (plain_inverse - plain_balanced).abs().max() > 1e-2


def _trained_with(optimizer: Optimizer, *penalties: Penalty) -> torch.Tensor:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset), schedule=None, optimizer=optimizer, penalties=penalties)
    network = training.fit(recipe, [tiny.prepared(dataset, recipe)], 3, 20).network
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_under_plain_sgd_l2_equals_decoupled_decay_of_twice_its_strength_and_under_adamw_it_does_not() -> None:
    lr, strength = 0.05, 0.01
    penalised, decayed = _trained_with(Sgd(lr=lr), L2(strength)), _trained_with(Sgd(lr=lr, weight_decay=2 * strength))
    torch.testing.assert_close(penalised, decayed, atol=1e-6, rtol=1e-5)
    assert (penalised - _trained_with(Sgd(lr=lr))).abs().max() > 1e-3, "no decay at all would pass"
    adam, adamw = AdamW(lr=lr, weight_decay=0.0), AdamW(lr=lr, weight_decay=2 * strength)
    assert (_trained_with(adam, L2(strength)) - _trained_with(adamw)).abs().max() > 1e-2


def test_an_elastic_net_trains_as_its_two_penalties_together() -> None:
    optimizer = Sgd(lr=0.05)
    together = _trained_with(optimizer, L1(0.02), L2(0.03))
    torch.testing.assert_close(_trained_with(optimizer, ElasticNet(l1=0.02, l2=0.03)), together, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("penalty", "gradient"),
    [
        (L2(0.3), lambda w: 0.6 * w),
        (L1(0.3), lambda w: 0.3 * w.sign()),
        (ElasticNet(l1=0.2, l2=0.3), lambda w: 0.2 * w.sign() + 0.6 * w),
    ],
    ids=["l2", "l1", "elastic-net"],
)
def test_the_gradient_of_a_penalty_is_its_formula_per_trial(penalty: Penalty, gradient) -> None:
    weights = [torch.randn(3, 4, 5, requires_grad=True), torch.randn(3, 6, requires_grad=True)]
    with torch.no_grad():
        weights[0][1] = 0.0
    value = penalty.penalty(weights)
    assert value.shape == (3,)
    for weight, slope in zip(weights, torch.autograd.grad(value.sum(), weights), strict=True):
        torch.testing.assert_close(slope, gradient(weight.detach()))
    lone = penalty.penalty([weight[2:] for weight in weights])
    assert torch.equal(lone, value[2:])


@pytest.mark.parametrize("build", [lambda: L1(-1.0), lambda: ElasticNet(l1=-1.0), lambda: ElasticNet(l2=-1.0)])
def test_a_negative_penalty_is_refused(build) -> None:
    with pytest.raises(ValueError, match=r"must be at least 0, got -1\.0"):
        build()


def test_penalties_touch_weights_and_not_biases() -> None:
    for spec in (Mlp(width=4), Rnn(units=4), Gru(units=4)):
        network = spec.build((6, 1), context())
        named = {id(p): name for name, p in network.named_parameters()}
        weights, others = network.split()
        assert all("bias" not in named[id(p)] for p in weights)
        assert all("bias" in named[id(p)] for p in others)
        assert len(weights) + len(others) == len(named)


def test_clipping_takes_one_norm_per_trial() -> None:
    network = Network(context())
    network.weight = nn.Parameter(torch.zeros(2, 3, 4))
    network.bias = nn.Parameter(torch.zeros(2, 1, 4))
    parameters = list(network.parameters())
    for p in parameters:
        p.grad = torch.randn_like(p)
        p.grad[1] *= 1e-3
    before = [p.grad.clone() for p in parameters if p.grad is not None]
    ClipNorm(0.5).begin(context(), network).before_step()
    singles = [nn.Parameter(torch.zeros_like(g[0])) for g in before]
    for single, gradient in zip(singles, before, strict=True):
        single.grad = gradient[0].clone()
    nn.utils.clip_grad_norm_(singles, 0.5)
    for p, single, gradient in zip(parameters, singles, before, strict=True):
        assert p.grad is not None
        assert single.grad is not None
        torch.testing.assert_close(p.grad[0], single.grad)
        assert torch.equal(p.grad[1], gradient[1])


# ---- batches ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 17), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_shuffled_batches_are_blocks_of_whole_epochs(rows: int, size: int, count: int) -> None:
    draw = Shuffled().start(None, rows, size, np.random.default_rng(0), 100)
    drawn = np.concatenate([draw(1), draw(count)]).ravel()
    for start in range(0, len(drawn) - rows + 1, rows):
        assert sorted(drawn[start : start + rows]) == list(range(rows))


@given(st.lists(st.integers(1, 12), min_size=2, max_size=5), st.integers(5, 23), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_balanced_batches_differ_by_at_most_one_and_the_remainder_rotates(
    counts: list[int], size: int, batches: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    draw = Balanced().start(labels, len(labels), size, np.random.default_rng(0), 100)
    drawn = np.concatenate([draw(batches), draw(len(counts))])
    per_batch = np.stack([np.bincount(labels[rows], minlength=len(counts)) for rows in drawn])
    assert (per_batch.sum(1) == size).all()
    assert (per_batch.max(1) - per_batch.min(1) <= 1).all()
    assert np.ptp(per_batch[: len(counts)].sum(0)) == 0, "over C batches every class must come out even"
    for label, count in enumerate(counts):
        own = drawn.ravel()[labels[drawn.ravel()] == label]
        for start in range(0, len(own) - count + 1, count):
            assert len(set(own[start : start + count])) == count


def test_balanced_batches_too_small_for_the_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold all 4 classes"):
        Balanced().start(np.arange(4), 4, 3, np.random.default_rng(0), 1)


@pytest.mark.parametrize("q", [0.0, 0.5, 1.0])
def test_weighted_sampling_realises_n_to_the_q(q: float) -> None:
    counts = np.array([9000, 900, 100])
    labels = np.repeat(np.arange(3), counts)
    draw = WeightedRandom(q).start(labels, len(labels), 100, np.random.default_rng(3), 100)
    seen = np.bincount(labels[draw(400).ravel()], minlength=3) / 40_000
    np.testing.assert_allclose(seen, counts**q / (counts**q).sum(), atol=0.01)


# ---- resampling -------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(7, 40), min_size=2, max_size=4), st.sampled_from([0.3, 0.5, 1.0]))
@settings(max_examples=40, deadline=None)
def test_random_sampling_reaches_the_stated_counts_with_rows_it_was_given(counts: list[int], ratio: float) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    inputs = np.random.default_rng(0).normal(size=(len(labels), 3)).astype(np.float32)
    owner = {row.tobytes(): label for row, label in zip(inputs, labels, strict=True)}
    smallest, largest = min(counts), max(counts)
    middle = round(smallest**0.5 * largest**0.5)
    expected = {
        UnderSample(ratio): [min(count, round(smallest / ratio)) for count in counts],
        OverSample(ratio): [max(count, round(largest * ratio)) for count in counts],
        UnderOverSample(0.5): [middle for _ in counts],
    }
    for stage, wanted in expected.items():
        rows, targets = stage.resample(inputs, labels, seed=5)
        assert np.bincount(targets).tolist() == wanted
        assert all(owner[row.tobytes()] == label for row, label in zip(rows, targets, strict=True))
        if isinstance(stage, UnderSample):
            assert len({row.tobytes() for row in rows}) == len(rows), "under-sampling repeats no row"


def test_smote_keeps_the_rows_and_adds_points_between_neighbours_of_a_class() -> None:
    labels = np.repeat([0, 1], [40, 8])
    inputs = np.random.default_rng(0).normal(size=(48, 2, 2)).astype(np.float32)
    rows, targets = Smote(5, 1.0).resample(inputs, labels, seed=1)
    assert rows.shape == (80, 2, 2)
    assert np.bincount(targets).tolist() == [40, 40]
    np.testing.assert_array_equal(rows[:48], inputs)
    own = inputs[labels == 1].reshape(8, -1)
    added = rows[48:].reshape(-1, 4)
    assert (added >= own.min(0) - 1e-5).all()
    assert (added <= own.max(0) + 1e-5).all()


def test_smote_mixes_pixels_as_numbers_and_rounds_them() -> None:
    labels = np.repeat([0, 1, 2], [30, 8, 12])
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 2, 3), dtype=np.uint8)
    images[labels == 1] = np.random.default_rng(1).choice([100, 101, 250], (8, 1, 2, 3))
    rows, targets = Smote(5, 1.0).resample(images, labels, seed=1)
    assert rows.dtype == np.uint8
    np.testing.assert_array_equal(rows[:50], images)
    assert np.bincount(targets).tolist() == [30, 30, 30]
    added = rows[50:][targets[50:] == 1]
    assert added.min() >= 100
    assert added.max() <= 250
    assert not np.isin(added, [100, 101, 250]).all(), "some pixels lie between those of two neighbours"


def test_smote_refuses_a_class_that_is_too_small_for_its_neighbours() -> None:
    with pytest.raises(ValueError, match="needs more than 5 training rows of every class it raises; class 1 has 5"):
        Smote(5).resample(np.zeros((45, 2), np.float32), np.repeat([0, 1], [40, 5]), seed=0)


# ---- augmentation, targets, dropout -----------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Jitter(0.0), Scaling(0.0), WindowShift(0)])
def test_series_augmentation_at_zero_is_the_identity(stage) -> None:
    x = torch.randn(2, 5, 12, 1)
    assert torch.equal(stage.begin(context())(x, torch.zeros(2, 5)), x)


@pytest.mark.parametrize("regression", [False, True])
def test_noise_within_class_at_zero_is_the_identity(regression: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    labels = np.arange(40) % 2
    targets = labels[:, None].astype(np.float32) if regression else labels
    known = dataclasses.replace(context(), inputs=[rows] * 2, targets=[targets] * 2, regression=regression)
    x = torch.randn(2, 5, 3)
    assert torch.equal(ClassNoise(0.0).begin(known)(x, torch.zeros(2, 5, dtype=torch.int64)), x)


def test_series_augmentations_draw_once_per_example_with_the_stated_spread() -> None:
    x = torch.ones(2, 4000, 10, 1)
    jittered = Jitter(0.2).begin(context())(x, torch.zeros(2, 4000)) - x
    assert jittered.std().item() == pytest.approx(0.2, rel=0.02)
    scaled = Scaling(0.1).begin(context())(x, torch.zeros(2, 4000))
    assert torch.equal(scaled, scaled[:, :, :1].expand_as(scaled)), "one factor for the whole window"
    assert (scaled[:, :, 0] - 1).std().item() == pytest.approx(0.1, rel=0.05)


def test_window_shift_moves_points_and_repeats_the_edge() -> None:
    x = torch.arange(10.0).view(1, 1, 10, 1).expand(2, 500, 10, 1)
    shifted = WindowShift(2).begin(context())(x, torch.zeros(2, 500))
    moves = set()
    for window in shifted.flatten(0, 1)[..., 0]:
        move = int(window[5]) - 5
        moves.add(move)
        assert torch.equal(window, (torch.arange(10.0) + move).clamp(0, 9))
    assert moves == {-2, -1, 0, 1, 2}


def test_class_noise_has_the_spread_of_the_rows_own_class() -> None:
    known = context()
    x, labels = torch.zeros(2, 6000, 4), torch.tensor([[0, 2] * 3000] * 2)
    noise = ClassNoise(0.5).begin(known)(x, labels)
    for trial in range(2):
        for label in (0, 2):
            spread = known.inputs[trial][known.targets[trial] == label].std(axis=0)
            drawn = noise[trial][labels[trial] == label].numpy().std(axis=0)
            np.testing.assert_allclose(drawn, 0.5 * spread, rtol=0.06)


def test_class_noise_leaves_one_hot_columns_alone() -> None:
    known = context()
    for inputs in known.inputs:
        inputs[:, 1] = np.arange(100) % 2
    noise = ClassNoise(0.5).begin(known)(torch.zeros(2, 50, 4), torch.zeros(2, 50, dtype=torch.int64))
    assert (noise[..., 1] == 0).all()
    assert (noise[..., 0] != 0).all()


@pytest.mark.parametrize("epsilon", [0.1, 0.4])
def test_label_smoothing_is_torchs_own(epsilon: float) -> None:
    logits, labels = batch()
    known = context()
    losses = CrossEntropy().begin(known)(logits, LabelSmoothing(epsilon).begin(known)(labels))
    expected = nn.functional.cross_entropy(logits[1], labels[1], label_smoothing=epsilon)
    torch.testing.assert_close(losses[1], expected)


@pytest.mark.parametrize("probability", [0.2, 0.5, 0.8])
def test_dropout_preserves_the_mean_and_drops_the_stated_share(probability: float) -> None:
    x = torch.ones(2, 400, 500)
    dropped = drop(x, probability, context())
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)
    assert (dropped == 0).float().mean().item() == pytest.approx(round(probability * 256) / 256, abs=0.003)
    kept = dropped[dropped > 0]
    assert torch.equal(kept, kept[:1].expand_as(kept))


def test_dropout_is_off_at_evaluation_and_never_on_the_output_layer() -> None:
    known = context()
    network = Mlp(width=16, depth=0, dropout=0.8).build((4,), known)
    x = torch.randn(2, 9, 4)
    assert torch.equal(network(x, training=True), network(x)), "without hidden layers there is nothing to drop"
    deep = Mlp(width=16, depth=2, dropout=0.8).build((4,), known)
    assert torch.equal(deep(x), deep(x))
    assert not torch.equal(deep(x, training=True), deep(x))
    assert not (deep(x, training=True) == 0).any()


def test_random_bytes_are_uniform_in_every_place_of_the_word() -> None:
    octets = context().octets("test", 80_000).view(2, -1, 8)
    for place in range(8):
        counts = torch.bincount(octets[0, :, place].long() // 32, minlength=8)
        assert counts.min() > 1000, f"byte {place} leaves some values out"


# ---- scaling, schedule, references ------------------------------------------------------------------------------


def test_scaling_is_fitted_on_the_rows_it_is_given_and_one_hot_codes_are_whole() -> None:
    dataset = tiny.DATASETS["table"]
    data = dataset.make(1, 0)
    fitted = Standardise().fit(data.inputs[:60], data.targets[:60], data.columns, regression=False)
    scaled = fitted.inputs(data.inputs[:60])
    np.testing.assert_allclose(scaled[:, :5].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, :5].std(0), 1, atol=1e-5)
    assert scaled.shape == (60, 8)
    assert (scaled[:, 5:].sum(1) == 1).all()
    unseen = data.inputs[:1].copy()
    unseen[0, 5] = -1
    assert (fitted.inputs(unseen)[:, 5:] == 0).all()


def test_missing_numbers_become_the_training_median() -> None:
    rows = np.array([[1.0], [2.0], [9.0], [np.nan]], dtype=np.float32)
    fitted = Standardise().fit(rows, np.zeros(4), (), regression=False)
    np.testing.assert_allclose(fitted.inputs(rows)[3], fitted.inputs(rows)[1])


def test_a_number_that_no_training_row_lacks_is_filled_in_later_and_changes_no_bit_of_the_rest() -> None:
    rows = (np.random.default_rng(0).normal(size=(501, 3)) * [1, 1e-3, 1e4] + 70).astype(np.float32)
    later = rows[:2].copy()
    later[0, 1] = np.nan
    fitted = Standardise().fit(rows, np.zeros(501), (), regression=False)
    np.testing.assert_array_equal(
        fitted.inputs(later)[0, 1], fitted.inputs(np.median(rows, axis=0, keepdims=True))[0, 1]
    )
    np.testing.assert_array_equal(fitted.inputs(rows), StandardScaler().fit(rows).transform(rows))


def test_regression_targets_come_back_in_their_own_units() -> None:
    targets = np.random.default_rng(0).normal(50, 7, size=(30, 2)).astype(np.float32)
    for inputs in (np.ones((30, 3), np.float32), targets[:, :1, None]):
        fitted = Standardise().fit(inputs, targets, (), regression=True)
        np.testing.assert_allclose(fitted.restore(fitted.targets(targets)), targets, rtol=1e-5)


def test_linear_autoregression_is_numpys_least_squares() -> None:
    dataset = tiny.DATASETS["forecast"]
    recipe = dataclasses.replace(tiny.baseline(dataset), network=LinearAutoregression())
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(2)]
    fitted = training.fit(recipe, trials, 2, recipe.steps)
    assert fitted.steps.tolist() == [0, 0]
    for trial, predicted in zip(
        trials, training.predict(fitted.network, [t.validation_inputs for t in trials]), strict=True
    ):
        design = np.column_stack([trial.inputs[:, :, 0], np.ones(len(trial.inputs))]).astype(np.float64)
        solution = np.linalg.lstsq(design, trial.targets.astype(np.float64))[0]
        expected = np.column_stack([trial.validation_inputs[:, :, 0], np.ones(len(predicted))]) @ solution
        np.testing.assert_allclose(predicted, expected, atol=1e-4)


def test_last_value_repeats_the_last_point_in_the_targets_units() -> None:
    dataset = tiny.DATASETS["forecast"]
    recipe = dataclasses.replace(tiny.baseline(dataset), network=LastValue())
    trial = tiny.prepared(dataset, recipe)
    predicted = training.predict(training.fit(recipe, [trial], 2, 5).network, [trial.validation_inputs])[0]
    raw = trial.scaling.restore(trial.validation_inputs[:, -1])
    np.testing.assert_allclose(trial.scaling.restore(predicted), np.repeat(raw, 2, axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Focal(gamma=-1.0), "gamma must be at least 0, got -1"),
        (lambda: CrossEntropy(weights="cubic"), "weights must be one of none, inverse, share, balanced"),  # type: ignore[arg-type]
        (lambda: Mlp(dropout=1.0), "dropout must be at least 0 and at most 0.99"),
        (lambda: Lstm(units=0), "units must be at least 1"),
        (lambda: WeightedRandom(q=2.0), "q must be between 0"),
        (lambda: UnderSample(ratio=0.0), "ratio must be above 0"),
        (lambda: LabelSmoothing(epsilon=1.0), "epsilon must be at least 0 and below 1"),
        (lambda: ClipNorm(maximum=0.0), "maximum must be above 0"),
    ],
)
def test_parameters_out_of_range_are_refused_in_one_sentence(make, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
