"""The retries of a link holder, on a clock that advances by each pause at once."""

from collections.abc import Iterable
from datetime import timedelta

import httpx2
import pytest

from ringback.demo.work import LinkHolder
from ringback.testing import ManualClock

LINK = "http://gateway/c/secret"
PATIENCE = timedelta(seconds=60)


class HurriedClock(ManualClock):
    """Advances by each sleep at once, and records it in `pauses`."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[timedelta] = []

    async def sleep(self, delay: timedelta) -> None:
        self.pauses.append(delay)
        self.advance(delay)


class Script(httpx2.AsyncBaseTransport):
    """Sends the replies of a script and repeats the last one; `None` refuses the connection."""

    def __init__(self, replies: Iterable[tuple[int, str | None] | None]) -> None:
        self._replies = list(replies)
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(f"{request.method} {request.url.raw_path.decode()}")
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if reply is None:
            msg = "refused"
            raise httpx2.ConnectError(msg, request=request)
        status, retry_after = reply
        headers = {} if retry_after is None else {"retry-after": retry_after}
        return httpx2.Response(status, headers=headers, json={"state": "open"})


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


async def post(clock: HurriedClock, script: Script, link: str = LINK) -> bool:
    async with httpx2.AsyncClient(transport=script) as http:
        return await LinkHolder(http, clock).post(link, {"done": True}, action="complete")


async def test_accepted_answer_is_sent_once(clock: HurriedClock) -> None:
    script = Script([(202, None)])

    assert await post(clock, script)
    assert script.asked == ["POST /c/secret"]


async def test_url_is_used_as_it_is(clock: HurriedClock) -> None:
    script = Script([(202, None)])

    assert await post(clock, script, "http://proxy/c/a%2Fb?task_token=abc%3D%3D&next=/x")
    assert script.asked == ["POST /c/a%2Fb?task_token=abc%3D%3D&next=/x"]


async def test_retry_waits_as_long_as_retry_after_says(clock: HurriedClock) -> None:
    script = Script([(503, "7"), (429, "2"), (202, None)])

    assert await post(clock, script)
    assert clock.pauses == [timedelta(seconds=7), timedelta(seconds=2)]


@pytest.mark.parametrize("retry_after", [None, "", "Wed, 21 Oct 2015 07:28:00 GMT", "-1"])
async def test_retry_waits_briefly_without_a_readable_retry_after(
    clock: HurriedClock, retry_after: str | None
) -> None:
    assert await post(clock, Script([(503, retry_after), None, (202, None)]))
    assert clock.pauses == [timedelta(milliseconds=500)] * 2


@pytest.mark.parametrize("reply", [None, (503, None), (503, "9999")])
async def test_retries_end_after_a_minute(
    clock: HurriedClock, reply: tuple[int, str | None] | None
) -> None:
    assert not await post(clock, Script([reply]))
    assert sum(clock.pauses, timedelta(0)) <= PATIENCE


@pytest.mark.parametrize("status", [400, 404, 409, 410])
async def test_any_other_status_is_final(clock: HurriedClock, status: int) -> None:
    script = Script([(status, "1")])

    assert not await post(clock, script)
    assert len(script.asked) == 1


@pytest.mark.parametrize(("status", "seen"), [(200, {"state": "open"}), (404, None)])
async def test_get_returns_the_state_of_the_callback(
    clock: HurriedClock, status: int, seen: dict[str, str] | None
) -> None:
    async with httpx2.AsyncClient(transport=Script([(status, None)])) as http:
        assert await LinkHolder(http, clock).look(LINK) == seen
