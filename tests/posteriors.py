"""A results folder made without training, of classifiers whose logits are known posteriors: scored as a run would.

Rows have a feature per class, normal around 1 for their own class and 0 for the others, times how far classes lie
apart; so exact logits are known for any class shares. A technique sees the features with noise of its own, and answers
for class shares of its own.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.companions import COMPANIONS
from bench.keys import digest
from bench.plan import trial_key
from bench.reporting.gains import Judged
from bench.scoring import Outcome, relative, score_rules
from bench.stages.corrections import LogitAdjustment
from bench.stages.decisions import Argmax, Priors, Rule
from bench.stages.thresholds import TunedThreshold
from bench.statistics import Interval, Verdict
from bench.store import Store

SHARES = {3: np.array([0.8, 0.17, 0.03]), 2: np.array([0.94, 0.06])}
ROWS = {"train": 30, "validation": 600, "test": 900}
KEPT_METRICS: dict[str, Any] = {"reason": "", "no_op": False, "device": "cpu", "threads": 1, "commit": "abc"}


SAID = ("better", "worse", "equivalent", "identical", "undecided", "not compared", "incomplete", "not scored")


@dataclass(frozen=True)
class Planted:
    """A technique: how far apart it sees the classes, how much of their shares its logits hold, which rule decides.

    knows: 1 where the logits answer for the training shares, 0 where for balanced ones; of: whose training it shares.
    """

    apart: float = 2.0
    knows: float = 1.0
    rule: Rule = field(default_factory=Argmax)
    of: str = ""
    replica: int = 0


TECHNIQUES = {
    "baseline": Planted(),
    "A/A": Planted(of="baseline", replica=1),
    "tuned-threshold": Planted(rule=TunedThreshold(), of="baseline"),
    "logit-adjustment": Planted(rule=LogitAdjustment(), of="baseline"),
    "shifted": Planted(knows=0.0),
    "ranks-better": Planted(apart=3.2),
    "ranks-worse": Planted(apart=1.0, knows=0.0),
}


@dataclass(frozen=True)
class World:
    """Datasets: 'balanced' and 'fixed' have balanced test rows, 'detection' (two of them) as they are trained."""

    datasets: tuple[str, ...] = ("balanced", "detection", "fixed")
    techniques: dict[str, Planted] = field(default_factory=lambda: dict(TECHNIQUES))
    repeats: int = 8
    companions: tuple[str, ...] = tuple(COMPANIONS)  # those that are scored; all are planned
    focus: str = "imbalance"
    seed: int = 5

    def plan(self) -> dict[str, Any]:
        """Return the plan, as a run keeps it."""
        return {
            "suite": "posteriors", "question": "What is left of a gain?", "seed": self.seed, "baseline": "baseline",
            "focus": self.focus, "companions": {name: digest(rule) for name, rule in COMPANIONS.items()},
            "datasets": [self.facts(label) for label in self.datasets],
            "techniques": [{"label": name, "family": "planted", "claim": "", "source": "", "parts": [name],
                            "setting": {}} for name in self.techniques if name != "A/A"],
            "cells": [
                {"dataset": label, "technique": name, "training": self.training(label, name),
                 "rule": digest(one.rule), "not_applicable": "", "keys": [self.key(label, name, r) for r in self.each],
                 "repeat_fold": [[r, 0] for r in self.each], "replica": one.replica}
                for label in self.datasets for name, one in self.techniques.items()
            ],
        }  # fmt: skip

    def facts(self, label: str) -> dict[str, Any]:
        """Return the dataset's entry of the plan."""
        classes = 2 if label == "detection" else 3
        return {
            "label": label, "name": label, "task": "classification", "kind": "table",
            "repeats": "fixed" if label == "fixed" else "independent", "has_test": True,
            "classes": ["common", "less", "rare"][:classes], "class_counts": [800, 170, 30][:classes],
            "metric": "average_precision" if label == "detection" else "macro_f1", "equivalence": 0.01, "folds": 5,
            "folds_per_repeat": 1, "repeat_count": self.repeats, "parameters": {}, "absent": "", "origin": "",
            "offers": ["two classes"] if classes == 2 else [],
        }  # fmt: skip

    @property
    def each(self) -> range:
        return range(self.repeats)

    def training(self, label: str, name: str) -> str:
        return digest([label, self.techniques[name].of or name])

    def key(self, label: str, name: str, repeat: int) -> str:
        return trial_key(self.training(label, name), repeat, 0, self.techniques[name].replica)


