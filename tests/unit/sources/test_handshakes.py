"""Handshakes are answered as their providers document, and sign nothing for strangers."""

# ruff: noqa: S105, S106 - secrets of the test

import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.sources.handshakes import Reply, answer_handshake
from ringback.sources.scheme import Handshake
from ringback.sources.signature_table import PROVIDERS
from ringback.sources.signatures import Verifier
from ringback.sources.verdict import IncomingRequest, Refusal, Verified
from tests.unit.sources.signers import (
    ED,
    ED_KEY,
    SIGNED,
    TEXT,
    TOPIC,
    K,
    b64,
    certificate,
    hexed,
    sns,
)
from tests.unit.sources.vectors import NOW, URL, Signed

CERTIFICATE = certificate()
SUBSCRIBE = (
    "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription"
    f"&TopicArn={TOPIC}&Token=2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92"
)
ORACLE = [
    'v0:1795867200:{"event":"forged"}',
    '{"event":"forged"}',
    "[1]",
    '"text"',
    "a b",
    "a\n",
    "é",
    "\ud800",
    "x" * 513,
    "",
]
"""What must get no answer: it could be the signed part of an event, or is none of a provider's."""


def answer(
    signed: Signed, *, verify_token: str = "", secrets: list[str] | None = None
) -> Reply | None:
    given = secrets or [signed.secret]
    verifier = Verifier(PROVIDERS[signed.name], given, fetch=lambda _: CERTIFICATE)
    return answer_handshake(
        verifier, given, signed.request(), now=signed.now, verify_token=verify_token
    )


def get(name: str, query: str, **headers: str) -> Signed:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Signed(name, TEXT, named, b"", method="GET", url=f"{URL}?{query}")


def slack(body: dict[str, object]) -> Signed:
    data = json.dumps(body).encode()
    headers = {
        "X-Slack-Request-Timestamp": "1795867200",
        "X-Slack-Signature": "v0=" + hexed(K, b"v0:1795867200:" + data),
    }
    return Signed("slack", TEXT, headers, data)


def zoom(body: dict[str, object]) -> Signed:
    data = json.dumps(body).encode()
    headers = {
        "x-zm-request-timestamp": "1795867200",
        "x-zm-signature": "v0=" + hexed(K, b"v0:1795867200:" + data),
    }
    return Signed("zoom", TEXT, headers, data)


def twitch(body: dict[str, object], kind: str = "webhook_callback_verification") -> Signed:
    data = json.dumps(body).encode()
    headers = {
        "Twitch-Eventsub-Message-Id": "m1",
        "Twitch-Eventsub-Message-Timestamp": "2026-11-28T12:00:00Z",
        "Twitch-Eventsub-Message-Type": kind,
        "Twitch-Eventsub-Message-Signature": "sha256=" + hexed(K, b"m12026-11-28T12:00:00Z" + data),
    }
    return Signed("twitch", TEXT, headers, data)


def discord(body: bytes) -> Signed:
    headers = {
        "X-Signature-Timestamp": "1795867200",
        "X-Signature-Ed25519": ED.sign(b"1795867200" + body).hex(),
    }
    return Signed("discord", ED_KEY.hex(), headers, body)


def forged(signed: Signed) -> Signed:
    return (
        replace(signed, secret="other")
        if signed.name != "discord"
        else replace(signed, body=signed.body + b" ")
    )


