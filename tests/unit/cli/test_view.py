"""What people are shown of events."""

from ringback.cli.view import line_of, trail_of
from ringback.schemas.responses import EventOut
from tests import factories

LOST = EventOut(at=factories.NOW, kind="answered differently", facts={"kind": "failed\x1b[31m"})


def test_event_is_shown_with_its_facts_and_steers_no_terminal() -> None:
    printed = [line_of(LOST), *(str(cell) for cell in trail_of([LOST]).columns[2].cells)]

    assert all("kind: failed" in one and "\x1b" not in one for one in printed)
