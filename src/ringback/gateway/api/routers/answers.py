"""Answers by callback id: what a link does for one callback, an operator does for any."""

import json
from collections.abc import Callable
from typing import Any, Final

from fastapi import Request, Response
from starlette.responses import JSONResponse

from ringback.core.answers import Receipt, SentAnswer, answer_many
from ringback.core.operations import get_callback
from ringback.domain.api_key import Act
from ringback.domain.errors import (
    AnswerTooLargeError,
    MalformedAnswerError,
    RingbackError,
    UnknownCallbackError,
)
from ringback.domain.exact_json import items
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Outcome
from ringback.gateway.api.access import IdInPath, new_router, requires, to_callback_id
from ringback.gateway.api.bodies import raw, read_model, takes, takes_json
from ringback.gateway.api.problems import OF_A_BODY, OF_AN_ANSWER, behind_a_key
from ringback.gateway.api.services import Injected, Services
from ringback.gateway.body import TO_OUTCOME, FailureBody, read_apart, read_json
from ringback.gateway.body_budget import release_bytes
from ringback.gateway.receipts import to_receipt
from ringback.gateway.replies import to_known_problem
from ringback.gateway.view import to_sign
from ringback.schemas import examples
from ringback.schemas.requests import AnswerIn, AnswersIn
from ringback.schemas.responses import CheckedOut, ReceiptOut, ResultProblemOut, ResultsOut, SignOut

MOST_BYTES: Final = 4 * 1024 * 1024

router = new_router("")

_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    **behind_a_key(*OF_AN_ANSWER),
    202: {"model": ReceiptOut, "description": "Committed; Ringback delivers it to Temporal."},
}


@router.post(
    "/callbacks/{id}/complete",
    summary="Complete the activity",
    dependencies=requires(Act.ANSWER),
    response_model=ReceiptOut,
    responses=_ACCEPTED,
    openapi_extra=takes_json("The result; without a body there is none.", examples.RESULT),
)
async def complete_callback(
    services: Injected, callback_id: IdInPath, request: Request
) -> Response:
    """Accept a result. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await _answer(services, callback_id, request, verb="complete")


@router.post(
    "/callbacks/{id}/check",
    summary="Check a result without sending it",
    dependencies=requires(Act.ANSWER),
    responses=behind_a_key(*OF_AN_ANSWER),
    openapi_extra=takes_json("The result; without a body there is none.", examples.RESULT),
)
async def check_result(services: Injected, callback_id: IdInPath, request: Request) -> CheckedOut:
    """Return what is wrong with a result by the callback's result schema. Stores nothing."""
    result = await read_json(request, limit=services.body_limit)
    callback = await get_callback(services.store, callback_id)
    schema = await services.schema_of(callback)
    problems = [] if schema is None else await services.validate(schema, result)
    return CheckedOut(
        problems=[ResultProblemOut(pointer=one.path, detail=one.message) for one in problems]
    )


@router.post(
    "/callbacks/{id}/fail",
    summary="Fail the activity",
    dependencies=requires(Act.ANSWER),
    response_model=ReceiptOut,
    responses=_ACCEPTED,
    openapi_extra=takes(FailureBody),
)
async def fail_callback(services: Injected, callback_id: IdInPath, request: Request) -> Response:
    """Accept a failure. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await _answer(services, callback_id, request, verb="fail")


@router.post(
    "/callbacks/{id}/cancel",
    summary="Report that the activity was canceled",
    dependencies=requires(Act.ANSWER),
    response_model=ReceiptOut,
    responses=_ACCEPTED,
    openapi_extra=takes_json("The details of the cancellation.", examples.REASON),
)
async def cancel_callback(services: Injected, callback_id: IdInPath, request: Request) -> Response:
    """Accept a cancellation. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await _answer(services, callback_id, request, verb="cancel")


@router.post(
    "/callbacks/{id}/heartbeat",
    summary="Send a heartbeat",
    dependencies=requires(Act.HEARTBEAT),
    responses=behind_a_key(*OF_AN_ANSWER),
    openapi_extra=takes_json("The details.", examples.DETAILS),
)
async def heartbeat_callback(
    services: Injected, callback_id: IdInPath, request: Request
) -> SignOut:
    """Return what Temporal replied last; without a body the last details stay."""
    details = await read_json(request, limit=services.body_limit)
    return SignOut(**to_sign(await services.heartbeat_service.heartbeat(callback_id, details)))


@router.post(
    "/answers",
    summary="Answer many callbacks at once",
    dependencies=requires(Act.ANSWER),
    response_model=ResultsOut,
    responses=behind_a_key(*OF_A_BODY),
    openapi_extra=takes(AnswersIn),
)
async def answer_callbacks(services: Injected, request: Request) -> Response:
    """Judge each answer alone: each has the status that it would have had alone.

    At most 1,000 answers and 4 MiB. Several answers to one callback may be accepted in any order.
    A body that is not JSON, or has an unknown verb, is refused as a whole.
    """
    asked, body = await read_model(request, AnswersIn, limit=MOST_BYTES)
    read = await read_apart(body, lambda: _read_all(asked, body, limit=services.body_limit))
    given = [one for one in read if isinstance(one, SentAnswer)]
    results = iter(await answer_many(services.answer_service, given))
    ended = [next(results) if isinstance(one, SentAnswer) else one for one in read]
    told = [
        _to_result(*both, status_url=services.status_url)
        for both in zip(asked.answers, ended, strict=True)
    ]
    return JSONResponse({"results": told})


async def _answer(
    services: Services, callback_id: CallbackId, request: Request, *, verb: str
) -> Response:
    outcome = await _read_outcome(request, verb, limit=services.body_limit)
    receipt = await services.answer_service.accept(callback_id, outcome)
    # The answer is committed. A sender may wait for its verdict for a minute from here.
    del outcome
    release_bytes(request)
    return await services.receipts.reply(
        request, receipt, status_url=services.status_url(receipt.callback_id)
    )


async def _read_outcome(request: Request, verb: str, *, limit: int) -> Outcome:
    body = await read_json(request, limit=limit)
    return await read_apart(body or b"", lambda: TO_OUTCOME[verb](body))


def _read_all(asked: AnswersIn, body: bytes, *, limit: int) -> list[SentAnswer | RingbackError]:
    texts = items(raw(body, "answers") or b"[]")
    return [_read(*both, limit=limit) for both in zip(asked.answers, texts, strict=True)]


def _read(asked: AnswerIn, text: bytes, *, limit: int) -> SentAnswer | RingbackError:
    """Return `asked` with its body as it stands in `text`, or why it cannot be used."""
    body = raw(text, "body")
    if len(body or b"") > limit:
        return AnswerTooLargeError(limit)
    try:
        return SentAnswer(to_callback_id(asked.callback), TO_OUTCOME[asked.verb](body))
    except (MalformedAnswerError, UnknownCallbackError) as exc:
        return exc


def _to_result(
    asked: AnswerIn, ended: Receipt | RingbackError, *, status_url: Callable[[CallbackId], str]
) -> dict[str, Any]:
    if isinstance(ended, Receipt):
        reply = to_receipt(ended, ended.state, status_url=status_url(ended.callback_id))
        result: dict[str, Any] = {"receipt": json.loads(bytes(reply.body)), "problem": None}
    else:
        reply = to_known_problem(ended)
        result = {"receipt": None, "problem": json.loads(bytes(reply.body))}
    return {"callback": asked.callback, "status": reply.status_code, **result}
