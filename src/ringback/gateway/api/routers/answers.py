"""Routes for operators that answer callbacks by their ids, with the effect of a link."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Depends, Request, Response
from starlette.responses import JSONResponse

from ringback.core.answers import SentAnswer, answer_many
from ringback.core.operations import get_callback
from ringback.core.receipt import Receipt
from ringback.domain.alias import Alias
from ringback.domain.api_key import Act
from ringback.domain.errors import (
    AnswerTooLargeError,
    MalformedAnswerError,
    MalformedRequestError,
    RingbackError,
    UnknownCallbackError,
)
from ringback.domain.exact_json import items, members
from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb
from ringback.gateway.answer_endpoint import Wait, encode_receipt, reply_with_receipt, status_of
from ringback.gateway.api.access import IdInPath, KeyOf, requires, to_alias, to_callback_id
from ringback.gateway.api.bodies import ReadExactBody
from ringback.gateway.api.openapi import (
    A_CANCELLATION,
    A_FAILURE,
    A_HEARTBEAT,
    A_RESULT,
    OF_AN_ANSWER,
    new_router,
    problems,
)
from ringback.gateway.api.routers.votes import key_voter
from ringback.gateway.body import TO_OUTCOME, read_json, read_outcome, run_apart
from ringback.gateway.body_budget import release_bytes
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.gateway.replies import to_full_problem
from ringback.schemas.requests import AnswerIn, AnswersIn
from ringback.schemas.responses import CheckedOut, ReceiptOut, ResultsOut, SignOut

MOST_BYTES: Final = 4 * 1024 * 1024
"""Maximum bytes of `POST /v1/answers`."""

router = new_router("")

Answer: TypeAlias = Callable[[Verb], Awaitable[Response]]
"""Answers with the body of the request, and replies."""

_ANSWERS: Final[dict[str, Any]] = {
    "dependencies": requires(Act.ANSWER),
    "response_model": ReceiptOut,
    "responses": {
        **problems(*OF_AN_ANSWER),
        202: {"model": ReceiptOut, "description": "Committed; Ringback delivers it to Temporal."},
    },
}
COMPLETES: Final[dict[str, Any]] = {**_ANSWERS, "openapi_extra": A_RESULT}
FAILS: Final[dict[str, Any]] = {**_ANSWERS, "openapi_extra": A_FAILURE}
CANCELS: Final[dict[str, Any]] = {**_ANSWERS, "openapi_extra": A_CANCELLATION}
HEARTBEATS: Final[dict[str, Any]] = {
    "dependencies": requires(Act.HEARTBEAT),
    "responses": problems(*OF_AN_ANSWER),
    "openapi_extra": A_HEARTBEAT,
}
"""What the routes by id and by alias have in common, for FastAPI's decorators."""


async def _by_id(
    *, gateway: GatewayOf, callback_id: IdInPath, request: Request, wait: Wait
) -> Answer:
    return lambda verb: answer_by_key(gateway, callback_id, request, verb=verb, wait=wait)


_ById = Annotated[Answer, Depends(_by_id)]


@router.post("/callbacks/{id}/complete", summary="Complete the activity", **COMPLETES)
async def complete_callback(answer: _ById) -> Response:
    """Accept a result. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.COMPLETE)


@router.post("/callbacks/{id}/fail", summary="Fail the activity", **FAILS)
async def fail_callback(answer: _ById) -> Response:
    """Accept a failure. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.FAIL)


@router.post("/callbacks/{id}/cancel", summary="Report that the activity was canceled", **CANCELS)
async def cancel_callback(answer: _ById) -> Response:
    """Accept a cancellation. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.CANCEL)


@router.post("/callbacks/{id}/heartbeat", summary="Send a heartbeat", **HEARTBEATS)
async def heartbeat_callback(
    gateway: GatewayOf, callback_id: IdInPath, request: Request
) -> SignOut:
    """Return Temporal's latest reply. Without a body the last details stay."""
    return await accept_heartbeat(gateway, callback_id, request)


@router.post(
    "/callbacks/{id}/check",
    summary="Check a result without sending it",
    dependencies=requires(Act.ANSWER),
    responses=problems(*OF_AN_ANSWER),
    openapi_extra=A_RESULT,
)
async def check_result(gateway: GatewayOf, callback_id: IdInPath, request: Request) -> CheckedOut:
    """Return the problems of a result by the callback's result schema. Stores nothing."""
    result = await read_json(request, limit=gateway.body_limit)
    callback = await get_callback(gateway.store, callback_id)
    return CheckedOut(problems=await gateway.find_problems(callback, result))


_Answers = Annotated[
    tuple[AnswersIn, bytes], Depends(ReadExactBody(AnswersIn, lambda _: MOST_BYTES))
]


