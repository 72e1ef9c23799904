"""The stack against the plain trainer, and a member of a stack against itself alone."""

import dataclasses
import math
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

from bench import training
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Gru, Lstm, Mlp, NetworkSpec, Rnn
from bench.preparation import Prepared
from bench.process import denormals_flushed
from bench.progress import macro_f1
from bench.stages.optimizers import AdamW
from bench.stages.schedules import Cosine
from bench.stages.stopping import EarlyStopping
from bench.stages.updates import ClipNorm
from tests import reference, tiny

STEPS = 50


def _outputs_first(weight: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    return (weight if isinstance(layer, nn.LSTM) else weight.t()).clone()


def _plain_recurrent(kind: type[nn.Module]):
    def build(network: nn.Module) -> nn.Module:
        state = {name: p.detach()[0] for name, p in network.named_parameters()}
        inputs, units = 1, state["head.weight"].shape[0]
        layer = kind(inputs, units, batch_first=True)
        layer.weight_ih_l0.data = _outputs_first(state["layers.0.input_weight"], layer)
        layer.weight_hh_l0.data = _outputs_first(state["layers.0.state_weight"], layer)
        layer.bias_ih_l0.data = state["layers.0.input_bias"][0].clone()
        layer.bias_hh_l0.data = state["layers.0.state_bias"][0].clone()
        head = nn.Linear(units, state["head.bias"].shape[1])
        head.weight.data, head.bias.data = state["head.weight"].t().clone(), state["head.bias"][0].clone()
        return reference.LastState(layer, head)

    return build


@pytest.mark.parametrize(
    ("spec", "plain"),
    [
        (Mlp(width=9, depth=2), reference.mlp_like),
        (Rnn(units=6), _plain_recurrent(nn.RNN)),
        (Gru(units=6), _plain_recurrent(nn.GRU)),
        (Lstm(units=6), _plain_recurrent(nn.LSTM)),
    ],
    ids=["mlp", "rnn", "gru", "lstm"],
)
def test_the_trainer_equals_the_plain_one_model_trainer_after_50_steps(spec: NetworkSpec, plain) -> None:
    dataset = tiny.DATASETS["series"]
    recipe = dataclasses.replace(
        tiny.baseline(dataset, STEPS),
        network=spec,
        optimizer=AdamW(lr=1e-2, weight_decay=0.1),
        schedule=Cosine(warmup=0.1),
        updates=(ClipNorm(0.5),),
    )
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(3 if spec.stacks else 1)]
    fitted = training.fit(recipe, trials, 3, STEPS)
    for index, trial in enumerate(trials):
        context = training._context(recipe, [trial], 3, torch.device("cpu"))
        model = plain(spec.build(trial.inputs.shape[1:], context))
        weights = [p for p in model.parameters() if p.dim() > 1]
        biases = [p for p in model.parameters() if p.dim() == 1]
        groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]

        def schedule(step: int) -> float:
            rise = 0.1 * STEPS
            if step < rise:
                return (step + 1) / (rise + 1)
            return 0.5 * (1 + math.cos(math.pi * (step - rise) / (STEPS - rise)))

        order = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), 16, STEPS)
        optimizer = torch.optim.AdamW(groups, lr=1e-2)
        loss = nn.CrossEntropyLoss()
        reference.train(model, optimizer, trial.inputs, trial.targets, order, loss, schedule, clip=0.5)
        with torch.no_grad():
            expected = model(torch.from_numpy(trial.validation_inputs)).numpy()
        inputs = [one.validation_inputs for one in trials]
        actual = training.predict(fitted.network, inputs)[index]
        np.testing.assert_allclose(actual, expected, atol=2e-5)


@pytest.mark.parametrize("others", [1, 2, 12])
def test_dropping_a_trial_into_another_stack_changes_no_bit(others: int) -> None:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset), network=Mlp(width=33, depth=2, dropout=0.5))
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(others + 1)]
    stack = training.fit(recipe, trials, 3, STEPS)
    alone = training.fit(recipe, trials[-1:], 3, STEPS)
    for name, parameter in alone.network.named_parameters():
        assert torch.equal(parameter[0], dict(stack.network.named_parameters())[name][-1]), name
    np.testing.assert_array_equal(stack.curve.validation[-1], alone.curve.validation[0])


