"""What the outside is told, and what it is never told."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringback.domain.event import Event, EventKind
from ringback.domain.notice import NOTIFIED, STATES, notices_of, to_body, type_of
from tests import factories

CANCEL, NOTIFY = "https://outside.example/cancel", "https://outside.example/notify"


def event(kind: EventKind, /, **facts: Any) -> Event:
    return Event(factories.callback_id(), factories.NOW, kind, facts)


@pytest.mark.parametrize("kind", EventKind)
def test_an_event_is_told_if_it_stands_in_the_table(kind: EventKind) -> None:
    notices = notices_of(event(kind), None, NOTIFY)

    assert bool(notices) is (kind in NOTIFIED)


@pytest.mark.parametrize("kind", list(NOTIFIED))
def test_no_fact_is_told_that_the_table_does_not_name(kind: EventKind) -> None:
    (notice,) = notices_of(event(kind, proof="hush", outcome="oc_1", worker="w"), None, NOTIFY)

    assert notice.facts == {}
    assert b"hush" not in to_body(notice)


def test_who_answers_is_not_told_that_it_need_not_answer() -> None:
    accepted = event(EventKind.ACCEPTED, kind="completed", outcome="oc_1")

    assert notices_of(accepted, CANCEL, None) == []


def test_the_same_message_has_the_same_id_and_another_one_another() -> None:
    expired = event(EventKind.EXPIRED, reason="over")
    once, again = (notices_of(expired, CANCEL, NOTIFY) for _ in range(2))

    other = notices_of(event(EventKind.EXPIRED, reason="over"), CANCEL, NOTIFY)

    assert once == again
    assert len({notice.id for notice in once + other}) == 4


def test_an_address_is_not_shown() -> None:
    (notice,) = notices_of(event(EventKind.EXPIRED), None, "https://outside.example/?key=hush")

    assert "hush" not in repr(notice)


@example("\N{GRINNING FACE}" * 100_000, EventKind.ACCEPTED)
@given(st.text(), st.sampled_from(list(NOTIFIED)))
def test_a_message_is_small_json_whatever_the_facts_say(text: str, kind: EventKind) -> None:
    facts = dict.fromkeys(NOTIFIED[kind], text)
    (notice,) = notices_of(event(kind, **facts), None, NOTIFY)

    body = to_body(notice)

    assert len(body) < 20_000
    message = json.loads(body)
    assert message["type"] == type_of(kind)
    assert set(message["data"]) == {"callback", *NOTIFIED[kind].values()} | (
        {"state"} if kind in STATES else set()
    )
