"""Links, API keys, sign-ins and waits have limits; forged requests count for nobody."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest

from ringback.core.api_auth import CACHED_FOR, LOOKUPS_PER_SECOND
from ringback.core.hooks import Hooks
from ringback.core.rate_limit import (
    BURST,
    KEY_REQUESTS,
    LINK_ANSWERS,
    LINK_HEARTBEATS,
    LINK_READS,
    SIGN_INS,
    SIGN_INS_PER_SECOND,
    UNKNOWN_KEYS,
)
from ringback.core.verdict_waiter import MOST_WAITS_OF_ONE, WAITS, VerdictWaiter
from ringback.domain.api_key import KeyId, to_text
from ringback.domain.callback import Callback
from ringback.domain.link import ALL_VERBS, Link
from ringback.gateway.identity.login import OIDC_CALLBACK, ONE_TIME
from tests.factories import NOW
from tests.loops import idle
from tests.unit.gateway.house import PROBLEM, House, opened_house

RATE = 2
AT_ONCE = BURST * RATE


class RecordedLimits(Hooks):
    """Records the limits that were reached."""

    def __init__(self) -> None:
        self.limits: list[str] = []

    def limit_reached(self, limit: str) -> None:
        self.limits.append(limit)


@pytest.fixture
def hooks() -> RecordedLimits:
    return RecordedLimits()


@pytest.fixture
async def house(hooks: RecordedLimits) -> AsyncIterator[House]:
    async with opened_house(link_rate=RATE, hooks=hooks) as house:
        yield house


def path_to(house: House, callback: Callback) -> str:
    link = Link(callback.id, ALL_VERBS, NOW + timedelta(days=1), "k1")
    return f"/c/{house.keyring.sign(link)}"


async def use_up(house: House, path: str) -> httpx2.Response:
    """Post until the limit; return the reply to the first request beyond it."""
    replies = [await house.http.post(path, content=b"1") for _ in range(AT_ONCE + 1)]
    assert all(one.status_code != 429 for one in replies[:-1])
    return replies[-1]


@pytest.mark.parametrize("action", ["", "/complete", "/fail", "/cancel"])
async def test_link_that_answers_too_often_gets_429_until_its_rate_allows_more(
    house: House, hooks: RecordedLimits, action: str
) -> None:
    path = path_to(house, await house.asked())

    refused = await use_up(house, path + action)
    house.clock.advance(timedelta(seconds=1))
    later = [await house.http.post(path, content=b"1") for _ in range(RATE + 1)]

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == PROBLEM
    assert refused.json()["type"] == "urn:ringback:too-many-requests"
    assert [one.status_code == 429 for one in later] == [False, False, True]
    assert hooks.limits == [LINK_ANSWERS] * 2


async def test_heartbeats_and_reads_do_not_use_up_what_an_answer_needs(
    house: House, hooks: RecordedLimits
) -> None:
    path = path_to(house, await house.asked())

    heartbeat = await use_up(house, f"{path}/heartbeat")
    reads = [await house.http.get(path) for _ in range(AT_ONCE + 1)]
    answer = await house.http.post(path, content=b"1")

    assert heartbeat.status_code == 429
    assert [one.status_code for one in reads] == [200] * AT_ONCE + [429]
    assert answer.status_code == 202
    assert hooks.limits == [LINK_HEARTBEATS, LINK_READS]


async def test_forged_and_other_links_do_not_count(house: House) -> None:
    path = path_to(house, await house.asked())
    other = path_to(house, await house.asked())

    forged = [await house.http.post(path[:-1], content=b"1") for _ in range(2 * AT_ONCE)]
    await use_up(house, other)
    answer = await house.http.post(path, content=b"1")

    assert {one.status_code for one in forged} == {404}
    assert answer.status_code == 202


async def test_api_key_has_its_own_limit(hooks: RecordedLimits) -> None:
    async with opened_house(key_rate=RATE, hooks=hooks) as house:
        replies = [await house.get("/v1/whoami") for _ in range(AT_ONCE + 1)]
        later = await house.call(None, "GET", "/v1/whoami")

    assert [one.status_code for one in replies] == [200] * AT_ONCE + [429]
    assert later.status_code == 401
    assert hooks.limits == [KEY_REQUESTS]


async def test_guessed_keys_cost_few_reads_and_known_keys_stay_usable(
    house: House, hooks: RecordedLimits
) -> None:
    # The known key is the first that is looked up.
    most = BURST * LOOKUPS_PER_SECOND - 1
    known = await house.get("/v1/whoami")
    guesses = [
        (
            await house.http.get(
                "/v1/whoami",
                headers={"authorization": f"Bearer {to_text(KeyId(f'k{number}'), 'guessed')}"},
            )
        ).status_code
        for number in range(most + 2)
    ]
    at_once = await house.get("/v1/whoami")
    house.clock.advance(CACHED_FOR)
    after_its_cache = await house.get("/v1/whoami")

    assert guesses == [401] * most + [429] * 2
    assert [one.status_code for one in (known, at_once, after_its_cache)] == [200] * 3
    assert hooks.limits == [UNKNOWN_KEYS] * 2


async def test_sign_ins_have_a_limit(house: House, hooks: RecordedLimits) -> None:
    paths = [f"{ONE_TIME}/guessed", OIDC_CALLBACK]
    replies = [
        (await house.http.get(paths[number % 2])).status_code
        for number in range(BURST * SIGN_INS_PER_SECOND + 1)
    ]

    assert 429 not in replies[:-1]
    assert replies[-1] == 429
    assert hooks.limits == [SIGN_INS]


async def test_only_so_many_wait_for_one_callback_and_the_others_get_their_reply_now(
    hooks: RecordedLimits,
) -> None:
    async with opened_house(
        make_verdicts=lambda store, clock: VerdictWaiter(store, clock, hooks=hooks)
    ) as house:
        path = path_to(house, await house.asked())
        wait = {"prefer": "wait=60"}
        waiting = [
            asyncio.ensure_future(house.http.get(path, headers=wait))
            for _ in range(MOST_WAITS_OF_ONE)
        ]
        await idle()
        now = await house.http.get(path, headers=wait)
        are_waiting = not any(one.done() for one in waiting)
        answer = await house.http.post(path, content=b"1", headers=wait)
        house.verdicts.stop_waiting()
        replies = await asyncio.gather(*waiting)

    assert are_waiting
    assert (now.status_code, answer.status_code) == (200, 202)
    assert "preference-applied" not in now.headers
    assert {one.status_code for one in replies} == {200}
    assert hooks.limits == [WAITS] * 2
