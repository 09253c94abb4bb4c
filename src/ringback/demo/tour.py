"""Shows a round trip while it happens: who spoke to whom, and when."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

_FROM_THE_CORE: Final[Mapping[str, tuple[str, str, str]]] = {
    "callback opened": ("worker", "store", "commit the callback {callback_id}"),
    "answers accepted": ("gateway", "store", "commit the answer: {kinds}"),
    "outcome applied": ("gateway", "Temporal", "end the activity, in the outcome's own name"),
    "outcome superseded": ("gateway", "store", "the activity had ended another way"),
    "outcome parked": ("gateway", "store", "a person must look"),
}
"""What the programs log of themselves, as steps."""


class Tour:
    """Prints the steps among the lines that the programs log."""

    def __init__(self, console: Console) -> None:
        """Print on `console`."""
        self._console = console

    def on_line(self, program: str, line: str) -> None:
        """Print `line` if it is a step; otherwise only if it tells of trouble."""
        record = _parse(line)
        step = to_step(record)
        if step is not None:
            who, whom, what = step
            self.say(who, whom, what, at=datetime.fromtimestamp(record["at"], UTC))
        elif record.get("level") in {"ERROR", "CRITICAL"}:
            self._console.print(f"[red]{program}: {escape(line)}[/red]")

    def on_client_line(self, program: str, line: str) -> None:
        """Print `line`, as a step if it is one: what the client says is for the reader."""
        if _parse(line):
            self.on_line(program, line)
        else:
            self._console.print(escape(line), soft_wrap=True)

    def say(self, who: str, whom: str, what: str, *, at: datetime) -> None:
        """Print one step."""
        when = at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        self._console.print(
            f"[dim]{when}[/dim]  [bold]{who:>8} → {whom:<8}[/bold]  {escape(what)}", soft_wrap=True
        )


def to_step(record: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return who said what to whom in a line of the log; `None` if it is not a step."""
    if "who" in record:
        return record["who"], record["whom"], record["what"]
    known = _FROM_THE_CORE.get(record.get("message", ""))
    if known is None:
        return None
    who, whom, what = known
    return who, whom, what.format_map(record)


def _parse(line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
