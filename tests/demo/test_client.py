"""The client as its user runs it: a process, its output and its exit code."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from typing import Any

import pytest

from ringback.app.web import bound_socket
from tests.demo.whole_demo import HOST, Demo

pytestmark = [pytest.mark.server, pytest.mark.processes]


@dataclass(frozen=True)
class Run:
    code: int
    out: list[str]
    err: str


async def started(temporal_address: str, *words: str, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ringback.demo.client", *words),
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "TEMPORAL_ADDRESS": temporal_address, **environment},
    )


async def ended(process: Process) -> Run:
    out, err = await process.communicate()
    assert process.returncode is not None
    return Run(process.returncode, out.decode().splitlines(), err.decode())


async def run_client(demo: Demo, *words: str, **environment: str) -> Run:
    return await ended(await started(demo.temporal_address, *words, **environment))


async def test_client_prints_the_result(demo: Demo) -> None:
    run = await run_client(demo, "-ttr", "0", "-ttc", "1")

    assert (run.code, run.err) == (0, "")
    assert run.out[0].startswith("started call-service-")
    assert run.out[1:] == ['completed: {"message": "the work is done", "seconds": 1}']


async def test_client_prints_heartbeats_as_they_arrive(demo: Demo) -> None:
    run = await run_client(demo, "-ttr", "0", "-ttc", "0", "--activity-action", "heartbeat")

    assert run.code == 0
    assert run.out[1:] == [
        'heartbeat: {"progress": "1/3"}',
        'heartbeat: {"progress": "2/3"}',
        'heartbeat: {"progress": "3/3"}',
        'completed: {"message": "the work is done", "seconds": 0}',
    ]


async def test_failure_exits_with_1(demo: Demo) -> None:
    run = await run_client(demo, "-ttr", "0", "-ttc", "0", "-a", "fail")

    assert (run.code, run.err) == (1, "")
    assert run.out[1:] == ["failed: the work could not be done (type WorkFailed)"]


async def test_cancellation_is_printed_with_its_details(demo: Demo) -> None:
    words = ("--time-to-request", "1", "--time-to-callback", "0", "-a", "report_cancellation")
    run = await run_client(demo, *words)

    assert (run.code, run.err) == (0, "")
    assert run.out[1:] == ['canceled: {"reason": "the service was asked to stop"}']


async def test_ignored_callback_ends_nothing_and_the_exit_code_is_1(demo: Demo) -> None:
    run = await run_client(demo, "-ttr", "0", "-ttc", "0", "-a", "ignore")

    assert (run.code, run.err) == (1, "")
    assert run.out[1:] == [
        'heartbeat: {"message": "the work is done", "seconds": 0}',
        "timed out: nobody answered in time (schedule to close)",
    ]


async def test_unreachable_temporal_prints_one_line_and_exits_with_3() -> None:
    with bound_socket(HOST, 0) as listening:
        address = f"{HOST}:{listening.getsockname()[1]}"
    run = await ended(await started(address))

    assert (run.code, run.out) == (3, [])
    assert run.err.startswith("ringback: Temporal")
    assert len(run.err.splitlines()) == 1


async def test_unknown_action_exits_with_2(demo: Demo) -> None:
    run = await run_client(demo, "-a", "explode")

    assert (run.code, run.out) == (2, [])
    assert "explode" in run.err


async def test_help_shows_whole_sentences_and_the_url_at_80_columns(demo: Demo) -> None:
    run = await run_client(demo, "--help", COLUMNS="80")

    text = " ".join(" ".join(run.out).split())
    sentences = [
        "-ttr, --time-to-request INTEGER How much time (in seconds) the HTTP Service waits until it"
        " returns an HTTP 200 OK response to the activity [default: 1;",
        "-ttc, --time-to-callback INTEGER How much time (in seconds) the HTTP Service waits until"
        " it makes a callback request to the gateway's HTTP endpoint [default: 10;",
        "-a, --activity-action [heartbeat|complete|fail|report_cancellation|ignore] Which activity"
        " action do we want the activity to perform. (maps to the different handle options"
        " described on https://docs.temporal.io/develop/python/asynchronous-activity-completion)."
        " [default: complete]",
        "--help Show this message and exit.",
    ]
    places = [text.find(sentence) for sentence in sentences]
    assert run.code == 0
    assert -1 not in places, text
    assert places == sorted(places)
    assert max(map(len, run.out)) <= 80


async def test_steps_are_printed_as_json(demo: Demo) -> None:
    run = await run_client(demo, "-ttr", "0", "-ttc", "0", RINGBACK_LOG="json")

    steps: list[dict[str, Any]] = [json.loads(line) for line in run.err.splitlines()]
    assert [(step["who"], step["whom"], step["what"]) for step in steps] == [
        ("client", "Temporal", "start CallService"),
        ("Temporal", "client", "the result"),
    ]


async def test_ctrl_c_leaves_the_workflow_running(demo: Demo) -> None:
    process = await started(demo.temporal_address, "-ttc", "60")
    assert process.stdout is not None
    workflow_id = (await process.stdout.readline()).decode().removeprefix("started ").strip()

    process.send_signal(signal.SIGINT)
    run = await ended(process)

    assert (run.code, run.err) == (130, "")
    assert run.out == ["stopped waiting; the workflow goes on without this client"]
    await demo.temporal.get_workflow_handle(workflow_id).terminate("the test is over")
