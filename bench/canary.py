"""Canaries in real runs: rows that must not be read run wild, and nothing that is fitted may follow, to the bit.

A trial is done twice in short, a few steps long: once as it is, once with its test rows wild (numbers times a thousand,
other labels) and, unless validation rows may stop it, those too. Training rows as they are scaled and resampled, class
shares, weights, outputs, and what each rule decides on validation rows must be the same. That holds whatever way the
rows would be read: the short run has no others, and ``Dataset.make`` gives no others meanwhile, also to a stage that
calls it. Only what a stage kept from an earlier call is out of reach.

Where something differs the trial is done once more as it is, and what does not repeat itself to the bit (on another
device, say) shows nothing.

fraud's features that use earlier labels are made in ``make``, before rows are drawn and so before they run wild.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench import preparation, scoring, training
from bench.datasets.base import Data, Dataset
from bench.errors import FAILURES, one_line
from bench.keys import Streams
from bench.prediction import state_of
from bench.preparation import Prepared
from bench.recipe import Recipe
from bench.scoring import Outcome, relative
from bench.splits import Split, evaluated
from bench.stages.decisions import Rule
from bench.wild import Tamper, tampered

STEPS = 5  # of a short run
ROWS = 256  # of each part that a short run predicts, evenly spaced

Facts = dict[str, np.ndarray]  # what was fitted, in words, in the order in which it is made


@dataclass(frozen=True)
class Trial:
    """What a trial is made of; its ensemble's first member stands for all of them."""

    dataset: Dataset
    data: Data
    split: Split
    recipe: Recipe
    rules: Sequence[tuple[str, Rule]]
    streams: Streams

    @property
    def regression(self) -> bool:
        """Return whether values are predicted."""
        return self.dataset.task == "regression"

    @property
    def outputs(self) -> int:
        """Return how many outputs a network needs."""
        return self.data.targets.shape[1] if self.regression else len(self.dataset.classes())

    @property
    def watches(self) -> bool:
        """Return whether validation rows decide when to stop, or which weights are kept."""
        stopping = self.recipe.stopping
        return stopping is not None and stopping.begin(1, self.regression) is not None

    def wild(self, validation: bool, test: bool) -> Tamper:
        """Return what makes the validation or test rows run wild."""
        nothing = np.empty(0, dtype=np.int64)
        rows = [self.split.validation if validation else nothing]
        rows.append(self.split.test if test and self.split.test is not None else nothing)
        return Tamper(self.outputs, np.concatenate(rows), test)

    def prepared(self, data: Data) -> Prepared:
        """Return what the first member trains on."""
        return preparation.prepare(self.dataset, data, self.split, self.recipe, self.streams)


def leak(trial: Trial) -> str:
    """Return what follows rows that it must not read, as 'leak: ...', or an empty string.

    Raises what preparing or training the trial as it is raises: then there is nothing to compare.
    """
    ready = trial.prepared(trial.data)
    clean = _facts(trial, ready, trial.data, ready)
    if found := _following(trial, ready, clean, validation=not trial.watches):
        return found
    if trial.watches:
        return _prepared_alike(trial, ready)
    return ""


def _following(trial: Trial, ready: Prepared, clean: Facts, validation: bool) -> str:
    """Return what follows the test rows and, if ``validation``, the validation rows."""
    what = "validation or test rows" if validation else "test rows"
    tamper = trial.wild(validation, test=True)
    with tampered(trial.dataset, tamper):
        data = tamper(trial.data)
        try:
            other = _facts(trial, trial.prepared(data), data, ready)
        except FAILURES as error:
            return f"leak: once {what} are changed, it fails ({one_line(error)})"
    name = _first_difference(clean, other, lambda: _facts(trial, trial.prepared(trial.data), trial.data, ready))
    if not name:
        return ""
    if validation:  # which of the two
        alone = _following(trial, ready, clean, validation=False)
        return alone or f"leak: {name} with validation rows"
    return f"leak: {name} with {what}"


def _prepared_alike(trial: Trial, ready: Prepared) -> str:
    """Return which of the prepared training rows follow validation rows that may stop the training."""
    tamper = trial.wild(validation=True, test=False)
    with tampered(trial.dataset, tamper):
        try:
            other = _fitted(trial.prepared(tamper(trial.data)))
        except FAILURES as error:
            return f"leak: once validation rows are changed, it fails ({one_line(error)})"
    name = _first_difference(_fitted(ready), other, lambda: _fitted(trial.prepared(trial.data)))
    return f"leak: {name} with validation rows" if name else ""


