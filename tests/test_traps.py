"""Every known trap, planted where such a mistake would live, and caught in a run by what guards every run."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE, RandomOverSampler

from bench import audit, canary, execution, preparation, roles, runner, scoring, wild, work
from bench.baselines import baseline as real_baseline
from bench.catalogue import TECHNIQUES
from bench.comparability import Reader, hindrances
from bench.datasets import DATASETS, create
from bench.datasets.base import Data, Dataset
from bench.jobs import Job
from bench.keys import Place, Streams, digest
from bench.plan import make_plan
from bench.preparation import Prepared
from bench.recipe import Recipe, apply, combine
from bench.reporting import analyse, tables
from bench.reporting.guarding import OTHER_ROWS
from bench.scoring import Outcome
from bench.splits import EVALUATED, Split, evaluated, split
from bench.stages.context import Context
from bench.stages.decisions import Priors, Rule, row_weights, to_logits
from bench.stages.losses import CrossEntropy
from bench.stages.preprocessing import Standardise
from bench.stages.stopping import EarlyStopping
from bench.store import Store
from bench.suitefile import load_suite
from bench.work import run_job
from tests import tiny
from tests.synthetic import World, write

RULES = ("argmax", "tuned-threshold")
Division = Literal["stratified", "group", "time"]


def job(dataset: Dataset, recipe: Recipe | None = None, places: int = 2, **changes: Any) -> Job:
    """What a worker is given of a short training."""
    recipe = recipe or tiny.baseline(dataset)
    decide = {"argmax": recipe.decide, "tuned-threshold": TECHNIQUES["tuned-threshold"].change["decide"]}
    rules = tuple((name, rule) for name in RULES if isinstance(rule := decide[name], Rule))
    given = Job(
        part="000000-x", seed=1, dataset=dataset, identity=digest(dataset.identity()), dataset_label="tiny",
        technique_label="planted", training="t", recipe=recipe, folds=3,
        places=tuple(Place(0, fold, 0, f"key {fold}") for fold in range(places)),
        rules=() if recipe.decide is None else rules, provenance={},
    )  # fmt: skip
    return dataclasses.replace(given, **changes)


def reasons(given: Job) -> set[str]:
    """Why the trials of a job failed; all must have, and none may be scored."""
    part = run_job(given)
    assert len(part.runs) == len(given.places)
    assert {row["status"] for row in part.runs} == {"failed"}
    assert not part.scores
    assert not part.logits
    return {row["reason"] for row in part.runs}


def clean(given: Job) -> list[dict[str, Any]]:
    runs = run_job(given).runs
    assert [(row["status"], row["reason"]) for row in runs] == [("ok", "")] * len(given.places)
    return runs


@dataclass(frozen=True)
class Folds(tiny.TinyTable):
    """The tiny table without test rows of its own."""

    name: ClassVar[str] = "tiny-folds"

    @property
    def has_test(self) -> bool:
        return False


BOTH = pytest.mark.parametrize("dataset", [tiny.TinyTable(), Folds()], ids=["own test rows", "folds are test rows"])


# ---- mistakes in what prepares a trial


Preparing = Callable[[Dataset, Data, Split, Recipe, Streams], Prepared]


def plant(monkeypatch: pytest.MonkeyPatch, change: Callable[[Prepared, Data, Split], Prepared]) -> None:
    """Let ``prepare`` make a mistake."""
    prepare: Preparing = preparation.prepare

    def mistaken(dataset: Dataset, data: Data, parts: Split, recipe: Recipe, streams: Streams) -> Prepared:
        return change(prepare(dataset, data, parts, recipe, streams), data, parts)

    monkeypatch.setattr(preparation, "prepare", mistaken)


@pytest.mark.parametrize("sampler", [SMOTE(k_neighbors=3, random_state=0), RandomOverSampler(random_state=0)])
def test_resampling_training_and_validation_rows_before_they_are_parted(
    sampler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(ready: Prepared, data: Data, parts: Split) -> Prepared:
        both = np.concatenate([parts.train, parts.validation])
        made, labels = sampler.fit_resample(data.inputs[both], data.targets[both])
        new = slice(len(both), None)
        inputs = np.concatenate([ready.inputs, ready.scaling.inputs(made[new].astype(np.float32))])
        return dataclasses.replace(ready, inputs=inputs, targets=np.concatenate([ready.targets, labels[new]]))

    plant(monkeypatch, change)
    assert reasons(job(tiny.TinyTable())) == {"leak: resampling changes with validation rows"}


@BOTH
@pytest.mark.parametrize("rows", ["validation", "test"])
def test_a_scaler_fitted_on_rows_that_do_not_train(
    dataset: Dataset, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Standardise.fit

    def change(ready: Prepared, data: Data, parts: Split) -> Prepared:
        all_rows = np.concatenate([data.inputs[parts.train], evaluated(data, parts, rows)[0]])
        scaling = fit(Standardise(), all_rows, ready.own_targets, data.columns, False)
        own = scaling.inputs(data.inputs[ready.rows])
        validation = scaling.inputs(data.inputs[parts.validation])
        return dataclasses.replace(ready, inputs=own, own_inputs=own, validation_inputs=validation, scaling=scaling)

    plant(monkeypatch, change)
    assert reasons(job(dataset)) == {f"leak: the scaling of training rows changes with {rows} rows"}


def test_a_trial_that_stops_by_validation_rows_may_still_not_be_prepared_by_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = tiny.TinyTable()
    stopping = dataclasses.replace(tiny.baseline(dataset), stopping=EarlyStopping())
    clean(job(dataset, stopping))

    def change(ready: Prepared, data: Data, parts: Split) -> Prepared:
        return dataclasses.replace(ready, inputs=ready.inputs + data.inputs[parts.validation].mean())

    plant(monkeypatch, change)
    assert reasons(job(dataset, stopping)) == {"leak: resampling changes with validation rows"}


def test_synthetic_rows_in_a_validation_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(ready: Prepared, data: Data, parts: Split) -> Prepared:
        sampler = SMOTE(k_neighbors=2, random_state=0)
        inputs, labels = sampler.fit_resample(ready.validation_inputs, ready.validation_targets)
        weights = np.ones(len(labels))
        return dataclasses.replace(
            ready,
            validation_inputs=inputs.astype(np.float32),
            validation_targets=labels,
            validation_weights=weights,
        )

    plant(monkeypatch, change)
    assert reasons(job(tiny.TinyTable())) == {"leak: 60 validation rows are scored, but the dataset gave 36"}


def test_synthetic_rows_in_place_of_validation_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(ready: Prepared, data: Data, parts: Split) -> Prepared:
        inputs = ready.validation_inputs.copy()
        inputs[-1] = (inputs[-1] + inputs[-2]) / 2
        return dataclasses.replace(ready, validation_inputs=inputs)

    plant(monkeypatch, change)
    found = {"leak: the validation rows that are evaluated are not those that the dataset gave"}
    assert reasons(job(tiny.TinyTable())) == found


@BOTH
def test_synthetic_or_dropped_test_rows_and_other_test_labels(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_rows = work._test_rows

    def planted(change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> str:
        def mistaken(one: Any) -> Any:
            held = test_rows(one)
            inputs, truth = change(held.inputs, held.truth)
            return dataclasses.replace(held, inputs=inputs, truth=truth, scaled=truth)

        monkeypatch.setattr(work, "_test_rows", mistaken)
        (reason,) = reasons(job(dataset, places=1))
        return reason

    count = 60 if dataset.has_test else 36
    sampler = SMOTE(k_neighbors=2, random_state=0, sampling_strategy={0: 40})
    more = planted(
        lambda inputs, truth: (lambda both: (both[0].astype(np.float32), both[1]))(sampler.fit_resample(inputs, truth))
    )
    assert more.endswith(f"test rows are scored, but the dataset gave {count}")
    assert planted(lambda inputs, truth: (inputs[1:], truth[1:])).startswith(f"leak: {count - 1} test rows are scored")
    told = planted(lambda inputs, truth: (inputs, np.roll(truth, 1)))
    assert told == "leak: test rows are scored against other targets than the dataset gave"
    told = planted(lambda inputs, truth: (inputs[::-1].copy(), truth))
    assert told == "leak: the test rows that are evaluated are not those that the dataset gave"


def test_a_stage_that_writes_into_the_evaluation_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(ready: Prepared, data: Data, parts: Split) -> Prepared:
        assert data.test_targets is not None
        if not wild.tampering():
            data.test_targets[:] = data.test_targets[::-1]
        return ready

    plant(monkeypatch, change)
    monkeypatch.setattr(canary, "leak", lambda trial: "")  # which may be past it, in another job of the run
    monkeypatch.setattr(work, "_cache", type(work._cache)())
    assert reasons(job(tiny.TinyTable(), places=1)) == {"leak: the test rows were changed after the split"}


# ---- mistakes in data and splits


@dataclass(frozen=True)
class Copied(tiny.TinyTable):
    """Rare classes copied before anybody splits the rows."""

    name: ClassVar[str] = "tiny-copied"

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        inputs, targets = RandomOverSampler(random_state=seed).fit_resample(data.inputs, data.targets)
        return dataclasses.replace(data, inputs=inputs, targets=targets)


def test_resampling_before_the_split() -> None:
    for reason in reasons(job(Copied())):
        assert "validation rows of class 'less' also stand among the training rows" in reason
        assert "as they do where rows are resampled before they are split" in reason


@dataclass(frozen=True)
class FewValues(tiny.TinyTable):
    """A table of three yes-or-no columns: rows are equal by chance, and more often than not."""

    name: ClassVar[str] = "tiny-few-values"

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        assert data.test_inputs is not None
        few = [(one[:, :3] > 2).astype(np.float32) for one in (data.inputs, data.test_inputs)]
        return dataclasses.replace(data, inputs=few[0], test_inputs=few[1], columns=())


def test_rows_that_are_equal_by_chance_are_no_leak() -> None:
    dataset = FewValues()
    data = dataset.make(1, 0)
    parts = split(dataset, data, 3, 1, 0, 0)
    equal = (data.inputs[parts.validation][:, None] == data.inputs[parts.train]).all(2).any(1)
    assert equal.mean() > 0.8
    clean(job(dataset))


@dataclass(frozen=True)
class Timed(tiny.TinyTable):
    """The tiny table in time; how its folds are cut is for the test to say."""

    name: ClassVar[str] = "tiny-timed"
    gap: ClassVar[float] = 2.0
    cut: Division = "stratified"
    own: bool = True
    late: float = 130.0

    @property
    def division(self) -> Division:
        return self.cut

    @property
    def has_test(self) -> bool:
        return self.own

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        order = np.random.default_rng(repeat).permutation(len(data.targets)).astype(float)
        return dataclasses.replace(data, time=order, test_time=self.late + np.arange(60.0) if self.own else None)


@pytest.mark.parametrize("own", [True, False], ids=["own test rows", "folds are test rows"])
def test_a_split_that_ignores_time(own: bool) -> None:
    for reason in reasons(job(Timed(own=own))):
        assert "training rows lie in the time of the validation rows or within 2 days of it" in reason
        assert reason.endswith("the split ignores time")
    blocks = job(Timed(cut="time", own=own))
    clean(dataclasses.replace(blocks, folds=5))


def test_own_test_rows_within_the_time_of_the_others() -> None:
    for reason in reasons(job(Timed(cut="time", late=100.0))):
        assert "training rows lie in the time of the test rows" in reason or "validation rows lie in the" in reason


@dataclass(frozen=True)
class Grouped(tiny.TinyTable):
    """Rows of one customer in two parts."""

    name: ClassVar[str] = "tiny-grouped"

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        return dataclasses.replace(data, groups=np.arange(len(data.targets)) // 4)


def test_a_split_that_parts_groups() -> None:
    for reason in reasons(job(Grouped())):
        assert "groups have both training and validation rows" in reason


@pytest.mark.parametrize("own", [True, False])
def test_a_split_that_gives_a_row_two_roles(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def overlapping(*given: Any) -> Split:
        parts = split(*given)
        return dataclasses.replace(parts, train=np.append(parts.train, evaluated_rows(parts, own)[0]))

    def evaluated_rows(parts: Split, own: bool) -> np.ndarray:
        return parts.validation if own or parts.test is None else parts.test

    monkeypatch.setattr(work, "split", overlapping)
    part = "validation" if own else "test"
    for reason in reasons(job(tiny.TinyTable() if own else Folds())):
        assert reason.startswith(f"leak: 1 rows are both training and {part} rows")


# ---- mistakes in what trains and decides


@dataclass(frozen=True)
class Peeking(CrossEntropy):
    """A loss that weights itself by something it reads from the dataset."""

    kind: ClassVar[str] = "peeking"
    part: str = "test_targets"
    way: str = "create"

    def begin(self, context: Context):
        dataset = create("digits", {})
        data = work._cached(dataset, 1, 0)[0] if self.way == "cache" else dataset.make(1, 0)
        rows = np.asarray(getattr(data, self.part), dtype=float)
        if self.part == "targets":
            rows = rows[split(dataset, data, 3, 1, 0, 0).validation] if self.way == "cut" else rows
        weight = 1 + float((rows * np.cos(np.arange(len(rows)))).mean())
        inner = super().begin(context)
        return lambda logits, targets: inner(logits * weight, targets)


@pytest.mark.parametrize(
    ("part", "way", "rows"),
    [("test_targets", "create", "test"), ("test_targets", "cache", "test"), ("targets", "cut", "validation")],
)
def test_a_technique_that_reads_labels_it_must_not(part: str, way: str, rows: str) -> None:
    digits = create("digits", {})
    recipe = dataclasses.replace(real_baseline(digits), steps=8)
    peeking = dataclasses.replace(recipe, loss=Peeking(part=part, way=way))
    (reason,) = reasons(job(digits, peeking, places=1))
    assert reason.startswith("leak: weights change")
    assert reason.endswith(f"with {rows} rows")
    assert not wild.tampering()
    clean(job(digits, recipe, places=1))  # and nothing that ran wild was kept


@BOTH
def test_a_threshold_tuned_on_test_rows(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    score_rule = scoring.score_rule

    @dataclass(frozen=True)
    class Told(Rule):
        kind: ClassVar[str] = "told"
        rule: Rule
        test: Outcome

        def fit(self, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, priors: Priors):
            own = row_weights(self.test.truth, priors.target)
            return self.rule.fit(to_logits(self.test.outputs), self.test.truth, own, priors)

    def mistaken(rule: Rule, outcomes: dict[str, Outcome], priors: Priors):
        return score_rule(Told(rule, outcomes["test"]), outcomes, priors)

    clean(job(dataset))
    monkeypatch.setattr(scoring, "score_rule", mistaken)
    assert reasons(job(dataset)) == {"leak: the rule 'tuned-threshold' changes with test rows"}


# ---- a technique that changes nothing


def suite_of(folder: Path, techniques: list[Any]) -> Store:
    """A finished run of a few short trainings on digits."""
    file = folder / "suite.yaml"
    suite = {
        "question": "?", "seed": 5, "repeats": 2, "folds": 3, "folds_per_repeat": 1,
        "datasets": [{"use": "digits", "recipe": {"steps": 12, "network.width": 16}}], "techniques": techniques,
    }  # fmt: skip
    file.write_text(yaml.safe_dump(suite), encoding="utf-8")
    store = Store(folder / "results")
    outcomes = runner.run(make_plan(load_suite(file)), store, execution.inline, Quiet())
    assert set(outcomes.statuses) == {"ok"}
    return store


class Quiet:
    """Is told of a run and says nothing."""

    def started(self, jobs: Any) -> None: ...

    def stored(self, job: Job, part: Any) -> None: ...


def test_a_technique_that_changes_nothing_is_named_in_the_report(tmp_path: Path) -> None:
    idle = [
        {"use": "label-smoothing", "set": {"targets.epsilon": 0.0}},
        {"use": "over-sampling", "set": {"resample.ratio": 0.001}},
    ]
    store = suite_of(tmp_path, ["baseline", *idle, "focal", "logit-adjustment"])
    (dataset,) = analyse(store).datasets
    same = {one.technique: one.same_scores for one in dataset.standings}
    assert {name.split(" ")[0] for name, value in same.items() if value} == {"label-smoothing", "over-sampling"}
    (line,) = [line for line in tables.lacking(dataset) if line.startswith("changed nothing")]
    assert "label-smoothing" in line
    assert "over-sampling" in line
    assert "focal" not in line
    assert "logit-adjustment" not in line, "a rule shares the baseline's training"
    assert store.runs()["evaluation"].nunique() == 2, "one per repeat and fold, whatever the technique"


# ---- evaluation rows that differ between techniques


WORLD = World({"baseline": 0.0, "good": 0.1, "other": 0.0}, datasets=("generator",), repeats=4)


def test_what_was_evaluated_on_other_rows_is_not_compared(tmp_path: Path) -> None:
    store = write(tmp_path / "results", WORLD)
    rows = store.runs().to_dict("records")
    (older,) = analyse(store).datasets
    assert all(one.complete for one in older.standings), "older results do not say; they are left alone"
    for row in rows:
        row["evaluation"] = "b" if row["technique"] == "good" and row["repeat"] == 1 else "a"
    store.write("999999-again", rows, [], [], [], {})
    (dataset,) = analyse(Store(store.path)).datasets
    by_name = {one.technique: one for one in dataset.standings}
    moved = WORLD.folds
    assert by_name["good"].done == by_name["good"].planned - moved
    assert by_name["good"].word == "incomplete"
    assert by_name["good"].reasons == (f"{moved} x {OTHER_ROWS}",)
    assert by_name["other"].complete
    reader, plan = Reader(Store(store.path)), store.read_plan()
    sides = {cell["technique"]: reader.side(cell) for cell in plan["cells"]}
    told = hindrances(sides["good"], sides["baseline"], "macro_f1")
    assert any(phrase.startswith("what is evaluated are other rows (repeat 1, fold 0") for phrase in told)
    told = hindrances(sides["other"], sides["baseline"], "macro_f1")
    assert not any("evaluated" in phrase for phrase in told)


# ---- no alarm where nothing is wrong


def first_case(name: str) -> tuple[Dataset, Recipe]:
    """The first tiny case that a technique applies to, and its recipe there."""
    technique = TECHNIQUES[name]
    dataset, base = next(
        (dataset, base)
        for dataset, base in reversed(tiny.CASES.values())
        if not technique.not_applicable(dataset.task, dataset.kind, base, dataset.offers())
    )
    return dataset, apply(base, combine([technique], dataset.kind))


@pytest.mark.parametrize("name", TECHNIQUES)
def test_no_technique_of_the_catalogue_raises_an_alarm(name: str) -> None:
    dataset, recipe = first_case(name)
    data = dataset.make(7, 0)
    parts = split(dataset, data, 3, 7, 0, 0)
    audit.watch(dataset, data, parts, data.fingerprint())
    rules = [("own", recipe.decide)] if isinstance(recipe.decide, Rule) else []
    trial = canary.Trial(dataset, data, parts, recipe, rules, Streams(7, dataset.name, 0, 0))
    assert canary.leak(trial) == ""


@pytest.mark.parametrize("name", ["fraud", "sine", "sine-events", "digits"])
def test_real_runs_raise_no_alarm(name: str) -> None:
    dataset = create(name, DATASETS[name].smoke)
    recipe = dataclasses.replace(real_baseline(dataset), steps=10)
    runs = clean(job(dataset, recipe, folds=5))
    assert all(row["evaluation"] for row in runs)
    assert len({row["evaluation"] for row in runs}) == len(runs), "other folds validate other rows"


# ---- laws of the guards themselves


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["time", "stratified", "group"]),
    st.integers(3, 6),
    st.integers(0, 5),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_every_split_of_this_package_keeps_the_roles_and_a_moved_row_does_not(
    cut: Division, folds: int, fold: int, own: bool, seed: int
) -> None:
    dataset = Timed(cut=cut, own=own)
    data = dataset.make(seed, 0)
    if cut != "time":
        data = dataclasses.replace(data, time=None, test_time=None)
    if cut == "group":
        data = dataclasses.replace(data, groups=np.random.default_rng(seed).integers(0, 30, len(data.targets)))
    parts = split(dataset, data, folds, seed, 0, fold % folds)
    roles.check_roles(dataset, data, parts)
    moved = np.random.default_rng(seed).choice(parts.validation)
    with pytest.raises(ValueError, match="leak: 1 rows are both training and validation rows"):
        roles.check_roles(dataset, data, dataclasses.replace(parts, train=np.append(parts.train, moved)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(EVALUATED), st.sampled_from(["inputs", "targets"]), st.booleans())
def test_a_seal_is_broken_by_any_change_of_an_evaluation_row_and_by_no_other(
    seed: int, part: str, what: str, own: bool
) -> None:
    dataset = tiny.TinyTable() if own else Folds()
    data = dataset.make(seed, 0)
    parts = split(dataset, data, 3, seed, 0, 0)
    rng = np.random.default_rng(seed)

    def sealed(changed: Data) -> audit.Seal:
        return audit.watch(dataset, changed, parts, changed.fingerprint())

    def with_one_changed(field: str, row: int) -> Data:
        array = getattr(data, field).copy()
        array[row] = array[row] + 1 if array.dtype.kind == "f" else (array[row] + 1) % 3
        return dataclasses.replace(data, **{field: array})

    rows = parts.validation if part == "validation" else parts.test
    field, row = (f"test_{what}", rng.integers(60)) if rows is None else (what, rng.choice(rows))
    before, broken = sealed(data), sealed(with_one_changed(field, int(row)))
    assert broken.digest != before.digest
    assert {name for name in EVALUATED if broken.rows[name] != before.rows[name]} == {part}
    assert sealed(with_one_changed(what, int(rng.choice(parts.train)))).rows == before.rows


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_rows_have_one_number_exactly_where_they_are_equal(seed: int, rows: int, columns: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, values, (rows, columns)).astype(np.float32)
    targets = rng.integers(0, 2, rows)
    names = roles._names(inputs, targets)
    whole = np.column_stack([inputs, targets])
    np.testing.assert_array_equal(names[:, None] == names, (whole[:, None] == whole).all(2))


def test_chance_is_the_product_of_how_common_the_values_are() -> None:
    known = np.array([[0, 0], [0, 1], [1, 1], [1, 2]], dtype=np.float32)
    found = roles._expected(np.array([[0, 0], [1, 1]], dtype=np.float32), known)
    np.testing.assert_allclose(found, [4 * 0.5 * 0.25, 4 * 0.5 * 0.5])


@pytest.mark.parametrize("dataset", tiny.DATASETS.values(), ids=tiny.DATASETS)
def test_wild_rows_are_others_in_every_value_and_no_other_row_is(dataset: Dataset) -> None:
    data = dataset.make(1, 0)
    rows = np.arange(0, len(data.targets), 3)
    changed = wild.Tamper(len(dataset.classes()) or 2, rows, tests=True)(data)
    others = np.setdiff1d(np.arange(len(data.targets)), rows)
    for name in ("inputs", "targets"):
        ours, theirs = getattr(data, name), getattr(changed, name)
        assert ours.dtype == theirs.dtype
        assert (ours[rows] != theirs[rows]).all()
        np.testing.assert_array_equal(ours[others], theirs[others])
        assert (getattr(data, f"test_{name}") != getattr(changed, f"test_{name}")).all()
    if data.columns:
        assert set(np.unique(changed.inputs[:, -1])) <= {0.0, 1.0, 2.0}, "a category stays one"


def test_while_rows_run_wild_the_dataset_gives_no_others_and_afterwards_its_own_again() -> None:
    dataset = tiny.TinySeries()
    before = dataset.make(1, 0).fingerprint()
    with wild.tampered(dataset, wild.Tamper(3, np.arange(5), tests=True)):
        assert dataset.make(1, 0).fingerprint() != before
        assert work._cached(dataset, 1, 0)[1] != before
        assert tiny.TinySeries().make(1, 0).fingerprint() != before
    assert dataset.make(1, 0).fingerprint() == work._cached(dataset, 1, 0)[1] == before


def test_what_does_not_repeat_itself_is_no_leak_and_what_does_still_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = np.random.default_rng(0)

    def change(ready: Prepared, data: Data, parts: Split) -> Prepared:
        shaken = ready.inputs + noise.normal(0, 1e-6, ready.inputs.shape).astype(np.float32)
        return dataclasses.replace(ready, inputs=shaken)

    plant(monkeypatch, change)
    clean(job(tiny.TinyTable(), places=1))

    def leaking(ready: Prepared, data: Data, parts: Split) -> Prepared:
        return dataclasses.replace(ready, own_prior=ready.own_prior + data.inputs[parts.validation].mean())

    plant(monkeypatch, leaking)
    found = {"leak: the class shares of training rows change with validation rows"}
    assert reasons(job(tiny.TinyTable(), places=1)) == found


def test_it_is_found_out_once_per_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(canary, "leak", lambda trial: asked.append("?") or "leak: so it was found")
    named = job(tiny.TinyTable(), provenance={"run": "a run of its own"})
    assert reasons(named) == reasons(named) == {"leak: so it was found"}
    assert len(asked) == 1
