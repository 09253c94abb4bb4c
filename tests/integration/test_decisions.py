"""`wait_for_decision`: people approve and reject, on the real server."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import (
    Callback,
    Decision,
    Subject,
    wait_for_callback,
    wait_for_decision,
    wait_for_decision_sync,
)
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from tests.integration import decision_workflow
from tests.integration.conftest import OpenEnv
from tests.integration.env import GRACE, Env, FakeService
from tests.integration.workflows import Run
from tests.polling import pause

pytestmark = pytest.mark.server

ADA = "user:ada@example.org"
BOB = "user:bob@example.org"


@dataclass
class Budget:
    """What an approver fills in."""

    cost_centre: str
    euros: float


class Refund(BaseModel):
    """The same as a pydantic model."""

    euros: float


@dataclass
class Asking:
    """An activity that asks people with these options.

    Attributes:
        read: What the activity read, with `resume`.
    """

    service: FakeService
    options: dict[str, Any]
    read: Decision | None = None

    @activity.defn(name="ask")
    async def run(self) -> Decision:
        return await wait_for_decision(
            Subject("Order 17", details={"euros": 250}), self.service.submit, **self.options
        )

    @activity.defn(name="ask")
    async def run_and_continue(self) -> str:
        self.read = await wait_for_decision(
            Subject("Order 17"), self.service.submit, resume=True, **self.options
        )
        return f"approved: {self.read.approved}"

    @activity.defn(name="ask")
    def run_in_a_thread(self) -> Decision:
        submit = self.service.submit_in_a_thread
        return wait_for_decision_sync(Subject("Order 17"), submit, **self.options)

    @activity.defn(name="ask")
    async def run_with_risk(self) -> Decision:
        async def submit(callback: Callback) -> None:
            await self.service.submit(callback)
            await self.service.released.wait()
            await callback.add_details({"risk": "high"})
            await self.service.submit(callback)

        subject = Subject("Order 17", details={"euros": 250})
        return await wait_for_decision(subject, submit, **self.options)

    @activity.defn(name="ask")
    def run_with_risk_in_a_thread(self) -> Decision:
        def submit(callback: Callback) -> None:
            callback.add_details_sync({"risk": "high"})
            self.service.submit_in_a_thread(callback)

        return wait_for_decision_sync(Subject("Order 17"), submit, **self.options)

    @activity.defn(name="ask")
    async def run_for_a_result(self) -> Refund:
        return await wait_for_callback(self.service.submit, Refund, **self.options)

    @activity.defn(name="ask")
    async def run_by_schema(self) -> dict[str, Any]:
        return await wait_for_callback(self.service.submit, dict, **self.options)


@dataclass
class Operator:
    """A program with an operator's key, which votes for people by name."""

    env: Env

    async def call(self, callback: Callback, method: str, act: str, body: Any = None) -> Any:
        key = local_key_path(self.env.settings.data, Role.OPERATOR).read_text().strip()
        return await self.env.http.request(
            method,
            f"/v1/callbacks/{callback.id}{act}",
            json=body,
            headers={"authorization": f"Bearer {key}"},
        )

    async def vote(self, callback: Callback, by: str, **vote: Any) -> httpx2.Response:
        reply: httpx2.Response = await self.call(
            callback, "POST", "/votes", {"by": by, "approved": True, **vote}
        )
        return reply


async def test_approval_of_two_people_ends_the_activity_with_the_decision(
    service: FakeService, open_env: OpenEnv
) -> None:
    asking = Asking(service, {"assignees": [ADA, BOB], "approvals": 2})
    async with open_env(asking.run) as env:
        handle = await env.start(Run("ask"))
        callback, operator = await service.next(), Operator(env)

        first = await operator.vote(callback, "ada@example.org")
        again = await operator.vote(callback, "Ada@Example.org")
        second = await operator.vote(callback, "bob@example.org", reason="in the budget")
        result = await handle.result()

    assert (first.status_code, first.json()["state"]) == (202, "open")
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert second.json()["state"] == "accepted"
    assert (result["approved"], result["by"], result["reason"], result["is_default"]) == (
        True,
        "bob@example.org",
        "in the budget",
        False,
    )
    assert [(vote["by"], vote["proof"]) for vote in result["votes"]] == [
        ("ada@example.org", "API key"),
        ("bob@example.org", "API key"),
    ]


async def test_rejection_is_a_result_that_says_why(service: FakeService, open_env: OpenEnv) -> None:
    asking = Asking(service, {"assignees": [ADA]})
    async with open_env(asking.run) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()

        vote = {"approved": False, "reason": "too expensive"}
        await Operator(env).vote(callback, "ada@example.org", **vote)
        result = await handle.result()

    assert (result["approved"], result["reason"]) == (False, "too expensive")


