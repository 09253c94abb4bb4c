"""What the ids of an activity mean after a reset of its workflow, and in its next run."""

import pytest
from temporalio.api.enums.v1 import WorkflowExecutionStatus, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from tests.integration.facts.answers import CLOSED, FINAL, refusal, refusals
from tests.integration.facts.env import Attempt, Env, Question, instant, until
from tests.integration.facts.operator_actions import reset_workflow
from tests.integration.facts.workflows import Asking, AskInTwoRuns, AskTwice

pytestmark = [pytest.mark.server, pytest.mark.thorough]

Status = WorkflowExecutionStatus
BEFORE_IT_WAS_SCHEDULED = 4


async def event_after_it_was_scheduled(question: Question) -> int:
    """Let the workflow take a step more; return the event to reset to."""
    await question.handle.signal("a step")

    async def later_steps() -> list[int]:
        return [
            event.event_id
            for event in await question.history()
            if event.HasField("workflow_task_completed_event_attributes")
        ][1:]

    (step,) = await until(later_steps, bool)
    return step


async def scheduling(question: Question, run_id: str | None = None) -> HistoryEvent:
    """Return the event that scheduled the activity."""
    (event,) = [
        event
        for event in await question.history(run_id)
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    return event


async def reset_after(env: Env) -> tuple[Question, Attempt, Attempt, str]:
    """Reset a workflow to after its activity was scheduled; return both attempts and the run."""
    question, before = await env.ask()
    new_run = await reset_workflow(question, await event_after_it_was_scheduled(question))
    return question, before, await question.next(), new_run


async def test_a_reset_to_after_the_scheduling_keeps_its_time_and_runs_the_function_again(
    env: Env,
) -> None:
    question, before, after, new_run = await reset_after(env)

    assert (before.info.workflow_run_id, after.info.workflow_run_id) == (
        question.execution.run_id,
        new_run,
    )
    assert after.info.activity_id == before.info.activity_id
    assert after.info.scheduled_time == before.info.scheduled_time
    assert after.info.started_time > before.info.started_time
    old, new = await scheduling(question), await scheduling(question, new_run)
    assert (old.event_id, old.event_time) == (new.event_id, new.event_time)


async def test_a_reset_run_starts_with_the_first_attempt_that_is_scheduled_at_the_reset(
    env: Env,
) -> None:
    question, _, second = await env.ask_twice()

    new_run = await reset_workflow(question, await event_after_it_was_scheduled(question))

    after = await question.next()
    assert (second.info.attempt, after.info.attempt) == (2, 1)
    assert after.info.scheduled_time == second.info.scheduled_time
    assert after.info.current_attempt_scheduled_time > second.info.started_time
    pending = await question.pending(new_run)
    assert instant(pending.scheduled_time) == after.info.current_attempt_scheduled_time
    assert instant(pending.last_started_time) == after.info.started_time


async def test_a_reset_to_before_the_scheduling_schedules_it_again_under_the_same_id(
    env: Env,
) -> None:
    question, before = await env.ask()

    await reset_workflow(question, BEFORE_IT_WAS_SCHEDULED)

    after = await question.next()
    assert after.info.activity_id == before.info.activity_id
    assert after.info.scheduled_time > before.info.scheduled_time


async def test_an_answer_to_the_run_before_a_reset_is_refused_and_the_new_run_takes_its_own(
    env: Env,
) -> None:
    question, before, after, new_run = await reset_after(env)

    assert await refusals(before.by_token, before.by_id) == {CLOSED}
    await before.by_id_in(new_run).complete("to the new run")
    assert await env.client.get_workflow_handle(question.handle.id).result() == "to the new run"
    assert await refusal(after.by_id.complete("again")) == CLOSED


async def test_ids_without_a_run_reach_the_activity_of_the_run_after_a_reset(
    env: Env,
) -> None:
    question, before, _, _ = await reset_after(env)

    await before.by_id_in(None).complete("to whichever is open")

    current = env.client.get_workflow_handle(question.handle.id)
    assert await current.result() == "to whichever is open"


async def test_a_run_that_was_reset_names_the_next_one_at_once_and_still_lists_its_activity(
    env: Env,
) -> None:
    question, _ = await env.ask()

    new_run = await reset_workflow(question, BEFORE_IT_WAS_SCHEDULED, reason="a wrong turn")
    described = await question.describe()

    assert described.workflow_extended_info.reset_run_id == new_run
    info = described.workflow_execution_info
    assert info.status == Status.WORKFLOW_EXECUTION_STATUS_TERMINATED
    assert info.HasField("close_time")
    assert len(described.pending_activities) == 1
    (terminated,) = await question.events("workflow_execution_terminated")
    assert (terminated.reason, terminated.identity) == ("a wrong turn", "history-resetter")


async def test_a_run_that_a_reset_made_names_the_one_before_it(env: Env) -> None:
    question, _ = await env.ask()

    new_run = await reset_workflow(question, BEFORE_IT_WAS_SCHEDULED)

    (failed,) = await question.events("workflow_task_failed", new_run)
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    assert failed.cause == cause
    assert (failed.base_run_id, failed.new_run_id) == (question.execution.run_id, new_run)


async def test_a_termination_names_no_next_run(env: Env) -> None:
    question, _ = await env.ask()

    await question.handle.terminate()

    described = await question.describe()
    assert described.workflow_extended_info.reset_run_id == ""
    assert len(described.pending_activities) == 1


async def test_a_second_reset_of_one_run_leaves_the_run_of_the_first_without_a_successor(
    env: Env,
) -> None:
    question, _ = await env.ask()
    first = await reset_workflow(question, BEFORE_IT_WAS_SCHEDULED)
    await question.next()

    second = await reset_workflow(question, BEFORE_IT_WAS_SCHEDULED)

    base, between = await question.describe(), await question.describe(first)
    assert base.workflow_extended_info.reset_run_id == second
    assert between.workflow_extended_info.reset_run_id == ""
    (terminated,) = await question.events("workflow_execution_terminated", first)
    assert terminated.identity == "history-resetter"


async def test_a_completed_run_that_is_reset_stays_completed_and_names_the_next(
    env: Env,
) -> None:
    question, attempt = await env.ask()
    await attempt.by_id.complete("done")
    await question.result()

    new_run = await reset_workflow(question, BEFORE_IT_WAS_SCHEDULED)

    described = await question.describe()
    status = described.workflow_execution_info.status
    assert status == Status.WORKFLOW_EXECUTION_STATUS_COMPLETED
    assert described.workflow_extended_info.reset_run_id == new_run


async def test_ids_without_a_run_reach_a_new_workflow_of_the_same_id(env: Env) -> None:
    earlier, old = await env.ask()
    await earlier.handle.terminate()
    later, new = await env.ask(id=earlier.handle.id)

    assert old.info.activity_id == new.info.activity_id
    assert await refusals(old.by_token, old.by_id) == {CLOSED}
    await old.by_id_in(None).complete("meant for the old one")
    assert await later.result() == "meant for the old one"


async def test_activity_ids_come_again_after_continue_as_new(env: Env) -> None:
    question, first = await env.ask(workflow=AskInTwoRuns)
    await first.by_id.complete("one")
    second = await question.next()

    assert (first.info.activity_id, second.info.activity_id) == ("1", "1")
    assert first.info.workflow_run_id != second.info.workflow_run_id
    assert await refusals(first.by_token, first.by_id) == {CLOSED}
    await first.by_id_in(None).complete("one, again")
    assert await question.result() == "one, again"
    described = await question.describe()
    assert described.workflow_extended_info.reset_run_id == ""


async def test_an_activity_id_that_is_used_again_in_one_run_takes_a_repeat_for_the_new_question(
    env: Env,
) -> None:
    question, first = await env.ask(Asking(activity_id="approve"), workflow=AskTwice)
    await first.by_id.complete("yes")
    second = await question.next()

    assert second.info.scheduled_time > first.info.scheduled_time
    assert (await refusal(first.by_token.fail(FINAL))).status == CLOSED.status
    await first.by_id.complete("yes, again")
    assert await question.result() == ["yes", "yes, again"]
