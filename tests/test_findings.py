"""docs/findings-imbalance.md: published claims, in the figures of the reference run."""

import pytest

from bench.reporting.standing import Standing
from bench.statistics import Verdict
from bench.store import Store
from tools.write_findings import CLAIMS, HOLDS, PAGE, REFERENCE, Check, Expected, Finding, find, page, sentence


@pytest.fixture(scope="module")
def reference() -> Store:
    return Store(REFERENCE)


def test_the_page_is_what_the_reference_run_gives(reference: Store) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(reference, CLAIMS)


def test_every_claim_has_something_said_of_it_by_hand() -> None:
    assert all(claim.remark and claim.checks for claim in CLAIMS)


def test_a_comparison_is_the_difference_of_the_two_mean_scores(reference: Store) -> None:
    check = Check("fraud", "smote", "roc_auc", "better", other="over-sampling")
    found = find(check, reference, reference.read_plan())
    cells = {one["technique"]: one for one in reference.read_plan()["cells"] if one["dataset"] == "fraud"}
    scores = reference.scores().query("part == 'test'").set_index(["key", "rule"])["roc_auc"]
    means = [
        scores.loc[[(key, cells[name]["rule"]) for key in cells[name]["keys"]]].mean()
        for name in ("smote", "over-sampling")
    ]
    assert found.standing is not None
    assert (found.standing.score, found.second) == pytest.approx(means)
    assert found.standing.difference is not None
    assert found.standing.difference.estimate == pytest.approx(means[0] - means[1])


def said(word: str) -> Standing:
    """Return a standing with this verdict; 'incomplete' has none."""
    verdict = None if word == "incomplete" else Verdict(word, "", 0.01, 0.5, 0.1)
    return Standing("t", "planted", False, "", 2, 1, {}, (), "", "", verdict=verdict)


@pytest.mark.parametrize(
    ("claimed", "word", "held"),
    [
        ("better", "better", "yes"), ("better", "worse", "no"), ("better", "equivalent", "no"),
        ("better", "undecided", "undecided"), ("worse", "worse", "yes"), ("worse", "better", "no"),
        ("not better", "equivalent", "yes"), ("not better", "better", "no"), ("not better", "undecided", "undecided"),
        ("alike or better", "equivalent", "yes"), ("alike or better", "worse", "no"),
        ("better", "incomplete", "undecided"),
    ],
)  # fmt: skip
def test_a_claim_holds_where_the_verdict_shows_it_and_fails_where_it_shows_otherwise(
    claimed: Expected, word: str, held: str
) -> None:
    assert Finding(Check("fraud", "smote", "roc_auc", claimed), said(word), 0.5).held == held


def test_a_claim_is_summed_up_in_one_sentence() -> None:
    yes, no, neither = (
        Finding(Check("d", "t", "m", "better"), said(word), 0.5) for word in ("better", "worse", "undecided")
    )
    assert sentence([yes, yes]) == "Held here."
    assert sentence([no]) == "Did not hold here."
    assert sentence([yes, no, neither]) == "Of 3 comparisons it held in 1, did not in 1, undecided in 1."
    assert set(HOLDS) == {"better", "worse", "not better", "alike or better"}
