"""Shows a round trip while it happens: who spoke to whom, and when."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from rich.console import Console
from rich.markup import escape
from temporalio.client import Client

from ringback.core.hooks import Hooks
from ringback.demo.call import WorkflowReturned, start_call
from ringback.demo.client import CallView, follow
from ringback.demo.request import CallRequest
from ringback.demo.steps import OnStep, Party, Step
from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import KINDS
from ringback.ports.clock import Clock
from ringback.ports.deliveries import Settlement
from ringback.ports.store import Answer

ROUND_TRIP: Final = (
    (Party.CLIENT, Party.TEMPORAL),
    (Party.TEMPORAL, Party.WORKER),
    (Party.WORKER, Party.GATEWAY),
    (Party.WORKER, Party.SERVICE),
    (Party.SERVICE, Party.WORKER),
    (Party.WORKER, Party.TEMPORAL),
    (Party.SERVICE, Party.GATEWAY),
    (Party.GATEWAY, Party.STORE),
    (Party.GATEWAY, Party.SERVICE),
    (Party.GATEWAY, Party.TEMPORAL),
    (Party.TEMPORAL, Party.CLIENT),
)
"""The expected steps of a completed call: sender and receiver of each."""

_REQUEST: Final = CallRequest(time_to_request=1, time_to_callback=2)
_PATIENCE_SECONDS: Final = 5
"""How long after the client's last step the gateway may take to report its own."""


class Tour:
    """Prints the steps of a round trip, and knows which ones are missing."""

    def __init__(self, console: Console, clock: Clock) -> None:
        """Print on `console`, with the times of `clock`."""
        self._console = console
        self._clock = clock
        self._missing = dict.fromkeys(ROUND_TRIP)
        self._is_complete = asyncio.Event()

    def on_step(self, step: Step) -> None:
        """Print `step`."""
        when = self._clock.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        self._console.print(
            f"[dim]{when}[/dim]  [bold]{step.who:>8} → {step.whom:<8}[/bold]  {escape(step.what)}",
            soft_wrap=True,
        )
        self._missing.pop((step.who, step.whom), None)
        if not self._missing:
            self._is_complete.set()

    async def make_round_trip(
        self, client: Client, task_queue: str, request: CallRequest = _REQUEST
    ) -> bool:
        """Make one call and show it; return whether it completed and no step is missing.

        Raises:
            RingbackError: Temporal cannot be reached, or rejects a request.
        """
        call = await start_call(
            client, request, self._clock, task_queue=task_queue, on_step=self.on_step
        )
        shown = CallView(self._console, self._clock)
        ending = await follow(call, request, shown, clock=self._clock)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._is_complete.wait()
        shown.end(ending)
        for who, whom in self._missing:
            shown.say(f"missing: {who} → {whom}", "red")
        return isinstance(ending, WorkflowReturned) and not self._missing


class GatewaySteps(Hooks):
    """Reports what a gateway does as steps."""

    def __init__(self, on_step: OnStep) -> None:
        """Report to `on_step`."""
        self._on_step = on_step

    def callback_opened(self, callback_id: CallbackId, *, is_new: bool) -> None:  # noqa: ARG002 - both are a step
        self._on_step(Step(Party.WORKER, Party.GATEWAY, f"open the callback {callback_id}"))

    def answers_accepted(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            kind = KINDS[type(answer.outcome)]
            self._on_step(Step(Party.GATEWAY, Party.STORE, f"commit the answer: {kind}"))

    def outcomes_settled(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            self._on_step(_SETTLED[settlement.verdict])


_SETTLED: Final = {
    State.APPLIED: Step(
        Party.GATEWAY, Party.TEMPORAL, "end the activity, in the outcome's own name"
    ),
    State.SUPERSEDED: Step(Party.GATEWAY, Party.STORE, "the activity had ended another way"),
    State.PARKED: Step(Party.GATEWAY, Party.STORE, "a person must look"),
}
