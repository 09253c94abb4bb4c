"""`poll`: workers poll the sender between its webhook and the deadline, on the real server."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from ringback import NOT_YET, Callback, NotYet, wait_for_callback, wait_for_callback_sync
from ringback.app.credentials import ensure_local_keys
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.domain.deadlines import POLL_GRACE
from ringback.domain.outcome import POLL_TYPE
from ringback.domain.polling import POSTPONED_BY
from ringback.settings import Settings
from tests.contract.postgresql_server import own_database, server_url
from tests.integration.conftest import OpenEnv
from tests.integration.env import (
    Env,
    FakeService,
    between_attempts,
    gateway,
    settings_in,
    worker,
)
from tests.integration.facts.operator_actions import pause as pause_activity
from tests.integration.facts.operator_actions import reset_activity, unpause
from tests.integration.operated_workflow import Workflow
from tests.integration.workflows import Run, RunActivity
from tests.leaping_clock import LeapingClock
from tests.polling import pause

pytestmark = pytest.mark.server

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DECLINED = {"message": "declined", "type": "Declined", "non_retryable": True}
LINK_KEY = f"k1:{'ab' * 32}"


ASK = Run("ask", attempts=0, start_to_close=3600)


@pytest.fixture
def clock() -> LeapingClock:
    """The gateway's clock. The times in these tests pass by its leaps, not by waiting."""
    return LeapingClock()


@pytest.fixture
def open_env(
    temporal_address: str,
    settings: Settings,
    service: FakeService,
    unique: str,
    clock: LeapingClock,
) -> OpenEnv:
    @asynccontextmanager
    async def opened(*activities: Callable[..., Any]) -> AsyncIterator[Env]:
        async with (
            gateway(temporal_address, settings, clock=clock) as http,
            worker(temporal_address, settings, unique, activities=activities) as client,
        ):
            yield Env(client, settings, unique, http, service)

    return opened


@pytest.fixture
async def postgresql_settings(tmp_path: Path) -> AsyncIterator[Settings]:
    async with own_database(await server_url()) as url:
        found = settings_in(tmp_path, store=SecretStr(url), keys=SecretStr(LINK_KEY))
        async with opened_store(found, SystemClock()) as store:
            await ensure_local_keys(found.data, store)
        yield found


class Polling:
    """An activity that waits for a service which it also polls.

    Attributes:
        found: What polls return or raise, in order; then `NOT_YET`.
        polls: The attempts that polled, each with the callback's id.
        submits: How often `submit` ran.
        may_poll: Set while a poll may end.
    """

    def __init__(self, service: FakeService, *found: object, **options: Any) -> None:
        self.service = service
        self.options: Any = options
        self.found = deque(found)
        self.polls: list[tuple[int, str]] = []
        self.submits = 0
        self.may_poll = asyncio.Event()
        self.may_poll.set()

    @activity.defn(name="ask")
    async def run(self) -> str:
        answer: str = await wait_for_callback(self._submit, str, poll=self._poll, **self.options)
        return answer

    @activity.defn(name="ask")
    async def run_and_continue(self) -> str:
        options = {"resume": True, **self.options}
        answer = await wait_for_callback(self._submit, str, poll=self._poll, **options)
        return f"continued with {answer}"

    @activity.defn(name="ask")
    def run_in_a_thread(self) -> str:
        submit = self.service.submit_in_a_thread
        answer: str = wait_for_callback_sync(submit, str, poll=self._look, **self.options)
        return answer

    async def _submit(self, callback: Callback) -> None:
        self.submits += 1
        await self.service.submit(callback)

    async def _poll(self, callback: Callback) -> str | NotYet:
        self.polls.append((activity.info().attempt, callback.id))
        await self.may_poll.wait()
        return self._next()

    def _look(self, callback: Callback) -> str | NotYet:
        self.polls.append((activity.info().attempt, callback.id))
        return self._next()

    def _next(self) -> str | NotYet:
        found = self.found.popleft() if self.found else NOT_YET
        if isinstance(found, Exception):
            raise found
        return cast("str | NotYet", found)

    async def until_polled(self, count: int = 1) -> None:
        """Return once `count` polls have begun."""
        async with asyncio.timeout(30):
            while len(self.polls) < count:
                await pause()


