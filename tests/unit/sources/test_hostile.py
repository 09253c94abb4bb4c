"""Any bytes in, a verdict out: garbage, long lists, and how long they take."""

import hmac
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.sources.signature_table import PROVIDERS
from ringback.sources.signatures import Verifier, delivery_key
from ringback.sources.verdict import IncomingRequest, Reason, Refusal, Verified
from tests.unit.sources.signers import SIGNED, certificate, hexed, sns
from tests.unit.sources.vectors import NOW, VECTORS, Signed

CERTIFICATE = certificate()
VERIFIERS = {
    name: Verifier(PROVIDERS[name], [one.secret], fetch=lambda _: CERTIFICATE)
    for name, one in SIGNED.items()
}

PARTS = st.sampled_from([
    b"t=1795867200",
    b"v1=",
    b"v1,",
    b"sha256=",
    b"v0=",
    b",",
    b";",
    b" ",
    b"=",
    b"Basic ",
    b"HMAC ",
    b"1795867200",
    b"2026-11-28T12:00:00Z",
    b"0" * 64,
    b"\xff",
    b"\x00",
    "😊".encode(),
])
VALUES = st.one_of(st.binary(max_size=80), st.lists(PARTS, max_size=8).map(b"".join))
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([
        b"[" * 5000,
        b'{"id":' * 5000,
        b'{"id": 1e999}',
        b'{"id": "\\ud800"}',
        b'{"signature": {"signature": "\\ud800", "timestamp": "\\ud800", "token": 1}}',
        b'{"signature": {"signature": "x", "timestamp": true, "token": {}}}',
        sns().body.replace(b"Hello", b"HELLO"),
        b'{"Signature": "AAAA", "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic"}',
        b'{"webhookTimestamp": 1e400}',
        b'{"webhookTimestamp": -1}',
        b'{"value": [{"clientState": 1}, 2, null]}',
        b'{"notificationItems": [1, {"NotificationRequestItem": {"additionalData": []}}]}',
        b"1" * 5000,
        b"a=1&" * 3000,
        "\u2028😊".encode(),
        b"\xff\xfe{}",
    ]),
)  # fmt: skip


@given(st.sampled_from(sorted(SIGNED)), st.lists(VALUES, min_size=4, max_size=4), BODIES, st.data())
def test_garbage_is_refused_without_an_exception(
    name: str, values: list[bytes], body: bytes, data: st.DataObject
) -> None:
    names = [one.encode() for one in SIGNED[name].headers]
    chosen = data.draw(st.lists(st.sampled_from([*names, b"X-Other", b"\xff"]), max_size=4))
    url = data.draw(
        st.sampled_from(["", "https://[", "https://x:99999999/?%ff", "https://x?a=\ud800"])
    )
    request = IncomingRequest("P\ud800", url, list(zip(chosen, values, strict=False)), body)

    assert isinstance(VERIFIERS[name].verify(request, NOW), Refusal)
    delivery_key(PROVIDERS[name], request)


@given(st.sampled_from(sorted(SIGNED)), st.data())
def test_one_changed_byte_of_a_header_is_refused(name: str, data: st.DataObject) -> None:
    signed = SIGNED[name]
    headers = sorted(set(signed.headers) - {"Content-Type", "box-signature-primary"})
    if not headers or name in {"pagerduty", "persona", "recurly", "cronofy", "authorize-net"}:
        return  # one of their two signatures may change
    header = data.draw(st.sampled_from(headers))
    value = signed.headers[header]
    at = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(max_codepoint=255).filter(lambda one: one != value[at]))

    changed = signed.with_header(header, value[:at] + other + value[at + 1 :])

    if name == "merge" and at == len(value) - 1:
        return  # padding is optional there
    assert isinstance(changed.verify(), Refusal)