async def test_rejection_fails_the_activity_if_the_author_says_so(
    service: FakeService, open_env: OpenEnv
) -> None:
    asking = Asking(service, {"on_reject": "fail"})
    async with open_env(asking.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()

        await env.answer(callback, {"approved": False, "reason": "too expensive"})
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()

    assert isinstance(failed.value.cause, ActivityError)
    failure = failed.value.cause.cause
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.message) == ("ApprovalDenied", "approval denied: too expensive")
    assert failure.details[0]["votes"][0]["by"] == "link"


async def test_link_does_not_decide_where_people_are_named(
    service: FakeService, open_env: OpenEnv
) -> None:
    asking = Asking(service, {"assignees": [ADA], "exclude": ["bob@example.org"]})
    async with open_env(asking.run) as env:
        handle = await env.start(Run("ask"))
        callback, operator = await service.next(), Operator(env)

        by_link = await env.answer(callback, {"approved": True}, wait=0)
        by_key = await operator.call(callback, "POST", "/complete", {"approved": True})
        failed = await env.answer(callback, {"message": "no"}, verb="/fail", wait=0)
        by_other = await operator.vote(callback, "bob@example.org")
        await operator.vote(callback, "ada@example.org")

        assert (await handle.result())["approved"] is True
    refused = [one.status_code for one in (by_link, by_key, failed, by_other)]
    assert refused == [403, 403, 403, 403]


@pytest.mark.parametrize("form", [Budget, Refund, {"type": "object", "required": ["euros"]}])
async def test_form_is_checked_and_reaches_the_workflow(
    service: FakeService, open_env: OpenEnv, form: Any
) -> None:
    asking = Asking(service, {"form": form})
    filled = {"cost_centre": "k1", "euros": 1.5} if form is Budget else {"euros": 1.5}
    async with open_env(asking.run) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()

        missing = await env.answer(callback, {"approved": True}, wait=0)
        wrong = await env.answer(callback, {"approved": True, "form": {}}, wait=0)
        await env.answer(callback, {"approved": True, "form": filled})
        result = await handle.result()

    assert [missing.status_code, wrong.status_code] == [422, 422]
    assert missing.json()["errors"] == [{"pointer": "/form", "detail": "it is missing"}]
    assert {one["pointer"] for one in wrong.json()["errors"]} <= {"/form", "/form/euros"}
    assert result["form"] == filled


async def test_nobody_in_time_gives_the_default_decision(
    service: FakeService, open_env: OpenEnv
) -> None:
    default = Decision(approved=False, reason="no decision in time")
    within = timedelta(milliseconds=300)
    asking = Asking(service, {"deadline": within, "on_deadline": default, "assignees": [ADA]})
    async with open_env(asking.run) as env:
        result = await (await env.start(Run("ask"))).result()

    assert (result["approved"], result["reason"], result["is_default"], result["votes"]) == (
        False,
        "no decision in time",
        True,
        [],
    )


async def test_function_continues_with_the_decision(
    service: FakeService, open_env: OpenEnv
) -> None:
    asking = Asking(service, {})
    async with open_env(asking.run_and_continue) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await env.answer(callback, {"approved": True, "reason": "fine"}, wait=0)

        assert await handle.result() == "approved: True"
    assert asking.read is not None
    assert (asking.read.reason, asking.read.votes[0].by) == ("fine", "link")


async def test_activity_in_a_thread_asks_people(service: FakeService, open_env: OpenEnv) -> None:
    asking = Asking(service, {"assignees": [ADA]})
    async with open_env(asking.run_in_a_thread) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        await Operator(env).vote(callback, "ada@example.org")

        assert (await handle.result())["approved"] is True


async def test_later_attempt_keeps_callback_and_votes(
    service: FakeService, open_env: OpenEnv
) -> None:
    asking = Asking(service, {"assignees": [ADA, BOB], "approvals": 2})
    async with open_env(asking.run) as env:
        handle = await env.start(Run("ask", attempts=0, start_to_close=2, back_off=0.1))
        callback, operator = await service.next(), Operator(env)
        await operator.vote(callback, "ada@example.org")
        async with asyncio.timeout(20):
            while (await operator.call(callback, "GET", "")).json()["attempt"] < 2:
                await pause()
        await operator.vote(callback, "bob@example.org")
        result = await handle.result()

    assert [vote["by"] for vote in result["votes"]] == ["ada@example.org", "bob@example.org"]
    assert service.given.empty()