@router.post(
    "/answers",
    summary="Answer many callbacks",
    dependencies=requires(Act.ANSWER),
    response_model=ResultsOut,
)
async def answer_callbacks(gateway: GatewayOf, key: KeyOf, given: _Answers) -> Response:
    """Accept each answer by itself; each gets the status that it would get alone.

    At most 1,000 answers and 4 MiB. Each names its callback by id or alias. Several answers to one
    callback are accepted in any order. A body that is not JSON or has an unknown verb is refused as
    a whole.
    """
    asked, body = given
    to = await _find_callbacks(gateway, asked.answers)
    read = await run_apart(body, lambda: _read_all(asked, body, to, limit=gateway.body_limit))
    sent = [one for one in read if isinstance(one, SentAnswer)]
    for error in read:
        if isinstance(error, RingbackError):
            gateway.hooks.answer_refused(error)
    replies = iter(await answer_many(gateway.answer_service, sent, key_voter(key)))
    ends = [next(replies) if isinstance(one, SentAnswer) else one for one in read]
    results = [
        {"callback": one.callback, "alias": one.alias, **_to_result(gateway, end)}
        for one, end in zip(asked.answers, ends, strict=True)
    ]
    return JSONResponse({"results": results})


async def accept_heartbeat(
    gateway: Gateway, callback_id: CallbackId, request: Request, *, serial: int | None = None
) -> SignOut:
    """Accept the heartbeat in the body of a request with an API key, or a link's with `serial`.

    Raises:
        RingbackError: The body cannot be read, or `HeartbeatService.heartbeat` refuses it.
    """
    details = await read_json(request, limit=gateway.body_limit)
    reply = await gateway.heartbeat_service.heartbeat(callback_id, details, serial=serial)
    return SignOut(**asdict(reply.response), deadline=reply.deadline_at)


async def answer_by_key(
    gateway: Gateway, callback_id: CallbackId, request: Request, *, verb: Verb, wait: timedelta
) -> Response:
    """Accept the answer in the body of a request with an API key.

    Raises:
        RingbackError: The body cannot be read, or `AnswerService.accept` refuses the answer.
    """
    try:
        outcome = await read_outcome(request, verb, limit=gateway.body_limit)
    except RingbackError as exc:
        gateway.hooks.answer_refused(exc)
        raise
    voter = key_voter(request.state.key)
    receipt = await gateway.answer_service.accept(callback_id, outcome, voter=voter)
    # The answer is committed. A sender may wait for its verdict for a minute from here.
    del outcome
    release_bytes(request)
    return await reply_with_receipt(
        gateway, receipt, wait=wait, status_url=gateway.status_url(receipt.callback_id)
    )


async def _find_callbacks(
    gateway: Gateway, answers: Sequence[AnswerIn]
) -> list[CallbackId | RingbackError]:
    """Return the callback of each answer, or why there is none."""
    named = [_named(one) for one in answers]
    aliases = [one for one in named if isinstance(one, Alias)]
    found = iter(await gateway.alias_service.find(aliases))
    return [next(found) if isinstance(one, Alias) else one for one in named]


def _named(answer: AnswerIn) -> CallbackId | Alias | RingbackError:
    try:
        if answer.alias is not None:
            return to_alias(answer.alias)
        return to_callback_id(answer.callback or "")
    except (MalformedRequestError, UnknownCallbackError) as exc:
        return exc


def _read_all(
    asked: AnswersIn, body: bytes, to: Sequence[CallbackId | RingbackError], *, limit: int
) -> list[SentAnswer | RingbackError]:
    texts = items(members(body)["answers"])
    return [_read(*each, limit=limit) for each in zip(asked.answers, texts, to, strict=True)]


def _read(
    asked: AnswerIn, text: bytes, to: CallbackId | RingbackError, *, limit: int
) -> SentAnswer | RingbackError:
    """Return `asked` with its body byte for byte from `text`, or why it is refused."""
    body = members(text).get("body")
    if len(body or b"") > limit:
        return AnswerTooLargeError(limit)
    if isinstance(to, RingbackError):
        return to
    try:
        return SentAnswer(to, TO_OUTCOME[Verb[asked.verb.upper()]](body))
    except MalformedAnswerError as exc:
        return exc


def _to_result(gateway: Gateway, end: Receipt | RingbackError) -> dict[str, Any]:
    if isinstance(end, Receipt):
        body = encode_receipt(end, end.state, status_url=gateway.status_url(end.callback_id))
        receipt = {"receipt": json.loads(body), "problem": None}
        return {"callback": end.callback_id, "status": status_of(end, end.state), **receipt}
    reply = to_full_problem(end)
    return {
        "status": reply.status_code,
        "receipt": None,
        "problem": json.loads(bytes(reply.body)),
    }
