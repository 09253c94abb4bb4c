"""The gateway reaches a wrong Temporal server: answers wait, and all are delivered afterwards."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ringback.domain.callback import State
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.programs import temporal_server, until_ready
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

QUESTIONS = 3
TRIES_EACH = 4


@pytest.mark.parametrize("namespace", ["default", "orders"], ids=["emptied", "without it"])
async def test_wrong_temporal_delays_answers_and_the_right_one_receives_them(
    site: Site, namespace: str, tmp_path: Path
) -> None:
    site = replace(site, namespace=namespace)
    named = ("--namespace", namespace)
    async with site.gateway() as gateway:
        async with site.temporal(*named), site.many_callbacks_worker():
            workflow = await site.ask(Questions(QUESTIONS))
            links = await site.service.next_links(QUESTIONS)
            await site.until_submitted()

        async with temporal_server(site.temporal_address, tmp_path / "another.db"):
            replies = await site.answer_all(dict.fromkeys(links, "yes"))
            await gateway.line("Temporal is misconfigured")
            await gateway.times("delivery postponed", TRIES_EACH * QUESTIONS)
            await until_ready(site.gateway_url, temporal="misconfigured")
            found = await site.callbacks()
        await until_ready(site.gateway_url, temporal="unreachable")
        async with site.temporal(*named), site.many_callbacks_worker():
            ends = await workflow.result()

    assert [reply.status_code for reply in replies] == [202] * QUESTIONS
    assert {callback.state for callback in found} == {State.ACCEPTED}
    assert ends == ["yes"] * QUESTIONS
    reasons = re.findall(r"Temporal is misconfigured.*", gateway.output)
    assert len(reasons) == 1, reasons
