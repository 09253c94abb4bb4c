"""What the demo's client prints."""

from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console

from ringback.demo.call import (
    Ending,
    Look,
    WorkflowCanceled,
    WorkflowFailed,
    WorkflowReturned,
    WorkflowTimedOut,
)
from ringback.demo.client import CallView
from ringback.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def page() -> StringIO:
    return StringIO()


@pytest.fixture
def shown(page: StringIO, clock: ManualClock) -> CallView:
    return CallView(Console(file=page, highlight=False, soft_wrap=True), clock)


def test_missing_worker_is_reported_once(
    shown: CallView, page: StringIO, clock: ManualClock
) -> None:
    look = Look(is_taken_up=False, is_asked=False, heartbeat=[])

    shown.look(look)
    clock.advance(timedelta(seconds=6))
    shown.look(look)
    shown.look(look)

    assert page.getvalue() == ("no worker has taken it up yet; is one running? (ringback worker)\n")


def test_heartbeat_is_printed_once(shown: CallView, page: StringIO) -> None:
    for details in (["a"], ["a"], ["b", 2]):
        shown.look(Look(is_taken_up=True, is_asked=True, heartbeat=details))

    assert page.getvalue() == 'heartbeat: "a"\nheartbeat: ["b", 2]\n'


@pytest.mark.parametrize(
    ("ending", "line", "code"),
    [
        (WorkflowReturned(None), "completed: null", 0),
        (WorkflowReturned("[red]x" * 40), f'completed: "{"[red]x" * 40}"', 0),
        (WorkflowCanceled([]), "canceled: []", 0),
        (WorkflowCanceled([{"a": 1}]), 'canceled: {"a": 1}', 0),
        (WorkflowFailed("no", "Declined"), "failed: no (type Declined)", 1),
        (WorkflowTimedOut("heartbeat"), "timed out: nobody answered in time (heartbeat)", 1),
    ],
)
def test_each_end_has_one_line_and_an_exit_code(
    shown: CallView, page: StringIO, ending: Ending, line: str, code: int
) -> None:
    assert shown.end(ending) == code
    assert page.getvalue() == f"{line}\n"
