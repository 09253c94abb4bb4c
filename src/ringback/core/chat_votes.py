"""Votes by chat: turn a press of a button in a message into a vote."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Final

from ringback.core.services import TaskPool, caught, task_group
from ringback.core.votes import VoteService
from ringback.domain.callback import Callback
from ringback.domain.ending import describe_end
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    FinalError,
    RingbackError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.people_errors import NotAssignedError, VoteWithdrawnError
from ringback.domain.policy import RequireReason
from ringback.ports.chat import Chat, ChatChoice, Stranger
from ringback.ports.store import CallbackStore

logger = logging.getLogger(__name__)

IN_TIME: Final = timedelta(seconds=2)
"""How long a request of the platform waits for the vote, whose reply is due within 3 seconds."""

LOOK_UP: Final = timedelta(seconds=1)
"""How long a form that asks for a reason waits for the store."""

SLOTS: Final = 256
"""Maximum presses that are handled at a time."""

_BUSY: Final = "Too many people vote now. Press the button again."
_LATER: Final = "Your vote could not be stored now. Press the button again."
_WITHDRAWN: Final = (
    "Your vote was withdrawn, or removed by a reassignment. To vote again, open the page."
)
_GONE: Final = "This question no longer exists."


class ChatVoteService:
    """Turns presses of buttons into votes, and explains in private why one does not count."""

    def __init__(self, votes: VoteService, store: CallbackStore, chat: Chat) -> None:
        """Count `votes` of people whom `chat` identifies."""
        self._votes = votes
        self._store = store
        self._chat = chat
        self._pool: TaskPool | None = None

    async def run(self) -> None:
        """Handle presses until canceled."""
        async with task_group() as group:
            self._pool = TaskPool(group, SLOTS)
            try:
                await asyncio.Event().wait()
            finally:
                self._pool = None

    async def press(
        self, choice: ChatChoice, *, account: str, team: str, trigger: str, reply_to: str
    ) -> None:
        """Count the vote of a button, or open the form that asks for its reason.

        It returns after at most `IN_TIME`, and finishes in the background if it takes longer.
        The person gets a private explanation if it does not count.
        """

        async def work() -> None:
            why = await self._press(
                choice, account=account, team=team, trigger=trigger, reply_to=reply_to
            )
            if why is not None:
                await self._chat.reply_privately(reply_to, why)

        busy = await self._within(work())
        if busy is not None:
            await self._chat.reply_privately(reply_to, busy)

    async def submit(
        self, choice: ChatChoice, reason: str | None, *, account: str, team: str, reply_to: str
    ) -> str | None:
        """Count a vote with its reason; return why it does not count, unless that takes too long.

        After `IN_TIME`, the person gets that explanation in private.
        """
        answered: list[str | None] = []
        is_late = False

        async def work() -> None:
            why = await self._vote(choice, reason, account=account, team=team)
            answered.append(why)
            if is_late and why is not None:
                await self._chat.reply_privately(reply_to, why)

        busy = await self._within(work())
        if busy is not None:
            return busy
        is_late = not answered
        return answered[0] if answered else None

    async def _within(self, work: Coroutine[object, object, None]) -> str | None:
        """Run `work` in the background; return after its end or `IN_TIME`.

        Returns a text for the person if nothing was started.
        """
        pool = self._pool
        if pool is None or pool.free == 0:
            work.close()
            return _BUSY
        task = pool.start(work, name="vote by chat")
        await asyncio.wait([task], timeout=IN_TIME.total_seconds())
        return None

    async def _press(
        self, choice: ChatChoice, *, account: str, team: str, trigger: str, reply_to: str
    ) -> str | None:
        callback = await self._find_soon(choice.callback_id)
        if choice.approved and (callback is None or not _always_asks(callback)):
            return await self._vote(choice, None, account=account, team=team)
        if callback is not None:
            why = await self._why_not(callback, account=account, team=team)
            if why is not None:
                return why
        title, is_required = _question(callback, choice)
        return await self._chat.ask_reason(
            trigger, choice, title=title, is_required=is_required, reply_to=reply_to
        )

    async def _find_soon(self, callback_id: CallbackId) -> Callback | None:
        """Return the callback; `None` if the store does not return it in time."""
        finding = asyncio.ensure_future(caught(self._store.find([callback_id])))
        await asyncio.wait([finding], timeout=LOOK_UP.total_seconds())
        if not finding.done():
            finding.cancel()
            return None
        found = finding.result()
        return None if isinstance(found, Exception) else found.get(callback_id)

    async def _why_not(self, callback: Callback, *, account: str, team: str) -> str | None:
        policy = callback.options.policy
        voter = await self._chat.identify(account, team)
        if isinstance(voter, Stranger):
            return voter.why
        why = None if policy is None else policy.why_not(voter)
        return _explain_end(callback) if why is None else _explain(NotAssignedError(why))

    async def _vote(
        self, choice: ChatChoice, reason: str | None, *, account: str, team: str
    ) -> str | None:
        voter = await self._chat.identify(account, team)
        if isinstance(voter, Stranger):
            return voter.why
        try:
            await self._votes.vote(
                choice.callback_id,
                voter,
                approved=choice.approved,
                reason=reason,
                digest=choice.digest,
            )
        except RingbackError as exc:
            logger.info("vote by chat refused: %s", type(exc).__name__)
            callback = None
            if isinstance(exc, AnsweredDifferentlyError):
                callback = await self._find_soon(choice.callback_id)
            return (callback and _explain_end(callback)) or _explain(exc)
        return None


def _always_asks(callback: Callback) -> bool:
    policy = callback.options.policy
    return policy is not None and policy.require_reason is RequireReason.ALWAYS


def _question(callback: Callback | None, choice: ChatChoice) -> tuple[str, bool]:
    """Return the title of a question, and whether a reason is required."""
    policy = None if callback is None else callback.options.policy
    if callback is None or policy is None:
        return "Your decision", False
    title = callback.options.title or "Your decision"
    return title, policy.needs_reason(approved=choice.approved)


def _explain_end(callback: Callback) -> str | None:
    """Return how a question ended, for a person who votes after it; `None` if it is open.

    A copy of a message is not rewritten, so it has its buttons still.
    """
    end = describe_end(callback)
    return None if end is None else f"Not counted. {end.sentence}"


def _explain(error: RingbackError) -> str:
    """Return why a vote does not count, for the person who gave it."""
    if isinstance(error, UnknownCallbackError):
        return _GONE
    if isinstance(error, VoteWithdrawnError):
        return _WITHDRAWN
    if not isinstance(error, FinalError):
        return _LATER
    text = str(error)
    prefix = "Not authorized: " if isinstance(error, NotAssignedError) else "Not counted: "
    return f"{prefix}{text}."
