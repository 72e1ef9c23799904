"""What a worker does with one job: make the data, prepare, train the stack, score it, and return its records.

A worker keeps nothing but a cache of worlds. It is given everything by the job and writes no file.
"""

import dataclasses
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import audit, canary, members, preparation, records, training, wild
from bench.datasets.base import Data, Dataset
from bench.errors import FAILURES, one_line
from bench.jobs import Job, Part
from bench.keys import Place, Streams, digest
from bench.preparation import Prepared
from bench.process import machine, release_memory, settle_process
from bench.recording import HeldOut, Recorded, curve_steps, record
from bench.scoring import PARTS, Outcome, relative, score_rules, score_values
from bench.searchrows import Use, for_search
from bench.splits import Split, split
from bench.stages.decisions import Priors

_CACHE_BYTES = 100_000_000


def run_job(job: Job) -> Part:
    """Train and score the trials of one job; whatever goes wrong with a trial becomes its record."""
    settle_process()
    if reason := _other_data(job):
        return lost_job(job, "killed", reason)
    try:
        return _probe(job) if job.probe else _run_stacks(job)
    finally:
        release_memory()


def _other_data(job: Job) -> str:
    """Return why this worker's data are not those of the plan, or an empty string."""
    absent = job.dataset.absent()
    if absent or digest(job.dataset.identity()) == job.identity:
        return f"on a worker, {absent}" if absent else ""
    return f"the data of {job.dataset.name} on a worker are not those that the plan was made for; import the same ones"


def _run_stacks(job: Job) -> Part:
    """Prepare the trials of a job, and train and score those of equal steps side by side."""
    deadline = None if job.limit is None else time.monotonic() + job.limit
    if leak := _leak(job):
        return lost_job(job, "failed", leak)
    part = Part.empty()
    for places in [job.places] if job.recipe.stacks else [(place,) for place in job.places]:
        ready: list[_Ready] = []
        made: dict[tuple[int, int, int], _Ready] = {}  # trials that differ in their rate alone have the same rows
        for place in places:
            where = place.repeat, place.fold, place.replica
            try:
                made[where] = made.get(where) or _make_ready(job, place)
                ready.append(dataclasses.replace(made[where], place=place))
            except FAILURES as error:
                part.runs.append(records.record(job, place, status="failed", reason=one_line(error)))
        for steps in sorted({one.steps for one in ready}):
            _train(job, [one for one in ready if one.steps == steps], steps, deadline, part)
    return part


_watched: dict[tuple[str, str], str] = {}


def _leak(job: Job) -> str:
    """Return what of a training follows rows that it must not read, or an empty string; found out once per run.

    The first trial that can be trained shows it; where none can, their records will say why.
    """
    name = (job.training, job.provenance.get("run", ""))
    if name in _watched:
        return _watched[name]
    for place in job.places:
        try:
            data, fingerprint = _cached(job.dataset, job.seed, place.repeat, job.use)
            parts = split(job.dataset, data, job.folds, job.seed, place.repeat, place.fold, job.use)
            audit.watch(job.dataset, data, parts, fingerprint)
            found = canary.leak(canary.Trial(job.dataset, data, parts, job.recipe, job.rules, _streams(job, place)))
        except FAILURES:
            continue
        if name[1]:
            _watched[name] = found
        return found
    return ""


def _streams(job: Job, place: Place, member: int = 0) -> Streams:
    """Return the random streams of a trial's member."""
    return Streams(job.seed, job.dataset.name, place.repeat, place.fold, place.replica, member)


def _probe(job: Job) -> Part:
    """Train a stack for a few steps and return what that cost.

    Nothing where it does not work: what fails is recorded where it is trained in earnest.
    """
    deadline = None if job.limit is None else time.monotonic() + job.limit
    part = Part.empty()
    try:
        ready = [_make_ready(job, place) for place in job.places]
        fit = members.joined(_fits(job, ready, job.probe, deadline), job.recipe.members)
    except (training.OutOfTimeError, *FAILURES):
        return part
    beside = job.recipe.beside(len(ready))
    cost = {"steps": job.probe, "stack": beside, "cpu_seconds": fit.seconds, "machine": machine()["machine"]}
    part.probes.append({"training": job.training, "run": job.provenance["run"], **cost})
    return part


