"""From a dataset's arrays and a split to what one trial trains on: everything fitted here sees training rows only."""

import dataclasses
import time
from dataclasses import dataclass

import numpy as np

from bench.datasets.base import Data, Dataset
from bench.keys import Streams
from bench.recipe import Recipe
from bench.splits import Split
from bench.stages.context import Context
from bench.stages.decisions import Priors, row_weights
from bench.stages.preprocessing import Fitted
from bench.stages.resampling import Resample
from bench.subsets import subset


@dataclass(frozen=True)
class Prepared:
    """What one trial trains on.

    rows               numbers int64 [N] of the training rows that this trial uses, of its split's
    inputs, targets    these rows after scaling, resampling and enlarging, float32 [N, ...] (images: uint8, scaled as
                       they enter the network) and int64 [N] or float32 [N, K]
    own_*              the same after scaling alone: the rows that training scores are measured on
    validation_*       the only rows that stopping and decisions may look at
    validation_prior   class shares of the validation rows; target_prior those that the test rows stand for
    own_prior          class shares of the training rows as they are; row_prior those after resampling
    scaling            the fitted maps, for the scorer to apply to test rows
    no_op              rows were resampled or enlarged, and that changed nothing
    resample_seconds   thread CPU seconds of both; prepare_seconds: of the rest
    mirrors            an image and its mirror image show the same class
    """

    streams: Streams
    rows: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    own_inputs: np.ndarray
    own_targets: np.ndarray
    validation_inputs: np.ndarray
    validation_targets: np.ndarray
    validation_weights: np.ndarray
    validation_prior: np.ndarray | None
    target_prior: np.ndarray | None
    own_prior: np.ndarray | None
    row_prior: np.ndarray | None
    scaling: Fitted
    no_op: bool
    prepare_seconds: float
    resample_seconds: float
    mirrors: bool = False

    def priors(self, loss: np.ndarray | None) -> Priors | None:
        """Return the class shares that decision rules may know of, ``loss`` [C] among them; None for a regression."""
        if loss is None or self.row_prior is None or self.own_prior is None or self.target_prior is None:
            return None
        return Priors(loss=loss, rows=self.row_prior, own=self.own_prior, target=self.target_prior)


def shares(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return class shares float64 [C] of labels int64 [N]."""
    return np.bincount(labels, minlength=classes) / max(1, len(labels))


def prepare(dataset: Dataset, data: Data, split: Split, recipe: Recipe, streams: Streams) -> Prepared:
    """Choose the training rows of one trial, scale, encode, resample and enlarge them; scale its validation rows.

    Raises ValueError where a resampler or a loss cannot work on these rows (the trial becomes a failed record).
    """
    from bench.splits import target_prior

    for stage in (recipe.preprocess, recipe.resample, recipe.enlarge):
        if stage is not None:
            stage.load()
    started = time.thread_time()
    regression = dataset.task == "regression"
    rows = subset(dataset, data, split.train, recipe.share(), dataclasses.replace(streams, member=0))
    train, train_targets = data.inputs[rows], data.targets[rows]
    scaling = recipe.preprocess.fit(train, train_targets, data.columns, regression)
    own_inputs, own_targets = scaling.inputs(train), scaling.targets(train_targets)
    validation_inputs = scaling.inputs(data.inputs[split.validation])
    validation_targets = scaling.targets(data.targets[split.validation])

    resampling_started = time.thread_time()
    inputs, targets = own_inputs, own_targets
    if recipe.resample is not None:
        inputs, targets = recipe.resample.apply(inputs, targets, streams_seed(streams), scaling.categories)
    if recipe.enlarge is not None:
        inputs, targets = recipe.enlarge.enlarge(inputs, targets, _alone(dataset, inputs, targets, scaling, streams))
    no_op = (recipe.resample is not None or recipe.enlarge is not None) and np.array_equal(inputs, own_inputs)
    resample_seconds = time.thread_time() - resampling_started

    weights = np.ones(len(validation_targets))
    own_prior = row_prior = validation_prior = target = None
    if not regression:
        classes = len(dataset.classes())
        own_prior, row_prior = shares(own_targets, classes), shares(targets, classes)
        validation_prior = shares(validation_targets, classes)
        target = target_prior(dataset, np.bincount(own_targets, minlength=classes))
        weights = row_weights(validation_targets, target)
    return Prepared(
        streams=streams,
        rows=rows,
        inputs=inputs,
        targets=targets,
        own_inputs=own_inputs,
        own_targets=own_targets,
        validation_inputs=validation_inputs,
        validation_targets=validation_targets,
        validation_weights=weights,
        validation_prior=validation_prior,
        target_prior=target,
        own_prior=own_prior,
        row_prior=row_prior,
        scaling=scaling,
        no_op=bool(no_op),
        prepare_seconds=time.thread_time() - started - resample_seconds,
        resample_seconds=resample_seconds,
        mirrors=dataset.mirrors,
    )


def resampled(
    resample: Resample, features: np.ndarray, targets: np.ndarray, trial: Prepared
) -> tuple[np.ndarray, np.ndarray]:
    """Return a trial's features float32 [N, H] and targets [N], resampled in the course of its training."""
    resample.load()
    return resample.apply(features, targets, streams_seed(trial.streams))


def streams_seed(streams: Streams) -> int:
    """Return the seed for a trial's resampler."""
    return int(streams.numpy("resample").integers(2**32))


def _alone(dataset: Dataset, inputs: np.ndarray, targets: np.ndarray, scaling: Fitted, streams: Streams) -> Context:
    """Return the context of one trial's rows before it trains, with random streams apart from the training's."""
    import torch

    regression = dataset.task == "regression"
    return Context(
        inputs=[inputs],
        targets=[targets],
        seen=None,
        outputs=targets.shape[1] if regression else len(dataset.classes()),
        regression=regression,
        streams=[streams],
        device=torch.device("cpu"),
        pixels=None if scaling.pixels is None else scaling.pixels[None],
        mirrors=dataset.mirrors,
        prefix="enlarge ",
    )
