"""The exercises of the tutorial, and the marked regions in which practice and solution differ."""

import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

TUTORIAL: Final = Path(__file__).parents[2] / "tutorial"
EXERCISES: Final = sorted(path for path in TUTORIAL.iterdir() if path.is_dir())

BEGIN: Final = re.compile(rb"\s*# PART ([A-Z]): \S.*\n")
END: Final = re.compile(rb"\s*# END PART ([A-Z])\n")


@dataclass(frozen=True)
class Region:
    """What stands between `# PART X: what` and `# END PART X`."""

    part: str
    text: str

    def statements(self) -> list[str]:
        """Return the lines that are neither blank nor a comment."""
        lines = (line.strip() for line in self.text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True)
class Marked:
    """A file, taken apart: the marker lines belong to what is outside."""

    outside: bytes
    regions: tuple[Region, ...]


def take_apart(source: bytes) -> Marked:
    """Split `source` at its markers.

    Raises:
        ValueError: The markers do not pair up.
    """
    outside: list[bytes] = []
    regions: list[Region] = []
    open_part: bytes | None = None
    inside: list[bytes] = []
    for number, line in zip(count(1), source.splitlines(keepends=True), strict=False):
        begin, end = BEGIN.fullmatch(line), END.fullmatch(line)
        if (begin and open_part) or (end and end[1] != open_part):
            msg = f"line {number}: markers do not pair up"
            raise ValueError(msg)
        if begin:
            open_part = begin[1]
        elif end:
            regions.append(Region(end[1].decode(), b"".join(inside).decode()))
            open_part, inside = None, []
        if begin or end or not open_part:
            outside.append(line)
        else:
            inside.append(line)
    if open_part:
        msg = f"part {open_part.decode()} does not end"
        raise ValueError(msg)
    return Marked(b"".join(outside), tuple(regions))


def files_of(folder: Path) -> list[Path]:
    """Return the files of `folder`, relative to it, without what tools left there."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in files if not any(_is_left_behind(part) for part in path.parts))


def _is_left_behind(part: str) -> bool:
    return part == "__pycache__" or part.startswith(".")
