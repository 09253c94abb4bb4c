"""Answering over HTTP by id: what a link does for one callback, an operator does for any."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from ringback.core.accept import Accepting, Receipt
from ringback.core.answer_many import Given, answer_many
from ringback.core.heartbeat import Heartbeating
from ringback.domain.api_key import Act
from ringback.domain.errors import (
    AnswerTooLargeError,
    MalformedAnswerError,
    RingbackError,
    UnknownCallbackError,
)
from ringback.domain.raw_json import items
from ringback.gateway.api import examples
from ringback.gateway.api.access import Gate
from ringback.gateway.api.bodies import raw, read_model
from ringback.gateway.api.described import OF_AN_ANSWER, described, takes, takes_json
from ringback.gateway.api.told import ReceiptOut, ResultsOut, SignOut
from ringback.gateway.api.values import Json, Text, to_callback_id
from ringback.gateway.body import TO_OUTCOME, FailureBody, read_apart, read_json
from ringback.gateway.receipts import Receipts, to_receipt
from ringback.gateway.replies import to_known_problem
from ringback.gateway.view import to_sign

MOST_ANSWERS: Final = 1000
MOST_BYTES: Final = 4 * 1024 * 1024

_BODIES: Final = {
    "complete": takes_json("The result; without a body there is none.", examples.RESULT),
    "fail": takes(FailureBody, examples.FAILURE),
    "cancel": takes_json("The details of the cancellation.", examples.REASON),
}
_SUMMARIES: Final = {
    "complete": "Complete the activity",
    "fail": "Fail the activity",
    "cancel": "Report that the activity was canceled",
}


class AnswerIn(BaseModel):
    """One of many answers."""

    model_config = ConfigDict(extra="forbid")

    callback: Text = Field(description="The callback's id.")
    verb: Literal["complete", "fail", "cancel"]
    body: Json = Field(
        default=None,
        repr=False,
        description="What `POST …/{verb}` takes; without it there is no body.",
    )


class AnswersIn(BaseModel):
    """Many answers."""

    model_config = ConfigDict(extra="forbid")

    answers: list[AnswerIn] = Field(min_length=1, max_length=MOST_ANSWERS)


@dataclass(frozen=True, slots=True)
class AnsweringRoutes:
    """Routes of who answers.

    Attributes:
        accepting: Takes outcomes.
        heartbeating: Takes heartbeats.
        receipts: Tells the sender.
        body_limit: The largest body of one answer, in bytes.
    """

    accepting: Accepting
    heartbeating: Heartbeating
    receipts: Receipts
    body_limit: int

    def add_to(self, router: APIRouter, gate: Gate) -> None:
        """Add the routes to `router`, behind `gate`."""
        for verb, body in _BODIES.items():
            router.add_api_route(
                f"/callbacks/{{id}}/{verb}",
                self._answers(verb),
                methods=["POST"],
                dependencies=gate.lets(Act.ANSWER),
                **described(
                    Act.ANSWER,
                    _SUMMARIES[verb],
                    ReceiptOut,
                    example=examples.RECEIPT,
                    body=body,
                    problems=OF_AN_ANSWER,
                    accepted=True,
                ),
            )
        router.add_api_route(
            "/callbacks/{id}/heartbeat",
            self.heartbeat,
            methods=["POST"],
            dependencies=gate.lets(Act.HEARTBEAT),
            **described(
                Act.HEARTBEAT,
                "Give a sign of life",
                SignOut,
                example=examples.SIGN,
                body=takes_json("The details.", examples.DETAILS),
                problems=OF_AN_ANSWER,
            ),
        )
        router.add_api_route(
            "/answers",
            self.answer_many,
            methods=["POST"],
            dependencies=gate.lets(Act.ANSWER),
            **described(
                Act.ANSWER,
                "Give many answers at once",
                ResultsOut,
                example=examples.RESULTS,
                body=takes(AnswersIn, examples.ANSWERS),
                problems=(400, 413, 415),
            ),
        )

    def _answers(self, verb: str) -> Callable[..., Awaitable[Response]]:
        async def answer(id: str, request: Request) -> Response:  # noqa: A002 - in the path
            """The first answer counts. `Prefer: wait=N` asks to be told the end of it."""
            callback_id = to_callback_id(id)
            body = await read_json(request, limit=self.body_limit)
            outcome = await read_apart(body or b"", lambda: TO_OUTCOME[verb](body))
            receipt = await self.accepting.accept(callback_id, outcome)
            return await self.receipts.reply(request, receipt, status_url=_status_url(receipt))

        answer.__name__ = verb
        return answer

    async def heartbeat(self, id: str, request: Request) -> SignOut:  # noqa: A002 - in the path
        """Answers with what Temporal said last; no body keeps the details of the one before."""
        callback_id = to_callback_id(id)
        details = await read_json(request, limit=self.body_limit)
        return SignOut(**to_sign(await self.heartbeating.heartbeat(callback_id, details)))

    async def answer_many(self, request: Request) -> Response:
        """Each answer is judged alone, and has the status that it would have got alone.

        At most 1,000 answers and 4 MiB. Several for one callback may be taken in any order. What
        cannot be read at all (not JSON, an unknown verb) is refused as a whole.
        """
        asked, body = await read_model(request, AnswersIn, limit=MOST_BYTES)
        read = await read_apart(body, lambda: self._read_all(asked, body))
        given = await answer_many(self.accepting, [one for one in read if isinstance(one, Given)])
        results = iter(given)
        ended = [next(results) if isinstance(one, Given) else one for one in read]
        told = [_told(*both) for both in zip(asked.answers, ended, strict=True)]
        return JSONResponse({"results": told})

    def _read_all(self, asked: AnswersIn, body: bytes) -> list[Given | RingbackError]:
        texts = items(raw(body, "answers") or b"[]")
        return [self._read(*both) for both in zip(asked.answers, texts, strict=True)]

    def _read(self, asked: AnswerIn, text: bytes) -> Given | RingbackError:
        """Return what `asked` says, its body as it stands in `text`; or why it says nothing."""
        body = raw(text, "body")
        if len(body or b"") > self.body_limit:
            return AnswerTooLargeError(self.body_limit)
        try:
            return Given(to_callback_id(asked.callback), TO_OUTCOME[asked.verb](body))
        except (MalformedAnswerError, UnknownCallbackError) as exc:
            return exc


def _told(asked: AnswerIn, ended: Receipt | RingbackError) -> dict[str, Any]:
    if isinstance(ended, Receipt):
        reply = to_receipt(ended, ended.state, status_url=_status_url(ended))
        result: dict[str, Any] = {"receipt": json.loads(bytes(reply.body)), "problem": None}
    else:
        reply = to_known_problem(ended)
        result = {"receipt": None, "problem": json.loads(bytes(reply.body))}
    return {"callback": asked.callback, "status": reply.status_code, **result}


def _status_url(receipt: Receipt) -> str:
    return f"/v1/callbacks/{receipt.callback_id}"