async def test_workflow_in_the_sandbox_reads_decision_and_form(
    open_env: OpenEnv, unique: str
) -> None:
    async with (
        open_env(decision_workflow.approve) as env,
        Worker(
            env.client,
            task_queue=f"{unique}-sandboxed",
            workflows=[decision_workflow.Order],
            activities=[decision_workflow.approve],
            graceful_shutdown_timeout=GRACE,
        ),
    ):
        handle = await env.client.start_workflow(
            decision_workflow.Order.run, id=f"{unique}-order", task_queue=f"{unique}-sandboxed"
        )
        callback_id = await until_listed(env)
        key = local_key_path(env.settings.data, Role.OPERATOR).read_text().strip()
        reply = await env.http.post(
            f"/v1/callbacks/{callback_id}/votes",
            json={
                "by": "ada@example.org",
                "approved": True,
                "form": {"cost_centre": "k1", "euros": 10},
            },
            headers={"authorization": f"Bearer {key}"},
        )
        assert reply.status_code == 202, reply.text

        assert await handle.result() == ["approved", "k1", "10.0", "ada@example.org", "UTC"]


async def until_listed(env: Env) -> str:
    """Return the id of the callback that is open."""
    key = local_key_path(env.settings.data, Role.OPERATOR).read_text().strip()
    headers = {"authorization": f"Bearer {key}"}
    async with asyncio.timeout(20):
        while True:
            found = (await env.http.get("/v1/callbacks", headers=headers)).json()["callbacks"]
            if found:
                callback_id: str = found[0]["id"]
                return callback_id
            await pause()


async def test_added_details_make_a_new_version_and_remove_earlier_votes(
    service: FakeService, open_env: OpenEnv
) -> None:
    asking = Asking(service, {"assignees": [ADA, BOB], "approvals": 2})
    async with open_env(asking.run_with_risk) as env:
        handle = await env.start(Run("ask"))
        callback, operator = await service.next(), Operator(env)
        before = (await operator.call(callback, "GET", "")).json()
        await operator.vote(callback, "ada@example.org", digest=before["digest"])
        service.released.set()
        await service.next()
        after = (await operator.call(callback, "GET", "")).json()
        votes = (await operator.call(callback, "GET", "/votes")).json()["votes"]
        stale = await operator.vote(callback, "bob@example.org", digest=before["digest"])
        await operator.vote(callback, "ada@example.org", digest=after["digest"])
        await operator.vote(callback, "bob@example.org", digest=after["digest"])

        assert (await handle.result())["approved"] is True
    assert after["details"] == {"euros": 250, "risk": "high"}
    assert votes == []
    assert stale.status_code == 409
    assert "details.risk" in stale.text


async def test_activity_in_a_thread_adds_details(service: FakeService, open_env: OpenEnv) -> None:
    asking = Asking(service, {"assignees": [ADA]})
    async with open_env(asking.run_with_risk_in_a_thread) as env:
        handle = await env.start(Run("ask"))
        callback, operator = await service.next(), Operator(env)
        shown = (await operator.call(callback, "GET", "")).json()
        await operator.vote(callback, "ada@example.org")
        await handle.result()

    assert shown["details"] == {"risk": "high"}


async def test_named_people_give_the_result_itself(service: FakeService, open_env: OpenEnv) -> None:
    asking = Asking(service, {"assignees": [ADA], "title": "How much?"})
    async with open_env(asking.run_for_a_result) as env:
        handle = await env.start(Run("ask"))
        callback, operator = await service.next(), Operator(env)
        by_link = await env.answer(callback, {"euros": 5}, wait=0)
        wrong = await operator.vote(callback, "ada@example.org", result={"euros": "many"})
        right = await operator.vote(callback, "ada@example.org", result={"euros": 5})

        assert await handle.result() == {"euros": 5}
    assert [one.status_code for one in (by_link, wrong, right)] == [403, 422, 202]


async def test_json_schema_replaces_that_of_the_result_type(
    service: FakeService, open_env: OpenEnv
) -> None:
    schema = {"type": "object", "required": ["euros"], "properties": {"euros": {"type": "integer"}}}
    asking = Asking(service, {"result_schema": schema})
    async with open_env(asking.run_by_schema) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        wrong = await env.answer(callback, {"euros": "many"}, wait=0)
        await env.answer(callback, {"euros": 5})

        assert await handle.result() == {"euros": 5}
    assert wrong.status_code == 422


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "no such type"}, "result_schema"),
        ({"$ref": "https://example.org/schema.json"}, "result_schema"),
        ({"enum": ["x" * 70_000]}, "result_schema"),
    ],
)
async def test_unusable_json_schema_fails_the_attempt_with_its_reason(
    service: FakeService, open_env: OpenEnv, schema: dict[str, Any], message: str
) -> None:
    asking = Asking(service, {"result_schema": schema})
    async with open_env(asking.run_by_schema) as env:
        handle = await env.start(Run("ask"))
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()

    assert isinstance(failed.value.cause, ActivityError)
    assert message in str(failed.value.cause.cause)
    assert service.given.empty()
