"""A result by link gets the same reply on the hot path as through Starlette's routing."""

import gzip
from typing import Any

import httpx2
import pytest

from ringback.gateway.answer_endpoint import find_link
from tests import factories
from tests.unit.core.callbacks import open_callback
from tests.unit.gateway.conftest import LIMIT, HouseWithCallback

JSON = {"content-type": "application/json"}


async def new_path(house: HouseWithCallback) -> str:
    ref = factories.activity_ref()
    house.activities.schedule(ref)
    callback = await open_callback(house.store, house.activities, ref)
    return f"/c/{house.keyring.sign(factories.link(to=callback.id))}"


def anonymous(reply: httpx2.Response, path: str) -> tuple[int, list[Any], bytes]:
    """Return all of a reply; what names its callback looks the same in each."""
    link = path.removeprefix("/c/").encode()
    body = reply.content.replace(link, b"<link>")
    if b'"callback":' in body:
        body = body.replace(reply.json()["callback"].encode(), b"<callback>")
    return reply.status_code, reply.headers.raw, body


@pytest.mark.parametrize("suffix", ["", "/complete"])
@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("POST", {"content": b'{ "ok" : true }', "headers": JSON}),
        ("POST", {"content": b""}),
        ("POST", {"content": b"1", "headers": {"prefer": "wait=5"}}),
        ("POST", {"content": b"1", "headers": {"prefer": "wait=0"}}),
        ("POST", {"content": b"1", "headers": {"accept": "text/html"}}),
        ("POST", {"content": b"\xef\xbb\xbf1"}),
        ("POST", {"content": b"{", "headers": JSON}),
        ("POST", {"content": b"1e400"}),
        ("POST", {"content": b"\xff\xfe1\0"}),
        ("POST", {"content": b'"' + b"x" * LIMIT + b'"'}),
        ("POST", {"content": gzip.compress(b"1"), "headers": {"content-encoding": "gzip"}}),
        ("POST", {"content": b"1", "headers": {"content-type": "text/plain"}}),
        ("POST", {"content": b"1", "headers": {"content-type": "application/json;charset=x"}}),
        ("GET", {}),
        ("HEAD", {}),
        ("PUT", {"content": b"1"}),
        ("OPTIONS", {}),
    ],
)
async def test_request_gets_the_same_reply_on_the_hot_path(
    house: HouseWithCallback,
    routed: httpx2.AsyncClient,
    suffix: str,
    method: str,
    request_: dict[str, Any],
) -> None:
    replies = []
    for http in (house.http, routed):
        path = await new_path(house)
        for _ in range(2):
            reply = await http.request(method, path + suffix, **request_)
            replies.append(anonymous(reply, path))

    assert replies[:2] == replies[2:]


@pytest.mark.parametrize(
    "path",
    ["/c/x", "/c/x/complete", "/c/complete", "/c//complete", "/c/", "/c", "/c/x/", "/c/x%2Fy"],
)
async def test_bad_link_gets_the_same_reply_on_the_hot_path(
    house: HouseWithCallback, routed: httpx2.AsyncClient, path: str
) -> None:
    replies = [await http.post(path, content=b"1") for http in (house.http, routed)]

    assert replies[0].status_code == replies[1].status_code == 404
    assert replies[0].content == replies[1].content
    assert replies[0].headers.raw == replies[1].headers.raw


async def test_refused_answers_get_the_same_reply_on_the_hot_path(
    house: HouseWithCallback, routed: httpx2.AsyncClient
) -> None:
    different, away = [], []
    for http in (house.http, routed):
        path = await new_path(house)
        await http.post(path, content=b"1")
        different.append(anonymous(await http.post(path, content=b"2"), path))
        house.database.is_available = False
        away.append(anonymous(await http.post(path, content=b"3"), path))
        house.database.is_available = True

    assert different[0] == different[1]
    assert away[0] == away[1]
    assert (different[0][0], away[0][0]) == (409, 503)


async def test_receipt_has_the_same_headers_with_and_without_waiting(
    house: HouseWithCallback,
) -> None:
    path, other = await new_path(house), await new_path(house)

    waited = await house.http.post(path, content=b"1", headers={"prefer": "wait=5"})
    at_once = await house.http.post(other, content=b"1")

    assert [name for name, _ in at_once.headers.raw] == [
        name for name, _ in waited.headers.raw if name != b"preference-applied"
    ]
    assert at_once.headers["content-type"] == waited.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "link"),
    [
        ("POST", "/c/k1.a.b", "k1.a.b"),
        ("POST", "/c/k1.a.b/complete", "k1.a.b"),
        ("POST", "/c/complete", "complete"),
        ("POST", "/c/k1.a.b/fail", None),
        ("POST", "/c//complete", None),
        ("POST", "/c/", None),
        ("POST", "/v1/answers", None),
        ("GET", "/c/k1.a.b", None),
        ("HEAD", "/c/k1.a.b", None),
    ],
)
def test_hot_path_handles_only_results_by_link(method: str, path: str, link: str | None) -> None:
    assert find_link({"type": "http", "method": method, "path": path}) == link


def test_hot_path_leaves_other_protocols_and_mounts_to_routing() -> None:
    mounted = {"type": "http", "method": "POST", "path": "/x/c/k1.a.b", "root_path": "/x"}

    assert find_link({"type": "lifespan"}) is None
    assert find_link(mounted) is None
