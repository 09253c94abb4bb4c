"""`GatewayClient`: every call of the gateway's HTTP API that has an API key."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from ringback.client.caller import Caller, M, parse
from ringback.client.calls import to_answer, to_bytes, to_object
from ringback.domain.alias import Alias
from ringback.domain.exact_json import members
from ringback.domain.outcome import Completed, Failed
from ringback.schemas.events import EventRecordOut, EventsOut
from ringback.schemas.inbox import ChannelTestOut, InboxOut
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
from ringback.schemas.retention import EndedOut, PurgedOut, SummaryOut
from ringback.schemas.sign_in import RevokedOut, SessionOut, SessionsOut, SignInUrlOut
from ringback.schemas.sources import RefusalsOut, SourcesOut, SourceTestOut
from ringback.schemas.votes import DigestOut, VoteOut, VotesOut

Filters: TypeAlias = Mapping[str, str | Sequence[str] | None]
"""Query parameters; those that are `None` are left out."""

_SLOW: Final = timedelta(minutes=1)
"""How much longer than others a call takes that reads or deletes many rows, or asks Temporal."""


class GatewayClient(Caller):
    """A client of one gateway, for a worker or an operator.

    Every call may be repeated: the same callback is found, and the same answer is accepted once.
    """

    async def whoami(self) -> WhoamiOut:
        """Return the key's name and role, and the gateway's version and namespace."""
        return await self._get(WhoamiOut, "/v1/whoami")

    async def summary(self) -> SummaryOut:
        """Return whether anything is wrong."""
        return await self._get(SummaryOut, "/v1/summary")

    async def open(self, body: bytes) -> tuple[OpenedOut, bytes | None]:
        """Open the callback of an activity, or find it.

        Args:
            body: An `OpenIn` as JSON.

        Returns:
            The callback, and the body of its answer byte for byte, if there is one.
        """
        content = await self.call("POST", "/v1/callbacks", content=body)
        opened = parse(OpenedOut, content)
        if opened.answer is None:
            return opened, None
        return opened, members(members(content)["answer"]).get("body")

    async def mark_submitted(self, callback_id: str) -> None:
        """Report that the request was submitted: no later attempt submits it again."""
        await self.call("POST", _path_of(callback_id, "submitted"))

    async def confirm_resumed(self, callback_id: str, attempt: int) -> None:
        """Report that an attempt continues with its answer, before its code goes on."""
        content = to_bytes({"attempt": attempt})
        await self.call("POST", _path_of(callback_id, "resumed"), content=content)

    async def report_poll(
        self,
        callback_id: str,
        attempt: int,
        *,
        task_token: bytes,
        answer: Completed | Failed | None = None,
        error: str | None = None,
    ) -> None:
        """Report what a poll of the sender found: an answer, an error, or neither."""
        parts = {
            "attempt": to_bytes(attempt),
            "task_token": to_bytes(b64encode(task_token).decode()),
            "error": to_bytes(error),
        }
        if answer is not None:
            parts["answer"] = to_answer(answer)
        await self.call("POST", _path_of(callback_id, "polled"), content=to_object(parts))

    async def add_alias(self, callback_id: str, alias: str) -> CallbackOut:
        """Let an alias lead to a callback until it ends."""
        return parse(CallbackOut, await self.call("PUT", _path_of(callback_id, "aliases", alias)))

    async def answer(
        self, to: str | Alias, verb: str, body: bytes | None, *, wait: timedelta = timedelta(0)
    ) -> ReceiptOut:
        """Answer with `complete`, `fail` or `cancel`, and wait up to `wait` for the verdict."""
        return await self._post_and_wait(_path_of(to, verb), body, wait)

    async def check(self, callback_id: str, result: bytes) -> list[ResultProblemOut]:
        """Return the problems of a result; the gateway stores nothing."""
        path = _path_of(callback_id, "check")
        return (await self._post(CheckedOut, path, result)).problems

    async def heartbeat(self, to: str | Alias, details: bytes | None) -> SignOut:
        """Send a heartbeat; return Temporal's latest reply."""
        return await self._post(SignOut, _path_of(to, "heartbeat"), details)

    async def page(self, filters: Filters) -> PageOut:
        """Return a page of callbacks; `filters` are those of `ListIn`."""
        return await self._get(PageOut, "/v1/callbacks", filters)

    async def inbox(self, filters: Filters) -> InboxOut:
        """Return a page of an inbox; `filters` are those of `InboxIn`."""
        return await self._get(InboxOut, "/v1/inbox", filters)

    async def show(self, named: str | Alias) -> ShownOut:
        """Return a callback with its result schema."""
        return await self._get(ShownOut, _path_of(named))

    async def audit_trail(self, callback_id: str) -> list[AuditEntryOut]:
        """Return the audit trail of a callback, oldest entry first."""
        return (await self._get(AuditTrailOut, _path_of(callback_id, "audit"))).entries

    async def extend(self, callback_id: str, within: timedelta) -> CallbackOut:
        """Set the callback's own deadline to `within` from now."""
        return await self._change(callback_id, "extend", {"within": within.total_seconds()})

    async def revoke(self, callback_id: str) -> CallbackOut:
        """Revoke all links of a callback."""
        return await self._change(callback_id, "revoke")

    async def redeliver(self, callback_id: str) -> CallbackOut:
        """Deliver a parked answer again."""
        return await self._change(callback_id, "redeliver")

    async def give_up(self, callback_id: str, body: Mapping[str, object]) -> CallbackOut:
        """Close a callback whose parked answer has no use; `body` is a `GiveUpIn`."""
        return await self._change(callback_id, "give-up", body, patience=_SLOW)

    async def votes(self, callback_id: str) -> list[VoteOut]:
        """Return the votes on a callback, oldest first."""
        return (await self._get(VotesOut, _path_of(callback_id, "votes"))).votes

    async def vote(
        self, callback_id: str, vote: bytes, *, wait: timedelta = timedelta(0)
    ) -> ReceiptOut:
        """Send a vote, a `VoteIn` as JSON; wait for the verdict."""
        return await self._post_and_wait(_path_of(callback_id, "votes"), vote, wait)

    async def withdraw(self, callback_id: str, user: str, *, ballot: int) -> CallbackOut:
        """Withdraw the vote that a person gave with this ballot."""
        path = _path_of(callback_id, "votes", user)
        return parse(CallbackOut, await self.call("DELETE", path, params={"ballot": str(ballot)}))

    async def claim(self, callback_id: str, by: str, groups: Sequence[str]) -> CallbackOut:
        """Claim a callback for a person."""
        return await self._change(callback_id, "claim", {"by": by, "groups": list(groups)})

    async def release(self, callback_id: str) -> CallbackOut:
        """Release a claimed callback."""
        return await self._change(callback_id, "release")

    async def reassign(self, callback_id: str, assignees: Sequence[str]) -> CallbackOut:
        """Ask other people instead."""
        return await self._change(callback_id, "reassign", {"assignees": list(assignees)})

    async def change_details(self, callback_id: str, details: Mapping[str, object]) -> DigestOut:
        """Add to the details of a subject, or replace some; earlier votes are removed."""
        path = _path_of(callback_id, "details")
        return await self._post(DigestOut, path, {"details": dict(details)})

    async def create_link(
        self, callback_id: str, *, verbs: Sequence[str] | None, good_for: timedelta | None
    ) -> LinkOut:
        """Return a new link to a callback."""
        seconds = None if good_for is None else good_for.total_seconds()
        body = {"verbs": verbs, "for": seconds}
        return await self._post(LinkOut, _path_of(callback_id, "link"), body)

    async def create_sign_in_url(self, body: Mapping[str, object]) -> SignInUrlOut:
        """Return a new one-time sign-in URL; `body` is a `SignInUrlIn`."""
        return await self._post(SignInUrlOut, "/v1/sign-in-urls", body)

    async def list_sessions(self, *, user: str | None) -> list[SessionOut]:
        """Return the sessions of people, or of one user, the newest first."""
        return (await self._get(SessionsOut, "/v1/sessions", {"user": user})).sessions

    async def revoke_session(self, session_id: str) -> SessionOut:
        """Revoke a session."""
        return parse(SessionOut, await self.call("DELETE", f"/v1/sessions/{session_id}"))

    async def revoke_sessions(self, user: str) -> int:
        """Revoke all sessions of a user; return how many there were."""
        params = {"user": user}
        return parse(RevokedOut, await self.call("DELETE", "/v1/sessions", params=params)).revoked

    async def export_ended(self, filters: Filters) -> EndedOut:
        """Return a page of what has ended; `filters` are those of `EndedIn`."""
        return await self._get(EndedOut, "/v1/ended", filters, patience=_SLOW)

    async def purge(self, body: Mapping[str, object]) -> PurgedOut:
        """Delete a batch of what has ended; `body` is a `PurgeIn`."""
        return await self._post(PurgedOut, "/v1/purge", body, patience=_SLOW)

    async def test_channel(self, channel: str, to: str | None) -> ChannelTestOut:
        """Send a test message through a channel, and return the result."""
        body = {"channel": channel, "to": to}
        return await self._post(ChannelTestOut, "/v1/notifications/test", body)

    async def events(self, filters: Filters) -> EventsOut:
        """Return a page of events of sources; `filters` are those of `EventsIn`."""
        return await self._get(EventsOut, "/v1/events", filters)

    async def event(self, event_id: str) -> EventRecordOut:
        """Return all that is stored of an event."""
        return await self._get(EventRecordOut, _path("events", event_id))

    async def replay_event(self, event_id: str, *, to_current: bool = False) -> EventRecordOut:
        """Begin an event again; return it afterwards.

        If its alias leads to another callback than before, it needs `to_current`.
        """
        params = {"to_current": "true"} if to_current else None
        path = _path("events", event_id, "replay")
        return await self._post(EventRecordOut, path, params=params)

    async def sources(self) -> SourcesOut:
        """Return the configured sources."""
        return await self._get(SourcesOut, "/v1/sources")

    async def refused_requests(self, source: str) -> RefusalsOut:
        """Return the latest refused requests of a source, newest first."""
        return await self._get(RefusalsOut, _path("sources", source, "refused"))

    async def test_source(
        self, source: str, body: bytes, headers: Mapping[str, str]
    ) -> SourceTestOut:
        """Return what a source would do with a request; the gateway stores nothing."""
        given = {"body_base64": b64encode(body).decode(), "headers": dict(headers)}
        return await self._post(SourceTestOut, _path("sources", source, "test"), given)

    async def _get(
        self, model: type[M], path: str, filters: Filters | None = None, **options: Any
    ) -> M:
        params = {name: one for name, one in (filters or {}).items() if one is not None}
        return parse(model, await self.call("GET", path, params=params, **options))

    async def _post(self, model: type[M], path: str, body: object = None, **options: Any) -> M:
        """Post JSON: bytes as they are, and other values encoded."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return parse(model, await self.call("POST", path, content=content, **options))

    async def _post_and_wait(self, path: str, body: bytes | None, wait: timedelta) -> ReceiptOut:
        seconds = int(wait.total_seconds())
        headers = {"prefer": f"wait={seconds}"} if seconds else {}
        return await self._post(ReceiptOut, path, body, headers=headers, patience=wait)

    async def _change(
        self, callback_id: str, act: str, body: object = None, **options: Any
    ) -> CallbackOut:
        return await self._post(CallbackOut, _path_of(callback_id, act), body, **options)


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _path_of(named: str | Alias, *parts: str) -> str:
    """Return the path of a callback, by its id or its alias, or of a part of it."""
    if isinstance(named, Alias):
        return _path("aliases", named.text, *parts)
    return _path("callbacks", named, *parts)
