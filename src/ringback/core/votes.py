"""Votes: every door through which people decide calls this service."""

import logging
from collections.abc import Callable, Mapping, Sequence

from ringback.core.body_encryption import BodyEncryption
from ringback.core.group_commit import GroupCommit
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.receipt import Receipt, report, to_expired
from ringback.core.validation import AnswerValidator
from ringback.core.vote_checks import (
    USE_THE_PAGE,
    Ledger,
    VoteValidator,
    check_may_fail,
    find_by_serial,
    policy_of,
)
from ringback.domain.assignment import (
    Actor,
    Change,
    change_details,
    changed_since,
    claim,
    reassign,
    release,
)
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    MalformedRequestError,
    Problem,
    RingbackError,
    UnreadableCallbackError,
)
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.operation_errors import refuse_missing
from ringback.domain.outcome import Completed, Failed
from ringback.domain.people_errors import (
    PeopleDecideError,
    SubjectChangedError,
)
from ringback.domain.policy import Proof, Voter
from ringback.domain.vote import (
    CountedVote,
    Vote,
    VoteRequest,
    find_vote,
)
from ringback.domain.vote_body import read_decision, to_evidence
from ringback.ports.store import Answer
from ringback.ports.votes import Rule

logger = logging.getLogger(__name__)


class VoteService:
    """Counts the votes of people, and changes the questions that they are asked."""

    def __init__(
        self,
        store: Ledger,
        checks: AnswerValidator,
        *,
        new_outcome_id: Callable[[], OutcomeId],
        on_accepted: Callable[[], None],
        bodies: BodyEncryption | None = None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Store votes that pass `checks` in `store`; `bodies` encrypts them before.

        `on_accepted` is called after each commit of votes that decide.
        """
        self._store = store
        self._terms = checks
        self._checks = VoteValidator(store, checks, bodies)
        self._new_outcome_id = new_outcome_id
        self._on_accepted = on_accepted
        self._hooks = hooks
        self._commits: GroupCommit[VoteRequest, CountedVote | RingbackError | None] = GroupCommit(
            self._commit,
            weigh=lambda request: len(request.body or b""),
            kind="votes",
            hooks=hooks,
        )

    async def run(self) -> None:
        """Commit votes until canceled."""
        await self._commits.run()

    async def vote(
        self,
        callback_id: CallbackId,
        voter: Voter,
        *,
        approved: bool = True,
        reason: str | None = None,
        body: bytes | None = None,
        digest: str | None = None,
        link_serial: int | None = None,
        ballot: int = 0,
    ) -> Receipt:
        """Count the vote of a person. It is committed when this returns.

        The same vote again gets the same receipt, marked as a duplicate. The receipt's state is
        open if more people must vote.

        Args:
            callback_id: A callback with people rules.
            voter: The person who votes.
            approved: A yes or a no.
            reason: At most `ringback.domain.policy.LONGEST_REASON` characters.
            body: JSON: the form beside a decision, or the result itself.
            digest: The version of the subject that the voter saw.
            link_serial: The serial of the voter's link, if they came by one.
            ballot: How many votes the voter had withdrawn when they gave this one.

        Raises:
            UnknownCallbackError: The callback does not exist, or the link was revoked.
            DeletedCallbackError: The callback of the link was deleted.
            MalformedRequestError: The callback was opened without people rules.
            NotAssignedError: The rules do not let this person decide.
            ClaimedError: Another person has claimed it.
            SubjectChangedError: The subject has changed since the voter saw it.
            VotedDifferentlyError: This person has voted differently.
            VoteWithdrawnError: This vote was withdrawn, or removed by a reassignment.
            WrongVoteError: The vote lacks something, or the form is invalid.
            MalformedAnswerError: The result is too large, or not what the activity returns.
            AnsweredDifferentlyError: Others have decided first; this vote is stored as evidence.
            ExpiredCallbackError: The activity no longer accepts an answer.
            StoreUnavailableError: It could not be stored; retry.
        """
        request = VoteRequest(
            callback_id,
            self._new_outcome_id(),
            voter,
            approved=approved,
            reason=reason,
            body=body,
            digest=digest,
            link_serial=link_serial,
            ballot=ballot,
        )
        return await report(self._vote(request), self._hooks)

    async def _vote(self, request: VoteRequest) -> Receipt:
        callback_id, digest = request.callback_id, request.digest
        terms = await self._terms.terms(callback_id)
        if terms is None:
            refuse_missing(request.link_serial)
        if not terms.has_policy:
            msg = "this callback was opened without people rules; complete or fail it"
            raise MalformedRequestError([Problem("", msg)])
        try:
            checked = await self._checks.check(terms, request)
            with self._hooks.tracer.span("vote", links=(terms.traceparent,)):
                counted = await self._commits.submit(checked)
            if isinstance(counted, RingbackError):
                raise counted
        except SubjectChangedError:
            entries = await self._store.audit_trail(callback_id)
            raise SubjectChangedError(changed_since(entries, digest)) from None
        if counted is None:
            return await self._explain(request)
        state = State.OPEN if counted.outcome is None else State.ACCEPTED
        return Receipt(callback_id, state, counted.vote.at, is_duplicate=counted.is_duplicate)

    async def answer(
        self,
        callback_id: CallbackId,
        outcome: Completed | Failed,
        voter: Voter,
        *,
        serial: int | None,
    ) -> Receipt | None:
        """Count the answer of a program to a callback with people rules as the vote of `voter`.

        Returns `None` for a failure that the rules allow: it does not count as a vote.

        Raises:
            PeopleDecideError: The rules name people or ask for several, so a program cannot answer.
            RingbackError: `vote` raises it.
        """
        callback = await find_by_serial(self._store, callback_id, serial)
        policy = policy_of(callback)
        is_allowed = policy.link_may_decide if voter.proof is Proof.LINK else not policy.has_rules
        if not is_allowed:
            raise PeopleDecideError(USE_THE_PAGE)
        if isinstance(outcome, Failed):
            check_may_fail(callback)
            return None
        request = VoteRequest(
            callback_id, self._new_outcome_id(), voter, body=outcome.result, link_serial=serial
        )
        return await self._vote(read_decision(request) if policy.is_decision else request)

    async def votes(self, callback_id: CallbackId) -> Sequence[Vote]:
        """Return the votes on a callback, oldest first."""
        return (await self._store.votes([callback_id])).get(callback_id, ())

    async def withdraw(
        self, callback_id: CallbackId, voter: Voter, *, ballot: int | None = None
    ) -> Callback:
        """Remove the vote of a person while nothing is decided; return the callback.

        Repeating it changes nothing; with `ballot`, not even after another vote of this person.

        Raises:
            UnknownCallbackError: The callback does not exist.
            ExpiredCallbackError: It is decided or no longer needed.
        """
        callback = await find_by_serial(self._store, callback_id, None)
        if await self._store.withdraw(callback_id, voter, ballot=ballot) is None:
            callback = await find_by_serial(self._store, callback_id, None)
            if callback.state is not State.OPEN:
                error = to_expired(callback)
                raise error
            return callback
        return await find_by_serial(self._store, callback_id, None)

    async def claim(self, callback_id: CallbackId, actor: Actor) -> Callback:
        """Claim a callback for one person. It may be refused, as `claim` says."""
        return await self._change(callback_id, lambda callback, _: claim(callback, actor), actor)

    async def release(self, callback_id: CallbackId, actor: Actor) -> Callback:
        """Release a claimed callback. It may be refused, as `release` says."""
        return await self._change(callback_id, lambda callback, _: release(callback, actor), actor)

    async def reassign(
        self, callback_id: CallbackId, assignees: Sequence[str], actor: Actor
    ) -> Callback:
        """Ask other people instead.

        Raises:
            RingbackError: `ringback.domain.assignment.reassign` refuses it, or it is closed.
        """

        def rule(callback: Callback, votes: Sequence[Vote]) -> Change:
            return reassign(callback, votes, assignees, actor=actor)

        return await self._change(callback_id, rule, actor)

    async def change_details(
        self, callback_id: CallbackId, details: Mapping[str, object], actor: Actor
    ) -> Callback:
        """Add to the details of the subject, or replace some; earlier votes no longer count.

        Raises:
            RingbackError: `ringback.domain.assignment.change_details` refuses it, or it is closed.
        """

        def rule(callback: Callback, votes: Sequence[Vote]) -> Change:
            return change_details(callback, votes, details)

        return await self._change(callback_id, rule, actor)

    async def _change(self, callback_id: CallbackId, rule: Rule, actor: Actor) -> Callback:
        voter = actor.voter
        by: dict[str, object] = {"by": voter.user, "proof": voter.proof.value, "via": voter.via}
        changed = await self._store.change(callback_id, rule, by=by)
        if changed is None:
            raise to_expired(await find_by_serial(self._store, callback_id, None))
        return changed

    async def _commit(
        self, requests: Sequence[VoteRequest]
    ) -> Sequence[CountedVote | RingbackError | None]:
        results = await self._store.vote(requests)
        counted = [
            (request, result)
            for request, result in zip(requests, results, strict=True)
            if isinstance(result, CountedVote) and not result.is_duplicate
        ]
        if counted:
            ids = " ".join(request.callback_id for request, _ in counted)
            logger.info("votes counted", extra={"callback_ids": ids})
        deciding = [
            Answer(request.callback_id, request.outcome_id, result.outcome)
            for request, result in counted
            if result.outcome is not None
        ]
        if deciding:
            self._on_accepted()
            self._hooks.answers_accepted(deciding)
        return results

    async def _explain(self, request: VoteRequest) -> Receipt:
        callback = await find_by_serial(self._store, request.callback_id, request.link_serial)
        if callback.state is State.OPEN:
            raise UnreadableCallbackError(callback.id)
        accepted = callback.accepted
        if accepted is None or accepted.is_default:
            raise to_expired(callback)
        mine = find_vote(await self.votes(callback.id), request.voter.user)
        if mine is not None and await self._checks.is_same(callback, mine, request):
            return Receipt(callback.id, callback.state, mine.at, is_duplicate=True)
        evidence = Answer(callback.id, request.outcome_id, Completed(to_evidence(request)))
        await self._store.store_evidence([evidence])
        raise AnsweredDifferentlyError(callback.id, accepted.accepted_at)
