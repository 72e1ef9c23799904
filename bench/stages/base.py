"""What every stage has: a kind (its name in keys and in dotted paths) and a revision."""

from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True)
class Stage:
    """A frozen value of plain parameters. ``revision`` is raised when its meaning changes.

    code: of a stage that a user's own file defines, a hash of that file; None for those of this package.
    stacks: whether trials that have it train together in one stack; else one by one, since what it does takes norms or
    products over all that it is given, or since the library's own kernel for one trial is faster.
    """

    kind: ClassVar[str]
    revision: ClassVar[int] = 1
    code: ClassVar[str | None] = None
    stacks: ClassVar[bool] = True

    @property
    def label(self) -> str:
        """Return its name in a dotted path, where a slot holds several stages."""
        return self.kind

    def brief(self, steps: int) -> Self:
        """Return the stage as a trial run of ``steps`` has it: what trains a model of its own takes no more steps."""
        return self


def require(holds: bool, sentence: str) -> None:
    """Raise ValueError with ``sentence`` unless ``holds``."""
    if not holds:
        raise ValueError(sentence)
