"""The one training loop. T trials of one recipe train side by side as a stack and meet only at the stack's size.

Batches are gathered by index from arrays in memory; losses are one per trial and summed for a single backward pass;
validation happens every so many steps, on fixed rows. Test rows are not an argument of anything here.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from bench.networks.layers import Network
from bench.preparation import Prepared
from bench.process import denormals_flushed
from bench.recipe import Recipe
from bench.stages.context import Context

REVISION = 1
VALIDATIONS = 10  # at most, in one training
VALIDATION_SHARE = 0.15  # of the training's work, at most
CURVE_ROWS = 1024  # training rows on which the learning curve is measured
CHUNK = 256  # rows per evaluation batch: what a stack makes of them fits into a cache
BLOCK = 64  # steps whose batches are drawn at once


class OutOfTimeError(Exception):
    """A stack ran past its time limit."""


@dataclass(frozen=True)
class Curve:
    """Plain loss at each validation: steps [V]; training and validation rows, float [T, V]."""

    steps: list[int]
    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class Fit:
    """What a stack's training gives.

    network    with the final (or kept) weights of all T trials
    steps      optimizer steps taken, int [T]; stop_step: the step whose weights were kept, int [T]
    diverged   trials whose loss became non-finite, bool [T]
    seconds    thread CPU seconds of training per trial (the stack's divided by T), evaluation apart
    snapshots  (step, weights and running statistics after it) where these were asked for, for ``at``
    """

    network: Network
    curve: Curve
    steps: np.ndarray
    stop_step: np.ndarray
    diverged: np.ndarray
    seconds: float
    evaluate_seconds: float
    snapshots: list[tuple[int, dict[str, torch.Tensor]]] = field(default_factory=list)


@dataclass(frozen=True)
class Rows:
    """Arrays of T trials end to end in one tensor [sum N_t, ...], and where each trial's rows begin."""

    values: torch.Tensor
    starts: torch.Tensor
    counts: list[int]

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray], device: torch.device) -> "Rows":
        """Put the arrays of T trials, [N_t, ...] each, end to end."""
        counts = [len(array) for array in arrays]
        starts = torch.tensor([0, *np.cumsum(counts)[:-1]], device=device)[:, None]
        rows = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
        rows = np.require(rows, requirements=("C", "W"))  # gathering rows from columns is five times as slow
        return cls(torch.from_numpy(rows).to(device), starts, counts)

    def at(self, index: torch.Tensor) -> torch.Tensor:
        """Return the rows [T, B, ...] for each trial's own row numbers int64 [T, B]."""
        flat = (index + self.starts).flatten()
        return self.values.index_select(0, flat).view(*index.shape, *self.values.shape[1:])


@denormals_flushed()
def fit(
    recipe: Recipe,
    trials: Sequence[Prepared],
    outputs: int,
    steps: int,
    deadline: float | None = None,
    snapshots: Sequence[int] = (),
) -> Fit:
    """Train T trials of one recipe for at most ``steps`` optimizer steps each.

    snapshots: steps after which the weights are copied; nothing here looks at the copies.
    Raises ValueError where a stage cannot work on these rows, OutOfTimeError past ``deadline`` (time.monotonic()).
    """
    device = torch.device("cpu")
    context = _context(trials, outputs, device)
    network = recipe.network.build(trials[0].inputs.shape[1:], context)
    all_inputs = Rows.of([trial.inputs for trial in trials], device)
    all_targets = Rows.of([trial.targets for trial in trials], device)
    validator = _Validator(trials, context)
    began = time.thread_time()

    if recipe.network.closed_form:
        network.solve(all_inputs.values.split(all_inputs.counts), all_targets.values.split(all_targets.counts))
        seconds = (time.thread_time() - began) / len(trials)
        train, validation = validator.losses(network)
        nothing = np.zeros(len(trials), dtype=int)
        curve = Curve([0], train[:, None], validation[:, None])
        finite = np.isfinite(validation)
        return Fit(network, curve, nothing, nothing, ~finite, seconds, validator.seconds / len(trials))

    progress = _Progress(network, recipe, len(trials), steps, validator)
    update = _updater(recipe, network, steps)
    batches = _batches(recipe, trials, steps)
    augment = [stage.begin(context) for stage in recipe.augment]
    mix = recipe.mix.begin(context) if recipe.mix else None
    soften = recipe.targets.begin(context) if recipe.targets else None
    loss_of = recipe.loss.begin(context)
    weights, _ = network.split()
    penalties = [stage.penalty for stage in recipe.penalties]
    taken: list[tuple[int, dict[str, torch.Tensor]]] = []

    for step in range(steps):
        index = batches(step)
        inputs, targets = all_inputs.at(index), all_targets.at(index)
        for change in augment:
            inputs = change(inputs, targets)
        inputs = network.entry(inputs)
        if mix is not None:
            inputs, targets = mix(inputs, targets)
        if soften is not None:
            targets = soften(targets)
        losses = loss_of(network(inputs, training=True), targets)  # [T]
        for penalty in penalties:
            losses = losses + penalty(weights)
        network.zero_grad(set_to_none=True)
        losses.sum().backward()
        update(step)
        if step + 1 in snapshots:
            copied = time.thread_time()
            taken.append((step + 1, {name: value.detach().clone() for name, value in _state(network).items()}))
            validator.seconds += time.thread_time() - copied
        if progress.finished(step + 1, losses.detach()):
            break
        if deadline is not None and time.monotonic() > deadline:
            raise OutOfTimeError(f"ran past its time limit at step {step + 1} of {steps}")

    seconds = time.thread_time() - began - validator.seconds
    done = progress.result(network, seconds / len(trials), validator.seconds / len(trials))
    return dataclasses.replace(done, snapshots=taken)