@dataclass
class BetweenAttempts:
    """An activity between the attempt that waited and the one that polls.

    Attributes:
        env: The gateway, and Temporal.
        handle: The workflow.
        callback: The callback.
        start: Starts a worker.
    """

    env: Env
    handle: WorkflowHandle[Any, Any]
    callback: Callback
    start: Callable[[], AbstractAsyncContextManager[Client]]


async def audit_trail(env: Env, callback: Callback) -> list[tuple[str, dict[str, Any]]]:
    """Return what `ringback show` prints of the audit trail."""
    key = local_key_path(env.settings.data, Role.OPERATOR).read_text().strip()
    headers = {"authorization": f"Bearer {key}"}
    reply = await env.http.get(f"/v1/callbacks/{callback.id}/audit", headers=headers)
    return [(entry["kind"], entry["facts"]) for entry in reply.json()["entries"]]


async def until_recorded(
    env: Env, callback: Callback, kind: str, *, count: int = 1
) -> list[dict[str, Any]]:
    """Return the facts of the entries of this kind once there are `count`."""
    async with asyncio.timeout(30):
        while True:
            found = [facts for name, facts in await audit_trail(env, callback) if name == kind]
            if len(found) >= count:
                return found
            await pause()


async def pass_minutes(env: Env, callback: Callback, clock: LeapingClock, count: int = 1) -> None:
    """Let `count` minutes pass, each after the poll of the one before."""
    await until_recorded(env, callback, "submitted")
    for number in range(count):
        await until_recorded(env, callback, "polled", count=number)
        clock.advance(MINUTE)


async def test_poll_finds_the_answer_whose_webhook_was_lost(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, "done", poll_every=MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock)

        assert await handle.result() == "done"
        late = await env.answer(callback, "another")
        trail = await audit_trail(env, callback)

    assert polling.submits == 1
    assert polling.polls == [(2, callback.id)]
    assert late.status_code == 409
    kinds = [kind for kind, _ in trail]
    assert kinds[:4] == ["opened", "submitted", "poll requested", "opened again"]
    assert ("polled", {"attempt": 2, "found": "an answer"}) in trail


async def test_webhook_after_a_poll_that_found_nothing_answers(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, poll_every=MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock)
        polled = await until_recorded(env, callback, "polled")

        await env.answer(callback, "by webhook")

        assert await handle.result() == "by webhook"
    assert polled == [{"attempt": 2, "found": "not yet"}]
    assert polling.submits == 1


async def test_polls_repeat_after_errors_and_history_keeps_only_the_last_failure(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    retryable = ApplicationError("busy", type="Busy")
    found = (NOT_YET, OSError("away"), retryable, 7, "done")
    polling = Polling(service, *found, poll_every=MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(replace(ASK, back_off=60), within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock, 5)

        assert await handle.result() == "done"
        polled = await until_recorded(env, callback, "polled", count=5)
        events = [event async for event in handle.fetch_history_events()]

    errors = ["OSError", "ApplicationError", "TypeError"]
    assert [facts.get("error") for facts in polled] == [None, *errors, None]
    assert polling.polls == [(attempt, callback.id) for attempt in range(2, 7)]
    assert polling.submits == 1
    (started,) = [
        event.activity_task_started_event_attributes
        for event in events
        if event.HasField("activity_task_started_event_attributes")
    ]
    assert started.attempt == 6
    assert started.last_failure.application_failure_info.type == POLL_TYPE
    assert not any(event.HasField("activity_task_failed_event_attributes") for event in events)


async def test_activity_in_a_thread_polls(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, NOT_YET, "done", poll_every=MINUTE)
    async with open_env(polling.run_in_a_thread) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock, 2)

        assert await handle.result() == "done"
    assert polling.polls == [(2, callback.id), (3, callback.id)]


@pytest.mark.parametrize(
    ("found", "result"),
    [("done", "done"), (NOT_YET, "default"), (OSError("no route"), "default")],
    ids=["found", "not yet", "an error"],
)
async def test_default_waits_only_for_the_poll_at_the_deadline(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock, found: object, result: str
) -> None:
    polling = Polling(service, found, deadline=MINUTE, on_deadline="default")
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock)

        assert await handle.result() == result
    assert polling.polls == [(2, callback.id)]


async def test_activity_without_a_default_fails_at_its_deadline_after_the_poll(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, deadline=MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock)

        assert (await failure_of(handle)).type == "DeadlineExceeded"
    assert polling.polls == [(2, callback.id)]