def _fitted(prepared: Prepared) -> Facts:
    """Return what was fitted on training rows before the training."""
    scaling = prepared.scaling
    probe = scaling.restore(np.linspace(-1, 1, 5, dtype=np.float32))
    found = {
        "the choice of training rows changes": prepared.rows,
        "the scaling of training rows changes": prepared.own_inputs,
        "the scaling of pixels changes": scaling.pixels,
        "the scaling of targets changes": prepared.own_targets,
        "the map back to targets changes": np.asarray(probe),
        "resampling changes": prepared.inputs,
        "the targets after resampling change": prepared.targets,
        "the class shares of training rows change": prepared.own_prior,
        "the class shares after resampling change": prepared.row_prior,
        "the class shares that test rows stand for change": prepared.target_prior,
    }
    return {name: value for name, value in found.items() if value is not None}


def _facts(trial: Trial, ready: Prepared, data: Data, clean: Prepared) -> Facts:
    """Return all that a short run fits, and decides on the trial's own training and validation rows.

    ready: what it trains on, of ``data``; clean: the same of the trial's own data.
    """
    found = _fitted(ready)
    steps = _steps(trial.recipe)
    fit = training.fit(dataclasses.replace(trial.recipe, steps=steps), [_shortened(ready)], trial.outputs, steps)
    found |= {f"weights change ({name})": value.numpy().copy() for name, value in state_of(fit.network).items()}
    scaled, (inputs, targets) = clean.scaling, evaluated(data, trial.split, "test")
    some = {"train": _some(clean.own_inputs), "validation": _some(clean.validation_inputs), "test": _some(inputs)}
    rows = {
        "train": clean.own_inputs[some["train"]],
        "validation": clean.validation_inputs[some["validation"]],
    }
    if len(inputs):  # a search trial has no test rows
        rows["test"] = scaled.inputs(inputs[some["test"]])
    outputs = {name: training.predict(fit.network, [own])[0] for name, own in rows.items()}
    truths = {
        "train": trial.data.targets[clean.rows][some["train"]],
        "validation": trial.data.targets[trial.split.validation][some["validation"]],
        "test": targets[some["test"]],
    }
    for name in ("train", "validation"):
        found[f"outputs on {'training' if name == 'train' else name} rows change"] = outputs[name]
    outputs = {name: np.nan_to_num(values) for name, values in outputs.items()}
    return found | _decided(trial, ready, fit, outputs, truths)


def _steps(recipe: Recipe) -> int:
    """Return how many steps a short run takes: a few, and one at least in the last phase."""
    last = max((phase.start for phase in recipe.phases), default=0.0)
    return max(STEPS, math.ceil(1 / (1 - last)))


def _some(rows: np.ndarray) -> np.ndarray:
    """Return the numbers of evenly spaced rows."""
    return np.unique(np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int))


def _shortened(ready: Prepared) -> Prepared:
    """Return it with fewer rows to measure losses on."""
    own, held = _some(ready.own_inputs), _some(ready.validation_inputs)
    return dataclasses.replace(
        ready,
        own_inputs=ready.own_inputs[own],
        own_targets=ready.own_targets[own],
        validation_inputs=ready.validation_inputs[held],
        validation_targets=ready.validation_targets[held],
        validation_weights=ready.validation_weights[held],
    )


def _decided(
    trial: Trial,
    ready: Prepared,
    fit: training.Fit,
    outputs: dict[str, np.ndarray],
    truths: dict[str, np.ndarray],
) -> Facts:
    """Return what the scorer and each rule make of training and validation rows; only they see test rows as well."""
    if trial.regression:
        restore = ready.scaling.restore
        values = {name: Outcome(restore(outputs[name]).astype(np.float32), truths[name]) for name in outputs}
        rows, _ = scoring.score_values(values, trial.data.unit)
        return {"the score on training and validation rows changes": _numbers(rows)}
    priors = ready.priors(None if fit.prior is None else fit.prior[0])
    if priors is None:
        return {}
    outcomes = {name: Outcome(relative(outputs[name]), truths[name]) for name in outputs}
    found = {"the class shares that the loss saw change": priors.loss}
    for name, rule in trial.rules:
        scored = scoring.score_rules("", [(name, rule)], outcomes, priors)
        found[f"the rule '{rule.kind}' changes"] = _numbers(scored.scores)
    return found


def _numbers(rows: Sequence[dict]) -> np.ndarray:
    """Return the scores and confusion counts of the parts but test, end to end."""
    own = [row for row in rows if row["part"] != "test"]
    plain = [value for row in own for value in row.values() if isinstance(value, (int, float))]
    return np.array(plain + [count for row in own for count in row["confusion"]], dtype=float)


def _first_difference(clean: Facts, other: Facts, again: Callable[[], Facts]) -> str:
    """Return the first fact that differs, of those that do not when the same is done ``again``; empty where none."""
    differing = [name for name in clean if name not in other or not _same(clean[name], other[name])]
    if not differing:
        return ""
    repeated = again()
    return next((name for name in differing if _same(clean[name], repeated[name])), "")


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two arrays are the same, to the bit but for the sign of a zero."""
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
