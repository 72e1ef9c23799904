"""A job, what a worker is given, and a part, what it returns: plain nouns that travel between processes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from bench.datasets.base import Dataset
from bench.keys import Place
from bench.recipe import Recipe
from bench.searchrows import Use
from bench.stages.decisions import Rule
from bench.stages.optimizers import Optimizer


@dataclass(frozen=True)
class Own:
    """What one trial of a job has for itself, where its trials are of several trainings that differ in their rate."""

    training: str
    technique_label: str
    optimizer: Optimizer


@dataclass(frozen=True)
class Job:
    """One stack to train: trials of one training, or of some that differ in their learning rate alone, and their rules.

    part      names the parts it is stored under
    identity  digest of the dataset's identity where the plan was made: a worker with other data must not train
    limit     in seconds
    probe     where above 0: train for so many steps, time it and record nothing else
    curve_metric  where given: record the loss and this metric on test rows along the training
    use       of the dataset's rows: 'search' for trials that are given no test rows
    own       by key, what trials have for themselves; empty where all are of ``training`` and have its recipe's rate
    Labels are hints for people, not identity.
    """

    part: str
    seed: int
    dataset: Dataset
    identity: str
    dataset_label: str
    technique_label: str
    training: str
    recipe: Recipe
    folds: int
    places: tuple[Place, ...]
    rules: tuple[tuple[str, Rule], ...]
    provenance: dict[str, Any]
    limit: float | None = None
    probe: int = 0
    curve_metric: str = ""
    use: Use = "all"
    own: Mapping[str, Own] = field(default_factory=dict)

    def named(self, key: str) -> tuple[str, str]:
        """Return the training of a trial and the label of its technique."""
        one = self.own.get(key)
        return (self.training, self.technique_label) if one is None else (one.training, one.technique_label)

    def optimizers(self, keys: Iterable[str]) -> list[Optimizer]:
        """Return the optimizer of each trial; none where all have the recipe's."""
        return [self.own[key].optimizer for key in keys] if self.own else []


@dataclass
class Part:
    """What a job returns, ready for the store: rows of each tier, and the truths by digest."""

    runs: list[dict[str, Any]]
    scores: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    logits: list[dict[str, Any]]
    truths: dict[str, dict[str, np.ndarray | None]]
    probes: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def empty(cls) -> "Part":
        """Return a part with nothing in it."""
        return cls([], [], [], [], {})

    def add(self, other: "Part") -> None:
        """Append the rows and truths of another part."""
        self.runs.extend(other.runs)
        self.scores.extend(other.scores)
        self.labels.extend(other.labels)
        self.logits.extend(other.logits)
        self.truths.update(other.truths)


class Observer(Protocol):
    """What is told of a run as it goes on."""

    def started(self, jobs: Sequence[Job]) -> None:
        """Training begins, of searches first: what they come to decides what is trained next, and it begins again."""

    def stored(self, job: Job, part: Part) -> None:
        """The trials of one job are safe in the store."""