def test_slack() -> None:
    asked = slack({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aBm2rZgRN"})

    reply = answer(asked)

    assert reply
    assert (reply.status, reply.body, reply.media_type) == (
        200,
        b"3eZbrw1aBm2rZgRN",
        "text/plain; charset=utf-8",
    )
    assert ("x-content-type-options", "nosniff") in reply.headers
    assert answer(forged(asked)) is None
    assert (
        answer(slack({"type": "event_callback", "challenge": "3eZ", "x": "url_verification"}))
        is None
    )


def test_meta() -> None:
    asked = get("meta", "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=mine")

    reply = answer(asked, verify_token="mine")

    assert reply
    assert (reply.status, reply.body) == (200, b"1158201444")
    assert answer(asked, verify_token="other") is None
    assert answer(asked) is None
    empty = get("meta", "hub.mode=subscribe&hub.challenge=1&hub.verify_token=")
    assert answer(empty) is None
    twice = replace(asked, url=f"{asked.url}&hub.verify_token=other")
    assert answer(twice, verify_token="mine") is None
    assert answer(replace(asked, method="POST"), verify_token="mine") is None


def test_zoom() -> None:
    asked = zoom({
        "event": "endpoint.url_validation",
        "payload": {"plainToken": "qgg8vlvZRS6UYooat"},
    })

    reply = answer(asked, secrets=["new", TEXT])

    assert reply
    assert json.loads(reply.body) == {
        "plainToken": "qgg8vlvZRS6UYooat",
        "encryptedToken": hexed(K, b"qgg8vlvZRS6UYooat"),
    }
    assert reply.media_type == "application/json"
    assert answer(forged(asked)) is None
    assert answer(replace(asked, headers={})) is None


def test_x() -> None:
    reply = answer(get("x", "crc_token=3f0b9a3a-b2f6-4f9e&nonce=1"))

    assert reply
    assert json.loads(reply.body) == {"response_token": "sha256=" + b64(K, b"3f0b9a3a-b2f6-4f9e")}


@pytest.mark.parametrize("body", [b"null", b"true", b"123", b"3f0b9a3a-b2f6-4f9e"])
def test_answer_of_the_handshake_of_x_signs_no_event(body: bytes) -> None:
    reply = answer(get("x", f"crc_token={body.decode()}"))
    assert reply
    signature = json.loads(reply.body)["response_token"]

    event = Signed("x", TEXT, {"x-twitter-webhooks-signature": signature}, body)

    assert isinstance(event.verify(), Refusal)


@pytest.mark.parametrize("name", ["dropbox", "nylas"])
def test_dropbox_and_nylas(name: str) -> None:
    reply = answer(get(name, "challenge=JTNL-8x"))

    assert reply
    assert reply.body == b"JTNL-8x"
    assert ("x-content-type-options", "nosniff") in reply.headers


def test_twitch() -> None:
    asked = twitch({"challenge": "pogchamp-kappa-360noscope", "subscription": {}})

    reply = answer(asked)

    assert reply
    assert reply.body == b"pogchamp-kappa-360noscope"
    assert answer(forged(asked)) is None
    assert answer(twitch({"challenge": "pogchamp"}, "notification")) is None


def test_microsoft_graph() -> None:
    sentence = (
        "Validation: Testing client application reachability for subscription Request-Id: 522a"
    )
    query = f"validationToken={sentence.replace(' ', '+').replace(':', '%3a')}"
    asked = replace(get("microsoft-graph", query), method="POST")

    reply = answer(asked)

    assert reply
    assert (reply.status, reply.body) == (200, sentence.encode())
    assert reply.media_type == "text/plain; charset=utf-8"
    script = replace(asked, url=f"{URL}?validationToken=<script>alert(1)</script>")
    assert answer(script) is None


def test_okta() -> None:
    reply = answer(get("okta", "", X_Okta_Verification_Challenge="jIrCmJmKu3ufj"))

    assert reply
    assert json.loads(reply.body) == {"verification": "jIrCmJmKu3ufj"}


def test_discord() -> None:
    ping, pong = answer(discord(b'{"type":0}')), answer(discord(b'{"type":1,"id":"1"}'))

    assert ping
    assert (ping.status, ping.body) == (204, b"")
    assert pong
    assert json.loads(pong.body) == {"type": 1}
    assert answer(discord(b'{"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}')) is None
    assert answer(discord(b'{"type":2}')) is None
    assert answer(forged(discord(b'{"type":1}'))) is None


def test_amazon_sns() -> None:
    asked = sns(Type="SubscriptionConfirmation", Subject=None, Token="2336", SubscribeURL=SUBSCRIBE)

    reply = answer(asked)

    assert reply
    assert reply.confirm_url == SUBSCRIBE
    assert answer(replace(asked, secret="arn:aws:sns:us-west-2:1:Other")) is None


@pytest.mark.parametrize(
    "url",
    [
        SUBSCRIBE.replace("https", "http"),
        SUBSCRIBE.replace("amazonaws.com", "amazonaws.com.evil.example"),
        SUBSCRIBE.replace("sns.us-west-2.amazonaws.com", "evil.example"),
        SUBSCRIBE.replace("ConfirmSubscription", "DeleteTopic"),
        SUBSCRIBE.replace("/?", "/x?"),
        SUBSCRIBE + "&x=#y",
    ],
)
def test_subscription_of_another_address_is_never_confirmed(url: str) -> None:
    signed = sns(Type="SubscriptionConfirmation", Subject=None, Token="2336", SubscribeURL=url)

    assert isinstance(signed.verify(fetch=lambda _: CERTIFICATE), Verified)
    assert answer(signed) is None


def test_asana_and_notion_offer_a_secret() -> None:
    asana = Signed("asana", TEXT, {"X-Hook-Secret": "b537207f20cbfa02"}, b"{}")
    notion = Signed("notion", TEXT, {}, b'{"verification_token":"secret_tMrlL1qK5vuQAh1"}')

    first, second = answer(asana), answer(notion)

    assert first
    assert second
    assert first.offered_secret == "b537207f20cbfa02"
    assert ("x-hook-secret", "b537207f20cbfa02") in first.headers
    assert second.offered_secret == "secret_tMrlL1qK5vuQAh1"
    assert "b537207f20cbfa02" not in repr(first)
    assert answer(asana.with_header("X-Hook-Secret", "a\r\nset-cookie: b")) is None
    assert answer(asana.with_header("X-Hook-Signature", "00")) is None


@pytest.mark.parametrize("name", ["trello", "mandrill"])
def test_head(name: str) -> None:
    assert answer(Signed(name, TEXT, {}, b"", method="HEAD")) == Reply(200)
    assert answer(SIGNED[name]) is None


@pytest.mark.parametrize("token", ORACLE)
def test_token_that_is_not_plain_gets_no_answer(token: str) -> None:
    quoted = quote(token.encode("utf-8", "surrogatepass"))
    asked = [
        slack({"type": "url_verification", "challenge": token}),
        zoom({"event": "endpoint.url_validation", "payload": {"plainToken": token}}),
        twitch({"challenge": token}),
        get("x", f"crc_token={quoted}"),
        get("dropbox", f"challenge={quoted}"),
    ]

    assert [answer(one) for one in asked] == [None] * len(asked)


@pytest.mark.parametrize("token", [1, None, ["a"], {"a": 1}, True])
def test_token_that_is_not_text_gets_no_answer(token: object) -> None:
    assert answer(slack({"type": "url_verification", "challenge": token})) is None
    assert (
        answer(zoom({"event": "endpoint.url_validation", "payload": {"plainToken": token}})) is None
    )
    assert answer(zoom({"event": "endpoint.url_validation", "payload": token})) is None


@pytest.mark.parametrize("name", SIGNED)
def test_event_is_not_a_handshake(name: str) -> None:
    assert answer(SIGNED[name], verify_token="mine") is None


def test_every_handshake_belongs_to_a_row() -> None:
    assert {row.handshake for row in PROVIDERS.values()} == {None, *Handshake}


@given(
    st.sampled_from([name for name, row in PROVIDERS.items() if row.handshake]),
    st.sampled_from(["GET", "POST", "HEAD", "\ud800"]),
    st.text(max_size=30),
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from([
            b"[" * 5000 + b"url_verification",
            b"challenge\xff",
            b"verification_token",
        ]),
    ),
)
def test_garbage_never_raises(name: str, method: str, query: str, body: bytes) -> None:
    signed = SIGNED[name]
    verifier = Verifier(PROVIDERS[name], [signed.secret], fetch=lambda _: CERTIFICATE)
    headers = [(b"x-hook-secret", body), (b"X-OKTA-verification-challenge", b"\xff")]
    request = IncomingRequest(method, f"{URL}?{query}", headers, body)

    answer_handshake(verifier, [signed.secret], request, now=NOW, verify_token="t")
