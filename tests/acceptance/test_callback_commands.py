"""Commands for people: links, the list, what happened, and approvals."""

import json

import pytest

from tests.acceptance.command_line import Command, Ran
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_postgresql
from tests.acceptance.programs import program, ringback
from tests.acceptance.site import Site
from tests.acceptance.waiting_activities import Env

pytestmark = [pytest.mark.server, pytest.mark.processes]


async def test_output_contains_no_token_and_no_link(env: Env) -> None:
    question = await env.ask()
    token = question.info.task_token.hex()

    ran = await env.ringback("complete", "--token", token, "--result", '"hush"', "--json")
    again = await env.ringback("complete", "--token", token, "--result", '"hush"')
    shown = await env.ringback("show", question.callback.id, "--json")

    everything = "".join(one.out + one.err for one in (ran, again, shown))
    assert (ran.code, again.code) == (0, 1)
    assert ran.json == {"state": "applied"}
    assert token not in everything
    assert "hush" not in everything
    assert "/c/" not in everything


async def test_link_works_until_it_is_revoked(env: Env) -> None:
    question = await env.ask()
    made = await env.ringback(
        "link", question.callback.id, "--verbs", "complete,view", "--for", "1h", "--json"
    )
    path = "/c/" + made.json["url"].partition("/c/")[2]

    not_allowed = await env.site.post(f"{path}/fail", {"message": "no"})
    await env.ringback("revoke", question.callback.id)
    revoked = await env.site.post(path, "too late")
    anew = await env.ringback("link", question.callback.id)
    taken = await env.site.post("/c/" + anew.out.strip().partition("/c/")[2], "in time")

    assert made.json["allows"] == ["complete", "view"]
    assert (not_allowed.status_code, revoked.status_code, taken.status_code) == (404, 404, 202)
    assert await question.end() == "in time"


async def test_audit_follow_ends_with_the_verdict(env: Env) -> None:
    question = await env.ask()
    words = ringback("audit", question.callback.id, "--follow", "--json")

    async with program(words, env.site.environment) as following:
        await following.line("submitted")
        await env.ringback("complete", *question.named("callback"), "--result", "1")
        code = await following.end()

    assert code == 0
    kinds = [json.loads(line)["kind"] for line in following.lines]
    assert kinds == ["opened", "submitted", "accepted", "applied"]


async def test_list_supports_filters_and_a_cursor(env: Env) -> None:
    first, second = await env.ask(), await env.ask("standalone")
    workflow = str(first.info.workflow_id)

    only = await env.ringback("list", "--workflow-id", workflow, "--json")
    behind = await env.ringback("list", "--after", first.callback.id, "--json")
    old = await env.ringback("list", "--older-than", "1h", "--json")
    new = await env.ringback("list", "--newer-than", "1h", "--limit", "1000", "--json")

    assert ids_in(only) == [first.callback.id]
    assert ids_in(behind) == [second.callback.id]
    assert ids_in(old) == []
    assert {first.callback.id, second.callback.id} <= set(ids_in(new))


def ids_in(ran: Ran) -> list[str]:
    """Return the ids of a page, as `ringback list --json` prints it."""
    return [one["id"] for one in ran.json["callbacks"]]


@pytest.mark.parametrize(
    ("result_type", "expected"),
    [
        ("any", {"approved": True, "by": "ann"}),
        ("result", {"approved": True, "by": "ann"}),
        ("bool", True),
    ],
)
async def test_approve_sends_the_result_type_of_the_activity(
    env: Env, result_type: str, expected: object
) -> None:
    question = await env.ask(result_type=result_type)

    ran = await env.ringback("approve", question.callback.id, USER="ann", LOGNAME="ann")
    end = await question.end()

    assert ran.code == 0, ran.err
    assert end == expected


async def test_reason_for_a_boolean_result_is_rejected(env: Env) -> None:
    question = await env.ask(result_type="bool")

    refused = await env.ringback("approve", question.callback.id, "--reason", "fine")
    given = await env.ringback("approve", question.callback.id, "--result", "true")

    assert refused.code == 1
    assert "--result" in refused.err
    assert given.code == 0


@pytest.mark.thorough
@on_postgresql
async def test_approve_works_on_postgresql(shared_site: Site) -> None:
    site, run = shared_site, Command(shared_site)
    async with site.gateway(), site.many_callbacks_worker():
        workflow = await site.ask(Questions())
        await site.until_submitted()
        (waiting,) = (await run("list", "--json")).json["callbacks"]
        approved = await run("approve", waiting["id"], "--by", "ann", "--wait", "20", "--json")
        linked = await run("link", waiting["id"])

        assert approved.json["state"] == "applied"
        assert await workflow.result() == [{"approved": True, "by": "ann"}]
    assert linked.out.startswith(f"{site.gateway_url}/c/test.")
