"""The completion client connects by the SDK's own configuration."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ringback import AsyncCompletionClient, ConfigurationError, TemporalUnreachableError
from ringback.completion.refs import Target
from tests.integration.completion.verbs import ids, token
from tests.integration.facts.env import Env

pytestmark = pytest.mark.server


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Writes `temporal.toml`; no variable says where the server is."""
    file = tmp_path / "temporal.toml"
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    return file.write_text


async def test_client_connects_by_a_variable(
    env: Env,
    configure: Callable[[str], int],
    temporal_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure("")
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    question, attempt = await env.ask()

    completion = await AsyncCompletionClient.connect()
    await completion.complete(ids(attempt), "connected")

    assert await question.result() == "connected"


async def test_client_connects_by_the_file(
    env: Env, configure: Callable[[str], int], temporal_address: str
) -> None:
    configure(f'[profile.default]\naddress = "{temporal_address}"\n')
    question, attempt = await env.ask()

    completion = await AsyncCompletionClient.connect()
    await completion.complete(token(attempt), "connected")

    assert await question.result() == "connected"


async def test_server_that_does_not_reply_is_reported(configure: Callable[[str], int]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        configure(f'[profile.default]\naddress = "{address}"\n')

        with pytest.raises(TemporalUnreachableError, match=f"does not reply at {address}"):
            await AsyncCompletionClient.connect()


async def test_broken_configuration_is_reported(configure: Callable[[str], int]) -> None:
    configure("[profile")

    with pytest.raises(ConfigurationError, match="configuration of the connection"):
        await AsyncCompletionClient.connect()


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_token_may_be_any_kind_of_bytes(
    env: Env, completion: AsyncCompletionClient, kind: Callable[[bytes], Target]
) -> None:
    question, attempt = await env.ask()

    await completion.heartbeat(kind(token(attempt)), "begun")
    await completion.complete(kind(token(attempt)), "done")

    assert await question.result() == "done"
