"""People are asked although the gateway is killed meanwhile, and operators see what failed."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from temporalio import activity

from ringback import Decision, Subject, wait_for_decision
from ringback.core.notifications import LEASE
from ringback.core.services import SystemClock
from ringback.ports.chat import APPROVE
from tests.acceptance.command_line import Command
from tests.acceptance.site import Site
from tests.integration.env import worker
from tests.integration.workflows import Run, RunActivity
from tests.polling import pause
from tests.slack_server import SECRET, TOKEN, SlackServer, running_slack, signed, text_of
from tests.smtp_server import running_smtp

pytestmark = [
    pytest.mark.server,
    pytest.mark.processes,
    pytest.mark.thorough,
    pytest.mark.timeout(180),
]


@activity.defn(name="ask")
async def ask() -> Decision:
    return await wait_for_decision(
        Subject("Order 17"), assignees=["user:ada@example.org"], notify=["slack:#finance"]
    )


def slack_settings(slack: SlackServer) -> dict[str, Any]:
    return {
        "RINGBACK_SLACK_TOKEN": TOKEN,
        "RINGBACK_SLACK_SIGNING_SECRETS": SECRET,
        "RINGBACK_SLACK_API": slack.api,
    }


async def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await pause()


async def approve(site: Site, slack: SlackServer) -> int:
    """Press the button of the only message; return the status of the reply."""
    slack.add_user("U0ADA00", "ada@example.org")
    payload = slack.press(APPROVE, "U0ADA00")
    body, headers = signed(payload, at=SystemClock().now().timestamp())
    async with httpx2.AsyncClient(base_url=site.gateway_url) as http:
        return (await http.post("/slack/interactions", content=body, headers=headers)).status_code


async def callback_of(command: Command) -> str:
    found: str = (await command("list", "--json")).json["callbacks"][0]["id"]
    return found


async def test_message_of_a_gateway_killed_before_its_commit_is_sent_at_most_once_more(
    shared_site: Site, unique: str
) -> None:
    site, command = shared_site, Command(shared_site)
    async with running_slack() as slack:
        slack.hangs = True
        settings = slack_settings(slack)
        async with (
            site.gateway(**settings) as gateway,
            worker(site.temporal_address, site.settings, unique, activities=[ask]) as client,
        ):
            handle = await client.start_workflow(
                RunActivity.run, Run("ask", start_to_close=170), id=unique, task_queue=unique
            )
            await until(lambda: len(slack.posted) == 1)
            await gateway.kill()
            slack.hangs = False
            async with site.gateway(**settings) as following:
                await until(lambda: bool(slack.messages), LEASE.total_seconds() + 30)
                callback_id = await callback_of(command)
                status = await approve(site, slack)
                result: Any = await handle.result()
                await until(lambda: "Applied: " in text_of(slack.message))
                shown = (await command("show", callback_id, "--json")).json
                log = following.output

    assert status == 200
    assert result["approved"] is True
    assert len(slack.posted) == 2
    assert [one["state"] for one in shown["notifications"]] == ["sent"]
    assert TOKEN not in log
    assert slack.url not in log


async def test_refusing_mail_server_is_visible_to_the_operator(
    shared_site: Site, unique: str
) -> None:
    site, command = shared_site, Command(shared_site)

    @activity.defn(name="ask")
    async def ask_by_mail() -> Decision:
        return await wait_for_decision(
            Subject("Order 17"), assignees=["user:ada@example.org"], notify=["mail", "typo"]
        )

    async with running_smtp() as smtp:
        smtp.refuses = "550 5.1.1 no such user"
        settings: dict[str, Any] = {
            "RINGBACK_MAIL_URL": f"smtp+insecure://127.0.0.1:{smtp.port}",
            "RINGBACK_MAIL_FROM": "ringback@example.org",
        }
        async with (
            site.gateway(**settings) as gateway,
            worker(
                site.temporal_address, site.settings, unique, activities=[ask_by_mail]
            ) as client,
        ):
            handle = await client.start_workflow(
                RunActivity.run, Run("ask"), id=unique, task_queue=unique
            )
            await gateway.line("notification failed")
            await gateway.line("notification failed")
            shown = await command("show", await callback_of(command))
            refused = await command("notify", "test", "mail", "--to", "ada@example.org")
            smtp.refuses = None
            sent = await command("notify", "test", "mail", "--to", "ada@example.org")
            unknown = await command("notify", "test", "typo", "--json")
            await handle.terminate()

    assert "550: 5.1.1 no such user" in shown.out
    assert "the channel typo is not configured" in shown.out
    assert (refused.code, "no such user" in refused.err) == (1, True)
    assert (sent.code, sent.out) == (0, "sent through mail\n")
    assert smtp.mail["Subject"] == "A test message of Ringback"
    assert (unknown.code, unknown.json["sent"]) == (1, False)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"RINGBACK_MAIL_FROM": "ringback@example.org"}, "set RINGBACK_MAIL_URL too"),
        ({"RINGBACK_SLACK_TOKEN": TOKEN}, "set RINGBACK_SLACK_SIGNING_SECRETS too"),
        ({"RINGBACK_PEOPLE_FILE": "/nowhere/people.toml"}, "/nowhere/people.toml cannot be read"),
    ],
)
async def test_channel_that_is_configured_by_half_stops_the_start(
    shared_site: Site, settings: dict[str, Any], missing: str
) -> None:
    ran = await Command(shared_site).alone(
        "serve", "--port", str(shared_site.gateway_port), **settings
    )

    assert ran.code == 2
    assert missing in ran.err
    assert TOKEN not in ran.err
