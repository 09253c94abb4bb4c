"""Webhook secrets come from the settings or are created once; without any, webhooks are off."""

import logging
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from ringback.app.credentials import load_webhook_secrets, opened_link_sender, opened_sender
from ringback.app.system import SystemClock
from ringback.domain.errors import ConfigurationError
from ringback.notify.webhook import Unsigned, Webhooks, from_secret
from ringback.ports.webhooks import Received, Undeliverable, WebhookMessage
from ringback.settings import Settings
from ringback.testing import ManualClock
from tests.webhook_receiver import listening

ONE, OTHER = from_secret(bytes(32)), from_secret(bytes(range(32)))
POSTGRESQL = SecretStr("postgresql://user@db.example/ringback")


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def test_without_a_secret_one_is_created_next_to_the_store(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)

    first, again = load_webhook_secrets(settings), load_webhook_secrets(settings)

    path = tmp_path / "ringback.webhooks"
    assert first == again
    assert [len(secret) for secret in first] == [32]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_all_secrets_sign_in_their_order(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, webhook_secrets=SecretStr(f"{OTHER}, {ONE}"))

    assert load_webhook_secrets(settings) == [bytes(range(32)), bytes(32)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["", " , ", "whsec_hush", f"{ONE},hush"])
def test_invalid_secrets_are_refused_without_being_shown(tmp_path: Path, given: str) -> None:
    settings = Settings(data=tmp_path, webhook_secrets=SecretStr(given))

    with pytest.raises(ConfigurationError, match="RINGBACK_WEBHOOK_SECRETS: ") as caught:
        load_webhook_secrets(settings)

    assert "hush" not in str(caught.value)


async def test_postgresql_has_no_secret_by_default(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(data=tmp_path, store=POSTGRESQL)

    with caplog.at_level(logging.WARNING):
        async with opened_sender(settings, ManualClock()) as sender:
            assert isinstance(sender, Unsigned)

    assert "no webhook secret is set" in caplog.text


async def test_postgresql_uses_the_secrets_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, store=POSTGRESQL, webhook_secrets=SecretStr(ONE))

    async with opened_sender(settings, ManualClock()) as sender:
        assert isinstance(sender, Webhooks)


def test_settings_do_not_show_secrets(tmp_path: Path) -> None:
    assert ONE not in repr(Settings(data=tmp_path, webhook_secrets=SecretStr(ONE)))


async def test_worker_creates_no_secret_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with opened_link_sender(Settings(data=tmp_path), ManualClock()) as sender:
            assert isinstance(sender, Unsigned)

    assert "no webhook secret for ringback.wait" in caplog.text
    assert files_in(tmp_path) == []


async def test_worker_on_postgresql_has_no_secret_by_default(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, store=POSTGRESQL)

    async with opened_link_sender(settings, ManualClock()) as sender:
        assert isinstance(sender, Unsigned)


async def test_worker_on_postgresql_uses_the_secrets_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, store=POSTGRESQL, webhook_secrets=SecretStr(ONE))

    async with opened_link_sender(settings, ManualClock()) as sender:
        assert isinstance(sender, Webhooks)


async def test_worker_signs_with_the_secret_of_the_gateway_on_its_machine(tmp_path: Path) -> None:
    (secret,) = load_webhook_secrets(Settings(data=tmp_path))
    settings = Settings(data=tmp_path, allow_private_webhooks=True)

    async with (
        listening() as receiver,
        opened_link_sender(settings, SystemClock()) as sender,
    ):
        reception = await sender.send(WebhookMessage("cb_1", receiver.url, b'{"a":1}'))

    (request,) = receiver.got
    assert reception == Received()
    assert Webhook(from_secret(secret)).verify(request.body, dict(request.headers)) == {"a": 1}


async def test_worker_sends_links_to_public_addresses_only_by_default(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, webhook_secrets=SecretStr(ONE))

    async with (
        listening() as receiver,
        opened_link_sender(settings, ManualClock()) as sender,
    ):
        reception = await sender.send(WebhookMessage("cb_1", receiver.url, b"{}"))

    assert isinstance(reception, Undeliverable)
    assert "RINGBACK_ALLOW_PRIVATE_WEBHOOKS" in reception.reason
    assert receiver.got == []
