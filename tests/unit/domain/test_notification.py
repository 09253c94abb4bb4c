"""Who is notified of a question, and text that shows nothing false."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.ids import CallbackId
from ringback.domain.notification import (
    Notice,
    escalations_of,
    notification_id,
    notifications_for,
    shorten,
    to_text,
    to_visible,
)
from ringback.domain.person import Directory
from ringback.domain.policy import Policy
from ringback.domain.policy_checks import Escalation
from tests import factories

ID = CallbackId("cb_1")


async def test_bare_personal_channel_reaches_each_assignee() -> None:
    policy = Policy(assignees=("user:ada", "group:finance"))
    callback = await factories.opened(
        factories.request(notify=("mail", "slack", "mail:eve@x", "ops"), policy=policy)
    )

    found = [(one.channel, one.recipient) for one in notifications_for(callback)]

    assert found == [
        ("mail", "user:ada"),
        ("mail", "group:finance"),
        ("slack", "user:ada"),
        ("slack", "group:finance"),
        ("mail", "eve@x"),
        ("ops", ""),
    ]


async def test_escalations_are_due_after_the_opening() -> None:
    steps = (Escalation(timedelta(hours=1), ("user:a",)), Escalation(timedelta.max, ("user:b",)))
    callback = await factories.opened(factories.request(escalate=steps))

    (first, due_at), (second, latest) = escalations_of(callback)

    assert (first.recipient, due_at) == ("0", callback.opened_at + timedelta(hours=1))
    assert (second.recipient, latest.year) == ("1", 9999)


def test_recipient_in_another_case_is_the_same() -> None:
    assert notification_id(ID, "mail", "user:Ada") == notification_id(ID, "mail", "user:ada")
    assert notification_id(ID, "mail", "user:ada") != notification_id(ID, "slack", "user:ada")


def test_digest_differs_for_each_notice_that_looks_different() -> None:
    notices = [
        Notice(ID, "a"),
        Notice(ID, "b"),
        Notice(ID, "a", details=[("x", "1")]),
        Notice(ID, "a", ended="over"),
        Notice(ID, "a", deadline_at=factories.NOW),
    ]

    assert len({notice.digest for notice in notices}) == len(notices)
    assert Notice(ID, "a").digest == notices[0].digest


@given(st.text())
def test_visible_text_has_no_control_characters(text: str) -> None:
    visible = to_visible(text, lines=False)

    assert visible.isprintable()
    assert to_visible(visible, lines=False) == visible.strip() or " " in visible


@pytest.mark.parametrize(
    ("text", "visible"),
    [("a\r\nb\rc", "a\nb\nc"), ("a\tb", "a b"), ("a\u202eb\u2066c\u200f", "abc"), ("a\x00b", "ab")],
)
def test_lines_stay_and_marks_go(text: str, visible: str) -> None:
    assert to_visible(text) == visible


def test_text_is_cut_at_its_longest() -> None:
    assert (shorten("abc", 3), shorten("abcd", 3)) == ("abc", "ab…")


@pytest.mark.parametrize(("value", "text"), [("é", "é"), (1, "1"), ({"a": ["é"]}, '{"a": ["é"]}')])
def test_value_of_a_detail_is_text_or_json(value: object, text: str) -> None:
    assert to_text(value) == text


def test_directory_ignores_case() -> None:
    directory = Directory.of(
        {"Finance": ["Ada@Example.org"]},
        mail={"Lin": "lin@example.org"},
        slack={"Lin": "U1"},
    )

    assert directory.members_of("FINANCE") == {"ada@example.org"}
    assert directory.members_of("unknown") == frozenset()
    assert directory.groups_of("ADA@example.org") == {"finance"}
    assert directory.mail_of("LIN") == "lin@example.org"
    assert directory.mail_of("ada@example.org") == "ada@example.org"
    assert directory.mail_of("grace") is None
    assert (directory.slack_of("lin"), directory.slack_of("ada")) == ("U1", None)
    assert (directory.user_of_slack("U1"), directory.user_of_slack("U2")) == ("lin", None)
