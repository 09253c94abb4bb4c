"""Draw the Mermaid diagrams of the pages as SVG, without a browser and without a network.

It knows what the pages use: sequence diagrams with participants, messages and notes, and state
diagrams with transitions. Anything else is a `ValueError`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

_PARTICIPANT: Final = re.compile(r"participant (\w+) as (.+)")
_MESSAGE: Final = re.compile(r"(\w+)(--?)>>(\w+): (.+)")
_NOTE: Final = re.compile(r"Note over (\w+): (.+)")
_TRANSITION: Final = re.compile(r"(\[\*\]|\w+) --> (\[\*\]|\w+)")
_START_OR_END: Final = "[*]"

_CHARACTER: Final = 7
"""The width of a character at the font size of the drawing."""
_ROW: Final = 36
_BOX: Final = 28
"""The height of a box."""
_PAD: Final = 24
_BOW: Final = 14
"""How far an arrow is bent when there is another one in the opposite direction."""

_FRAME: Final = """<div class="diagram">
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
aria-label="{label}" style="max-width: {width}px; width: 100%" font-size="13" \
font-family="sans-serif" fill="none" stroke="currentColor">
<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" \
orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor" stroke="none"/></marker></defs>
{shapes}
</svg>
</div>"""


def to_svg(mermaid: str) -> str:
    """Return an HTML block with the drawing.

    Raises:
        ValueError: The diagram has a line that this module cannot draw.
    """
    kind, *lines = (line.strip() for line in mermaid.strip().splitlines())
    if kind == "sequenceDiagram":
        return _draw_sequence(lines)
    if kind == "stateDiagram-v2":
        return _draw_states(lines)
    msg = f"cannot draw {kind!r}; docs/diagrams.py draws sequenceDiagram and stateDiagram-v2"
    raise ValueError(msg)


@dataclass(frozen=True)
class _Message:
    """An arrow of a sequence diagram; a note is a message from a participant to nobody."""

    source: str
    target: str | None
    text: str
    is_reply: bool = False


def _draw_sequence(lines: Iterable[str]) -> str:
    names, messages = dict[str, str](), list[_Message]()
    for line in lines:
        if found := _PARTICIPANT.fullmatch(line):
            names[found[1]] = found[2]
        elif found := _MESSAGE.fullmatch(line):
            messages.append(_Message(found[1], found[3], found[4], found[2] == "--"))
        elif found := _NOTE.fullmatch(line):
            messages.append(_Message(found[1], None, found[2]))
        else:
            raise _unknown(line)
    at = _columns(list(names), messages)
    bottom = _BOX + _ROW * (len(messages) + 1)
    shapes = [
        shape
        for name, text in names.items()
        for shape in (
            f'<path d="M{at[name]} {_BOX}V{bottom}" stroke-dasharray="2 4"/>',
            *_box(at[name], _BOX // 2 + 1, text),
        )
    ]
    for row, message in enumerate(messages, 1):
        shapes += _draw_message(message, at, _BOX + _ROW * row)
    label = "; ".join(
        f"{names[one.source]} to {names[one.target]}: {one.text}" if one.target else one.text
        for one in messages
    )
    width = max(at.values()) + _width(list(names.values())[-1]) // 2 + _PAD
    return _frame((width, bottom + 4), label, shapes)


def _columns(names: list[str], messages: Iterable[_Message]) -> dict[str, int]:
    """Return where each participant stands: far enough apart for the texts between them."""
    gaps = dict.fromkeys(pairwise(names), 90)
    for one in messages:
        first, last = sorted(names.index(name) for name in (one.source, one.target or one.source))
        between = list(pairwise(names[first : last + 1])) or list(pairwise(names[first:]))[:1]
        for gap in between:
            gaps[gap] = max(gaps[gap], (_width(one.text) + _PAD) // len(between))
    at = {names[0]: _width("Temporal")}
    for (before, name), width in gaps.items():
        at[name] = at[before] + width
    return at


def _draw_message(one: _Message, at: dict[str, int], y: int) -> Iterator[str]:
    start = at[one.source]
    if one.target is None:
        yield from _box(start, y - 6, one.text)
    elif one.target == one.source:
        yield _text(start + 30, y + 2, one.text, anchor="start")
        yield f'<path d="M{start} {y - 8}h24v14h-22" marker-end="url(#arrow)"/>'
    else:
        end = at[one.target]
        dashes = ' stroke-dasharray="5 3"' if one.is_reply else ""
        yield f'<path d="M{start} {y}H{end}" marker-end="url(#arrow)"{dashes}/>'
        yield _text((start + end) // 2, y - 6, one.text)


def _draw_states(lines: Iterable[str]) -> str:
    moves = []
    for line in lines:
        if not (found := _TRANSITION.fullmatch(line)):
            raise _unknown(line)
        moves.append((found[1], found[2]))
    layers = _layers(moves)
    gap = max(_width(name) for layer in layers for name in layer) + 3 * _PAD
    at = {
        name: (gap * column + gap // 2, _ROW * 2 * row + _BOX)
        for column, layer in enumerate(layers)
        for row, name in enumerate(layer)
    }
    ends = {before for before, after in moves if after == _START_OR_END}
    shapes = [
        shape for name, (x, y) in at.items() for shape in _box(x, y, name, is_double=name in ends)
    ]
    for before, after in moves:
        if before in at and after in at:
            is_bent = (after, before) in moves
            shapes.append(_draw_move(at[before], at[after], (before, after), is_bent=is_bent))
    label = ", ".join(f"{before} to {after}" for before, after in moves if after in at)
    height = max(y for _, y in at.values()) + _BOX
    return _frame((gap * len(layers), height), label.replace(_START_OR_END, "start"), shapes)


def _layers(moves: list[tuple[str, str]]) -> list[list[str]]:
    """Return the states by their distance from the start."""
    seen, layers = {_START_OR_END}, [[_START_OR_END]]
    while layers[-1]:
        following = [after for state in layers[-1] for before, after in moves if before == state]
        layers.append([one for one in dict.fromkeys(following) if one not in seen])
        seen.update(layers[-1])
    return layers[1:-1]


def _draw_move(
    start: tuple[int, int], end: tuple[int, int], names: tuple[str, str], *, is_bent: bool
) -> str:
    side = 1 if start[0] < end[0] else -1
    x1, x2 = (
        x + way * side * (_width(name) // 2 + 1)
        for (x, _), name, way in zip((start, end), names, (1, -1), strict=True)
    )
    bend = _BOW * side if is_bent else 0
    y1, y2 = start[1] - bend // 2, end[1] - bend // 2
    middle = (x1 + x2) // 2, (y1 + y2) // 2 - bend
    return f'<path d="M{x1} {y1}Q{middle[0]} {middle[1]} {x2} {y2}" marker-end="url(#arrow)"/>'


def _box(x: int, y: int, text: str, *, is_double: bool = False) -> Iterator[str]:
    width = _width(text)
    left, top = x - width // 2, y - _BOX // 2
    fill = "var(--color-background-primary, white)"
    yield f'<rect x="{left}" y="{top}" width="{width}" height="{_BOX}" rx="6" fill="{fill}"/>'
    if is_double:
        yield (
            f'<rect x="{left + 3}" y="{top + 3}" width="{width - 6}" height="{_BOX - 6}" rx="4"/>'
        )
    yield _text(x, y + 4, text)


def _text(x: int, y: int, text: str, *, anchor: str = "middle") -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="currentColor" stroke="none">'
        f"{escape(text)}</text>"
    )


def _width(text: str) -> int:
    return len(text) * _CHARACTER + _PAD


def _frame(size: tuple[int, int], label: str, shapes: Iterable[str]) -> str:
    return _FRAME.format(
        width=size[0],
        height=size[1],
        label=escape(label, quote=True),
        shapes="\n".join(shapes),
    )


def _unknown(line: str) -> ValueError:
    return ValueError(f"docs/diagrams.py cannot draw the line {line!r}")
