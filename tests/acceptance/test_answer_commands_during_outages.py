"""While Temporal is away a command ends soon and says what to do: try again, or it is kept."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from uuid import uuid4

import pytest

from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.app.web import bound_socket
from ringback.domain.ids import CallbackId
from tests import factories
from tests.acceptance.command_line import Command, Ran
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site

pytestmark = pytest.mark.processes

TOKEN: Final = (b"\n$" + str(uuid4()).encode() + b"\x20\x05").hex()

BY_TOKEN: Final = ("--token", TOKEN)
BY_IDS: Final = ("--activity-id", "1")

each_verb = pytest.mark.parametrize("verb", ["complete", "heartbeat", "cancel"])


@pytest.fixture(scope="module", params=["refused", "silent"])
async def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[str, Ran]]:
    """What became of commands, while Temporal is not there, or takes connections and is silent.

    All of them wait for it at the same time.
    """
    with bound_socket("127.0.0.1", 0) as listening:
        silent = listening.getsockname()[1]
        port = silent if request.param == "silent" else free_port()
        folder = tmp_path_factory.mktemp("site")
        async with (
            build_site(folder, temporal=f"127.0.0.1:{port}") as site,
            site.gateway(),
        ):
            yield await run_all(site)


async def run_all(site: Site) -> Mapping[str, Ran]:
    """Run all that is told to Temporal; some of it in interpreters of their own."""
    kept, beaten, canceled = [("--callback", one) for one in await opened(site, 3)]
    ringback = Command(site)
    begun = {
        "complete by token": ringback.alone("complete", *BY_TOKEN),
        "complete by ids": ringback("complete", *BY_IDS),
        "complete by callback": ringback("complete", *kept, "--result", "1", "--json"),
        "heartbeat by token": ringback("heartbeat", *BY_TOKEN),
        "heartbeat by ids": ringback("heartbeat", *BY_IDS),
        "heartbeat by callback": ringback("heartbeat", *beaten, "--details", "1"),
        "cancel by token": ringback("cancel", *BY_TOKEN),
        "cancel by ids": ringback("cancel", *BY_IDS),
        "cancel by callback": ringback.alone("cancel", *canceled),
    }
    return dict(zip(begun, await asyncio.gather(*begun.values()), strict=True))


async def opened(site: Site, count: int) -> Sequence[CallbackId]:
    """Open this number of callbacks, as a worker would."""
    async with opened_store(site.settings, SystemClock()) as store:
        return [one.id for _ in range(count) for one in await store.open([factories.request()])]


@pytest.mark.thorough
@pytest.mark.parametrize("way", ["token", "ids"])
@each_verb
def test_command_by_token_or_ids_exits_with_3_during_outage(
    ended: Mapping[str, Ran], verb: str, way: str
) -> None:
    assert_exits_with_retryable_error(ended[f"{verb} by {way}"])


def test_cancel_of_callback_exits_with_3_during_outage(ended: Mapping[str, Ran]) -> None:
    """Only Temporal knows whether somebody asked for it."""
    assert_exits_with_retryable_error(ended["cancel by callback"])


def assert_exits_with_retryable_error(ran: Ran) -> None:
    assert ran.code == 3, ran
    assert ran.out == ""
    assert "Temporal" in ran.err
    assert "Traceback" not in ran.err
    assert TOKEN not in ran.err


def test_answer_to_callback_is_accepted_during_outage(ended: Mapping[str, Ran]) -> None:
    ran = ended["complete by callback"]

    assert ran.code == 0, ran.err
    assert ran.json["state"] == "accepted"


def test_heartbeat_of_callback_is_recorded_during_outage(ended: Mapping[str, Ran]) -> None:
    ran = ended["heartbeat by callback"]

    assert ran.code == 0, ran.err
    assert ran.out.startswith("recorded")
