"""How long a report takes, and how much memory: results of about 2,000 and 10,000 trials, made without training.

python -m tests.performance.report
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS = {12: 20.0, 58: 60.0}  # repeats (of 2 folds, 25 techniques, 4 datasets) -> seconds
MEMORY = 2.0  # GB


def prepare(repeats: int, folder: Path) -> int:
    """Write the results of a synthetic suite; return how many trials it plans."""
    from tests.synthetic import wide, write

    plan = write(folder, wide(repeats)).read_plan()
    return sum(len(cell["keys"]) for cell in plan["cells"])


def measure(results: Path, report: Path) -> None:
    """Write the report and print its seconds, those of the drawing once more, peak memory in GB and the page's MB."""
    from bench.reporting.figures import draw
    from bench.reporting.page import write_report

    began = time.perf_counter()
    written = write_report(results, report)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.perf_counter()
    draw(written.analysis)
    print(seconds, time.perf_counter() - began, peak, written.page.stat().st_size / 1e6)


def main() -> int:
    """Measure both sizes in processes of their own; return 1 where a limit is missed."""
    missed = False
    for repeats, limit in LIMITS.items():
        with tempfile.TemporaryDirectory() as folder:
            trials = prepare(repeats, Path(folder) / "results")
            command = [sys.executable, "-m", "tests.performance.report", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, drawing, peak, size = map(float, done.stdout.split())
        missed |= seconds > limit or peak > MEMORY
        print(
            f"{trials} trials: {seconds:.1f} s (limit {limit:.0f} s), of which drawing {drawing:.1f} s; "
            f"{peak:.2f} GB at most (limit {MEMORY:.0f} GB); page {size:.2f} MB"
        )
    return int(missed)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]) / "results", Path(sys.argv[1]) / "report")
    else:
        raise SystemExit(main())
