"""What people and programs are shown of events."""

import json

from ringback.cli.view import event_to_json, line_of, trail_of
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId
from tests import factories

LOST = Event(
    CallbackId("cb_1"),
    factories.NOW,
    EventKind.ANSWERED_DIFFERENTLY,
    {"kind": "failed", "message": "no", "body": "4111-SECRET", "details": "4111-SECRET"},
)


def test_nothing_of_an_answer_that_lost_is_printed() -> None:
    printed = [json.dumps(event_to_json(LOST)), line_of(LOST), *trail_of([LOST]).columns[2].cells]

    assert [str(one) for one in printed if "SECRET" in str(one)] == []
    assert all("failed" in str(one) for one in printed)
