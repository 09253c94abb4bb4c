"""`ringback doctor` connects to channels and brokers, and sends nothing."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ringback.app.doctor import run_check
from ringback.app.doctor_checks import SkippedError, check_channels, check_queues, check_sources
from ringback.domain.errors import ConfigurationError, QueueUnavailableError
from ringback.settings import Settings
from ringback.testing import ManualClock
from tests.slack_server import TOKEN, running_slack
from tests.smtp_server import running_smtp


def mail_settings(port: int) -> Settings:
    url = SecretStr(f"smtp+insecure://127.0.0.1:{port}")
    return Settings(mail_url=url, mail_from="ringback@example.org")


def configured(folder: Path, text: str) -> Settings:
    path = folder / "sources.toml"
    path.write_text(text, "utf-8")
    return Settings(sources_file=path)


@pytest.mark.parametrize("check", [check_channels, check_sources, check_queues])
async def test_nothing_configured_is_skipped(
    check: Any, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rest = [clock] if check is check_channels else []

    with pytest.raises(SkippedError, match="configured"):
        await check(Settings(), *rest)


async def test_mail_is_connected_to_and_nothing_is_sent(clock: ManualClock) -> None:
    async with running_smtp() as server:
        found = await check_channels(mail_settings(server.port), clock)

    assert found == "mail can be used"
    assert server.mails == []


async def test_mail_server_that_is_away_is_named(clock: ManualClock) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1 cannot be used"):
        await check_channels(mail_settings(1), clock)


@pytest.mark.parametrize("error", [None, "invalid_auth"])
async def test_token_of_slack_is_tried(clock: ManualClock, error: str | None) -> None:
    async with running_slack() as server:
        settings = Settings(
            slack_token=SecretStr(TOKEN),
            slack_signing_secrets=SecretStr("secret"),
            slack_api=server.api,
        )
        if error is None:
            assert await check_channels(settings, clock) == "slack can be used"
            return
        server.errors["auth.test"] = error
        with pytest.raises(ConfigurationError, match=f"slack: .*{error}"):
            await check_channels(settings, clock)


def people_settings(folder: Path, url: str) -> Settings:
    path = folder / "people.toml"
    path.write_text(f'[channels]\nops = "{url}"\n', "utf-8")
    return Settings(people_file=path)


async def test_url_of_apprise_is_read_and_nothing_is_sent(
    clock: ManualClock, tmp_path: Path
) -> None:
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await check_channels(people_settings(tmp_path, f"json://127.0.0.1:{port}"), clock)

    assert found.startswith("the URL of ops is valid; only a message shows")


async def test_url_that_apprise_does_not_understand_is_wrong_and_not_repeated(
    clock: ManualClock, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="ops: this is not one notification URL") as wrong:
        await check_channels(people_settings(tmp_path, "nonsense://hush"), clock)

    assert "hush" not in str(wrong.value)


async def test_missing_secret_of_a_source_is_named(tmp_path: Path) -> None:
    text = '[sources.ci]\nprovider = "github"\nsecrets = ["env:NOT_SET"]\n'

    with pytest.raises(ConfigurationError, match=r"sources\.ci\.secrets\[0\]: the variable"):
        await check_sources(configured(tmp_path, text))


def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_brokers_are_connected_to(tmp_path: Path) -> None:
    async with await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0
    ) as server:
        port = server.sockets[0].getsockname()[1]
        text = f'[queues.pay]\nurl = "redis://127.0.0.1:{port}"\nstream = "s"\ngroup = "g"\n'

        found = await check_queues(configured(tmp_path, text))

    assert found.startswith("the brokers of pay can be reached")


async def test_broker_that_is_away_is_named(tmp_path: Path) -> None:
    text = '[queues.pay]\nurl = "redis://127.0.0.1:1"\nstream = "s"\ngroup = "g"\n'

    with pytest.raises(QueueUnavailableError, match=r"pay: 127\.0\.0\.1:1 cannot be reached"):
        await check_queues(configured(tmp_path, text))


async def test_check_without_a_reply_ends_in_time() -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        return ""

    found = await run_check("queues", hang, within=timedelta(milliseconds=1))

    assert found.status == "wrong"
    assert found.detail.startswith("no reply within 0.001 s;")
