"""Receivers can verify a message with any library for Standard Webhooks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from ringback.domain.errors import ConfigurationError
from ringback.notify.webhook import from_secret, sign, to_secret
from ringback.ports.webhooks import WebhookMessage

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - from the specification's own tests
AT = datetime(2030, 1, 1, 12, 0, 0, 900_000, tzinfo=UTC)


def message(body: bytes = b'{"test": 2432232314}') -> WebhookMessage:
    return WebhookMessage("msg_p5jXN8AQM9LWM0D4loKWxJek", "https://outside.example", body)


@given(st.text(), st.binary(min_size=24, max_size=64))
def test_signature_equals_that_of_reference_library(text: str, secret: bytes) -> None:
    signed = sign(message(text.encode()), AT, [secret])

    reference = Webhook(from_secret(secret)).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", AT, text)
    assert signed["webhook-signature"] == reference
    assert signed["webhook-timestamp"] == str(int(AT.timestamp()))


def test_each_secret_signs_so_that_secrets_can_be_rotated() -> None:
    new, old = to_secret(SECRET), bytes(24)

    signatures = sign(message(), AT, [new, old])["webhook-signature"]

    alone = [sign(message(), AT, [one])["webhook-signature"] for one in (new, old)]
    assert signatures.split(" ") == alone


@given(st.binary(min_size=24, max_size=64))
def test_secret_is_decoded_as_encoded(secret: bytes) -> None:
    assert to_secret(from_secret(secret)) == secret


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!", "whsec_MfKQ", "whsec_\udcff"],
)
def test_invalid_secret_is_rejected_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a secret is whsec_") as caught:
        to_secret(text)

    assert "MfKQ" not in str(caught.value)


@given(st.text())
def test_to_secret_raises_only_configuration_error(text: str) -> None:
    try:
        secret = to_secret("whsec_" + text)
    except ConfigurationError:
        return
    assert 24 <= len(secret) <= 64
