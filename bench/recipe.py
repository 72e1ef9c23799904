"""Recipe: everything that decides one training, one slot per stage. Technique: a named change to a recipe.

A change maps a dotted path to a value: ``{"loss": Focal(gamma=2.0)}`` sets a slot, ``{"network.dropout": 0.5}`` a
field of what is in the slot, ``{"penalties": (L2(1e-4),)}`` appends to a list-valued slot, and
``{"penalties.l2.strength": 1e-3}`` sets a field of the entry of that kind.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.errors import UsageError, nearest, unknown
from bench.keys import added, described
from bench.networks.specs import NetworkSpec
from bench.stages.augmentation import Augment
from bench.stages.base import Stage
from bench.stages.batching import Batches
from bench.stages.enlarging import Enlarge
from bench.stages.finishing import Finish
from bench.stages.initial import Initial
from bench.stages.losses import Loss
from bench.stages.mixing import Mix
from bench.stages.optimizers import Optimizer
from bench.stages.penalties import Penalty
from bench.stages.phases import Phase
from bench.stages.preprocessing import Standardise
from bench.stages.resampling import Resample
from bench.stages.schedules import Schedule
from bench.stages.stopping import Stopping
from bench.stages.targets import Targets
from bench.stages.updates import Update

Change = Mapping[str, Any]
MOST_MEMBERS = 1_000
MOST_FACTOR = 1_000.0
_ROUNDING = 1e-9  # by which a product of two decimal shares may miss 1


def _check_factor(name: str, value: float) -> None:
    """Raise ValueError unless a multiple of the baseline's is in range."""
    if not 0 < value <= MOST_FACTOR:
        raise ValueError(f"{name} must be above 0 and at most {MOST_FACTOR:g}, got {value}")


def _held_back(times: float) -> str:
    """Return what to write so that ``times`` as many rows can be given back."""
    return f"as in 'recipe: {{rows: {math.floor(1e4 / times) / 1e4:g}}}'"


