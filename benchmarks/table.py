"""Tables of figures, as Markdown: medians, each with its lowest and highest."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.bench import Part
from benchmarks.figures import Bar, Figures, Measured
from benchmarks.results import Outcome

_NOTHING = "-"


def figure_table(part: Part, outcome: Outcome) -> str:
    """Return one row for each setting and whose it is, one column for each figure."""
    figures = Figures(outcome.measured)
    kinds = {one.what: one.unit for one in figures}
    head = ["", "", *(f"{what}, {unit}" if unit else what for what, unit in kinds.items())]
    compared = _compared(part, figures)
    rows = (
        [at, of, *(_cell(figures.find(of, at=at, what=what)) for what in kinds)]
        + ([_times(part, figures, of, at=at)] if compared else [])
        for of, at in _settings(figures)
    )
    return markdown([*head, f"{part.COMPARED}: ours ÷ this"] if compared else head, rows)


def bar_table(bars: Iterable[Bar]) -> str:
    """Return one row for each bar: what was wanted, what was got, met or missed."""
    rows = (
        [bar.sentence, _wanted(bar), _got(bar), "met" if bar.is_met else "**missed**"]
        for bar in bars
    )
    return markdown(["Bar", "wanted", "got", ""], rows)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, aligned so that it reads well as it is."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in lines]
    padded.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(row)} |\n" for row in padded)


def number(value: float) -> str:
    """Return `value` with as many digits as say something."""
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004 - three digits say enough
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _settings(figures: Figures) -> Iterator[tuple[str, str]]:
    """Yield whose figures there are at which setting, setting by setting."""
    for at in dict.fromkeys(one.at for one in figures):
        yield from dict.fromkeys((one.of, at) for one in figures if one.at == at)


def _compared(part: Part, figures: Figures) -> bool:
    return any(one.of != part.OURS and one.what == part.COMPARED for one in figures)


def _times(part: Part, figures: Figures, of: str, *, at: str) -> str:
    ours, this = (figures.find(who, at=at, what=part.COMPARED) for who in (part.OURS, of))
    if ours is None or this is None or of == part.OURS or not this.median:
        return _NOTHING
    return number(ours.median / this.median)


def _cell(one: Measured | None) -> str:
    if one is None:
        return _NOTHING
    if len(one.values) == 1 or one.lowest == one.highest:
        return number(one.median)
    return f"{number(one.median)} ({number(one.lowest)} to {number(one.highest)})"


def _wanted(bar: Bar) -> str:
    sign = "≤" if bar.is_ceiling else "≥"
    return f"{sign} {number(bar.wanted)} {bar.unit}".rstrip()


def _got(bar: Bar) -> str:
    spread = f" ({number(min(bar.values))} to {number(max(bar.values))})"
    has_spread = len(bar.values) > 1 and min(bar.values) != max(bar.values)
    return f"{number(bar.got)} {bar.unit}".rstrip() + (spread if has_spread else "")
