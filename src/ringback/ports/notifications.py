"""Notifications: sending a message to a person, and the outbox of those that are due.

The promises of `ringback.ports.store` hold here too. A notification enters the outbox in the
transaction that opens its callback.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeAlias

from ringback.domain.ids import CallbackId
from ringback.domain.notification import (
    Notice,
    Notification,
    NotificationStatus,
    Purpose,
)


@dataclass(frozen=True, slots=True)
class PersonalMessage:
    """One message to one recipient.

    Attributes:
        key: The same at every try, so that a message that was sent twice can be recognized.
        recipient: See `Notification.recipient`.
        purpose: Why it is sent.
        notice: What it shows.
        ref: What `Sent` returned for the first message; `None` for the first.
    """

    key: str
    recipient: str
    purpose: Purpose
    notice: Notice
    ref: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel accepted it.

    Attributes:
        ref: What names the message in its channel.
    """

    ref: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class NotSent:
    """A later try may succeed.

    Attributes:
        reason: What happened, without any secret.
        retry_after: The wait that the channel requested, if any.
    """

    reason: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unsendable:
    """No later try can succeed.

    Attributes:
        reason: What happened, without any secret.
    """

    reason: str


Sending: TypeAlias = Sent | NotSent | Unsendable


class Channel(Protocol):
    """Sends messages to people."""

    @property
    def can_update(self) -> bool:
        """Whether a message can be rewritten."""
        ...

    async def send(self, message: PersonalMessage) -> Sending:
        """Send or rewrite `message` once."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A claimed notification that needs nothing more now.

    Attributes:
        notification: The claimed one.
        shown: A digest of what is shown now; `None` if nothing was ever sent.
        subject: The digest of the subject that is shown now.
        ref: What names the message in its channel.
        was_asked: Whether a message was sent now that asks for a decision.
        next_in: When the next message is due, from the latest that asked; `None` if none is.
    """

    notification: Notification
    shown: str | None = None
    subject: str | None = None
    ref: Mapping[str, str] | None = field(default=None, repr=False)
    was_asked: bool = False
    next_in: timedelta | None = None

    @property
    def is_same(self) -> bool:
        """Whether nothing was sent, so that what failed earlier still failed."""
        return not self.was_asked and self.shown == self.notification.shown


@dataclass(frozen=True, slots=True)
class Failure:
    """A claimed notification that could not be sent.

    Attributes:
        notification: The claimed one.
        reason: Why, without any secret.
        wait: The time until the next try; `None` gives up until the callback changes.
    """

    notification: Notification
    reason: str
    wait: timedelta | None


class NotificationOutbox(Protocol):
    """What the notifier needs."""

    async def claim_notifications(
        self, *, limit: int, lease: timedelta, excluded: Collection[str] = ()
    ) -> Sequence[Notification]:
        """Claim notifications that are due, the longest due first; each claim counts as a try.

        No other process gets them until the lease ends. `excluded` names channels whose
        notifications are left out.
        """
        ...

    async def end_notification(self, shown: Shown) -> None:
        """Store what is shown now.

        If the callback has changed since the claim, the notification is due at once. A result of
        an older claim is ignored.
        """
        ...

    async def fail_notification(self, failure: Failure) -> None:
        """Give a claimed notification back, to be tried again or not.

        Its first failure enters the audit trail, and so does giving up.
        """
        ...

    async def add_recipients(self, claimed: Notification, recipients: Sequence[str]) -> None:
        """Replace the claimed notification to a group by one for each of its `recipients`."""
        ...

    async def next_notification(self) -> timedelta | None:
        """Return the time until a notification is due; `None` if none is scheduled."""
        ...

    async def notifications_of(self, callback_id: CallbackId) -> Sequence[NotificationStatus]:
        """Return how far the notifications of a callback are, in the order of their channels."""
        ...
