"""Sign as each provider's documentation says, in literal lines that share nothing with the engine.

`NOW` is 2026-11-28 12:00:00 UTC, which is 1795867200.
"""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.unit.sources.vectors import NOW, URL, Signed

TEXT: Final = "a secret of the test"
HEX: Final = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
BASE64: Final = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WHSEC: Final = f"whsec_{BASE64}"
BODY: Final = '{"id": "evt_1", "text": "Füße 😊"}\n'.encode()
FORM: Final = b"b=2&a=1%2B1&a=0&empty=&c=%E2%82%AC+x"
FORM_SORTED: Final = "a0a1+1b2c€ xempty".encode()


def hexed(key: bytes, data: bytes, digest: str = "sha256") -> str:
    return hmac.new(key, data, getattr(hashlib, digest)).hexdigest()


def b64(key: bytes, data: bytes, digest: str = "sha256") -> str:
    return base64.b64encode(hmac.new(key, data, getattr(hashlib, digest)).digest()).decode()


K: Final = TEXT.encode()
H: Final = bytes.fromhex(HEX)
B: Final = base64.b64decode(BASE64)

HEX_OF_BODY: Final = hexed(K, BODY)
BASE64_OF_BODY: Final = b64(K, BODY)

SIMPLE: Final[dict[str, dict[str, str]]] = {
    "ably": {"X-Ably-Signature": BASE64_OF_BODY},
    "aftership": {"aftership-hmac-sha256": BASE64_OF_BODY},
    "asana": {"X-Hook-Signature": HEX_OF_BODY},
    "ashby": {"Ashby-Signature": "sha256=" + HEX_OF_BODY},
    "bitbucket": {"X-Hub-Signature": "sha256=" + HEX_OF_BODY},
    "bolt": {"X-Bolt-Hmac-Sha256": BASE64_OF_BODY},
    "cal-com": {"X-Cal-Signature-256": HEX_OF_BODY},
    "chargify": {"X-Chargify-Webhook-Signature-Hmac-Sha-256": HEX_OF_BODY},
    "checkout-com": {"Cko-Signature": HEX_OF_BODY},
    "checkr": {"X-Checkr-Signature": HEX_OF_BODY},
    "circleci": {"circleci-signature": "v1=" + HEX_OF_BODY},
    "clickup": {"X-Signature": HEX_OF_BODY},
    "coinbase-commerce": {"X-CC-Webhook-Signature": HEX_OF_BODY},
    "cronofy": {"Cronofy-HMAC-SHA256": b64(b"other", BODY) + "," + BASE64_OF_BODY},
    "easypost": {"X-Hmac-Signature": "hmac-sha256-hex=" + HEX_OF_BODY},
    "elevenlabs": {"ElevenLabs-Signature": "t=1795867200,v0=" + hexed(K, b"1795867200." + BODY)},
    "mailersend": {"Signature": HEX_OF_BODY},
    "mailtrap": {"Mailtrap-Signature": HEX_OF_BODY},
    "onfido": {"X-SHA2-Signature": HEX_OF_BODY},
    "stream": {"X-Signature": HEX_OF_BODY},
    "viber": {"X-Viber-Content-Signature": HEX_OF_BODY},
    "docusign": {"X-DocuSign-Signature-2": BASE64_OF_BODY},
    "doppler": {"x-doppler-signature": "sha256=" + HEX_OF_BODY},
    "dropbox": {"X-Dropbox-Signature": HEX_OF_BODY},
    "dwolla": {"X-Request-Signature-SHA-256": HEX_OF_BODY},
    "github": {"X-Hub-Signature-256": "sha256=" + HEX_OF_BODY},
    "gocardless": {"Webhook-Signature": HEX_OF_BODY},
    "heroku": {"Heroku-Webhook-Hmac-SHA256": BASE64_OF_BODY},
    "intercom": {"X-Hub-Signature": "sha1=" + hexed(K, BODY, "sha1")},
    "jira": {"X-Hub-Signature": "sha256=" + HEX_OF_BODY},
    "launchdarkly": {"X-LD-Signature": HEX_OF_BODY},
    "lemon-squeezy": {"X-Signature": HEX_OF_BODY},
    "line": {"X-Line-Signature": BASE64_OF_BODY},
    "linear": {"Linear-Signature": HEX_OF_BODY},
    "linkedin": {"X-LI-Signature": hexed(K, b"hmacsha256=" + BODY)},
    "deel": {"x-deel-signature": hexed(K, b"POST" + BODY)},
    "merge": {
        "X-Merge-Webhook-Signature": base64.urlsafe_b64encode(
            hmac.new(K, BODY, hashlib.sha256).digest()
        ).decode()
    },
    "meta": {"X-Hub-Signature-256": "sha256=" + HEX_OF_BODY},
    "modern-treasury": {"X-Signature": HEX_OF_BODY},
    "mongodb-atlas": {"X-MMS-Signature": b64(K, BODY, "sha1")},
    "notion": {"X-Notion-Signature": "sha256=" + HEX_OF_BODY},
    "npm": {"x-npm-signature": "sha256=" + HEX_OF_BODY},
    "nylas": {"X-Nylas-Signature": HEX_OF_BODY},
    "pagerduty": {"X-PagerDuty-Signature": "v1=" + hexed(b"other", BODY) + ",v1=" + HEX_OF_BODY},
    "paystack": {"X-Paystack-Signature": hexed(K, BODY, "sha512")},
    "pusher": {"X-Pusher-Signature": HEX_OF_BODY},
    "quickbooks": {"intuit-signature": BASE64_OF_BODY},
    "razorpay": {"X-Razorpay-Signature": HEX_OF_BODY},
    "sendbird": {"x-sendbird-signature": HEX_OF_BODY},
    "sentry": {"Sentry-Hook-Signature": HEX_OF_BODY},
    "shopify": {"X-Shopify-Hmac-SHA256": BASE64_OF_BODY},
    "square": {"x-square-hmacsha256-signature": b64(K, URL.encode() + BODY)},
    "tally": {"Tally-Signature": BASE64_OF_BODY},
    "trello": {"X-Trello-Webhook": b64(K, BODY + URL.encode(), "sha1")},
    "typeform": {"Typeform-Signature": "sha256=" + BASE64_OF_BODY},
    "vercel": {"x-vercel-signature": hexed(K, BODY, "sha1")},
    "woocommerce": {"X-WC-Webhook-Signature": BASE64_OF_BODY},
    "x": {"x-twitter-webhooks-signature": "sha256=" + BASE64_OF_BODY},
    "xero": {"x-xero-signature": BASE64_OF_BODY},
    # With a timestamp.
    "affirm": {
        "X-Affirm-Signature": "t=1795867200,v0=" + hexed(K, b"1795867200." + BODY, "sha512")
    },
    "airwallex": {
        "x-timestamp": "1795867200000",
        "x-signature": hexed(K, b"1795867200000" + BODY),
    },
    "box": {
        "box-delivery-timestamp": "2026-11-28T04:00:00-08:00",
        "box-signature-primary": b64(b"other", BODY + b"2026-11-28T04:00:00-08:00"),
        "box-signature-secondary": b64(K, BODY + b"2026-11-28T04:00:00-08:00"),
    },
    "buildkite": {
        "X-Buildkite-Signature": "timestamp=1795867200,signature=" + hexed(K, b"1795867200." + BODY)
    },
    "calendly": {
        "Calendly-Webhook-Signature": "t=1795867200,v1=" + hexed(K, b"1795867200." + BODY)
    },
    "customer-io": {
        "X-CIO-Timestamp": "1795867200",
        "X-CIO-Signature": hexed(K, b"v0:1795867200:" + BODY),
    },
    "front": {
        "X-Front-Request-Timestamp": "1795867200000",
        "X-Front-Signature": b64(K, b"1795867200000:" + BODY),
    },
    "hubspot": {
        "X-HubSpot-Request-Timestamp": "1795867200000",
        "X-HubSpot-Signature-v3": b64(K, b"POST" + URL.encode() + BODY + b"1795867200000"),
    },
    "klaviyo": {
        "Klaviyo-Timestamp": "1795867200",
        "Klaviyo-Signature": hexed(K, BODY + b"1795867200"),
    },
    "mux": {"Mux-Signature": "t=1795867200,v1=" + hexed(K, b"1795867200." + BODY)},
    "paddle": {"Paddle-Signature": "ts=1795867200;h1=" + hexed(K, b"1795867200:" + BODY)},
    "persona": {
        "Persona-Signature": "t=1795867200,v1="
        + hexed(b"other", b"1795867200." + BODY)
        + " t=1795867200,v1="
        + hexed(K, b"1795867200." + BODY)
    },
    "recurly": {
        "Recurly-Signature": "1795867200000,"
        + hexed(b"other", b"1795867200000." + BODY)
        + ","
        + hexed(K, b"1795867200000." + BODY)
    },
    "revolut": {
        "Revolut-Request-Timestamp": "1795867200000",
        "Revolut-Signature": "v1=" + hexed(K, b"v1.1795867200000." + BODY),
    },
    "sanity": {
        "sanity-webhook-signature": "t=1795867200000,v1="
        + base64
        .urlsafe_b64encode(hmac.new(K, b"1795867200000." + BODY, hashlib.sha256).digest())
        .decode()
        .rstrip("=")
    },
    "sinch": {
        "x-sinch-webhook-signature-timestamp": "1795867200",
        "x-sinch-webhook-signature-nonce": "01FJA8B4A7BM43YGWSG9GBV067",
        "x-sinch-webhook-signature": b64(K, BODY + b".01FJA8B4A7BM43YGWSG9GBV067.1795867200"),
    },
    "slack": {
        "X-Slack-Request-Timestamp": "1795867200",
        "X-Slack-Signature": "v0=" + hexed(K, b"v0:1795867200:" + BODY),
    },
    "stripe": {"Stripe-Signature": "t=1795867200,v1=" + hexed(K, b"1795867200." + BODY)},
    "tiktok": {"TikTok-Signature": "t=1795867200,s=" + hexed(K, b"1795867200." + BODY)},
    "twitch": {
        "Twitch-Eventsub-Message-Id": "e76c6bd4",
        "Twitch-Eventsub-Message-Timestamp": "2026-11-28T12:00:00.464757833Z",
        "Twitch-Eventsub-Message-Signature": "sha256="
        + hexed(K, b"e76c6bd42026-11-28T12:00:00.464757833Z" + BODY),
    },
    "webflow": {
        "x-webflow-timestamp": "1795867200000",
        "x-webflow-signature": hexed(K, b"1795867200000:" + BODY),
    },
    "workos": {"WorkOS-Signature": "t=1795867200000,v1=" + hexed(K, b"1795867200000." + BODY)},
    "zendesk": {
        "X-Zendesk-Webhook-Signature-Timestamp": "2026-11-28T12:00:00Z",
        "X-Zendesk-Webhook-Signature": b64(K, b"2026-11-28T12:00:00Z" + BODY),
    },
    "zoom": {
        "x-zm-request-timestamp": "1795867200",
        "x-zm-signature": "v0=" + hexed(K, b"v0:1795867200:" + BODY),
    },
    # No signature: the secret itself.
    "gitlab-token": {"X-Gitlab-Token": TEXT},
    "okta": {"Authorization": TEXT},
    "telegram": {"X-Telegram-Bot-Api-Secret-Token": TEXT},
    "postmark": {"Authorization": "Basic " + base64.b64encode(K).decode()},
}
"""Requests with the body `BODY` and the secret `TEXT`."""


