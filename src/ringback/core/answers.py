"""Answers: validate each, and store the first of each callback durably."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ringback.core.body_encryption import BodyEncryption
from ringback.core.group_commit import GroupCommit
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.receipt import Receipt, find_reached, report, to_expired
from ringback.core.services import run_services, task_group
from ringback.core.validation import AnswerValidator
from ringback.core.votes import VoteService
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    RingbackError,
)
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.operation_errors import refuse_missing
from ringback.domain.outcome import KINDS, Canceled, Outcome, is_same_answer, to_body, with_body
from ringback.domain.policy import LINK_HOLDER, Voter
from ringback.domain.terms import Terms
from ringback.ports.store import Answer, CallbackStore

logger = logging.getLogger(__name__)

_LINK_HOLDER: Final = Voter(LINK_HOLDER)


class AnswerService:
    """Accepts answers from all senders, and stores the first for each callback."""

    def __init__(
        self,
        store: CallbackStore,
        checks: AnswerValidator,
        votes: VoteService,
        *,
        new_outcome_id: Callable[[], OutcomeId],
        on_accepted: Callable[[], None],
        bodies: BodyEncryption | None = None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Store answers that pass `checks` in `store`; where people decide, `votes` counts them.

        `on_accepted` is called after each commit of accepted answers. `bodies` encrypts them before
        they are stored, and reads those that were.
        """
        self._store = store
        self._bodies = bodies
        self._checks = checks
        self._votes = votes
        self._new_outcome_id = new_outcome_id
        self._on_accepted = on_accepted
        self._hooks = hooks
        self._commits: GroupCommit[Answer, datetime | None] = GroupCommit(
            self._commit,
            weigh=lambda answer: len(to_body(answer.outcome) or b""),
            kind="answers",
            hooks=hooks,
        )

    async def run(self) -> None:
        """Commit answers until canceled."""
        async with run_services(self._checks, self._votes):
            await self._commits.run()

    async def accept(
        self,
        callback_id: CallbackId,
        outcome: Outcome,
        *,
        serial: int | None = None,
        voter: Voter = _LINK_HOLDER,
    ) -> Receipt:
        """Store `outcome` if it is the first for its callback.

        The outcome is committed when this returns. The same answer again gets the same receipt,
        marked as a duplicate.

        Args:
            callback_id: The callback.
            outcome: The answer.
            serial: The serial of the sender's link, if it came with one.
            voter: Whose vote it is, where people decide.

        Raises:
            UnknownCallbackError: The callback does not exist, or the link was revoked.
            DeletedCallbackError: The callback of the link was deleted.
            AnsweredDifferentlyError: Another outcome was first; this one is stored as evidence.
            ExpiredCallbackError: The activity no longer accepts an answer.
            MalformedAnswerError: It is too large, or not a result of this activity.
            NoCancelRequestedError: It reports a cancellation that was not requested.
            PeopleDecideError: People decide this callback by rules; the message says how.
            RingbackError: `VoteService.vote` refuses it as a vote, where people decide.
            RefusedByTemporalError: Temporal rejects the question whether one was requested.
            TemporalUnreachableError: Temporal does not reply to that question; send the report
                again.
            StoreUnavailableError: It could not be stored; retry.
        """
        accepting = self._accept(callback_id, outcome, voter, serial=serial)
        return await report(accepting, self._hooks)

    async def _accept(
        self, callback_id: CallbackId, outcome: Outcome, voter: Voter, *, serial: int | None
    ) -> Receipt:
        terms = await self._checks.terms(callback_id)
        if terms is None:
            refuse_missing(serial)
        if terms.has_policy and not isinstance(outcome, Canceled):
            counted = await self._votes.answer(callback_id, outcome, voter, serial=serial)
            if counted is not None:
                return counted
        traceparents = (terms.traceparent, self._hooks.tracer.current_traceparent())
        answer = Answer(callback_id, self._new_outcome_id(), outcome, serial, traceparents)
        try:
            await self._checks.check(terms, outcome)
        except RingbackError:
            # An answer that is late, or came by a revoked link, gets that error and no other.
            earlier = await self._find_earlier(answer)
            if earlier is None:
                raise
            return earlier
        accepted_at = await self._commits.submit(await self._to_stored(terms, answer))
        if accepted_at is not None:
            return Receipt(callback_id, State.ACCEPTED, accepted_at, is_duplicate=False)
        earlier = await self._find_earlier(answer)
        assert earlier is not None, "an open callback accepts an answer by a valid link"
        return earlier

    async def _to_stored(self, terms: Terms, answer: Answer) -> Answer:
        if self._bodies is None or not self._bodies.is_on:
            return answer
        return replace(answer, outcome=await self._bodies.encrypt(terms, answer.outcome))

    async def _commit(self, answers: Sequence[Answer]) -> Sequence[datetime | None]:
        links = (traceparent for answer in answers for traceparent in answer.traceparents)
        facts = {"ringback.answers": len(answers)}
        with self._hooks.tracer.span("accept answers", links=links, facts=facts) as span:
            accepted = await self._store.accept(answers)
            won = [answer for answer, at in zip(answers, accepted, strict=True) if at is not None]
            span.note({"ringback.accepted": len(won)})
            if won:
                logger.info("answers accepted", extra=_to_log_facts(won))
        if won:
            self._on_accepted()
            self._hooks.answers_accepted(won)
        return accepted

    async def _find_earlier(self, answer: Answer) -> Receipt | None:
        # The receipt of the same answer. None: the callback is open, so none was accepted.
        found = (await self._store.find([answer.callback_id])).get(answer.callback_id)
        callback = find_reached(found, answer.link_serial)
        if callback.state is State.OPEN:
            return None
        accepted = callback.accepted
        if accepted is None or accepted.is_default:
            raise to_expired(callback)
        if not await self._is_same(callback, accepted, answer.outcome):
            await self._store.store_evidence([self._to_evidence(answer)])
            raise AnsweredDifferentlyError(callback.id, accepted.accepted_at)
        return Receipt(callback.id, callback.state, accepted.accepted_at, is_duplicate=True)

    async def _is_same(self, callback: Callback, accepted: Accepted, sent: Outcome) -> bool:
        if self._bodies is None:
            return is_same_answer(accepted.outcome, sent)
        return await self._bodies.is_same_answer(callback, accepted.outcome, sent)

    def _to_evidence(self, answer: Answer) -> Answer:
        """Return what is stored of a losing answer: without its body, if bodies are encrypted."""
        if self._bodies is None or not self._bodies.is_on:
            return answer
        return replace(answer, outcome=with_body(answer.outcome, None))


