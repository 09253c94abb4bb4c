"""The tools of an assistant: list what waits, show a question, approve it, reject it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import InputRequiredResult
from pydantic import Field

from ringback.client.calls import to_vote
from ringback.client.gateway_client import GatewayClient
from ringback.client.target import Target
from ringback.domain.callback import State
from ringback.domain.errors import RingbackError
from ringback.domain.inbox import MOST_LISTED, Scope, Show
from ringback.domain.text_checks import to_key
from ringback.mcp.confirmation import Draft, ask, can_ask, new_confirmation, to_confirmed
from ringback.mcp.forms import form_schema
from ringback.mcp.questions import (
    Decided,
    WaitingPage,
    WholeQuestion,
    policy_of,
    to_page,
    to_whole,
)
from ringback.schemas.responses import ReceiptOut, ShownOut
from ringback.schemas.values import ID_PATTERN

_WAIT: Final = timedelta(seconds=5)
"""How long a decision waits for Temporal's reply."""

_Callback = Annotated[str, Field(description="The id of the question: cb_…")]
_Digest = Annotated[
    str, Field(description="The `digest` that `show` returned; another version is refused.")
]
_Reason = Annotated[
    str | None, Field(description="Why, in the person's words. The workflow gets it.")
]


@dataclass(frozen=True, slots=True)
class Voter:
    """The person whose decisions are sent.

    Attributes:
        user: The user; `None` if the machine's user has no name.
        groups: The groups of the user.
        is_named: Whether the person was named when the server was started.
    """

    user: str | None
    groups: tuple[str, ...] = ()
    is_named: bool = False


class Tools:
    """The functions behind the tools; each has an API key's rights and no more."""

    def __init__(
        self, client: GatewayClient, target: Target, voter: Voter, *, may_skip_confirmation: bool
    ) -> None:
        """Decide as `voter` at the gateway of `target`, which `client` calls.

        Without `may_skip_confirmation`, a client that shows no forms decides nothing.
        """
        self._client = client
        self._url = _without_user(target.url)
        self._voter = voter
        self._may_skip_confirmation = may_skip_confirmation

    async def list_waiting(
        self,
        *,
        user: Annotated[str | None, Field(description="Whose inbox: ada@example.org.")] = None,
        group: Annotated[list[str], Field(description="Groups of the user.")] = [],  # noqa: B006 - pydantic copies it
        scope: Annotated[
            Scope | None,
            Field(description="Default: mine with a user, else groups with groups, else all."),
        ] = None,
        show: Annotated[Show, Field(description="Which questions.")] = Show.OPEN,
        text: Annotated[str, Field(description="Words that must all occur.")] = "",
        after: Annotated[str | None, Field(description="`next` of the page before.")] = None,
        limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 20,
    ) -> WaitingPage:
        """List the questions that wait for people, sorted by deadline, a page at a time."""
        if user is None and not group and scope in {None, Scope.MINE} and self._voter.is_named:
            user = self._voter.user
        filters: dict[str, str | list[str]] = {"show": show.value, "limit": str(limit)}
        filters |= {"group": group} if group else {}
        named = {"user": user, "scope": scope and scope.value, "text": text, "after": after}
        filters |= {name: value for name, value in named.items() if value}
        with _tool_errors():
            return to_page(await self._client.inbox(filters))

    async def show(self, callback: _Callback) -> WholeQuestion:
        """Show a question: what is asked, the form, the votes, who may decide, and its version."""
        with _tool_errors():
            shown = await self._find(callback)
            votes = await self._client.votes(shown.id)
        page = self._page_of(shown.id)
        return to_whole(shown, votes, decides_as=self._voter.user, page=page)

    async def approve(
        self,
        callback: _Callback,
        digest: _Digest,
        context: Context[Any, Any],
        *,
        reason: _Reason = None,
        form: Annotated[
            Any, Field(description="What `form` of `show` describes; leave it out without one.")
        ] = None,
    ) -> Decided | InputRequiredResult:
        """Approve a question, or give the result that it asks for. It cannot be undone.

        The person confirms it first, and may change the reason and the form.
        """
        draft = self._draft(digest, reason, approved=True)
        draft = replace(draft, form=form, has_form=form is not None)
        return await self._decide(context, callback, draft)

    async def reject(
        self,
        callback: _Callback,
        digest: _Digest,
        context: Context[Any, Any],
        *,
        reason: _Reason = None,
    ) -> Decided | InputRequiredResult:
        """Reject a question. It cannot be undone. The person confirms it first."""
        return await self._decide(context, callback, self._draft(digest, reason, approved=False))

    async def _decide(
        self, context: Context[Any, Any], callback: str, draft: Draft
    ) -> Decided | InputRequiredResult:
        with _tool_errors():
            shown = await self._find(callback)
        _check(shown, draft)
        draft = replace(draft, ballot=shown.ballots.get(to_key(draft.by), 0))
        if can_ask(context.client_capabilities):
            confirmed = await self._confirm(context, shown, draft)
            if not isinstance(confirmed, Draft):
                return confirmed
            draft = confirmed
        elif not self._may_skip_confirmation:
            msg = (
                "this client shows the person no form in which to confirm it, so nothing was sent;"
                f" the person can sign in and decide at {self._page_of(shown.id)}"
            )
            raise ToolError(msg)
        with _tool_errors():
            receipt = await self._send(shown, draft)
        return _to_decided(receipt)

    async def _confirm(
        self, context: Context[Any, Any], shown: ShownOut, draft: Draft
    ) -> Draft | InputRequiredResult | Decided:
        """Return what the person confirmed, or what to return instead.

        Raises:
            ToolError: The person cannot be asked, or was asked something else.
        """
        schema = form_schema(shown.result_schema, is_decision=policy_of(shown).is_decision)
        confirmation = new_confirmation(shown, draft, schema if draft.approved else None)
        if confirmation is None:
            msg = (
                "the question is too long for a confirmation, or contains what looks like a secret,"
                " so nothing was sent; the person can sign in, read all of it and decide at"
                f" {self._page_of(shown.id)}"
            )
            raise ToolError(msg)
        asked = await ask(context, confirmation, ballot=draft.ballot)
        if isinstance(asked, InputRequiredResult):
            return asked
        reply, ballot = asked
        if reply.action != "accept":
            return _not_sent(shown, reply.action)
        return to_confirmed(replace(draft, ballot=ballot), reply, confirmation)

    async def _send(self, shown: ShownOut, draft: Draft) -> ReceiptOut:
        name = "form" if policy_of(shown).is_decision else "result"
        body = (name, json.dumps(draft.form, allow_nan=False).encode()) if draft.has_form else None
        vote = to_vote(
            by=draft.by,
            approved=draft.approved,
            groups=self._voter.groups,
            reason=draft.reason,
            digest=draft.digest,
            ballot=draft.ballot,
            body=body,
        )
        return await self._client.vote(shown.id, vote, wait=_WAIT)

    async def _find(self, callback: str) -> ShownOut:
        # The message does not repeat the text, which may be a link.
        if not re.fullmatch(ID_PATTERN, callback):
            msg = "`callback` must be the id of a question, cb_…; list_waiting returns ids"
            raise ToolError(msg)
        shown = await self._client.show(callback)
        if shown.policy is None:
            msg = f"{shown.id} asks no people, so there is nothing to decide here"
            raise ToolError(msg)
        return shown

    def _draft(self, digest: str, reason: str | None, *, approved: bool) -> Draft:
        if self._voter.user is None:
            msg = "this machine's user has no name; start `ringback mcp` with --by"
            raise ToolError(msg)
        return Draft(approved=approved, by=self._voter.user, digest=digest, reason=reason)

    def _page_of(self, callback: str) -> str:
        """Return the page of a question for signed-in people. It contains no credential."""
        return f"{self._url}/inbox/{callback}"


