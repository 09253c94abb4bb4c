"""Activities without a workflow: where they answer otherwise than those of a workflow."""

import asyncio
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import ActivityExecutionStatus, PendingActivityState
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    PauseActivityExecutionRequest,
    ResetActivityExecutionRequest,
    UpdateActivityExecutionOptionsRequest,
)
from temporalio.service import RPCStatusCode

from tests.integration.facts.answers import (
    NOT_ASKED_TO_CANCEL,
    ById,
    ByToken,
    Raw,
    Refusal,
    failure,
    payloads,
    raw_refusals,
    refusal,
)
from tests.integration.facts.env import Env, instant, seconds
from tests.integration.facts.standalone import ask

pytestmark = [pytest.mark.server, pytest.mark.thorough]

Status = ActivityExecutionStatus
State = PendingActivityState


async def test_a_standalone_activity_has_no_workflow_and_a_run_of_its_own(env: Env) -> None:
    standalone = await ask(env)
    info, described = standalone.attempt.info, await standalone.describe()

    assert (info.workflow_id, info.workflow_run_id, info.in_workflow) == (None, None, False)
    assert described.info.run_id == info.activity_run_id
    assert instant(described.info.schedule_time) == info.scheduled_time
    assert instant(described.info.last_started_time) == info.started_time
    await standalone.handle.terminate()


@pytest.mark.parametrize("by", [ById, ByToken], ids=["id", "token"])
async def test_the_completer_s_identity_takes_the_place_of_the_worker_s(
    env: Env, by: type[Raw]
) -> None:
    standalone = await ask(env)
    before = await standalone.describe()

    await by(standalone.attempt, "call 1").complete(payloads(b'"done"'))

    after = await standalone.describe()
    assert before.info.last_worker_identity == env.client.identity
    assert after.info.last_worker_identity == "call 1"
    assert after.info.status == Status.ACTIVITY_EXECUTION_STATUS_COMPLETED
    assert after.outcome.result == payloads(b'"done"')
    assert "call 1" not in str(after.outcome)
    assert await standalone.handle.result() == "done"


@pytest.mark.parametrize("by", [ById, ByToken], ids=["id", "token"])
async def test_a_final_failure_keeps_the_identity_of_its_sender_and_its_own_source(
    env: Env, by: type[Raw]
) -> None:
    standalone = await ask(env, maximum_attempts=1)

    await by(standalone.attempt, "call 2").fail(failure(source="who wrote it"))

    described = await standalone.describe()
    assert described.info.status == Status.ACTIVITY_EXECUTION_STATUS_FAILED
    assert described.info.last_worker_identity == "call 2"
    assert described.outcome.failure.source == "who wrote it"


async def test_a_cancellation_keeps_no_identity_of_who_reported_it(env: Env) -> None:
    standalone = await ask(env)
    assert await refusal(ById(standalone.attempt).cancel()) == NOT_ASKED_TO_CANCEL
    await standalone.handle.cancel(reason="enough")
    requested = await standalone.describe()

    await ById(standalone.attempt, "call 3").cancel(payloads(b'"why"'))

    described = await standalone.describe()
    assert requested.info.run_state == State.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    assert requested.info.canceled_reason == "enough"
    assert described.info.status == Status.ACTIVITY_EXECUTION_STATUS_CANCELED
    assert "call 3" not in str(described)
    assert described.outcome.failure.canceled_failure_info.details == payloads(b'"why"')


async def test_a_repeated_completion_by_ids_is_a_failed_precondition_and_all_else_is_not_found(
    env: Env,
) -> None:
    completed, terminated = await ask(env), await ask(env)
    await ById(completed.attempt, "the first").complete()
    await terminated.handle.terminate()

    for standalone, status in ((completed, "Completed"), (terminated, "Terminated")):
        by_id = ById(standalone.attempt, "the second")
        assert await refusal(by_id.complete()) == Refusal(
            RPCStatusCode.FAILED_PRECONDITION, f"invalid transition from {status}"
        )
        for call in (by_id.fail(), by_id.heartbeat(), by_id.cancel()):
            assert await refusal(call) == standalone.gone
        assert await raw_refusals(ByToken(standalone.attempt)) == {standalone.gone}
    assert (await completed.describe()).info.last_worker_identity == "the first"


async def test_an_activity_that_never_was_is_not_found_in_the_same_words(env: Env) -> None:
    client = env.client

    for run_id in (None, str(uuid4())):
        handle = client.get_async_activity_handle(activity_id="nobody", run_id=run_id)
        assert await refusal(handle.complete("late")) == Refusal(
            RPCStatusCode.NOT_FOUND, "activity not found for ID: nobody"
        )
    request = DescribeActivityExecutionRequest(namespace=client.namespace, activity_id="nobody")
    answer = await refusal(client.workflow_service.describe_activity_execution(request))
    assert answer.status == RPCStatusCode.NOT_FOUND


async def test_between_attempts_only_a_completion_by_ids_is_taken(env: Env) -> None:
    standalone = await ask(env)
    started_at = standalone.attempt.info.started_time
    await ByToken(standalone.attempt).fail(failure(source="who wrote it"))

    between = (await standalone.describe()).info
    by_id = ById(standalone.attempt, "call 4")
    assert (between.run_state, between.attempt) == (State.PENDING_ACTIVITY_STATE_SCHEDULED, 2)
    assert between.last_failure.source == "who wrote it"
    assert between.last_worker_identity == env.client.identity
    assert instant(between.last_started_time) == started_at
    assert await raw_refusals(ByToken(standalone.attempt)) == {standalone.gone}
    for call in (by_id.fail(), by_id.heartbeat(), by_id.cancel()):
        assert await refusal(call) == standalone.gone
    await by_id.complete()
    assert (await standalone.describe()).info.last_worker_identity == "call 4"