def standard(name: str, prefix: str, secret: str = WHSEC) -> Signed:
    """Sign as https://www.standardwebhooks.com says."""
    key = K if secret == TEXT else B
    return Signed(
        name,
        secret,
        {
            f"{prefix}-id": "msg_1",
            f"{prefix}-timestamp": "1795867200",
            f"{prefix}-signature": "v1," + b64(key, b"msg_1.1795867200." + BODY),
        },
        BODY,
    )


def adyen_item(reference: str, amount: str) -> str:
    data = f"PSP1::Merchant:{reference}:{amount}:EUR:AUTHORISATION:true"
    return (
        '{"NotificationRequestItem":{"additionalData":{"hmacSignature":"'
        + b64(H, data.encode())
        + '"},"amount":{"value":'
        + amount
        + ',"currency":"EUR"},"pspReference":"PSP1","eventCode":"AUTHORISATION",'
        f'"merchantAccountCode":"Merchant","merchantReference":"{reference}","success":"true"}}}}'
    )


def adyen(*items: str) -> Signed:
    body = '{"live":"false","notificationItems":[' + ",".join(items) + "]}"
    return Signed("adyen", HEX, {}, body.encode())


def form(name: str, header: str, signature: str) -> Signed:
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    return Signed(name, TEXT, {header: signature, **kind}, FORM)