@contextmanager
def at(network: Network, state: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Put the weights and running statistics of a snapshot into a network, and its own back afterwards."""
    held = {name: (value, value.detach().clone()) for name, value in _state(network).items() if name in state}
    with torch.no_grad():
        for name, (value, _) in held.items():
            value.copy_(state[name])
        try:
            yield
        finally:
            for value, own in held.values():
                value.copy_(own)


def _context(trials: Sequence[Prepared], outputs: int, device: torch.device) -> Context:
    """Return what stages may know of the stack."""
    regression = trials[0].seen is None
    pixels = [trial.scaling.pixels for trial in trials if trial.scaling.pixels is not None]
    return Context(
        inputs=[trial.inputs for trial in trials],
        targets=[trial.targets for trial in trials],
        seen=None if regression else np.stack([trial.seen for trial in trials if trial.seen is not None]),
        outputs=outputs,
        regression=regression,
        streams=[trial.streams for trial in trials],
        device=device,
        pixels=np.stack(pixels) if pixels else None,
        mirrors=trials[0].mirrors,
    )


def _batches(recipe: Recipe, trials: Sequence[Prepared], steps: int) -> Callable[[int], torch.Tensor]:
    """Return step -> row numbers int64 [T, B], drawn from each trial's own stream ``BLOCK`` steps at a time."""
    draws = [
        recipe.batches.start(
            None if trial.seen is None else trial.targets,
            len(trial.targets),
            recipe.batch_size,
            trial.streams.numpy("batches"),
        )
        for trial in trials
    ]
    block = torch.empty(0)

    def at(step: int) -> torch.Tensor:
        nonlocal block
        if step % BLOCK == 0:
            count = min(BLOCK, steps - step)
            block = torch.from_numpy(np.stack([draw(count) for draw in draws], axis=1))
        return block[step % BLOCK]

    return at


def _updater(recipe: Recipe, network: Network, steps: int) -> Callable[[int], None]:
    """Return step -> one optimizer step: schedule, what happens to the gradients, the step itself."""
    optimizer = recipe.optimizer.make(*network.split(), alone=not recipe.network.stacks)
    rates = [group["lr"] for group in optimizer.param_groups]
    parameters = list(network.parameters())

    def update(step: int) -> None:
        if recipe.schedule is not None:
            factor = recipe.schedule.factor(step, steps)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        for stage in recipe.updates:
            stage.before_step(parameters)
        optimizer.step()

    return update


@denormals_flushed()
@torch.no_grad()
def predict(network: Network, inputs: Sequence[np.ndarray], device: torch.device | None = None) -> list[np.ndarray]:
    """Return each trial's outputs float32 [N_t, C] for its own rows, in evaluation mode."""
    device = device or torch.device("cpu")
    rows = Rows.of(inputs, device)
    counts = torch.tensor(rows.counts, device=device)[:, None]
    parts = []
    for start in range(0, max(rows.counts), CHUNK):
        index = torch.arange(start, start + CHUNK, device=device)[None, :].minimum(counts - 1)
        parts.append(network(network.entry(rows.at(index))).cpu())
    together = torch.cat(parts, 1).numpy()
    return [together[trial, :count] for trial, count in enumerate(rows.counts)]


class _Validator:
    """Plain loss (cross-entropy, or squared error) on fixed rows: some training rows, and the validation rows."""

    def __init__(self, trials: Sequence[Prepared], context: Context) -> None:
        self._regression = context.regression
        self._train = [self._some(trial) for trial in trials]
        train_rows = [
            (trial.own_inputs[rows], trial.own_targets[rows]) for trial, rows in zip(trials, self._train, strict=True)
        ]
        validation = [(trial.validation_inputs, trial.validation_targets) for trial in trials]
        self._inputs = [np.concatenate([a[0], b[0]]) for a, b in zip(train_rows, validation, strict=True)]
        self._targets = [
            torch.from_numpy(np.concatenate([a[1], b[1]])) for a, b in zip(train_rows, validation, strict=True)
        ]
        self._weights = [torch.from_numpy(trial.validation_weights) for trial in trials]
        self._cut = [len(rows) for rows in self._train]
        self.rows = max(len(inputs) for inputs in self._inputs)
        self.seconds = 0.0

    @staticmethod
    def _some(trial: Prepared) -> np.ndarray:
        """Return at most CURVE_ROWS of the trial's own training rows, always the same ones."""
        order = trial.streams.numpy("curve rows").permutation(len(trial.own_targets))
        return np.sort(order[:CURVE_ROWS])

    def losses(self, network: Network) -> tuple[np.ndarray, np.ndarray]:
        """Return mean loss on training rows and weighted mean loss on validation rows, float64 [T] each."""
        began = time.thread_time()
        train, validation = [], []
        outputs = predict(network, self._inputs)
        for output, targets, weights, cut in zip(outputs, self._targets, self._weights, self._cut, strict=True):
            each = self._each(torch.from_numpy(output).double(), targets)
            train.append(float(each[:cut].mean()))
            validation.append(float((each[cut:] * weights).sum() / weights.sum()))
        self.seconds += time.thread_time() - began
        return np.array(train), np.array(validation)

    def _each(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self._regression:
            return (outputs - targets.double()).square().mean(1)
        return functional.cross_entropy(outputs, targets, reduction="none")


class _Progress:
    """When to validate, which weights to keep, which trials have stopped or diverged (they are frozen, not dropped)."""

    def __init__(self, network: Network, recipe: Recipe, trials: int, steps: int, validator: _Validator) -> None:
        affordable = int(3 * VALIDATION_SHARE * steps * recipe.batch_size / validator.rows)
        count = max(1, min(VALIDATIONS, affordable, steps))
        self._at = {round(steps * (i + 1) / count) for i in range(count)}
        self._network, self._validator = network, validator
        self._watch = recipe.stopping.begin(trials) if recipe.stopping else None
        self._active = np.ones(trials, dtype=bool)
        self._diverged = np.zeros(trials, dtype=bool)
        self._steps = np.full(trials, steps)
        self._kept_step = np.full(trials, steps)
        self._kept: dict[str, torch.Tensor] = {}
        self._sum = torch.zeros(trials)
        self._curve: list[tuple[int, np.ndarray, np.ndarray]] = []

    def finished(self, step: int, losses: torch.Tensor) -> bool:
        """Take the losses [T] of one step; validate where it is time. Return whether no trial is left to train."""
        self._sum += losses.cpu()
        if step not in self._at:
            return False
        train, validation = self._validator.losses(self._network)
        self._curve.append((step, train, validation))
        broken = self._active & ~(np.isfinite(self._sum.numpy()) & np.isfinite(validation))
        self._diverged |= broken
        self._end(broken, step)
        if self._watch is not None:
            improved, stop = self._watch.update(validation, self._active)
            self._keep(improved, step)
            self._end(stop, step)
        return not self._active.any()

    def _end(self, which: np.ndarray, step: int) -> None:
        self._steps[which] = step
        self._active &= ~which

    @torch.no_grad()
    def _keep(self, which: np.ndarray, step: int) -> None:
        """Copy the present weights, and running statistics, of some trials."""
        state = _state(self._network)
        if not self._kept:
            self._kept = {name: p.detach().clone() for name, p in state.items()}
        chosen = torch.from_numpy(which)
        for name, value in state.items():
            self._kept[name][chosen] = value[chosen]
        self._kept_step[which] = step

    @torch.no_grad()
    def result(self, network: Network, seconds: float, evaluate_seconds: float) -> Fit:
        """Put the kept weights back and return what the training gave."""
        for name, value in _state(network).items():
            if name in self._kept:
                value.copy_(self._kept[name])
        if self._watch is None:
            self._kept_step = self._steps.copy()
        return Fit(
            network=network,
            curve=Curve(
                [step for step, _, _ in self._curve],
                np.stack([train for _, train, _ in self._curve], axis=1),
                np.stack([validation for _, _, validation in self._curve], axis=1),
            ),
            steps=self._steps,
            stop_step=self._kept_step,
            diverged=self._diverged,
            seconds=seconds,
            evaluate_seconds=evaluate_seconds,
        )


def _state(network: Network) -> dict[str, torch.Tensor]:
    """Return everything that training changes, [T, ...] each."""
    return dict(network.named_parameters()) | dict(network.named_buffers())
