"""The signature table: every provider by its name, and schemes that users describe themselves."""

from typing import Final

from ringback.sources.common_schemes import standard
from ringback.sources.rows_business import BUSINESS
from ringback.sources.rows_developers import DEVELOPERS
from ringback.sources.rows_messages import MESSAGES
from ringback.sources.rows_payments import PAYMENTS
from ringback.sources.scheme import (
    Check,
    Digest,
    Encoding,
    KeyForm,
    Plain,
    Scheme,
    Timestamp,
    Written,
)

STANDARD_WEBHOOKS: Final = standard(
    "standard-webhooks",
    "Standard Webhooks",
    source="https://www.standardwebhooks.com, standardwebhooks 1.1.0",
)

PROVIDERS: Final[dict[str, Scheme]] = {
    one.name: one
    for one in sorted(
        (STANDARD_WEBHOOKS, *PAYMENTS, *DEVELOPERS, *MESSAGES, *BUSINESS), key=lambda one: one.name
    )
}
"""Every row by the name that a user writes into the settings."""

_BY_HAND: Final = "the settings of this source"


def hmac_scheme(
    header: str,
    *,
    written: Written | None = None,
    digest: Digest = "sha256",
    encoding: Encoding = "hex",
    key: KeyForm = "text",
    signed: str = "{body}",
    timestamp: Timestamp | None = None,
    delivery: tuple[str, ...] = (),
) -> Scheme:
    """Return a scheme for a provider that is not in the table; `Scheme` explains the fields."""
    return Scheme(
        name="hmac",
        title="HMAC",
        source=_BY_HAND,
        header=header,
        written=written or Plain(),
        digest=digest,
        encoding=encoding,
        key=key,
        signed=signed,
        timestamp=timestamp,
        delivery=delivery,
    )


def token_scheme(header: str, *, prefix: str = "", delivery: tuple[str, ...] = ()) -> Scheme:
    """Return a scheme for a sender that puts the secret into `header`, such as `Bearer SECRET`."""
    return Scheme(
        name="token",
        title="Shared secret",
        source=_BY_HAND,
        check=Check.TOKEN,
        header=header,
        written=Plain(prefix),
        paste="the shared secret",
        delivery=delivery,
    )


def basic_scheme(*, delivery: tuple[str, ...] = ()) -> Scheme:
    """Return a scheme for a sender with a user name and a password (HTTP Basic)."""
    return Scheme(
        name="basic",
        title="HTTP Basic",
        source=_BY_HAND,
        check=Check.BASIC,
        header="Authorization",
        written=Plain("Basic "),
        paste="user:password",
        delivery=delivery,
    )
