"""The page of the reference about providers, written from the signature table."""

from collections.abc import Iterator
from typing import Final

from ringback.sources.scheme import (
    NEEDS_EXTRA,
    Bare,
    BodyField,
    Check,
    Numbered,
    Pairs,
    Plain,
    Scheme,
    Tagged,
    Token,
    Written,
)
from ringback.sources.signature_table import PROVIDERS

_HEAD: Final = ("Name", "Provider", "Secret", "Signature", "Signed", "Time", "Not signed")
_NONE: Final = "none"
_KINDS: Final = {
    Check.TOKEN: "the secret itself",
    Check.BASIC: "HTTP Basic",
    Check.JWT: "JSON Web Token, HS256",
    Check.ED25519: "Ed25519",
    Check.ECDSA: "ECDSA P-256, SHA-256",
    Check.RSA: "RSA, SHA-256",
    Check.SNS: "RSA, SHA-1 or SHA-256",
    Check.PAYPAL: "RSA, SHA-256",
}


def text() -> str:
    """Return what the page says after its title."""
    return "\n".join([
        f"Ringback verifies webhooks of these {len(PROVIDERS)} providers. *Signed* is what a"
        " signature covers, in order. *Time* is by how much a timestamp may differ from the"
        " gateway's clock, into the past and into the future; a dash means that the provider"
        " documents no limit. Do not trust what is *not signed*: anyone who has seen one request"
        " can send it again with other values there.",
        "",
        "A name with a star needs `pip install 'ringback[signatures]'`.",
        "",
        "Not supported: Plaid and eBay, whose keys come from an API that needs your credentials;"
        " Dropbox Sign, which signs no part of the body but the event's type and time, and wants a"
        " reply of its own; and Braintree, which sends XML in base64 that rules cannot read.",
        "",
        "## The table",
        "",
        *_table(_HEAD, (_row(scheme) for scheme in PROVIDERS.values())),
        "",
        "## Deliveries, handshakes, sources",
        "",
        "A delivery is recognized by *Delivery*. Ringback compares the body as well, because a"
        " header often is not signed. *Retries* is what a provider documents, where its"
        " documentation was read. *Handshake* marks providers that check the endpoint before they"
        " send events. *Source* is what the row was written after.",
        "",
        *_table(
            ("Name", "Delivery", "Retries", "Handshake", "Source"),
            (_more(scheme) for scheme in PROVIDERS.values()),
        ),
        "",
    ])


def _row(scheme: Scheme) -> list[str]:
    star = "*" if scheme.check in NEEDS_EXTRA else ""
    limit = scheme.timestamp.tolerance if scheme.timestamp else None
    return [
        f"`{scheme.name}`{star}",
        scheme.title,
        scheme.paste,
        _signature(scheme),
        _signed(scheme) if scheme.is_signed else "nothing",
        _NONE if limit is None else f"{limit} s",
        "; ".join(scheme.not_signed) or _NONE,
    ]


def _signed(scheme: Scheme) -> str:
    return f"`{scheme.signed}`" + (f" or `{scheme.or_signed}`" if scheme.or_signed else "")


def _signature(scheme: Scheme) -> str:
    digest = f"HMAC-{scheme.digest.upper().replace('SHA', 'SHA-')}"
    kind = _KINDS.get(scheme.check, digest)
    encoding = "" if not scheme.is_signed else f", {scheme.encoding}"
    return f"{_place(scheme, scheme.written)}: {kind}{encoding}"


def _place(scheme: Scheme, written: Written) -> str:
    match written:
        case BodyField(path):
            return f"`{path}` in the body"
        case Numbered():
            return f"`{scheme.header}1` to `100`"
        case Pairs(member, delimiter):
            return f"`{scheme.header}`, each `{member}=` in a list with `{delimiter}`"
        case Tagged(tag):
            other = scheme.header.replace(*scheme.renamed) if scheme.renamed else ""
            header = f"`{scheme.header}`" + (f" or `{other}`" if other else "")
            return f"{header}, each `{tag},` in a list with spaces"
        case Bare(delimiter, timestamp_first):
            first = ", after the timestamp" if timestamp_first else ""
            return f"`{scheme.header}`, a list with `{delimiter}`{first}"
        case Plain(prefix) | Token(prefix=prefix):
            names = " or ".join(f"`{name}`" for name in (scheme.header, *scheme.more_headers))
            return f"{names}, after `{prefix.strip()}`" if prefix else names


def _more(scheme: Scheme) -> list[str]:
    places = [one.partition(":") for one in scheme.delivery]
    return [
        f"`{scheme.name}`",
        ", ".join(f"{place} `{name}`" for place, _, name in places) or _NONE,
        scheme.retries or "",
        "yes" if scheme.handshake else _NONE,
        scheme.source,
    ]


def _table(head: tuple[str, ...], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---'] * len(head))} |"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
