"""The parts of the benchmarks: each measures one kind of work, and knows its bars."""

from collections.abc import Mapping
from typing import Final

from benchmarks.bench import Part
from benchmarks.parts import (
    accept,
    apply,
    bodies,
    burst,
    gateways,
    heartbeats,
    observed,
    opening,
    purging,
    queue,
    rows,
    source,
    verification,
    waiting,
)

_ALL: Final[tuple[Part, ...]] = (
    accept,
    observed,
    apply,
    burst,
    gateways,
    bodies,
    waiting,
    purging,
    opening,
    heartbeats,
    queue,
    source,
    verification,
)

PARTS: Final[Mapping[str, Part]] = {part.WORK: part for part in _ALL}

ALONE: Final[Mapping[str, Part]] = {rows.WORK: rows}
"""Parts that take too long for a whole run. Each has a page of its own."""
