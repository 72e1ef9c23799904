"""What the report guards: it compares only trials that were evaluated on the same rows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

OTHER_ROWS = "evaluated on other rows than the baseline"
_PLACE = ["dataset", "repeat", "fold"]


def on_other_rows(table: "pd.DataFrame", baseline: str) -> "pd.Series":
    """Return which trials were evaluated on other rows than the baseline at the same dataset, repeat and fold.

    table: trials with their status and ``evaluation``, the digest of their evaluation rows; where the baseline has none
    the most common one stands for it. Trials of results that are older than the digest have none, and are left alone.
    """
    held = table["evaluation"].astype(object)
    known = (table["status"] == "ok") & held.notna() & (held != "")
    trials = table.loc[known, _PLACE].assign(evaluation=held[known], baseline=table["technique"] == baseline)
    if trials.empty or trials.groupby(_PLACE, observed=True)["evaluation"].nunique().max() == 1:
        return known & False
    counted = trials.groupby([*_PLACE, "evaluation"], observed=True)["baseline"].agg(["sum", "size"]).reset_index()
    first = counted.sort_values(["sum", "size", "evaluation"], ascending=[False, False, True]).drop_duplicates(_PLACE)
    expected = table[_PLACE].merge(first, on=_PLACE, how="left")["evaluation"].to_numpy()
    return known & (held.to_numpy() != expected)
