"""The adapters of the how-to complete callbacks, and refuse what is not signed."""

import hashlib
import hmac
import importlib
import json
import re
import time
from pathlib import Path
from types import ModuleType
from urllib.parse import urlencode

import httpx2
import pytest
from temporalio import activity

from ringback import wait_for_callback
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.settings import Settings
from tests.integration.conftest import OpenEnv
from tests.integration.env import FakeService
from tests.integration.workflows import Run

pytestmark = pytest.mark.server

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "adapters.md"


@pytest.fixture
def adapter(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The Python of the how-to, as a module."""
    (code,) = re.findall(r"```python\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)
    (tmp_path / "howto_adapters.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("RINGBACK_URL", settings.base_url)
    monkeypatch.setenv("RINGBACK_API_KEY", "")
    for provider in ("GITHUB", "SLACK"):
        monkeypatch.setenv(f"{provider}_SECRET", "secret")
    return importlib.import_module("howto_adapters")


def signature(text: bytes) -> str:
    return hmac.new(b"secret", text, hashlib.sha256).hexdigest()


async def test_signed_events_complete_the_callback(
    adapter: ModuleType, open_env: OpenEnv, service: FakeService, settings: Settings
) -> None:
    @activity.defn
    async def ask() -> dict[str, str]:
        return await wait_for_callback(service.submit, dict[str, str], tags=["github-42"])

    async with open_env(ask) as env, adapter.ringback:
        key = local_key_path(settings.data, Role.OPERATOR).read_text().strip()
        adapter.ringback.headers["Authorization"] = f"Bearer {key}"
        handle = await env.start(Run("ask"))
        callback = await service.next()
        transport = httpx2.ASGITransport(app=adapter.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://adapter") as http:
            event = {"action": "completed", "workflow_run": {"id": 42, "conclusion": "success"}}
            body = json.dumps(event).encode()
            unsigned = await http.post("/github", content=body)
            signed = await http.post(
                "/github",
                content=body,
                headers={"x-hub-signature-256": f"sha256={signature(body)}"},
            )
            actions = [{"action_id": "approve", "value": callback.id}]
            payload = {"actions": actions, "user": {"id": "U1"}}
            body = urlencode({"payload": json.dumps(payload)}).encode()
            now = str(int(time.time()))  # noqa: TID251 - the adapter has its own clock
            late = await http.post(
                "/slack",
                content=body,
                headers={
                    "x-slack-request-timestamp": now,
                    "x-slack-signature": f"v0={signature(b'v0:' + now.encode() + b':' + body)}",
                },
            )

        assert [unsigned.status_code, signed.status_code, late.status_code] == [401, 204, 204]
        assert await handle.result() == {"conclusion": "success"}