def jwt(claims: dict[str, object], head: str = '{"typ":"JWT","alg":"HS256"}') -> str:
    """Return a token as RFC 7519 says."""
    parts = [
        base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
        for part in (head, json.dumps(claims))
    ]
    signature = hmac.new(K, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")])


SHA256: Final = hashlib.sha256(BODY).hexdigest()
BIRD: Final = {
    "iss": "MessageBird",
    "nbf": 1795867200,
    "exp": 1795867260,
    "payload_hash": SHA256,
    "url_hash": hashlib.sha256(URL.encode()).hexdigest(),
}

MAILGUN: Final = (
    '{"signature":{"timestamp":"1795867200","token":"abc","signature":"'
    + hexed(K, b"1795867200abc")
    + '"},"event-data":{"event":"opened"}}'
).encode()

OTHERS: Final[tuple[Signed, ...]] = (
    Signed(
        "mercado-pago",
        TEXT,
        {
            "x-request-id": "bb56a2f1",
            "x-signature": "ts=1795867200,v1="
            + hexed(K, b"id:17;request-id:bb56a2f1;ts:1795867200;"),
        },
        b'{"id": 1, "data": {"id": "17"}}',
        url=f"{URL}?data.id=17&type=payment",
    ),
    Signed("messagebird", TEXT, {"MessageBird-Signature-JWT": jwt({**BIRD})}, BODY),
    Signed(
        "vonage",
        TEXT,
        {"Authorization": "Bearer " + jwt({"iss": "Vonage", "payload_hash": SHA256, "iat": 1})},
        BODY,
    ),
    Signed(
        "netlify",
        TEXT,
        {"X-Webhook-Signature": jwt({"iss": "netlify", "sha256": SHA256})},
        BODY,
    ),
    Signed(
        "livekit",
        TEXT,
        {
            "Authorization": jwt({
                "iss": "the API key",
                "sha256": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
                "exp": 1795867260,
            })
        },
        BODY,
    ),
    Signed("adyen-platform", HEX, {"hmacsignature": b64(H, BODY)}, BODY),
    Signed("airtable", BASE64, {"X-Airtable-Content-MAC": "hmac-sha256=" + hexed(B, BODY)}, BODY),
    Signed("teams", BASE64, {"Authorization": "HMAC " + b64(B, BODY)}, BODY),
    Signed("squarespace", HEX, {"Squarespace-Signature": hexed(H, BODY)}, BODY),
    Signed(
        "authorize-net",
        HEX,
        {"X-ANET-Signature": "sha512=" + hexed(HEX.encode(), BODY, "sha512").upper()},
        BODY,
    ),
    Signed("mailgun", TEXT, {}, MAILGUN),
    Signed(
        "microsoft-graph",
        TEXT,
        {},
        f'{{"value":[{{"clientState":"{TEXT}"}},{{"clientState":"{TEXT}"}}]}}'.encode(),
    ),
    adyen(adyen_item("Order-1", "1130"), adyen_item("Order-2", "7")),
    form("mandrill", "X-Mandrill-Signature", b64(K, URL.encode() + FORM_SORTED, "sha1")),
    form("twilio", "X-Twilio-Signature", b64(K, URL.encode() + FORM_SORTED, "sha1")),
    standard("polar", "webhook", TEXT),
    *(
        standard(name, "webhook")
        for name in (
            "anthropic",
            "brex",
            "dodo-payments",
            "etsy",
            "gitlab",
            "incident-io",
            "increase",
            "lithic",
            "openai",
            "render",
            "replicate",
            "standard-webhooks",
            "supabase",
        )
    ),
    *(standard(name, "svix") for name in ("clerk", "resend", "stytch", "svix", "vanta")),
)

# Public keys.
ED: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ED_KEY: Final = ED.public_key().public_bytes_raw()
EC: Final = ec.derive_private_key(7, ec.SECP256R1())
RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_KEY: Final = (
    RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)
EC_KEY: Final = base64.b64encode(
    EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


def rsa_signature(data: bytes, digest: hashes.HashAlgorithm | None = None) -> str:
    signature = RSA.sign(data, padding.PKCS1v15(), digest or hashes.SHA256())
    return base64.b64encode(signature).decode()


def certificate(*, begins: datetime = NOW - timedelta(days=1)) -> bytes:
    """Return a certificate of `RSA` for two days."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder(name, name, RSA.public_key(), 1)
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=2))
    return builder.sign(RSA, hashes.SHA256()).public_bytes(Encoding.PEM)


TOPIC: Final = "arn:aws:sns:us-west-2:123456789012:MyTopic"
SNS_CERTIFICATE: Final = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"


def sns(**changes: str | None) -> Signed:
    """Sign as the page sns-verify-signature-of-message of Amazon's documentation says."""
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "My First Message",
        "Message": "Hello world! Füße",
        "Timestamp": "2012-05-02T00:54:06.655Z",
        "SignatureVersion": "2",
        "SigningCertURL": SNS_CERTIFICATE,
    }
    fields = {key: value for key, value in {**message, **changes}.items() if value is not None}
    signed = (
        f"Message\n{fields['Message']}\nMessageId\n{fields['MessageId']}\n"
        + (f"Subject\n{fields['Subject']}\n" if "Subject" in fields else "")
        + (f"SubscribeURL\n{fields['SubscribeURL']}\n" if "SubscribeURL" in fields else "")
        + f"Timestamp\n{fields['Timestamp']}\n"
        + (f"Token\n{fields['Token']}\n" if "Token" in fields else "")
        + f"TopicArn\n{fields['TopicArn']}\nType\n{fields['Type']}\n"
    )
    one = fields["SignatureVersion"] == "1"
    fields["Signature"] = rsa_signature(signed.encode(), hashes.SHA1() if one else None)  # noqa: S303 - version 1 has it
    return Signed("amazon-sns", TOPIC, {}, json.dumps(fields).encode())


PAYPAL: Final = Signed(
    "paypal",
    "1JE4291016473214C",
    {
        "PAYPAL-TRANSMISSION-ID": "103e3700-8b0c-11e6-8695-6bfc9d4a9d6f",
        "PAYPAL-TRANSMISSION-TIME": "2026-11-28T09:00:00Z",
        "PAYPAL-CERT-URL": "https://api.paypal.com/v1/notifications/certs/CERT-1",
        "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        "PAYPAL-TRANSMISSION-SIG": rsa_signature(
            b"103e3700-8b0c-11e6-8695-6bfc9d4a9d6f|2026-11-28T09:00:00Z|1JE4291016473214C|838965618"
        ),
    },
    b'{"id":"WH-1"}',
)

