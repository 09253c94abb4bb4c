"""Accept: keep the first outcome of a callback, durably, and say so."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from ringback.core.checks import Checks
from ringback.core.group_commit import GroupCommit
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    ExpiredCallbackError,
    FinalError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import KINDS, Outcome, body_of, is_same_answer
from ringback.domain.terms import Terms
from ringback.ports.store import Acceptance, Answer, CallbackStore, NotTaken, Won

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


@dataclass(frozen=True, slots=True)
class _Given:
    """An answer that was given, and with what.

    Attributes:
        answer: The answer.
        serial: The serial of the link that it came with, if it came with one.
        is_checked: It was found to be fit for its callback.
    """

    answer: Answer
    serial: int | None
    is_checked: bool = False


_Judged: TypeAlias = Acceptance | FinalError | Terms


class Accepting:
    """Takes answers from everywhere and keeps the first for each callback."""

    def __init__(
        self,
        store: CallbackStore,
        checks: Checks,
        *,
        new_outcome_id: Callable[[], OutcomeId],
        on_accepted: Callable[[], None],
    ) -> None:
        """Keep answers that pass `checks` in `store`.

        `on_accepted` is called right after each commit of a first one.
        """
        self._store = store
        self._checks = checks
        self._new_outcome_id = new_outcome_id
        self._on_accepted = on_accepted
        self._commits: GroupCommit[_Given, _Judged] = GroupCommit(
            self._commit, weigh=lambda given: len(body_of(given.answer.outcome) or b"")
        )

    async def run(self) -> None:
        """Commit answers until canceled."""
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
        answer = Answer(callback_id, self._new_outcome_id(), outcome)
        acceptance = await self._decide(_Given(answer, serial))
        if isinstance(acceptance, NotTaken):
            return await self._explain(answer, acceptance.callback)
        return Receipt(callback_id, State.ACCEPTED, acceptance.accepted_at, is_duplicate=False)

    async def _decide(self, given: _Given) -> Acceptance:
        judged = await self._commits.submit(given)
        if isinstance(judged, Terms):
            await self._checks.check(judged, given.answer.outcome)
            judged = await self._commits.submit(replace(given, is_checked=True))
        if isinstance(judged, FinalError):
            raise judged
        assert not isinstance(judged, Terms), "what was checked is not checked again"
        return judged

    async def _commit(self, given: Sequence[_Given]) -> Sequence[_Judged]:
        """Keep all that fit their callbacks' terms, which are read and kept to in one commit."""
        by_id = {one.answer.id: one for one in given}
        refused: dict[OutcomeId, FinalError | Terms] = {}

        def fits(answer: Answer, terms: Terms | None) -> bool:
            why = self._judge(by_id[answer.id], terms)
            if why is not None:
                refused[answer.id] = why
            return why is None

        answers = [one.answer for one in given]
        acceptances = await self._store.accept(answers, fits)
        self._tell_of(answers, acceptances)
        return [
            refused.get(answer.id, acceptance)
            for answer, acceptance in zip(answers, acceptances, strict=True)
        ]

    def _judge(self, given: _Given, terms: Terms | None) -> FinalError | Terms | None:
        """Return why `given` is not kept now: its terms, if to check it takes a while."""
        if terms is None or not terms.honours(given.serial):
            return UnknownCallbackError()
        if given.is_checked or not terms.is_open:
            return None
        return None if self._checks.check_at_once(terms, given.answer.outcome) else terms

    def _tell_of(self, answers: Sequence[Answer], acceptances: Sequence[Acceptance]) -> None:
        won = [
            answer
            for answer, acceptance in zip(answers, acceptances, strict=True)
            if isinstance(acceptance, Won)
        ]
        if won:
            logger.info("answers accepted", extra=_told(won))
            self._on_accepted()

    async def _explain(self, answer: Answer, callback: Callback | None) -> Receipt:
        assert callback is not None, "it was found before, and callbacks are never removed"
        accepted = callback.accepted
        if accepted is None or accepted.is_default:
            raise to_expired(callback)
        if not is_same_answer(accepted.outcome, answer.outcome):
            await self._store.keep_evidence([answer])
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


def _told(won: Sequence[Answer]) -> dict[str, object]:
    """Return what the log tells of a commit: a line for each of its answers would cost too much."""
    kinds = {KINDS[type(answer.outcome)] for answer in won}
    ids = (answer.callback_id for answer in won)
    return {"kinds": " ".join(sorted(kinds)), "callback_ids": " ".join(ids)}
