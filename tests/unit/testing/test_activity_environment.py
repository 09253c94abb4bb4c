"""The kit runs activities that wait, without any server, and shows what their workflows see."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pydantic
import pytest
from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.testing import ActivityEnvironment

import ringback
from ringback import NOT_YET, Callback, Decision, NotYet, Subject
from ringback.domain.errors import GatewayRefusedError
from ringback.testing import ActivityTestEnvironment, activity_environment

RETRIED = RetryPolicy(maximum_attempts=3)
HOUR = timedelta(hours=1)


@dataclass
class Receipt:
    id: str
    cents: int = 0


class Bank:
    """The service that the activities call."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.failures = 0

    async def submit(self, callback: Callback) -> None:
        self.links.append(callback.url)
        if self.failures:
            self.failures -= 1
            msg = "the bank is closed"
            raise ConnectionError(msg)

    @activity.defn
    async def charge(self, cents: int) -> Receipt:
        title = f"Charge {cents}"
        return await ringback.wait_for_callback(
            self.submit, Receipt, title=title, aliases=[f"charge:{cents}"]
        )

    @activity.defn
    async def charge_within_an_hour(self, cents: int) -> Receipt:
        return await ringback.wait_for_callback(
            self.submit, Receipt, deadline=HOUR, on_deadline=Receipt("late", cents)
        )

    @activity.defn
    async def charge_and_double(self, cents: int) -> int:
        receipt = await ringback.wait_for_callback(self.submit, Receipt, resume=True)
        return 2 * (cents + receipt.cents)

    @activity.defn
    async def charge_across_resets(self, cents: int) -> Receipt:  # noqa: ARG002 - an input
        return await ringback.wait_for_callback(self.submit, Receipt, follow_reset=True)

    @activity.defn
    def charge_in_a_thread(self, cents: int) -> Receipt:  # noqa: ARG002 - an input
        def submit(callback: Callback) -> None:
            self.links.append(f"{threading.current_thread() is not threading.main_thread()}")
            assert httpx2.get(callback.url).status_code == 200

        return ringback.wait_for_callback_sync(submit, Receipt)

    @activity.defn
    async def charge_by_block(self) -> Receipt:
        async with ringback.open_callback(result_type=Receipt) as callback:
            await self.submit(callback)
        activity.raise_complete_async()


@activity.defn
async def approve(euros: int, approvals: int = 1) -> Decision:
    return await ringback.wait_for_decision(
        Subject("An order", details={"euros": euros}),
        assignees=["user:ada@example.org", "user:bob@example.org"],
        approvals=approvals,
    )


@activity.defn
async def approve_by_finance(euros: int) -> Decision:
    subject = Subject("An order", details={"euros": euros})
    return await ringback.wait_for_decision(subject, assignees=["group:finance"])


@activity.defn
async def add(one: int, two: int) -> int:
    return one + two


@activity.defn
async def refuse() -> int:
    msg = "not today"
    raise ApplicationError(msg, {"code": 5}, type="Refused")


@pytest.fixture
async def env() -> AsyncIterator[ActivityTestEnvironment]:
    async with activity_environment() as env:
        yield env


@pytest.fixture
def bank() -> Bank:
    return Bank()


