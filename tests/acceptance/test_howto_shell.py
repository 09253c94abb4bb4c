"""The shell commands of the how-to pages succeed, each on an activity that waits."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from tests.acceptance.programs import LIMIT_SECONDS, ROOT
from tests.acceptance.waiting_activities import Env, Question

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

PAGES: Final = (
    "answer",
    "backup",
    "deadlines-and-attempts",
    "keys",
    "monitor",
    "operate",
    "other-languages",
    "terminal",
    "troubleshoot",
)
PAGES_NOT_RUN: Final = {
    "activities-by-name": "tests/other_sdk/test_activities_by_name.py runs the page",
    "agents": "tests/examples/test_agents.py approves with changed arguments",
    "answer-from-a-queue": "tests/integration/test_howto_answer_from_a_queue.py runs the page",
    "answer-by-alias": "test_aliases answers, repeats and removes an alias on a real server",
    "inbox": "tests/unit/cli/test_inbox.py runs the command",
    "sign-in": "programs that run until Ctrl-C and settings; the sign-in tests run the commands",
    "converters-and-types": "the blocks are a setting and an error message",
    "encrypt": "two settings; tests/integration/test_encrypted_bodies.py runs gateways with them",
    "other-webhooks": "tests/integration/test_howto_other_webhooks.py sends the requests",
    "kubernetes": "it needs a cluster; tests/deploy renders the files and runs their containers",
    "postgresql": "it installs a package and needs a server at db.example",
    "prove-it": "make chaos runs for minutes; test_chaos runs a short one",
    "receive-webhooks": "tests/integration/test_howto_receive_webhooks.py runs the page",
    "retention": "it deletes; tests/unit/cli/test_purge.py runs the command",
    "reverse-proxy": "test_howto_reverse_proxy runs the page",
    "run-it": "programs that run until Ctrl-C, and Docker; tests/demo runs the demo",
    "systemd": "it changes the machine; tests/deploy/test_systemd.py runs the unit's command",
    "temporal-cloud": "it needs an account",
    "traces": "serve runs until Ctrl-C; test_traces runs it with a collector",
    "webhooks": "serve runs until Ctrl-C",
}
"""Pages whose commands this test does not run, with the reason."""

HOWTO: Final = ROOT / "docs" / "howto"
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_RESTORED: Final = "test_howto_backup restores a backup"
_VOTES: Final = "tests/unit/cli/test_people.py runs it where people are asked by rules"
NOT_RUN: Final = {
    "ringback approve cb_agq7vhpyc6x5d7bqvnqbsimjna --by ada@example.org --group finance"
    ' --form \'{"cost_centre": "k1"}\'': _VOTES,
    "ringback withdraw cb_agq7vhpyc6x5d7bqvnqbsimjna --by ada@example.org": _VOTES,
    "ringback claim cb_agq7vhpyc6x5d7bqvnqbsimjna --by ada@example.org": _VOTES,
    "ringback release cb_agq7vhpyc6x5d7bqvnqbsimjna": _VOTES,
    "ringback reassign cb_agq7vhpyc6x5d7bqvnqbsimjna user:bob@example.org group:board": _VOTES,
    "LINK='https://ring.example/c/k1.AR8A….…'": "the test sets LINK",
    "ringback redeliver cb_agq7vhpyc6x5d7bqvnqbsimjna": "test_operator_commands parks an answer",
    'curl -X POST -H "Authorization: Bearer $KEY"'
    " https://ring.example/v1/callbacks/cb_…/redeliver": "test_operator_api parks an answer",
    'ringback give-up cb_agq7vhpyc6x5d7bqvnqbsimjna --reason "the workflow was deleted"': (
        "tests/unit/cli/test_give_up.py parks an answer"
    ),
    'curl -X POST -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\\n'
    '    -d \'{"by": "ada", "reason": "its workflow was deleted"}\''
    " https://ring.example/v1/callbacks/cb_…/give-up": (
        "tests/integration/test_give_up.py parks an answer"
    ),
    "ringback extend cb_agq7vhpyc6x5d7bqvnqbsimjna 2h": "test_operator_commands sets a deadline",
    'curl -X POST -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\\n'
    '    -d \'{"within": "2h"}\' https://ring.example/v1/callbacks/cb_…/extend': (
        "test_operator_api sets a deadline"
    ),
    "temporal activity update-options --workflow-id order-81 --activity-id 1"
    " --schedule-to-close-timeout 120h": "the command is Temporal's",
    'umask 077; pg_dump --format=custom --file=copy.dump "$RINGBACK_STORE"': _RESTORED,
    "rm -f ringback.db-wal ringback.db-shm; install -m 600 copy.db ringback.db": _RESTORED,
    "pg_restore --clean --if-exists --no-owner --single-transaction"
    ' --dbname="$RINGBACK_STORE" copy.dump': _RESTORED,
    "grep 'answers accepted' gateway.log": _RESTORED,
    'ringback fail --workflow-id order-1 --activity-id 1 --message "restored a backup"': (
        _RESTORED
    ),
}
"""Commands that this test does not run, with the reason."""


def commands_in(block: str) -> Iterator[str]:
    """Yield the commands of a block, without prompts and without their output."""
    has_prompts = block.startswith("$ ")
    command = ""
    for line in block.splitlines():
        if line.startswith(" ") or command.endswith("\\"):
            command += f"\n{line}"
            continue
        if command:
            yield command
        command = line.removeprefix("$ ") if line.startswith("$ ") or not has_prompts else ""
    if command:
        yield command


def commands_of(page: str) -> list[str]:
    """Return the commands in the shell blocks of a page."""
    return [
        command
        for language, block in FENCE.findall((HOWTO / f"{page}.md").read_text("utf-8"))
        if language in {"", "console"}
        for command in commands_in(block)
    ]


COMMANDS: Final = [(page, command) for page in PAGES for command in commands_of(page)]


async def answer(question: Question) -> None:
    link = urlsplit(question.callback.url).path
    assert (await question.env.site.post(link, 1, prefer="wait=20")).status_code == 200


PREPARATIONS: Final[dict[str, Callable[[Question], Awaitable[None]]]] = {
    "/cancel": Question.request_cancel,
    "ringback cancel": Question.request_cancel,
    "while ringback heartbeat": answer,
}
"""What must happen to the activity before a command that contains these words."""


async def with_values(command: str, env: Env) -> tuple[str, Question]:
    """Return a command with real values instead of the page's examples, and its activity."""
    first, second = [
        await env.ask(result_type="result" if "approve" in command else "any") for _ in "12"
    ]
    added = await env.ringback("keys", "add", "--role", "viewer", "--name", "shell", "--json")
    values = {
        "https://ring.example": env.site.gateway_url,
        "cb_agq7vhpyc6x5d7bqvnqbsimjna": first.callback.id,
        "cb_1…": first.callback.id,
        "cb_2…": second.callback.id,
        "cb_…": first.callback.id,
        "0f3k": added.json["id"],
    }
    for example, value in values.items():
        command = command.replace(example, value)
    return command, first


