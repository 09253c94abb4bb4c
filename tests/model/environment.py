"""The environment: gateways, senders and operators, between the store and Temporal."""

import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

from ringback.core.deadlines import DeadlineKeeper
from ringback.core.delivery import Deliverer
from ringback.core.give_up import GiveUpRequest, GiveUpService
from ringback.core.hooks import NO_HOOKS
from ringback.core.operations import OperatorService
from ringback.core.sender_polls import PollRequester
from ringback.core.services import run_services
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.errors import RingbackError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Outcome
from ringback.testing import ManualClock
from tests import factories
from tests.model.processes import Process
from tests.model.server import Attempt, Store
from tests.model.workers import Workers
from tests.pollers import (
    Temporal,
    activity_checker,
    activity_poller,
    heartbeat_keeper,
    heartbeat_service,
)

REQUESTER: Final = "poll requester"


class Environment(Workers):
    """Gateways, senders and operators, with the workers."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(store, clock)
        self._deliverers: dict[int, Process] = {}
        self._keepers: dict[int, Process] = {}

    def deliverer(self, which: int) -> Process:
        """Return a gateway's deliverer; start another if it was killed or has stopped."""
        found = self._deliverers.get(which)
        if found is None or found.is_over:
            found = self._deliverers[which] = self._begin_deliverer()
        return found

    def _begin_deliverer(self) -> Process:
        process = self._process("deliverer")
        store, activities = self._ports(process.gate)
        deliverer = Deliverer(
            store,
            activities,
            VerdictWaiter(store, self.clock),
            clock=self.clock,
            jitter=lambda: 1.0,
            owner=process.name,
        )
        process.wake = deliverer.wake
        process.begin(deliverer.run())
        return process

    def _begin(
        self, name: str, work: Callable[[Store, Temporal], Coroutine[Any, Any, object]]
    ) -> Process:
        process = self._process(name)
        store, activities = self._ports(process.gate)

        async def survive() -> None:
            with suppress(RingbackError):
                await work(store, activities)

        process.begin(survive())
        return process

    def send(self, callback_id: CallbackId, outcome: Outcome) -> Process:
        """Send an answer."""

        async def work(store: Store, activities: Temporal) -> None:
            answer_service = factories.answer_service(
                store, activities, new_outcome_id=self._new_outcome_id
            )
            async with run_services(answer_service):
                await answer_service.accept(callback_id, outcome)
            self.truth.confirmed.setdefault(callback_id, outcome)

        return self._begin(f"sender to {callback_id}", work)

    def heartbeat(self, callback_id: CallbackId) -> Process:
        """Send a heartbeat as a sender."""

        async def work(store: Store, activities: Temporal) -> None:
            service = heartbeat_service(store, activities)
            async with run_services(service):
                await service.heartbeat(callback_id, json.dumps(callback_id).encode())

        return self._begin(f"heartbeat to {callback_id}", work)

    def keeper(self, which: int) -> Process:
        """Return a gateway's heartbeat keeper; start another if it was killed or has stopped."""
        found = self._keepers.get(which)
        if found is None or found.is_over:
            found = self._keepers[which] = self._process("keeper of activities")
            store, activities = self._ports(found.gate)
            found.begin(heartbeat_keeper(store, activities, self.clock).run())
        return found

    def poll_activities(self) -> Process:
        """Let a gateway poll the activities of open callbacks."""

        async def work(store: Store, activities: Temporal) -> None:
            await activity_poller(store, activities, self.clock).poll()

        return self._begin("activity poller", work)

    def accept_defaults(self) -> Process:
        """Let a gateway accept the default answers that are due."""

        async def work(store: Store, activities: Temporal) -> None:
            keeper = DeadlineKeeper(
                store,
                activity_checker(store, activities, self.clock),
                clock=self.clock,
                new_outcome_id=self._new_outcome_id,
                on_accepted=lambda: None,
            )
            await keeper.accept_due()

        return self._begin("deadline keeper", work)

    def request_polls(self) -> Process:
        """Let a gateway request the polls of senders that are due."""

        async def work(store: Store, activities: Temporal) -> None:
            await PollRequester(store, activities, clock=self.clock).request_due()

        process = self._begin(REQUESTER, work)
        process.gate.sends_by_token = True
        return process

    @property
    def requesters(self) -> Sequence[Process]:
        """The gateways that are about to end attempts by what they have read."""
        return [one for one in self.processes if one.name.startswith(REQUESTER) and not one.is_over]

    def repeat_report(self, attempt: Attempt) -> Process:
        """Repeat the report of a poll, as a worker does that got no reply."""

        async def work(store: Store, activities: Temporal) -> None:
            await self.report(attempt, store, activities)

        return self._begin(f"report of {attempt.callback_id}", work)

    def operate(self, do: Callable[[OperatorService], Coroutine[Any, Any, object]]) -> Process:
        """Do something as an operator."""

        async def work(store: Store, _: Temporal) -> None:
            await do(OperatorService(store, store, store, links=store))

        return self._begin("operator", work)

    def give_up(self, callback_id: CallbackId) -> Process:
        """Give a parked answer up as an operator."""

        async def work(store: Store, activities: Temporal) -> None:
            verdicts = VerdictWaiter(store, self.clock)
            service = GiveUpService(store, store, activities, verdicts=verdicts, hooks=NO_HOOKS)
            await service.give_up(callback_id, GiveUpRequest("an operator"))

        return self._begin(f"operator who gives up {callback_id}", work)