async def test_a_standalone_activity_has_no_history(env: Env) -> None:
    standalone = await ask(env)
    execution = WorkflowExecution(
        workflow_id=standalone.handle.id, run_id=standalone.attempt.info.activity_run_id or ""
    )
    request = GetWorkflowExecutionHistoryRequest(
        namespace=env.client.namespace, execution=execution
    )

    answer = await refusal(env.client.workflow_service.get_workflow_execution_history(request))

    assert answer.status == RPCStatusCode.NOT_FOUND
    await standalone.handle.terminate()


async def test_what_is_described_has_no_failure_and_no_outcome_unless_asked_for(
    env: Env,
) -> None:
    standalone = await ask(env, maximum_attempts=1)
    await ById(standalone.attempt).fail()

    bare = await env.client.workflow_service.describe_activity_execution(
        DescribeActivityExecutionRequest(**standalone.address)
    )

    assert not bare.HasField("outcome")
    assert not bare.info.HasField("last_failure")


async def test_an_answer_to_an_earlier_run_of_the_same_id_does_not_touch_the_later(
    env: Env,
) -> None:
    earlier = await ask(env)
    await ById(earlier.attempt).complete()
    later = await ask(env, id=earlier.handle.id)

    answer = await refusal(ById(earlier.attempt).complete())

    assert answer.status == RPCStatusCode.FAILED_PRECONDITION
    described = await later.describe()
    assert described.info.status == Status.ACTIVITY_EXECUTION_STATUS_RUNNING
    await later.handle.terminate()


async def test_a_reset_keeps_the_number_of_the_attempt_and_its_token(env: Env) -> None:
    standalone = await ask(env, back_off=0.01)
    await ById(standalone.attempt).fail()
    second = await standalone.next()

    await env.client.workflow_service.reset_activity_execution(
        ResetActivityExecutionRequest(**standalone.address)
    )

    info = (await standalone.describe()).info
    assert (info.attempt, info.run_state) == (2, State.PENDING_ACTIVITY_STATE_STARTED)
    assert await raw_refusals(ByToken(standalone.attempt)) == {standalone.gone}
    assert (await ByToken(second).heartbeat()).activity_reset
    await second.by_token.complete("by the attempt that runs")


async def test_a_pause_stops_no_time_out(env: Env) -> None:
    options = {"maximum_attempts": 1}
    asked = await asyncio.gather(
        ask(env, start_to_close_timeout=seconds(1), **options),
        ask(env, schedule_to_close_timeout=seconds(1), **options),
    )
    for standalone in asked:
        await env.client.workflow_service.pause_activity_execution(
            PauseActivityExecutionRequest(**standalone.address)
        )
        state = (await standalone.describe()).info.run_state
        assert state == State.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
        assert (await ById(standalone.attempt).heartbeat()).activity_paused

    for standalone in asked:
        described = await standalone.until_over()
        assert described.info.status == Status.ACTIVITY_EXECUTION_STATUS_TIMED_OUT


async def test_the_expiration_time_follows_new_time_outs(env: Env) -> None:
    standalone = await ask(env, schedule_to_close_timeout=seconds(50))
    options = ActivityOptions()
    options.schedule_to_close_timeout.FromTimedelta(seconds(90))

    await env.client.workflow_service.update_activity_execution_options(
        UpdateActivityExecutionOptionsRequest(
            activity_options=options,
            update_mask=FieldMask(paths=["schedule_to_close_timeout"]),
            **standalone.address,
        )
    )

    info = (await standalone.describe()).info
    assert instant(info.expiration_time) == standalone.attempt.info.scheduled_time + seconds(90)
    await standalone.handle.terminate()


async def test_a_result_that_is_too_large_is_taken_and_fails_the_activity(env: Env) -> None:
    standalone = await ask(env)
    large = Payloads(payloads=[Payload(data=b"x" * 2 * 1024 * 1024)])

    await ById(standalone.attempt).complete(large)

    described = await standalone.describe()
    assert described.info.status == Status.ACTIVITY_EXECUTION_STATUS_FAILED
    assert described.outcome.failure.message == "Complete result exceeds size limit."
    assert described.outcome.failure.server_failure_info.non_retryable


async def test_a_token_edited_to_another_standalone_activity_ends_that_one(
    env: Env,
) -> None:
    own, other = await ask(env), await ask(env)
    edited = own.attempt.info.task_token
    for ours, theirs in (
        (own.handle.id, other.handle.id),
        (own.attempt.info.activity_run_id or "", other.attempt.info.activity_run_id or ""),
    ):
        edited = edited.replace(ours.encode(), theirs.encode())

    await ByToken(own.attempt, task_token=edited).complete(payloads(b'"stolen"'))

    assert await other.handle.result() == "stolen"
    status = (await own.describe()).info.status
    assert status == Status.ACTIVITY_EXECUTION_STATUS_RUNNING
    await own.handle.terminate()
