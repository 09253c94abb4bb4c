"""The page's history names whom a question reached, and no reason that may name a host."""

from typing import Any

import pytest

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.gateway.pages.plain_words import ABOUT_PEOPLE, describe_entry
from tests import factories


@pytest.mark.parametrize(
    ("recipient", "channel", "expected"),
    [
        ("user:ada@example.org", "mail", "ada@example.org was notified by mail"),
        ("group:finance", "mail", "the group finance was notified by mail"),
        ("#finance", "slack", "#finance was notified by slack"),
        ("", "ops", "Somebody was notified by ops"),
    ],
)
def test_history_names_channel_and_recipient(recipient: str, channel: str, expected: str) -> None:
    facts: dict[str, object] = {"channel": channel, "recipient": recipient}

    assert described(AuditKind.NOTIFIED, facts) == expected


@pytest.mark.parametrize("kind", [AuditKind.NOTIFICATION_RETRYING, AuditKind.NOTIFICATION_FAILED])
def test_history_shows_a_failure_without_its_reason(kind: AuditKind) -> None:
    facts: dict[str, object] = {
        "channel": "mail",
        "recipient": "user:ada@example.org",
        "reason": "mail.internal is away",
    }

    assert described(kind, facts) == "ada@example.org could not be notified by mail"


def described(kind: AuditKind, facts: dict[str, Any]) -> str | None:
    return describe_entry(AuditEntry(factories.callback_id(), factories.NOW, kind, facts))


def test_recipients_are_shown_only_to_those_who_see_people() -> None:
    kinds = {AuditKind.NOTIFIED, AuditKind.NOTIFICATION_RETRYING, AuditKind.NOTIFICATION_FAILED}

    assert kinds < ABOUT_PEOPLE
