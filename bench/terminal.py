"""What the terminal shows of a plan and of a run: the plan first, progress with remaining time, the ranking so far."""

import math
import time
from collections import defaultdict
from collections.abc import Collection, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bench.absence import absence
from bench.jobs import Job, Part
from bench.metrics import METRICS
from bench.plan import Plan
from bench.runner import Outcomes
from bench.stored import CellState

SHOWN = 6  # techniques per dataset in the running ranking
_EARLY = 0.03  # of the work: until that is done no remaining time is told
_PLAIN_SECONDS = 20.0  # between lines where the output is no terminal


def duration(seconds: float) -> str:
    """Return seconds as a person says them: '45 s', '3 min 20 s', '2 h 5 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plan_table(plan: Plan, states: Sequence[CellState]) -> Table:
    """Return a table of the plan: one line per cell with what is stored, missing and stale."""
    table = Table(title=f"{plan.suite.name}: {plan.suite.question}", title_justify="left", pad_edge=False)
    for heading in ("dataset", "technique"):
        table.add_column(heading)
    for heading in ("trials", "stored", "missing"):
        table.add_column(heading, justify="right")
    table.add_column("note")
    for state in states:
        cell = state.cell
        table.add_row(
            *map(Text, (cell.dataset, cell.technique, str(state.planned), str(state.stored))),
            *map(Text, (str(state.missing), state.note)),
        )
    return table


def summary(plan: Plan, states: Sequence[CellState], seconds: float | None, unsearched: Collection[str] = ()) -> str:
    """Return the plan in one sentence. unsearched: search trials that are missing."""
    cells = [state for state in states if not state.cell.not_applicable]
    coming = sum(state.cell.coming for state in cells)
    trials = sum(len(training.trials) for training in plan.trainings) + coming
    missing = len({key for state in cells for key in state.missing_keys}) + coming
    estimate = "" if seconds is None else f", about {duration(seconds)}"
    words = [absence(state.cell.not_applicable) for state in states if state.cell.not_applicable]
    left_out = {
        **{word: words.count(word) for word in ("not tried", "not applicable")},
        "without their data": sum(bool(state.cell.absent) for state in cells),
    }
    again = " and A/A" if any(state.cell.replica for state in states) else ""
    notes = ", ".join(f"{count} {why}" for why, count in left_out.items() if count)
    return (
        f"{len(plan.suite.datasets)} datasets x {len(plan.suite.techniques)} techniques{again}: {len(cells)} cells"
        f"{f' ({notes})' if notes else ''} on {trials} trainings, "
        f"{trials - missing} stored, {missing} to train{_of_searches(plan, unsearched)}{estimate}"
    )


def _of_searches(plan: Plan, unsearched: Collection[str]) -> str:
    """Return how many search trials there are and how many are to train, as an end of the plan's sentence."""
    if not plan.searches:
        return ""
    keys = {key for one in plan.searches for key in one.keys}
    values = "value" if len(plan.searches) == 1 else "values"
    return (
        f", and before them {len(keys)} search trials for {len(plan.searches)} {values} to choose, "
        f"{len(keys) - len(unsearched)} stored, {len(unsearched)} to train"
    )


def outcome(outcomes: Outcomes) -> str:
    """Return how a run's trials ended, in one sentence."""
    parts = [f"{count} {status}" for status, count in sorted(outcomes.statuses.items())]
    done = f"trained: {', '.join(parts)}" if parts else "nothing to train: every trial is stored"
    scored = f"; {outcomes.rescored} scored from stored logits" if outcomes.rescored else ""
    unwell = f"; planned scores that failed: {outcomes.unwell} (--retry tries again)" if outcomes.unwell else ""
    return done + scored + unwell