def lost_job(job: Job, status: str, reason: str) -> Part:
    """Return the records of a job whose worker died or hung; of a probe nothing is recorded then."""
    part = Part.empty()
    if job.probe:
        return part
    part.runs = [records.record(job, place, status=status, reason=reason) for place in job.places]
    return part


@dataclass(frozen=True)
class _Ready:
    """One prepared trial: its place, data and split, what its members train on, and its maximum of steps.

    seal: what the rows are that it is evaluated on
    """

    place: Place
    data: Data
    split: Split
    seal: audit.Seal
    members: tuple[Prepared, ...]
    steps: int

    @property
    def prepared(self) -> Prepared:
        """Return what the first member trains on; what is not drawn is alike in all."""
        return self.members[0]


def _make_ready(job: Job, place: Place) -> _Ready:
    """Make the data of one trial and prepare its rows."""
    data, fingerprint = _cached(job.dataset, job.seed, place.repeat, job.use)
    parts = split(job.dataset, data, job.folds, job.seed, place.repeat, place.fold, job.use)
    seal = audit.watch(job.dataset, data, parts, fingerprint)
    all_streams = (_streams(job, place, member) for member in range(job.recipe.members))
    ready = members.sharing(
        preparation.prepare(job.dataset, data, parts, job.recipe, streams) for streams in all_streams
    )
    prepared, steps = ready[0], job.recipe.steps
    if job.recipe.budget == "epochs":
        steps = max(1, round(steps * len(prepared.targets) / len(prepared.own_targets) * job.recipe.more_rows))
    return _Ready(place, data, parts, seal, ready, steps)


def _train(job: Job, stack: "list[_Ready]", steps: int, deadline: float | None, part: Part) -> None:
    """Train one stack and score it. If a stage refuses the stack, its trials go one by one, so one cannot sink all."""
    try:
        fits = _fits(job, stack, steps, deadline)
        predicted = _predict(job, stack, fits)
        fit = members.joined(fits, job.recipe.members)
    except training.OutOfTimeError as error:
        part.runs.extend(records.record(job, one.place, status="timeout", reason=str(error)) for one in stack)
    except FAILURES as error:
        if len(stack) > 1:  # nothing of it is recorded yet
            for one in stack:
                _train(job, [one], steps, deadline, part)
        else:
            part.runs.append(records.record(job, stack[0].place, status="failed", reason=one_line(error)))
    else:
        for index in range(len(stack)):
            part.add(_finished(job, stack, fit, predicted, index))


def _fits(job: Job, stack: "list[_Ready]", steps: int, deadline: float | None) -> list[training.Fit]:
    """Train all members of a stack's trials, side by side, or one after another where the network trains so."""
    columns = [member for one in stack for member in one.members]
    outputs = _outputs(job.dataset, stack[0].data)
    wanted = curve_steps(steps) if job.curve_metric else ()
    stacks = [columns] if job.recipe.stacks else [[column] for column in columns]
    rates = job.optimizers(one.place.key for one in stack for _ in one.members)  # only of trials that stack
    return [training.fit(job.recipe, own, outputs, steps, deadline, wanted, rates) for own in stacks]


def _outputs(dataset: Dataset, data: Data) -> int:
    """Return how many outputs a network needs: classes, or regression targets."""
    return len(dataset.classes()) if dataset.task == "classification" else data.targets.shape[1]


@dataclass(frozen=True)
class _Predicted:
    """What a stack put out: per part, each trial's outputs [N, C]; each trial's test rows, and its curve on them.

    curves: none where they are not recorded; seconds: thread CPU seconds per trial.
    """

    outputs: dict[str, list[np.ndarray]]
    tests: list[HeldOut]
    curves: list[Recorded]
    seconds: float