BY_KEY: Final = (
    Signed(
        "discord",
        ED_KEY.hex(),
        {
            "X-Signature-Timestamp": "1795867200",
            "X-Signature-Ed25519": ED.sign(b"1795867200" + BODY).hex(),
        },
        BODY,
    ),
    Signed(
        "telnyx",
        base64.b64encode(ED_KEY).decode(),
        {
            "telnyx-timestamp": "1795867200",
            "telnyx-signature-ed25519": base64.b64encode(ED.sign(b"1795867200|" + BODY)).decode(),
        },
        BODY,
    ),
    Signed(
        "sendgrid",
        EC_KEY,
        {
            "X-Twilio-Email-Event-Webhook-Timestamp": "1795867200",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(
                EC.sign(b"1795867200" + BODY, ec.ECDSA(hashes.SHA256()))
            ).decode(),
        },
        BODY,
    ),
    Signed(
        "kick",
        RSA_KEY,
        {
            "Kick-Event-Message-Id": "01JH",
            "Kick-Event-Message-Timestamp": "2026-11-28T12:00:00Z",
            "Kick-Event-Signature": rsa_signature(b"01JH.2026-11-28T12:00:00Z." + BODY),
        },
        BODY,
    ),
    Signed("wise", RSA_KEY, {"X-Signature-SHA256": rsa_signature(BODY)}, BODY),
    sns(),
    PAYPAL,
)

SIGNED: Final[dict[str, Signed]] = {
    **{name: Signed(name, TEXT, headers, BODY) for name, headers in SIMPLE.items()},
    **{one.name: one for one in (*OTHERS, *BY_KEY)},
}
