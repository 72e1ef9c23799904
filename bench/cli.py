"""The command line: parses, calls, exits. Anything heavy is imported inside the command that needs it."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bench import __version__
from bench.errors import BenchError, UsageError, unknown
from bench.output import Answer, document

EXIT_CODES = """\
exit codes:
  0  done (trials that diverged are results)
  1  some planned trials failed, timed out or were killed, in this run or an earlier one; or a technique is worse
  2  bad usage or a bad suite; nothing was written
  3  incomplete: interrupted, or a dataset is not on this machine
"""

INTERRUPTED = "interrupted: what was finished is stored; run the same command to go on"


class _Parser(argparse.ArgumentParser):
    """argparse, with one sentence for an error and the nearest command for a misspelt one."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage."""
        raise UsageError(f"{message}; see '{self.prog} --help'")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Name the nearest choice for one that does not exist."""
        if action.choices is not None and value not in action.choices:
            raise UsageError(unknown("command", value, map(str, action.choices)))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m bench",
        description="Which remedy against overfitting or class imbalance helps, by how much, at what cost, how surely?",
        epilog="examples:\n"
        "  python -m bench run suites/imbalance.yaml\n"
        "  python -m bench run suites/imbalance.yaml --smoke\n"
        "  python -m bench compare imbalance my_technique.py --dataset fraud\n"
        "  python -m bench describe focal\n"
        "  python -m bench list techniques --json\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"remedy-bench {__version__}")
    parser.set_defaults(json=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_run(commands)
    _add_report(commands)
    _add_compare(commands)
    _add_new(commands)
    _add_list(commands)
    _add_describe(commands)
    _add_validate(commands)
    _add_data(commands)
    _command(
        commands, "schema", "print the JSON schema of suite files, for editors", "  python -m bench schema > suite.json"
    )
    return parser


def _command(commands, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{examples}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    told = "print one JSON document, and nothing else, on standard output"
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=told)
    return parser


def _add_run(commands) -> None:
    run = _command(
        commands,
        "run",
        "train what is missing, store it, rank it and write the report",
        "  python -m bench run suites/imbalance.yaml\n"
        "  python -m bench run suites/imbalance.yaml --dry-run\n"
        "  python -m bench run imbalance --filter 'technique=smote*,dataset=fraud'\n"
        "  python -m bench run imbalance --scheduler tcp://127.0.0.1:8786\n"
        "  python -m bench run imbalance --json > run.json",
    )
    run.add_argument("suite", help="a suite file, or the name of one in suites/")
    run.add_argument("--dry-run", action="store_true", help="say what is stored, missing or stale; train nothing")
    run.add_argument("--filter", metavar="WHICH", help="only these cells, as in 'technique=smote*,dataset=fraud'")
    run.add_argument("--smoke", action="store_true", help="a minute's run of every cell, too short to conclude from")
    run.add_argument(
        "--require-all", action="store_true", help="train nothing where data of the suite are not on this machine"
    )
    _add_training(run)
    run.add_argument("--report", type=Path, metavar="DIR", default=Path("report"), help="default: report")


def _add_training(command: argparse.ArgumentParser) -> None:
    """Add what every command that trains has: where, how long at most, and where results are kept."""
    command.add_argument("--retry", action="store_true", help="try failed and diverged trials, and failed rules, again")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one per core; 0: inline)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="train on this Dask cluster, as in tcp://10.0.0.1:8786")
    limit = {"type": float, "metavar": "SECONDS", "default": 1800.0}
    command.add_argument("--timeout", **limit, help="limit per stack (default 1800)")
    command.add_argument("--results", type=Path, metavar="DIR", default=Path("results"), help="default: results")


def _add_compare(commands) -> None:
    compare = _command(
        commands,
        "compare",
        "compare a technique with stored results, training only what is missing",
        "  python -m bench new technique > my_technique.py\n"
        "  python -m bench compare imbalance my_technique.py --dataset fraud\n"
        "  python -m bench compare suites/imbalance.yaml cutmix      # of the catalogue, not in the suite\n"
        "  python -m bench compare imbalance smote over-sampling     # both stored: trains nothing\n"
        "  python -m bench compare imbalance focal focal --against results/reference/imbalance",
    )
    compare.add_argument("suite", help="a suite file, or the name of one in suites/")
    compare.add_argument("technique", help="a technique's name, or a file that defines one (my_technique.py)")
    compare.add_argument("other", nargs="?", metavar="OTHER", help="a stored technique (default: the baseline)")
    compare.add_argument("--dataset", metavar="NAME", help="only this dataset of the suite")
    compare.add_argument(
        "--against",
        type=Path,
        metavar="RESULTS",
        help="results to compare with (default: those of the suite, or the reference results where it has none)",
    )
    _add_training(compare)


def _add_new(commands) -> None:
    new = _command(
        commands,
        "new",
        "print a file to start from",
        "  python -m bench new technique > my_technique.py",
    )
    new.add_argument("what", metavar="WHAT", help="technique")


def _add_report(commands) -> None:
    report = _command(
        commands,
        "report",
        "make reports from stored results, without training",
        "  python -m bench report\n"
        "  python -m bench report imbalance\n"
        "  python -m bench report imbalance --json | jq '.reports[].datasets[].standings[] | [.technique, .verdict]'",
    )
    report.add_argument("suites", nargs="*", metavar="SUITE", help="names of suites (default: all that have results)")
    report.add_argument("--results", type=Path, metavar="DIR", default=Path("results"), help="default: results")
    report.add_argument("--report", type=Path, metavar="DIR", default=Path("report"), help="default: report")


def _add_list(commands) -> None:
    listing = _command(
        commands,
        "list",
        "list techniques, datasets or metrics, with sources",
        "  python -m bench list\n"
        "  python -m bench list metrics\n"
        "  python -m bench list techniques --json | jq -r '.techniques[].name'",
    )
    what = ("techniques", "datasets", "metrics")
    listing.add_argument("what", nargs="?", metavar="WHAT", help=f"one of {', '.join(what)} (default: all)")


def _add_describe(commands) -> None:
    describe = _command(
        commands,
        "describe",
        "say what a technique, dataset or metric is",
        "  python -m bench describe focal\n  python -m bench describe fraud\n  python -m bench describe focal --json",
    )
    describe.add_argument("name", help="a name that 'list' shows")


def _add_validate(commands) -> None:
    validate = _command(
        commands,
        "validate",
        "check a suite file without running it",
        "  python -m bench validate suites/imbalance.yaml\n  python -m bench validate suites/imbalance.yaml --json",
    )
    validate.add_argument("suite", help="a suite file, or the name of one in suites/")


def _add_data(commands) -> None:
    data = _command(
        commands,
        "data",
        "say which data are on this machine, or import some",
        "  python -m bench data status --json\n"
        "  python -m bench data import cifar10 cifar-10-python.tar.gz\n"
        "  python -m bench data import cifar10 images/      # with train/<class>/* and test/<class>/*",
    )
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    _command(actions, "status", "say where data lie and which datasets are there", "  python -m bench data status")
    bring = _command(
        actions,
        "import",
        "import a dataset from an archive or a folder",
        "  python -m bench data import cifar10 cifar-10-python.tar.gz",
    )
    bring.add_argument("name", help="the dataset: cifar10")
    bring.add_argument("path", type=Path, help="the official archive, or an archive or folder of images")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _told(words)
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _told(words: list[str]) -> int:
    """Run one command and write what it answers, as a document where that is asked for; return its exit code.

    What a command prints as it goes on then goes to standard error.
    """
    wanted = "--json" in words  # to be asked of the parser, unless the words are none that it understands
    try:
        options = _parser().parse_args(words)
        wanted = options.json
        with contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext():
            answer = _dispatch(options)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        answer = Answer(error.exit_code, {"error": str(error)})
    except KeyboardInterrupt:
        sys.stderr.write(f"{INTERRUPTED}\n")
        answer = Answer(3, {"error": INTERRUPTED})
    sys.stdout.write(document(_asked(words), answer) if wanted else answer.text)
    sys.stdout.flush()
    return answer.exit_code


def _asked(words: Sequence[str]) -> str | None:
    """Return the command that was asked for, as its document names it: 'run', 'data status'; None without any."""
    named = [word for word in words if not word.startswith("-")]
    return " ".join(named[: 2 if named[:1] == ["data"] else 1]) or None


def _dispatch(options: argparse.Namespace) -> Answer:
    command: str = options.command
    if command in ("run", "validate", "compare") and not options.suite:
        raise UsageError("name a suite file, such as suites/imbalance.yaml")
    if command == "run":
        from bench.commands import run_command

        return run_command(options)
    if command == "report":
        from bench.commands import report_command

        return report_command(options)
    if command in ("compare", "new"):
        from bench import versus

        return versus.compare_command(options) if command == "compare" else versus.new_command(options.what)
    if command == "data":
        from rich.console import Console

        from bench import importing

        if options.action == "import":
            return importing.import_data(options.name, options.path, Console())
        return importing.status()
    from bench import describing

    if command == "list":
        return describing.listing(options.what)
    if command == "describe":
        return describing.description(options.name)
    if command == "validate":
        return _validate(options.suite)
    import json

    from bench.suitefile import schema

    return Answer(0, {"schema": schema()}, json.dumps(schema(), indent=2) + "\n")


def _validate(name: str) -> Answer:
    """Return that a suite is valid, and its size. Raises UsageError, with its place, for what is wrong."""
    from bench.plan import make_plan
    from bench.suitefile import load_suite

    plan = make_plan(load_suite(name))
    trials = sum(len(training.trials) for training in plan.trainings) + sum(cell.coming for cell in plan.cells)
    searched = sum(len(search.keys) for search in plan.searches)
    data = {"suite": plan.suite.name, "question": plan.suite.question, "cells": len(plan.cells), "trainings": trials}
    before = f", and {searched} search trials before them" if searched else ""
    text = f"{name} is valid: {len(plan.cells)} cells on {trials} trainings{before}\n"
    return Answer(
        0,
        {
            **data,
            "search_trials": searched,
            "datasets": [one.label for one in plan.suite.datasets],
            "techniques": [one.label for one in plan.suite.techniques],
        },
        text,
    )
