"""Routes for programs that vote for people by name, and for operators who change who is asked."""

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from ringback.core.operations import get_callback
from ringback.core.status import serialize_vote
from ringback.domain.api_key import Act, ApiKey
from ringback.domain.assignment import Actor
from ringback.domain.errors import Problem
from ringback.domain.exact_json import members
from ringback.domain.people_errors import WrongVoteError
from ringback.domain.policy import Policy, Proof, Voter
from ringback.gateway.answer_endpoint import Wait, reply_with_receipt
from ringback.gateway.api.access import IdInPath, KeyOf, requires
from ringback.gateway.api.bodies import SMALL, Body, ExactBody, ReadBody
from ringback.gateway.api.openapi import OF_AN_ANSWER, new_router, problems
from ringback.gateway.api.routers.callbacks import to_callback_out
from ringback.gateway.gateway import GatewayOf
from ringback.schemas.responses import CallbackOut, ReceiptOut
from ringback.schemas.votes import ClaimIn, DetailsIn, DigestOut, ReassignIn, VoteIn, VotesOut

router = new_router("/callbacks")


@router.get("/{id}/votes", summary="List the votes on a callback", dependencies=requires(Act.VIEW))
async def list_votes(gateway: GatewayOf, callback_id: IdInPath) -> VotesOut:
    """Return the votes that count, oldest first, without their forms."""
    callback = await get_callback(gateway.store, callback_id)
    votes = await gateway.vote_service.votes(callback.id)
    return VotesOut.model_validate({"votes": list(map(serialize_vote, votes))})


@router.post(
    "/{id}/votes",
    summary="Vote for a person",
    dependencies=requires(Act.VOTE),
    response_model=ReceiptOut,
    responses={
        **problems(*OF_AN_ANSWER),
        202: {"model": ReceiptOut, "description": "Committed; its state says if it decides."},
    },
)
async def vote(
    *, gateway: GatewayOf, callback_id: IdInPath, key: KeyOf, sent: ExactBody[VoteIn], wait: Wait
) -> Response:
    """Count the vote of the person that `by` names. The key is trusted to name the right one.

    The vote that decides is the answer; until then the state is `open`.
    """
    asked, body = sent
    policy = (await get_callback(gateway.store, callback_id)).options.policy
    receipt = await gateway.vote_service.vote(
        callback_id,
        _to_voter(key, asked.by, asked.groups),
        approved=asked.approved is not False,
        reason=asked.reason,
        body=None if policy is None else _find_body(asked, body, policy),
        digest=asked.digest,
        ballot=asked.ballot,
    )
    return await reply_with_receipt(
        gateway, receipt, wait=wait, status_url=gateway.status_url(callback_id)
    )


@router.delete(
    "/{id}/votes/{user:path}",
    summary="Withdraw the vote of a person",
    dependencies=requires(Act.VOTE),
    responses=problems(410, 422),
)
async def withdraw_vote(
    *,
    gateway: GatewayOf,
    callback_id: IdInPath,
    user: Annotated[str, Path()],
    key: KeyOf,
    ballot: Annotated[
        int | None, Query(ge=0, description="Withdraw only the vote of this ballot.")
    ] = None,
) -> CallbackOut:
    """Remove a vote while nothing is decided.

    It is safe to repeat; with `ballot`, a late retry does not remove a later vote either.
    """
    voter = _to_voter(key, user, [])
    return to_callback_out(await gateway.vote_service.withdraw(callback_id, voter, ballot=ballot))


@router.post(
    "/{id}/claim",
    summary="Claim a callback for a person",
    dependencies=requires(Act.ASSIGN),
    responses=problems(409, 410),
)
async def claim_callback(
    *, gateway: GatewayOf, callback_id: IdInPath, key: KeyOf, asked: Body[ClaimIn]
) -> CallbackOut:
    """Let nobody else decide until it is released."""
    actor = Actor(_to_voter(key, asked.by, asked.groups))
    return to_callback_out(await gateway.vote_service.claim(callback_id, actor))


@router.post(
    "/{id}/release",
    summary="Release a claimed callback",
    dependencies=requires(Act.ASSIGN),
    responses=problems(410),
)
async def release_callback(gateway: GatewayOf, callback_id: IdInPath, key: KeyOf) -> CallbackOut:
    """Let everybody who is asked decide again."""
    return to_callback_out(await gateway.vote_service.release(callback_id, _to_operator(key)))


@router.post(
    "/{id}/reassign",
    summary="Ask other people",
    dependencies=requires(Act.ASSIGN),
    responses=problems(410),
)
async def reassign_callback(
    *, gateway: GatewayOf, callback_id: IdInPath, key: KeyOf, asked: Body[ReassignIn]
) -> CallbackOut:
    """Replace the assignees. Votes of people who may no longer decide are removed."""
    return to_callback_out(
        await gateway.vote_service.reassign(callback_id, asked.assignees, _to_operator(key))
    )


_Details = Annotated[DetailsIn, Depends(ReadBody(DetailsIn, lambda _: 2 * SMALL))]


@router.post(
    "/{id}/details",
    summary="Change the details of the subject",
    dependencies=requires(Act.CHANGE_DETAILS),
    responses=problems(410),
)
async def change_details(
    *, gateway: GatewayOf, callback_id: IdInPath, key: KeyOf, asked: _Details
) -> DigestOut:
    """Add or replace details. The subject gets a new digest, and earlier votes are removed."""
    changed = await gateway.vote_service.change_details(
        callback_id, asked.details, _to_operator(key)
    )
    return DigestOut(id=changed.id, digest=changed.subject.digest)


def key_voter(key: ApiKey) -> Voter:
    """Return the voter of a program that answers by its key and names nobody."""
    return Voter(f"key:{key.id}", proof=Proof.API_KEY, via=key.id)


def _find_body(asked: VoteIn, body: bytes, policy: Policy) -> bytes | None:
    """Return the form or the result, byte for byte.

    Raises:
        WrongVoteError: A decision lacks its yes or no, or the vote has the wrong one of the two.
    """
    wanted, other = ("form", "result") if policy.is_decision else ("result", "form")
    if policy.is_decision and asked.approved is None:
        raise WrongVoteError([Problem("/approved", "it must be true or false")])
    if other in asked.model_fields_set:
        raise WrongVoteError([Problem(f"/{other}", f"send {wanted!r} instead")])
    is_empty = policy.is_decision and asked.form is None
    return None if is_empty else members(body).get(wanted)


def _to_voter(key: ApiKey, user: str, groups: list[str]) -> Voter:
    return Voter(user, frozenset(groups), Proof.API_KEY, key.id)


def _to_operator(key: ApiKey) -> Actor:
    return Actor(key_voter(key), is_operator=True)
