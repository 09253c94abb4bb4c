"""The worker: its activities ask the sender, and store how the attempt before ended."""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker

from chaos.ballots import APPROVALS, PEOPLE
from chaos.connection import quiet_runtime
from chaos.facts import Continued, Fact, FactsFile, text_of
from chaos.receivers import CHAT, MAIL
from chaos.script import TASK_QUEUE, Question
from chaos.values import values_in
from chaos.webhooks import alias_of
from chaos.workflow import ASK, DECIDE, IN_THREAD, RESUMED, Ask
from ringback import (
    Callback,
    Decision,
    RingbackPlugin,
    Subject,
    wait_for_callback,
    wait_for_callback_sync,
    wait_for_decision,
)
from ringback.app.bootstrap import working
from ringback.app.exits import run_command
from ringback.app.program import run, stop_requested

_LOOKS: Final = 3
_LOOK: Final = timedelta(seconds=1)
_THREADS: Final = 8
_STICKY: Final = timedelta(seconds=2)
"""Sticky timeout: how long a workflow task waits for the worker that has it cached, which may be
killed."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The activities and their dependencies.

    Attributes:
        client: The connection to Temporal, to describe activities.
        outside: The HTTP client of the sender.
        facts: The file of facts.
        loop: The worker's event loop.
    """

    client: Client
    outside: httpx2.AsyncClient
    facts: FactsFile
    loop: asyncio.AbstractEventLoop

    @activity.defn(name=ASK)
    async def ask(self, question: Question) -> dict[str, str]:
        """Ask the sender, and end with the answer."""
        await self._note(question, activity.info())

        async def submit(callback: Callback) -> None:
            await self._submit(question, callback)

        return await wait_for_callback(submit, dict[str, str])

    @activity.defn(name=IN_THREAD)
    def ask_in_thread(self, question: Question) -> dict[str, str]:
        """Do the same in a thread."""
        noted = self._note(question, activity.info())
        asyncio.run_coroutine_threadsafe(noted, self.loop).result()

        def submit(callback: Callback) -> None:
            submitted = self._submit(question, callback)
            asyncio.run_coroutine_threadsafe(submitted, self.loop).result()

        return wait_for_callback_sync(submit, dict[str, str])

    @activity.defn(name=DECIDE)
    async def decide(self, question: Question) -> Decision:
        """Ask three people, two of whom must agree."""
        await self._note(question, activity.info())

        async def submit(callback: Callback) -> None:
            await self._submit(question, callback)

        return await wait_for_decision(
            Subject(question.key),
            submit,
            form={"type": "object", "required": ["value"]},
            assignees=[f"user:{name}" for name in PEOPLE],
            approvals=APPROVALS,
            veto=False,
            notify=[f"{CHAT}:#{question.key}", f"{MAIL}:{question.key}@example.org"],
        )

    @activity.defn(name=RESUMED)
    async def ask_and_continue(self, question: Question) -> dict[str, Any]:
        """Ask the sender, store with which answer this continues, and return that.

        Raises:
            ApplicationError: The answer is a failure.
        """
        info = activity.info()
        await self._note(question, info)

        async def submit(callback: Callback) -> None:
            await self._submit(question, callback)

        try:
            answer = await wait_for_callback(submit, dict[str, str], resume=True)
        except ApplicationError as exc:
            for value in values_in(exc.message):
                self.facts.add_continued(Continued(question.key, info.attempt, value))
            raise
        self.facts.add_continued(Continued(question.key, info.attempt, answer["value"]))
        return {"continued": answer["value"], "attempt": info.attempt}

    async def _submit(self, question: Question, callback: Callback) -> None:
        if question.way == "event" and not question.is_alias_late:
            await callback.add_alias(alias_of(callback.id))
        asked = {"key": question.key, "callback": callback.id, "url": callback.url}
        reply = await self.outside.post("/ask", json=asked)
        reply.raise_for_status()
        if question.way == "event" and question.is_alias_late:
            await callback.add_alias(alias_of(callback.id))

    async def _note(self, question: Question, info: activity.Info) -> None:
        if info.attempt == 1:
            return
        failure = None
        for _ in range(_LOOKS):
            failure = await self._last_failure(info) if failure is None else failure
        self.facts.add(Fact(question.key, info.attempt, failure))

    async def _last_failure(self, info: activity.Info) -> str | None:
        execution = WorkflowExecution(
            workflow_id=info.workflow_id or "", run_id=info.workflow_run_id or ""
        )
        request = DescribeWorkflowExecutionRequest(namespace=info.namespace, execution=execution)
        try:
            found = await self.client.workflow_service.describe_workflow_execution(
                request, timeout=_LOOK
            )
        except RPCError:
            return None
        for pending in found.pending_activities:
            if (pending.activity_id, pending.attempt) == (info.activity_id, info.attempt):
                return text_of(pending.last_failure)
        return None


async def _work(name: str, outside: str, facts: Path) -> None:
    # The same identity after a restart, as in a container: the harder case.
    address = os.environ["TEMPORAL_ADDRESS"]
    client = await Client.connect(
        address, identity=name, plugins=[RingbackPlugin()], runtime=quiet_runtime()
    )
    async with httpx2.AsyncClient(base_url=outside, timeout=10, trust_env=False) as http:
        asking = Asking(client, http, FactsFile(facts, name), asyncio.get_running_loop())
        with ThreadPoolExecutor(_THREADS) as threads:
            worker = Worker(
                client,
                task_queue=TASK_QUEUE,
                workflows=[Ask],
                activities=[
                    asking.ask,
                    asking.ask_in_thread,
                    asking.ask_and_continue,
                    asking.decide,
                ],
                activity_executor=threads,
                sticky_queue_schedule_to_start_timeout=_STICKY,
            )
            async with working(worker):
                (facts / f"{name}.ready").touch()
                await stop_requested()


if __name__ == "__main__":
    run_command(lambda: run(_work(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
