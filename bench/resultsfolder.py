"""Which folder holds the results of a suite that is named, or all that hold any."""

from pathlib import Path

from bench.errors import UsageError, unknown

RESULTS = Path("results")
_PLAN = "plan.json"


def with_results(results: Path) -> list[str]:
    """Return the names of all suites with results, references too; raise UsageError where there are none."""
    found = _names(results)
    if not found:
        raise UsageError(f"no results in '{results}'; make some with 'python -m bench run suites/imbalance.yaml'")
    return found


def results_of(name: str | Path, results: Path = RESULTS) -> Path:
    """Return the results folder of a suite: by its name, its YAML file, or the folder's own path.

    Raises UsageError, with the nearest name, where there is none.
    """
    stem = str(name).removesuffix(".yaml").removeprefix("suites/")
    places = [results / stem, Path(name)]
    if str(name).endswith(".yaml"):
        places.append(results / Path(name).stem)
    for place in places:
        if _holds(place):
            return place
    raise UsageError(f"no results of that name in '{results}': {unknown('suite', stem, _names(results))}")


def _names(results: Path) -> list[str]:
    return sorted(plan.parent.relative_to(results).as_posix() for plan in results.glob(f"**/{_PLAN}"))


def _holds(folder: Path) -> bool:
    """Return whether a folder holds a plan; none does whose name the system refuses."""
    try:
        return (folder / _PLAN).exists()
    except (OSError, ValueError):
        return False
