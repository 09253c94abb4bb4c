"""Rows of the signature table in few words: what many providers have in common."""

from typing import Final

from ringback.sources.scheme import (
    Digest,
    Encoding,
    Handshake,
    KeyForm,
    Plain,
    Scheme,
    Tagged,
    Timestamp,
)

SPEC: Final = "https://github.com/webhook-co/webhook, packages/webhooks-spec, commit de3aa4e8"
"""A public table of signatures, written after the providers' documentation."""


def body_signed(
    name: str,
    title: str,
    header: str,
    *,
    source: str,
    prefix: str = "",
    digest: Digest = "sha256",
    encoding: Encoding = "hex",
    key: KeyForm = "text",
    paste: str = "the signing secret",
    delivery: tuple[str, ...] = (),
    unsigned: tuple[str, ...] = (),
    handshake: Handshake | None = None,
    retries: str | None = None,
) -> Scheme:
    """Return the scheme of a provider that signs the body and nothing else."""
    return Scheme(
        name=name,
        title=title,
        source=source,
        header=header,
        written=Plain(prefix),
        digest=digest,
        encoding=encoding,
        key=key,
        paste=paste,
        delivery=delivery,
        unsigned=unsigned,
        handshake=handshake,
        retries=retries,
    )


def standard(
    name: str,
    title: str,
    *,
    source: str,
    prefix: str = "webhook",
    key: KeyForm = "whsec",
    paste: str = "the signing secret, with or without whsec_",
    retries: str | None = None,
) -> Scheme:
    """Return the scheme of a provider that follows Standard Webhooks.

    Svix sends its own names of the headers, or those of the standard if its customer wants no
    brand: its libraries accept both.
    """
    renamed = ("svix-", "webhook-") if prefix == "svix" else None
    return Scheme(
        name=name,
        title=title,
        source=source,
        header=f"{prefix}-signature",
        renamed=renamed,
        written=Tagged("v1"),
        encoding="base64",
        key=key,
        paste=paste,
        signed=f"{{header:{prefix}-id}}.{{timestamp}}.{{body}}",
        timestamp=Timestamp(f"header:{prefix}-timestamp"),
        delivery=(f"header:{prefix}-id", "header:webhook-id")[: 2 if renamed else 1],
        retries=retries,
    )