def test_a_trial_that_diverges_leaves_the_others_alone() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = tiny.baseline(dataset)
    good, bad = tiny.prepared(dataset, recipe, 0), tiny.prepared(dataset, recipe, 1)
    bad.inputs[:] = np.inf
    stack = training.fit(recipe, [good, bad], 3, 20)
    alone = training.fit(recipe, [good], 3, 20)
    assert stack.diverged.tolist() == [False, True]
    for name, parameter in alone.network.named_parameters():
        assert torch.equal(parameter[0], dict(stack.network.named_parameters())[name][0]), name


def test_early_stopping_keeps_the_weights_of_the_lowest_validation_loss() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset, 200), optimizer=AdamW(lr=3e-2), schedule=None)
    stopping = dataclasses.replace(recipe, stopping=EarlyStopping(patience=2))
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(4)]
    plain, stopped = training.fit(recipe, trials, 3, 200), training.fit(stopping, trials, 3, 200)
    lowest = plain.curve.validation.argmin(axis=1)
    for index, trial in enumerate(trials):
        losses = stopped.curve.validation[index]
        kept = stopped.curve.steps.index(int(stopped.stop_step[index]))
        seen = [loss for loss, step in zip(losses, stopped.curve.steps, strict=True) if step <= stopped.steps[index]]
        assert losses[kept] == min(seen)
        np.testing.assert_array_equal(losses[: len(seen)], plain.curve.validation[index][: len(seen)])
        logits = torch.from_numpy(training.predict(stopped.network, [t.validation_inputs for t in trials])[index])
        loss = nn.functional.cross_entropy(logits.double(), torch.from_numpy(trial.validation_targets))
        assert float(loss) == pytest.approx(losses[kept], rel=1e-6)
    assert (stopped.steps < 200).any(), "no trial stopped early: the test shows nothing"
    assert (lowest < plain.curve.validation.shape[1] - 1).any()


def test_stopping_watches_where_a_hand_made_curve_says() -> None:
    watch = EarlyStopping(patience=2).begin(1)
    active = np.array([True])
    answers = [watch.update(np.array([loss]), active) for loss in (1.0, 0.8, 0.9, 0.7, 0.7, 0.75)]
    assert [bool(improved[0]) for improved, _ in answers] == [True, True, False, True, False, False]
    assert [bool(stop[0]) for _, stop in answers] == [False, False, False, False, False, True]


def test_stopping_by_score_takes_the_higher_for_the_better() -> None:
    watch = EarlyStopping(patience=2, watch="score").begin(1)
    active = np.array([True])
    answers = [watch.update(np.array([score]), active) for score in (0.0, 0.3, 0.2, 0.4, 0.4, 0.35)]
    assert [bool(improved[0]) for improved, _ in answers] == [True, True, False, True, False, False]
    assert [bool(stop[0]) for _, stop in answers] == [False, False, False, False, False, True]


def test_early_stopping_by_score_keeps_the_weights_of_the_highest_macro_f1_on_validation_rows() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset, 200), optimizer=AdamW(lr=3e-2), schedule=None)
    recipe = dataclasses.replace(recipe, stopping=EarlyStopping(patience=2, watch="score"))
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(4)]
    fitted = training.fit(recipe, trials, 3, 200, snapshots=range(201))
    inputs = [trial.validation_inputs for trial in trials]
    scores = []
    for step, state in fitted.snapshots:
        if step in fitted.curve.steps:
            with training.at(fitted.network, state):
                said = [logits.argmax(1) for logits in training.predict(fitted.network, inputs)]
            scores.append([_macro_f1(trial, one) for trial, one in zip(trials, said, strict=True)])
    by_loss = dataclasses.replace(recipe, stopping=EarlyStopping(patience=2))
    assert (fitted.stop_step != training.fit(by_loss, trials, 3, 200).stop_step).any(), "both watch the same"
    for index, column in enumerate(np.array(scores).T):
        seen = [s for s, step in zip(column, fitted.curve.steps, strict=True) if step <= fitted.steps[index]]
        assert fitted.curve.steps[int(np.argmax(seen))] == fitted.stop_step[index], "the first of the highest"


def _macro_f1(trial: Prepared, said: np.ndarray) -> float:
    truth, weights = trial.validation_targets, trial.validation_weights
    return f1_score(truth, said, average="macro", labels=[0, 1, 2], sample_weight=weights, zero_division=0)


def test_a_score_is_macro_f1_with_each_row_counted_by_its_weight() -> None:
    rng = np.random.default_rng(0)
    for classes in (2, 4):
        logits, labels, weights = rng.normal(size=(50, classes)), rng.integers(0, classes, 50), rng.uniform(0, 3, 50)
        labels[labels == 1] = 0
        expected = f1_score(
            labels, logits.argmax(1), labels=range(classes), average="macro", sample_weight=weights, zero_division=0
        )
        assert macro_f1(logits, labels, weights) == pytest.approx(expected, rel=1e-12)