async def test_activity_returns_the_answer_in_its_type(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    assert await env.run(bank.charge, 81, answer=Receipt("r-81", 81)) == Receipt("r-81", 81)
    assert len(bank.links) == 1


async def test_activity_that_runs_in_a_thread_returns_the_answer(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    assert await env.run(bank.charge_in_a_thread, 81, answer={"id": "r-81"}) == Receipt("r-81")
    assert bank.links == ["True"]


async def test_activity_that_opens_a_callback_for_a_block_returns_the_answer(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    assert await env.run(bank.charge_by_block, answer=Receipt("r-81")) == Receipt("r-81")


async def test_link_answers_over_real_http(env: ActivityTestEnvironment, bank: Bank) -> None:
    run = env.start(bank.charge, 81)
    callback = await env.callback(title="Charge 81")
    async with httpx2.AsyncClient() as http:
        reply = await http.post(bank.links[0], json={"id": "r-81", "cents": 81})

    assert reply.status_code == 202
    assert callback.aliases == ("charge:81",)
    assert await run.result() == Receipt("r-81", 81)


async def test_answer_of_the_wrong_shape_is_rejected_with_what_is_wrong(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    with pytest.raises(GatewayRefusedError, match="/cents: ") as refused:
        await env.run(bank.charge, 81, answer={"id": "r-81", "cents": "many"})

    assert refused.value.status == 422


async def test_failure_of_the_sender_is_the_cause_that_the_workflow_sees(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    declined = ApplicationError("declined", {"code": 5}, type="Declined", non_retryable=True)
    with pytest.raises(ActivityError) as failed:
        await env.run(bank.charge, 81, answer=declined)

    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.message, cause.type, cause.details) == ("declined", "Declined", ({"code": 5},))
    assert failed.value.activity_type == "charge"


async def test_failure_of_the_activity_itself_is_the_cause_that_the_workflow_sees(
    env: ActivityTestEnvironment,
) -> None:
    with pytest.raises(ActivityError) as failed:
        await env.run(refuse, answer=5)

    assert isinstance(failed.value.cause, ApplicationError)
    assert (failed.value.cause.type, failed.value.cause.details) == ("Refused", ({"code": 5},))


async def test_activity_that_waits_for_nothing_returns_its_own_result(
    env: ActivityTestEnvironment,
) -> None:
    assert await env.run(add, 2, 3) == 5


async def test_retry_policy_lets_another_attempt_submit_again(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    bank.failures = 2
    run = env.start(bank.charge, 81, retry_policy=RETRIED)
    await env.answer(Receipt("r-81"), alias="charge:81")

    assert await run.result() == Receipt("r-81")
    assert run.attempts == 3
    assert len(set(bank.links)) == 1


async def test_first_failure_ends_an_activity_without_a_retry_policy(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    bank.failures = 1
    with pytest.raises(ActivityError) as failed:
        await env.run(bank.charge, 81, answer=Receipt("r-81"))

    assert "the bank is closed" in str(failed.value.cause)


async def test_last_attempt_of_a_retry_policy_ends_the_activity(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    bank.failures = 3
    run = env.start(bank.charge, 81, retry_policy=RETRIED)
    with pytest.raises(ActivityError):
        await run.result()

    assert run.attempts == 3


async def test_activity_that_resumes_continues_with_the_answer(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    assert await env.run(bank.charge_and_double, 1, answer=Receipt("r-81", 20)) == 42
    assert len(bank.links) == 1


async def test_activity_polls_at_its_interval_and_at_its_deadline(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    found: list[Receipt | NotYet] = [NOT_YET, NOT_YET, Receipt("r-81", 20)]

    async def is_done(_: Callback) -> Receipt | NotYet:
        return found.pop(0)

    @activity.defn
    async def charge() -> Receipt:
        return await ringback.wait_for_callback(
            bank.submit,
            Receipt,
            poll=is_done,
            poll_every=timedelta(minutes=10),
            deadline=timedelta(minutes=25),
        )

    run = env.start(charge)
    await env.callback()
    await env.advance(timedelta(minutes=9))
    assert len(found) == 3
    await env.advance(timedelta(minutes=1, seconds=1))
    assert len(found) == 2
    await env.advance(timedelta(minutes=10))
    assert len(found) == 1
    await env.advance(timedelta(minutes=5))

    assert await run.result() == Receipt("r-81", 20)
    assert run.attempts == 4


async def test_decision_names_the_assignee_who_decided(env: ActivityTestEnvironment) -> None:
    decision = await env.run(approve, 250, 1, answer=Decision(approved=False, reason="too much"))

    assert (decision.approved, decision.by) == (False, "ada@example.org")
    assert decision.reason == "too much"


async def test_quorum_needs_as_many_people(env: ActivityTestEnvironment) -> None:
    run = env.start(approve, 250, 2)
    callback = await env.callback()
    await callback.decide()
    assert not run.is_done
    await callback.decide()

    decision = await run.result()
    assert [vote.by for vote in decision.votes] == ["ada@example.org", "bob@example.org"]


async def test_somebody_of_the_group_decides(env: ActivityTestEnvironment) -> None:
    decision = await env.run(approve_by_finance, 250, answer=Decision(approved=True))

    assert decision.approved


async def test_person_who_is_not_asked_may_not_decide(env: ActivityTestEnvironment) -> None:
    env.start(approve, 250, 1)
    with pytest.raises(GatewayRefusedError) as refused:
        await env.decide(by="eve@example.org")

    assert refused.value.status == 403


async def test_default_answer_is_used_at_the_deadline(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    run = env.start(bank.charge_within_an_hour, 81)
    await env.callback()
    await env.advance(timedelta(minutes=59))
    assert not run.is_done
    await env.advance(timedelta(minutes=1))

    assert await run.result() == Receipt("late", 81)


async def test_activity_times_out_when_the_clock_has_moved_past_its_timeout(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    run = env.start(bank.charge, 81, schedule_to_close_timeout=HOUR)
    await env.callback()
    await env.advance(2 * HOUR)
    with pytest.raises(ActivityError) as failed:
        await run.result()

    assert isinstance(failed.value.cause, TemporalTimeoutError)


async def test_attempt_that_times_out_is_followed_by_another_of_the_retry_policy(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    run = env.start(bank.charge, 81, start_to_close_timeout=HOUR, retry_policy=RETRIED)
    await env.callback()
    await env.advance(1.5 * HOUR)
    await env.answer(Receipt("r-81"))

    assert await run.result() == Receipt("r-81")
    assert (run.attempts, len(bank.links)) == (2, 1)


@pytest.mark.parametrize("when", ["before submit", "during submit"])
async def test_early_answer_is_the_result(
    env: ActivityTestEnvironment, bank: Bank, when: Any
) -> None:
    assert await env.run(bank.charge, 81, answer=Receipt("r-81"), when=when) == Receipt("r-81")
    assert len(bank.links) == 1


@pytest.mark.parametrize("when", ["between attempts", "while paused", "after a reset"])
async def test_answer_at_an_awkward_moment_is_the_result(
    env: ActivityTestEnvironment, bank: Bank, when: Any
) -> None:
    assert await env.run(bank.charge, 81, answer=Receipt("r-81"), when=when) == Receipt("r-81")
    assert len(bank.links) == 1


async def test_link_follows_a_reset_of_the_workflow_if_the_activity_says_so(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    run = env.start(bank.charge_across_resets, 81)
    await env.answer(Receipt("r-81"), when="after a workflow reset")

    assert await run.result() == Receipt("r-81")
    assert (run.attempts, len(bank.links)) == (2, 1)


async def test_link_of_before_a_workflow_reset_is_refused_otherwise(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    run = env.start(bank.charge, 81)
    with pytest.raises(GatewayRefusedError) as refused:
        await env.answer(Receipt("r-81"), when="after a workflow reset")
    await env.answer(Receipt("r-82"))

    assert refused.value.status == 410
    assert await run.result() == Receipt("r-82")
    assert len(set(bank.links)) == 2


async def test_same_answer_twice_is_a_duplicate(env: ActivityTestEnvironment, bank: Bank) -> None:
    run = env.start(bank.charge, 81)
    first, second = await (await env.callback()).answer_twice(Receipt("r-81"))

    assert (first.duplicate, second.duplicate) == (False, True)
    assert await run.result() == Receipt("r-81")


async def test_different_second_answer_conflicts(env: ActivityTestEnvironment, bank: Bank) -> None:
    run = env.start(bank.charge, 81)
    refused = await (await env.callback()).answer_differently(Receipt("r-81"), Receipt("r-82"))

    assert refused.status == 409
    assert await run.result() == Receipt("r-81")


async def test_answer_after_the_end_is_too_late(env: ActivityTestEnvironment, bank: Bank) -> None:
    run = env.start(bank.charge, 81)
    refused = await (await env.callback()).answer_late(Receipt("r-81"))

    assert refused.status == 410
    with pytest.raises(ActivityError):
        await run.result()


async def test_sender_learns_of_a_cancellation_and_reports_it(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    run = env.start(bank.charge, 81)
    callback = await env.request_cancel()
    assert (await callback.heartbeat()).cancel_requested
    await callback.cancel()

    with pytest.raises(ActivityError) as failed:
        await run.result()
    assert isinstance(failed.value.cause, CancelledError)


async def test_wait_for_a_callback_in_vain_lists_what_is_open(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    env.start(bank.charge, 81, workflow_id="order-81")
    await env.callback()
    with pytest.raises(AssertionError) as failed:
        await env.callback(title="Charge 82", within=timedelta(milliseconds=1))

    assert "title='Charge 82'" in str(failed.value)
    assert "title='Charge 81', workflow_id='order-81', activity_type='charge'" in str(failed.value)


async def test_ambiguous_choice_of_a_callback_lists_those_that_fit(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    env.start(bank.charge, 81)
    env.start(bank.charge, 82)
    await asyncio.gather(env.callback(alias="charge:81"), env.callback(alias="charge:82"))
    with pytest.raises(AssertionError, match="several callbacks fit"):
        await env.answer(Receipt("r-81"))


async def test_run_that_nobody_answers_says_what_to_do(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    run = env.start(bank.charge, 81)
    with pytest.raises(AssertionError, match="the activity charge still waits"):
        await run.result(within=timedelta(milliseconds=1))


async def test_each_environment_has_an_empty_store(bank: Bank) -> None:
    async with activity_environment() as first:
        first.start(bank.charge, 81)
        await first.callback()
    async with activity_environment() as second:
        with pytest.raises(AssertionError, match="open: none"):
            await second.callback(within=timedelta(milliseconds=1))


async def test_result_passes_the_data_converter_of_the_workers() -> None:
    class Model(pydantic.BaseModel):
        at: timedelta

    @activity.defn
    async def ask() -> Model:
        async def submit(_: Callback) -> None: ...

        return await ringback.wait_for_callback(submit, Model)

    async with activity_environment(data_converter=pydantic_data_converter) as env:
        assert await env.run(ask, answer=Model(at=HOUR)) == Model(at=HOUR)


async def test_environment_of_the_sdk_runs_activities_while_the_kit_is_wired(
    env: ActivityTestEnvironment, bank: Bank
) -> None:
    with env.wired(), pytest.raises(BaseException, match=r"^$") as ended:
        await ActivityEnvironment().run(bank.charge, 81)

    assert type(ended.value).__name__ == "_CompleteAsyncError"
    assert not (await (await env.callback()).answer(Receipt("r-81"))).duplicate
