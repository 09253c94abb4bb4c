"""What must hold for a vote before it is counted."""

from dataclasses import replace
from typing import Final, Protocol

from ringback.core.body_encryption import BodyEncryption
from ringback.core.receipt import find_reached
from ringback.core.validation import AnswerValidator
from ringback.domain.callback import Callback, State
from ringback.domain.errors import Problem, WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, to_body
from ringback.domain.people_errors import ClaimedError, PeopleDecideError, WrongVoteError
from ringback.domain.policy import Policy
from ringback.domain.terms import Terms
from ringback.domain.vote import (
    Vote,
    VoteRequest,
    check_vote,
    count_vote,
    find_vote,
    is_same_vote,
    to_outcome,
)
from ringback.ports.store import CallbackIndex, CallbackStore
from ringback.ports.votes import VoteStore

USE_THE_PAGE: Final = (
    "people decide this: open its page, run `ringback approve` or `ringback reject`, or"
    " POST /v1/callbacks/{id}/votes"
)


class Ledger(CallbackStore, CallbackIndex, VoteStore, Protocol):
    """What votes need of the store."""


class VoteValidator:
    """Checks votes, outside every transaction of the store."""

    def __init__(
        self, store: Ledger, checks: AnswerValidator, bodies: BodyEncryption | None = None
    ) -> None:
        """Check forms and sizes with `checks`; `bodies` encrypts what is stored."""
        self._store = store
        self._checks = checks
        self._bodies = bodies

    async def check(self, terms: Terms, request: VoteRequest) -> VoteRequest:
        """Check the vote, its form or result, and the size of the outcome if it decides.

        Returns the request as it may be stored.

        Raises:
            WrongVoteError: It is invalid; the error has the problems of the reason and the form.
            RingbackError: It is not allowed, or cannot be checked now. Form and result are not
                checked if the callback is closed: that is explained later.
        """
        callback = await find_by_serial(self._store, request.callback_id, request.link_serial)
        policy = policy_of(callback)
        is_open = callback.state is State.OPEN
        problems: list[Problem] = []
        try:
            check_vote(policy, request)
        except WrongVoteError as exc:
            problems += exc.problems
        if is_open and policy.is_decision:
            problems += await self._find_form_problems(terms, policy, request)
        if problems:
            raise WrongVoteError(problems)
        if not is_open:
            return request
        if not policy.is_decision:
            await self._checks.check_result(terms, Completed(request.body))
        votes = (await self._store.votes([callback.id])).get(callback.id, ())
        # The store counts it again under a lock; with votes that come meanwhile, it may decide.
        plain = votes if self._bodies is None else await self._bodies.decrypt_votes(callback, votes)
        counted = count_vote(callback, plain, request, now=callback.opened_at)
        if counted.is_duplicate:
            earlier = find_vote(votes, request.voter.user)
            assert earlier is not None, "this request repeats it"
            return replace(request, body=earlier.body)
        outcome = to_outcome(policy, [*plain, counted.vote], approved=request.approved)
        await self._checks.check_size(terms, outcome)
        return await self._encrypt(terms, request)

    async def is_same(self, callback: Callback, vote: Vote, request: VoteRequest) -> bool:
        """Return whether a request repeats the stored `vote`.

        Raises:
            EncodingError: The user's codec does not decrypt the vote now; retry.
        """
        if self._bodies is None:
            return is_same_vote(vote, request)
        stored, sent = Completed(vote.body), Completed(request.body)
        is_same_rest = is_same_vote(replace(vote, body=None), replace(request, body=None))
        return is_same_rest and await self._bodies.is_same_answer(callback, stored, sent)

    async def _encrypt(self, terms: Terms, request: VoteRequest) -> VoteRequest:
        if self._bodies is None or not self._bodies.is_on:
            return request
        encrypted = await self._bodies.encrypt(terms, Completed(request.body))
        return replace(request, body=to_body(encrypted))

    async def _find_form_problems(
        self, terms: Terms, policy: Policy, request: VoteRequest
    ) -> list[Problem]:
        if request.body is None:
            is_asked = terms.schema_id is not None and policy.require_form
            is_missing = is_asked and request.approved
            return [Problem("/form", "it is missing")] if is_missing else []
        if terms.schema_id is None:
            return [Problem("/form", "no form is asked for; leave it out")]
        try:
            await self._checks.check_result(terms, Completed(request.body))
        except WrongResultError as exc:
            return [Problem(f"/form{one.path}", one.message) for one in exc.problems]
        return []


async def find_by_serial(
    store: CallbackStore, callback_id: CallbackId, serial: int | None
) -> Callback:
    """Return a callback to somebody who came by a link with `serial`, or without one.

    Raises:
        UnknownCallbackError: The callback does not exist, or the link was revoked.
        DeletedCallbackError: The callback of the link was deleted.
    """
    return find_reached((await store.find([callback_id])).get(callback_id), serial)


def policy_of(callback: Callback) -> Policy:
    """Return the policy of a callback whose terms say that it has one."""
    policy = callback.options.policy
    assert policy is not None, "its terms say that it has one"
    return policy


def check_may_fail(callback: Callback) -> None:
    """Check that a program may fail a callback on which people decide.

    A failure is not a vote: it would end what several must agree on.

    Raises:
        PeopleDecideError: It matters who decides.
        ClaimedError: Somebody has claimed it.
    """
    if policy_of(callback).has_rules:
        raise PeopleDecideError(USE_THE_PAGE)
    if callback.claimant is not None:
        raise ClaimedError(callback.claimant)