def test_a_regression_has_no_score_and_its_loss_is_watched() -> None:
    dataset = tiny.DATASETS["forecast"]
    fits = []
    for watch in ("score", "loss"):
        stopping = EarlyStopping(patience=1, watch=watch)
        recipe = dataclasses.replace(tiny.baseline(dataset), optimizer=AdamW(lr=0.3), schedule=None, stopping=stopping)
        fits.append(training.fit(recipe, [tiny.prepared(dataset, recipe)], 2, 60))
    assert fits[0].stop_step == fits[1].stop_step
    assert fits[0].stop_step < 60, "it did not stop: the test shows nothing"


def test_snapshots_change_nothing_and_hold_the_running_weights_of_their_step() -> None:
    for kind, spec in (("table", Mlp(width=9, depth=2, dropout=0.5)), ("image", ResidualCnn(width=4, groups=2))):
        dataset = tiny.DATASETS[kind]
        recipe = dataclasses.replace(tiny.baseline(dataset), network=spec, schedule=None)
        recipe = dataclasses.replace(recipe, stopping=EarlyStopping(patience=1), optimizer=AdamW(lr=0.1))
        trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(3 if spec.stacks else 1)]
        plain = training.fit(recipe, trials, 3, 40)
        fitted = training.fit(recipe, trials, 3, 40, snapshots=(1, 3, 4, 1000))
        assert [step for step, _ in fitted.snapshots] == [1, 3, 4]
        _same_state(fitted.network, plain.network.state_dict())
        np.testing.assert_array_equal(fitted.curve.validation, plain.curve.validation)
        for step, state in fitted.snapshots:
            shorter = training.fit(dataclasses.replace(recipe, stopping=None), trials, 3, step)
            _same_state(shorter.network, state)


def test_a_snapshot_predicts_and_the_final_weights_come_back() -> None:
    dataset = tiny.DATASETS["image"]
    recipe = dataclasses.replace(tiny.baseline(dataset), network=ResidualCnn(width=4, groups=2), schedule=None)
    trial = tiny.prepared(dataset, recipe)
    fitted = training.fit(recipe, [trial], 3, 20, snapshots=[5])
    shorter = training.fit(recipe, [trial], 3, 5)
    final = {name: value.clone() for name, value in fitted.network.state_dict().items()}
    (step, state), rows = fitted.snapshots[0], [trial.validation_inputs]
    assert step == 5
    with training.at(fitted.network, state) as network:
        np.testing.assert_array_equal(training.predict(network, rows)[0], training.predict(shorter.network, rows)[0])
    _same_state(fitted.network, final)
    with pytest.raises(KeyError), training.at(fitted.network, {**state, "no such": torch.zeros(1)}):
        pass
    _same_state(fitted.network, final)


def _same_state(network: nn.Module, state: dict[str, torch.Tensor]) -> None:
    own = network.state_dict()
    assert own.keys() == state.keys()
    for name, value in own.items():
        assert torch.equal(value, state[name]), name


def test_a_stack_past_its_deadline_says_so() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = tiny.baseline(dataset)
    with pytest.raises(training.OutOfTimeError, match="step 1 of 20"):
        training.fit(recipe, [tiny.prepared(dataset, recipe)], 3, 20, deadline=0.0)


def test_evaluation_does_not_depend_on_what_is_evaluated_beside_it() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = tiny.baseline(dataset)
    trial = tiny.prepared(dataset, recipe)
    network = training.fit(recipe, [trial], 3, 5).network
    rows = np.random.default_rng(0).normal(size=(3000, trial.inputs.shape[1])).astype(np.float32)
    whole = training.predict(network, [rows])[0]
    for start in (0, 700, 2990):
        np.testing.assert_array_equal(
            training.predict(network, [rows[start : start + 10]])[0], whole[start : start + 10]
        )


def test_denormals_are_flushed_while_training_and_nowhere_else() -> None:
    def halved() -> float:
        return sys.float_info.min * float("0.5")

    with denormals_flushed():
        with denormals_flushed():
            assert halved() == 0
        assert halved() == 0
    assert halved() > 0
    dataset = tiny.DATASETS["table"]
    recipe = tiny.baseline(dataset)
    trials = [tiny.prepared(dataset, recipe, 0)]
    training.predict(training.fit(recipe, trials, 3, 2).network, [trials[0].inputs])
    assert halved() > 0
