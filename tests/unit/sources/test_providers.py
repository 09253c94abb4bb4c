"""Every row of the table verifies what its provider's documentation says, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.errors import ConfigurationError
from ringback.sources.scheme import Check, Timestamp
from ringback.sources.signature_table import (
    PROVIDERS,
    basic_scheme,
    hmac_scheme,
    token_scheme,
)
from ringback.sources.signatures import Verifier, verify
from ringback.sources.verdict import IncomingRequest, Reason, Refusal, Verified
from tests.unit.sources.signers import SIGNED, certificate, hexed
from tests.unit.sources.vectors import NOW, URL, VECTORS

SECRETS = {
    "text": "wrong one",
    "hex": "00ff",
    "base64": "d3Jvbmc=",
    "whsec": "d3Jvbmc=",
    "whsec-or-text": "d3Jvbmc=",
    "public-key": "",
}
BY_NAME = {
    "discord": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "telnyx": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "sendgrid": VECTORS["sendgrid-1"].secret,
    "wise": VECTORS["wise-1"].secret,
    "kick": VECTORS["wise-1"].secret,
}


def test_every_row_is_tested() -> None:
    assert set(PROVIDERS) == set(SIGNED)
    assert len(PROVIDERS) >= 45


@pytest.mark.parametrize("name", SIGNED)
def test_request_signed_by_the_documentation_verifies(name: str) -> None:
    verdict = SIGNED[name].verify(fetch=lambda _: certificate())

    assert verdict == Verified(0, signed=PROVIDERS[name].is_signed)


@pytest.mark.parametrize("name", SIGNED)
def test_other_secret_is_refused_and_not_repeated(name: str) -> None:
    signed, row = SIGNED[name], PROVIDERS[name]

    secret = BY_NAME.get(name, SECRETS[row.key])

    refusal = signed.verify(secrets=[secret], fetch=lambda _: certificate())

    assert isinstance(refusal, Refusal)
    assert refusal.reason in {Reason.SIGNATURE_MISMATCH, Reason.TOKEN_MISMATCH}
    assert secret not in refusal.message
    assert not any(value[8:40] in refusal.message for value in signed.headers.values() if value[8:])


@pytest.mark.parametrize("name", [name for name in SIGNED if PROVIDERS[name].header])
def test_header_that_is_missing_twice_or_cut_is_refused(name: str) -> None:
    signed = SIGNED[name]
    for header in signed.headers:
        if header in {"Content-Type", "box-signature-primary", "PAYPAL-AUTH-ALGO"}:
            continue
        rest = {key: value for key, value in signed.headers.items() if key != header}
        missing = replace(signed, headers=rest).verify()
        twice = replace(signed, more=((header.lower(), signed.headers[header]),)).verify()
        cut = signed.with_header(header, signed.headers[header][:-1]).verify()

        assert isinstance(missing, Refusal)
        assert missing.reason in {Reason.HEADER_MISSING, Reason.SIGNATURE_MISMATCH}
        assert isinstance(twice, Refusal)
        assert twice.reason is Reason.HEADER_TWICE
        assert header.lower() in twice.message
        assert isinstance(cut, Refusal) or name == "merge"  # its padding is optional


@pytest.mark.parametrize(
    "name", [name for name, row in PROVIDERS.items() if row.timestamp and row.timestamp.tolerance]
)
def test_time_is_limited_both_ways(name: str) -> None:
    signed, timestamp = SIGNED[name], PROVIDERS[name].timestamp
    if name == "linear":
        return  # its body here has no timestamp
    assert timestamp
    assert timestamp.tolerance
    assert isinstance(signed.later(timestamp.tolerance).verify(), Verified)
    assert isinstance(signed.later(1 - timestamp.tolerance).verify(), Verified)
    limit = timestamp.tolerance + 1
    old, ahead = signed.later(limit).verify(), signed.later(-limit).verify()
    assert isinstance(old, Refusal)
    assert isinstance(ahead, Refusal)
    assert old.reason is Reason.TIMESTAMP_TOO_OLD
    assert ahead.reason is Reason.TIMESTAMP_AHEAD


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, row in PROVIDERS.items()
        if "{body}" in row.signed and row.check is not Check.ADYEN
    ],
)
def test_changed_body_is_refused(name: str) -> None:
    signed, row = SIGNED[name], PROVIDERS[name]
    if row.is_signed:
        assert isinstance(replace(signed, body=signed.body + b"\n").verify(), Refusal)


@pytest.mark.parametrize("name", [n for n, row in PROVIDERS.items() if "{url}" in row.signed])
def test_other_url_is_refused(name: str) -> None:
    assert isinstance(replace(SIGNED[name], url=f"{URL}/").verify(), Refusal)


def test_row_says_what_it_does_not_prove() -> None:
    assert all(row.source for row in PROVIDERS.values())
    assert PROVIDERS["github"].not_signed == (
        "the URL",
        "the time of sending",
        "the header X-GitHub-Delivery",
        "the header X-GitHub-Event",
    )
    assert "the body" in PROVIDERS["mailgun"].not_signed
    assert PROVIDERS["hubspot"].not_signed == ()
    assert "no signature" in PROVIDERS["telegram"].not_signed[0]


@pytest.mark.parametrize("secrets", [[], [""], ["good", ""]])
def test_no_or_an_empty_secret_cannot_be_used(secrets: list[str]) -> None:
    for row in PROVIDERS.values():
        with pytest.raises(ConfigurationError, match=f"{row.name}: a secret is"):
            Verifier(row, secrets)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("adyen", "xyz"),
        ("teams", "pa.ss"),
        ("svix", "whsec_*"),
        ("clerk", "é"),
    ],
)
def test_secret_of_another_form_is_named_but_not_repeated(name: str, secret: str) -> None:
    refusal = verify(PROVIDERS[name], [secret], SIGNED[name].request(), NOW)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.SECRET_UNUSABLE
    assert secret not in refusal.message


@pytest.mark.parametrize("name", SIGNED)
def test_secret_that_is_not_unicode_raises_nothing_else(name: str) -> None:
    verdict = verify(PROVIDERS[name], ["\udcff"], SIGNED[name].request(), NOW)

    assert isinstance(verdict, Refusal)


def request(headers: dict[str, str], body: bytes = b"{}") -> IncomingRequest:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return IncomingRequest("POST", URL, pairs, body)


def test_hmac_by_hand() -> None:
    scheme = hmac_scheme(
        "X-Sig",
        digest="sha512",
        signed="{method} {url}\n{header:X-Id}\n{query:a}{timestamp}{body}",
        timestamp=Timestamp("header:X-Time", unit="ms", tolerance=10),
    )
    value = hexed(b"s", f"POST {URL}?a=%2B\nid\n+1795867200000{{}}".encode(), "sha512")
    headers = {"X-Sig": value, "X-Id": "id", "X-Time": "1795867200000"}
    signed = replace(request(headers), public_url=f"{URL}?a=%2B")

    assert isinstance(verify(scheme, ["s"], signed, NOW), Verified)
    assert isinstance(verify(scheme, ["s"], signed, NOW + timedelta(seconds=11)), Refusal)
    assert isinstance(verify(scheme, ["t"], signed, NOW), Refusal)


@pytest.mark.parametrize("signed", ["{bdy}", "{body", "{header}", "{body:x}", "}"])
def test_part_that_does_not_exist_is_named(signed: str) -> None:
    with pytest.raises(ConfigurationError, match="signed: "):
        Verifier(hmac_scheme("X-Sig", signed=signed), ["s"])


def test_token_by_hand() -> None:
    scheme = token_scheme("Authorization", prefix="Bearer ")

    good = request({"authorization": "Bearer s3cret"})
    assert verify(scheme, ["new", "s3cret"], good, NOW) == Verified(1, signed=False)
    assert verify(scheme, ["other"], good, NOW) == Refusal(
        Reason.TOKEN_MISMATCH, "the secret in Authorization is another one"
    )
    assert isinstance(
        verify(scheme, ["s3cret"], request({"authorization": "s3cret"}), NOW), Refusal
    )


def test_basic_by_hand() -> None:
    good = request({"Authorization": "Basic dXNlcjpwYTpzcw=="})

    assert verify(basic_scheme(), ["user:pa:ss"], good, NOW) == Verified(0, signed=False)
    assert isinstance(verify(basic_scheme(), ["user:pass"], good, NOW), Refusal)
