"""Sentences for names that there are not."""

from bench.errors import SHOWN, unknown


def test_of_few_names_all_are_told() -> None:
    names = ["smote", "focal", "l1"]
    assert unknown("technique", "focl", names) == (
        "unknown technique 'focl', did you mean 'focal'? Valid: focal, l1, smote"
    )
    assert unknown("technique", "x" * 5, names) == "unknown technique 'xxxxx'. Valid: focal, l1, smote"


def test_of_many_names_those_like_it_and_where_the_others_are() -> None:
    names = [f"name-{at}" for at in range(SHOWN)] + ["smote", "smotenc"]
    told = unknown("technique", "smoot", names, "'list' shows them all")
    assert told == (
        f"unknown technique 'smoot', did you mean 'smote'? Valid: smote, smotenc and {SHOWN} more: "
        "'list' shows them all"
    )
    assert unknown("technique", "zzz", names) == f"unknown technique 'zzz'. Valid: {SHOWN + 2} names"
