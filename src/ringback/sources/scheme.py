"""The columns of the signature table: how a provider signs its webhooks, as data."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

Digest = Literal["sha1", "sha256", "sha512"]

Encoding = Literal["hex", "hex-any-case", "base64", "base64url"]
"""How a signature is written. `hex` is lowercase, `base64url` may lack its padding."""

KeyForm = Literal["text", "hex", "base64", "whsec", "whsec-or-text", "public-key"]
"""How the secret that a user pastes becomes the key.

`text` is used as it is, also if it looks like something else. `whsec` is base 64 after an optional
`whsec_` or `v1,whsec_`. `whsec-or-text` allows both, since providers changed their mind.
`public-key` is PEM, or DER in base 64.
"""


class Check(Enum):
    """What proves that the provider sent a request."""

    HMAC = "hmac"
    TOKEN = "token"  # noqa: S105 - the secret itself is in the request
    BASIC = "basic"
    JWT = "jwt"
    TWILIO = "twilio"
    ADYEN = "adyen"
    ED25519 = "ed25519"
    ECDSA = "ecdsa-p256"
    RSA = "rsa"
    SNS = "sns"
    PAYPAL = "paypal"


FETCHING: Final = frozenset({Check.SNS, Check.PAYPAL})
"""Checks that fetch a certificate."""

NEEDS_EXTRA: Final = frozenset({Check.ED25519, Check.ECDSA, Check.RSA, Check.SNS, Check.PAYPAL})
"""Checks that need `pip install 'ringback[signatures]'`."""


class Handshake(Enum):
    """How a provider checks that an endpoint belongs to its user; `handshakes` answers."""

    SLACK = "slack"
    META = "meta"
    ZOOM = "zoom"
    X = "x"
    DROPBOX = "dropbox"  # Nylas too
    TWITCH = "twitch"
    GRAPH = "graph"
    OKTA = "okta"
    DISCORD = "discord"
    SNS = "sns"
    ASANA = "asana"
    NOTION = "notion"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Plain:
    """The header is `prefix` and one signature."""

    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Pairs:
    """The header is a list of `name=value`; each value named `member` is a signature.

    Attributes:
        member: The name of a signature.
        delimiter: What separates the pairs; spaces may follow it.
        groups: What separates several whole lists, if a provider sends more than one.
    """

    member: str
    delimiter: str = ","
    groups: str = ""


@dataclass(frozen=True, slots=True)
class Tagged:
    """The header is a list, separated by spaces, of `tag,signature`."""

    tag: str = "v1"


@dataclass(frozen=True, slots=True)
class Bare:
    """The header is a list of signatures.

    Attributes:
        delimiter: What separates them.
        timestamp_first: Whether the first element is the timestamp, called `timestamp` here.
    """

    delimiter: str = ","
    timestamp_first: bool = False


@dataclass(frozen=True, slots=True)
class Numbered:
    """Each of the headers `<header>1` to `<header>100` holds one signature."""


@dataclass(frozen=True, slots=True)
class BodyField:
    """The signature is a field of the JSON body, by its path, such as `signature.signature`."""

    path: str


@dataclass(frozen=True, slots=True)
class Token:
    """The header is `prefix` and a JSON Web Token (HS256).

    Attributes:
        issuer: The claim `iss`; empty if it differs from user to user.
        body_claim: The claim that holds the body's SHA-256 digest.
        url_claim: The claim that holds the URL's, if there is one.
        prefix: What stands before the token.
        digest: How the digests are written.
    """

    issuer: str
    body_claim: str
    url_claim: str = ""
    prefix: str = ""
    digest: Literal["hex", "base64"] = "hex"


Written = Plain | Pairs | Tagged | Bare | Numbered | BodyField | Token

Unit = Literal["s", "ms", "iso"]


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Where the time of sending stands.

    Attributes:
        at: `header:NAME`, `member:NAME` (of the list in the signature's header) or `body:PATH`.
        unit: Seconds or milliseconds since 1970, or ISO 8601 with its offset from UTC.
        tolerance: Seconds by which it may differ from now, into the past and into the future.
            None if the provider knows no limit: the timestamp is only signed.
        required: Whether a request without it is refused.
    """

    at: str
    unit: Unit = "s"
    tolerance: int | None = 300
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How one provider signs.

    Attributes:
        name: What a user writes into the settings.
        title: The provider's name.
        check: What proves the sender.
        header: The header of the signature or the token; of `Numbered`, its beginning.
        more_headers: Other headers that may hold a signature too.
        renamed: How the headers begin, and how they begin instead if a provider renames them.
        written: How the header's value is written.
        digest: The hash function.
        encoding: How a signature is written.
        key: How the secret becomes the key.
        paste: What a user pastes as the secret.
        signed: What is signed, in order. A part in braces is replaced: `{body}`, `{timestamp}`,
            `{url}`, `{method}`, `{form}` (names and values, sorted), `{header:NAME}`,
            `{field:PATH}` of a JSON body, `{input:NAME}` of a form, `{query:NAME}` of the URL,
            `{decodedurl}` (without the percent-encoding of punctuation).
        or_signed: What may be signed instead.
        timestamp: Where the time of sending stands.
        delivery: What names a delivery, `header:NAME` or `body:PATH`; the first that is there.
        unsigned: What else is not signed and therefore must not be trusted.
        handshake: How the provider checks the endpoint.
        retries: How the provider retries, if its documentation says so.
        source: What this row was written after: documentation, or the provider's own SDK.
    """

    name: str
    title: str
    source: str
    check: Check = Check.HMAC
    header: str = ""
    more_headers: tuple[str, ...] = ()
    renamed: tuple[str, str] | None = None
    written: Written = Plain()
    digest: Digest = "sha256"
    encoding: Encoding = "hex"
    key: KeyForm = "text"
    paste: str = "the signing secret"
    signed: str = "{body}"
    or_signed: str = ""
    timestamp: Timestamp | None = None
    delivery: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    handshake: Handshake | None = None
    retries: str | None = None

    @property
    def is_signed(self) -> bool:
        """Whether the request is signed; a token only shows that the sender knows it."""
        return self.check not in {Check.TOKEN, Check.BASIC}

    @property
    def extra_headers(self) -> tuple[str, ...]:
        """The headers that the check of this scheme reads besides."""
        return _EXTRA_HEADERS.get(self.check, ())

    @property
    def not_signed(self) -> tuple[str, ...]:
        """What a verified request does not prove, as words."""
        if not self.is_signed:
            return ("anything: the request carries a shared secret and no signature",)
        own = self.check in _OWN_FORM
        places = [one.partition(":") for one in self.delivery]
        names = [name for place, _, name in places if place == "header"]
        if self.renamed:
            names = [name for name in names if not name.startswith(self.renamed[1])]
        return (
            *([] if own or "{body}" in self.signed else ["the body"]),
            *([] if own or "{url}" in self.signed else ["the URL"]),
            *([] if self.timestamp else ["the time of sending"]),
            *(f"the header {one}" for one in names if f"{{header:{one}}}" not in self.signed),
            *self.unsigned,
        )


_OWN_FORM: Final = frozenset({Check.ADYEN, Check.SNS, Check.PAYPAL, Check.TWILIO})
"""Checks whose rows say themselves which parts are not signed."""
_EXTRA_HEADERS: Final[dict[Check, tuple[str, ...]]] = {
    Check.TWILIO: ("X-Twilio-Webhooks-Signature-Settings", "Content-Type"),
    Check.PAYPAL: ("PAYPAL-CERT-URL", "PAYPAL-AUTH-ALGO"),
}
