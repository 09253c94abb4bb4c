"""The solutions, run as a learner runs them, against a real Temporal server."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest
from temporalio.client import Client

from tests.tutorial.exercises import TUTORIAL
from tests.tutorial.programs import Program, running

pytestmark = [pytest.mark.server, pytest.mark.processes]

SAME_PROCESS = TUTORIAL / "01-answer-from-the-same-process"
ANOTHER_PROGRAM = TUTORIAL / "02-answer-from-another-program"

SIX_LINES = [
    "Running workflow.",
    "Completing activity asynchronously",
    "Waiting one second...",
    "Waiting one second...",
    "Waiting one second...",
    "Activity complete!",
]
STARTED = "Started workflow tutorial-02-question, waiting for its result."
ASKED = r"INFO Attempt 1, task token ([0-9a-f]+)$"


class Run(Protocol):
    """Runs one program of the second exercise."""

    def __call__(self, name: str, *arguments: str) -> AbstractAsyncContextManager[Program]: ...


@pytest.fixture
def run(temporal_address: str) -> Run:
    def run(name: str, *arguments: str) -> AbstractAsyncContextManager[Program]:
        script = ANOTHER_PROGRAM / "solution" / name
        return running(script, *arguments, temporal_address=temporal_address)

    return run


@pytest.fixture
async def worker(run: Run) -> AsyncIterator[Program]:
    async with run("worker.py") as worker:
        yield worker
        # A worker that leaves politely leaves no task to wait for in the next test.
        if worker.process.returncode is None:
            await worker.interrupted()


class TestAnswerFromTheSameProcess:
    async def test_it_prints_the_six_lines(self, temporal_address: str, client: Client) -> None:
        script = SAME_PROCESS / "solution" / "workflow.py"

        async with running(script, temporal_address=temporal_address) as program:
            ended = await program.ended()

        assert ended.out == SIX_LINES
        assert ended.err == []
        assert ended.exit_code == 0
        greeting = await client.get_workflow_handle("tutorial-01-greeting").result()
        assert greeting == "Hello, World!"

    @pytest.mark.thorough
    async def test_an_unfinished_run_makes_room(
        self, temporal_address: str, client: Client, unique: str
    ) -> None:
        script = SAME_PROCESS / "solution" / "workflow.py"
        await client.start_workflow(
            "GreetingWorkflow", "nobody", id="tutorial-01-greeting", task_queue=unique
        )

        async with running(script, temporal_address=temporal_address) as program:
            ended = await program.ended()

        assert ended.out == SIX_LINES

    def test_the_readme_shows_the_six_lines(self) -> None:
        readme = (SAME_PROCESS / "README.md").read_text(encoding="utf-8")

        assert "```\n" + "\n".join(SIX_LINES) + "\n```\n" in readme


class TestAnswerFromAnotherProgram:
    async def test_another_program_completes_the_activity(self, run: Run, worker: Program) -> None:
        async with run("starter.py") as starter:
            token = (await worker.logged(ASKED))[1]
            async with run("complete.py", "--task-token", token) as first:
                completed = await first.ended()
            ended = await starter.ended()

        assert (completed.exit_code, completed.out, completed.err) == (
            0,
            ["Activity completed."],
            [],
        )
        assert (ended.exit_code, ended.out) == (
            0,
            [STARTED, "Result: Hello from another program"],
        )
        await worker.logged("Workflow completed, result: Hello from another program$")

    @pytest.mark.thorough
    async def test_a_second_completion_is_refused(self, run: Run, worker: Program) -> None:
        async with run("starter.py") as starter:
            token = (await worker.logged(ASKED))[1]
            async with run("complete.py", "--task-token", token, "--result", "first") as first:
                await first.ended()
            async with run("complete.py", "--task-token", token, "--result", "second") as second:
                refused = await second.ended()
            ended = await starter.ended()

        assert refused.exit_code == 1
        assert refused.out == []
        [message] = refused.err
        assert message.startswith("Temporal refused the completion: NOT_FOUND: ")
        assert ended.out == [STARTED, "Result: first"]

    @pytest.mark.thorough
    async def test_completion_needs_no_worker(self, run: Run, worker: Program) -> None:
        async with run("starter.py") as starter:
            token = (await worker.logged(ASKED))[1]
            stopped = await worker.interrupted()
            async with run("complete.py", "--task-token", token) as first:
                completed = await first.ended()
            async with run("worker.py") as successor:
                ended = await starter.ended()
                await successor.interrupted()

        assert stopped.exit_code == 0
        assert completed.exit_code == 0
        assert ended.out == [STARTED, "Result: Hello from another program"]

    @pytest.mark.thorough
    async def test_a_second_start_makes_room(self, run: Run, worker: Program) -> None:
        async with run("starter.py") as abandoned:
            old = (await worker.logged(ASKED))[1]
            assert await abandoned.printed() == STARTED
        async with run("starter.py") as starter:
            new = (await worker.logged(ASKED))[1]
            async with run("complete.py", "--task-token", old) as late:
                refused = await late.ended()
            async with run("complete.py", "--task-token", new) as first:
                await first.ended()
            ended = await starter.ended()

        assert refused.exit_code == 1
        assert ended.exit_code == 0

    @pytest.mark.thorough
    async def test_token_may_be_base64_and_the_option_one_word(
        self, run: Run, worker: Program
    ) -> None:
        async with run("starter.py") as starter:
            token = bytes.fromhex((await worker.logged(ASKED))[1])
            base64 = b64encode(token).decode("ascii")
            async with run("complete.py", "--tasktoken", base64) as first:
                completed = await first.ended()
            ended = await starter.ended()

        assert (completed.exit_code, completed.out) == (0, ["Activity completed."])
        assert ended.out == [STARTED, "Result: Hello from another program"]

    async def test_a_token_that_is_neither_hexadecimal_nor_base64_is_refused(
        self, run: Run
    ) -> None:
        async with run("complete.py", "--task-token", "garbage") as program:
            ended = await program.ended()

        assert ended.exit_code == 2
        assert (
            ended.err[-1] == "complete.py: error: the task token is neither hexadecimal nor base64"
        )

    async def test_a_token_that_temporal_cannot_read_is_refused(self, run: Run) -> None:
        async with run("complete.py", "--task-token", "abcd") as program:
            ended = await program.ended()

        assert ended.exit_code == 1
        assert ended.err == [
            "Temporal refused the completion: INVALID_ARGUMENT: Error deserializing task token."
        ]
