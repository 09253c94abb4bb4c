"""Notifier: send each message to a person, and rewrite it whenever its question changes."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ringback.core.claim_loop import ClaimLoop
from ringback.core.hooks import FAILED, NO_HOOKS, RETRYING, SENT, Hooks
from ringback.core.notice import choose_purpose, escalate, message_key, write_notice
from ringback.core.services import caught
from ringback.domain.callback import Callback, State
from ringback.domain.durations import backoff
from ringback.domain.ids import CallbackId
from ringback.domain.notification import (
    ESCALATION,
    PERSONAL,
    RETRY_FOR,
    Notice,
    Notification,
    Purpose,
)
from ringback.domain.person import GROUP, USER, Directory
from ringback.domain.policy import Proof, Voter
from ringback.domain.vote import Vote, find_vote
from ringback.ports.clock import Clock
from ringback.ports.notifications import (
    Channel,
    Failure,
    NotificationOutbox,
    NotSent,
    PersonalMessage,
    Sending,
    Sent,
    Shown,
    Unsendable,
)
from ringback.ports.store import CallbackStore
from ringback.ports.votes import VoteStore

logger = logging.getLogger(__name__)

CHANNEL_SLOTS: Final = 16
"""Maximum messages sent through one channel at a time, so that it does not block the others."""

SLOTS: Final = 4 * CHANNEL_SLOTS
"""Maximum messages sent at a time."""

PATIENCE: Final = timedelta(seconds=25)
"""The timeout of a channel; its own is shorter."""

LEASE: Final = timedelta(seconds=40)
"""How long no other process sends a claimed message, which is longer than one try takes."""

FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)

_ASKS: Final = frozenset({Purpose.ASK, Purpose.CHANGE, Purpose.REMIND})


class Notifier:
    """Claims notifications that are due, and sends or rewrites the message of each.

    It may be killed at any moment: another process sends the claimed messages again when the lease
    ends. So each message is sent at least once.
    """

    def __init__(
        self,
        outbox: NotificationOutbox,
        store: CallbackStore,
        votes: VoteStore,
        *,
        channels: Mapping[str, Channel],
        directory: Directory,
        to_url: Callable[[Callback], str],
        clock: Clock,
        jitter: Callable[[], float],
        patience: timedelta = PATIENCE,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Send the notifications of `outbox` through `channels`; `to_url` returns the page."""
        self._hooks = hooks
        self._outbox = outbox
        self._store = store
        self._votes = votes
        self._channels = channels
        self._directory = directory
        self._to_url = to_url
        self._clock = clock
        self._jitter = jitter
        self._patience = patience
        self._loop = ClaimLoop(
            self._process,
            what="notifications",
            claim=lambda limit, full: outbox.claim_notifications(
                limit=limit, lease=LEASE, excluded=full
            ),
            until_due=outbox.next_notification,
            describe=lambda one: f"notification of {one.callback_id}",
            to_group=lambda one: one.channel,
            slots=SLOTS,
            group_slots=CHANNEL_SLOTS,
            clock=clock,
        )

    async def run(self) -> None:
        """Send until canceled; then other processes send what was in progress again."""
        await self._loop.run()

    async def test(self, channel: str, recipient: str) -> Sending:
        """Send a test message, and return the result."""
        found = self._channels.get(channel)
        if found is None:
            return Unsendable(self._describe_unknown(channel))
        notice = Notice(CallbackId(""), "A test message of Ringback")
        key = f"test.{self._clock.now().timestamp():.0f}"
        return await self._send(found, PersonalMessage(key, recipient, Purpose.TEST, notice))

    async def _process(self, claimed: Notification) -> None:
        callback = (await self._store.find([claimed.callback_id])).get(claimed.callback_id)
        if callback is None:
            await self._fail(claimed, Unsendable("its callback cannot be read"))
        elif claimed.channel == ESCALATION:
            await self._escalate(claimed, callback)
        elif _is_to_group(claimed) and callback.state is State.OPEN:
            await self._expand(claimed)
        else:
            await self._show(claimed, callback)

    async def _escalate(self, claimed: Notification, callback: Callback) -> None:
        why = await escalate(self._votes, callback, int(claimed.recipient))
        if why is None:
            await self._outbox.end_notification(Shown(claimed))
        else:
            await self._fail(claimed, Unsendable(why))

    async def _expand(self, claimed: Notification) -> None:
        group = claimed.recipient.removeprefix(GROUP)
        members = sorted(self._directory.members_of(group))
        if members:
            await self._outbox.add_recipients(claimed, [f"{USER}{user}" for user in members])
        else:
            why = f"the group {group} has no members; add them to RINGBACK_PEOPLE_FILE"
            await self._fail(claimed, Unsendable(why))

    async def _show(self, claimed: Notification, callback: Callback) -> None:
        channel = self._channels.get(claimed.channel)
        if channel is None:
            await self._fail(claimed, Unsendable(self._describe_unknown(claimed.channel)))
            return
        votes = (await self._votes.votes([callback.id])).get(callback.id, ())
        notice = write_notice(callback, votes, self._to_url(callback))
        is_wanted = self._is_wanted(claimed, callback, votes)
        purpose = choose_purpose(
            claimed,
            callback,
            notice,
            now=_claimed_at(claimed),
            is_wanted=is_wanted,
            can_update=channel.can_update,
        )
        wait = callback.options.remind_every if is_wanted else None
        if purpose is None:
            unchanged = Shown(
                claimed, claimed.shown, claimed.subject, ref=claimed.ref, next_in=wait
            )
            await self._outbox.end_notification(unchanged)
            return
        key = message_key(claimed, purpose, notice)
        message = PersonalMessage(key, claimed.recipient, purpose, notice, claimed.ref)
        sending = await self._send(channel, message)
        if not isinstance(sending, Sent):
            await self._fail(claimed, sending)
            return
        shown = Shown(
            claimed,
            notice.digest,
            notice.subject,
            # What was sent first is rewritten or answered later.
            ref=claimed.ref or sending.ref,
            was_asked=purpose in _ASKS,
            next_in=wait,
        )
        await self._outbox.end_notification(shown)
        self._hooks.notification_ended(claimed.channel, SENT)
        logger.info("notified", extra={**_facts(claimed), "purpose": purpose.value})

    def _is_wanted(self, claimed: Notification, callback: Callback, votes: Sequence[Vote]) -> bool:
        """Return whether the recipient may still decide, and has not yet."""
        if callback.state is not State.OPEN:
            return False
        policy = callback.options.policy
        if policy is None or not claimed.recipient.startswith(USER):
            return True
        user = claimed.recipient.removeprefix(USER)
        voter = Voter(user, self._directory.groups_of(user), Proof.CHAT)
        return policy.why_not(voter) is None and find_vote(votes, user) is None

    async def _send(self, channel: Channel, message: PersonalMessage) -> Sending:
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                sending = await caught(channel.send(message))
        except TimeoutError:
            return NotSent("the channel did not reply in time")
        if isinstance(sending, Exception):
            # The message of an unknown error may contain a secret.
            return NotSent(f"a bug in Ringback: {type(sending).__name__}")
        return sending

    async def _fail(self, claimed: Notification, sending: NotSent | Unsendable) -> None:
        wait = self._wait(claimed, sending)
        await self._outbox.fail_notification(Failure(claimed, sending.reason, wait))
        result = FAILED if wait is None else RETRYING
        # Callbacks may name any channel, so that one which does not exist is no label.
        known = claimed.channel in self._channels or claimed.channel == ESCALATION
        self._hooks.notification_ended(claimed.channel if known else "unknown", result)
        facts = {**_facts(claimed), "reason": sending.reason, "tries": claimed.tries}
        if wait is None:
            logger.warning("notification failed", extra=facts)
        else:
            logger.info("notification retrying", extra=facts)

    def _wait(self, claimed: Notification, sending: NotSent | Unsendable) -> timedelta | None:
        since = claimed.failing_since
        is_over = since is not None and self._clock.now() - since >= RETRY_FOR
        if isinstance(sending, Unsendable) or is_over:
            return None
        wait = backoff(claimed.tries, jitter=self._jitter(), first=FIRST_WAIT, longest=LONGEST_WAIT)
        return max(wait, min(sending.retry_after or wait, LONGEST_WAIT))

    def _describe_unknown(self, channel: str) -> str:
        known = ", ".join(sorted(self._channels)) or "none"
        return f"the channel {channel} is not configured on this gateway; it has: {known}"


def _is_to_group(claimed: Notification) -> bool:
    return claimed.channel in PERSONAL and claimed.recipient.startswith(GROUP)


def _facts(claimed: Notification) -> dict[str, object]:
    return {"callback_id": claimed.callback_id, "channel": claimed.channel}


def _claimed_at(claimed: Notification) -> datetime:
    """Return when it was claimed, by the store's clock."""
    assert claimed.held_until is not None, "it is claimed"
    return claimed.held_until - LEASE
