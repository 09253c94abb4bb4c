"""Streams of the inbox over real sockets: they report changes, and end when the gateway stops."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import httpx2

from ringback.app.web import bound_socket, served
from ringback.core.inbox_feed import POLL_EVERY, InboxFeed
from ringback.domain.policy import Policy
from ringback.gateway.gateway import Gateway
from ringback.gateway.pages.inbox import SIGN_OF_LIFE_EVERY
from tests import factories
from tests.loops import idle
from tests.polling import pause
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.identity.browser import HTML, new_url, opened_browser

STREAMS: Final = 100
EVENTS: Final = "/inbox/changes/events?scope=groups&state="


def feed_of(house: House) -> InboxFeed:
    gateway: Gateway = house.app.state.gateway
    return gateway.inbox_feed


async def cookie_of(
    house: House, groups: Sequence[str] = ("finance",), user: str = "ada@example.org"
) -> str:
    """Sign a person in, by default Ada; return the cookie of the session."""
    async with opened_browser(house.app) as browser:
        reply = await browser.sign_in(await new_url(house, user, groups=list(groups)))
        return reply.headers["set-cookie"].partition(";")[0]


@asynccontextmanager
async def served_house(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    listening = bound_socket("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    headers = HTML | {"cookie": await cookie_of(house)}
    limits = httpx2.Limits(max_connections=None)
    async with (
        httpx2.AsyncClient(
            base_url=url, headers=headers, timeout=20, limits=limits, verify=False
        ) as http,
        served(house.app, listening, on_stop=feed_of(house).stop_waiting),
    ):
        yield http


async def test_stream_reports_a_question_that_was_answered_elsewhere() -> None:
    async with opened_house() as house, served_house(house) as http:
        question = await house.asked(policy=Policy(assignees=("group:finance",)))
        gateway: Gateway = house.app.state.gateway
        page = await http.get("/inbox?scope=groups")
        address = page.text.partition('data-events="')[2].partition('"')[0]

        async with http.stream("GET", address.replace("&amp;", "&")) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": open"
            await idle()
            house.clock.advance(POLL_EVERY / 10)
            # Another gateway expires it: this one learns it from the store alone.
            await gateway.store.expire([factories.expiry(question)])
            house.clock.advance(POLL_EVERY)
            async with asyncio.timeout(10):
                found = [line async for line in _until(lines, "event: changed")]

        assert stream.headers["content-type"].startswith("text/event-stream")
        assert found[-1] == "event: changed"


async def test_idle_stream_sends_signs_of_life() -> None:
    async with opened_house() as house, served_house(house) as http:
        page = await http.get("/inbox?scope=groups")
        address = page.text.partition('data-events="')[2].partition('"')[0]

        async with http.stream("GET", address.replace("&amp;", "&")) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": open"
            await pause()
            house.clock.advance(SIGN_OF_LIFE_EVERY)
            async with asyncio.timeout(10):
                found = [line async for line in _until(lines, ": nothing new")]

        assert "event: changed" not in found


async def test_stream_of_a_revoked_session_ends_without_reporting_changes() -> None:
    async with opened_house() as house, served_house(house) as http:
        gateway: Gateway = house.app.state.gateway
        async with http.stream("GET", await _events_of(http)) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": open"
            await idle()

            await gateway.sessions.revoke_all("ada@example.org")
            await house.asked(policy=Policy(assignees=("group:finance",)))
            house.clock.advance(POLL_EVERY)
            async with asyncio.timeout(10):
                rest = [line async for line in lines if line]

        assert rest == []
        assert (await http.get(EVENTS)).status_code == 303


async def test_idle_stream_of_a_revoked_session_ends_at_the_next_sign_of_life() -> None:
    async with opened_house() as house, served_house(house) as http:
        gateway: Gateway = house.app.state.gateway
        async with http.stream("GET", await _events_of(http)) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": open"
            await pause()

            await gateway.sessions.revoke_all("ada@example.org")
            house.clock.advance(SIGN_OF_LIFE_EVERY)
            async with asyncio.timeout(10):
                rest = [line async for line in lines if line]

        assert rest == []


async def test_stream_survives_an_outage_of_the_store() -> None:
    async with opened_house() as house, served_house(house) as http:
        async with http.stream("GET", await _events_of(http)) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": open"
            await pause()

            house.database.is_available = False
            house.clock.advance(SIGN_OF_LIFE_EVERY)
            async with asyncio.timeout(10):
                found = [line async for line in _until(lines, ": nothing new")]

        assert found[-1] == ": nothing new"


async def test_person_who_lost_a_group_gets_neither_its_rows_nor_its_changes() -> None:
    async with opened_house() as house, served_house(house) as http:
        await house.asked(title="Secret", policy=Policy(assignees=("group:finance",)))
        before = await http.get("/inbox?scope=groups")
        http.headers["cookie"] = await cookie_of(house, groups=["legal"])

        page = await http.get("/inbox?scope=groups")
        async with http.stream("GET", await _events_of(http)) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": open"
            await pause()
            house.clock.advance(POLL_EVERY)
            await house.asked(policy=Policy(assignees=("group:finance",)))
            house.clock.advance(POLL_EVERY)
            await pause()
            house.clock.advance(SIGN_OF_LIFE_EVERY)
            async with asyncio.timeout(10):
                found = [line async for line in _until(lines, ": nothing new")]

        assert ("Secret" in before.text, "Secret" in page.text) == (True, False)
        assert "event: changed" not in found


async def _events_of(http: httpx2.AsyncClient) -> str:
    """Return the address of the stream of the page that lists the questions to groups."""
    page = await http.get("/inbox?scope=groups")
    address = page.text.partition('data-events="')[2].partition('"')[0]
    return address.replace("&amp;", "&")


async def test_hundred_streams_end_when_the_gateway_stops() -> None:
    async with opened_house() as house, AsyncExitStack() as stack:
        server = AsyncExitStack()
        http = await server.enter_async_context(served_house(house))
        lines = []
        cookies = [await cookie_of(house, user=user) for user in ("ada", "bob")]
        for number in range(STREAMS):
            headers = {"cookie": cookies[number % len(cookies)]}
            stream = await stack.enter_async_context(http.stream("GET", EVENTS, headers=headers))
            lines.append(stream.aiter_lines())
            assert await anext(lines[-1]) == ": open"

        # A stream that the server cuts off raises an error in its reader.
        ends = asyncio.gather(*(_read_all(one) for one in lines))
        async with asyncio.timeout(10):
            await server.aclose()
            await ends


async def test_stopping_gateway_opens_no_stream() -> None:
    async with opened_house() as house, served_house(house) as http:
        feed_of(house).stop_waiting()

        reply = await http.get(EVENTS)

    assert reply.status_code == 503


async def test_closed_stream_leaves_room_for_another() -> None:
    async with opened_house() as house, served_house(house) as http:
        feed = feed_of(house)
        async with http.stream("GET", EVENTS) as stream:
            assert await anext(stream.aiter_lines()) == ": open"
            assert len(feed._lists) == 1  # noqa: SLF001 - what the limit counts

        async with asyncio.timeout(10):
            while feed._lists:  # noqa: SLF001 - what the limit counts
                await pause()


async def _until(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line == last:
            return


async def _read_all(lines: AsyncIterator[str]) -> None:
    async for _ in lines:
        pass
