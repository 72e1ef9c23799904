"""Keys depend on what a trial is and on nothing else."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.keys import Place, differences, digest
from bench.plan import Plan, filter_plan, make_plan
from bench.stages.thresholds import TunedThreshold
from bench.stored import NO_CURVE, NO_LOGITS, compare
from bench.suitefile import load_suite

NAMES = ["focal", "dropout", "smote", "logit-adjustment", "tuned-threshold", "class-weights", ["dropout", "focal"]]


def plan(folder: Path, techniques: list, **changes) -> Plan:
    suite = {"question": "?", "seed": 3, "repeats": 2, "folds": 3, "datasets": ["digits", "sine-events"]}
    file = folder / "p.yaml"
    file.write_text(yaml.safe_dump({**suite, "techniques": techniques, **changes}), encoding="utf-8")
    return make_plan(load_suite(str(file)))


def keys(made: Plan) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(cell.dataset, cell.technique): cell.keys for cell in made.cells}


quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.permutations(["baseline", *NAMES]), st.integers(1, len(NAMES)))
@quick
def test_order_and_company_change_no_key(tmp_path: Path, order: list, count: int) -> None:
    everything = keys(plan(tmp_path, ["baseline", *NAMES]))
    some = [name for name in order if name != "baseline"][:count]
    for name, found in keys(plan(tmp_path, ["baseline", *some])).items():
        assert found == everything[name]
    assert keys(plan(tmp_path, order)) == everything


def test_a_new_name_changes_no_key_and_a_new_value_changes_that_cell_alone(tmp_path: Path) -> None:
    before = plan(tmp_path, ["baseline", "focal", "dropout"])
    renamed = plan(tmp_path, ["baseline", {"use": "focal", "name": "other"}, "dropout"])
    assert keys(renamed)["digits", "other"] == keys(before)["digits", "focal"]
    changed = keys(plan(tmp_path, ["baseline", {"use": "focal", "name": "focal", "set": {"loss.gamma": 3}}, "dropout"]))
    for name, found in keys(before).items():
        assert (found == changed[name]) == (name[1] != "focal")


def test_a_decision_rule_adds_no_training(tmp_path: Path) -> None:
    before = plan(tmp_path, ["baseline", "focal"])
    after = plan(tmp_path, ["baseline", "focal", "tuned-threshold", "logit-adjustment", ["focal", "tuned-threshold"]])
    assert {t.digest for t in before.trainings} == {t.digest for t in after.trainings}
    assert [len(t.rules) for t in after.trainings] == [3, 2, 3, 2]


def test_keys_differ_between_repeats_folds_datasets_and_seeds(tmp_path: Path) -> None:
    made = plan(tmp_path, ["baseline"])
    found = [place.key for training in made.trainings for place in training.trials]
    assert len(set(found)) == len(found) == 24, "of two datasets, and once more for A/A"
    assert not set(found) & {one.key for t in plan(tmp_path, ["baseline"], seed=4).trainings for one in t.trials}
    more = keys(plan(tmp_path, ["baseline"], repeats=5, folds_per_repeat=3))["digits", "baseline"]
    assert more[:6] == keys(made)["digits", "baseline"], "more repeats keep the ones that are stored"


def test_the_baseline_is_planned_once_more_under_the_same_training(tmp_path: Path) -> None:
    made = plan(tmp_path, ["baseline", "focal", "tuned-threshold"])
    for dataset in ("digits", "sine-events"):
        base, again, *others = (cell for cell in made.cells if cell.dataset == dataset)
        assert (base.technique, again.technique, base.replica, again.replica) == ("baseline", "A/A", 0, 1)
        assert (again.training, again.rule, again.places) == (base.training, base.rule, base.places)
        assert not set(again.keys) & set(base.keys)
        assert not any(cell.replica for cell in others)
    only = filter_plan(made, "technique=baseline")
    assert {place.replica for training in only.trainings for place in training.trials} == {0}


def test_what_does_not_apply_is_a_cell_with_its_reason(tmp_path: Path) -> None:
    made = plan(tmp_path, ["baseline", "focal", "last-value"], datasets=["sine", "digits"])
    reasons = {(c.dataset, c.technique): c.not_applicable for c in made.cells}
    assert reasons["sine", "focal"] == "focal applies to classification, not to regression"
    assert reasons["digits", "last-value"] == "last-value applies to regression, not to classification"
    assert reasons["sine", "last-value"] == ""


def test_stored_missing_and_stale(tmp_path: Path) -> None:
    before = plan(tmp_path, ["baseline", "focal"])
    statuses = {place.key: "ok" for training in before.trainings for place in training.trials}
    scored = {(place.key, rule) for t in before.trainings for place in t.trials for rule, _ in t.rules}
    remembered = remember(before)
    assert {state.note for state in compare(before, statuses, scored, remembered)} == {"stored"}
    after = plan(tmp_path, ["baseline", {"use": "focal", "name": "focal", "set": {"loss.gamma": 3}}, "tuned-threshold"])
    notes = {(s.cell.dataset, s.cell.technique): s.note for s in compare(after, statuses, scored, remembered)}
    assert notes["digits", "baseline"] == "stored"
    assert notes["digits", "focal"] == "stale: recipe.loss.gamma: 2.0 -> 3.0"
    assert notes["digits", "tuned-threshold"] == "stored; a decision rule is to be scored"
    for status, note in (("killed", "missing"), ("timeout", "missing"), ("diverged", "stored"), ("failed", "stored")):
        found = compare(before, dict.fromkeys(statuses, status), scored, remembered)
        assert {state.note for state in found} == {note}


def test_a_filter_keeps_matching_cells_and_their_trainings(tmp_path: Path) -> None:
    made = plan(tmp_path, ["baseline", "focal", "tuned-threshold"])
    some = filter_plan(made, "technique=t*,dataset=digits")
    assert [(c.dataset, c.technique) for c in some.cells] == [("digits", "tuned-threshold")]
    assert len(some.trainings) == 1
    assert len(some.trainings[0].rules) == 1


def test_differences_name_dotted_fields() -> None:
    old = {"recipe": {"loss": {"kind": "focal", "gamma": 2.0}, "steps": 5}, "seed": 1}
    new = {"recipe": {"loss": {"kind": "focal", "gamma": 3.0}, "steps": 5, "stopping": {"kind": "early"}}, "seed": 1}
    assert differences(old, new) == ["recipe.loss.gamma: 2.0 -> 3.0", "recipe.stopping: none -> early"]


@given(
    st.sampled_from([("steps", 7), ("optimizer.lr", 0.5), ("network.width", 9), ("batch_size", 3)]),
    st.sampled_from(["digits", "sine-events"]),
)
@quick
def test_changing_one_dataset_changes_the_keys_of_its_cells_alone(tmp_path: Path, change: tuple, which: str) -> None:
    names = ["baseline", "focal", "tuned-threshold"]
    before = keys(plan(tmp_path, names))
    datasets = [{"use": n, "recipe": dict([change])} if n == which else n for n in ("digits", "sine-events")]
    after = keys(plan(tmp_path, names, datasets=datasets))
    for cell, found in before.items():
        assert set(found).isdisjoint(after[cell]) if cell[0] == which else found == after[cell]


@given(st.permutations(["baseline", *NAMES]), st.permutations(["digits", "sine-events"]))
@quick
def test_no_trial_of_two_trainings_repeats_or_folds_has_one_key(tmp_path: Path, order: list, datasets: list) -> None:
    made = plan(tmp_path, order, datasets=datasets)
    found = [place.key for training in made.trainings for place in training.trials]
    assert len(set(found)) == len(found) == 2 * 3 * (len(made.trainings) + len(datasets)), "A/A trains once more"
    assert {training.digest for training in made.trainings} == {cell.training for cell in made.cells}


def test_a_key_is_the_digest_of_what_the_trial_is(tmp_path: Path) -> None:
    for training in plan(tmp_path, ["baseline", "smote"]).trainings:
        assert training.digest == digest(training.description)
        assert training.description["recipe"] == training.recipe.training()
        for one in training.trials:
            held = {"repeat": one.repeat, "fold": one.fold, "replica": one.replica}
            assert one.key == digest({"training": training.digest, **held})


def test_one_dataset_under_two_labels_shares_its_trials(tmp_path: Path) -> None:
    few = {"use": "digits", "name": "few", "repeats": 1}
    rotating = {"use": "digits", "name": "rotating", "repeats": 4, "folds_per_repeat": 1}
    made = plan(tmp_path, ["baseline", "focal", "tuned-threshold"], datasets=[few, rotating])
    alone = plan(tmp_path, ["baseline", "focal", "tuned-threshold"], datasets=[rotating])
    assert [t.digest for t in made.trainings] == [t.digest for t in alone.trainings]
    for training in made.trainings:
        again = {place.replica for place in training.trials}
        expected = [(0, 0), (0, 1), (0, 2), (1, 1), (2, 2), (3, 0)]
        assert [(one.repeat, one.fold) for one in training.trials] == expected * len(again)
        assert again == ({0, 1} if training.technique_label == "baseline" else {0})
        for cell in made.cells:
            if cell.training == training.digest:
                held = {Place(*at, cell.replica, key) for at, key in zip(cell.places, cell.keys, strict=True)}
                assert held <= {*training.trials}
    assert keys(alone)["rotating", "focal"] == keys(made)["rotating", "focal"]


def test_the_plan_is_plain_data_with_all_that_a_report_needs(tmp_path: Path) -> None:
    techniques = ["baseline", {"use": ["focal", "tuned-threshold"], "name": "both", "set": {"loss.gamma": 3}}]
    made = plan(tmp_path, techniques, datasets=["digits", "sine"])
    found = json.loads(json.dumps(made.as_dict()))
    assert found == made.as_dict()
    digits, sine = found["datasets"]
    assert sum(digits["class_counts"]) == sum(made.suite.datasets[0].dataset.class_counts() or ())
    assert len(digits["classes"]) == len(digits["class_counts"]) == 10
    assert (sine["task"], sine["metric"], sine["class_counts"], sine["equivalence"]) == (
        "regression",
        "rmse",
        None,
        0.02,
    )
    assert found["focus"] == "score"
    assert plan(tmp_path, ["baseline"], focus="gap").as_dict()["focus"] == "gap"
    assert [one["test_curve"] for one in found["techniques"]] == [False, False]
    assert [one["with"] for one in found["datasets"]] == [[], []]
    assert found["techniques"][1]["parts"] == ["focal", "tuned-threshold"]
    assert found["techniques"][1]["setting"] == {"loss.gamma": 3}
    by_place = {(cell["dataset"], cell["technique"]): cell for cell in found["cells"]}
    assert by_place["sine", "both"] == {
        "dataset": "sine", "technique": "both", "training": None, "rule": None, "keys": [], "repeat_fold": [],
        "not_applicable": "focal applies to classification, not to regression", "replica": 0,
    }  # fmt: skip
    assert by_place["sine", "baseline"]["rule"] == "", "a regression has no decision rule"
    assert by_place["digits", "both"]["rule"] == digest(TunedThreshold())
    assert by_place["digits", "both"]["repeat_fold"] == [[r, f] for r in range(2) for f in range(3)]


def test_marks_and_focus_change_no_key_and_what_belongs_to_a_baseline_does(tmp_path: Path) -> None:
    before = keys(plan(tmp_path, ["baseline", "focal"]))
    marked = [{"use": name, "test_curve": True} for name in ("baseline", "focal")]
    after = plan(tmp_path, marked, focus="gap")
    assert keys(after) == before
    assert [training.curve_metric for training in after.trainings] == ["macro_f1"] * 4
    assert [one["test_curve"] for one in after.as_dict()["techniques"]] == [True, True]
    other = plan(tmp_path, ["baseline", "focal"], datasets=["digits", {"use": "sine-events", "with": ["dropout"]}])
    assert [one["with"] for one in other.as_dict()["datasets"]] == [[], ["dropout"]]
    for cell, found in keys(other).items():
        assert (found == before[cell]) == (cell[0] == "digits")
    set_ = {"use": "sine-events", "recipe": {"network.dropout": 0.5}}
    assert keys(plan(tmp_path, ["baseline", "focal"], datasets=["digits", set_])) == keys(other), "the recipe counts"


def test_a_trial_that_lacks_something_is_missing_and_not_stale(tmp_path: Path) -> None:
    old = plan(tmp_path, ["baseline"], datasets=[{"use": "digits", "recipe": {"steps": 9}}])
    made = plan(tmp_path, ["baseline"], datasets=["digits"])
    statuses = {place.key: "ok" for training in made.trainings for place in training.trials}
    first, second, *_ = made.cells[0].keys
    known = remember(old) | remember(made)
    state, again = compare(made, statuses, set(), known, {first: NO_CURVE, second: NO_LOGITS})
    assert state.note == f"missing: {NO_CURVE}; {NO_LOGITS}"
    assert (state.stored, state.missing_keys, state.to_score) == (4, (first, second), 4)
    assert again.missing == 0
    every = dict.fromkeys(statuses, NO_CURVE)
    assert {one.note for one in compare(made, statuses, set(), known, every)} == {f"missing: {NO_CURVE}"}


def remember(made: Plan) -> dict[str, dict[str, object]]:
    return {
        t.digest: {"dataset": t.dataset_label, "technique": t.technique_label, "description": t.description}
        for t in made.trainings
    }


def test_a_cell_that_shares_a_training_is_stale_with_it(tmp_path: Path) -> None:
    names = ["baseline", "tuned-threshold"]
    before = plan(tmp_path, names, datasets=["digits"])
    after = plan(tmp_path, names, datasets=[{"use": "digits", "recipe": {"steps": 9}}])
    steps = before.trainings[0].recipe.steps
    for state in compare(after, {}, set(), remember(before)):
        assert state.note == f"stale: recipe.steps: {steps} -> 9"
        assert (state.planned, state.stored, state.missing, state.stale) == (6, 0, 6, 6)


def test_a_cell_with_trials_of_its_present_training_is_not_stale(tmp_path: Path) -> None:
    old = plan(tmp_path, ["baseline"], datasets=[{"use": "digits", "recipe": {"steps": 9}}])
    made = plan(tmp_path, ["baseline"], datasets=["digits"])
    first, *others = made.cells[0].keys
    state, again = compare(made, {first: "ok"}, set(), remember(old) | remember(made))
    assert (state.note, state.stored, state.missing_keys, state.stale) == ("missing", 1, tuple(others), 0)
    assert state.to_score == 1
    assert again.note.startswith("stale: recipe.steps: 9 -> ")
    assert [state.note for state in compare(made, {}, set(), remember(made))] == ["missing", "missing"]


def test_what_does_not_apply_is_neither_missing_nor_stored(tmp_path: Path) -> None:
    made = plan(tmp_path, ["baseline", "focal"], datasets=["sine"])
    state = compare(made, {}, set(), {})[2]
    assert state.note == "not applicable: focal applies to classification, not to regression"
    assert (state.planned, state.stored, state.missing, state.stale, state.to_score) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tecnique=focal", "unknown field 'tecnique', did you mean 'technique'"),
        ("focal", "unknown field 'focal'"),
        ("technique=focal,", "unknown field ''"),
        ("technique=focal,technique=smote", "'technique' is given twice"),
        (
            "technique=focl",
            "matches no cell; techniques here: baseline, A/A, focal, focal \\[loss.gamma=1, steps=5\\]$",
        ),
        ("technique=focal,dataset=fraud", "matches no cell; techniques here: .*; datasets here: digits, sine-events"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    grid = {"use": "focal", "grid": {"loss.gamma": [1], "steps": [5]}}
    with pytest.raises(UsageError, match=sentence):
        filter_plan(plan(tmp_path, ["baseline", "focal", grid]), text)


def test_a_filter_takes_the_label_of_a_grid_point_and_keeps_only_its_trials(tmp_path: Path) -> None:
    grid = {"use": "focal", "grid": {"loss.gamma": [1, 2], "steps": [5, 6]}}
    few = {"use": "digits", "name": "few", "repeats": 1}
    made = plan(tmp_path, ["baseline", grid], datasets=["digits", few])
    some = filter_plan(made, "technique=focal [loss.gamma=2, steps=5], dataset=few")
    assert [(c.dataset, c.technique) for c in some.cells] == [("few", "focal [loss.gamma=2, steps=5]")]
    assert [place.key for t in some.trainings for place in t.trials] == list(some.cells[0].keys)
    assert len(filter_plan(made, "technique=focal*gamma=2*").cells) == 4
