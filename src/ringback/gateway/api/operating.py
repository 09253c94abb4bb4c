"""Operating over HTTP: more time, no more links, a new link, another delivery."""

from dataclasses import dataclass
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ringback.core.operate import Operating, get_callback, link_to
from ringback.domain.api_key import Act
from ringback.domain.callback import Callback
from ringback.domain.errors import MalformedRequestError, Problem
from ringback.domain.link import Keyring, Verb
from ringback.gateway.api import examples
from ringback.gateway.api.access import Gate
from ringback.gateway.api.bodies import read_model
from ringback.gateway.api.described import described, takes
from ringback.gateway.api.told import CallbackOut, LinkOut, to_callback_out
from ringback.gateway.api.values import Duration, to_callback_id
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackStore

_SMALL: Final = 16 * 1024
_OF_A_BODY: Final = (400, 413, 415)


class ExtendIn(BaseModel):
    """A wish for more time."""

    model_config = ConfigDict(extra="forbid")

    within: Duration = Field(description="How long the outside may take, from now on.")


class LinkIn(BaseModel):
    """A wish for a link. It never allows more than the activity's own link, nor for longer."""

    model_config = ConfigDict(extra="forbid")

    verbs: list[Literal["complete", "fail", "heartbeat", "cancel", "view"]] | None = Field(
        default=None,
        min_length=1,
        max_length=len(Verb),
        description="What it allows; left out, all that the activity's own link does.",
    )
    good_for: Duration | None = Field(
        default=None, alias="for", description="How long it is good, from now on."
    )


@dataclass(frozen=True, slots=True)
class OperatingRoutes:
    """Routes of who operates.

    Attributes:
        operating: Does it.
        store: Where callbacks are found.
        keyring: Signs new links.
        clock: Says how long they are good.
        public_url: Where the outside reaches the gateway.
    """

    operating: Operating
    store: CallbackStore
    keyring: Keyring
    clock: Clock
    public_url: str

    def add_to(self, router: APIRouter, gate: Gate) -> None:
        """Add the routes to `router`, behind `gate`."""
        router.add_api_route(
            "/callbacks/{id}/extend",
            self.extend,
            methods=["POST"],
            dependencies=gate.lets(Act.EXTEND),
            **described(
                Act.EXTEND,
                "Give the outside more time",
                CallbackOut,
                example=examples.CALLBACK,
                body=takes(ExtendIn, examples.EXTEND),
                problems=(404, 409, *_OF_A_BODY),
            ),
        )
        router.add_api_route(
            "/callbacks/{id}/revoke",
            self.revoke,
            methods=["POST"],
            dependencies=gate.lets(Act.REVOKE),
            **described(
                Act.REVOKE,
                "Revoke all links of a callback",
                CallbackOut,
                example=examples.CALLBACK,
                problems=(404,),
            ),
        )
        router.add_api_route(
            "/callbacks/{id}/redeliver",
            self.redeliver,
            methods=["POST"],
            dependencies=gate.lets(Act.REDELIVER),
            **described(
                Act.REDELIVER,
                "Deliver a parked answer again",
                CallbackOut,
                example=examples.CALLBACK,
                problems=(404, 409),
            ),
        )
        router.add_api_route(
            "/callbacks/{id}/link",
            self.link,
            methods=["POST"],
            dependencies=gate.lets(Act.LINK),
            **described(
                Act.LINK,
                "Make a new link to a callback",
                LinkOut,
                example=examples.LINKED,
                body=takes(LinkIn, examples.LINK),
                problems=(404, *_OF_A_BODY),
            ),
        )

    async def extend(self, id: str, request: Request) -> CallbackOut:  # noqa: A002 - in the path
        """The callback's own deadline is so long from now. Temporal's time-outs stay."""
        asked, _ = await read_model(request, ExtendIn, limit=_SMALL)
        callback_id, by = to_callback_id(id), request.state.key_id
        return to_callback_out(await self.operating.extend(callback_id, asked.within, by=by))

    async def revoke(self, id: str, request: Request) -> CallbackOut:  # noqa: A002 - in the path
        """Every link that was made so far is as unknown from now on. New ones can be made."""
        callback_id, by = to_callback_id(id), request.state.key_id
        return to_callback_out(await self.operating.revoke(callback_id, by=by))

    async def redeliver(self, id: str) -> CallbackOut:  # noqa: A002 - in the path
        """Who asks for it decides that no attempt has ended with the answer so far."""
        return to_callback_out(await self.operating.redeliver(to_callback_id(id)))

    async def link(self, id: str, request: Request, response: Response) -> LinkOut:  # noqa: A002 - in the path
        """A link is a credential. To take it back, revoke all links of the callback."""
        asked, _ = await read_model(request, LinkIn, limit=_SMALL)
        callback = await get_callback(self.store, to_callback_id(id))
        response.headers["cache-control"] = "no-store"
        made = link_to(
            callback,
            key_id=self.keyring.signing,
            verbs=_to_verbs(asked, callback),
            until=None if asked.good_for is None else self.clock.now() + asked.good_for,
        )
        await self.operating.record_link(made, by=request.state.key_id)
        return LinkOut(
            url=self.keyring.url(self.public_url, made),
            allows=sorted(verb.name.lower() for verb in made.verbs),
            expires_at=made.expires_at,
        )


def _to_verbs(asked: LinkIn, callback: Callback) -> frozenset[Verb] | None:
    if asked.verbs is None:
        return None
    wanted = frozenset(Verb[verb.upper()] for verb in asked.verbs)
    if not wanted <= callback.verbs:
        allowed = ", ".join(sorted(verb.name.lower() for verb in callback.verbs))
        raise MalformedRequestError([Problem("/verbs", f"the activity's link allows {allowed}")])
    return wanted
