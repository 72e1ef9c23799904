"""Keys depend on what a trial is and on nothing else."""

from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.plan import Plan, compare, filter_plan, make_plan
from bench.store import differences
from bench.suite import load_suite

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
    found = [key for training in made.trainings for _, _, key in training.trials]
    assert len(set(found)) == len(found) == 12
    assert not set(found) & {k for t in plan(tmp_path, ["baseline"], seed=4).trainings for _, _, k in t.trials}
    more = keys(plan(tmp_path, ["baseline"], repeats=5, folds_per_repeat=3))["digits", "baseline"]
    assert more[:6] == keys(made)["digits", "baseline"], "more repeats keep the ones that are stored"


def test_what_does_not_apply_is_a_cell_with_its_reason(tmp_path: Path) -> None:
    made = plan(tmp_path, ["baseline", "focal", "last-value"], datasets=["sine", "digits"])
    reasons = {(c.dataset, c.technique): c.not_applicable for c in made.cells}
    assert reasons["sine", "focal"] == "focal applies to classification, not to regression"
    assert reasons["digits", "last-value"] == "last-value applies to regression, not to classification"
    assert reasons["sine", "last-value"] == ""


def test_stored_missing_and_stale(tmp_path: Path) -> None:
    before = plan(tmp_path, ["baseline", "focal"])
    statuses = {key: "ok" for training in before.trainings for _, _, key in training.trials}
    scored = {(key, rule) for t in before.trainings for _, _, key in t.trials for rule, _ in t.rules}
    remembered = {
        t.digest: {"dataset": t.dataset_label, "technique": t.technique_label, "description": t.description}
        for t in before.trainings
    }
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
