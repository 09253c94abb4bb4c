"""The real server behaves as the core expects; its errors become Ringback's errors."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ringback import Callback, open_callback
from ringback.domain.activity_state import Ended, LastFailure
from ringback.domain.errors import (
    ActivityGoneError,
    RefusedByTemporalError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.domain.outcome import Completed
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.rpc import to_error
from tests import factories
from tests.contract.activities.env import (
    BY_ME,
    ME,
    RESULT,
    ActivityEnv,
    Plan,
    Way,
    send,
    waiting,
)
from tests.contract.activities_contract import ActivitiesContract
from tests.integration.conftest import OpenEnv
from tests.integration.env import FakeService, path_of
from tests.integration.facts.answers import ById, failure
from tests.integration.temporal_env import TemporalEnv, TemporalWorker
from tests.integration.workflows import Run, RunTwiceWithOneId

server = pytest.mark.server


@pytest.fixture(scope="module")
async def at_work(client: Client) -> AsyncIterator[TemporalWorker]:
    worker = TemporalWorker(client)
    async with worker.running():
        yield worker


@pytest.fixture
async def temporal_env(client: Client, at_work: TemporalWorker) -> AsyncIterator[TemporalEnv]:
    env = TemporalEnv(client, at_work)
    yield env
    await env.close()


@server
class TestTemporalActivities(ActivitiesContract):
    @pytest.fixture
    def env(self, temporal_env: TemporalEnv) -> ActivityEnv:
        return temporal_env


@server
@pytest.mark.parametrize("way", Way, ids=lambda way: way.value)
async def test_a_result_reaches_the_workflow_unchanged(temporal_env: TemporalEnv, way: Way) -> None:
    run = await temporal_env.start(Plan())

    await send(temporal_env, way, run.callback, Completed(b'{"n": 1.50}'))

    (completed,) = await run.question.events("activity_task_completed")
    assert [payload.data for payload in completed.result.payloads] == [b'{"n": 1.50}']


@server
async def test_a_failure_that_the_server_has_cut_still_shows_who_sent_it(
    temporal_env: TemporalEnv,
) -> None:
    run = await temporal_env.start(Plan())
    large = failure("busy", source=ME, stack_trace="x" * 10_000)

    await ById(run.attempt).fail(large)

    assert (await waiting(temporal_env, run)).last_failure == BY_ME


@server
@pytest.mark.parametrize("non_retryable", [True, False], ids=["final", "retryable"])
async def test_failure_shows_who_caused_it_and_that_its_message_is_encoded(
    temporal_env: TemporalEnv, *, non_retryable: bool
) -> None:
    run = await temporal_env.start(Plan())
    own = failure(
        "Encoded failure",
        encoded_attributes=Payload(data=b"?"),
        cause=failure("in between", cause=failure("ours", source=ME)),
    )
    own.application_failure_info.non_retryable = non_retryable

    await ById(run.attempt).fail(own)

    found = await temporal_env.activities.resolve(run.callback.ref)
    shown = found.failure if isinstance(found, Ended) else getattr(found, "last_failure", None)
    assert isinstance(found, Ended) is non_retryable
    assert shown == LastFailure(
        "application", "Encoded failure", "Busy", "", frozenset({"", ME}), is_encoded=True
    )


@server
async def test_a_heartbeat_without_details_keeps_those_that_were_recorded(
    temporal_env: TemporalEnv,
) -> None:
    run = await temporal_env.start(Plan())

    await temporal_env.heartbeats.heartbeat(run.callback, b'{"done": 1}')
    await temporal_env.heartbeats.heartbeat(run.callback, None)

    pending = await run.question.pending()
    assert [payload.data for payload in pending.heartbeat_details.payloads] == [b'{"done": 1}']


@server
async def test_what_the_attempt_had_recorded_itself_is_kept_by_heartbeats_without_details(
    temporal_env: TemporalEnv,
) -> None:
    run = await temporal_env.start(Plan())
    own = Payload(metadata={"encoding": b"json/plain"}, data=b'"half done"')
    await ById(run.attempt).heartbeat(Payloads(payloads=[own]))

    for _ in range(2):
        await temporal_env.heartbeats.heartbeat_to_attempt(run.callback, None)

    pending = await run.question.pending()
    assert [payload.data for payload in pending.heartbeat_details.payloads] == [b'"half done"']


@server
async def test_invalid_token_is_refused(temporal_env: TemporalEnv) -> None:
    run = await temporal_env.start(Plan())
    edited = replace(run.callback, task_token=b"not a token of Temporal's")

    with pytest.raises(RefusedByTemporalError, match="task token"):
        await send(temporal_env, Way.BY_TOKEN, edited, RESULT)

    assert (await waiting(temporal_env, run)).attempt == 1


@server
@pytest.mark.parametrize("activity_id", ["approve", "7"])
async def test_an_answer_to_an_activity_whose_id_came_back_does_not_touch_the_new_one(
    open_env: OpenEnv, service: FakeService, activity_id: str
) -> None:
    @activity.defn
    async def ask() -> Any:
        async with open_callback() as callback:
            await service.submit(callback)

    async with open_env(ask) as env:
        run = Run("ask", start_to_close=3, activity_id=activity_id)
        handle = await env.start(run, RunTwiceWithOneId)
        first: Callback = await service.next()
        second: Callback = await service.next()

        beat = await env.http.post(f"{path_of(first)}/heartbeat", json="late")
        late = await env.answer(first, "late")
        good = await env.answer(second, "in time")

        assert (beat.status_code, late.status_code, good.status_code) == (410, 410, 200)
        assert await handle.result() == ["ended", "in time"]


async def test_missing_server_is_unreachable() -> None:
    activities = TemporalActivities(await Client.connect("127.0.0.1:1", lazy=True))
    callback = await factories.opened(factories.request())
    encoded = await activities.encode(callback, Completed(b"1"))

    with pytest.raises(TemporalUnreachableError):
        await activities.deliver(callback, encoded, identity=ME)
    with pytest.raises(TemporalUnreachableError):
        await activities.deliver_to_attempt(callback, encoded, identity=ME)
    with pytest.raises(TemporalUnreachableError):
        await activities.poll([callback.ref])


@server
async def test_a_namespace_that_is_not_there_is_not_taken_for_an_ended_activity(
    client: Client,
) -> None:
    run_id = "00000000-0000-0000-0000-000000000000"
    ref = replace(factories.activity_ref(run_id=run_id), namespace="nowhere")
    callback = await factories.opened(factories.request(ref=ref))
    activities = TemporalActivities(client)
    encoded = await activities.encode(callback, Completed(b"1"))

    with pytest.raises(TemporalMisconfiguredError, match="nowhere"):
        await activities.deliver(callback, encoded, identity=ME)


@pytest.mark.parametrize("status", list(RPCStatusCode), ids=lambda status: status.name)
def test_only_documented_statuses_are_final(status: RPCStatusCode) -> None:
    known = {
        RPCStatusCode.NOT_FOUND: ActivityGoneError,
        RPCStatusCode.INVALID_ARGUMENT: RefusedByTemporalError,
        RPCStatusCode.FAILED_PRECONDITION: RefusedByTemporalError,
        RPCStatusCode.UNIMPLEMENTED: TemporalMisconfiguredError,
        RPCStatusCode.PERMISSION_DENIED: TemporalMisconfiguredError,
        RPCStatusCode.UNAUTHENTICATED: TemporalMisconfiguredError,
        RPCStatusCode.RESOURCE_EXHAUSTED: TemporalBusyError,
    }

    error = to_error(RPCError("what it said", status, b""))

    assert type(error) is known.get(status, TemporalUnreachableError)
    assert "what it said" in str(error)


def test_a_request_that_is_too_large_for_the_server_is_refused() -> None:
    message = "grpc: received message after decompression larger than max 4194304"

    error = to_error(RPCError(message, RPCStatusCode.RESOURCE_EXHAUSTED, b""))

    assert type(error) is RefusedByTemporalError