def _predict(job: Job, stack: "list[_Ready]", fits: list[training.Fit]) -> _Predicted:
    """Predict all parts of a stack's trials; record its curves on test rows where that is asked for."""
    began = time.thread_time()
    own = {id(one.members): one for one in stack}
    scaled = {name: _test_rows(one) for name, one in own.items()}
    tests = [scaled[id(one.members)] for one in stack]
    inputs = {
        "train": [one.prepared.own_inputs for one in stack],
        "validation": [one.prepared.validation_inputs for one in stack],
        "test": [test.inputs for test in tests],
    }
    recipe, regression = job.recipe, job.dataset.task == "regression"

    def predicted(name: str) -> list[np.ndarray]:
        columns = [rows for rows in inputs[name] for _ in range(recipe.members)]
        each = len(fits[0].steps)  # columns of a stack
        stacks = [(fit, columns[at * each : (at + 1) * each]) for at, fit in enumerate(fits)]
        own = [output for fit, rows in stacks for output in training.predict(fit.network, rows)]
        return members.averaged(own, recipe.members, regression)

    outputs = {name: predicted(name) for name in PARTS if all(map(len, inputs[name]))}
    curves = record(fits, tests, job.curve_metric, recipe) if job.curve_metric else []
    seconds = (time.thread_time() - began) / len(stack)
    return _Predicted(outputs, tests, curves, seconds)


def _finished(job: Job, stack: "list[_Ready]", fit: members.Together, predicted: _Predicted, index: int) -> Part:
    """Return one trained trial's part; where it cannot be scored it fails by itself, whatever trained beside it."""
    try:
        return _score(job, stack, fit, predicted, index)
    except FAILURES as error:
        part = Part.empty()
        part.runs.append(records.record(job, stack[index].place, status="failed", reason=one_line(error)))
        return part


def _score(job: Job, stack: "list[_Ready]", fit: members.Together, predicted: _Predicted, index: int) -> Part:
    """Return the record, scores, labels, logits and truths of one trial of a stack."""
    began = time.thread_time()
    part, one = Part.empty(), stack[index]
    outputs = {name: held[index] for name, held in predicted.outputs.items()}
    truth, day = predicted.tests[index].truth, predicted.tests[index].day
    audit.check_scored(one.seal, one.data, one.split, one.members, predicted.tests[index], outputs)
    row = records.record(job, one.place) | _measured(job, one, fit, index, len(stack))
    row |= {"truth": records.truth_digest(truth, day) if len(truth) else "", "rows_test": len(truth)}
    row["evaluate_seconds"] = fit.evaluate_seconds + predicted.seconds
    if reason := _divergence(fit, index, outputs):
        row |= {"status": "diverged", "reason": reason}
    else:
        truths = {"train": one.data.targets[one.prepared.rows], "test": truth}
        truths["validation"] = one.data.targets[one.split.validation]
        days = {"test": day}
        own = {name: (outputs[name], truths[name], days.get(name)) for name in outputs}
        _add_scores(job, one, own, one.prepared.priors(None if fit.prior is None else fit.prior[index]), part)
        if len(truth):
            part.truths[row["truth"]] = {"target": truth, "day": day}
        if predicted.curves:
            row |= records.recorded(predicted.curves[index], job.curve_metric)
    row["score_seconds"] = time.thread_time() - began
    part.runs.append(row)
    return part


def _divergence(fit: members.Together, index: int, outputs: dict[str, np.ndarray]) -> str:
    """Return why a trial's outputs [N, C] cannot be scored, or an empty string."""
    steps, diverged = fit.member_steps[index], fit.member_diverged[index]
    if diverged.any():
        member = int(diverged.argmax())
        whose = f" of member {member + 1} of {len(steps)}" if len(steps) > 1 else ""
        return f"the loss{whose} became non-finite by step {steps[member]}"
    broken = [name for name, values in outputs.items() if not np.isfinite(values).all()]
    return f"the loss stayed finite, but outputs on {' and '.join(broken)} rows are not" if broken else ""


def _test_rows(one: "_Ready") -> HeldOut:
    """Return a trial's test rows: the dataset's own, or those of the test fold."""
    data, scaling = one.data, one.prepared.scaling
    if one.split.test is None:
        assert data.test_inputs is not None
        assert data.test_targets is not None
        inputs, targets, when = data.test_inputs, data.test_targets, data.test_time
    else:
        rows = one.split.test
        when = None if data.time is None else data.time[rows]
        inputs, targets = data.inputs[rows], data.targets[rows]
    day = None if when is None else np.floor(when).astype(np.int64)
    scaled = scaling.inputs(inputs) if len(inputs) else inputs  # a search trial has none
    return HeldOut(
        scaled, targets, day, scaling.targets(targets) if len(targets) else targets, scaling.restore, data.unit
    )


