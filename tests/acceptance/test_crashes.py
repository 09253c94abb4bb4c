"""What was answered with 202 reaches its workflow, whoever is killed in between."""

import signal

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.marks import on_both_stores
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


@on_both_stores
async def test_accepted_answer_survives_a_kill_before_delivery(site: Site) -> None:
    async with site.temporal() as server, site.gateway(temporal="ok") as gateway, site.worker():
        handle = await site.start_workflow("survivor")
        link = await site.service.next_link()
        await server.kill()

        reply = await site.post(link, {"paid": True})
        await gateway.kill()

    assert reply.status_code == 202
    async with site.temporal(), site.gateway(temporal="ok"), site.worker():
        handle = await site.handle_of("survivor")
        assert await handle.result() == {"paid": True}


async def test_delivery_in_flight_during_a_kill_is_applied(
    site: Site,
) -> None:
    """Temporal hangs with the request in its hands, and goes on when nobody listens any more."""
    async with site.temporal() as server, site.gateway(temporal="ok") as gateway, site.worker():
        handle = await site.start_workflow("under-way")
        link = await site.service.next_link()
        server.process.send_signal(signal.SIGSTOP)
        reply = await site.post(link, {"paid": True})
        await site.until_delivering()
        await gateway.kill()
        server.process.send_signal(signal.SIGCONT)
        async with site.gateway(temporal="ok"):
            assert await handle.result() == {"paid": True}
            settled = await site.post(link, {"paid": True}, prefer="wait=30")

    assert reply.status_code == 202
    assert (settled.json()["state"], settled.json()["duplicate"]) == ("applied", True)


async def test_gateway_starts_and_accepts_answers_while_temporal_is_down(site: Site) -> None:
    async with site.temporal(), site.gateway(temporal="ok"), site.worker():
        await site.start_workflow("down")
        link = await site.service.next_link()

    async with site.gateway(temporal="unreachable"):
        first = await site.post(link, {"n": 1})
        again = await site.post(link, {"n": 1})
        other = await site.post(link, {"n": 2})

        assert (first.status_code, again.status_code, other.status_code) == (202, 200, 409)
        assert again.json()["duplicate"] is True
        async with site.temporal(), site.worker():
            handle = await site.handle_of("down")
            assert await handle.result() == {"n": 1}


async def test_restarted_gateway_delivers_a_new_answer(site: Site) -> None:
    async with site.temporal(), site.gateway(temporal="ok") as gateway, site.worker():
        handle = await site.start_workflow("back")
        link = await site.service.next_link()
        await gateway.kill()
        async with site.gateway(temporal="ok"):
            reply = await site.post(link, "here", prefer="wait=10")

            assert (reply.status_code, reply.json()["state"]) == (200, "applied")
            assert await handle.result() == "here"


async def test_answer_is_applied_after_the_worker_was_killed(site: Site) -> None:
    async with site.temporal(), site.gateway(temporal="ok"):
        async with site.worker() as worker:
            handle = await site.start_workflow("asleep")
            link = await site.service.next_link()
            await site.until_submitted()
            await worker.kill()
        reply = await site.post(link, 7, prefer="wait=10")
        async with site.worker():
            assert reply.json()["state"] == "applied"
            assert await handle.result() == 7


async def test_worker_with_serve_runs_gateway_in_the_same_process(site: Site) -> None:
    options = ("--serve", "--port", str(site.gateway_port))
    async with site.temporal() as _, site.worker(*options):
        handle = await site.start_workflow("together")
        link = await site.service.next_link()

        reply = await site.post(link, "one process", prefer="wait=10")

        assert reply.json()["state"] == "applied"
        assert await handle.result() == "one process"


async def test_list_and_show_follow_a_callback_to_its_verdict(site: Site) -> None:
    run = Command(site)
    async with site.temporal(), site.gateway(temporal="ok"), site.worker():
        await site.start_workflow("looked-at")
        link = await site.service.next_link()
        waiting = (await run("list", "--json")).json["callbacks"]
        await site.post(link, 1, prefer="wait=10")
        left = (await run("list", "--json")).json["callbacks"]
        shown = (await run("show", waiting[0]["id"], "--json")).json
        table = (await run("show", waiting[0]["id"])).out

    assert [callback["workflow_id"] for callback in waiting] == ["looked-at"]
    assert left == []
    assert shown["state"] == "applied"
    assert shown["outcome"]["proof"]["by"].startswith("ringback/oc_")
    happened = [entry["kind"] for entry in shown["audit_trail"]]
    assert happened == ["opened", "submitted", "accepted", "applied"]
    assert waiting[0]["id"] in table


async def test_logs_contain_no_link_token_or_payload(site: Site) -> None:
    async with site.temporal(), site.gateway(temporal="ok") as gateway, site.worker() as worker:
        handle = await site.start_workflow("discreet")
        link = await site.service.next_link()
        await site.post(link + "/fail", {"message": 5})
        await site.post(link, {"card": "4111-1111"}, prefer="wait=10")
        await site.post(link, {"card": "other"})
        await handle.result()
        await gateway.interrupt()
        await worker.interrupt()
        await gateway.end()
        await worker.end()

    logged = gateway.output + worker.output
    assert "answers accepted" in logged
    assert link.removeprefix("/c/") not in logged
    assert "4111" not in logged
    assert "task_token" not in logged
