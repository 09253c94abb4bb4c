"""A site, for each test its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.app.dev_server import temporal_binary
from ringback.domain.errors import ConfigurationError
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.services import missing


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests end their own server: one that the environment names is not theirs."""
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    try:
        temporal_binary()
    except ConfigurationError:
        missing("the program `temporal`", "run `make setup`")


@pytest.fixture
async def site(tmp_path: Path, own_server: None) -> AsyncIterator[Site]:  # noqa: ARG001 - needed
    async with build_site(tmp_path) as built:
        yield built
