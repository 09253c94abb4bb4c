"""Access to every route with every role."""

import logging
from datetime import timedelta
from typing import cast

import pytest

import ringback
from ringback.core.api_auth import CACHED_FOR, MOST_CACHED, Authorizer
from ringback.core.hooks import Hooks
from ringback.domain.api_key import Act, ApiKey, KeyId, Role, to_text
from ringback.domain.errors import UnknownKeyError
from ringback.ports.access import ApiKeys
from ringback.store.database import Database
from ringback.store.sql_store import SqlStore
from tests.unit.gateway.house import PROBLEM, House, key_of, opened_house

ROUTES = {
    ("GET", "/v1/whoami"): Act.IDENTIFY,
    ("POST", "/v1/callbacks"): Act.OPEN,
    ("GET", "/v1/callbacks"): Act.VIEW,
    ("GET", "/v1/callbacks/{id}"): Act.VIEW,
    ("GET", "/v1/callbacks/{id}/audit"): Act.VIEW,
    ("POST", "/v1/callbacks/{id}/complete"): Act.ANSWER,
    ("POST", "/v1/callbacks/{id}/check"): Act.ANSWER,
    ("POST", "/v1/callbacks/{id}/fail"): Act.ANSWER,
    ("POST", "/v1/callbacks/{id}/cancel"): Act.ANSWER,
    ("POST", "/v1/callbacks/{id}/heartbeat"): Act.HEARTBEAT,
    ("POST", "/v1/callbacks/{id}/extend"): Act.EXTEND,
    ("POST", "/v1/callbacks/{id}/revoke"): Act.REVOKE,
    ("POST", "/v1/callbacks/{id}/redeliver"): Act.REDELIVER,
    ("POST", "/v1/callbacks/{id}/give-up"): Act.GIVE_UP,
    ("POST", "/v1/callbacks/{id}/link"): Act.LINK,
    ("GET", "/v1/callbacks/{id}/votes"): Act.VIEW,
    ("GET", "/v1/inbox"): Act.VIEW,
    ("POST", "/v1/callbacks/{id}/votes"): Act.VOTE,
    ("DELETE", "/v1/callbacks/{id}/votes/{user}"): Act.VOTE,
    ("POST", "/v1/callbacks/{id}/claim"): Act.ASSIGN,
    ("POST", "/v1/callbacks/{id}/release"): Act.ASSIGN,
    ("POST", "/v1/callbacks/{id}/reassign"): Act.ASSIGN,
    ("POST", "/v1/callbacks/{id}/details"): Act.CHANGE_DETAILS,
    ("POST", "/v1/callbacks/{id}/submitted"): Act.SUBMIT,
    ("POST", "/v1/callbacks/{id}/resumed"): Act.SUBMIT,
    ("POST", "/v1/callbacks/{id}/polled"): Act.SUBMIT,
    ("PUT", "/v1/callbacks/{id}/aliases/{alias}"): Act.CHANGE_ALIASES,
    ("DELETE", "/v1/callbacks/{id}/aliases/{alias}"): Act.CHANGE_ALIASES,
    ("GET", "/v1/aliases/{alias}"): Act.VIEW,
    ("GET", "/v1/summary"): Act.VIEW,
    ("GET", "/v1/sources"): Act.VIEW,
    ("GET", "/v1/sources/{source}/refused"): Act.VIEW,
    ("POST", "/v1/sources/{source}/test"): Act.EVENTS,
    ("GET", "/v1/events"): Act.VIEW,
    ("GET", "/v1/events/{event}"): Act.EVENTS,
    ("POST", "/v1/events/{event}/replay"): Act.EVENTS,
    ("POST", "/v1/aliases/{alias}/complete"): Act.ANSWER,
    ("POST", "/v1/aliases/{alias}/fail"): Act.ANSWER,
    ("POST", "/v1/aliases/{alias}/cancel"): Act.ANSWER,
    ("POST", "/v1/aliases/{alias}/heartbeat"): Act.HEARTBEAT,
    ("POST", "/v1/answers"): Act.ANSWER,
    ("POST", "/v1/sign-in-urls"): Act.SIGN_IN,
    ("GET", "/v1/sessions"): Act.SESSIONS,
    ("DELETE", "/v1/sessions"): Act.SESSIONS,
    ("DELETE", "/v1/sessions/{id}"): Act.SESSIONS,
    ("POST", "/v1/notifications/test"): Act.NOTIFY,
    ("GET", "/v1/ended"): Act.PURGE,
    ("POST", "/v1/purge"): Act.PURGE,
}
PARAMETERS = {
    "id": "cb_unknown",
    "user": "ada",
    "alias": "a:1",
    "event": "ev_unknown",
    "source": "ci",
}
MAY = {
    Role.WORKER: {
        *(Act.IDENTIFY, Act.OPEN, Act.SUBMIT, Act.CHANGE_DETAILS),
        Act.CHANGE_ALIASES,
    },
    Role.OPERATOR: {
        Act.IDENTIFY,
        Act.VIEW,
        Act.ANSWER,
        Act.HEARTBEAT,
        Act.EXTEND,
        Act.REVOKE,
        Act.REDELIVER,
        Act.GIVE_UP,
        Act.LINK,
        Act.VOTE,
        Act.ASSIGN,
        Act.CHANGE_ALIASES,
        Act.CHANGE_DETAILS,
        Act.SIGN_IN,
        Act.SESSIONS,
        Act.NOTIFY,
        Act.EVENTS,
        Act.PURGE,
    },
    Role.VIEWER: {Act.IDENTIFY, Act.VIEW},
}
every_route = pytest.mark.parametrize("route", list(ROUTES), ids=" ".join)


