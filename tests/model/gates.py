"""Gates: every call that a process makes waits until the test lets it through, or spoils it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from ringback.core.delivery import LEASE
from ringback.domain.errors import StoreUnavailableError, TemporalUnreachableError
from ringback.testing import ManualClock

_LOOKS: Final = frozenset({"poll", "resolve"})
_SENDS: Final = frozenset({"deliver", "deliver_to_attempt", "heartbeat"})
_FREE: Final = frozenset({
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
    """What becomes of a call."""

    PASSES = "passes"
    IS_LOST = "is lost"
    LOSES_REPLY = "loses its reply"
    HOLDS_REPLY = "holds its reply"


@dataclass(eq=False)
class Call:
    """A call that waits at a gate, or its reply."""

    name: str
    is_reply: bool
    mode: "asyncio.Future[Mode]"
    is_made: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Gate:
    """What the calls of one process go through.

    A process may stand still before each of its calls and, with the reply held, after it.

    Attributes:
        clock: The clock of all.
        waiting: The calls that wait, oldest first.
        is_dead: The process was killed: nothing leaves it any more.
        in_the_air: How many calls that need no leave have begun and not ended.
        has_landed: Set when one of them ends.
    """

    clock: ManualClock
    waiting: list[Call] = field(default_factory=list)
    is_dead: bool = False
    in_the_air: int = 0
    has_landed: asyncio.Event = field(default_factory=asyncio.Event)
    _after_look: "dict[asyncio.Task[Any] | None, Mode]" = field(default_factory=dict)

    async def release(self, mode: Mode) -> str:
        """Let the oldest call through; return its name once it was made."""
        call = self.waiting.pop(0)
        call.mode.set_result(Mode.PASSES if call.is_reply else mode)
        await call.is_made.wait()
        return call.name

    async def call(self, name: str, make: Callable[[], Awaitable[Any]], lost: Exception) -> Any:
        """Make the call when it is let through.

        What is sent after a look is sent at once, and spoiled in the look's stead: by ids it
        reaches whatever has them then, and no look can exclude what happens in the same instant.
        """
        task, is_made = asyncio.current_task(), asyncio.Event()
        if name in _SENDS and task in self._after_look:
            mode = self._after_look.pop(task)
        else:
            waited = await self._wait(name)
            mode, is_made = waited.mode.result(), waited.is_made
        if name in _LOOKS and mode is not Mode.HOLDS_REPLY:
            self._after_look[task], mode = mode, Mode.PASSES
        try:
            reply = await _made(make, lost, mode)
        finally:
            is_made.set()
        if mode is not Mode.PASSES:
            await self._hold(name)
        return reply

    async def call_free(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """Make a call that needs no leave."""
        self.in_the_air += 1
        self.has_landed.clear()
        try:
            return await make()
        finally:
            self.in_the_air -= 1
            self.has_landed.set()

    async def _hold(self, name: str) -> None:
        held_at = self.clock.now()
        reply = await self._wait(name, is_reply=True)
        if name in _LOOKS:
            # Who stands still with what he has seen stands still for longer than his lease.
            self._after_look[asyncio.current_task()] = Mode.PASSES
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
        # What a store says it did not keep it has not kept: there the reply is only late.
        raise lost
    return reply


Make = Callable[[str, tuple[Any, ...], dict[str, Any]], Awaitable[Any]]


class Gated:
    """A port whose calls go through a gate, but for those that no order of events depends on."""

    def __init__(self, gate: Gate, make: Make, lost: type[Exception]) -> None:
        """Let `make` make the calls; one that is lost raises `lost`."""
        self._gate = gate
        self._make = make
        self._lost = lost

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return the method of the port with this name."""

        async def call(*args: Any, **options: Any) -> Any:
            if name in _FREE:
                return await self._gate.call_free(lambda: self._make(name, args, options))
            lost = self._lost("the test lost the call")
            return await self._gate.call(name, lambda: self._make(name, args, options), lost)

        return call
