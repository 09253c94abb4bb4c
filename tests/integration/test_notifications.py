"""People are asked by mail and Slack about real activities, once, and see how each one ends."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle

from ringback import Decision, Escalation, Subject, wait_for_decision
from ringback.app.stores import existing_store
from ringback.core.services import SystemClock
from ringback.domain.ids import CallbackId
from ringback.ports.chat import APPROVE
from ringback.settings import Settings
from tests.integration.env import Env, FakeService, gateway, settings_in, worker
from tests.integration.workflows import Run
from tests.polling import pause
from tests.slack_server import (
    SECRET,
    TOKEN,
    SlackServer,
    buttons_of,
    running_slack,
    signed,
    text_of,
)
from tests.smtp_server import SmtpServer, parts_of, running_smtp

pytestmark = pytest.mark.server

PEOPLE = """
[groups]
finance = ["ada@example.org", "grace@example.org"]
"""
ADA = "U0ADA00"
URL = re.compile(r"https?://[^\s\"'<>|]+")


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with running_slack() as server:
        server.add_user(ADA, "ada@example.org")
        yield server


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    async with running_smtp() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, slack: SlackServer, smtp: SmtpServer) -> Settings:
    people = tmp_path / "people.toml"
    people.write_text(PEOPLE)
    return settings_in(
        tmp_path,
        people_file=people,
        mail_url=f"smtp+insecure://127.0.0.1:{smtp.port}",
        mail_from="ringback@example.org",
        slack_token=TOKEN,
        slack_signing_secrets=SECRET,
        slack_api=slack.api,
    )


@pytest.fixture
async def env(
    temporal_address: str, settings: Settings, service: FakeService, unique: str
) -> AsyncIterator[Callable[..., Any]]:
    """Start a gateway and a worker that has this activity."""
    async with AsyncExitStack() as stack:

        async def opened(ask: Callable[..., Any]) -> Env:
            http = await stack.enter_async_context(gateway(temporal_address, settings))
            client = await stack.enter_async_context(
                worker(temporal_address, settings, unique, activities=[ask])
            )
            return Env(client, settings, unique, http, service)

        yield opened


def asking(service: FakeService, **options: Any) -> Callable[..., Any]:
    """Return an activity that asks people; `None` leaves an option out."""
    rules = {"assignees": ["group:finance"], "notify": ["slack:#finance", "mail"], **options}
    given = {name: rule for name, rule in rules.items() if rule is not None}

    @activity.defn(name="ask")
    async def ask() -> Decision:
        return await wait_for_decision(
            Subject("Order 17", "Four chairs", {"euros": 250}), service.submit, **given
        )

    return ask


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():
            await pause()


async def press(env: Env, slack: SlackServer, action: str, account: str) -> int:
    body, headers = signed(slack.press(action, account), at=SystemClock().now().timestamp())
    reply = await env.http.post("/slack/interactions", content=body, headers=headers)
    return reply.status_code


async def test_approval_in_slack_ends_the_activity_and_the_message_says_so(
    env: Callable[..., Any], service: FakeService, slack: SlackServer, smtp: SmtpServer
) -> None:
    site: Env = await env(asking(service))
    handle: WorkflowHandle[Any, Any] = await site.start(Run("ask"))
    await until(lambda: bool(slack.messages) and len(smtp.mails) == 2)

    status = await press(site, slack, APPROVE, ADA)
    result = await handle.result()
    await until(lambda: "Applied: " in text_of(slack.message))

    assert status == 200
    assert (result["approved"], result["by"]) == (True, "ada@example.org")
    assert result["votes"][0]["proof"] == "chat"
    assert "Applied: approval by ada@example.org." in text_of(slack.message)
    assert [one["action_id"] for one in buttons_of(slack.message)] == ["open"]
    assert len(slack.posted) == 1
    assert sorted(recipients[0] for recipients, _ in smtp.mails) == [
        "ada@example.org",
        "grace@example.org",
    ]


async def test_terminated_workflow_rewrites_the_message_as_closed(
    env: Callable[..., Any], service: FakeService, slack: SlackServer
) -> None:
    site: Env = await env(asking(service, notify=["slack:#finance"]))
    handle = await site.start(Run("ask"))
    await until(lambda: bool(slack.messages))

    await handle.terminate("enough")
    await until(lambda: "Closed without an answer" in text_of(slack.message))

    assert [one["action_id"] for one in buttons_of(slack.message)] == ["open"]


async def test_second_attempt_repeats_no_message(
    env: Callable[..., Any], service: FakeService, slack: SlackServer, smtp: SmtpServer
) -> None:
    attempts: list[int] = []

    @activity.defn(name="ask")
    async def ask() -> Decision:
        attempts.append(activity.info().attempt)

        async def submit(callback: Any) -> None:
            await until(lambda: bool(slack.messages) and len(smtp.mails) == 2)
            if activity.info().attempt == 1:
                msg = "the first attempt fails after people were notified"
                raise RuntimeError(msg)
            await service.submit(callback)

        return await wait_for_decision(
            Subject("Order 17"),
            submit,
            assignees=["group:finance"],
            notify=["slack:#finance", "mail"],
        )

    site: Env = await env(ask)
    handle = await site.start(Run("ask", attempts=2))
    await service.next()
    await press(site, slack, APPROVE, ADA)
    await handle.result()
    await until(lambda: "Applied: " in text_of(slack.message))

    assert attempts[:2] == [1, 2]
    assert len(slack.posted) == 1
    assert len(smtp.mails) == 2


def urls_of(slack: SlackServer, mails: list[tuple[list[str], EmailMessage]]) -> set[str]:
    """Return every URL in every message."""
    shown = [str(message) for message in slack.messages.values()]
    shown += [part for _, mail in mails for part in parts_of(mail).values()]
    return {url for text in shown for url in URL.findall(text)}


@pytest.mark.parametrize("rules", [{}, {"assignees": None, "link_decides": True}], ids=str)
async def test_reading_every_url_of_every_message_changes_nothing(
    env: Callable[..., Any],
    service: FakeService,
    slack: SlackServer,
    smtp: SmtpServer,
    settings: Settings,
    rules: dict[str, Any],
) -> None:
    channels = ["slack:#finance", "mail:ada@example.org"]
    site: Env = await env(asking(service, notify=channels, **rules))
    await site.start(Run("ask"))
    callback = await service.next()
    await until(lambda: bool(slack.messages) and len(smtp.mails) == 1)
    urls = urls_of(slack, smtp.mails)
    async with existing_store(settings, SystemClock()) as store:
        before = (await store.find([CallbackId(callback.id)]))[CallbackId(callback.id)]

        for url in urls:
            for _ in range(100):
                await site.http.get(url, headers={"accept": "text/html"})
                await site.http.head(url)

        after = (await store.find([CallbackId(callback.id)]))[CallbackId(callback.id)]
        votes = await store.votes([CallbackId(callback.id)])

    assert any(url.startswith(settings.base_url) for url in urls)
    assert (after.state, after.accepted, after.claimant) == (before.state, None, None)
    assert votes == {}


async def test_channel_that_hangs_delays_neither_the_attempt_nor_mail(
    env: Callable[..., Any], service: FakeService, slack: SlackServer, smtp: SmtpServer
) -> None:
    slack.hangs = True
    site: Env = await env(asking(service))
    async with asyncio.timeout(8):
        await site.start(Run("ask"))
        await service.next()
        await until(lambda: len(smtp.mails) == 2)

    assert len(slack.posted) == 1
    assert slack.messages == {}


async def test_escalation_and_reminder_follow_the_clock(
    env: Callable[..., Any], service: FakeService, smtp: SmtpServer
) -> None:
    second = timedelta(seconds=1)
    site: Env = await env(
        asking(
            service,
            assignees=["user:ada@example.org"],
            notify=["mail"],
            remind_every=2 * second,
            escalate=[Escalation(second, ("user:boss@example.org",))],
        )
    )
    await site.start(Run("ask"))
    await until(lambda: any("Reminder" in mail["Subject"] for _, mail in smtp.mails))

    asked = [recipients[0] for recipients, mail in smtp.mails if mail["Subject"] == "Order 17"]
    assert asked == ["ada@example.org", "boss@example.org"]
