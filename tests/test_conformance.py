"""Laws that every technique in the catalogue obeys, on every kind of data and network it applies to.

No exceptions by name.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

from bench import training
from bench.baselines import baseline
from bench.catalogue import TECHNIQUES
from bench.datasets import DATASETS, create
from bench.datasets.base import Data, Dataset
from bench.keys import Streams
from bench.preparation import Prepared, prepare
from bench.recipe import Recipe, Technique, apply, combine
from bench.splits import Split, split
from bench.stages.base import Stage
from tests import tiny

REAL = {  # what is not as in a smoke run: few images, and rows enough of every class for all
    "fraud": {},
    "sine": {},
    "sine-events": {},
    "digits": {"imbalance": 10},
    "cifar10": {"n_max": 100, "imbalance": 10},
}
SEED, FOLDS, STEPS, BATCH = 11, 5, 20, 32


@dataclass(frozen=True)
class Case:
    """A technique on a dataset whose baseline is given."""

    technique: Technique
    dataset: Dataset
    base: Recipe

    @property
    def changed(self) -> Recipe:
        return apply(self.base, combine([self.technique], self.dataset.kind))

    @property
    def recipe(self) -> Recipe:
        return self.changed.resolved().brief()


def _fits(technique: Technique, dataset: Dataset, base: Recipe) -> bool:
    return not technique.not_applicable(dataset.task, dataset.kind, base, dataset.offers())


TINY = {
    f"{name}-{label}": Case(technique, dataset, base)
    for name, technique in TECHNIQUES.items()
    for label, (dataset, base) in tiny.CASES.items()
    if _fits(technique, dataset, base)
}


def _real() -> dict[str, Case]:
    """Return every technique on every real dataset that it applies to, with its baseline in small batches.

    Where it applies only if rows are held back they are.
    """
    found = {}
    for label, sizes in REAL.items():
        dataset = create(label, DATASETS[label].smoke | sizes)
        whole = dataclasses.replace(baseline(dataset), steps=STEPS, batch_size=BATCH)
        for name, technique in TECHNIQUES.items():
            bases = [base for base in (whole, dataclasses.replace(whole, rows=0.5)) if _fits(technique, dataset, base)]
            if bases:
                found[f"{name}-{label}"] = Case(technique, dataset, bases[0])
    return found


ON_REAL_ROWS = _real()


def _params(cases: dict[str, Case]) -> list:
    return [pytest.param(case, id=label) for label, case in cases.items()]


@dataclass(frozen=True)
class Member:
    """One trained trial: its place in the stack that it trained in."""

    fit: training.Fit
    index: int
    trials: Sequence[Prepared]

    def state(self) -> dict[str, torch.Tensor]:
        network = self.fit.network
        named = dict(network.named_parameters()) | dict(network.named_buffers())
        return {name: value[self.index] for name, value in named.items()}

    def predictions(self) -> np.ndarray:
        return training.predict(self.fit.network, [trial.validation_inputs for trial in self.trials])[self.index]

    def random_states(self) -> dict[str, list[torch.Tensor]]:
        drawn = self.fit.network._context._generators
        return {purpose: [one.get_state().clone() for one in streams] for purpose, streams in drawn.items()}


def _trained(recipe: Recipe, dataset: Dataset, repeats: list[int]) -> list[Member]:
    """Train some repeats side by side, or one by one where the network trains so."""
    members = []
    for together in [repeats] if recipe.stacks else [[repeat] for repeat in repeats]:
        trials = [tiny.prepared(dataset, recipe, repeat) for repeat in together]
        fit = training.fit(recipe, trials, tiny.outputs(dataset), recipe.steps)
        members += [Member(fit, index, trials) for index in range(len(trials))]
    return members


def _same(one: Member, other: Member) -> None:
    others = other.state()
    for name, value in one.state().items():
        assert torch.equal(value, others[name]), name


@pytest.fixture(scope="module", params=_params(TINY))
def case(request: pytest.FixtureRequest) -> Case:
    """Each case in turn, with all tests of it, so that what they share is trained once."""
    return request.param


@pytest.fixture(scope="module")
def members(case: Case) -> list[Member]:
    return _trained(case.recipe, case.dataset, [0, 1])


def test_it_stays_finite_and_a_member_of_a_stack_equals_it_alone(case: Case, members: list[Member]) -> None:
    for member in members:
        assert not member.fit.diverged.any()
        assert np.isfinite(member.fit.curve.train).all()
    _same(members[1], _trained(case.recipe, case.dataset, [1])[0])


def test_it_is_off_at_evaluation(members: list[Member]) -> None:
    for member in members:
        before = member.random_states()
        first, second = member.predictions(), member.predictions()
        assert np.array_equal(first, second)
        after = member.random_states()
        assert before.keys() == after.keys()
        for purpose, states in before.items():
            assert all(torch.equal(one, other) for one, other in zip(states, after[purpose], strict=True)), purpose


@pytest.mark.parametrize(
    "neutral", _params({label: case for label, case in TINY.items() if case.technique.neutral is not None})
)
def test_at_its_neutral_setting_training_is_the_baselines_bit_for_bit(neutral: Case) -> None:
    assert neutral.technique.neutral is not None
    recipe = apply(neutral.changed, neutral.technique.neutral).resolved().brief()
    repeats = [0, 1] if recipe.stacks else [1]
    _same(*(_trained(one, neutral.dataset, repeats)[-1] for one in (recipe, neutral.base)))


@cache
def _world(dataset: Dataset) -> tuple[Data, Split]:
    data = dataset.make(SEED, 0)
    return data, split(dataset, data, FOLDS, SEED, 0, 0)


def _prepared(real: Case) -> Prepared | str:
    """Return what trains of a real dataset's first repeat, or what a sampler says that cannot raise its rows."""
    data, parts = _world(real.dataset)
    try:
        return prepare(real.dataset, data, parts, real.recipe, Streams(SEED, real.dataset.name, 0, 0))
    except ValueError as refusal:
        return str(refusal)


