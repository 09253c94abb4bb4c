"""Notifications: messages to people about a callback that show its current state."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Any, Final, NewType

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback
from ringback.domain.durations import later
from ringback.domain.ids import CallbackId
from ringback.domain.text_checks import to_key

NotificationId = NewType("NotificationId", str)

MAIL: Final = "mail"
SLACK: Final = "slack"
PERSONAL: Final = frozenset({MAIL, SLACK})
"""The channels that reach each assignee, unless a recipient follows their name."""

ESCALATION: Final = "escalation"
"""The channel of rows that reassign a callback instead of sending a message."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one recipient through one channel, sent or still to send.

    Attributes:
        id: `nf_…`, a digest of the callback, the channel and the recipient.
        callback_id: The callback.
        channel: `mail`, `slack`, `escalation`, or a name that an operator configured.
        recipient: `user:ada@example.org` or `group:finance`; in Slack `#channel` or `@user`; the
            number of an escalation; empty for a channel with one fixed recipient.
        version: Incremented by each change of the callback.
        tries: How often it was claimed since the last success.
        held_until: The end of the claim, which identifies it.
        failing_since: When the first try since the last success failed.
        sent_at: When the first message was sent; `None` until then.
        reminded_at: When the latest message that asks was sent.
        shown: A digest of what was shown last.
        subject: The digest of the subject that was shown last.
        ref: What names the sent message in its channel.
        last_error: Why the latest try failed; `None` after a success.
    """

    id: NotificationId
    callback_id: CallbackId
    channel: str
    recipient: str
    version: int = 0
    tries: int = 0
    held_until: datetime | None = None
    failing_since: datetime | None = None
    sent_at: datetime | None = None
    reminded_at: datetime | None = None
    shown: str | None = None
    subject: str | None = None
    ref: dict[str, str] | None = field(default=None, repr=False)
    last_error: str | None = None


def notification_id(callback_id: CallbackId, channel: str, recipient: str) -> NotificationId:
    """Return the id of a notification: the same for the same recipient in any case."""
    parts = [callback_id, channel, to_key(recipient)]
    return NotificationId("nf_" + sha256(json.dumps(parts).encode()).hexdigest()[:32])


def notifications_for(callback: Callback) -> list[Notification]:
    """Return the notifications of a callback for those who are asked now."""
    policy = callback.options.policy
    assignees = () if policy is None else policy.assignees
    pairs: dict[NotificationId, Notification] = {}
    for written in callback.options.notify:
        channel, _, to = written.partition(":")
        is_personal = channel in PERSONAL and not to
        for recipient in (assignees or ("",)) if is_personal else (to,):
            id_ = notification_id(callback.id, channel, recipient)
            pairs[id_] = Notification(id_, callback.id, channel, recipient)
    return list(pairs.values())


def escalations_of(callback: Callback) -> list[tuple[Notification, datetime]]:
    """Return the escalations of a new callback, each with the time at which it is due."""
    found = []
    for number, step in enumerate(callback.options.escalate):
        id_ = notification_id(callback.id, ESCALATION, str(number))
        row = Notification(id_, callback.id, ESCALATION, str(number))
        found.append((row, later(callback.opened_at, step.after)))
    return found


class Purpose(Enum):
    """Why a message is sent."""

    ASK = "ask"
    """The first message."""

    CHANGE = "change"
    """What is asked has changed: a new message where the first cannot be rewritten."""

    REMIND = "remind"
    """The decision is still missing."""

    UPDATE = "update"
    """The first message is rewritten."""

    TEST = "test"
    """An operator tests the channel."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a message shows: the current state of a question.

    Attributes:
        callback_id: The callback.
        title: What is asked, in a few words.
        description: The same at length, if there is more.
        details: The details as names and values.
        asked: The people who are asked.
        progress: The votes so far, one line for each.
        deadline_at: When an answer is too late.
        subject: The digest of the title, description and details.
        url: The page on which people decide.
        can_approve: Whether a button may approve.
        can_reject: Whether a button may reject.
        ended: How the question ended, in plain words; `None` while it is open.
    """

    callback_id: CallbackId
    title: str
    description: str | None = field(default=None, repr=False)
    details: Sequence[tuple[str, str]] = field(default=(), repr=False)
    asked: Sequence[str] = ()
    progress: Sequence[str] = ()
    deadline_at: datetime | None = None
    subject: str = ""
    url: str = field(default="", repr=False)
    can_approve: bool = False
    can_reject: bool = False
    ended: str | None = None

    @property
    def digest(self) -> str:
        """Text that differs for each notice that looks different."""
        facts = json.dumps(asdict(self), default=str, sort_keys=True)
        return sha256(facts.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class NotificationStatus:
    """How far a notification is, for people who look at its callback.

    Attributes:
        channel: As in `Notification`.
        recipient: As in `Notification`.
        state: `waiting`, `sent`, `retrying` or `failed`.
        sent_at: When the first message was sent.
        reminded_at: When the latest message that asks was sent.
        due_at: When the next message or try is due.
        tries: The failed tries since the last success.
        last_error: Why the latest try failed.
    """

    channel: str
    recipient: str
    state: str
    sent_at: datetime | None
    reminded_at: datetime | None
    due_at: datetime | None
    tries: int
    last_error: str | None


SHOWN: Final = frozenset({
    AuditKind.OPENED_AGAIN,
    AuditKind.EXTENDED,
    AuditKind.REVOKED,
    AuditKind.VOTED,
    AuditKind.VOTE_WITHDRAWN,
    AuditKind.CLAIMED,
    AuditKind.RELEASED,
    AuditKind.REASSIGNED,
    AuditKind.SUBJECT_CHANGED,
    AuditKind.ACCEPTED,
    AuditKind.APPLIED,
    AuditKind.SUPERSEDED,
    AuditKind.PARKED,
    AuditKind.REDELIVERED,
    AuditKind.EXPIRED,
})
"""The entries that change what a message shows, or who gets one."""


def sent_entry(notification: Notification, at: datetime) -> AuditEntry:
    """Return the entry of a message that asks for a decision."""
    return AuditEntry(notification.callback_id, at, AuditKind.NOTIFIED, _facts(notification))


def failed_entry(
    notification: Notification, at: datetime, reason: str, *, is_final: bool
) -> AuditEntry:
    """Return the entry of a message's first failed try, or of giving up."""
    kind = AuditKind.NOTIFICATION_FAILED if is_final else AuditKind.NOTIFICATION_RETRYING
    return AuditEntry(
        notification.callback_id, at, kind, {**_facts(notification), "reason": reason}
    )


def _facts(notification: Notification) -> dict[str, object]:
    return {"channel": notification.channel, "recipient": notification.recipient}


_INVISIBLE: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
"""Characters that change the direction of text, with which it can be made to look different."""


def to_visible(text: str, *, lines: bool = True) -> str:
    """Return `text` without control characters and marks of direction; never raises.

    Without `lines`, line breaks become spaces.
    """
    kept = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    if not lines:
        kept = " ".join(kept.split())
    return "".join(
        one for one in kept if one == "\n" or (one.isprintable() and one not in _INVISIBLE)
    )


def to_text(value: Any) -> str:
    """Return the value of a detail as text."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def shorten(text: str, longest: int) -> str:
    """Return `text`, cut after `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


LONGEST_ERROR: Final = 300

RETRY_FOR: Final = timedelta(days=3)
"""How long a message is tried again."""
