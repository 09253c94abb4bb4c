"""Certificates come only from the provider's addresses, and seldom."""

import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.errors import ConfigurationError
from ringback.sources.signature_table import PROVIDERS
from ringback.sources.signatures import Verifier
from ringback.sources.verdict import Reason, Refusal, Verified
from tests.unit.sources.signers import (
    EC_KEY,
    PAYPAL,
    RSA_KEY,
    SIGNED,
    SNS_CERTIFICATE,
    TOPIC,
    certificate,
    sns,
)
from tests.unit.sources.vectors import NOW


class Fetched:
    """Remembers what was fetched."""

    def __init__(self, body: bytes | None = None) -> None:
        self.urls: list[str] = []
        self.body = certificate() if body is None else body

    def __call__(self, url: str) -> bytes:
        self.urls.append(url)
        return self.body


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com@evil.example/a.pem",
        "https://sns.us-west-2.amazonaws.com:8443/a.pem",
        "https://sns.us-west-2.amazonaws.com/../a.pem",
        "https://sns.us-west-2.amazonaws.com/a.pem?x",
        "https://sns.us-west-2.amazonaws.com/a.pem\n",
        "https://s3.us-west-2.amazonaws.com/a.pem",
        "https://snsXus-west-2.amazonaws.com/a.pem",
        "HTTPS://sns.us-west-2.amazonaws.com/a.pem",
        "",
        None,
    ],
)
def test_certificate_of_another_address_is_never_fetched(url: str | None) -> None:
    fetched = Fetched()

    refusal = sns(SigningCertURL=url).verify(fetch=fetched)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.ADDRESS_REFUSED
    assert fetched.urls == []


@pytest.mark.parametrize(
    "url",
    [
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/oauth2/certs/CERT-1",
        "https://apiXpaypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../CERT-1",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
    ],
)
def test_paypal_pins_its_hosts(url: str) -> None:
    fetched = Fetched()

    refusal = PAYPAL.with_header("PAYPAL-CERT-URL", url).verify(fetch=fetched)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.ADDRESS_REFUSED
    assert fetched.urls == []


def test_certificate_is_fetched_once() -> None:
    fetched = Fetched()
    verifier = Verifier(PROVIDERS["amazon-sns"], ["arn:other", TOPIC], fetch=fetched)

    for subject in ("one", "two", None):
        request = sns(Subject=subject).request()
        assert verifier.verify(request, NOW) == Verified(secret_index=1, signed=True)

    assert fetched.urls == [SNS_CERTIFICATE]


def test_certificate_that_has_ended_is_fetched_again_and_refused() -> None:
    fetched = Fetched()
    verifier = Verifier(PROVIDERS["amazon-sns"], [TOPIC], fetch=fetched)

    assert isinstance(verifier.verify(sns().request(), NOW), Verified)
    refusal = verifier.verify(sns().request(), NOW + timedelta(days=1, seconds=1))

    assert len(fetched.urls) == 2
    assert refusal == Refusal(Reason.KEY_UNAVAILABLE, "the certificate is not valid at this time")


def test_strangers_cause_few_fetches() -> None:
    fetched = Fetched(b"not a certificate")
    verifier = Verifier(PROVIDERS["amazon-sns"], [TOPIC], fetch=fetched)

    for number in range(50):
        url = f"https://sns.us-west-2.amazonaws.com/{number}.pem"
        refusal = verifier.verify(sns(SigningCertURL=url).request(), NOW)
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.KEY_UNAVAILABLE
        assert refusal.is_temporary
    assert len(fetched.urls) == 10

    fetched.body = certificate()
    later = NOW + timedelta(seconds=61)
    assert isinstance(verifier.verify(sns().request(), later), Verified)


def test_failed_fetch_is_temporary() -> None:
    def fail(_: str) -> bytes:
        raise TimeoutError

    refusal = sns().verify(fetch=fail)

    assert isinstance(refusal, Refusal)
    assert refusal.is_temporary
    assert isinstance(sns().verify(), Refusal)


def test_topic_of_a_stranger_is_refused_before_anything_is_fetched() -> None:
    fetched = Fetched()

    refusal = sns(TopicArn="arn:aws:sns:us-west-2:666:Evil").verify(fetch=fetched)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.SIGNATURE_MISMATCH
    assert fetched.urls == []


def test_sns_signs_with_sha1_in_version_1() -> None:
    fetched = Fetched()

    assert isinstance(sns(SignatureVersion="1").verify(fetch=fetched), Verified)
    claims_two = replace(
        sns(SignatureVersion="1"),
        body=sns(SignatureVersion="1").body.replace(
            b'"SignatureVersion": "1"', b'"SignatureVersion": "2"'
        ),
    )
    assert isinstance(claims_two.verify(fetch=fetched), Refusal)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello", b"HELLO"),
        (b"My First", b"My Second"),
        (b"2012-05-02", b"2012-05-03"),
        (b'"Notification"', b'"UnsubscribeConfirmation"'),
        (b'"Notification"', b'"Other"'),
        (b'"22b80b92', b'"32b80b92'),
    ],
)
def test_every_signed_field_of_sns_counts(old: bytes, new: bytes) -> None:
    changed = replace(sns(), body=sns().body.replace(old, new))

    assert changed != sns()
    assert isinstance(changed.verify(fetch=Fetched()), Refusal)


def test_paypal_signs_only_the_crc_of_the_body() -> None:
    fetched = Fetched()

    assert isinstance(PAYPAL.verify(fetch=fetched), Verified)
    assert isinstance(replace(PAYPAL, body=b'{"id":"WH-2"}').verify(fetch=fetched), Refusal)
    assert isinstance(PAYPAL.verify(secrets=["2JE"], fetch=fetched), Refusal)
    other = PAYPAL.with_header("PAYPAL-AUTH-ALGO", "SHA1withRSA")
    assert isinstance(other.verify(fetch=fetched), Refusal)
    assert any("CRC-32" in one for one in PROVIDERS["paypal"].not_signed)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("discord", "00ff"),
        ("discord", "not hex"),
        ("telnyx", "AAAA"),
        ("sendgrid", RSA_KEY),
        ("sendgrid", "AAAA"),
        ("wise", EC_KEY),
        ("wise", "-----BEGIN PUBLIC KEY-----\n"),
    ],
)
def test_key_of_another_kind_cannot_be_used(name: str, secret: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: a secret is not a public key"):
        Verifier(PROVIDERS[name], [secret])


def test_missing_extra_is_named() -> None:
    code = """
import sys
sys.modules["cryptography"] = None
from ringback.sources.signature_table import PROVIDERS
from ringback.sources.signatures import Verifier
Verifier(PROVIDERS["stripe"], ["s"])
Verifier(PROVIDERS["discord"], ["00"])
"""
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert "discord needs cryptography; run: pip install 'ringback[signatures]'" in ran.stderr


def test_other_spelling_of_the_same_signature_is_refused() -> None:
    signed = SIGNED["telnyx"]
    header = "telnyx-signature-ed25519"
    value = signed.headers[header]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = value[:85] + letters[letters.index(value[85]) ^ 1] + value[86:]

    assert b64decode(other) == b64decode(value)
    assert isinstance(signed.verify(), Verified)
    assert isinstance(signed.with_header(header, other).verify(), Refusal)