async def run_in_shell(command: str, question: Question, folder: Path) -> tuple[int | None, str]:
    """Return the exit code of a command and what it printed."""
    site = question.env.site
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
    (folder / "token.txt").write_text(question.info.task_token.hex())
    (folder / "result.json").write_text("1")
    (folder / "ringback.db").symlink_to(site.data / "ringback.db")
    environment = {
        **os.environ,
        **site.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CURL_HOME": str(folder),
        "LINK": question.callback.url,
        "KEY": local_key_path(site.data, Role.OPERATOR).read_text().strip(),
    }
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", command),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=folder,
        env=environment,
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, printed.decode()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, id=f"{page}: {command[:60]}")
        for page, command in COMMANDS
        if command not in NOT_RUN
    ],
)
async def test_command_of_a_page_succeeds(command: str, env: Env, tmp_path: Path) -> None:
    filled, question = await with_values(command, env)
    for words, prepare in PREPARATIONS.items():
        if words in command:
            await prepare(question)

    code, printed = await run_in_shell(filled, question, tmp_path)

    assert code == 0, printed


def test_every_exception_is_a_command_of_a_page() -> None:
    assert set(NOT_RUN) <= {command for _, command in COMMANDS}


def test_every_page_with_commands_is_run_or_listed() -> None:
    pages = {file.stem for file in HOWTO.glob("*.md") if commands_of(file.stem)}

    assert pages == {*PAGES, *PAGES_NOT_RUN}
