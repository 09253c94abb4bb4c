"""A worker's calls get the same replies on their own path as through FastAPI's routing."""

import logging
from typing import Any

import httpx2
import pytest

from ringback.domain.api_key import Act, Role
from ringback.gateway.api.routers.workers import find_call
from tests.unit.gateway.conftest import LIMIT, HouseWithCallback
from tests.unit.gateway.house import key_of

WORKER = {"authorization": f"Bearer {key_of(Role.WORKER)}"}


def opening(house: HouseWithCallback, **more: Any) -> dict[str, Any]:
    return {"activity": house.naming(house.callback.ref), "worker": "w", **more}


def seen(reply: httpx2.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return reply.status_code, reply.headers.raw, reply.content


@pytest.mark.parametrize(
    ("status", "more", "headers"),
    [
        (200, {}, WORKER),
        (200, {"options": {"title": "a", "result_schema": True}}, WORKER),
        (401, {}, {}),
        (401, {}, {"authorization": "Basic cmJrOng="}),
        (403, {}, {"authorization": f"Bearer {key_of(Role.OPERATOR)}"}),
        (413, {"options": {"title": "x" * LIMIT}}, WORKER),
        (415, {}, {**WORKER, "content-type": "text/plain"}),
        (422, {"unknown": 1}, WORKER),
        (422, {"options": {"result_schema": {"type": "nothing"}}}, WORKER),
    ],
)
async def test_opening_gets_the_same_reply_on_its_own_path(
    house: HouseWithCallback,
    routed: httpx2.AsyncClient,
    status: int,
    more: dict[str, Any],
    headers: dict[str, str],
) -> None:
    house.identifier.known.append(house.callback.ref)
    body = opening(house, **more)

    own, other = [
        await http.post("/v1/callbacks", json=body, headers=headers)
        for http in (house.http, routed)
    ]

    assert own.status_code == status
    assert seen(own) == seen(other)


@pytest.mark.parametrize(
    ("status", "callback_id", "headers"),
    [
        (204, None, WORKER),
        (401, None, {}),
        (403, None, {"authorization": f"Bearer {key_of(Role.OPERATOR)}"}),
        (404, "cb_unknown", WORKER),
        (404, "not%20an%20id", WORKER),
    ],
)
async def test_submission_gets_the_same_reply_on_its_own_path(
    house: HouseWithCallback,
    routed: httpx2.AsyncClient,
    status: int,
    callback_id: str | None,
    headers: dict[str, str],
) -> None:
    path = f"/v1/callbacks/{callback_id or house.callback.id}/submitted"

    own, other = [await http.post(path, headers=headers) for http in (house.http, routed)]

    assert own.status_code == status
    assert seen(own) == seen(other)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/callbacks", "/v1/callbacks/cb_1/submitted"])
async def test_other_methods_get_the_same_reply_on_the_path_of_workers(
    house: HouseWithCallback, routed: httpx2.AsyncClient, method: str, path: str
) -> None:
    own, other = [await http.request(method, path, headers=WORKER) for http in (house.http, routed)]

    assert seen(own) == seen(other)


async def test_calls_are_logged_alike_on_both_paths(
    house: HouseWithCallback, routed: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ringback.gateway.api.access")
    path = f"/v1/callbacks/{house.callback.id}/submitted"

    for http in (house.http, routed):
        await http.post(path, headers=WORKER)
        await http.post("/v1/callbacks/cb_unknown/submitted", headers=WORKER)
        await http.post("/v1/callbacks", headers=WORKER)

    logged = [vars(one) for one in caplog.records if one.message == "operator API"]
    facts = [tuple(map(one.get, ("key", "act", "result", "callback_id"))) for one in logged]
    assert facts[:3] == facts[3:]
    assert facts[:3] == [
        ("worker", "submit", "done", house.callback.id),
        ("worker", "submit", "UnknownCallbackError", "cb_unknown"),
        ("worker", "open", "MalformedRequestError", None),
    ]


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("POST", "/v1/callbacks", (Act.OPEN, "")),
        ("POST", "/v1/callbacks/cb_1/submitted", (Act.SUBMIT, "cb_1")),
        ("POST", "/v1/callbacks/", None),
        ("POST", "/v1/callbacks/submitted", None),
        ("POST", "/v1/callbacks//submitted", None),
        ("POST", "/v1/callbacks/a/b/submitted", None),
        ("POST", "/v1/callbacks/cb_1/resumed", None),
        ("POST", "/v1/answers", None),
        ("GET", "/v1/callbacks", None),
    ],
)
def test_path_of_workers_handles_only_their_two_calls(
    method: str, path: str, call: tuple[Act, str] | None
) -> None:
    assert find_call({"type": "http", "method": method, "path": path}) == call


def test_path_of_workers_leaves_other_protocols_and_mounts_to_routing() -> None:
    mounted = {"type": "http", "method": "POST", "path": "/v1/callbacks", "root_path": "/x"}

    assert find_call({"type": "lifespan"}) is None
    assert find_call(mounted) is None
