"""What both environments of the test kit share: find callbacks, and answer them from outside."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final, Literal, Protocol, TypeAlias, Unpack

import httpx2
from temporalio.converter import DataConverter

from ringback.domain.errors import RingbackError
from ringback.schemas.responses import CallbackOut, ReceiptOut, SignOut
from ringback.testing.event_signing import sign_event
from ringback.testing.kit_gateway import KitGateway
from ringback.testing.open_callback import Moment, OpenCallback
from ringback.testing.which import Which, describe, fits, format_which

Early: TypeAlias = Literal["before submit", "during submit"]
"""When an early answer arrives.

`before submit`: the callback is committed, and `submit` has not been called. `during submit`:
`submit` has sent the link, and the gateway does not know that yet.
"""

PATIENCE: Final = timedelta(seconds=5)
"""How long a test waits for what should happen at once."""


class Operator(Protocol):
    """What happens in Temporal to an activity that waits."""

    def at(self, moment: Moment, callback: OpenCallback) -> AbstractAsyncContextManager[None]:
        """Bring about a moment for the block."""
        ...

    async def time_out(self, callback: OpenCallback) -> None:
        """Let the activity time out for good; return once the gateway has noticed."""
        ...

    async def cancel(self, callback: OpenCallback) -> None:
        """Ask the activity to cancel; return once the gateway has noticed."""
        ...


class Senders(ABC):
    """Answers callbacks of a gateway in this process, as services, people and providers do.

    Attributes:
        gateway: The gateway.
        data_converter: That of the workers.
    """

    gateway: KitGateway
    data_converter: DataConverter

    @property
    @abstractmethod
    def operator(self) -> Operator:
        """What happens in Temporal."""

    @property
    def url(self) -> str:
        """The URL of the gateway, on 127.0.0.1."""
        return self.gateway.url

    async def callback(
        self, *, within: timedelta = PATIENCE, submitted: bool = True, **which: Unpack[Which]
    ) -> OpenCallback:
        """Wait until a callback is open, and return it.

        Args:
            within: How long to wait, in real time.
            submitted: Whether its link must have been submitted: `submit` has returned.
            **which: Which one; see `Which`.

        Raises:
            AssertionError: It is not open in time, or several fit; the message lists what is open.
        """
        try:
            async with asyncio.timeout(within.total_seconds()):
                while True:
                    changed = asyncio.ensure_future(self.gateway.moments.change())
                    try:
                        found = await self._find(which, submitted=submitted)
                        if found is not None:
                            return found
                        await changed
                    finally:
                        changed.cancel()
        except TimeoutError:
            wanted = " with " + format_which(which) if which else ""
            state = "submitted" if submitted else "open"
            msg = (
                f"no callback{wanted} was {state} within {within.total_seconds():g} s; "
                f"open: {await self._list_open()}"
            )
            raise AssertionError(msg) from None

    async def answer(
        self,
        result: object = None,
        *,
        when: Moment = "now",
        by: str | None = None,
        **which: Unpack[Which],
    ) -> ReceiptOut:
        """Wait for a callback, and answer it; see `OpenCallback.answer`.

        Raises:
            GatewayRefusedError: The gateway rejected it.
            AssertionError: No such callback is open in time.
        """
        return await (await self.callback(**which)).answer(result, when=when, by=by)

    async def fail(
        self,
        message: str,
        *,
        type: str | None = None,  # noqa: A002 - the SDK's name
        non_retryable: bool = False,
        when: Moment = "now",
        **which: Unpack[Which],
    ) -> ReceiptOut:
        """Wait for a callback, and fail its activity; see `OpenCallback.fail`.

        Raises:
            GatewayRefusedError: The gateway rejected it.
            AssertionError: No such callback is open in time.
        """
        callback = await self.callback(**which)
        return await callback.fail(message, type=type, non_retryable=non_retryable, when=when)

    async def decide(
        self,
        *,
        approved: bool = True,
        by: str | None = None,
        reason: str | None = None,
        form: object = None,
        when: Moment = "now",
        **which: Unpack[Which],
    ) -> ReceiptOut:
        """Wait for a callback, and give a person's vote; see `OpenCallback.decide`.

        Raises:
            GatewayRefusedError: The gateway rejected it.
            AssertionError: No such callback is open in time.
        """
        callback = await self.callback(**which)
        return await callback.decide(approved=approved, by=by, reason=reason, form=form, when=when)

    async def heartbeat(self, details: object = None, **which: Unpack[Which]) -> SignOut:
        """Wait for a callback, and send a heartbeat; see `OpenCallback.heartbeat`.

        Raises:
            GatewayRefusedError: The gateway rejected it.
            AssertionError: No such callback is open in time.
        """
        return await (await self.callback(**which)).heartbeat(details)

    async def request_cancel(self, **which: Unpack[Which]) -> OpenCallback:
        """Wait for a callback, and ask its activity to cancel, as its workflow does.

        Returns:
            The callback: the gateway has noticed, so that `OpenCallback.cancel` reports the end.

        Raises:
            AssertionError: No such callback is open in time.
        """
        callback = await self.callback(**which)
        await self.operator.cancel(callback)
        return callback

    async def cancel(self, details: object = None, **which: Unpack[Which]) -> ReceiptOut:
        """Ask a callback's activity to cancel, and report that the sender has canceled.

        Raises:
            GatewayRefusedError: The gateway rejected it.
            AssertionError: No such callback is open in time.
        """
        return await (await self.request_cancel(**which)).cancel(details)

    def answer_next(
        self, result: object, *, when: Early = "before submit"
    ) -> "asyncio.Future[ReceiptOut]":
        """Answer the next callback early; return a future of the receipt.

        Args:
            result: See `OpenCallback.answer`.
            when: The moment.
        """
        receipt: asyncio.Future[ReceiptOut] = asyncio.get_running_loop().create_future()

        async def answer(callback_id: str) -> None:
            callback = await self._opened(await self.gateway.operator.show(callback_id))
            try:
                receipt.set_result(await callback.answer(result))
            except (RingbackError, TypeError, ValueError) as exc:
                receipt.set_exception(exc)

        moments = self.gateway.moments
        works = moments.before_submit if when == "before submit" else moments.during_submit
        works.append(answer)
        return receipt

    async def send_event(
        self, source: str, event: object, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send an event as a provider does, signed by the scheme of the source.

        The gateway has stored and led it when the reply arrives: an event that fits a rule answers
        the callback with the rule's alias, or waits for it.

        Args:
            source: The name of the source in `ringback.toml`.
            event: The event as plain JSON, or the body as bytes.
            headers: More headers, such as `X-GitHub-Event`; they win over those of the signature.

        Raises:
            AssertionError: There is no such source, the kit cannot sign for it, or the gateway
                refused the request; the message says why.
        """
        found = self.gateway.sources.get(source)
        if found is None:
            known = ", ".join(self.gateway.sources) or "none"
            msg = f"there is no source {source!r}; the sources are: {known}"
            raise AssertionError(msg)
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        url = f"{self.url}/in/{source}"
        now = self.gateway.parts.edges.clock.now()
        signed = sign_event(found, body, url=url, now=now, headers=headers or {})
        transport = httpx2.ASGITransport(app=self.gateway.moments)
        async with httpx2.AsyncClient(transport=transport) as http:
            reply = await http.post(url, content=body, headers=signed)
        if not reply.is_success:
            msg = f"the source {source} refused the event: {reply.status_code} {reply.text}"
            raise AssertionError(msg)
        return reply

    async def _find(self, which: Which, *, submitted: bool) -> OpenCallback | None:
        fitting = [
            one
            for one in await self._open()
            if fits(one, which) and (one.submitted_at is not None or not submitted)
        ]
        if len(fitting) > 1:
            names = "; ".join(map(describe, fitting))
            msg = f"several callbacks fit ({names}); say which: title=…, workflow_id=…, alias=…"
            raise AssertionError(msg)
        return await self._opened(fitting[0]) if fitting else None

    async def _open(self) -> list[CallbackOut]:
        return (await self.gateway.operator.page({"state": ["open"]})).callbacks

    async def _opened(self, found: CallbackOut) -> OpenCallback:
        link = await self.gateway.operator.create_link(found.id, verbs=None, good_for=None)
        return OpenCallback(
            id=found.id,
            url=link.url,
            title=found.title,
            workflow_id=found.workflow_id,
            activity_id=found.activity_id,
            activity_type=found.activity_type,
            aliases=tuple(found.aliases),
            _kit=self,
        )

    async def _list_open(self) -> str:
        return "; ".join(map(describe, await self._open())) or "none"