class Running:
    """Progress on a console: a bar with the remaining time, and the leading techniques of each dataset so far."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console, self._plan = console, plan
        self._scores: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._bar = Progress(
            TextColumn("trained"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._bar.add_task("trained", total=0, left="")
        self._live = Live(console=console, refresh_per_second=2, transient=True)
        self._work: dict[tuple[str, str], float] = {}
        self._trials, self._coming = 0, sum(cell.coming for cell in plan.cells)  # coming: after searches
        self._last_line = self._total = 0.0
        self._began: float | None = None  # when the first job that was done began

    def __enter__(self) -> "Running":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def started(self, jobs: Sequence[Job]) -> None:
        """Training begins; of searches once per round, and then of what waits for them."""
        if not all(job.use == "search" for job in jobs):
            self._coming = 0
        self._work |= {(job.use, job.part): _work(job) for job in jobs}
        self._total += sum(_work(job) for job in jobs)
        self._trials += sum(len(job.places) for job in jobs if not job.probe)
        self._last_line = time.monotonic()
        self._bar.update(self._task, total=self._trials + self._coming)
        self._show()

    def stored(self, job: Job, part: Part) -> None:
        """The trials of one job are safe in the store."""
        self._work.pop((job.use, job.part), None)
        if job.probe:  # it stores no trial and says nothing of the pace
            return
        if self._began is None:  # before it workers start and import libraries, which is no pace of training
            self._began = time.monotonic() - _spent(part)
        self._bar.advance(self._task, len(part.runs))
        self._take_scores(job, part)
        remaining = self._remaining()
        left = "estimating" if remaining is None else f"about {duration(remaining)} left"
        self._bar.update(self._task, left=left)
        if self._console.is_terminal:
            self._show()
        elif time.monotonic() - self._last_line > _PLAIN_SECONDS:
            self._last_line = time.monotonic()
            task = self._bar.tasks[0]
            self._console.print(f"trained {task.completed:.0f} of {task.total:.0f}, {left}")

    def _remaining(self) -> float | None:
        """Return the seconds left, from the work done so far and its pace; None while too little is done to tell."""
        left = sum(self._work.values())
        done = self._total - left
        left += self._coming * self._total / max(1, self._trials)  # those take what the search's trials take
        if self._began is None or done < _EARLY * self._total:
            return None
        return (time.monotonic() - self._began) * left / done

    def _take_scores(self, job: Job, part: Part) -> None:
        """Keep test scores by cell; one whose value was chosen meanwhile is not in the plan, but its job names it."""
        metric_of = {d.label: d.metric for d in self._plan.suite.datasets}
        cells = self._plan.by_key
        for row in part.scores:
            if row["part"] != "test" or row.get("reason"):
                continue
            known = cells.get((row["key"], row["rule"]))
            own = [(job.dataset_label, job.named(row["key"])[1])] if row["rule"] == _own_rule(job) else []
            for dataset, technique in own if known is None else [(cell.dataset, cell.technique) for cell in known]:
                self._scores[dataset, technique].append(row[metric_of[dataset]])

    def _show(self) -> None:
        self._live.update(Group(self._bar, *self._rankings()))

    def _rankings(self) -> list[Table]:
        """Return a short table per dataset that is being trained: the best so far, by mean score."""
        tables = []
        for dataset in self._plan.suite.datasets:
            found = [(t, values) for (d, t), values in self._scores.items() if d == dataset.label and values]
            if not found:
                continue
            higher = METRICS[dataset.metric].better == "higher"
            found.sort(key=lambda item: sum(item[1]) / len(item[1]), reverse=higher)
            table = Table(title=f"{dataset.label}: {dataset.metric} so far, without tests", title_justify="left")
            table.add_column("technique")
            table.add_column("mean", justify="right")
            table.add_column("trials", justify="right")
            for technique, values in found[:SHOWN]:
                table.add_row(Text(technique), f"{sum(values) / len(values):.4f}", str(len(values)))
            tables.append(table)
        return tables[-2:]


def _own_rule(job: Job) -> str:
    """Return the digest of the rule of the cell that a job is named by; '' of a regression."""
    return job.rules[0][0] if job.rules else ""


def _work(job: Job) -> float:
    """Return a job's size for the estimate of remaining time: examples, weighted by what its network costs."""
    return len(job.places) * (job.probe or job.recipe.steps) * job.recipe.batch_size * job.recipe.network.weight


def _spent(part: Part) -> float:
    """Return the CPU seconds that a job's trials took in all; what was not measured is none."""
    seconds = [row[name] for row in part.runs for name in row if name.endswith("_seconds")]
    return sum(value for value in seconds if math.isfinite(value))
