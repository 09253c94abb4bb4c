"""The help of a command, with words and URLs that are never broken."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, Final

from typer.core import TyperCommand

_INDENT: Final = 2
_GAP: Final = 2
_WIDEST_NAMES: Final = 30


class WholeWordsCommand(TyperCommand):
    """A command whose help breaks no word.

    Help stands beside the names of its option. Help with a word that does not fit there, as a
    long URL, stands below them and uses the whole width.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options to `formatter`."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            of_kind = [one for one in self.get_params(ctx) if one.param_type_name == kind]
            records = [found for one in of_kind if (found := one.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write("".join(f"{line}\n" for line in _lines(records, formatter)))


def _lines(records: Sequence[tuple[str, str]], formatter: Any) -> Iterator[str]:
    column = _INDENT + min(max(len(names) for names, _ in records), _WIDEST_NAMES) + _GAP
    for names, text in records:
        start = f"{'':{_INDENT}}{names}"
        longest = max(map(len, text.split()), default=0)
        indent = column if column + longest <= formatter.width else 2 * _INDENT
        lines = wrap(text, formatter.width - indent, break_long_words=False, break_on_hyphens=False)
        if lines and len(start) + _GAP <= indent:
            yield f"{start:{indent}}{lines.pop(0)}"
        else:
            yield start
        yield from (f"{'':{indent}}{line}" for line in lines)
