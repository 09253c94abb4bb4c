"""Signed webhooks report what happens to an activity on the real server."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook
from temporalio import activity
from temporalio.client import WorkflowFailureError

from ringback import wait_for_callback
from ringback.app.credentials import load_webhook_secrets
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.domain.audit import AuditKind
from ringback.notify.webhook import from_secret
from ringback.settings import Settings
from tests.integration.conftest import OpenEnv
from tests.integration.env import Env, FakeService, settings_in
from tests.integration.facts.env import until
from tests.integration.facts.operator_actions import pause, unpause
from tests.integration.operated_workflow import Workflow
from tests.integration.workflows import Run
from tests.webhook_receiver import Receiver, listening

pytestmark = pytest.mark.server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, allow_private_webhooks=True)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as receiver:
        yield receiver


def asking(service: FakeService, **options: Any) -> Callable[..., Any]:
    @activity.defn(name="ask")
    async def ask() -> Any:
        return await wait_for_callback(service.submit, object, **options)

    return ask


async def next_message(receiver: Receiver, settings: Settings) -> Any:
    """Return the next message that came, once its signature was verified as a receiver does it."""
    request = await receiver.next()
    (secret,) = load_webhook_secrets(settings)
    return Webhook(from_secret(secret)).verify(request.body, dict(request.headers))


async def test_cancel_url_is_notified_of_a_terminated_workflow(
    open_env: OpenEnv, service: FakeService, settings: Settings, receiver: Receiver
) -> None:
    async with open_env(asking(service, cancel_url=receiver.url)) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()

        await handle.terminate()

        message = await next_message(receiver, settings)
        assert message["type"] == "callback.expired"
        assert message["data"]["callback"] == callback.id
        assert message["data"]["state"] == "expired"
        assert "terminated" in message["data"]["reason"]


async def test_cancel_url_is_notified_of_a_request_to_cancel(
    open_env: OpenEnv, service: FakeService, settings: Settings, receiver: Receiver
) -> None:
    async with open_env(asking(service, cancel_url=receiver.url)) as env:
        handle = await env.start(Run("ask", heartbeat=20))
        callback = await service.next()

        await handle.cancel()

        message = await next_message(receiver, settings)
        assert message["type"] == "callback.cancel_requested"
        assert message["data"]["callback"] == callback.id
        reply = await env.answer(callback, verb="/cancel")
        assert reply.status_code == 200
        with pytest.raises(WorkflowFailureError):
            await handle.result()


async def test_notify_url_is_notified_of_a_pause_and_of_the_delivery(
    open_env: OpenEnv, service: FakeService, settings: Settings, receiver: Receiver
) -> None:
    async with open_env(asking(service, notify_url=receiver.url)) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        workflow = Workflow(env.client, handle)

        await pause(workflow)
        types = [(await next_message(receiver, settings))["type"]]
        await unpause(workflow)
        types.append((await next_message(receiver, settings))["type"])
        await env.answer(callback)
        last = [await next_message(receiver, settings) for _ in range(2)]

        assert types == ["callback.paused", "callback.unpaused"]
        assert {message["type"] for message in last} == {"callback.accepted", "callback.applied"}
        assert "the answer" not in str(last)


async def test_cancel_url_is_notified_of_a_passed_deadline(
    open_env: OpenEnv, service: FakeService, settings: Settings, receiver: Receiver
) -> None:
    options = {"deadline": timedelta(seconds=1), "on_deadline": "nobody"}
    async with open_env(asking(service, cancel_url=receiver.url, **options)) as env:
        handle = await env.start(Run("ask"))

        message = await next_message(receiver, settings)

        assert message["type"] == "callback.accepted"
        assert message["data"]["by"] == "deadline"
        assert await handle.result() == "nobody"


async def entries_of(env: Env, callback_id: Any) -> Any:
    async with opened_store(env.settings, SystemClock()) as store:
        return await store.audit_trail(callback_id)


class TestPrivateAddressesForbidden:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return settings_in(tmp_path)

    async def test_private_address_is_not_notified_and_the_entries_say_why(
        self, open_env: OpenEnv, service: FakeService, receiver: Receiver
    ) -> None:
        async with open_env(asking(service, cancel_url=receiver.url)) as env:
            handle = await env.start(Run("ask"))
            callback = await service.next()
            await handle.terminate()

            entries = await until(
                lambda: entries_of(env, callback.id),
                lambda seen: seen[-1].kind is AuditKind.WEBHOOK_FAILED,
            )

        assert "the address is not public" in entries[-1].facts["reason"]
        assert "hush" not in str(entries)
        assert receiver.got == []
