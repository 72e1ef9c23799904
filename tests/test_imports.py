"""Imports point one way: what plans, analyses and reports never loads torch; the docs follow the catalogue."""

import subprocess
import sys
from pathlib import Path

import pytest

LIGHT = [
    "recipe", "catalogue", "suite", "plan", "splits", "statistics", "metrics", "store", "reporting", "scoring", "audit",
    "searches", "searched", "gridentries",
]  # fmt: skip


@pytest.mark.parametrize("module", LIGHT)
def test_it_never_loads_torch(module: str) -> None:
    code = f"import sys, bench.{module}; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_stages_and_networks_never_import_the_harness() -> None:
    allowed = ("bench.stages", "bench.networks", "bench.keys", "bench.errors", "bench.datasets.base")
    for file in [*Path("bench/stages").glob("*.py"), *Path("bench/networks").glob("*.py")]:
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]) and words[1].startswith("bench"):
                assert words[1].startswith(allowed), f"{file}: {line}"


def test_the_page_of_techniques_is_the_catalogues() -> None:
    command = [sys.executable, "-c", "from tools.write_techniques import page; print(page(), end='')"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert Path("docs/techniques.md").read_text(encoding="utf-8") == printed
