"""The client, against the real application of a gateway."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest

from ringback.client.gateway_client import GatewayClient
from ringback.client.target import Target
from ringback.domain.api_key import Role
from ringback.domain.errors import GatewayRefusedError, GatewayUnavailableError
from ringback.domain.outcome import Completed, Failed
from tests.fake_edges import BASE
from tests.loops import idle
from tests.unit.gateway.house import House, key_of, opened_house

HOUR = timedelta(hours=1)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened_house() as house:
        yield house


def client_of(house: House, role: Role = Role.OPERATOR) -> GatewayClient:
    target = Target(BASE, key_of(role), "the test")
    transport = httpx2.ASGITransport(app=house.app, raise_app_exceptions=False)
    return GatewayClient(target, transport=transport)


class Replying(httpx2.AsyncBaseTransport):
    """A network with one reply or one failure."""

    def __init__(self, reply: httpx2.Response | Exception) -> None:
        self.reply = reply

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if isinstance(self.reply, Exception):
            raise self.reply
        self.reply.request = request
        return self.reply


def replying(
    reply: httpx2.Response | Exception, *, api_key: str = key_of(Role.OPERATOR)
) -> GatewayClient:
    """Return a client of a server that always replies with this, or fails so."""
    target = Target(BASE, api_key, "RINGBACK_API_KEY")
    return GatewayClient(target, transport=Replying(reply))


async def test_whoami_names_the_key(house: House) -> None:
    async with client_of(house, Role.WORKER) as client:
        found = await client.whoami()

    assert (found.key, found.role, found.namespace) == ("worker", "worker", "default")


@pytest.mark.parametrize(
    ("verb", "body", "outcome"),
    [
        ("complete", b'{"n": 1.10}', Completed(b'{"n": 1.10}')),
        ("complete", None, Completed(None)),
        ("fail", b'{"message": "no"}', Failed("no")),
    ],
)
async def test_answer_is_accepted_exactly_as_given(
    house: House, verb: str, body: bytes | None, outcome: object
) -> None:
    callback = await house.asked()

    async with client_of(house) as client:
        receipt = await client.answer(callback.id, verb, body, wait=timedelta(seconds=5))
        again = await client.answer(callback.id, verb, body)

    assert (receipt.state, receipt.duplicate, again.duplicate) == ("applied", False, True)
    accepted = (await house.found(callback.id)).accepted
    assert accepted is not None
    assert accepted.outcome == outcome


async def test_different_answer_is_refused_with_the_words_of_the_gateway(house: House) -> None:
    callback = await house.asked()

    async with client_of(house) as client:
        await client.answer(callback.id, "complete", b"1")
        with pytest.raises(
            GatewayRefusedError, match="another answer was accepted first"
        ) as caught:
            await client.answer(callback.id, "complete", b"2")

    assert (caught.value.status, caught.value.title) == (409, "answered differently")


async def test_worker_opens_submits_and_gets_an_answer_exactly(house: House) -> None:
    ref = house.scheduled()
    body = httpx2.Request("POST", BASE, json={"activity": house.naming(ref)}).content

    async with client_of(house, Role.WORKER) as client:
        opened, nothing = await client.open(body)
        await client.mark_submitted(opened.id)
        house.activities.is_busy = True
        await house.http.post(opened.url.removeprefix(BASE), content=b'{"n": 1.10}')
        await idle()
        again, answer = await client.open(body)

    assert (opened.next, nothing) == ("submit", None)
    assert (again.id, again.submitted, again.next) == (opened.id, True, "wait")
    assert answer == b'{"n": 1.10}'


async def test_operator_finds_and_changes_callbacks(house: House) -> None:
    callback = await house.asked(deadline=HOUR)

    async with client_of(house) as client:
        extended = await client.extend(callback.id, 2 * HOUR)
        await client.revoke(callback.id)
        link = await client.create_link(callback.id, verbs=["view"], good_for=HOUR)
        page = await client.page({"state": ["open"], "limit": "5"})
        shown = await client.show(callback.id)
        entries = await client.audit_trail(callback.id)
        heartbeat = await client.heartbeat(callback.id, b"1")
        with pytest.raises(GatewayRefusedError, match="not parked"):
            await client.redeliver(callback.id)
        with pytest.raises(GatewayRefusedError, match="not parked"):
            await client.give_up(callback.id, {"by": "ada"})

    assert extended.deadline_at == house.clock.now() + 2 * HOUR
    assert link.allows == ["view"]
    assert [one.id for one in page.callbacks] == [shown.id] == [callback.id]
    assert [entry.kind for entry in entries][:3] == ["opened", "extended", "revoked"]
    assert heartbeat.cancel_requested is False


async def test_fields_that_a_newer_gateway_added_are_ignored(house: House) -> None:
    callback = await house.asked()
    async with client_of(house) as client:
        shown = await client.show(callback.id)
    newer = shown.model_dump(mode="json") | {"added_later": 1}
    newer["heartbeat"]["added_later"] = 1

    assert await replying(httpx2.Response(200, json=newer)).show(callback.id) == shown


async def test_unknown_key_names_where_it_came_from() -> None:
    problem = {"title": "unknown key", "detail": "send a valid API key"}
    headers = {"content-type": "application/problem+json"}
    async with replying(httpx2.Response(401, json=problem, headers=headers)) as client:
        with pytest.raises(GatewayRefusedError, match="rejects the API key of RINGBACK_API_KEY"):
            await client.whoami()


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("this API key is revoked", "the key k1 is revoked; `ringback keys list`"),
        ("send a valid API key", "the key k1 is not in its store, or its secret is another"),
    ],
)
async def test_rejected_key_is_named_by_its_id_without_its_secret(detail: str, said: str) -> None:
    problem = {"title": "unknown key", "detail": detail}
    headers = {"content-type": "application/problem+json"}
    reply = httpx2.Response(401, json=problem, headers=headers)
    async with replying(reply, api_key="rbk_k1_secret-text") as client:
        with pytest.raises(GatewayRefusedError, match=said) as refused:
            await client.whoami()

    assert "secret-text" not in str(refused.value)


async def test_text_that_is_no_key_is_not_repeated() -> None:
    async with replying(httpx2.Response(401, json={}), api_key="a password") as client:
        with pytest.raises(GatewayRefusedError, match="begins with rbk_") as refused:
            await client.whoami()

    assert "a password" not in str(refused.value)


async def test_unreachable_gateway_is_retryable_and_names_its_url() -> None:
    async with replying(httpx2.ConnectError("Connection refused")) as client:
        with pytest.raises(GatewayUnavailableError, match=r"ring\.example.*Connection refused"):
            await client.whoami()


async def test_busy_gateway_is_retryable_after_its_time() -> None:
    problem = {"title": "store unavailable", "detail": "send the same again"}
    headers = {"content-type": "application/problem+json", "retry-after": "7"}
    async with replying(httpx2.Response(503, json=problem, headers=headers)) as client:
        with pytest.raises(GatewayUnavailableError, match="send the same again") as caught:
            await client.whoami()

    assert caught.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    "reply",
    [
        httpx2.Response(404, text="<html>nginx</html>"),
        httpx2.Response(404, text="[", headers={"content-type": "application/problem+json"}),
        httpx2.Response(404, text="[]", headers={"content-type": "application/problem+json"}),
    ],
)
async def test_reply_of_something_else_asks_whether_it_is_a_gateway(reply: httpx2.Response) -> None:
    async with replying(reply) as client:
        with pytest.raises(GatewayRefusedError, match="replied 404; is it a Ringback gateway"):
            await client.whoami()


async def test_reply_of_another_version_says_to_use_one_version() -> None:
    async with replying(httpx2.Response(200, json={"key": "k"})) as client:
        with pytest.raises(GatewayRefusedError, match="use one version for both"):
            await client.whoami()
