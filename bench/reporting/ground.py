"""What the comparisons on one dataset stand on: trials, planned cells, who is complete, intervals, drawn test rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench import statistics
from bench.metrics import METRICS
from bench.reporting import values
from bench.reporting.comparing import Comparer, make_comparer
from bench.reporting.redrawn import Redrawn, redraw
from bench.reporting.standing import enough_repeats
from bench.reporting.trials import Trials
from bench.reporting.values import Values
from bench.statistics import Interval, Verdict

if TYPE_CHECKING:
    from bench.store import Store


@dataclass(frozen=True)
class Ground:
    """One dataset's scored trials by technique, in the plan's order, and what compares them.

    places: the planned (repeat, fold); complete [techniques]: whether every planned trial is there; base: the
    baseline's index, None where it is not planned; again: indices of the baseline once more (A/A), which is no
    technique; redrawn: scores on other rows of a fixed test set, None where there is none or they are unknown.
    """

    facts: Mapping[str, Any]
    done: Mapping[str, Trials]
    places: Sequence[tuple[int, int]]
    complete: tuple[bool, ...]
    base: int | None
    again: frozenset[int]
    comparer: Comparer
    redrawn: Redrawn | None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the techniques."""
        return tuple(self.done)

    @property
    def higher(self) -> bool:
        """Return whether a higher value of the ranking metric is better."""
        return METRICS[self.facts["metric"]].better == "higher"

    @property
    def techniques(self) -> list[int]:
        """Return all but the baseline and its second training."""
        return [index for index in range(len(self.names)) if index != self.base and index not in self.again]

    def scores(self) -> Values:
        """Return the ranking metric on test rows."""
        return values.scores(self.facts, self.done, self.places, self.redrawn)

    def verdicts(
        self, found: Mapping[Any, tuple[Interval, Sequence[int]]], margin: float, better: Literal["higher", "lower"]
    ) -> dict[Any, Verdict]:
        """Return the verdict on each of a family of intervals; there is none where a technique in it is incomplete.

        found: an interval, and the techniques it is made of.
        """
        enough = enough_repeats(self.facts)  # what is identical needs no test, and so no number of repeats
        full = [
            all(self.complete[index] for index in indices) and (enough or one.identical)
            for one, indices in found.values()
        ]
        words = statistics.verdicts([one for one, _ in found.values()], margin, better, full)
        return dict(zip(found, words, strict=True))


def make_ground(
    baseline: str,
    facts: Mapping[str, Any],
    done: Mapping[str, Trials],
    cells: Sequence[Mapping[str, Any]],
    store: "Store",
) -> Ground:
    """Return what the comparisons on one dataset stand on.

    done: per technique its scored trials; cells: those of the plan that apply, in the same order.
    """
    names = tuple(done)
    places = [(int(repeat), int(fold)) for repeat, fold in cells[0]["repeat_fold"]]
    comparer = make_comparer(facts, done, places)
    return Ground(
        facts,
        done,
        places,
        tuple(len(done[cell["technique"]]) == len(cell["keys"]) > 0 for cell in cells),
        names.index(baseline) if baseline in names else None,
        frozenset(index for index, cell in enumerate(cells) if cell.get("replica", 0)),
        comparer,
        redraw(facts, done, store, by_class=True) if comparer.method == "test set" else None,
    )