@pytest.mark.parametrize("real", _params(ON_REAL_ROWS))
def test_it_stays_finite_on_real_data_or_its_sampler_says_why_these_rows_cannot_be_raised(
    real: Case, request: pytest.FixtureRequest
) -> None:
    if real.dataset.absent():
        request.getfixturevalue("cifar10")
    ready = _prepared(real)
    if isinstance(ready, str):
        assert real.recipe.resample is not None, ready
        assert ready.startswith(f"{real.recipe.resample.kind} cannot raise")
        others = [
            one for one in ON_REAL_ROWS.values() if one.technique is real.technique and one.dataset is not real.dataset
        ]
        assert any(isinstance(_prepared(one), Prepared) for one in others), "it trains on no dataset at all"
        return
    outputs = len(real.dataset.classes()) or _world(real.dataset)[0].targets.shape[1]
    fit = training.fit(real.recipe, [ready], outputs, STEPS)
    assert not fit.diverged.any()
    assert np.isfinite(fit.curve.train).all()
    assert np.isfinite(fit.curve.validation).all()
    assert np.isfinite(training.predict(fit.network, [ready.validation_inputs[:200]])[0]).all()


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
def test_it_is_documented_and_says_how_it_is_neutral(technique: Technique) -> None:
    assert technique.claim
    assert technique.source
    assert technique.family
    assert (technique.neutral is None) == bool(technique.why_not), "neutral, or a reason why there is no such setting"
    assert technique.name == technique.name.lower()


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
def test_it_is_tried_on_every_kind_of_network_that_it_names(technique: Technique) -> None:
    tried = {case.base.network.kind for case in TINY.values() if case.technique is technique}
    assert tried
    assert tried >= set(technique.networks)


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
def test_its_grid_names_fields_that_exist(technique: Technique) -> None:
    for case in (case for case in TINY.values() if case.technique is technique):
        for path, values in technique.grid.items():
            assert len(set(map(str, values))) == len(values)
            for value in values:
                apply(case.changed, {path: value}).resolved()


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
def test_every_value_it_sets_is_plain_or_a_stage(technique: Technique) -> None:
    for kind in technique.kinds:
        for value in technique.changes(kind).values():
            items = value if isinstance(value, tuple) else (value,)
            assert all(isinstance(item, (Stage, int, float, str)) for item in items)
