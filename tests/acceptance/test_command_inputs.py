"""What a command is given arrives as it was written: tokens in any form, JSON to the last digit."""

import base64
from pathlib import Path

import pytest

from tests.acceptance.waiting_activities import Env

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXACT = '{"total": 1.10, "id": 12345678901234567890}'

each_way = pytest.mark.parametrize("way", ["token", "ids", "callback"])


@each_way
async def test_json_from_stdin_arrives_byte_for_byte(env: Env, way: str) -> None:
    question = await env.ask()

    ran = await env.ringback.alone(
        *("complete", *question.named(way), "--result", "-"), stdin=EXACT.encode() + b"\n"
    )
    await question.end()

    assert ran.code == 0, ran.err
    assert await question.result_in_history() == EXACT


@each_way
async def test_json_from_a_file_is_the_result(env: Env, way: str, tmp_path: Path) -> None:
    question = await env.ask()
    file = tmp_path / "result.json"
    file.write_text('["from a file"]')

    ran = await env.ringback("complete", *question.named(way), "--result", f"@{file}")

    assert ran.code == 0, ran.err
    assert await question.end() == ["from a file"]


@pytest.mark.parametrize("form", ["hex", "base64", "urlsafe, unpadded"])
async def test_token_from_file_or_pipe_is_accepted_in_every_encoding(
    env: Env, form: str, tmp_path: Path
) -> None:
    question = await env.ask()
    token = question.info.task_token
    text = {
        "hex": token.hex(),
        "base64": base64.encodebytes(token).decode(),
        "urlsafe, unpadded": base64.urlsafe_b64encode(token).decode().rstrip("="),
    }[form]
    file = tmp_path / "token"
    file.write_text(text)

    beaten = await env.ringback.alone("heartbeat", "--token", "-", stdin=text.encode())
    ran = await env.ringback("complete", "--token-file", str(file), "--result", "1")

    assert beaten.code == 0, beaten.err
    assert ran.code == 0, ran.err
    assert await question.end() == 1


@each_way
async def test_retryable_failure_starts_the_next_attempt_after_its_delay(
    env: Env, way: str
) -> None:
    question = await env.ask()

    ran = await env.ringback(
        "fail", *question.named(way), "--message", "not now", "--next-retry-delay", "1s"
    )
    again = await question.next_attempt()

    assert ran.code == 0, ran.err
    assert again.attempt == 2
    assert (again.started_time - question.info.started_time).total_seconds() >= 1


async def test_missing_result_differs_from_null(env: Env) -> None:
    nothing, null = await env.ask(), await env.ask()

    await env.ringback("complete", *nothing.named("ids"))
    await env.ringback("complete", *null.named("ids"), "--result", "null")

    assert [await nothing.end(), await null.end()] == [None, None]
    assert await null.result_in_history() == "null"
    with pytest.raises(IndexError):
        await nothing.result_in_history()
