"""Requests that providers published verify, and what they say is exact."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import datetime
from typing import Final

import pytest
from slack_sdk.signature import Clock, SignatureVerifier
from standardwebhooks.webhooks import Webhook

from ringback.sources.signature_table import PROVIDERS
from ringback.sources.signatures import delivery_key
from ringback.sources.verdict import Reason, Refusal, Verified
from tests.unit.sources.signers import (
    BIRD,
    BODY,
    ED_KEY,
    RSA_KEY,
    SIGNED,
    WHSEC,
    adyen,
    adyen_item,
    b64,
    hexed,
    jwt,
)
from tests.unit.sources.vectors import NOW, VECTORS, Signed

WRONG: Final = {
    # The wrong key of SendGrid's own tests.
    "sendgrid": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJC"
    "WHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==",
    "wise": RSA_KEY,
    "kick": RSA_KEY,
    "discord": ED_KEY.hex(),
    "telnyx": b64encode(ED_KEY).decode(),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_published_vector_verifies(vector: Signed) -> None:
    assert vector.verify() == Verified(secret_index=0, signed=True)
    others = [WRONG.get(vector.name, "00ff"), vector.secret]
    assert vector.verify(secrets=others) == Verified(secret_index=1, signed=True)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_another_secret_is_refused(vector: Signed) -> None:
    refusal = vector.verify(secrets=[WRONG.get(vector.name, "00ff")])

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.SIGNATURE_MISMATCH
    assert "these two look the same" in refusal.message


@pytest.mark.parametrize("name", ["sw-1", "stripe-1", "gitlab-1", "hubspot-1"])
def test_time_is_limited_both_ways(name: str) -> None:
    vector = VECTORS[name]

    assert isinstance(vector.later(1).verify(), Verified)
    assert isinstance(vector.later(-1).verify(), Verified)
    assert isinstance(vector.later(300).verify(), Verified)
    assert isinstance(vector.later(-300).verify(), Verified)
    assert vector.later(412).verify() == Refusal(
        Reason.TIMESTAMP_TOO_OLD, "the timestamp is 412 s old; the limit is 300 s"
    )
    assert vector.later(-380).verify() == Refusal(
        Reason.TIMESTAMP_AHEAD,
        "the timestamp is 380 s ahead of this machine's clock; the limit is 300 s",
    )
    assert isinstance(vector.later(301).verify(), Refusal)
    assert isinstance(vector.later(-301).verify(), Refusal)


def test_sanity_documents_no_limit() -> None:
    assert isinstance(VECTORS["sanity-1"].later(10**6).verify(), Verified)


def test_paddle_takes_five_seconds() -> None:
    vector = VECTORS["paddle-1"]

    assert isinstance(vector.later(5).verify(), Verified)
    assert isinstance(vector.later(6).verify(), Refusal)
    assert isinstance(vector.later(-6).verify(), Refusal)


def test_pairs_of_paddle_are_not_separated_by_commas() -> None:
    vector = VECTORS["paddle-1"]
    value = vector.headers["Paddle-Signature"].replace(";", ",")

    assert isinstance(vector.with_header("Paddle-Signature", value).verify(), Refusal)


def test_twilio_refuses_another_json_body_under_the_same_url() -> None:
    vector = VECTORS["twilio-6"]
    changed = replace(vector, body=vector.body.replace(b"true", b"null"))

    refusal = changed.verify()

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.BODY_MODIFIED


def test_twilio_refuses_an_empty_form_under_the_url_of_a_json_body() -> None:
    vector = VECTORS["twilio-6"]
    form = vector.with_header("Content-Type", "application/x-www-form-urlencoded")

    assert isinstance(replace(form, body=b"&&").verify(), Refusal)


def test_twilio_refuses_a_body_that_nothing_signs() -> None:
    vector = VECTORS["twilio-1"].with_header("Content-Type", "application/json")

    refusal = vector.verify()

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.BODY_UNREADABLE


def test_twilio_verifies_sha256_if_the_request_says_so() -> None:
    url = "https://ring.example/in/twilio"
    signed = Signed(
        "twilio",
        "12345",
        {
            "X-Twilio-Signature": b64(b"12345", f"{url}a1".encode()),
            "X-Twilio-Webhooks-Signature-Settings": "key=k1,algorithm=HMAC_SHA256",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        b"a=1",
        url=url,
    )

    assert isinstance(signed.verify(), Verified)
    settings = "X-Twilio-Webhooks-Signature-Settings"
    assert isinstance(signed.with_header(settings, "algorithm=HMAC_SHA1").verify(), Refusal)
    assert isinstance(signed.with_header(settings, "algorithm=NONE").verify(), Refusal)


def test_host_of_an_attacker_changes_nothing() -> None:
    vector = VECTORS["twilio-1"]
    more = (("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"))

    assert isinstance(replace(vector, more=more).verify(), Verified)


def test_adyen_verifies_every_item() -> None:
    good, other = adyen_item("Order-1", "1130"), adyen_item("Order-2", "7")
    forged = other.replace("Order-2", "Order-3")
    unsigned = other.replace("hmacSignature", "other")

    assert isinstance(adyen(good, other).verify(), Verified)
    assert isinstance(adyen(good, forged).verify(), Refusal)
    assert isinstance(adyen(forged, good).verify(), Refusal)
    assert isinstance(adyen(good, unsigned).verify(), Refusal)
    assert isinstance(adyen().verify(), Refusal)


def test_graph_checks_every_notification() -> None:
    signed = SIGNED["microsoft-graph"]
    other = replace(signed, body=signed.body.replace(b'"}]', b'x"}]'))

    assert signed.verify() == Verified(secret_index=0, signed=False)
    assert isinstance(other.verify(), Refusal)


def test_linear_limits_the_time_in_the_body() -> None:
    body = b'{"webhookTimestamp": 1795867200000}'
    value = hexed(b"s", body)
    signed = Signed("linear", "s", {"Linear-Signature": value}, body)

    assert isinstance(signed.later(60).verify(), Verified)
    assert isinstance(signed.later(61).verify(), Refusal)
    assert isinstance(signed.later(-61).verify(), Refusal)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1795867200 - 301}, Reason.TIMESTAMP_TOO_OLD),
        ({"nbf": 1795867200 + 301}, Reason.TIMESTAMP_AHEAD),
        ({"payload_hash": "0" * 64}, Reason.BODY_MODIFIED),
        ({"payload_hash": None}, Reason.BODY_MODIFIED),
        ({"url_hash": "0" * 64}, Reason.SIGNATURE_MISMATCH),
        ({"url_hash": None}, Reason.SIGNATURE_MISMATCH),
        ({"iss": "Other"}, Reason.HEADER_UNREADABLE),
    ],
)
def test_every_claim_of_a_token_counts(claims: dict[str, object], reason: Reason) -> None:
    token = jwt({**BIRD, **claims})

    refusal = SIGNED["messagebird"].with_header("MessageBird-Signature-JWT", token).verify()

    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


@pytest.mark.parametrize("head", ['{"alg":"none"}', '{"alg":"HS512"}', "{}", "[", "[]"])
def test_token_with_another_algorithm_is_refused(head: str) -> None:
    token = jwt({**BIRD}, head=head)

    refusal = SIGNED["messagebird"].with_header("MessageBird-Signature-JWT", token).verify()

    assert isinstance(refusal, Refusal)


def test_standardwebhooks_agrees() -> None:
    text = json.dumps({"text": "Füße 😊"})
    value = Webhook(WHSEC).sign("msg_1", NOW, text)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": value,
    }
    signed = Signed("standard-webhooks", WHSEC, headers, text.encode())

    assert isinstance(signed.verify(), Verified)
    assert isinstance(replace(signed, secret=WHSEC.removeprefix("whsec_")).verify(), Verified)


@pytest.mark.parametrize("prefix", ["v1,whsec_", "whsec_", ""])
def test_secret_of_supabase_may_begin_with_its_version(prefix: str) -> None:
    # Supabase's pages show `v1,whsec_` and its examples cut it off.
    signed = replace(SIGNED["supabase"], secret=prefix + WHSEC.removeprefix("whsec_"))

    assert isinstance(signed.verify(), Verified)


@pytest.mark.parametrize("name", ["sdk-workos", "sdk-calendly"])
def test_space_may_follow_the_delimiter_of_pairs(name: str) -> None:
    vector = VECTORS[name]
    ((header, value),) = vector.headers.items()

    assert ", v1=" in value
    assert isinstance(vector.with_header(header, value.replace(", ", ",")).verify(), Verified)
    assert isinstance(vector.with_header(header, value.replace(", ", ", x")).verify(), Refusal)


@pytest.mark.parametrize("more", ["v1,AAAA  {}", "v1,AAAA x {}", "v1a,AAAA {}", "{} v1a,A", "{} x"])
def test_signatures_that_are_unknown_are_skipped(more: str) -> None:
    # As in standardwebhooks 1.1.0 and svix 2.9.1, which skip what they do not know.
    vector = VECTORS["sdk-sw"]
    value = more.format(vector.headers["webhook-signature"])

    assert isinstance(vector.with_header("webhook-signature", value).verify(), Verified)


@pytest.mark.parametrize("value", ["x {}", " {}", "{} ", "", "x", "v2,{}"])
def test_list_that_does_not_begin_or_end_with_a_signature_is_refused(value: str) -> None:
    vector = VECTORS["sdk-sw"]
    written = value.format(vector.headers["webhook-signature"])

    assert isinstance(vector.with_header("webhook-signature", written).verify(), Refusal)


def test_headers_of_svix_are_not_mixed_with_those_without_its_name() -> None:
    vector = VECTORS["sdk-svix-unbranded"]
    row = PROVIDERS["svix"]

    assert delivery_key(row, vector.request()) == vector.headers["webhook-id"]
    mixed = replace(vector, more=(("svix-id", "another"),))
    assert isinstance(mixed.verify(), Refusal)
    assert "the header webhook-id" not in row.not_signed


@pytest.mark.parametrize("name", ["vonage", "postmark", "teams"])
def test_name_of_an_authentication_scheme_may_have_any_case(name: str) -> None:
    signed = SIGNED[name]
    scheme, _, rest = signed.headers["Authorization"].partition(" ")

    for one in (scheme.lower(), scheme.upper()):
        assert isinstance(signed.with_header("Authorization", f"{one} {rest}").verify(), Verified)
    assert isinstance(signed.with_header("Authorization", f"x{scheme} {rest}").verify(), Refusal)


def test_slack_sdk_agrees() -> None:
    class Now(Clock):
        def now(self) -> float:
            return NOW.timestamp()

    signed = SIGNED["slack"]

    assert SignatureVerifier(signed.secret, Now()).is_valid_request(BODY, signed.headers)
    assert isinstance(signed.verify(), Verified)


def test_delivery_has_a_name() -> None:
    gitlab, stripe = VECTORS["gitlab-1"], VECTORS["stripe-1"]

    assert delivery_key(PROVIDERS["stripe"], stripe.request()) == "evt_123"
    assert delivery_key(PROVIDERS["gitlab"], gitlab.request()) == gitlab.headers["webhook-id"]
    assert delivery_key(PROVIDERS["shopify"], stripe.request()) is None
    long = replace(stripe, body=b'{"id": "' + b"x" * 201 + b'"}')
    assert len(delivery_key(PROVIDERS["stripe"], long.request()) or "") == 64
    assert delivery_key(PROVIDERS["stripe"], replace(stripe, body=b"[" * 10**5).request()) is None
    assert datetime.fromtimestamp(1795867200, NOW.tzinfo) == NOW
