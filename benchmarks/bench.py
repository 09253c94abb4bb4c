"""The bench: what every part is given to work with."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from benchmarks.figures import Bar, Figures, Measured

TIMES: Final = 3
"""How often is measured whatever a bar is set for."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every part is given to work with.

    Attributes:
        folder: Where stores and servers keep their data; gone at the end of the run.
        root: The project.
        rivals: Where the programs of others are installed, by `make rivals`.
        is_quick: Whether it is only to be seen that everything works.
        say: Tells who waits what goes on.
    """

    folder: Path
    root: Path
    rivals: Path
    is_quick: bool
    say: Callable[[str], None]

    def scaled(self, count: int) -> int:
        """Return `count`, or a twentieth of it in a quick run."""
        return max(count // 20, 1) if self.is_quick else count

    def new_folder(self) -> Path:
        """Make a folder that nothing else is in."""
        folder = self.folder / secrets.token_hex(4)
        folder.mkdir()
        return folder

    async def interleaved(
        self, runs: Iterable[tuple[str, Callable[[], Awaitable[None]]]], *, times: int = TIMES
    ) -> None:
        """Make all `runs` once, then all again, `times` in all; once in a quick run.

        So what slows the machine down for a while slows all of them, not one of them. Every second
        time they go backwards, so that none is always the one before another.
        """
        named, times = list(runs), 1 if self.is_quick else times
        for repetition in range(1, times + 1):
            for name, run in named if repetition % 2 else reversed(named):
                self.say(f"{name} ({repetition} of {times})")
                await run()


class Part(Protocol):
    """One row of work: a module of `benchmarks.parts`."""

    @property
    def WORK(self) -> str:  # noqa: N802 - a module's constant
        """Its name, as in `--only`."""
        ...

    @property
    def TITLE(self) -> str:  # noqa: N802 - a module's constant
        """Its heading."""
        ...

    @property
    def METHOD(self) -> str:  # noqa: N802 - a module's constant
        """How it is measured, as Markdown."""
        ...

    @property
    def OURS(self) -> str:  # noqa: N802 - a module's constant
        """Whose figures the others' are compared with."""
        ...

    @property
    def COMPARED(self) -> str:  # noqa: N802 - a module's constant
        """The figure that is compared, as a ratio in the table."""
        ...

    @property
    def PLOTTED(self) -> Sequence[str]:  # noqa: N802 - a module's constant
        """The figures that get a plot; none for no plot."""
        ...

    @property
    def measure(self) -> Callable[[Bench], Awaitable[Iterable[Measured]]]:
        """Measures everything, and returns the figures."""
        ...

    @property
    def bars(self) -> Callable[[Figures], Iterable[Bar]]:
        """Returns what the figures must reach, and how far they came."""
        ...
