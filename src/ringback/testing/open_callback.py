"""A callback as a test sees it: answer it in every way, and at every moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from temporalio.exceptions import ApplicationError

from ringback.client.caller import parse
from ringback.client.calls import to_bytes, to_object, to_request
from ringback.client.gateway_client import GatewayClient
from ringback.domain.errors import GatewayRefusedError
from ringback.schemas.responses import ReceiptOut, ShownOut, SignOut
from ringback.testing.which import check_moment
from ringback.worker.answer import to_failed, to_json
from ringback.worker.decision import Decision

if TYPE_CHECKING:
    from ringback.testing.senders import Senders

Moment: TypeAlias = Literal[
    "now", "between attempts", "while paused", "after a reset", "after a workflow reset"
]
"""When an answer arrives, after the link was submitted."""

_EARLIER: Final = "; to answer before or during `submit`, call `answer_next` or `run(…, when=…)`"

NOBODY: str = "somebody@example.org"
"""Who decides where anybody may."""


@dataclass(frozen=True, kw_only=True)
class OpenCallback:
    """A callback that waits, or waited, for its answer.

    Every method acts as somebody outside would: over the gateway's own HTTP endpoints, through all
    of its checks.

    Attributes:
        id: `cb_…`.
        url: Its link, which works for every HTTP client on this machine.
        title: What the activity asks.
        workflow_id: Its workflow.
        activity_id: Its activity.
        activity_type: The type of its activity.
        aliases: Its business keys.
    """

    id: str
    url: str = field(repr=False)
    title: str | None
    workflow_id: str
    activity_id: str
    activity_type: str
    aliases: tuple[str, ...]
    _kit: "Senders" = field(repr=False, compare=False)

    async def answer(
        self, result: object = None, *, when: Moment = "now", by: str | None = None
    ) -> ReceiptOut:
        """Answer it with a result.

        Args:
            result: A value of the type that the activity returns, or plain JSON. An
                `ApplicationError` fails it, and a `Decision` decides it, as `fail` and `decide` do.
            when: The moment. `between attempts`: the attempt times out, the answer arrives, the
                next attempt starts. `while paused`: an operator pauses the activity, the answer
                arrives, the operator lets it go on. `after a reset`: an operator resets the
                activity first. `after a workflow reset`: an operator resets its workflow to where
                the activity waits, whose new run asks again; the answer comes by the old link.
            by: The person who answers, where people are asked for the result itself.

        Raises:
            GatewayRefusedError: The gateway rejected it: 422 if it does not fit, 409 if another
                answer came first, 410 if the activity has ended, 403 if others must answer.
            ValueError: `when` is unknown.
        """
        check_moment(when, get_args(Moment), hint=_EARLIER)
        match result:
            case ApplicationError():
                verb, body = to_request(to_failed(result, self._to_json))
                assert body is not None, "a failure has a body"
            case Decision():
                return await self.decide(
                    approved=result.approved,
                    by=result.by,
                    reason=result.reason,
                    form=result.form,
                    when=when,
                )
            case _:
                verb, body = "complete", self._to_json(result)
        async with self._kit.operator.at(when, self):
            if by is not None:
                return await self._vote(by, (), {"result": body})
            return await self._post(verb, body)

    async def fail(
        self,
        message: str,
        *details: object,
        type: str | None = None,  # noqa: A002 - the SDK's name
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
        when: Moment = "now",
    ) -> ReceiptOut:
        """Fail its activity, with the arguments of an `ApplicationError`.

        Raises:
            GatewayRefusedError: The gateway rejected it; see `answer`.
        """
        error = ApplicationError(
            message,
            *details,
            type=type,
            non_retryable=non_retryable,
            next_retry_delay=next_retry_delay,
        )
        return await self.answer(error, when=when)

    async def decide(
        self,
        *,
        approved: bool = True,
        by: str | None = None,
        groups: Sequence[str] | None = None,
        reason: str | None = None,
        form: object = None,
        when: Moment = "now",
    ) -> ReceiptOut:
        """Give a person's vote.

        Args:
            approved: A yes or a no.
            by: The person. By default, it is the first of the assignees who has not voted; if only
                groups are asked, somebody in all of them.
            groups: The groups of that person; by default, none if `by` is given.
            reason: Why.
            form: What the person fills in beside a yes.
            when: See `answer`.

        Raises:
            GatewayRefusedError: The gateway rejected it: 403 if this person may not decide, 409 if
                they decided otherwise before, 422 if the form or the reason is missing.
            ValueError: `when` is unknown.
        """
        check_moment(when, get_args(Moment), hint=_EARLIER)
        if by is None:
            by, groups = await self._next_voter(groups)
        vote = {"approved": to_bytes(approved), "reason": to_bytes(reason)}
        if form is not None:
            vote["form"] = self._to_json(form)
        async with self._kit.operator.at(when, self):
            return await self._vote(by, groups or (), vote)

    async def cancel(self, details: object = None) -> ReceiptOut:
        """Report that the sender has canceled its work.

        Raises:
            GatewayRefusedError: Nobody asked the activity to cancel, or it has ended.
        """
        return await self._post("cancel", self._to_json(details))

    async def heartbeat(self, details: object = None) -> SignOut:
        """Send a heartbeat; return whether the activity was asked to cancel, paused or reset.

        Raises:
            GatewayRefusedError: The activity has ended.
        """
        body = None if details is None else self._to_json(details)
        reply = await self._client.call("POST", f"{self._path}/heartbeat", content=body)
        return parse(SignOut, reply)

    async def answer_twice(self, result: object) -> tuple[ReceiptOut, ReceiptOut]:
        """Answer it twice with the same result, as a sender does whose first reply was lost.

        Returns:
            Both receipts; `duplicate` of the second one is true.
        """
        return await self.answer(result), await self.answer(result)

    async def answer_differently(self, first: object, second: object) -> GatewayRefusedError:
        """Answer it with `first` and then with `second`; return why the second one is rejected.

        The error has the status 409, and the activity ends with `first`.
        """
        await self.answer(first)
        return await self._refusal_of(second)

    async def answer_late(self, result: object) -> GatewayRefusedError:
        """Let its activity time out, and answer then; return why the answer is rejected.

        The error has the status 410: the gateway has noticed that the activity has ended.
        """
        await self._kit.operator.time_out(self)
        return await self._refusal_of(result)

    async def show(self) -> ShownOut:
        """Return what an operator sees of it."""
        return await self._client.show(self.id)

    @property
    def _client(self) -> GatewayClient:
        return self._kit.gateway.operator

    @property
    def _path(self) -> str:
        return urlsplit(self.url).path

    async def _post(self, verb: str, body: bytes | None) -> ReceiptOut:
        path = f"{self._path}/{verb}"
        return parse(ReceiptOut, await self._client.call("POST", path, content=body))

    async def _vote(self, by: str, groups: Sequence[str], vote: dict[str, bytes]) -> ReceiptOut:
        shown = await self.show()
        ballot = shown.ballots.get(by, 0)
        named = {"by": by, "groups": list(groups), "digest": shown.digest, "ballot": ballot}
        body = to_object(vote | {name: to_bytes(value) for name, value in named.items()})
        return await self._client.vote(self.id, body)

    async def _next_voter(self, groups: Sequence[str] | None) -> tuple[str, Sequence[str] | None]:
        shown = await self.show()
        assignees = (shown.policy or {}).get("assignees", [])
        users = [one.removeprefix("user:") for one in assignees if one.startswith("user:")]
        asked = [one.removeprefix("group:") for one in assignees if one.startswith("group:")]
        if users:
            voted = {vote.by for vote in await self._client.votes(self.id)}
            return next((user for user in users if user not in voted), users[0]), groups
        return NOBODY, asked if groups is None else groups

    def _to_json(self, value: object) -> bytes:
        return to_json(value, self._kit.data_converter.payload_converter)

    async def _refusal_of(self, result: object) -> GatewayRefusedError:
        try:
            await self.answer(result)
        except GatewayRefusedError as refused:
            return refused
        msg = f"the gateway accepted {result!r}"
        raise AssertionError(msg)
