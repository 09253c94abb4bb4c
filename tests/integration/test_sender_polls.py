"""`poll`: workers poll the sender between its webhook and the deadline, on the real server."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from pydantic import SecretStr
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from ringback import NOT_YET, Callback, NotYet, wait_for_callback, wait_for_callback_sync
from ringback.app.credentials import ensure_local_keys
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.domain.outcome import POLL_TYPE
from ringback.domain.polling import PollProgress, PollStep
from ringback.settings import Settings
from tests.contract.postgresql_server import own_database, server_url
from tests.integration.conftest import OpenEnv
from tests.integration.env import (
    Env,
    FakeService,
    gateway,
    gateway_without_deliverer,
    settings_in,
    worker,
)
from tests.integration.facts.operator_actions import pause as pause_activity
from tests.integration.facts.operator_actions import reset_activity, unpause
from tests.integration.operated_workflow import Workflow
from tests.integration.workflows import Run, RunActivity
from tests.polling import pause

pytestmark = pytest.mark.server

SECOND = timedelta(seconds=1)
SOON = 2 * SECOND
DECLINED = {"message": "declined", "type": "Declined", "non_retryable": True}
LINK_KEY = f"k1:{'ab' * 32}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.thorough)])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Settings]:
    if request.param == "sqlite":
        yield settings_in(tmp_path)
        return
    async with own_database(await server_url()) as url:
        found = settings_in(tmp_path, store=SecretStr(url), keys=SecretStr(LINK_KEY))
        async with opened_store(found, SystemClock()) as store:
            await ensure_local_keys(found.data, store)
        yield found


class Hanging:
    """An activity whose polls do not end, and cannot be canceled."""

    def __init__(self, service: FakeService, **options: Any) -> None:
        self.service = service
        self.options: Any = options
        self.is_over = Event()

    @activity.defn(name="ask")
    async def run(self) -> str:
        submit = self.service.submit
        answer: str = await wait_for_callback(submit, str, poll=self._poll, **self.options)
        return answer

    @activity.defn(name="ask")
    def run_in_a_thread(self) -> str:
        submit = self.service.submit_in_a_thread
        answer: str = wait_for_callback_sync(submit, str, poll=self._block, **self.options)
        return answer

    async def _poll(self, callback: Callback) -> str:
        while not self.is_over.is_set():
            with suppress(asyncio.CancelledError):
                await pause()
        return callback.id

    def _block(self, callback: Callback) -> str:
        self.is_over.wait()
        return callback.id


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


async def audit_trail(env: Env, callback: Callback) -> list[tuple[str, dict[str, Any]]]:
    """Return what `ringback show` prints of the audit trail."""
    key = local_key_path(env.settings.data, Role.OPERATOR).read_text().strip()
    headers = {"authorization": f"Bearer {key}"}
    reply = await env.http.get(f"/v1/callbacks/{callback.id}/audit", headers=headers)
    return [(entry["kind"], entry["facts"]) for entry in reply.json()["entries"]]


async def until_recorded(env: Env, callback: Callback, kind: str) -> dict[str, Any]:
    """Return the facts of the first entry of this kind once there is one."""
    async with asyncio.timeout(30):
        while True:
            found = [facts for name, facts in await audit_trail(env, callback) if name == kind]
            if found:
                return found[0]
            await pause()


async def test_poll_finds_the_answer_whose_webhook_was_lost(
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, "done", poll_every=SOON)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()

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
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, poll_every=SOON)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        assert await until_recorded(env, callback, "polled") == {"attempt": 2, "found": "not yet"}

        await env.answer(callback, "by webhook")

        assert await handle.result() == "by webhook"
    assert polling.submits == 1


async def test_poll_repeats_and_history_keeps_only_the_last_failure(
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, NOT_YET, NOT_YET, "done", poll_every=SECOND)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0, back_off=60))
        callback = await service.next()

        assert await handle.result() == "done"
        events = [event async for event in handle.fetch_history_events()]

    assert polling.polls == [(2, callback.id), (3, callback.id), (4, callback.id)]
    assert polling.submits == 1
    (started,) = [
        event.activity_task_started_event_attributes
        for event in events
        if event.HasField("activity_task_started_event_attributes")
    ]
    assert started.attempt == 4
    assert started.last_failure.application_failure_info.type == POLL_TYPE
    assert not any(event.HasField("activity_task_failed_event_attributes") for event in events)


async def test_activity_in_a_thread_polls(service: FakeService, open_env: OpenEnv) -> None:
    polling = Polling(service, NOT_YET, "done", poll_every=SECOND)
    async with open_env(polling.run_in_a_thread) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()

        assert await handle.result() == "done"
    assert polling.polls == [(2, callback.id), (3, callback.id)]


async def test_poll_at_the_deadline_comes_before_the_default(
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, "done", deadline=SOON, on_deadline="default")
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))

        assert await handle.result() == "done"
    assert [attempt for attempt, _ in polling.polls] == [2]


@pytest.mark.parametrize("found", [NOT_YET, OSError("no route")], ids=["not yet", "an error"])
async def test_default_is_used_as_soon_as_the_poll_at_the_deadline_found_nothing(
    service: FakeService, open_env: OpenEnv, found: object
) -> None:
    polling = Polling(service, found, deadline=SOON, on_deadline="default")
    async with open_env(polling.run) as env, asyncio.timeout(20):
        handle = await env.start(Run("ask", attempts=0))

        assert await handle.result() == "default"
    assert len(polling.polls) == 1


async def test_activity_without_a_default_fails_at_its_deadline_after_the_poll(
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, deadline=SOON)
    async with open_env(polling.run) as env, asyncio.timeout(20):
        handle = await env.start(Run("ask", attempts=0))

        assert (await failure_of(handle)).type == "DeadlineExceeded"
    assert len(polling.polls) == 1


async def test_deadline_with_a_dead_worker_uses_the_default_after_the_grace(
    service: FakeService,
    temporal_address: str,
    settings: Settings,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ringback.domain.callback.GRACE", 3 * SECOND)
    polling = Polling(service, deadline=3 * SECOND, on_deadline="default")
    async with gateway(temporal_address, settings) as http:
        async with worker(temporal_address, settings, unique, activities=[polling.run]) as client:
            env = Env(client, settings, unique, http, service)
            handle = await env.start(Run("ask", attempts=0))
            callback = await service.next()
            await until_recorded(env, callback, "submitted")
        assert await until_recorded(env, callback, "poll requested") == {"attempt": 1}
        accepted = await until_recorded(env, callback, "accepted")
        applied = await until_recorded(env, callback, "applied")
        late = await env.answer(callback, "too late")
        async with worker(temporal_address, settings, unique, activities=[polling.run]):
            assert await handle.result() == "default"

    assert accepted["by"] == "deadline"
    assert applied
    assert late.status_code == 410
    assert polling.polls == []


async def test_answer_while_the_poll_runs_wins(service: FakeService, open_env: OpenEnv) -> None:
    polling = Polling(service, "stale", poll_every=SECOND)
    polling.may_poll.clear()
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await polling.until_polled()

        assert (await env.answer(callback, "first")).status_code in {200, 202}
        polling.may_poll.set()

        assert await handle.result() == "first"
        polled = await until_recorded(env, callback, "polled")
    assert polled == {"attempt": 2, "found": "a late answer"}


async def test_answer_between_the_request_and_the_next_attempt_wins(
    service: FakeService, temporal_address: str, settings: Settings, unique: str
) -> None:
    polling = Polling(service, "stale", poll_every=SOON)
    async with gateway(temporal_address, settings) as http:
        start = partial(worker, temporal_address, settings, unique, activities=[polling.run])
        async with start() as client:
            env = Env(client, settings, unique, http, service)
            handle = await env.start(Run("ask", attempts=0))
            callback = await service.next()
            await until_recorded(env, callback, "submitted")
        await until_recorded(env, callback, "poll requested")

        reply = await env.answer(callback, "first")

        assert reply.json()["state"] == "applied"
        async with start():
            assert await handle.result() == "first"
    assert polling.polls == []


async def test_failure_between_the_request_and_the_next_attempt_is_raised_there(
    service: FakeService, temporal_address: str, settings: Settings, unique: str
) -> None:
    polling = Polling(service, "stale", poll_every=SOON)
    async with gateway(temporal_address, settings) as http:
        start = partial(worker, temporal_address, settings, unique, activities=[polling.run])
        async with start() as client:
            env = Env(client, settings, unique, http, service)
            handle = await env.start(Run("ask", attempts=0))
            callback = await service.next()
            await until_recorded(env, callback, "submitted")
        await until_recorded(env, callback, "poll requested")

        reply = await env.answer(callback, DECLINED, verb="/fail", wait=0)

        async with start():
            assert (await failure_of(handle)).type == "Declined"
    assert reply.status_code == 202
    assert polling.polls == []


async def test_poll_that_raises_is_repeated(service: FakeService, open_env: OpenEnv) -> None:
    retryable = ApplicationError("busy", type="Busy")
    polling = Polling(service, OSError("away"), retryable, 7, "done", poll_every=SECOND)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()

        assert await handle.result() == "done"
        trail = await audit_trail(env, callback)
    polled = [facts for kind, facts in trail if kind == "polled"]
    assert [facts.get("error") for facts in polled] == [
        *("OSError", "ApplicationError", "TypeError"),
        None,
    ]


async def test_non_retryable_failure_of_a_poll_is_the_answer(
    service: FakeService, open_env: OpenEnv
) -> None:
    failure = ApplicationError("declined", {"code": 5}, type="Declined", non_retryable=True)
    polling = Polling(service, failure, poll_every=SECOND)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()

        cause = await failure_of(handle)
        late = await env.answer(callback, "paid")

    assert (cause.type, cause.details, cause.non_retryable) == ("Declined", ({"code": 5},), True)
    assert late.status_code == 409


@pytest.mark.parametrize("in_a_thread", [False, True], ids=["async", "thread"])
async def test_poll_that_hangs_is_left_behind(
    service: FakeService,
    open_env: OpenEnv,
    monkeypatch: pytest.MonkeyPatch,
    *,
    in_a_thread: bool,
) -> None:
    monkeypatch.setattr("ringback.worker.polling.POLL_TIMEOUT", SECOND)
    hanging = Hanging(service, poll_every=SECOND)
    async with open_env(hanging.run_in_a_thread if in_a_thread else hanging.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        try:
            polled = await until_recorded(env, callback, "polled")

            await env.answer(callback, "by webhook")

            assert await handle.result() == "by webhook"
        finally:
            hanging.is_over.set()
    assert polled == {"attempt": 2, "found": "an error", "error": "PollTimeoutError"}


@pytest.mark.parametrize("attempts", [1, 2])
async def test_too_few_attempts_are_refused_when_the_activity_opens(
    service: FakeService, open_env: OpenEnv, attempts: int
) -> None:
    polling = Polling(service, poll_every=SECOND)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=attempts))

        cause = await failure_of(handle)

    assert (cause.type, cause.non_retryable) == ("NoNextAttempt", True)
    assert f"maximum_attempts is {attempts}" in cause.message
    assert "allow at least 3" in cause.message
    assert service.given.empty()


async def test_last_attempt_is_never_used_for_a_poll(
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, poll_every=SECOND, deadline=6 * SECOND, on_deadline="default")
    async with open_env(polling.run) as env, asyncio.timeout(25):
        handle = await env.start(Run("ask", attempts=3))
        callback = await service.next()

        assert await handle.result() == "default"
        stopped = await until_recorded(env, callback, "polling stopped")
    assert "maximum_attempts is 3" in stopped["reason"]
    assert [attempt for attempt, _ in polling.polls] == [2]


async def test_activity_that_ends_soon_is_not_polled(
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, poll_every=SECOND)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0, schedule_to_close=9))
        callback = await service.next()
        stopped = await until_recorded(env, callback, "polling stopped")

        await env.answer(callback, "in time")

        assert await handle.result() == "in time"
    assert "schedule-to-close" in stopped["reason"]
    assert polling.polls == []


async def test_activity_that_was_asked_to_cancel_is_not_polled(
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, poll_every=SOON, cancel_within=4 * SECOND)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await until_recorded(env, callback, "submitted")
        await handle.cancel()

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        stopped = await until_recorded(env, callback, "polling stopped")
    assert isinstance(caught.value.cause, CancelledError)
    assert stopped == {"reason": "a cancellation was requested"}
    assert polling.polls == []


async def test_paused_activity_is_polled_after_the_pause(
    service: FakeService, open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringback.domain.polling.POSTPONED_BY", SECOND)
    polling = Polling(service, "done", poll_every=SOON)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await until_recorded(env, callback, "submitted")
        operated = Workflow(env.client, handle)
        await pause_activity(operated)
        await until_postponed(env, callback)
        polls_meanwhile = len(polling.polls)
        await unpause(operated)

        assert await handle.result() == "done"
    assert polls_meanwhile == 0


async def test_reset_activity_is_polled_no_more_but_answered(
    service: FakeService, open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset kills the token of the attempt that waits, so that it cannot be ended."""
    monkeypatch.setattr("ringback.domain.polling.POSTPONED_BY", SECOND)
    polling = Polling(service, poll_every=3 * SECOND)
    async with open_env(polling.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await until_recorded(env, callback, "polled")
        await reset_activity(Workflow(env.client, handle))
        await until_postponed(env, callback)

        await env.answer(callback, "by webhook")

        assert await handle.result() == "by webhook"
    assert len(polling.polls) == 1


async def test_activity_continues_with_what_a_poll_found(
    service: FakeService, open_env: OpenEnv
) -> None:
    polling = Polling(service, NOT_YET, "done", poll_every=SECOND)
    async with open_env(polling.run_and_continue) as env:
        handle = await env.start(Run("ask", attempts=0))

        assert await handle.result() == "continued with done"
    assert [attempt for attempt, _ in polling.polls] == [2, 3]


async def test_gateway_killed_between_the_record_and_the_request_is_replaced(
    service: FakeService, temporal_address: str, settings: Settings, unique: str
) -> None:
    """What is left of such a gateway is its claim and its record."""
    polling = Polling(service, "done", poll_every=SECOND)
    async with opened_store(settings, SystemClock()) as store:
        async with gateway_without_deliverer(temporal_address, settings) as http:
            await http.get("/healthz")
            start = partial(worker, temporal_address, settings, unique, activities=[polling.run])
            async with start() as client:
                handle = await Env(client, settings, unique, http, service).start(
                    Run("ask", attempts=0)
                )
                callback = await service.next()
                claimed: Sequence[Any] = ()
                async with asyncio.timeout(20):
                    while not claimed:
                        await pause()
                        claimed = await store.claim_sender_polls(limit=1, lease=2 * SECOND)
                (found,) = claimed
                step = PollProgress(found.id, found.attempt_started_at, PollStep.REQUESTED)
                await store.save_sender_polls([step])
        async with gateway(temporal_address, settings), start():
            assert await handle.result() == "done"

    assert polling.polls == [(2, callback.id)]


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
async def test_two_gateways_request_each_poll_once(
    service: FakeService, temporal_address: str, settings: Settings, unique: str
) -> None:
    count = 20
    polling = Polling(service, *["done"] * count, poll_every=SOON)
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


async def until_postponed(env: Env, callback: Callback) -> None:
    """Return once the gateway has postponed a poll that was due twice."""
    due: set[str] = set()
    async with asyncio.timeout(30):
        while len(due) < 4:
            key = local_key_path(env.settings.data, Role.OPERATOR).read_text().strip()
            headers = {"authorization": f"Bearer {key}"}
            reply = await env.http.get(f"/v1/callbacks/{callback.id}", headers=headers)
            due.add(reply.json()["poll"]["due_at"])
            await pause()
