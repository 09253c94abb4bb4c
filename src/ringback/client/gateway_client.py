"""`GatewayClient`: every call of the gateway's HTTP API that has an API key."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from ringback.client.caller import parse
from ringback.client.calls import SourceCalls, to_answer, to_bytes, to_object
from ringback.domain.alias import Alias
from ringback.domain.exact_json import members
from ringback.domain.outcome import Completed, Failed
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
from ringback.schemas.retention import EndedOut, PurgedOut, SummaryOut
from ringback.schemas.sign_in import RevokedOut, SessionOut, SessionsOut, SignInUrlOut
from ringback.schemas.votes import DigestOut, VoteOut, VotesOut

_SLOW: Final = timedelta(minutes=1)
"""How much longer than others a call takes that reads or deletes many rows, or asks Temporal."""


class GatewayClient(SourceCalls):
    """A client of one gateway, for a worker or an operator.

    Every call may be repeated: the same callback is found, and the same answer is accepted once.
    """

    async def whoami(self) -> WhoamiOut:
        """Return the key's name and role, and the gateway's version and namespace."""
        return parse(WhoamiOut, await self.call("GET", "/v1/whoami"))

    async def summary(self) -> SummaryOut:
        """Return whether anything is wrong."""
        return parse(SummaryOut, await self.call("GET", "/v1/summary"))

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
        await self.call("POST", f"/v1/callbacks/{callback_id}/submitted")

    async def confirm_resumed(self, callback_id: str, attempt: int) -> None:
        """Report that an attempt continues with its answer, before its code goes on."""
        content = json.dumps({"attempt": attempt}).encode()
        await self.call("POST", f"/v1/callbacks/{callback_id}/resumed", content=content)

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
            "task_token": to_bytes(base64.b64encode(task_token).decode("ascii")),
            "error": to_bytes(error),
        }
        if answer is not None:
            parts["answer"] = to_answer(answer)
        content = to_object(parts)
        await self.call("POST", f"/v1/callbacks/{callback_id}/polled", content=content)

    async def add_alias(self, callback_id: str, alias: str) -> CallbackOut:
        """Let an alias lead to a callback until it ends."""
        path = f"/v1/callbacks/{callback_id}/aliases/{quote(alias, safe='')}"
        return parse(CallbackOut, await self.call("PUT", path))

    async def answer(
        self, to: str | Alias, verb: str, body: bytes | None, *, wait: timedelta = timedelta(0)
    ) -> ReceiptOut:
        """Answer with `complete`, `fail` or `cancel`, and wait up to `wait` for the verdict."""
        path = f"{_path_of(to)}/{verb}"
        return parse(ReceiptOut, await self._post_and_wait(path, body, wait))

    async def check(self, callback_id: str, result: bytes) -> list[ResultProblemOut]:
        """Return the problems of a result; the gateway stores nothing."""
        content = await self.call("POST", f"/v1/callbacks/{callback_id}/check", content=result)
        return parse(CheckedOut, content).problems

    async def heartbeat(self, to: str | Alias, details: bytes | None) -> SignOut:
        """Send a heartbeat; return Temporal's latest reply."""
        path = f"{_path_of(to)}/heartbeat"
        return parse(SignOut, await self.call("POST", path, content=details))

    async def page(self, filters: Mapping[str, str | Sequence[str]]) -> PageOut:
        """Return a page of callbacks; `filters` are those of `ListIn`."""
        return parse(PageOut, await self.call("GET", "/v1/callbacks", params=filters))

    async def inbox(self, filters: Mapping[str, str | Sequence[str]]) -> InboxOut:
        """Return a page of an inbox; `filters` are those of `InboxIn`."""
        return parse(InboxOut, await self.call("GET", "/v1/inbox", params=filters))

    async def show(self, named: str | Alias) -> ShownOut:
        """Return a callback with its result schema."""
        return parse(ShownOut, await self.call("GET", _path_of(named)))

    async def audit_trail(self, callback_id: str) -> list[AuditEntryOut]:
        """Return the audit trail of a callback, oldest entry first."""
        path = f"/v1/callbacks/{callback_id}/audit"
        return parse(AuditTrailOut, await self.call("GET", path)).entries

    async def extend(self, callback_id: str, within: timedelta) -> CallbackOut:
        """Set the callback's own deadline to `within` from now."""
        body = {"within": within.total_seconds()}
        return parse(CallbackOut, await self._post(callback_id, "extend", body))

    async def revoke(self, callback_id: str) -> CallbackOut:
        """Revoke all links of a callback."""
        return parse(CallbackOut, await self._post(callback_id, "revoke", None))

    async def redeliver(self, callback_id: str) -> CallbackOut:
        """Deliver a parked answer again."""
        return parse(CallbackOut, await self._post(callback_id, "redeliver", None))

    async def give_up(self, callback_id: str, body: Mapping[str, object]) -> CallbackOut:
        """Close a callback whose parked answer has no use; `body` is a `GiveUpIn`."""
        path, content = f"/v1/callbacks/{callback_id}/give-up", json.dumps(body).encode()
        return parse(CallbackOut, await self.call("POST", path, content=content, patience=_SLOW))

    async def votes(self, callback_id: str) -> list[VoteOut]:
        """Return the votes on a callback, oldest first."""
        return parse(VotesOut, await self.call("GET", f"/v1/callbacks/{callback_id}/votes")).votes

    async def vote(
        self, callback_id: str, vote: bytes, *, wait: timedelta = timedelta(0)
    ) -> ReceiptOut:
        """Send a vote, a `VoteIn` as JSON; wait for the verdict."""
        path = f"/v1/callbacks/{callback_id}/votes"
        return parse(ReceiptOut, await self._post_and_wait(path, vote, wait))

    async def withdraw(self, callback_id: str, user: str, *, ballot: int) -> CallbackOut:
        """Withdraw the vote that a person gave with this ballot."""
        path = f"/v1/callbacks/{callback_id}/votes/{quote(user, safe='')}?ballot={ballot}"
        return parse(CallbackOut, await self.call("DELETE", path))

    async def claim(self, callback_id: str, by: str, groups: Sequence[str]) -> CallbackOut:
        """Claim a callback for a person."""
        body = {"by": by, "groups": list(groups)}
        return parse(CallbackOut, await self._post(callback_id, "claim", body))

    async def release(self, callback_id: str) -> CallbackOut:
        """Release a claimed callback."""
        return parse(CallbackOut, await self._post(callback_id, "release", None))

    async def reassign(self, callback_id: str, assignees: Sequence[str]) -> CallbackOut:
        """Ask other people instead."""
        body = {"assignees": list(assignees)}
        return parse(CallbackOut, await self._post(callback_id, "reassign", body))

    async def change_details(self, callback_id: str, details: Mapping[str, object]) -> DigestOut:
        """Add to the details of a subject, or replace some; earlier votes are removed."""
        content = await self._post(callback_id, "details", {"details": dict(details)})
        return parse(DigestOut, content)

    async def create_link(
        self, callback_id: str, *, verbs: Sequence[str] | None, good_for: timedelta | None
    ) -> LinkOut:
        """Return a new link to a callback."""
        body: dict[str, object] = {}
        if verbs is not None:
            body["verbs"] = list(verbs)
        if good_for is not None:
            body["for"] = good_for.total_seconds()
        return parse(LinkOut, await self._post(callback_id, "link", body))

    async def create_sign_in_url(self, body: Mapping[str, object]) -> SignInUrlOut:
        """Return a new one-time sign-in URL; `body` is a `SignInUrlIn`."""
        content = json.dumps(body).encode()
        return parse(SignInUrlOut, await self.call("POST", "/v1/sign-in-urls", content=content))

    async def list_sessions(self, *, user: str | None) -> list[SessionOut]:
        """Return the sessions of people, or of one user, the newest first."""
        params = {} if user is None else {"user": user}
        return parse(SessionsOut, await self.call("GET", "/v1/sessions", params=params)).sessions

    async def revoke_session(self, session_id: str) -> SessionOut:
        """Revoke a session."""
        return parse(SessionOut, await self.call("DELETE", f"/v1/sessions/{session_id}"))

    async def revoke_sessions(self, user: str) -> int:
        """Revoke all sessions of a user; return how many there were."""
        content = await self.call("DELETE", "/v1/sessions", params={"user": user})
        return parse(RevokedOut, content).revoked

    async def export_ended(self, filters: Mapping[str, str]) -> EndedOut:
        """Return a page of what has ended; `filters` are those of `EndedIn`."""
        content = await self.call("GET", "/v1/ended", params=filters, patience=_SLOW)
        return parse(EndedOut, content)

    async def purge(self, body: Mapping[str, object]) -> PurgedOut:
        """Delete a batch of what has ended; `body` is a `PurgeIn`."""
        content = json.dumps(body).encode()
        return parse(
            PurgedOut, await self.call("POST", "/v1/purge", content=content, patience=_SLOW)
        )

    async def test_channel(self, channel: str, to: str | None) -> ChannelTestOut:
        """Send a test message through a channel, and return the result."""
        content = json.dumps({"channel": channel, "to": to}).encode()
        reply = await self.call("POST", "/v1/notifications/test", content=content)
        return parse(ChannelTestOut, reply)

    async def _post_and_wait(self, path: str, content: bytes | None, wait: timedelta) -> bytes:
        seconds = int(wait.total_seconds())
        headers = {"prefer": f"wait={seconds}"} if seconds else {}
        return await self.call("POST", path, content=content, headers=headers, patience=wait)

    async def _post(self, callback_id: str, act: str, body: object) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        return await self.call("POST", f"/v1/callbacks/{callback_id}/{act}", content=content)


def _path_of(named: str | Alias) -> str:
    """Return the path of a callback, by its id or its alias."""
    if isinstance(named, Alias):
        return f"/v1/aliases/{quote(named.text, safe='')}"
    return f"/v1/callbacks/{named}"
