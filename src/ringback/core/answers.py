"""Answers: check each, and store the first of each callback durably."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ringback.core.group_commit import GroupCommit
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import run_services, task_group
from ringback.core.validation import AnswerValidator
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    ExpiredCallbackError,
    RingbackError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import KINDS, Outcome, is_same_answer, to_body
from ringback.domain.terms import Terms
from ringback.ports.store import Answer, CallbackStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender of an answer is told.

    Attributes:
        callback_id: The callback that was answered.
        state: Where it stands.
        accepted_at: When this answer, or the same one before it, was committed.
        is_duplicate: The same answer had been given before.
    """

    callback_id: CallbackId
    state: State
    accepted_at: datetime
    is_duplicate: bool


class AnswerService:
    """Takes answers from everywhere and keeps the first for each callback."""

    def __init__(
        self,
        store: CallbackStore,
        checks: AnswerValidator,
        *,
        new_outcome_id: Callable[[], OutcomeId],
        on_accepted: Callable[[], None],
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Keep answers that pass `checks` in `store`.

        `on_accepted` is called right after each commit of a first one.
        """
        self._store = store
        self._checks = checks
        self._new_outcome_id = new_outcome_id
        self._on_accepted = on_accepted
        self._hooks = hooks
        self._commits: GroupCommit[Answer, datetime | None] = GroupCommit(
            self._commit, weigh=lambda answer: len(to_body(answer.outcome) or b"")
        )

    async def run(self) -> None:
        """Commit answers until canceled."""
        async with run_services(self._checks):
            await self._commits.run()

    async def accept(
        self, callback_id: CallbackId, outcome: Outcome, *, serial: int | None = None
    ) -> Receipt:
        """Keep `outcome` if it is the first for its callback.

        When it returns, the outcome is committed. The same answer again gets the same receipt,
        marked as a duplicate.

        Args:
            callback_id: The callback.
            outcome: The answer.
            serial: The serial of the link that the sender holds, if it came with one.

        Raises:
            UnknownCallbackError: There is no such callback, or the link was revoked.
            AnsweredDifferentlyError: Another outcome was first; this one is kept as evidence.
            ExpiredCallbackError: Nobody waits for this answer any more.
            MalformedAnswerError: It is too large, or no result of this activity.
            NoCancelRequestedError: `outcome` reports a cancellation that nobody asked for.
            RefusedByTemporalError: Whether a cancellation was asked for cannot be learnt.
            TemporalUnreachableError: The same, for now; send the report again.
            StoreUnavailableError: It could not be kept; try again.
        """
        answer = Answer(callback_id, self._new_outcome_id(), outcome, serial)
        terms = await self._checks.terms(callback_id)
        if terms is None:
            raise UnknownCallbackError
        receipt = await self._check(terms, answer) or await self._store_first(answer)
        assert receipt is not None, "an open callback takes an answer by a link that is good"
        return receipt

    async def _check(self, terms: Terms, answer: Answer) -> Receipt | None:
        """Check `answer`; if it is wrong but was given before, return its receipt.

        A sender that comes too late, or by a revoked link, learns that and nothing else.

        Raises:
            RingbackError: It is wrong, or cannot be checked now.
        """
        try:
            await self._checks.check(terms, answer.outcome)
        except RingbackError:
            receipt = await self._explain(answer)
            if receipt is None:
                raise
            return receipt
        return None

    async def _store_first(self, answer: Answer) -> Receipt | None:
        accepted_at = await self._commits.submit(answer)
        if accepted_at is None:
            return await self._explain(answer)
        return Receipt(answer.callback_id, State.ACCEPTED, accepted_at, is_duplicate=False)

    async def _commit(self, answers: Sequence[Answer]) -> Sequence[datetime | None]:
        accepted = await self._store.accept(answers)
        won = [answer for answer, at in zip(answers, accepted, strict=True) if at is not None]
        if won:
            logger.info("answers accepted", extra=_to_log_facts(won))
            self._on_accepted()
            self._hooks.answers_accepted(won)
        return accepted

    async def _explain(self, answer: Answer) -> Receipt | None:
        # Returns nothing while the callback is open: no answer was given yet.
        callback = (await self._store.find([answer.callback_id])).get(answer.callback_id)
        if callback is None or not callback.accepts_serial(answer.link_serial):
            raise UnknownCallbackError
        if callback.state is State.OPEN:
            return None
        accepted = callback.accepted
        if accepted is None or accepted.is_default:
            raise to_expired(callback)
        if not is_same_answer(accepted.outcome, answer.outcome):
            await self._store.store_evidence([answer])
            raise AnsweredDifferentlyError(callback.id, accepted.accepted_at)
        return Receipt(callback.id, callback.state, accepted.accepted_at, is_duplicate=True)


def to_expired(callback: Callback) -> ExpiredCallbackError:
    """Return the error that says why `callback` takes no answer."""
    accepted = callback.accepted
    if accepted is not None:
        reason = "its deadline passed" if accepted.is_default else "it has been answered"
        return ExpiredCallbackError(callback.id, reason, accepted.accepted_at)
    assert callback.expired_at is not None, "a callback that refuses every answer has expired"
    assert callback.expired_because is not None, "an expired callback says why"
    return ExpiredCallbackError(callback.id, callback.expired_because, callback.expired_at)


def _to_log_facts(won: Sequence[Answer]) -> dict[str, object]:
    """Return what the log tells of a commit: a line for each of its answers would cost too much."""
    kinds = {KINDS[type(answer.outcome)] for answer in won}
    ids = (answer.callback_id for answer in won)
    return {"kinds": " ".join(sorted(kinds)), "callback_ids": " ".join(ids)}


MOST_AT_ONCE: Final = 64
"""So many answers are under way at a time: some of them ask Temporal first."""


@dataclass(frozen=True, slots=True)
class SentAnswer:
    """One of many answers.

    Attributes:
        callback_id: The callback.
        outcome: The answer.
    """

    callback_id: CallbackId
    outcome: Outcome


async def answer_many(
    answer_service: AnswerService, answers: Sequence[SentAnswer]
) -> Sequence[Receipt | RingbackError]:
    """Give all `answers`; return for each, in their order, its receipt or why it has none.

    They are independent: one that is refused takes no other with it, and of two to the same
    callback either may be first. What is under way together is committed together.

    Raises:
        Exception: A mistake of the program's; some of the answers may have been accepted.
    """
    free = asyncio.Semaphore(MOST_AT_ONCE)
    async with task_group() as group:
        tasks = [
            group.create_task(_give(answer_service, one, free), name="one of many answers")
            for one in answers
        ]
    return [task.result() for task in tasks]


async def _give(
    answer_service: AnswerService, one: SentAnswer, free: asyncio.Semaphore
) -> Receipt | RingbackError:
    try:
        async with free:
            return await answer_service.accept(one.callback_id, one.outcome)
    except RingbackError as exc:
        return exc