def _to_log_facts(won: Sequence[Answer]) -> dict[str, object]:
    """Return one log entry for a commit; a line for each of its answers would cost too much."""
    kinds = {KINDS[type(answer.outcome)] for answer in won}
    ids = (answer.callback_id for answer in won)
    return {"kinds": " ".join(sorted(kinds)), "callback_ids": " ".join(ids)}


MOST_AT_ONCE: Final = 64
"""Maximum answers of one batch in progress: some of them need a request to Temporal."""


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
    answer_service: AnswerService, answers: Sequence[SentAnswer], voter: Voter = _LINK_HOLDER
) -> Sequence[Receipt | RingbackError]:
    """Accept all `answers` of `voter`; return the receipt or the error of each, in order.

    They are independent: a rejected answer does not affect the others, and of two to the same
    callback either may be first. Answers in progress share commits.

    Raises:
        Exception: A bug; some of the answers may have been accepted.
    """
    free = asyncio.Semaphore(MOST_AT_ONCE)
    async with task_group() as group:
        tasks = [
            group.create_task(
                _give(answer_service, one, voter, free=free), name="one of many answers"
            )
            for one in answers
        ]
    return [task.result() for task in tasks]


async def _give(
    answer_service: AnswerService, one: SentAnswer, voter: Voter, *, free: asyncio.Semaphore
) -> Receipt | RingbackError:
    try:
        async with free:
            return await answer_service.accept(one.callback_id, one.outcome, voter=voter)
    except RingbackError as exc:
        return exc
