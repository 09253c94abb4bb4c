"""Fixtures of the test kit; pytest finds them by itself once Ringback is installed.

Nothing of Ringback is imported until a test asks for one. The fixtures work with pytest-asyncio, in
both of its modes, and with the plugin of anyio.
"""

import types
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.converter import DataConverter

    from ringback.testing import ActivityTestEnvironment, GatewayTestEnvironment


@pytest.fixture
def ringback_data_converter() -> "DataConverter":
    """The data converter of your workers: override it if you have your own."""
    from temporalio.converter import DataConverter  # noqa: PLC0415 - see above

    return DataConverter.default


@pytest.fixture
def ringback_sources() -> Path | str | None:
    """A `ringback.toml` with sources, as its path or its text: override it for `send_event`."""
    return None


async def _ringback_activities(
    ringback_data_converter: "DataConverter", ringback_sources: Path | str | None
) -> "AsyncIterator[ActivityTestEnvironment]":
    """Activities that wait for callbacks, without any server: an `ActivityTestEnvironment`."""
    from ringback.testing import activity_environment  # noqa: PLC0415 - see above

    async with activity_environment(
        data_converter=ringback_data_converter, sources=ringback_sources
    ) as environment:
        yield environment


@pytest.fixture(scope="session")
def ringback_temporal() -> Iterator[str]:
    """The address of a Temporal server: a dev server that all tests of this process share.

    With TEMPORAL_ADDRESS set, it is that one. Override it to start a server in another way.
    """
    from ringback.testing.dev_server import dev_server  # noqa: PLC0415 - see above

    with dev_server() as address:
        yield address


async def _ringback_client(
    ringback_temporal: str, ringback_data_converter: "DataConverter"
) -> "Client":
    """A client of the Temporal server, without `RingbackPlugin`."""
    from ringback.testing.dev_server import connect_when_ready  # noqa: PLC0415 - see above

    return await connect_when_ready(ringback_temporal, ringback_data_converter)


async def _ringback(
    ringback_client: "Client", ringback_sources: Path | str | None
) -> "AsyncIterator[GatewayTestEnvironment]":
    """A gateway with an empty store beside a Temporal server: a `GatewayTestEnvironment`."""
    from ringback.testing import gateway_environment  # noqa: PLC0415 - see above

    async with gateway_environment(ringback_client, sources=ringback_sources) as environment:
        yield environment


ringback_activities = pytest.fixture(_ringback_activities, name="ringback_activities")
ringback_client = pytest.fixture(_ringback_client, name="ringback_client")
ringback = pytest.fixture(_ringback, name="ringback")

_ASYNC: Final = (_ringback_activities, _ringback_client, _ringback)


def _copied(function: Any) -> types.FunctionType:
    return types.FunctionType(function.__code__, function.__globals__, function.__name__)


_FOR_ANYIO: Final[dict[Any, Any]] = {function: _copied(function) for function in _ASYNC}
"""The same functions for tests of anyio, which pytest-asyncio must leave alone."""


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-asyncio run these fixtures in its mode `strict`, too."""
    if config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio  # noqa: PLC0415 - not everybody has it

        for function in _ASYNC:
            pytest_asyncio.fixture(function)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Leave these fixtures to anyio in its tests."""
    is_ours = fixturedef.func in _FOR_ANYIO and "anyio_backend" in request.fixturenames
    if not is_ours or not _is_strict(request.config):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixturedef, "func", _FOR_ANYIO[fixturedef.func])
        return (yield)


def _is_strict(config: pytest.Config) -> bool:
    """Return whether pytest-asyncio leaves async tests to other plugins."""
    if not config.pluginmanager.hasplugin("asyncio"):
        return False
    mode = config.getoption("asyncio_mode") or config.getini("asyncio_mode")
    return str(mode) == "strict"