LISTS = [
    ("stripe", "Stripe-Signature", "t=1795867200", f",v1={'0' * 64}"),
    ("pagerduty", "X-PagerDuty-Signature", "x=", f",v1={'0' * 64}"),
    ("svix", "svix-signature", "v2,x", f" v1,{'A' * 43}="),
    ("cronofy", "Cronofy-HMAC-SHA256", "x", f",{'A' * 43}="),
    ("recurly", "Recurly-Signature", "1795867200", f",{'0' * 64}"),
    ("persona", "Persona-Signature", "x=", f" t=1795867200,v1={'0' * 64}"),
    ("paddle", "Paddle-Signature", "ts=1795867200", f";h1={'0' * 64}"),
]


@pytest.mark.parametrize(("name", "header", "first", "one"), LISTS, ids=[one[0] for one in LISTS])
def test_ten_thousand_signatures_cost_no_more_than_a_hundred(
    name: str, header: str, first: str, one: str
) -> None:
    hundred = SIGNED[name].with_header(header, first + one * 99)
    many = SIGNED[name].with_header(header, first + one * 10_000)

    refusal = many.verify()

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TOO_MANY_SIGNATURES
    assert "more than 100 signatures" in refusal.message
    assert seconds(many) < 3 * seconds(hundred)


def test_right_signature_among_the_first_hundred_verifies() -> None:
    value = SIGNED["stripe"].headers["Stripe-Signature"]
    header = "Stripe-Signature"
    before = "t=1795867200" + f",v1={'0' * 64}" * 99
    right = value.removeprefix("t=1795867200")

    assert isinstance(SIGNED["stripe"].with_header(header, before + right).verify(), Verified)
    late = before + f",v1={'0' * 64}" * 100 + right
    assert isinstance(SIGNED["stripe"].with_header(header, late).verify(), Refusal)


def test_two_times_in_one_header_are_refused() -> None:
    value = SIGNED["stripe"].headers["Stripe-Signature"]

    refusal = SIGNED["stripe"].with_header("Stripe-Signature", f"{value},t=1").verify()

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.HEADER_UNREADABLE


def test_uppercase_hex_is_named() -> None:
    signed = SIGNED["github"]
    value = "sha256=" + hexed(signed.secret.encode(), signed.body).upper()

    assert signed.with_header("X-Hub-Signature-256", value).verify() == Refusal(
        Reason.HEADER_UNREADABLE,
        "the signature in X-Hub-Signature-256 is not 64 lowercase hex digits",
    )


@pytest.mark.parametrize(
    ("name", "header", "other"),
    [
        ("github", "X-Hub-Signature-256", "sha512="),
        ("github", "X-Hub-Signature-256", "SHA256="),
        ("slack", "X-Slack-Signature", "v1="),
        ("postmark", "Authorization", "Other "),
    ],
)
def test_right_signature_after_another_prefix_is_refused(
    name: str, header: str, other: str
) -> None:
    value = SIGNED[name].headers[header]

    refusal = SIGNED[name].with_header(header, other + value[len(other) :]).verify()

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.HEADER_UNREADABLE
    assert "does not begin with" in refusal.message


def test_row_costs_little_more_than_its_hmac() -> None:
    signed = replace(VECTORS["stripe-1"], more=tuple((f"x-{n}", "value") for n in range(20)))

    assert isinstance(signed.verify(), Verified)
    assert seconds(signed) < 30 * bare_hmac(signed.body)


def seconds(signed: Signed) -> float:
    verifier, request, now = VERIFIERS[signed.name], signed.request(), signed.now
    return fastest(lambda: verifier.verify(request, now))


def bare_hmac(body: bytes) -> float:
    return fastest(lambda: hmac.digest(b"a secret", body, "sha256"))


def fastest(call: object) -> float:
    assert callable(call)
    best = 1.0
    for _ in range(7):
        start = time.thread_time()
        for _ in range(50):
            call()
        best = min(best, (time.thread_time() - start) / 50)
    return best
