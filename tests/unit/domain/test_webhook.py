"""What webhooks contain, and what they never contain."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.webhook import NOTIFIED, STATES, to_body, to_type, webhooks_for
from tests import factories

CANCEL, NOTIFY = "https://outside.example/cancel", "https://outside.example/notify"


def entry(kind: AuditKind, /, **facts: Any) -> AuditEntry:
    return AuditEntry(factories.callback_id(), factories.NOW, kind, facts)


@pytest.mark.parametrize("kind", AuditKind)
def test_event_in_the_table_makes_a_webhook(kind: AuditKind) -> None:
    webhooks = webhooks_for(entry(kind), None, NOTIFY)

    assert bool(webhooks) is (kind in NOTIFIED)


@pytest.mark.parametrize("kind", list(NOTIFIED))
def test_message_contains_only_facts_in_the_table(kind: AuditKind) -> None:
    (webhook,) = webhooks_for(entry(kind, proof="hush", outcome="oc_1", worker="w"), None, NOTIFY)

    assert webhook.facts == {}
    assert b"hush" not in to_body(webhook)


def test_answer_of_a_sender_is_not_sent_to_cancel_url() -> None:
    accepted = entry(AuditKind.ACCEPTED, kind="completed", outcome="oc_1")

    assert webhooks_for(accepted, CANCEL, None) == []


def test_id_depends_only_on_the_message() -> None:
    expired = entry(AuditKind.EXPIRED, reason="over")
    once, again = (webhooks_for(expired, CANCEL, NOTIFY) for _ in range(2))

    other = webhooks_for(entry(AuditKind.EXPIRED, reason="over"), CANCEL, NOTIFY)

    assert once == again
    assert len({webhook.id for webhook in once + other}) == 4


def test_repr_hides_the_url() -> None:
    (webhook,) = webhooks_for(entry(AuditKind.EXPIRED), None, "https://outside.example/?key=hush")

    assert "hush" not in repr(webhook)


@example("\N{GRINNING FACE}" * 100_000, AuditKind.ACCEPTED)
@given(st.text(), st.sampled_from(list(NOTIFIED)))
def test_message_is_small_json_for_any_facts(text: str, kind: AuditKind) -> None:
    facts = dict.fromkeys(NOTIFIED[kind], text)
    (webhook,) = webhooks_for(entry(kind, **facts), None, NOTIFY)

    body = to_body(webhook)

    assert len(body) < 20_000
    message = json.loads(body)
    assert message["type"] == to_type(kind)
    assert set(message["data"]) == {"callback", *NOTIFIED[kind].values()} | (
        {"state"} if kind in STATES else set()
    )
