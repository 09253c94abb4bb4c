"""Signatures with public keys: Ed25519, ECDSA and RSA. Needs `pip install 'ringback[signatures]'`.

Plaid and eBay are left out: their keys come from APIs that need the user's credentials.
"""

from base64 import b64decode, b64encode
from binascii import crc32
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from ringback.domain.errors import ConfigurationError
from ringback.sources.certificates import Certificates
from ringback.sources.pieces import Filled, compile_pieces, find, to_bytes
from ringback.sources.reading import Found, Match
from ringback.sources.scheme import Check, Scheme
from ringback.sources.verdict import Reason, RefusedError

_SIGNED_BY_SNS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}
_SIGNED_BY_SNS["UnsubscribeConfirmation"] = _SIGNED_BY_SNS["SubscriptionConfirmation"]

IsRight = Callable[[bytes, bytes], bool]
"""Whether a signature, the first argument, is one of a message."""


def match_public_keys(scheme: Scheme, secrets: Sequence[str]) -> Match:
    """Return what verifies Ed25519, ECDSA with P-256 and SHA-256, or RSA with SHA-256.

    Raises:
        ConfigurationError: A secret is not a public key of this kind.
    """
    pieces = compile_pieces(scheme.signed)
    checks = [_load(scheme, secret) for secret in secrets]
    decode = _decode_base64 if scheme.encoding == "base64" else _decode_hex

    def match(filled: Filled, found: Found) -> int | None:
        signature = decode(found.signatures[0])
        message = b"".join(piece(filled) for piece in pieces)
        for index, check in enumerate(checks):
            if check(signature, message):
                return index
        return None

    return match


def _load(scheme: Scheme, secret: str) -> IsRight:
    try:
        if scheme.check is Check.ED25519:
            decoded = bytes.fromhex(secret) if scheme.key == "hex" else b64decode(secret)
            return _with_ed25519(Ed25519PublicKey.from_public_bytes(decoded))
        if secret.lstrip().startswith("-----BEGIN"):
            key = load_pem_public_key(to_bytes(secret.strip()))
        else:
            key = load_der_public_key(b64decode(secret))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if scheme.check is Check.RSA and isinstance(key, RSAPublicKey):
        return _with_rsa(key, hashes.SHA256())
    if (
        scheme.check is Check.ECDSA
        and isinstance(key, ec.EllipticCurvePublicKey)
        and isinstance(key.curve, ec.SECP256R1)
    ):
        return _with_ecdsa(key)
    msg = f"{scheme.name}: a secret is not a public key of its kind; set {scheme.paste}"
    raise ConfigurationError(msg)


def _with_ed25519(key: Ed25519PublicKey) -> IsRight:
    def check(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return check


def _with_ecdsa(key: ec.EllipticCurvePublicKey) -> IsRight:
    def check(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    return check


def _with_rsa(key: RSAPublicKey, digest: hashes.HashAlgorithm) -> IsRight:
    def check(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message, padding.PKCS1v15(), digest)
        except InvalidSignature:
            return False
        return True

    return check


def _decode_hex(text: bytes) -> bytes:
    try:
        decoded = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        decoded = b""
    if not decoded or decoded.hex().encode() != text.lower():
        raise RefusedError(Reason.HEADER_UNREADABLE, "the signature is not hex")
    return decoded


def _decode_base64(text: bytes) -> bytes:
    """Decode the one canonical spelling.

    Raises:
        RefusedError: It is another one, or no base 64.
    """
    try:
        decoded = b64decode(text, validate=True)
    except ValueError:
        decoded = b""
    if not decoded or b64encode(decoded) != text:
        raise RefusedError(Reason.HEADER_UNREADABLE, "the signature is not base 64")
    return decoded


def match_paypal(webhook_ids: Sequence[str], certificates: Certificates) -> Match:
    """Return what verifies PayPal, whose secret is the webhook's id and which signs a CRC-32."""
    ids = [to_bytes(one) for one in webhook_ids]

    def match(filled: Filled, found: Found) -> int | None:
        algorithm = filled.headers.get(b"paypal-auth-algo", b"SHA256withRSA")
        if algorithm != b"SHA256withRSA":
            msg = "PAYPAL-AUTH-ALGO names an algorithm other than SHA256withRSA"
            raise RefusedError(Reason.HEADER_UNREADABLE, msg)
        url = filled.header("PAYPAL-CERT-URL")
        sent = filled.header("PAYPAL-TRANSMISSION-ID")
        signature = _decode_base64(found.signatures[0])
        check = _with_rsa(certificates.get(url.decode("latin-1"), filled.now), hashes.SHA256())
        crc = str(crc32(filled.request.body)).encode()
        for index, one in enumerate(ids):
            if check(signature, b"|".join([sent, filled.timestamp, one, crc])):
                return index
        return None

    return match


def match_sns(topics: Sequence[str], certificates: Certificates) -> Match:
    """Return what verifies Amazon SNS, whose secret is the topic's ARN."""

    def match(filled: Filled, found: Found) -> int | None:
        topic = find(filled.json, "TopicArn")
        if topic not in topics:
            return None
        digest = _SNS_DIGESTS.get(str(find(filled.json, "SignatureVersion")))
        if digest is None:
            msg = "the body's SignatureVersion is neither 1 nor 2"
            raise RefusedError(Reason.BODY_UNREADABLE, msg)
        signature = _decode_base64(found.signatures[0])
        message = _sns_message(filled.json)
        url = find(filled.json, "SigningCertURL")
        key = certificates.get(url if isinstance(url, str) else "", filled.now)
        right = _with_rsa(key, digest)(signature, message)
        return [*topics].index(str(topic)) if right else None

    return match


_SNS_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "1": hashes.SHA1(),  # noqa: S303 - the version that Amazon uses unless a topic says 2
    "2": hashes.SHA256(),
}


def _sns_message(body: object) -> bytes:
    names = _SIGNED_BY_SNS.get(str(find(body, "Type")))
    if names is None:
        raise RefusedError(Reason.BODY_UNREADABLE, "the body has a Type that Amazon SNS has not")
    signed = b""
    for name in names:
        value = find(body, name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            raise RefusedError(Reason.BODY_UNREADABLE, f"the body's {name} is not text")
        signed += name.encode() + b"\n" + to_bytes(value) + b"\n"
    return signed
