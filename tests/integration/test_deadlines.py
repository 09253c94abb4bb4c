"""Deadlines and default answers on the real server, also after changes by an operator."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from ringback import wait_for_callback
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.core.operations import OperatorService
from ringback.worker.options import UNSET
from tests.integration.conftest import OpenEnv
from tests.integration.env import Env, FakeService, path_of
from tests.integration.facts.env import until
from tests.integration.facts.operator_actions import pause, unpause, update_options
from tests.integration.operated_workflow import Workflow
from tests.integration.workflows import Run

pytestmark = pytest.mark.server

SECOND = timedelta(seconds=1)

NOTICED = 10
"""Seconds until a gateway has noticed a change: polls are at most LONGEST and a tick apart."""


def asking(
    service: FakeService, *, deadline: timedelta | None = None, on_deadline: Any = UNSET
) -> Any:
    @activity.defn(name="ask")
    async def ask() -> Any:
        return await wait_for_callback(
            service.submit, object, deadline=deadline, on_deadline=on_deadline
        )

    return ask


async def failure_of(handle: Any) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    return caught.value.cause.cause


@pytest.mark.parametrize("default", [{"approved": False}, None, 0], ids=repr)
async def test_workflow_gets_the_default_at_the_deadline(
    open_env: OpenEnv, service: FakeService, default: Any
) -> None:
    async with open_env(asking(service, deadline=SECOND, on_deadline=default)) as env:
        handle = await env.start(Run("ask", attempts=5))
        callback = await service.next()

        assert await handle.result() == default

        late = await env.answer(callback)
        assert (late.status_code, late.json()["reason"]) == (410, "its deadline passed")


async def test_a_deadline_alone_fails_the_activity_for_good(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, deadline=SECOND)) as env:
        failure = await failure_of(await env.start(Run("ask", attempts=5)))

    assert (failure.type, failure.non_retryable) == ("DeadlineExceeded", True)


async def test_the_default_may_be_a_failure(open_env: OpenEnv, service: FakeService) -> None:
    default = ApplicationError("too late", {"by": 5}, type="TooLate", non_retryable=True)
    async with open_env(asking(service, deadline=SECOND, on_deadline=default)) as env:
        failure = await failure_of(await env.start(Run("ask", attempts=5)))

    assert (failure.message, failure.type, failure.details) == ("too late", "TooLate", ({"by": 5},))


async def test_the_default_comes_before_temporal_times_the_activity_out(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, on_deadline="nobody")) as env:
        handle = await env.start(Run("ask", start_to_close=3))

        assert await handle.result() == "nobody"


async def test_extension_moves_the_deadline(open_env: OpenEnv, service: FakeService) -> None:
    async with open_env(asking(service, deadline=2 * SECOND, on_deadline="nobody")) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        assert callback.deadline_at is not None

        async with opened_store(env.settings, SystemClock()) as store:
            operating = OperatorService(store, store, store, links=store)
            await operating.extend(callback.id, timedelta(seconds=30))
        await passed(callback.deadline_at + SECOND / 2, Workflow(env.client, handle))
        await env.answer(callback, "in time")

        assert await handle.result() == "in time"


async def passed(at: datetime, workflow: Workflow) -> None:
    """Return once it is later than `at`, while the activity still waits."""
    clock = SystemClock()
    await until(workflow.pending, lambda _: clock.now() > at)


async def deadline_of(env: Env, callback: Any) -> Any:
    return (await env.http.get(path_of(callback))).json()["deadline"]


async def test_change_by_an_operator_is_visible_to_the_sender(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask", start_to_close=50))
        callback = await service.next()
        workflow = Workflow(env.client, handle)
        given = await deadline_of(env, callback)

        await update_options(workflow, start_to_close=25)
        shortened = await deadline_of(env, callback)
        await pause(workflow)
        paused = await deadline_of(env, callback)
        await unpause(workflow)

        assert shortened < given
        assert paused is None
        assert await deadline_of(env, callback) == shortened
        await handle.terminate()


async def test_what_an_operator_changes_moves_the_default_answer_too(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, on_deadline="nobody")) as env:
        handle = await env.start(Run("ask", start_to_close=50))
        await service.next()

        await update_options(Workflow(env.client, handle), start_to_close=NOTICED)

        assert await handle.result() == "nobody"


async def test_a_paused_activity_is_not_answered_by_default(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, on_deadline="nobody")) as env:
        handle = await env.start(Run("ask", start_to_close=3))
        callback = await service.next()
        assert callback.deadline_at is not None
        workflow = Workflow(env.client, handle)
        await pause(workflow)

        await passed(callback.deadline_at + SECOND, workflow)
        await env.answer(callback, "in time")

        assert await handle.result() == "in time"


async def test_a_default_that_the_workflow_could_not_read_fails_the_attempt_at_once(
    open_env: OpenEnv, service: FakeService
) -> None:
    @activity.defn
    async def ask() -> int:
        default: Any = "no number"
        return await wait_for_callback(service.submit, int, on_deadline=default)

    async with open_env(ask) as env:
        failure = await failure_of(await env.start(Run("ask")))

    assert failure.type == "TypeError"
    assert service.given.empty()
