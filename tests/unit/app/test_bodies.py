"""The setting that encrypts bodies needs a codec."""

import pytest
from temporalio.converter import DataConverter

from ringback.app.edges import build_body_encryption
from ringback.domain.errors import ConfigurationError
from ringback.settings import load_settings
from ringback.temporal.encoder import Encoder
from tests import factories
from tests.encryption import encrypted


def test_bodies_are_not_encrypted_by_default() -> None:
    for converter in (DataConverter.default, encrypted):
        bodies = build_body_encryption(load_settings(), Encoder(converter), factories.keyring())

        assert not bodies.is_on


def test_bodies_are_encrypted_with_a_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_ENCRYPT_BODIES", "1")

    bodies = build_body_encryption(load_settings(), Encoder(encrypted), factories.keyring())

    assert bodies.is_on


def test_converter_without_a_codec_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_ENCRYPT_BODIES", "1")
    encoder = Encoder(DataConverter.default)

    with pytest.raises(ConfigurationError, match="has no payload codec to encrypt with; set"):
        build_body_encryption(load_settings(), encoder, factories.keyring())