@pytest.fixture
async def without_worker(
    service: FakeService,
    temporal_address: str,
    settings: Settings,
    unique: str,
    clock: LeapingClock,
) -> AsyncIterator[BetweenAttempts]:
    """An activity whose poll was requested, and whose worker was stopped before."""
    polling = Polling(service, "stale", deadline=MINUTE, on_deadline="default")
    start = partial(worker, temporal_address, settings, unique, activities=[polling.run])
    async with gateway(temporal_address, settings, clock=clock) as http:
        async with start() as client:
            env = Env(client, settings, unique, http, service)
            handle = await env.start(ASK, within=60 * MINUTE)
            callback = await service.next()
            await until_recorded(env, callback, "submitted")
        clock.advance(MINUTE)
        requested = await until_recorded(env, callback, "poll requested")
        assert requested == [{"attempt": 1}]
        await between_attempts(handle)
        yield BetweenAttempts(env, handle, callback, start)
    assert polling.polls == []


async def test_deadline_with_a_dead_worker_uses_the_default_after_the_grace(
    without_worker: BetweenAttempts, clock: LeapingClock
) -> None:
    env, callback = without_worker.env, without_worker.callback
    clock.advance(POLL_GRACE)
    (accepted,) = await until_recorded(env, callback, "accepted")
    await until_recorded(env, callback, "applied")
    late = await env.answer(callback, "too late")

    async with without_worker.start():
        assert await without_worker.handle.result() == "default"
    assert accepted["by"] == "deadline"
    assert late.status_code == 410


async def test_answer_between_the_request_and_the_next_attempt_wins(
    without_worker: BetweenAttempts,
) -> None:
    reply = await without_worker.env.answer(without_worker.callback, "first")

    assert reply.json()["state"] == "applied"
    async with without_worker.start():
        assert await without_worker.handle.result() == "first"


async def test_failure_between_the_request_and_the_next_attempt_is_raised_there(
    without_worker: BetweenAttempts,
) -> None:
    env, callback = without_worker.env, without_worker.callback
    reply = await env.answer(callback, DECLINED, verb="/fail", wait=0)

    async with without_worker.start():
        assert (await failure_of(without_worker.handle)).type == "Declined"
    assert reply.status_code == 202


async def test_answer_while_the_poll_runs_wins(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, "stale", poll_every=MINUTE)
    polling.may_poll.clear()
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock)
        await polling.until_polled()

        assert (await env.answer(callback, "first")).status_code in {200, 202}
        polling.may_poll.set()

        assert await handle.result() == "first"
        polled = await until_recorded(env, callback, "polled")
    assert polled == [{"attempt": 2, "found": "a late answer"}]


