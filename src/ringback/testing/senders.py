"""What both environments of the test kit share: find callbacks, and answer them from outside."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final, Literal, Protocol, TypeAlias, Unpack, get_args

from temporalio.converter import DataConverter

from ringback.domain.errors import RingbackError
from ringback.schemas.responses import CallbackOut, ReceiptOut, SignOut
from ringback.testing.event_signing import EventSender
from ringback.testing.open_callback import Moment, OpenCallback
from ringback.testing.which import Which, check_moment, check_names, describe, fits, format_which

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


class Senders(EventSender, ABC):
    """Answers callbacks of a gateway in this process, as services, people and providers do.

    Attributes:
        data_converter: That of the workers.
    """

    data_converter: DataConverter

    @property
    @abstractmethod
    def operator(self) -> Operator:
        """What happens in Temporal."""

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
            TypeError: `which` has an unknown name.
        """
        check_names(which, Which)
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
                f"open: {await self._list_open()}{self._explain()}"
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
        *details: object,
        type: str | None = None,  # noqa: A002 - the SDK's name
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
        when: Moment = "now",
        **which: Unpack[Which],
    ) -> ReceiptOut:
        """Wait for a callback, and fail its activity; see `OpenCallback.fail`.

        Raises:
            GatewayRefusedError: The gateway rejected it.
            AssertionError: No such callback is open in time.
        """
        callback = await self.callback(**which)
        return await callback.fail(
            message,
            *details,
            type=type,
            non_retryable=non_retryable,
            next_retry_delay=next_retry_delay,
            when=when,
        )

    async def decide(
        self,
        *,
        approved: bool = True,
        by: str | None = None,
        groups: Sequence[str] | None = None,
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
        return await callback.decide(
            approved=approved, by=by, groups=groups, reason=reason, form=form, when=when
        )

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
        self, result: object, *, when: Early = "before submit", within: timedelta = PATIENCE
    ) -> "asyncio.Future[ReceiptOut]":
        """Answer the next callback early; return a future of the receipt.

        The future raises an `AssertionError` if no activity gets to that moment in time.

        Args:
            result: See `OpenCallback.answer`.
            when: The moment.
            within: How long to wait for it, in real time.

        Raises:
            ValueError: It is another moment.
        """
        check_moment(when, get_args(Early), hint="; for others call `answer`")
        loop = asyncio.get_running_loop()
        receipt: asyncio.Future[ReceiptOut] = loop.create_future()
        moments = self.gateway.moments
        works = moments.before_submit if when == "before submit" else moments.during_submit

        async def answer(callback_id: str) -> None:
            callback = await self._opened(await self.gateway.operator.show(callback_id))
            try:
                receipt.set_result(await callback.answer(result))
            except (RingbackError, TypeError, ValueError) as exc:
                receipt.set_exception(exc)

        def give_up() -> None:
            if answer in works:
                seconds = within.total_seconds()
                msg = f"no activity got to {when!r} within {seconds:g} s of answer_next"
                msg += f"; call it before the activity starts{self._explain()}"
                receipt.set_exception(AssertionError(msg))

        def forget(_: object) -> None:
            timer.cancel()
            if answer in works:
                works.remove(answer)

        works.append(answer)
        timer = loop.call_later(within.total_seconds(), give_up)
        receipt.add_done_callback(forget)
        return receipt

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

    def _explain(self) -> str:
        """Return a likely reason as the end of a message about a wait in vain; may be empty."""
        return ""
