"""The Go SDK beside ours, on the same activities: Temporal's own command line."""

import asyncio
from asyncio.subprocess import PIPE
from dataclasses import dataclass

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from ringback import ActivityNotFoundError, ActivityRef, AsyncCompletionClient
from ringback.app.dev_server import temporal_binary
from ringback.domain.errors import ConfigurationError
from tests.integration.completion.verbs import errors_of_all_verbs, ids, token
from tests.integration.facts.env import Env
from tests.integration.facts.standalone import ask as ask_standalone
from tests.integration.facts.workflows import AskAndStay, Asking
from tests.services import missing

pytestmark = [pytest.mark.server, pytest.mark.processes]

GONE = "cannot find pending activity with ActivityID 1"


@dataclass(frozen=True)
class Go:
    """The program `temporal`, which is made with the Go SDK."""

    program: str
    address: str

    async def tell(self, verb: str, ref: ActivityRef, *options: str) -> str:
        """Run `temporal activity <verb>`; return what it complains of, if it does."""
        named = {"-w": ref.workflow_id, "-r": ref.run_id, "-a": ref.activity_id}
        ids_ = [word for name, value in named.items() if value for word in (name, value)]
        command = await asyncio.create_subprocess_exec(
            self.program,
            *("activity", verb, "--address", self.address, *ids_, *options),
            stdout=PIPE,
            stderr=PIPE,
        )
        _, complaint = await command.communicate()
        return complaint.decode()


@pytest.fixture
def go(client: Client) -> Go:
    try:
        program = temporal_binary()
    except ConfigurationError as exc:
        missing("the program `temporal`", str(exc))
    return Go(program, client.service_client.config.target_host)


async def test_what_it_completed_ours_finds_gone(
    env: Env, completion: AsyncCompletionClient, go: Go
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)

    assert await go.tell("complete", ids(attempt), "--result", '{"approved": true}') == ""

    for target in (token(attempt), ids(attempt)):
        assert await errors_of_all_verbs(completion, target) == {ActivityNotFoundError}
    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'{"approved": true}'


async def test_what_ours_completed_it_finds_gone(
    env: Env, completion: AsyncCompletionClient, go: Go
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await completion.complete(token(attempt), "ours")

    assert GONE in await go.tell("complete", ids(attempt), "--result", '"theirs"')
    assert GONE in await go.tell("fail", ids(attempt), "--reason", "theirs")

    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'"ours"'


async def test_what_it_failed_ours_finds_gone(
    env: Env, completion: AsyncCompletionClient, go: Go
) -> None:
    question, attempt = await env.ask()
    await completion.heartbeat(token(attempt), "page 7")

    assert await go.tell("fail", ids(attempt), "--reason", "denied", "--detail", '"by Ann"') == ""

    with pytest.raises(WorkflowFailureError) as caught:
        await question.result()
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert caught.value.cause.cause.message == "denied"
    assert await errors_of_all_verbs(completion, token(attempt)) == {ActivityNotFoundError}


async def test_it_completes_between_the_attempts_that_ours_failed(
    env: Env, completion: AsyncCompletionClient, go: Go
) -> None:
    question, attempt = await env.ask(Asking(back_off=60))
    await completion.fail(token(attempt), RuntimeError("busy"))

    assert await go.tell("complete", ids(attempt), "--result", '"between"') == ""

    assert await question.result() == "between"


async def test_both_answer_standalone_activities(
    env: Env, completion: AsyncCompletionClient, go: Go
) -> None:
    theirs, ours = await ask_standalone(env), await ask_standalone(env)

    assert await go.tell("complete", ids(theirs.attempt), "--result", '"theirs"') == ""
    await completion.complete(ids(ours.attempt), "ours")

    assert await theirs.handle.result() == "theirs"
    assert await ours.handle.result() == "ours"
    for target in (token(theirs.attempt), ids(theirs.attempt)):
        assert await errors_of_all_verbs(completion, target) == {ActivityNotFoundError}
    assert await go.tell("fail", ids(ours.attempt), "--reason", "late") != ""
