"""Gates: each call of a process waits until the test releases it, or disturbs it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from ringback.core.delivery import LEASE
from ringback.domain.errors import StoreUnavailableError, TemporalUnreachableError
from ringback.testing import ManualClock

READS: Final = frozenset({"poll", "resolve"})
SENDS: Final = frozenset({"deliver", "deliver_to_attempt", "heartbeat"})
UNGATED: Final = frozenset({
    "check",
    "encode",
    "check_details",
    "schemas",
    "terms",
    "next_due",
    "next_default",
    "next_heartbeat",
    "are_overdue",
})


class Mode(Enum):
    """How a call is disturbed."""

    PASSES = "passes"
    IS_LOST = "is lost"
    LOSES_REPLY = "loses its reply"
    HOLDS_REPLY = "holds its reply"


@dataclass(eq=False)
class Call:
    """A call or a reply that waits at a gate."""

    name: str
    is_reply: bool
    mode: "asyncio.Future[Mode]"
    is_made: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Gate:
    """The gate for the calls of one process.

    A process can be paused before each of its calls and, if the reply is held, after it.

    Attributes:
        clock: The clock of the whole model.
        sends_by_token: Whether its requests name an attempt by its token, so that they do not
            depend on what it read before: each call is disturbed on its own.
        waiting: The calls that wait, oldest first.
        is_dead: The process was killed, and makes no more calls.
        ungated_calls: The number of calls in progress that need no release.
        ungated_call_ended: Set when one of them ends.
    """

    clock: ManualClock
    sends_by_token: bool = False
    waiting: list[Call] = field(default_factory=list)
    is_dead: bool = False
    ungated_calls: int = 0
    ungated_call_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _after_read: "dict[asyncio.Task[Any] | None, Mode]" = field(default_factory=dict)

    async def release(self, mode: Mode) -> str:
        """Release the oldest call; return its name once it was made."""
        call = self.waiting.pop(0)
        call.mode.set_result(Mode.PASSES if call.is_reply else mode)
        await call.is_made.wait()
        return call.name

    async def call(self, name: str, make: Callable[[], Awaitable[Any]], lost: Exception) -> Any:
        """Make the call when it is released.

        A request that follows a read is sent at once, and disturbed in place of the read. By ids it
        reaches whichever attempt runs then, and no read can exclude what happens in the same
        instant.
        """
        task, is_made = asyncio.current_task(), asyncio.Event()
        if name in SENDS and task in self._after_read:
            mode = self._after_read.pop(task)
        else:
            waited = await self._wait(name)
            mode, is_made = waited.mode.result(), waited.is_made
        if self._is_followed(name) and mode is not Mode.HOLDS_REPLY:
            self._after_read[task], mode = mode, Mode.PASSES
        try:
            reply = await _made(make, lost, mode)
        finally:
            is_made.set()
        if mode is not Mode.PASSES:
            await self._hold(name)
        return reply

    def _is_followed(self, name: str) -> bool:
        return name in READS and not self.sends_by_token

    async def call_ungated(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """Make a call that needs no release."""
        self.ungated_calls += 1
        self.ungated_call_ended.clear()
        try:
            return await make()
        finally:
            self.ungated_calls -= 1
            self.ungated_call_ended.set()

    async def _hold(self, name: str) -> None:
        held_at = self.clock.now()
        reply = await self._wait(name, is_reply=True)
        if self._is_followed(name):
            # A process that is paused with what it has read is paused for longer than its lease.
            self._after_read[asyncio.current_task()] = Mode.PASSES
            self.clock.advance(max(held_at + LEASE - self.clock.now(), timedelta(0)))
        reply.is_made.set()

    async def _wait(self, name: str, *, is_reply: bool = False) -> Call:
        if self.is_dead:
            msg = "the process is dead"
            raise StoreUnavailableError(msg)
        call = Call(name, is_reply, asyncio.get_running_loop().create_future())
        self.waiting.append(call)
        try:
            await call.mode
        except asyncio.CancelledError:
            self.waiting.remove(call)
            raise
        return call


async def _made(make: Callable[[], Awaitable[Any]], lost: Exception, mode: Mode) -> Any:
    if mode is Mode.IS_LOST:
        raise lost
    reply = await make()
    if mode is Mode.LOSES_REPLY and isinstance(lost, TemporalUnreachableError):
        # A store that reports a failure has stored nothing: there the reply is only late.
        raise lost
    return reply


Make = Callable[[str, tuple[Any, ...], dict[str, Any]], Awaitable[Any]]


class Gated:
    """A port whose calls pass a gate, except for those whose order does not matter."""

    def __init__(self, gate: Gate, make: Make, lost: type[Exception]) -> None:
        """Make the calls with `make`; a lost call raises `lost`."""
        self._gate = gate
        self._make = make
        self._lost = lost

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return the method of the port with this name."""

        async def call(*args: Any, **options: Any) -> Any:
            if name in UNGATED:
                return await self._gate.call_ungated(lambda: self._make(name, args, options))
            lost = self._lost("the test lost the call")
            return await self._gate.call(name, lambda: self._make(name, args, options), lost)

        return call
