"""Opening over HTTP: what a worker without a Ringback of its own needs."""

import json
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from ringback.core.ask import Asked, Asking
from ringback.core.open import Opening
from ringback.core.operate import get_callback, link_to
from ringback.domain.api_key import Act
from ringback.domain.callback import Accepted
from ringback.domain.link import Keyring
from ringback.domain.outcome import KINDS, body_of, to_fields
from ringback.gateway.api import examples
from ringback.gateway.api.access import Gate
from ringback.gateway.api.asked import CheckSchema, OpenIn, to_wants
from ringback.gateway.api.bodies import read_model
from ringback.gateway.api.described import described, takes
from ringback.gateway.api.told import OpenedOut
from ringback.gateway.api.values import to_callback_id
from ringback.ports.store import CallbackStore


@dataclass(frozen=True, slots=True)
class OpeningRoutes:
    """Routes of workers.

    Attributes:
        asking: Opens callbacks.
        opening: Keeps that the outside was asked.
        store: Where callbacks are found.
        keyring: Signs their links.
        check_schema: Judges result schemas.
        public_url: Where the outside reaches the gateway.
        body_limit: The largest body, in bytes.
    """

    asking: Asking
    opening: Opening
    store: CallbackStore
    keyring: Keyring
    check_schema: CheckSchema
    public_url: str
    body_limit: int

    def add_to(self, router: APIRouter, gate: Gate) -> None:
        """Add the routes to `router`, behind `gate`."""
        router.add_api_route(
            "/callbacks",
            self.open,
            methods=["POST"],
            dependencies=gate.lets(Act.OPEN),
            **described(
                Act.OPEN,
                "Open the callback of an activity, or find it",
                OpenedOut,
                example=examples.OPENED,
                body=takes(OpenIn, examples.OPEN),
                problems=(400, 410, 413, 415),
            ),
        )
        router.add_api_route(
            "/callbacks/{id}/submitted",
            self.submitted,
            methods=["POST"],
            dependencies=gate.lets(Act.SUBMIT),
            **described(
                Act.SUBMIT,
                "Tell that the outside party was asked: no later attempt asks again",
                None,
                problems=(404,),
            ),
        )

    async def open(self, request: Request) -> Response:
        """The same activity gets the same callback, over all its attempts. Safe to repeat.

        `next` says what the attempt does now. `submit`: give `url` to the outside party, then
        `POST …/submitted`, then complete asynchronously. `wait`: complete asynchronously at once.
        `return`: end with `answer`, since nobody delivers it again.
        """
        asked, body = await read_model(request, OpenIn, limit=self.body_limit)
        wants = to_wants(asked.options, body, self.check_schema)
        opened = await self.asking.open(asked.activity.to_named(), wants)
        return Response(self._to_json(opened), media_type="application/json", headers=_UNKEPT)

    async def submitted(self, id: str) -> None:  # noqa: A002 - the parameter's name
        """The first time counts; it is safe to repeat. Nothing of the callback is shown."""
        callback = await get_callback(self.store, to_callback_id(id))
        await self.opening.mark_submitted(callback.id)

    def _to_json(self, opened: Asked) -> bytes:
        """Return what the worker is told, with the answer exactly as it was given."""
        callback, answer = opened.callback, opened.answer
        deadline = callback.deadline_at
        link = link_to(callback, key_id=callback.key_id)
        told: dict[str, Any] = {
            "id": callback.id,
            "url": self.keyring.url(self.public_url, link),
            "state": callback.state.value,
            "submitted": callback.submitted_at is not None,
            "answered": answer is not None,
            "next": opened.next.value,
            "deadline": None if deadline is None else deadline.isoformat(),
        }
        return b"".join([json.dumps(told)[:-1].encode(), b', "answer": ', _to_json(answer), b"}"])


_UNKEPT: Final = {"cache-control": "no-store"}


def _to_json(answer: Accepted | None) -> bytes:
    if answer is None:
        return b"null"
    outcome = answer.outcome
    told = json.dumps({"kind": KINDS[type(outcome)], **to_fields(outcome)}).encode()
    body = body_of(outcome)
    return told if body is None else b"".join([told[:-1], b', "body": ', body, b"}"])
