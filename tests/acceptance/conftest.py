"""Fixtures that build a site for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.app.dev_server import temporal_binary
from ringback.domain.errors import ConfigurationError
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.acceptance.waiting_activities import Env, run_env
from tests.contract.postgresql_server import own_database, server_url
from tests.services import missing


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the server that the environment names, because these tests stop their server."""
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    try:
        temporal_binary()
    except ConfigurationError:
        missing("the program `temporal`", "run `make setup`")


@pytest.fixture
async def store_url(request: pytest.FixtureRequest) -> AsyncIterator[str | None]:
    """The URL of the database; `None` for SQLite, which is the default."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield None
        return
    async with own_database(await server_url()) as url:
        yield url


@pytest.fixture
async def site(
    tmp_path: Path,
    own_server: None,  # noqa: ARG001 - needed
    store_url: str | None,
) -> AsyncIterator[Site]:
    """A site whose own Temporal server the test starts."""
    async with build_site(tmp_path, postgresql=store_url) as built:
        yield built


@pytest.fixture
async def shared_site(
    tmp_path: Path, temporal_address: str, store_url: str | None
) -> AsyncIterator[Site]:
    """A site that uses the running Temporal server of all tests."""
    async with build_site(tmp_path, postgresql=store_url, temporal=temporal_address) as built:
        yield built


@pytest.fixture(scope="module")
async def env(
    tmp_path_factory: pytest.TempPathFactory, temporal_address: str
) -> AsyncIterator[Env]:
    """A site with a gateway and a worker; the tests of one file share it."""
    folder = tmp_path_factory.mktemp("site")
    async with (
        build_site(folder, temporal=temporal_address) as site,
        site.gateway(),
        run_env(site) as env,
    ):
        yield env
