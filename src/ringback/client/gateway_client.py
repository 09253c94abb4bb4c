"""`GatewayClient`: every call of the gateway's HTTP API that has an API key."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from ringback.client.connections import Connections
from ringback.client.problems import to_error
from ringback.client.target import Target
from ringback.domain.alias import Alias
from ringback.domain.errors import GatewayRefusedError, GatewayUnavailableError
from ringback.domain.exact_json import members
from ringback.schemas.events import EventsOut
from ringback.schemas.inbox import InboxOut
from ringback.schemas.notifications import ChannelTestOut
from ringback.schemas.responses import (
    AuditEntryOut,
    AuditTrailOut,
    CallbackOut,
    CheckedOut,
    LinkOut,
    OpenedOut,
    PageOut,
    ReceiptOut,
    ResultProblemOut,
    ShownOut,
    SignOut,
    WhoamiOut,
)
from ringback.schemas.sign_in import RevokedOut, SessionOut, SessionsOut, SignInUrlOut
from ringback.schemas.votes import DigestOut, VoteOut, VotesOut

M = TypeVar("M", bound=BaseModel)

_SECONDS: Final = 10.0
"""How long a call takes at most."""

_JSON: Final = {"content-type": "application/json"}


class GatewayClient:
    """A client of one gateway, for a worker or an operator.

    Every call may be repeated: the same callback is found, and the same answer is accepted once.
    """

    def __init__(
        self, target: Target, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """Call the gateway of `target`; `transport` replaces the network in tests."""
        self._target = target
        self._headers = {"authorization": f"Bearer {target.api_key}", "user-agent": "ringback"}
        self._transport = transport or _new_transport(target.url)

    async def __aenter__(self) -> Self:
        """Open the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def whoami(self) -> WhoamiOut:
        """Return the key's name and role, and the gateway's version and namespace."""
        return _parse(WhoamiOut, await self._call("GET", "/v1/whoami"))

    async def open(self, body: bytes) -> tuple[OpenedOut, bytes | None]:
        """Open the callback of an activity, or find it.

        Args:
            body: An `OpenIn` as JSON.

        Returns:
            The callback, and the body of its answer byte for byte, if there is one.
        """
        content = await self._call("POST", "/v1/callbacks", content=body)
        opened = _parse(OpenedOut, content)
        if opened.answer is None:
            return opened, None
        return opened, members(members(content)["answer"]).get("body")

    async def mark_submitted(self, callback_id: str) -> None:
        """Report that the request was submitted: no later attempt submits it again."""
        await self._call("POST", f"/v1/callbacks/{callback_id}/submitted")

    async def confirm_resumed(self, callback_id: str, attempt: int) -> None:
        """Report that an attempt continues with its answer, before its code goes on."""
        content = json.dumps({"attempt": attempt}).encode()
        await self._call("POST", f"/v1/callbacks/{callback_id}/resumed", content=content)

    async def add_alias(self, callback_id: str, alias: str) -> CallbackOut:
        """Let an alias lead to a callback until it ends."""
        path = f"/v1/callbacks/{callback_id}/aliases/{quote(alias, safe='')}"
        return _parse(CallbackOut, await self._call("PUT", path))

    async def answer(
        self, to: str | Alias, verb: str, body: bytes | None, *, wait: timedelta = timedelta(0)
    ) -> ReceiptOut:
        """Answer with `complete`, `fail` or `cancel`, and wait up to `wait` for the verdict."""
        path = f"{_path_of(to)}/{verb}"
        return _parse(ReceiptOut, await self._post_and_wait(path, body, wait))

    async def check(self, callback_id: str, result: bytes) -> list[ResultProblemOut]:
        """Return the problems of a result; the gateway stores nothing."""
        content = await self._call("POST", f"/v1/callbacks/{callback_id}/check", content=result)
        return _parse(CheckedOut, content).problems

    async def heartbeat(self, to: str | Alias, details: bytes | None) -> SignOut:
        """Send a heartbeat; return Temporal's latest reply."""
        path = f"{_path_of(to)}/heartbeat"
        return _parse(SignOut, await self._call("POST", path, content=details))

    async def page(self, filters: Mapping[str, str | Sequence[str]]) -> PageOut:
        """Return a page of callbacks; `filters` are those of `ListIn`."""
        return _parse(PageOut, await self._call("GET", "/v1/callbacks", params=filters))

    async def inbox(self, filters: Mapping[str, str | Sequence[str]]) -> InboxOut:
        """Return a page of an inbox; `filters` are those of `InboxIn`."""
        return _parse(InboxOut, await self._call("GET", "/v1/inbox", params=filters))

    async def events(self, filters: Mapping[str, str]) -> EventsOut:
        """Return a page of events of sources; `filters` are those of `EventsIn`."""
        return _parse(EventsOut, await self._call("GET", "/v1/events", params=filters))

    async def show(self, named: str | Alias) -> ShownOut:
        """Return a callback with its result schema."""
        return _parse(ShownOut, await self._call("GET", _path_of(named)))

    async def audit_trail(self, callback_id: str) -> list[AuditEntryOut]:
        """Return the audit trail of a callback, oldest entry first."""
        path = f"/v1/callbacks/{callback_id}/audit"
        return _parse(AuditTrailOut, await self._call("GET", path)).entries

    async def extend(self, callback_id: str, within: timedelta) -> CallbackOut:
        """Set the callback's own deadline to `within` from now."""
        body = {"within": within.total_seconds()}
        return _parse(CallbackOut, await self._post(callback_id, "extend", body))

    async def revoke(self, callback_id: str) -> CallbackOut:
        """Revoke all links of a callback."""
        return _parse(CallbackOut, await self._post(callback_id, "revoke", None))

    async def redeliver(self, callback_id: str) -> CallbackOut:
        """Deliver a parked answer again."""
        return _parse(CallbackOut, await self._post(callback_id, "redeliver", None))

    async def votes(self, callback_id: str) -> list[VoteOut]:
        """Return the votes on a callback, oldest first."""
        return _parse(VotesOut, await self._call("GET", f"/v1/callbacks/{callback_id}/votes")).votes

    async def vote(
        self, callback_id: str, vote: bytes, *, wait: timedelta = timedelta(0)
    ) -> ReceiptOut:
        """Send a vote, a `VoteIn` as JSON; wait for the verdict."""
        path = f"/v1/callbacks/{callback_id}/votes"
        return _parse(ReceiptOut, await self._post_and_wait(path, vote, wait))

    async def withdraw(self, callback_id: str, user: str, *, ballot: int) -> CallbackOut:
        """Withdraw the vote that a person gave with this ballot."""
        path = f"/v1/callbacks/{callback_id}/votes/{quote(user, safe='')}?ballot={ballot}"
        return _parse(CallbackOut, await self._call("DELETE", path))

    async def claim(self, callback_id: str, by: str, groups: Sequence[str]) -> CallbackOut:
        """Claim a callback for a person."""
        body = {"by": by, "groups": list(groups)}
        return _parse(CallbackOut, await self._post(callback_id, "claim", body))

    async def release(self, callback_id: str) -> CallbackOut:
        """Release a claimed callback."""
        return _parse(CallbackOut, await self._post(callback_id, "release", None))

    async def reassign(self, callback_id: str, assignees: Sequence[str]) -> CallbackOut:
        """Ask other people instead."""
        body = {"assignees": list(assignees)}
        return _parse(CallbackOut, await self._post(callback_id, "reassign", body))

    async def change_details(self, callback_id: str, details: Mapping[str, object]) -> DigestOut:
        """Add to the details of a subject, or replace some; earlier votes are removed."""
        content = await self._post(callback_id, "details", {"details": dict(details)})
        return _parse(DigestOut, content)

    async def create_link(
        self, callback_id: str, *, verbs: Sequence[str] | None, good_for: timedelta | None
    ) -> LinkOut:
        """Return a new link to a callback."""
        body: dict[str, object] = {}
        if verbs is not None:
            body["verbs"] = list(verbs)
        if good_for is not None:
            body["for"] = good_for.total_seconds()
        return _parse(LinkOut, await self._post(callback_id, "link", body))

    async def create_sign_in_url(self, body: Mapping[str, object]) -> SignInUrlOut:
        """Return a new one-time sign-in URL; `body` is a `SignInUrlIn`."""
        content = json.dumps(body).encode()
        return _parse(SignInUrlOut, await self._call("POST", "/v1/sign-in-urls", content=content))

    async def list_sessions(self, *, user: str | None) -> list[SessionOut]:
        """Return the sessions of people, or of one user, the newest first."""
        params = {} if user is None else {"user": user}
        return _parse(SessionsOut, await self._call("GET", "/v1/sessions", params=params)).sessions

    async def revoke_session(self, session_id: str) -> SessionOut:
        """Revoke a session."""
        return _parse(SessionOut, await self._call("DELETE", f"/v1/sessions/{session_id}"))

    async def revoke_sessions(self, user: str) -> int:
        """Revoke all sessions of a user; return how many there were."""
        content = await self._call("DELETE", "/v1/sessions", params={"user": user})
        return _parse(RevokedOut, content).revoked

    async def test_channel(self, channel: str, to: str | None) -> ChannelTestOut:
        """Send a test message through a channel, and return the result."""
        content = json.dumps({"channel": channel, "to": to}).encode()
        reply = await self._call("POST", "/v1/notifications/test", content=content)
        return _parse(ChannelTestOut, reply)

    async def _post_and_wait(self, path: str, content: bytes | None, wait: timedelta) -> bytes:
        seconds = int(wait.total_seconds())
        headers = {"prefer": f"wait={seconds}"} if seconds else {}
        return await self._call("POST", path, content=content, headers=headers, patience=wait)

    async def _post(self, callback_id: str, act: str, body: object) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        return await self._call("POST", f"/v1/callbacks/{callback_id}/{act}", content=content)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        params: Mapping[str, str | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: timedelta = timedelta(0),
    ) -> bytes:
        request = httpx2.Request(
            method,
            f"{self._target.url}{path}",
            content=content,
            params=params,
            headers={**self._headers, **(_JSON if content else {}), **(headers or {})},
            extensions={"timeout": _SECONDS + patience.total_seconds()},
        )
        try:
            # Without a client of httpx2: its cookies and redirects take as long as the rest.
            reply = await self._transport.handle_async_request(request)
            await reply.aread()
        except httpx2.TransportError as exc:
            why = str(exc) or type(exc).__name__
            msg = f"the gateway at {self._target.url} cannot be reached ({why}); is it running?"
            raise GatewayUnavailableError(msg) from exc
        if reply.is_success:
            return reply.content
        raise to_error(reply, self._target)


def _path_of(named: str | Alias) -> str:
    """Return the path of a callback, by its id or its alias."""
    if isinstance(named, Alias):
        return f"/v1/aliases/{quote(named.text, safe='')}"
    return f"/v1/callbacks/{named}"


def _new_transport(url: str) -> Connections:
    # Loading the certificates takes 50 ms.
    return Connections(tls=None if url.startswith("http:") else httpx2.create_ssl_context())


def _parse(model: type[M], content: bytes) -> M:
    try:
        return model.model_validate_json(content)
    except ValidationError as exc:
        found = "; ".join(f"{one['loc']}: {one['msg']}" for one in exc.errors(include_input=False))
        msg = f"the reply does not fit this version of Ringback ({found}); use one version for both"
        raise GatewayRefusedError(msg, status=200, title="unexpected reply") from None
