"""What changes in the last fifth of a training: against the plain trainer, and against the baseline until then."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from bench import training
from bench.catalogue import TECHNIQUES
from bench.errors import UsageError
from bench.keys import canonical
from bench.recipe import Recipe, apply, combine
from bench.stages.optimizers import AdamW
from tests import reference, tiny

STEPS, START = 20, 16
DATASET = tiny.DATASETS["table"]


def _recipe(*names: str, base: Recipe | None = None) -> Recipe:
    return apply(base or tiny.baseline(DATASET, STEPS), combine([TECHNIQUES[name] for name in names], DATASET.kind))


def _snapshots(recipe: Recipe, steps: tuple[int, ...]) -> list[dict[str, torch.Tensor]]:
    trials = [tiny.prepared(DATASET, recipe, repeat) for repeat in range(2)]
    fit = training.fit(recipe, trials, 3, STEPS, snapshots=steps)
    return [state for _, state in fit.snapshots]


@pytest.mark.parametrize(
    ("name", "plain"), [("deferred-reweighting", "baseline"), ("deferred-sampling", "baseline"), ("ldam-drw", "ldam")]
)
def test_weights_are_those_without_it_up_to_its_start_and_others_after_the_next_step(name: str, plain: str) -> None:
    ours, theirs = (_snapshots(_recipe(one), (START, START + 1)) for one in (name, plain))
    for parameter, value in theirs[0].items():
        assert torch.equal(ours[0][parameter], value), parameter
    assert any(not torch.equal(ours[1][parameter], value) for parameter, value in theirs[1].items())


def _switching(counts: np.ndarray) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return a loss that torch weights by Cui's formula from the start of the phase on."""
    weights = (1 - 0.9999) / (1 - 0.9999**counts)
    later = nn.CrossEntropyLoss(torch.tensor(weights, dtype=torch.float32))
    taken = iter(range(STEPS))
    return lambda logits, labels: (nn.CrossEntropyLoss() if next(taken) < START else later)(logits, labels)


def test_deferred_reweighting_equals_the_plain_trainer_whose_optimizer_goes_on() -> None:
    base = dataclasses.replace(tiny.baseline(DATASET, STEPS), optimizer=AdamW(lr=1e-2, weight_decay=0.0), schedule=None)
    recipe = _recipe("deferred-reweighting", base=base)
    trial = tiny.prepared(DATASET, recipe)
    fitted = training.fit(recipe, [trial], 3, STEPS)
    model = reference.mlp_like(
        recipe.network.build(trial.inputs.shape[1:], training._context(recipe, [trial], 3, torch.device("cpu")))
    )
    order = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), recipe.batch_size, STEPS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    loss = _switching(np.bincount(trial.targets))
    reference.train(model, optimizer, trial.inputs, trial.targets, order, loss)
    with torch.no_grad():
        expected = model(torch.from_numpy(trial.validation_inputs)).numpy()
    np.testing.assert_allclose(training.predict(fitted.network, [trial.validation_inputs])[0], expected, atol=2e-5)


def test_ldam_drw_is_ldam_with_deferred_reweighting() -> None:
    assert canonical(_recipe("ldam-drw")) == canonical(_recipe("ldam", "deferred-reweighting"))


def test_the_prior_is_that_of_the_last_phase() -> None:
    loss = _recipe("ldam-drw").in_phases()[-1].loss
    counts = np.array([60, 30, 18])
    weighed = counts * (1 - 0.9999) / (1 - 0.9999**counts)
    np.testing.assert_allclose(loss.prior(counts / 108, 108), weighed / weighed.sum(), rtol=1e-9)
    np.testing.assert_allclose(_recipe("ldam").in_phases()[-1].loss.prior(counts / 108, 108), counts / 108)


def test_it_weights_any_loss_that_takes_weights_and_refuses_others_by_name() -> None:
    assert (
        _recipe("focal", "deferred-reweighting").in_phases()[-1].loss
        == apply(_recipe("focal"), {"loss.weights": "effective"}).loss
    )
    with pytest.raises(UsageError, match=r"phase 'deferred': 'loss\.weights'"):
        _recipe("logit-adjusted-loss", "deferred-reweighting")
