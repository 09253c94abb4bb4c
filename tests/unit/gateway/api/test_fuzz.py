"""Any request gets a reply that OpenAPI describes, and never a 500."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ringback.app.web import bound_socket, served
from ringback.domain.api_key import ALLOWED, Act, Role
from tests import factories
from tests.contract.events import delivery, event
from tests.unit.gateway.api.test_access import ROUTES
from tests.unit.gateway.house import House, key_of, opened_house
from tests.unit.gateway.sources import sources_of

T = TypeVar("T")

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
BY_LINK: Final = [
    ("POST", "/c/{link}"),
    ("GET", "/c/{link}"),
    ("POST", "/c/{link}/complete"),
    ("POST", "/c/{link}/fail"),
    ("POST", "/c/{link}/cancel"),
    ("POST", "/c/{link}/heartbeat"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/readyz"),
]
PICKY: Final = [
    ("POST", "/v1/callbacks"),
    ("GET", "/v1/callbacks"),
    ("POST", "/v1/callbacks/{id}/fail"),
    ("POST", "/v1/callbacks/{id}/extend"),
    ("POST", "/v1/callbacks/{id}/give-up"),
    ("POST", "/v1/callbacks/{id}/link"),
    ("POST", "/v1/answers"),
    ("POST", "/v1/sources/{source}/test"),
    ("POST", "/c/{link}/fail"),
]
"""Those that do not take any JSON there is."""


@dataclass
class Served:
    """A house on a port, in a thread with a loop of its own."""

    house: House
    url: str
    document: dict[str, Any]
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` where the house is."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def path_parameters(self) -> dict[str, str]:
        """Return what names a callback that waits."""
        alias = f"order:{factories.callback_id()}"
        callback = self.run(self.house.asked(deadline=timedelta(hours=1), aliases=(alias,)))
        return {
            "alias": alias,
            "event": self.run(self.ignored_event()),
            "source": "ci",
            "id": callback.id,
            "user": "ada",
            "link": self.house.keyring.sign(factories.link(to=callback.id)),
        }

    async def ignored_event(self) -> str:
        """Return the id of an event that may be replayed."""
        received = delivery(event(None), key=factories.event_id())
        await self.house.store.store_deliveries([received])
        return received.id


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    ready: Future[Served] = Future()
    folder = tmp_path_factory.mktemp("sources")
    stop = asyncio.Event()

    async def serve() -> None:
        listening = bound_socket("127.0.0.1", 0)
        async with (
            opened_house(sources=sources_of(folder)) as house,
            served(house.app, listening),
        ):
            document = (await house.http.get("/openapi.json")).json()
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            ready.set_result(Served(house, url, document, asyncio.get_running_loop()))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    found = ready.result(30)
    yield found
    found.loop.call_soon_threadsafe(stop.set)
    thread.join(30)


@pytest.mark.parametrize("route", [*ROUTES, *BY_LINK], ids=" ".join)
def test_every_reply_is_described(place: Served, route: tuple[str, str]) -> None:
    attack(place, route, GenerationMode.POSITIVE)


@pytest.mark.parametrize("route", PICKY, ids=" ".join)
def test_every_reply_to_nonsense_is_described(place: Served, route: tuple[str, str]) -> None:
    attack(place, route, GenerationMode.NEGATIVE)


def attack(place: Served, route: tuple[str, str], mode: GenerationMode) -> None:
    """Send what the schema allows, or what it does not, and hold the replies against it."""
    method, path = route
    operation = schemathesis.openapi.from_dict(place.document)[path][method]

    @given(case=operation.as_strategy(generation_mode=mode), is_there=st.booleans())
    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case[Any], is_there: bool) -> None:  # noqa: FBT001 - given's
        if is_there:
            known = place.path_parameters()
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
        response = case.call(base_url=place.url, headers=_key_for(ROUTES.get(route)))
        case.validate_response(response, checks=CHECKS)

    check()


def _key_for(act: Act | None) -> dict[str, str]:
    if act is None:
        return {}
    role = next(role for role in Role if act in ALLOWED[role])
    return {"authorization": f"Bearer {key_of(role)}"}
