"""The receiver in the how-to accepts signed messages and nothing else."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.webhook import NOTIFIED, makes_unwanted, to_body, to_type
from ringback.notify.webhook import from_secret, sign
from ringback.ports.webhooks import WebhookMessage
from tests import factories

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "webhooks.md"
SECRET = bytes(range(32))
PATH = "/ringback/cancel"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> httpx2.AsyncClient:
    """The how-to's receiver in Python."""
    monkeypatch.setenv("WEBHOOK_SECRET", from_secret(SECRET))
    (code,) = re.findall(r"```python\n(import os.*?)```", HOWTO.read_text(), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(code, scope)  # noqa: S102 - our own page
    transport = httpx2.ASGITransport(app=scope["app"])
    return httpx2.AsyncClient(transport=transport, base_url="http://reviews.example")


def signed(body: bytes) -> dict[str, str]:
    now = datetime.now(UTC)  # noqa: TID251 - the receiver has its own clock
    return sign(WebhookMessage("no_1", "", body), now, [SECRET])


async def test_howto_receiver_accepts_message_and_ignores_its_repetition(
    receiver: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    webhook = factories.webhook()
    body = to_body(webhook)

    replies = [await receiver.post(PATH, content=body, headers=signed(body)) for _ in range(2)]

    assert [reply.status_code for reply in replies] == [204, 204]
    assert capsys.readouterr().out == f"callback.expired {webhook.callback_id}\n"


@pytest.mark.parametrize(
    "changed", [{}, {"webhook-signature": "v1,abc"}, {"webhook-signature": "v1"}]
)
async def test_howto_receiver_rejects_forged_message(
    receiver: httpx2.AsyncClient, changed: dict[str, str]
) -> None:
    body = to_body(factories.webhook())
    headers = {**signed(b"something else"), **changed}

    reply = await receiver.post(PATH, content=body, headers=headers)

    assert reply.status_code == 401


def test_howto_lists_every_message_and_its_receivers() -> None:
    rows = re.findall(
        r"^\| (`callback\.[^|]*) \|[^|]*\| ([^|]*?) ?\| yes \|$", HOWTO.read_text(), re.MULTILINE
    )
    told = {name: to for names, to in rows for name in re.findall(r"`([a-z_.]+)`", names)}

    assert told == {to_type(kind): who_is_told(kind) for kind in NOTIFIED}


def who_is_told(kind: AuditKind) -> str:
    """Return the expected cell of `cancel_url` in the table."""
    if is_told(kind):
        return "yes"
    return "only with `by`" if is_told(kind, by="deadline") else ""


def is_told(kind: AuditKind, **facts: object) -> bool:
    return makes_unwanted(AuditEntry(factories.callback_id(), factories.NOW, kind, facts))