def write(path: Path, world: World) -> Store:
    """Write the plan and every trial of a world, and return the store."""
    store = Store(path)
    store.writable()
    store.write_plan(world.plan())
    for part, label in enumerate(world.datasets):
        runs: dict[str, Any] = {}
        scores, labels, truths = [], [], {}
        rules: dict[str, dict[str, Rule]] = {}
        for name, one in world.techniques.items():
            own = {digest(rule): rule for rule in (one.rule, *(COMPANIONS[each] for each in world.companions))}
            for repeat in world.each:
                rules.setdefault(world.key(label, name, repeat), {}).update(own)
        for name in world.techniques:
            for repeat in world.each:
                key = world.key(label, name, repeat)
                if key in runs:
                    continue
                outcomes, priors = _outcomes(world, label, name, repeat)
                scored = score_rules(key, list(rules[key].items()), outcomes, priors)
                scores += scored.scores
                labels += scored.labels
                runs[key] = _run(world, label, name, repeat, priors)
                truth = outcomes["test"].truth
                runs[key]["truth"] = digest(truth.tolist())
                truths[runs[key]["truth"]] = {"target": truth, "day": None}
        store.write(f"{part:06d}-{label}", list(runs.values()), scores, labels, [], truths)
    return store


def _outcomes(world: World, label: str, name: str, repeat: int) -> tuple[dict[str, Outcome], Priors]:
    """Return what a trial put out on each part, and the class shares that rules may know of."""
    one, classes = world.techniques[name], len(world.facts(label)["classes"])
    shares, even = SHARES[classes], np.full(classes, 1 / classes)
    target = shares if label == "detection" else even
    seen = shares**one.knows / (shares**one.knows).sum()
    outcomes = {}
    for at, (part, rows) in enumerate(ROWS.items()):
        where = [0] if label == "fixed" and part == "test" else [1, repeat]
        rng = np.random.default_rng([world.seed, len(label), at, *where])
        truth = rng.choice(classes, rows, p=target if part == "test" else shares)
        drawn = rng.normal(size=(rows, classes))
        own = np.random.default_rng([world.seed, at, repeat, one.replica, *(one.of or name).encode()])
        features = one.apart * np.eye(classes)[truth] + drawn + own.normal(0, 0.15, (rows, classes))
        outcomes[part] = Outcome(relative((one.apart * features + np.log(seen)).astype(np.float32)), truth)
    return outcomes, Priors(loss=seen, rows=shares, own=shares, target=target)


def _run(world: World, label: str, name: str, repeat: int, priors: Priors) -> dict[str, Any]:
    return {
        "key": world.key(label, name, repeat), "training": world.training(label, name), "dataset": label,
        "technique": name, "repeat": repeat, "fold": 0, "replica": world.techniques[name].replica, "status": "ok",
        "steps": 300, "stop_step": 300, "examples": 300 * 64, "flops": 1e9, "cpu_seconds": 0.3,
        "resample_seconds": 0.0, "prepare_seconds": 0.0, "evaluate_seconds": 0.0, "score_seconds": 0.0, "stack": 8,
        "rows_train": 800, "rows_own": 800, "rows_validation": ROWS["validation"], "rows_test": ROWS["test"],
        "fingerprint": "f", "seen_prior": priors.loss.tolist(), "target_prior": priors.target.tolist(),
        "validation_prior": priors.own.tolist(), "curve_step": [100, 200, 300], "curve_train": [1.0, 0.7, 0.5],
        "curve_validation": [1.1, 0.8, 0.7], "machine": "a processor", "versions": "{}", "dirty": False,
        **KEPT_METRICS,
    }  # fmt: skip


def judged_as(word: str, gain: float = 0.1) -> Judged:
    """Return a comparison that ended with this word."""
    difference = Interval(gain, 0.01, 5, gain - 0.02, gain + 0.02, gain - 0.015, gain + 0.015, 0.01, False, "test")
    spoken = "" if word in ("not compared", "incomplete", "not scored") else word
    done = {"incomplete": 7, "not scored": 0}.get(word, 8)
    return Judged(difference if done else None, Verdict(spoken, "", 0.01, 0.5, 0.0321), done, 8)
