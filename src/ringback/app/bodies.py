"""Builds the encryption of stored bodies."""

from ringback.core.body_encryption import BodyEncryption
from ringback.domain.errors import ConfigurationError
from ringback.domain.link import Keyring
from ringback.settings import Settings
from ringback.temporal.body_cipher import CodecCipher
from ringback.temporal.encoder import Encoder, Use


def build_body_encryption(settings: Settings, encoder: Encoder, keyring: Keyring) -> BodyEncryption:
    """Return the encryption by the codec of the converter of `encoder`.

    It decrypts stored bodies even if the settings encrypt no new ones.

    Raises:
        ConfigurationError: Bodies are to be encrypted, and there is no codec.
    """
    if settings.encrypt_bodies and encoder.converter.payload_codec is None:
        msg = (
            "RINGBACK_ENCRYPT_BODIES: the data converter has no payload codec to encrypt with; set"
            " RINGBACK_DATA_CONVERTER to a data converter that has one"
        )
        raise ConfigurationError(msg)
    cipher = CodecCipher(encoder, use=Use.CHECK)
    return BodyEncryption(cipher, keyring, is_on=settings.encrypt_bodies)
