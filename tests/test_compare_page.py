"""docs/compare.md, followed: the commands on the page lead from the reference results to a verdict."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path("docs/compare.md").read_text(encoding="utf-8")
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("python -m bench ")]  # prose names them in backticks


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone holds beside the package."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree("suites", folder / "suites")
    shutil.copytree("results/reference", folder / "results" / "reference")
    return folder


def test_the_page_leads_from_the_reference_results_to_a_verdict(checkout: Path) -> None:
    assert len(COMMANDS) == 3, "new, compare a file, compare two names"
    told = []
    for line in COMMANDS:
        command = line.replace("python", sys.executable, 1)
        done = subprocess.run(["bash", "-c", command], cwd=checkout, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        told.append(" ".join(done.stdout.split()))
    assert (checkout / "my_technique.py").exists()
    _, own, stored = told
    assert "focal-4 against results/reference/imbalance and results/imbalance" in own
    assert "20 stored, 20 to train" in own
    for heading in ("verdict", "difference", "cost", "rank", "beats", "beaten by"):
        assert f"{heading} " in own
    assert "p adjusted over" in own
    assert "x the CPU time on the same machine" in own, "a probe of the baseline ran beside it"
    assert "smote against over-sampling" in stored
    assert stored.count("one comparison") == 3, "fraud, sine-events, digits"
    again = subprocess.run(
        [sys.executable, "-m", "bench", "compare", "imbalance", "my_technique.py", "--dataset", "fraud", "--json"],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "40 stored, 0 to train" in " ".join(again.stderr.split())
    (fraud,) = json.loads(again.stdout)["datasets"]
    assert fraud["technique"]["verdict"] in own


def test_what_the_page_shows_is_what_the_command_prints(checkout: Path) -> None:
    shown = re.search(r"```text\n(focal-4 against baseline.*?)```", PAGE, flags=re.DOTALL)
    assert shown is not None
    headings = re.findall(r"^  (\w+(?: by)?)  ", shown[1], flags=re.MULTILINE)
    assert headings == ["verdict", "score", "difference", "cost", "rank", "beats", "beaten by"]