SOLVED_WITH = frozenset(  # slots that have a part in a network without training steps
    ("network", "preprocess", "resample", "enlarge", "rows", "more_rows", "budget", "members", "decide")
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides one training, in the order data flows. An empty slot does nothing.

    ``steps`` is the maximum of optimizer steps (``budget='steps'``), or the steps that the dataset's own rows would
    take (``budget='epochs'``: a technique that trains on more rows then takes more steps). ``decide`` is not part of
    the training: trials that differ in it alone share one training.

    A trial trains on the share ``rows`` x ``more_rows`` of its training part. A suite holds rows back with ``rows``, so
    that a technique can give some of them back: ``more_rows`` is a multiple of what ``rows`` leaves.

    ``initial`` sets the weights that training starts from. ``phases`` change the recipe on the way, each from its share
    of the steps on; ``finish`` changes the network that training gave. ``members`` networks are trained for a trial,
    each with resampling, weights and batches of its own, and their predicted probabilities (of a regression, values)
    are averaged.

    Two multiples of what the baseline has, so that one technique fits every dataset: ``steps_factor`` of the steps, and
    ``batch_factor`` of the batch size, which takes steps off in return, so that as many examples are seen.
    ``resolved`` carries them out; neither is in a key.
    """

    network: NetworkSpec
    loss: Loss
    optimizer: Optimizer
    batches: Batches
    preprocess: Standardise
    batch_size: int
    steps: int
    decide: Stage | None = None
    resample: Resample | None = None
    enlarge: Enlarge | None = None
    augment: tuple[Augment, ...] = ()
    mix: Mix | None = None
    targets: Targets | None = None
    penalties: tuple[Penalty, ...] = ()
    updates: tuple[Update, ...] = ()
    schedule: Schedule | None = None
    stopping: Stopping | None = None
    budget: Literal["steps", "epochs"] = "steps"
    phases: tuple[Phase, ...] = ()
    finish: Finish | None = None
    rows: float = added(1.0)
    more_rows: float = added(1.0)
    members: int = added(1)
    initial: Initial | None = None
    steps_factor: float = added(1.0)
    batch_factor: float = added(1.0)

    def __post_init__(self) -> None:
        """Check the recipe's own numbers."""
        for name in ("batch_size", "steps", "members"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.budget not in ("steps", "epochs"):
            raise ValueError(f"budget must be 'steps' or 'epochs', got '{self.budget}'")
        if not 0 < self.rows <= 1:
            raise ValueError(f"rows must be a share above 0 and at most 1 of the training rows, got {self.rows}")
        if not 1 <= self.more_rows < math.inf:
            raise ValueError(f"more_rows must be at least 1 times the rows, got {self.more_rows}")
        if self.rows * self.more_rows > 1 + _ROUNDING:
            raise ValueError(
                f"rows x more_rows is {self.rows * self.more_rows:g}, more than there are; hold rows back in the "
                f"dataset's recipe, {_held_back(self.more_rows)}"
            )
        if self.members > MOST_MEMBERS:
            raise ValueError(f"members must be at most {MOST_MEMBERS}, got {self.members}")
        for name in ("steps_factor", "batch_factor"):
            _check_factor(name, getattr(self, name))
        if self.phases:
            self.in_phases()

    def resolved(self) -> "Recipe":
        """Return the recipe with plain steps and batch size: what a trial trains with, and what its key is made of.

        steps x batch size, the examples seen, is the baseline's times ``steps_factor``, to within half a batch.
        """
        if self.steps_factor == self.batch_factor == 1:
            return self
        batch = max(1, round(self.batch_size * self.batch_factor))
        steps = max(1, round(self.steps * self.steps_factor * self.batch_size / batch))
        return dataclasses.replace(self, batch_size=batch, steps=steps, batch_factor=1.0, steps_factor=1.0)

    def brief(self) -> "Recipe":
        """Return the recipe as a trial run has it: no stage trains a model of its own for longer than the network."""
        short: dict[str, Any] = {}
        for slot in dataclasses.fields(self):
            held = getattr(self, slot.name)
            if isinstance(held, Stage):
                short[slot.name] = held.brief(self.steps)
            elif isinstance(held, tuple) and slot.name != "phases":
                short[slot.name] = tuple(one.brief(self.steps) for one in held)
        return dataclasses.replace(self, **short)

    def in_phases(self) -> "tuple[Recipe, ...]":
        """Return the recipe of each phase in turn, the first of them without any phase's change.

        Raises ValueError for phases that are out of order or whose changes do not fit.
        """
        recipes: list[Recipe] = [dataclasses.replace(self, phases=(), finish=None)]
        before = 0.0
        for number, phase in enumerate(self.phases):
            if phase.name in [earlier.name for earlier in self.phases[:number]]:
                raise ValueError(f"two phases are called '{phase.name}'; give one of them another name")
            if phase.start <= before:
                raise ValueError(f"phase '{phase.name}' must start after {before:g} of the steps, got {phase.start:g}")
            try:
                recipes.append(apply(recipes[-1], phase.change))
            except UsageError as error:
                raise ValueError(f"phase '{phase.name}': {error}") from error
            before = phase.start
        return tuple(recipes)

    def starts(self, steps: int) -> tuple[int, ...]:
        """Return the step (from 0) of so many with which each phase begins; 0 comes first, for what precedes them all.

        Phases keep their order however few steps there are, and the last one has the last step: several may begin with
        the same step, which then is the last one's.
        """
        return 0, *(min(round(phase.start * steps), steps - 1) for phase in self.phases)

    def pretraining(self, steps: int) -> int:
        """Return how many optimizer steps come before a training of so many, to find its initial weights."""
        return 0 if self.initial is None else self.initial.pretraining(steps)

    def beside(self, trials: int) -> int:
        """Return how many networks train side by side in a stack of so many trials."""
        return trials * self.members if self.stacks else 1

    @property
    def stacks(self) -> bool:
        """Return whether trials train together in one stack: whether every stage does, in every phase."""
        slots = (getattr(recipe, f.name) for recipe in self.in_phases() for f in dataclasses.fields(recipe))
        held = (one for slot in slots for one in (slot if isinstance(slot, tuple) else (slot,)))
        return all(one.stacks for one in held if isinstance(one, Stage))

    def share(self) -> float:
        """Return the share of the training part that a trial trains on."""
        return min(1.0, self.rows * self.more_rows)

    def training(self) -> dict[str, Any]:
        """Return what decides the training, as plain data: every filled slot but ``decide``.

        Empty slots are left out, so that a slot added to the project later changes no stored key.
        """
        slots = {name: value for name, value in described(self).items() if name != "decide"}
        return {name: value for name, value in slots.items() if value is not None and value != []}


@dataclass(frozen=True)
class Technique:
    """A named change to a recipe.

    change    dotted path -> value, the same for every dataset
    per_kind  further changes for 'table', 'series' or 'image' data; if given, other kinds are not applicable
    grid      dotted path -> values worth trying (used where a suite says ``grid: default``)
    neutral   dotted path -> value at which training equals the baseline's bit for bit, or None with ``why_not``
    tasks     the tasks it applies to; ``kinds`` of data; ``networks``: kinds of network, all of them if empty
    offers    what a dataset must offer, as its ``offers()`` names it
    claim     what it is said to do, in half a sentence; ``source`` where that is said
    """

    name: str
    family: str
    claim: str
    source: str
    change: Change = field(default_factory=dict)
    per_kind: Mapping[str, Change] = field(default_factory=dict)
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    neutral: Change | None = None
    why_not: str = ""
    tasks: tuple[str, ...] = ("classification", "regression")
    kinds: tuple[str, ...] = ("table", "series", "image")
    networks: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()

    def not_applicable(self, task: str, kind: str, recipe: Recipe, offers: Collection[str] = ()) -> str:
        """Return why it does not apply to a dataset's task, kind and offers and to its baseline, or an empty string."""
        if task not in self.tasks:
            return f"{self.name} applies to {' and '.join(self.tasks)}, not to {task}"
        allowed = tuple(self.per_kind) or self.kinds
        if kind not in allowed:
            return f"{self.name} applies to {' and '.join(allowed)} data, not to {kind} data"
        if lacking := [name for name in self.offers if name not in offers]:
            return f"{self.name} applies to data with {' and '.join(lacking)}"
        if self.networks and recipe.network.kind not in self.networks:
            return f"{self.name} applies to {' and '.join(self.networks)} networks, not to {recipe.network.kind}"
        more = self.changes(kind).get("more_rows", 1.0)
        if recipe.rows * more > 1 + _ROUNDING:
            return f"{self.name} needs rows held back in the dataset's recipe, {_held_back(more)}"
        return ""

    def changes(self, kind: str) -> Change:
        """Return the change for one kind of data."""
        return {**self.change, **self.per_kind.get(kind, {})}


def combine(techniques: Sequence[Technique], kind: str) -> Change:
    """Merge the changes of several techniques, field by field, for one kind of data.

    List-valued slots append in the order given. Raises UsageError naming both techniques where two set the same
    field differently.
    """
    merged: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for technique in techniques:
        for path, value in technique.changes(kind).items():
            if isinstance(value, tuple) and path in merged:
                merged[path] = (*merged[path], *(item for item in value if item not in merged[path]))
            elif path in merged and merged[path] != value:
                raise UsageError(
                    f"'{owner[path]}' and '{technique.name}' contradict each other: both set '{path}' "
                    f"({_short(merged[path])} against {_short(value)}); combine techniques that set different fields"
                )
            else:
                merged[path] = value
                owner[path] = technique.name
    _check_solved(merged.get("network"), owner)
    return merged


def _check_solved(network: Any, owner: Mapping[str, str]) -> None:
    """Raise UsageError where a technique brings a network that is solved for, and another one what only training has.

    owner: each path that is set, and the technique that sets it (lists, to which several add, the first one).
    """
    if not isinstance(network, NetworkSpec) or not network.closed_form:
        return
    for path, other in owner.items():
        if other != owner["network"] and (path.split(".")[0] not in SOLVED_WITH or path.startswith("network.")):
            raise UsageError(
                f"'{owner['network']}' and '{other}' contradict each other: the former is solved for, not trained, so "
                f"'{path}' has no part in it; combine it with techniques that change the rows"
            )


def apply(recipe: Recipe, change: Change) -> Recipe:
    """Return the recipe with a change made; whole slots first (phases, which change others, last), then their fields.

    Raises UsageError for a path that does not exist, a value of the wrong type, or one out of range.
    """
    for path in sorted(change, key=lambda path: (path.count("."), path == "phases")):
        recipe = _set(recipe, path.split("."), change[path], path)
    return recipe


def _set(owner: Any, parts: list[str], value: Any, path: str) -> Any:
    """Return ``owner`` (a recipe or stage) with the field at ``parts`` replaced."""
    name, rest = parts[0], parts[1:]
    fields = {f.name: f for f in dataclasses.fields(owner)}
    if isinstance(owner, Phase) and name not in fields:
        return _set_in_phase(owner, parts, value, path)
    if name not in fields:
        what = f"field of {owner.kind}" if isinstance(owner, Stage) else "recipe slot"
        raise UsageError(f"'{path}': {unknown(what, name, fields)}")
    old = getattr(owner, name)
    if rest and isinstance(old, tuple):
        value = _set_in_list(old, rest, value, path)
    elif rest:
        if not isinstance(old, Stage):
            raise UsageError(f"'{path}': the slot '{name}' is empty here, so it has no field '{rest[0]}'")
        value = _set(old, rest, value, path)
    elif isinstance(owner, Recipe) and isinstance(old, tuple):
        value = (*old, *(value if isinstance(value, tuple) else (value,)))
    else:
        value = _coerce(value, old, path)
    try:
        return dataclasses.replace(owner, **{name: value})
    except ValueError as error:
        raise UsageError(f"'{path}': {error}") from error


def _set_in_list(entries: tuple[Stage, ...], rest: list[str], value: Any, path: str) -> tuple[Stage, ...]:
    """Set a field of the entry of kind ``rest[0]`` in a list-valued slot."""
    kinds = [entry.label for entry in entries]
    if rest[0] not in kinds:
        present = f"it holds: {', '.join(kinds)}" if kinds else "it is empty"
        raise UsageError(f"'{path}': the slot holds no '{rest[0]}'{nearest(rest[0], kinds)} ({present})")
    if len(rest) == 1:
        raise UsageError(f"'{path}': name a field of '{rest[0]}', as in '{path}.strength'")
    return tuple(_set(entry, rest[1:], value, path) if entry.label == rest[0] else entry for entry in entries)


def _set_in_phase(phase: Phase, parts: list[str], value: Any, path: str) -> Phase:
    """Return the phase with one more change, or another value of one: 'phases.deferred.loss.beta'."""
    try:
        return dataclasses.replace(phase, change={**phase.change, ".".join(parts): value})
    except ValueError as error:
        raise UsageError(f"'{path}': {error}") from error


def _coerce(value: Any, old: Any, path: str) -> Any:
    """Return ``value`` in the type of the field's present value; whole numbers serve as floats."""
    if old is None or value is None or isinstance(old, Stage):
        if isinstance(old, Stage) and not isinstance(value, Stage):
            raise UsageError(f"'{path}' is a stage; set one of its fields, as in '{path}.{_first_field(old)}'")
        return value
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(old):
        raise UsageError(f"'{path}' must be of type {type(old).__name__}, got {_short(value)}")
    return value


def _first_field(stage: Stage) -> str:
    """Return the name of a stage's first field, for an example in an error."""
    return next((f.name for f in dataclasses.fields(stage)), "...")


def _short(value: Any) -> str:
    """Return a value as a reader would write it."""
    if isinstance(value, Stage):
        values = ", ".join(f"{f.name}={_short(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{value.kind}({values})"
    if isinstance(value, tuple):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    return repr(value)