async def test_table_has_every_route(house: House) -> None:
    document = (await house.http.get("/openapi.json")).json()

    described = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if path.startswith("/v1")
    }

    assert described == set(ROUTES)


@every_route
@pytest.mark.parametrize("role", list(Role))
async def test_role_allows_only_its_own_routes(
    house: House, route: tuple[str, str], role: Role
) -> None:
    method, path = route

    reply = await house.call(role, method, path.format(**PARAMETERS))

    is_let_in = reply.status_code not in {401, 403}
    assert is_let_in is (ROUTES[route] in MAY[role])
    assert is_let_in or reply.status_code == 403
    assert is_let_in or reply.headers["content-type"] == PROBLEM


@every_route
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Basic cmJrOng="},
        {"authorization": f"Bearer {to_text(KeyId('operator'), 'guessed')}"},
        {"authorization": f"Bearer {to_text(KeyId('nobody'), 'guessed')}"},
        {"authorization": "Bearer rbk_operator_"},
        {"authorization": "Bearer \xff\xfe"},
        {"authorization": "Bearer " + "x" * 5000},
    ],
)
async def test_request_without_a_valid_key_returns_401(
    house: House, route: tuple[str, str], header: dict[str, str]
) -> None:
    method, path = route
    raw = [(name.encode(), value.encode("latin-1")) for name, value in header.items()]

    reply = await house.http.request(
        method,
        path.format(**PARAMETERS),
        headers=raw,
        content=b"{not read",
    )

    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="ringback"'
    assert reply.json()["type"] == "urn:ringback:unknown-key"


async def test_revoked_key_is_refused_within_seconds(house: House) -> None:
    assert (await house.get("/v1/callbacks")).status_code == 200
    await house.store.revoke_key(KeyId("operator"))
    house.clock.advance(CACHED_FOR)

    reply = await house.get("/v1/callbacks")

    assert reply.status_code == 401
    assert timedelta(seconds=10) >= CACHED_FOR


class RefusedKeys(Hooks):
    """Records the results of refused keys."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def key_refused(self, result: str) -> None:
        self.results.append(result)


async def test_only_who_has_the_secret_of_a_revoked_key_is_told_that_it_is_revoked(
    house: House,
) -> None:
    await house.store.revoke_key(KeyId("operator"))
    refused = RefusedKeys()
    authorizer = Authorizer(house.store, clock=house.clock, hooks=refused)

    for text in (key_of(Role.OPERATOR), "rbk_operator_guessed", "rbk_nobody_guessed"):
        with pytest.raises(UnknownKeyError) as raised:
            await authorizer.authorize(text, Act.VIEW)
        assert ("revoked" in str(raised.value)) == (text == key_of(Role.OPERATOR))

    assert refused.results == ["revoked", "unknown", "unknown"]
    assert [(one.key.id, one.count) for one in authorizer.revoked_uses] == [("operator", 1)]


async def test_use_of_a_revoked_key_is_logged_once_until_it_was_quiet_for_an_hour(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.store.revoke_key(KeyId("operator"))

    for pause in (0, 1800, 1800, 3600):
        house.clock.advance(timedelta(seconds=pause))
        await house.get("/v1/callbacks")

    logged = [vars(one) for one in caplog.records if one.message == "revoked API key used"]
    assert [(one["key"], one["role"]) for one in logged] == [("operator", "operator")] * 2
    assert key_of(Role.OPERATOR) not in caplog.text


class StoreThatCounts(SqlStore):
    """Records the keys that are read."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.looked_up: list[KeyId] = []

    async def find_key(self, key_id: KeyId) -> ApiKey | None:
        self.looked_up.append(key_id)
        return await super().find_key(key_id)