def _check(shown: ShownOut, draft: Draft) -> None:
    if shown.state != State.OPEN.value:
        msg = f"{shown.id} is {shown.state}: it has ended; list_waiting returns what is open"
        raise ToolError(msg)
    if shown.digest != draft.digest:
        msg = (
            f"{shown.id} has another version now, {shown.digest}; show it to the person again,"
            " and pass the digest that `show` returns"
        )
        raise ToolError(msg)
    if not draft.approved and not policy_of(shown).is_decision:
        msg = f"{shown.id} asks for a result, so there is nothing to reject"
        raise ToolError(msg)


@contextmanager
def _tool_errors() -> Iterator[None]:
    """Return errors of the gateway to the model.

    Raises:
        ToolError: The gateway refused the call, or cannot be reached.
    """
    try:
        yield
    except RingbackError as exc:
        raise ToolError(str(exc)) from exc


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _not_sent(shown: ShownOut, action: str) -> Decided:
    message = (
        "the person declined, so nothing was sent; do not try again unless they ask for it"
        if action == "decline"
        else "the person closed the form, so nothing was sent; ask them what to do"
    )
    return Decided(
        callback=shown.id, is_sent=False, state=shown.state, is_duplicate=False, message=message
    )


def _to_decided(receipt: ReceiptOut) -> Decided:
    words = {
        State.OPEN.value: "the vote is counted; more votes are needed",
        State.ACCEPTED.value: "it is decided, and is being delivered to the workflow",
        State.APPLIED.value: "it is decided, and the workflow has the answer",
        State.PARKED.value: "the answer is stored, but Temporal refused it; an operator must look",
    }
    return Decided(
        callback=receipt.callback,
        is_sent=True,
        state=receipt.state,
        is_duplicate=receipt.duplicate,
        message=words.get(receipt.state, f"the question is {receipt.state}"),
    )
