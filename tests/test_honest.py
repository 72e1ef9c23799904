"""The honest gain: companion rules in plans and scores, the adjusted baseline, three contests, what is said of them."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.console import Console
from scipy import stats
from sklearn.metrics import f1_score

from bench.companions import ARGMAX, COMPANIONS, CORRECTED, TUNED
from bench.documents import standings
from bench.keys import digest
from bench.output import plain
from bench.plan import Plan, filter_plan, make_plan
from bench.reporting import Analysis, analyse, honesttables, honestwords, imbalance, terminal_ranking
from bench.reporting.gains import Adjustment, Gains
from bench.reporting.honest import choose
from bench.reporting.page import write_report
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.scoring import BLOCKS, CROSSED, Outcome, relative, score_rule, weighted_score
from bench.stages.corrections import PriorCorrection
from bench.stages.decisions import Argmax, Priors, row_weights, to_logits
from bench.stages.thresholds import TunedThreshold
from bench.store import Store
from bench.stored import compare, unscored_trials
from bench.suitefile import load_suite
from tests.posteriors import SAID, TECHNIQUES, World, judged_as, write

WORLD = World()
EVEN = np.full(3, 1 / 3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("honest"), WORLD)


@pytest.fixture(scope="module")
def analysis(store: Store) -> Analysis:
    return analyse(store)


def _dataset(analysis: Analysis, label: str) -> DatasetAnalysis:
    return next(one for one in analysis.datasets if one.label == label)


def _gains(dataset: DatasetAnalysis, technique: str) -> Gains:
    found = next(one for one in dataset.standings if one.technique == technique).gains
    assert found is not None
    return found


# ---- plans


def _plan(folder: Path, focus: str, techniques: list) -> Plan:
    suite = {"question": "?", "seed": 3, "repeats": 2, "folds": 3, "datasets": ["digits", "sine"], "focus": focus}
    file = folder / "p.yaml"
    file.write_text(yaml.safe_dump({**suite, "techniques": techniques}), encoding="utf-8")
    return make_plan(load_suite(str(file)))


def test_companions_add_rules_and_neither_trainings_nor_keys(tmp_path: Path) -> None:
    techniques = ["baseline", "dropout", "tuned-threshold", ["dropout", "logit-adjustment"]]
    before, after = (_plan(tmp_path, focus, techniques) for focus in ("score", "imbalance"))
    assert [one.keys for one in before.cells] == [one.keys for one in after.cells]
    assert [one.rule for one in before.cells] == [one.rule for one in after.cells]
    assert [one.digest for one in before.trainings] == [one.digest for one in after.trainings]
    digests = {digest(rule) for rule in COMPANIONS.values()}
    for old, new in zip(before.trainings, after.trainings, strict=True):
        regression = new.dataset.task == "regression"
        assert {name for name, _ in new.rules} == {name for name, _ in old.rules} | (set() if regression else digests)
    assert set(after.as_dict()["companions"].values()) == digests
    assert before.as_dict()["companions"] == {}


def test_companions_count_as_unscored_also_where_a_filter_left_their_cell(tmp_path: Path) -> None:
    plan = filter_plan(_plan(tmp_path, "imbalance", ["baseline", "dropout", "focal"]), "technique=dropout,dataset=d*")
    (cell,) = plan.cells
    statuses = dict.fromkeys(cell.keys, "ok")
    every = {(key, rule) for key in cell.keys for rule in (cell.rule, *plan.companions.values())}
    assert len(every) == 3 * len(cell.keys)
    assert unscored_trials(plan, statuses, every) == set()
    lacking = every - {(cell.keys[0], plan.companions[TUNED])}
    assert unscored_trials(plan, statuses, lacking) == {cell.keys[0]}
    (state,) = compare(plan, statuses, lacking, {})
    assert (state.to_score, state.note) == (1, "stored; a decision rule is to be scored")


# ---- scores


def _outcome(rng: np.random.Generator, rows: int = 97) -> Outcome:
    truth = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    return Outcome(relative((2 * np.eye(3)[truth] + rng.normal(size=(rows, 3))).astype(np.float32)), truth)


@pytest.mark.parametrize("rule", COMPANIONS.values(), ids=COMPANIONS)
def test_a_rule_fitted_to_labels_is_scored_crosswise_too(rule) -> None:
    rng = np.random.default_rng(1)
    outcomes = {part: _outcome(rng) for part in ("train", "validation", "test")}
    priors = Priors(np.array([0.6, 0.3, 0.1]), EVEN, EVEN, EVEN)
    rows, _ = score_rule(rule, outcomes, priors)
    crossed = [row for row in rows if row["part"] == CROSSED]
    assert [row["part"] for row in rows if row not in crossed] == ["train", "validation", "test"]
    assert bool(crossed) == (rule == TunedThreshold())
    if crossed:
        truth, logits = outcomes["validation"].truth, to_logits(outcomes["validation"].outputs)
        weights, seen = row_weights(truth, EVEN), [0, 0, 0]
        block = []
        for label in truth.tolist():
            block.append(seen[label] % BLOCKS)
            seen[label] += 1
        predicted = np.empty_like(truth)
        for at in range(len(truth)):
            rest = np.array(block) != block[at]
            fitted = rule.fit(logits[rest], truth[rest], weights[rest], priors)
            predicted[at] = fitted.apply(logits[at : at + 1]).predicted[0]
        assert crossed[0]["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))


@given(st.integers(0, 10**6), st.sampled_from(["uniform", "target"]))
@settings(max_examples=40, deadline=None)
def test_the_correction_is_the_textbook_ratio(seed: int, to: Any) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(20, 4)) * 3
    seen, target = rng.dirichlet(np.ones(4), 2) * 0.9 + 0.025
    fitted = PriorCorrection(to).fit(logits, np.zeros(20, int), np.ones(20), Priors(seen, seen, seen, target))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wanted = p * (target if to == "target" else 0.25) / seen
    wanted /= wanted.sum(1, keepdims=True)
    assert np.exp(fitted.apply(logits).log_probabilities) == pytest.approx(wanted)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_validation_scores_are_weighted_to_the_target(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.choice(3, 60, p=[0.8, 0.15, 0.05]), rng.integers(0, 3, 60)
    target = rng.dirichlet(np.ones(3))
    counts = np.bincount(truth * 3 + predicted, minlength=9)
    expected = f1_score(
        truth, predicted, labels=range(3), average="macro", sample_weight=row_weights(truth, target), zero_division=0
    )
    assert weighted_score(counts, target, "macro_f1") == pytest.approx(expected)


# ---- the adjusted baseline


def test_what_only_moves_the_threshold_does_not_survive_and_what_ranks_better_does(analysis: Analysis) -> None:
    balanced = _dataset(analysis, "balanced")
    shifted, better = _gains(balanced, "shifted"), _gains(balanced, "ranks-better")
    assert (shifted.plain.word, shifted.adjusted.word, shifted.survives) == ("better", "equivalent", "no")
    assert (better.plain.word, better.adjusted.word, better.tuned.word, better.survives) == (*["better"] * 3, "yes")
    for label in WORLD.datasets:
        dataset = _dataset(analysis, label)
        assert _gains(dataset, "ranks-better").survives == "yes"
        assert _gains(dataset, "shifted").survives != "yes"
        assert _gains(dataset, "ranks-worse").survives == "-"
        for name in ("tuned-threshold", "logit-adjustment"):  # the baseline's own training
            assert _gains(dataset, name).tuned.word == "identical"
            assert _gains(dataset, name).survives != "yes"


def test_gains_are_paired_differences_of_stored_scores(store: Store, analysis: Analysis) -> None:
    scores = store.scores()
    held = scores[scores["part"] == "test"].set_index(["key", "rule"])["macro_f1"]
    rules = {name: digest(rule) for name, rule in COMPANIONS.items()}

    def of(label: str, technique: str, rule: str) -> np.ndarray:
        return np.array([held[WORLD.key(label, technique, repeat), rule] for repeat in WORLD.each])

    for label in ("balanced", "detection"):
        dataset = _dataset(analysis, label)
        assert dataset.adjusted is not None
        assert dataset.adjusted.chosen is not None
        adjusted = of(label, "baseline", dataset.adjusted.chosen.rule)
        assert dataset.adjusted.score == pytest.approx(adjusted.mean())
        for name in ("shifted", "ranks-better", "ranks-worse"):
            own, gains = of(label, name, rules[ARGMAX]), _gains(dataset, name)
            pairs = (
                (gains.plain, own, of(label, "baseline", rules[ARGMAX])),
                (gains.adjusted, own, adjusted),
                (gains.tuned, of(label, name, rules[TUNED]), of(label, "baseline", rules[TUNED])),
            )
            for judged, one, other in pairs:
                assert judged.difference is not None
                test = stats.ttest_rel(one, other)
                low, high = test.confidence_interval(0.95)
                assert judged.difference.estimate == pytest.approx((one - other).mean())
                assert (judged.difference.low95, judged.difference.high95) == pytest.approx((low, high))
                assert judged.difference.p_value == pytest.approx(test.pvalue)
                assert (judged.done, judged.planned) == (WORLD.repeats, WORLD.repeats)


def test_over_argmax_is_the_verdict_of_the_ranked_table_where_the_metric_is_the_same(analysis: Analysis) -> None:
    for label in ("balanced", "fixed"):
        for one in _dataset(analysis, label).standings:
            if not one.is_baseline:
                assert one.gains is not None
                assert one.gains.plain.difference == one.difference
                assert one.gains.plain.verdict == one.verdict
                assert one.gains.ranked == one.gains.adjusted


def test_no_threshold_changes_a_ranking_of_two_classes(analysis: Analysis) -> None:
    detection = _dataset(analysis, "detection")
    assert detection.adjusted is not None
    assert (detection.adjusted.metric, detection.adjusted.blind) == ("macro_f1", True)
    for one in detection.standings:
        assert one.gains is not None
        if one.difference is not None and one.gains.ranked.difference is not None:
            assert one.gains.ranked.difference.estimate == pytest.approx(one.difference.estimate, abs=1e-12)
            assert one.gains.ranked.word == one.word
    assert "No threshold changes average precision" in " ".join(honestwords.answers(detection))
    assert honestwords.blindness(_dataset(analysis, "balanced")) == []


def test_the_rule_is_chosen_on_validation_rows_alone(tmp_path: Path) -> None:
    store = write(tmp_path, replace(WORLD, datasets=("balanced", "detection"), repeats=3))
    before = {one.label: one.adjusted for one in analyse(store).datasets}
    rows, rng = store.scores(), np.random.default_rng(0)
    test = rows[rows["part"] == "test"].to_dict("records")
    labels = [{"key": key, "rule": rule, "predicted": rng.integers(0, 2, len(held)), "values": []}
              for (key, rule), held in store.labels.items()]  # fmt: skip
    store.write_scores("900000-test", [{**row, "macro_f1": rng.random(), "average_precision": rng.random(),
                                        "confusion": rng.integers(0, 50, len(row["confusion"]))} for row in test],
                       labels)  # fmt: skip
    for one in analyse(Store(tmp_path)).datasets:
        held = before[one.label]
        assert one.adjusted is not None
        assert held is not None
        assert (one.adjusted.chosen, one.adjusted.candidates) == (held.chosen, held.candidates)
        assert one.adjusted.score != held.score
    tuned = rows[(rows["part"] == CROSSED)].to_dict("records")
    best = [{**row, "confusion": np.diag(np.full(round(len(row["confusion"]) ** 0.5), 9)).ravel()} for row in tuned]
    store.write_scores("900001-crossed", best, [])
    names = [
        one.adjusted.chosen.name for one in analyse(Store(tmp_path)).datasets if one.adjusted and one.adjusted.chosen
    ]
    assert names == ["tuned-threshold"] * 2


def test_the_first_of_equals_is_chosen_and_nothing_where_nothing_is_scored() -> None:
    one, two, none = Adjustment("a", "1", 0.5), Adjustment("b", "2", 0.5 + 1e-15), Adjustment("c", "3", float("nan"))
    assert choose([none, one, two]) == one
    assert choose([one, replace(two, validation=0.6)]) == replace(two, validation=0.6)
    assert choose([none]) is None


# ---- what is not scored


def test_results_without_companions_say_so_and_still_use_the_cells_that_are_rules(tmp_path: Path) -> None:
    store = write(tmp_path / "results", replace(WORLD, companions=(), datasets=("fixed",), repeats=5))
    written = write_report(store.path, tmp_path / "report")
    for dataset in written.analysis.datasets:
        assert dataset.adjusted is not None
        assert dataset.adjusted.chosen is not None
        assert dataset.adjusted.chosen.name in ("tuned-threshold", "logit-adjustment")
        assert _gains(dataset, "shifted").tuned.word == "not scored"
        assert _gains(dataset, "ranks-better").adjusted.word == "better"
        assert "target-correction not scored" in honestwords.adjustment(dataset)
        assert "very rows" not in honestwords.adjustment(dataset)
        assert all(one.bill["brier"].after.word == "not scored" for one in dataset.standings)
    assert "not scored" in written.page.read_text(encoding="utf-8")


def test_a_score_on_the_very_rows_that_a_threshold_was_tuned_on_is_called_that(tmp_path: Path) -> None:
    store = write(tmp_path, replace(WORLD, datasets=("fixed",), repeats=2))
    older = [row for row in store.scores().to_dict("records") if row["part"] != CROSSED]
    for file in (store.path / "scores").iterdir():
        file.unlink()
    store.write_scores("000000-older", older, [])
    (dataset,) = analyse(Store(tmp_path)).datasets
    assert dataset.adjusted is not None
    assert [one.name for one in dataset.adjusted.candidates if one.flattered] == ["tuned-threshold"]
    assert honestwords.adjustment(dataset).count("on the very rows that it was fitted to") == 1


def test_results_without_any_other_rule_keep_the_first_gain_and_say_what_is_unknown(tmp_path: Path) -> None:
    techniques = {name: one for name, one in TECHNIQUES.items() if isinstance(one.rule, Argmax)}
    world = replace(WORLD, techniques=techniques, companions=(), datasets=("balanced",), repeats=5)
    (dataset,) = analyse(write(tmp_path, world)).datasets
    assert dataset.adjusted is not None
    assert dataset.adjusted.chosen is None
    better = _gains(dataset, "ranks-better")
    assert (better.plain.word, better.adjusted.word, better.survives) == ("better", "not scored", "not scored")
    assert honestwords.answers(dataset)[0].startswith("Not known whether gains survive a threshold")


def test_trials_without_a_score_leave_a_gain_without_a_verdict(tmp_path: Path) -> None:
    world = replace(WORLD, datasets=("balanced",), repeats=5)
    store = write(tmp_path, world)
    plan = store.read_plan()
    for cell in plan["cells"]:
        cell["keys"].append("f" * 32)
        cell["repeat_fold"].append([5, 0])
    store.write_plan(plan)
    (dataset,) = analyse(store).datasets
    for one in dataset.standings:
        assert one.gains is not None
        assert {judged.word for judged in (one.gains.plain, one.gains.adjusted, one.gains.tuned)} == {"incomplete"}
    assert "survives" not in " ".join(honestwords.answers(dataset))


# ---- words

NAMES = tuple(name for name, one in TECHNIQUES.items() if name not in ("baseline", "A/A"))


def _with(dataset: DatasetAnalysis, words: dict[str, tuple[str, str, str]]) -> DatasetAnalysis:
    def changed(one: Standing) -> Standing:
        if one.technique not in words:
            return one
        plain_word, adjusted, tuned = (judged_as(word) for word in words[one.technique])
        return replace(one, gains=Gains(plain_word, adjusted, tuned, adjusted))

    return replace(dataset, standings=tuple(map(changed, dataset.standings)))


@given(st.lists(st.tuples(*[st.sampled_from(SAID)] * 3), min_size=len(NAMES), max_size=len(NAMES)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_sentence_claims_more_than_its_verdicts(analysis: Analysis, said: list[tuple[str, str, str]]) -> None:
    words = dict(zip(NAMES, said, strict=True))
    dataset = _with(_dataset(analysis, "balanced"), words)
    text = " ".join(honestwords.survival(dataset))
    beat = {name for name, (first, *_) in words.items() if first == "better"}
    kept = {name for name in beat if words[name][1] == "better"}
    if beat:
        verb = "technique is" if len(beat) == 1 else "techniques are"
        assert text.startswith(f"{len(beat)} {verb} better than the baseline with the argmax rule in macro F1")
        assert f"of these {len(kept)} also better than the adjusted baseline" in text
        parts = {
            part.split(": ")[0]: part for part in re.split(r"; (?=\d)|\. ", text.split("of these ")[1].rstrip("."))
        }
        for word in SAID[1:]:
            own = {name for name in beat if words[name][1] == word}
            told = next((part for start, part in parts.items() if honestwords._SAID[word] in start), "")
            assert set(re.findall(r"[a-z]+(?:-[a-z]+)+|shifted", told.split(": ")[-1] if own else "")) == own
            assert bool(told) == bool(own)
        assert text.count("(0.032)") == sum(words[name][1] == "undecided" for name in beat)
    else:
        assert text.startswith(("Nothing was shown to be better", "No verdict"))
    later = {name for name in words if name not in beat and words[name][1] == "better"}
    assert ("Better than the adjusted baseline, though not shown" in text) == bool(later)
    assert not re.search(r"no difference|\bsame\b|no effect", text, re.IGNORECASE)
    for one in dataset.standings:
        if one.technique in words:
            assert one.gains is not None
            assert (one.gains.survives == "yes") == (one.technique in kept)
            denied = one.technique in beat and words[one.technique][1] in ("worse", "equivalent", "identical")
            assert (one.gains.survives == "no") == denied
    (tuned,) = honestwords.tuned(dataset)
    better = [name for name, (*_, last) in words.items() if last == "better"]
    scored = sum(last != "not scored" for *_, last in words.values())
    assert (f"{len(better)} of {scored} techniques" in tuned) == bool(scored)


# ---- the report


def test_the_report_leads_with_what_survives_and_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    world = replace(WORLD, datasets=("detection",), repeats=5)
    store = write(tmp_path / "results", world)
    pages = [write_report(store.path, tmp_path / name).page for name in ("one", "two")]
    files = sorted(file.name for file in pages[0].parent.iterdir())
    assert files == sorted(file.name for file in pages[1].parent.iterdir())
    for name in files:
        assert (pages[0].parent / name).read_bytes() == (pages[1].parent / name).read_bytes(), name
    text = pages[0].read_text(encoding="utf-8")
    sections = re.findall(r"<section id='([^']+)'", text)
    assert sections[:5] == ["answers", "survival", "calibration-bill", "calibration", "all-verdicts"]
    for target in re.findall(r"href='([^'#]+)'", text):
        assert (pages[0].parent / target).exists(), target
    readme = (pages[0].parent / "README.md").read_text(encoding="utf-8")
    order = [readme.index(f"## {title}") for title in ("Answers", "Does it survive", "The calibration", "Verdicts")]
    assert order == sorted(order)
    for label in world.datasets:
        assert {f"{label}-honest.csv", f"{label}-calibration.csv"} <= set(files)
        assert text.index(f"Does it survive a threshold? {label}") < text.index(f"Ranking on {label}")


def test_the_ranked_table_has_both_gains(analysis: Analysis) -> None:
    for dataset in analysis.datasets:
        headings, lines = honesttables.ranked(dataset)
        rows = {line[1]: dict(zip(headings, line, strict=True)) for line in lines}
        for one in dataset.standings:
            assert one.gains is not None
            judged = one.gains.ranked.difference
            assert judged is not None
            row = rows[one.technique]
            assert row["over adjusted [95 %]"].startswith("0" if judged.identical else f"{judged.estimate:+.4f}"[:6])
            assert row["verdict over adjusted"].startswith("baseline" if one.is_baseline else one.gains.ranked.word)


def test_the_terminal_says_in_two_lines_what_survives(analysis: Analysis) -> None:
    out = io.StringIO()
    Console(file=out, width=600).print(terminal_ranking(analysis))
    told = [line.strip() for line in out.getvalue().splitlines() if line.startswith("- ")]
    assert told == [f"- {sentence}" for dataset in analysis.datasets for sentence in imbalance.in_short(dataset)]
    assert len(told) == 2 * len(WORLD.datasets)


def test_a_suite_that_asks_for_scores_is_told_as_before(store: Store, analysis: Analysis) -> None:
    plan = {**store.read_plan(), "focus": "score", "companions": {}}
    plain_analysis = analyse(store, plan)
    assert imbalance.sections_of(plain_analysis) == []
    assert all(one.adjusted is None for one in plain_analysis.datasets)
    for one, other in zip(plain_analysis.datasets, analysis.datasets, strict=True):
        assert [each.verdict for each in one.standings] == [each.verdict for each in other.standings]
        assert "over adjusted [95 %]" not in honesttables.ranked(one)[0]


def test_documents_hold_the_gains_and_fit_the_schema(analysis: Analysis) -> None:
    schema = json.loads(Path("docs/json.schema.json").read_text(encoding="utf-8"))
    held = json.loads(json.dumps(plain(standings(analysis)), allow_nan=False))
    name = next(name for name, one in schema["$defs"].items() if "noise" in one.get("properties", {}))
    for document, dataset in zip(held, analysis.datasets, strict=True):
        Draft202012Validator({**schema["$defs"][name], "$defs": schema["$defs"]}).validate(document)
        assert dataset.adjusted is not None
        assert dataset.adjusted.chosen is not None
        assert document["adjusted"]["rule"] == dataset.adjusted.chosen.name
        for one in document["standings"]:
            gains = _gains(dataset, one["technique"])
            assert one["gains"]["adjusted"]["verdict"] == gains.adjusted.word
            assert one["gains"]["survives"] == gains.survives
            assert one["adjusted_verdict"] == gains.ranked.word
    assert CORRECTED in {one["rule"] for one in held[0]["adjusted"]["candidates"]}