async def test_non_retryable_failure_of_a_poll_is_the_answer(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    failure = ApplicationError("declined", {"code": 5}, type="Declined", non_retryable=True)
    polling = Polling(service, failure, poll_every=MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock)

        cause = await failure_of(handle)
        late = await env.answer(callback, "paid")

    assert (cause.type, cause.details, cause.non_retryable) == ("Declined", ({"code": 5},), True)
    assert late.status_code == 409


@pytest.mark.parametrize("attempts", [1, 2])
async def test_too_few_attempts_are_refused_when_the_activity_opens(
    service: FakeService, open_env: OpenEnv, attempts: int
) -> None:
    polling = Polling(service, poll_every=MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(replace(ASK, attempts=attempts), within=60 * MINUTE)

        cause = await failure_of(handle)

    assert (cause.type, cause.non_retryable) == ("NoNextAttempt", True)
    assert f"maximum_attempts is {attempts}" in cause.message
    assert "allow at least 3" in cause.message
    assert service.given.empty()


async def test_last_attempt_is_never_used_for_a_poll(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, poll_every=MINUTE, deadline=3 * MINUTE, on_deadline="default")
    async with open_env(polling.run) as env:
        handle = await env.start(replace(ASK, attempts=3), within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock, 2)
        (stopped,) = await until_recorded(env, callback, "polling stopped")
        clock.advance(MINUTE)

        assert await handle.result() == "default"
    assert "maximum_attempts is 3" in stopped["reason"]
    assert polling.polls == [(2, callback.id)]


async def test_activity_that_ends_soon_is_not_polled(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, poll_every=SECOND)
    async with open_env(polling.run) as env:
        handle = await env.start(replace(ASK, schedule_to_close=9), within=60 * MINUTE)
        callback = await service.next()
        await until_recorded(env, callback, "submitted")
        clock.advance(SECOND)
        (stopped,) = await until_recorded(env, callback, "polling stopped")

        await env.answer(callback, "in time")

        assert await handle.result() == "in time"
    assert "schedule-to-close" in stopped["reason"]
    assert polling.polls == []


async def test_activity_that_was_asked_to_cancel_is_not_polled(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, poll_every=MINUTE, cancel_within=2 * MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await until_recorded(env, callback, "submitted")
        await handle.cancel()
        await until_recorded(env, callback, "cancel requested")
        clock.advance(MINUTE)
        stopped = await until_recorded(env, callback, "polling stopped")
        clock.advance(MINUTE)

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert stopped == [{"reason": "a cancellation was requested"}]
    assert polling.polls == []


async def test_paused_activity_is_polled_after_the_pause(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, "done", poll_every=MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await until_recorded(env, callback, "submitted")
        operated = Workflow(env.client, handle)
        await pause_activity(operated)
        clock.advance(MINUTE)
        await until_postponed(env, callback, clock)
        polls_meanwhile = len(polling.polls)
        await unpause(operated)
        clock.advance(POSTPONED_BY)

        assert await handle.result() == "done"
    assert polls_meanwhile == 0


async def test_reset_activity_is_polled_no_more_but_answered(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    """A reset kills the token of the attempt that waits, so that it cannot be ended."""
    polling = Polling(service, poll_every=MINUTE)
    async with open_env(polling.run) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock)
        await until_recorded(env, callback, "polled")
        await reset_activity(Workflow(env.client, handle))
        clock.advance(MINUTE)
        await until_postponed(env, callback, clock)

        await env.answer(callback, "by webhook")

        assert await handle.result() == "by webhook"
    assert len(polling.polls) == 1


async def test_activity_continues_with_what_a_poll_found(
    service: FakeService, open_env: OpenEnv, clock: LeapingClock
) -> None:
    polling = Polling(service, NOT_YET, "done", poll_every=MINUTE)
    async with open_env(polling.run_and_continue) as env:
        handle = await env.start(ASK, within=60 * MINUTE)
        callback = await service.next()
        await pass_minutes(env, callback, clock, 2)

        assert await handle.result() == "continued with done"
    assert [attempt for attempt, _ in polling.polls] == [2, 3]


@pytest.mark.thorough
async def test_two_gateways_request_each_poll_once(
    service: FakeService, temporal_address: str, postgresql_settings: Settings, unique: str
) -> None:
    count, settings = 20, postgresql_settings
    polling = Polling(service, *["done"] * count, poll_every=2 * SECOND)
    other = settings.model_copy(update={"public_url": settings_in(settings.data).public_url})
    async with (
        gateway(temporal_address, settings) as http,
        gateway(temporal_address, other),
        worker(temporal_address, settings, unique, activities=[polling.run]) as client,
    ):
        env = Env(client, settings, unique, http, service)
        handles = [
            await client.start_workflow(
                RunActivity.run,
                Run("ask", attempts=0),
                id=f"{unique}-{number}",
                task_queue=unique,
                execution_timeout=timedelta(seconds=60),
            )
            for number in range(count)
        ]
        callbacks = [await service.next() for _ in range(count)]

        assert [await handle.result() for handle in handles] == ["done"] * count
        trails = [await audit_trail(env, callback) for callback in callbacks]

    requests = [sum(kind == "poll requested" for kind, _ in trail) for trail in trails]
    assert requests == [1] * count
    assert {attempt for attempt, _ in polling.polls} == {2}


async def failure_of(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    """Return the failure that ended the activity."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    return cause


async def until_postponed(env: Env, callback: Callback, clock: LeapingClock) -> None:
    """Return once the gateway has postponed a poll that was due twice."""
    key = local_key_path(env.settings.data, Role.OPERATOR).read_text().strip()
    headers = {"authorization": f"Bearer {key}"}
    due: set[str] = set()
    async with asyncio.timeout(30):
        while len(due) < 4:
            reply = await env.http.get(f"/v1/callbacks/{callback.id}", headers=headers)
            due_at = reply.json()["poll"]["due_at"]
            if due_at not in due:
                due.add(due_at)
                clock.advance(POSTPONED_BY)
            await pause()