async def test_key_is_read_once_per_cache_period() -> None:
    async with opened_house(StoreThatCounts) as house:
        assert isinstance(house.store, StoreThatCounts)

        for _ in range(5):
            await house.get("/v1/callbacks")
        house.clock.advance(CACHED_FOR)
        await house.get("/v1/callbacks")

        assert house.store.looked_up == ["operator", "operator"]


async def test_key_check_returns_503_while_the_store_is_unavailable(house: House) -> None:
    house.database.is_available = False

    reply = await house.get("/v1/callbacks")

    assert reply.status_code == 503


async def test_guesses_do_not_fill_the_memory(house: House) -> None:
    authorizing = Authorizer(house.store, clock=house.clock)
    remembered = 0

    for number in range(3 * MOST_CACHED):
        house.clock.advance(timedelta(milliseconds=10))
        with pytest.raises(UnknownKeyError):
            await authorizing.authorize(to_text(KeyId(f"k{number}"), "guessed"), Act.VIEW)
        remembered = max(remembered, authorizing.cached_keys)

    assert 0 < remembered <= MOST_CACHED


class CountingKeys:
    """Keys that do not exist, and how often they were looked up."""

    def __init__(self) -> None:
        self.lookups = 0

    async def find_key(self, key_id: KeyId) -> None:  # noqa: ARG002 - there is none
        self.lookups += 1


async def test_key_that_does_not_exist_is_looked_up_once_in_a_while(house: House) -> None:
    keys = CountingKeys()
    authorizing = Authorizer(cast("ApiKeys", keys), clock=house.clock)

    for seconds in (0, 1, 5):
        house.clock.advance(timedelta(seconds=seconds))
        with pytest.raises(UnknownKeyError):
            await authorizing.authorize(to_text(KeyId("kguess"), "guessed"), Act.VIEW)

    assert keys.lookups == 2


async def test_client_with_a_key_gets_404_that_names_the_callback(house: House) -> None:
    unknown = await house.get("/v1/callbacks/cb_unknown")
    no_id = await house.get("/v1/callbacks/%00")
    no_route = await house.get("/v1/nothing")
    no_method = await house.call(Role.OPERATOR, "DELETE", "/v1/callbacks")

    assert "there is no callback cb_unknown" in unknown.json()["detail"]
    assert [one.status_code for one in (unknown, no_id, no_route)] == [404, 404, 404]
    assert no_method.status_code == 405
    assert {one.headers["content-type"] for one in (unknown, no_id, no_route, no_method)} == {
        PROBLEM
    }


async def test_changes_are_logged_with_key_callback_and_result(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    callback = await house.asked()

    with caplog.at_level(logging.INFO, "ringback.gateway.api.access"):
        await house.post(f"/v1/callbacks/{callback.id}/revoke")
        await house.post("/v1/callbacks/cb_unknown/revoke")
        await house.post("/v1/callbacks/forged%20line/revoke")
        await house.get("/v1/callbacks")

    logged = [vars(one) for one in caplog.records]
    assert [(one["key"], one["act"]) for one in logged] == [("operator", "revoke")] * 3
    assert [(one["callback_id"], one["result"]) for one in logged] == [
        (callback.id, "done"),
        ("cb_unknown", "UnknownCallbackError"),
        (None, "UnknownCallbackError"),
    ]


async def test_api_key_is_not_a_link(house: House) -> None:
    reply = await house.http.post(f"/c/{key_of(Role.OPERATOR)}", json=1)

    assert reply.status_code == 404


@pytest.mark.parametrize("role", list(Role))
async def test_whoami_returns_the_key_and_the_gateway(house: House, role: Role) -> None:
    reply = await house.get("/v1/whoami", role)

    assert reply.json() == {
        "key": role.value,
        "name": role.value,
        "role": role.value,
        "version": ringback.__version__,
        "namespace": "default",
    }