def _add_scores(
    job: Job,
    one: "_Ready",
    own: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]],
    priors: Priors | None,
    part: Part,
) -> None:
    """Score one trial under every rule (a regression has none but its values)."""
    key = one.place.key
    if priors is None:
        restore = one.prepared.scaling.restore
        outcomes = {
            name: Outcome(restore(out).astype(np.float32), truth, day) for name, (out, truth, day) in own.items()
        }
        rows, values = score_values(outcomes, one.data.unit)
        part.scores.extend({"key": key, "rule": "", **row} for row in rows)
        if "test" in outcomes:
            part.labels.append({"key": key, "rule": "", "predicted": [], "values": values})
        return
    outcomes = {name: Outcome(relative(out), truth, day) for name, (out, truth, day) in own.items()}
    scored = score_rules(key, job.rules, outcomes, priors)
    part.scores.extend(scored.scores)
    part.labels.extend(scored.labels)
    for name, outcome in outcomes.items():
        part.logits.append(
            {
                "key": key,
                "part": name,
                "logits": np.ascontiguousarray(outcome.outputs).tobytes(),
                "columns": outcome.outputs.shape[1],
                "targets": outcome.truth.astype(np.uint8),
            }
        )


def _measured(job: Job, one: "_Ready", fit: members.Together, index: int, stack: int) -> dict[str, Any]:
    """Return what the training of one trial measured."""
    prepared, steps = one.prepared, int(fit.steps[index])
    shape = prepared.inputs.shape[1:]
    outputs = _outputs(job.dataset, one.data)
    recipe, priors = job.recipe, one.prepared.priors(None if fit.prior is None else fit.prior[index])
    taken = fit.member_steps[index].tolist()
    passes = sum(records.passes(recipe, one.steps, *each, fit.passes) for each in zip(taken, one.members, strict=True))
    own = sum(step <= steps for step in fit.curve.steps)  # later ones are there for others of the stack
    return {
        "no_op": all(member.no_op for member in one.members),
        "steps": steps,
        "stop_step": int(fit.stop_step[index]),
        "examples": sum(taken) * recipe.batch_size,
        "flops": passes * recipe.network.flops(shape, outputs),
        "cpu_seconds": fit.seconds,
        "resample_seconds": fit.resample_seconds + sum(member.resample_seconds for member in one.members),
        "prepare_seconds": sum(member.prepare_seconds for member in one.members),
        "stack": recipe.beside(stack),
        "rows_train": len(prepared.targets),
        "rows_own": len(prepared.own_targets),
        "rows_validation": len(prepared.validation_targets),
        "fingerprint": _cached(job.dataset, job.seed, one.place.repeat, job.use)[1],
        "split": one.split.digest(),
        "evaluation": one.seal.digest,
        "seen_prior": records.listed(None if priors is None else priors.loss),
        "validation_prior": records.listed(prepared.validation_prior),
        "target_prior": records.listed(prepared.target_prior),
        "row_prior": records.listed(prepared.row_prior),
        "own_prior": records.listed(prepared.own_prior),
        "curve_step": fit.curve.steps[:own],
        "curve_train": fit.curve.train[index, :own].tolist(),
        "curve_validation": fit.curve.validation[index, :own].tolist(),
    }


_cache: "OrderedDict[tuple[str, int, int, bool], tuple[Data, str]]" = OrderedDict()


def _cached(dataset: Dataset, seed: int, repeat: int, use: Use = "all") -> tuple[Data, str]:
    """Return the arrays of one repeat and their fingerprint; recent ones stay in memory, up to ``_CACHE_BYTES``."""
    if wild.tampering():
        data = _made(dataset, seed, repeat, use)
        return data, data.fingerprint()
    name = (digest(dataset.identity()), seed, repeat, use == "search")
    if name not in _cache:
        data = _made(dataset, seed, repeat, use)
        _cache[name] = (data, data.fingerprint())
        while len(_cache) > 1 and sum(_size(held) for held, _ in _cache.values()) > _CACHE_BYTES:
            _cache.popitem(last=False)
    _cache.move_to_end(name)
    return _cache[name]


def _made(dataset: Dataset, seed: int, repeat: int, use: Use) -> Data:
    """Return the arrays of one repeat, without test rows for a search."""
    data = dataset.make(seed, repeat)
    return for_search(dataset, data, seed) if use == "search" else data


def _size(data: Data) -> int:
    """Return the bytes that a dataset's arrays hold."""
    return sum(value.nbytes for value in vars(data).values() if isinstance(value, np.ndarray))
