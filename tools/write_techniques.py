"""Write docs/techniques.md from the catalogue: python tools/write_techniques.py."""

from itertools import groupby
from pathlib import Path

from bench.catalogue import TECHNIQUES
from bench.describing import shown


def page() -> str:
    """Return the page: one table per family, in the catalogue's order."""
    parts = ["# Techniques\n\nMade from the catalogue by `python tools/write_techniques.py`; do not edit.\n"]
    for family, techniques in groupby(TECHNIQUES.values(), key=lambda technique: technique.family):
        parts.append(f"## {family}\n\n| name | sets | claim | source |\n| --- | --- | --- | --- |")
        for technique in techniques:
            changes = [*technique.change.items()]
            changes += [(f"{path} ({kind})", v) for kind, c in technique.per_kind.items() for path, v in c.items()]
            sets = "; ".join(f"`{path} = {shown(value)}`" for path, value in changes) or "nothing"
            parts.append(f"| {technique.name} | {sets} | {technique.claim} | {technique.source} |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    Path("docs/techniques.md").write_text(page(), encoding="utf-8")
