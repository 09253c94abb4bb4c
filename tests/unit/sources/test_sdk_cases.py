"""Cases in which SDKs differ from one another or from the documentation."""

import base64
import hashlib
from dataclasses import replace

import pytest

from ringback.sources.certificates import PAYPAL
from ringback.sources.verdict import Reason, Refusal, Verified
from tests.unit.sources.signers import BASE64, BODY, SIGNED, TEXT, WHSEC, b64, jwt
from tests.unit.sources.vectors import Signed

HUBSPOT = "https://ring.example/in/hubspot"


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        # hubspot-api-client 12.0.0 and @hubspot/api-client 13.5.0 sign the URL as it is.
        ("?u=a%3A%2Fb&e=x%40y", "?u=a%3A%2Fb&e=x%40y"),
        # HubSpot's page about request validation has the punctuation decoded, and nothing else.
        ("?u=a%3A%2Fb&e=x%40y", "?u=a:/b&e=x@y"),
        ("?q=%21%24%27%28%29%2A%2C%3B%3f%20%25", "?q=!$'()*,;?%20%25"),
    ],
)
def test_hubspot_signs_the_url_as_it_is_or_with_its_punctuation_decoded(
    url: str, signed: str
) -> None:
    request = Signed(
        "hubspot",
        TEXT,
        {
            "X-HubSpot-Request-Timestamp": "1795867200000",
            "X-HubSpot-Signature-v3": b64(
                TEXT.encode(), f"POST{HUBSPOT}{signed}".encode() + BODY + b"1795867200000"
            ),
        },
        BODY,
        url=HUBSPOT + url,
    )

    assert isinstance(request.verify(), Verified)
    assert isinstance(replace(request, url=f"{HUBSPOT}{url}x").verify(), Refusal)
    assert isinstance(replace(request, body=BODY + b" ").verify(), Refusal)


def test_livekit_has_any_issuer_and_a_digest_in_base64() -> None:
    digest = hashlib.sha256(BODY).digest()
    in_hex = {"iss": "key", "sha256": digest.hex()}
    other = {"iss": "key", "sha256": base64.b64encode(hashlib.sha256(b"").digest()).decode()}

    assert isinstance(SIGNED["livekit"].verify(), Verified)
    for claims in (in_hex, other, {"iss": "key"}):
        refusal = SIGNED["livekit"].with_header("Authorization", jwt({**claims})).verify()
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.BODY_MODIFIED
    none = jwt({"sha256": base64.b64encode(digest).decode()}, head='{"alg":"none"}')
    assert isinstance(SIGNED["livekit"].with_header("Authorization", none).verify(), Refusal)


@pytest.mark.parametrize("name", ["openai", "polar"])
@pytest.mark.parametrize("secret", [WHSEC, TEXT, "polar_whs_0123456789abcdef", BASE64])
def test_secret_may_be_text_or_base64(name: str, secret: str) -> None:
    # openai 3.57.0 decodes what begins with whsec_, polar-sdk 1.0.2 tries both.
    key = base64.b64decode(WHSEC.removeprefix("whsec_")) if secret == WHSEC else secret.encode()
    value = "v1," + b64(key, b"msg_1.1795867200." + BODY)
    signed = replace(SIGNED[name], secret=secret).with_header("webhook-signature", value)

    assert isinstance(signed.verify(), Verified)
    assert signed.verify(secrets=["d3Jvbmc=", "wrong one", secret]) == Verified(2)
    assert isinstance(signed.verify(secrets=["d3Jvbmc=", "wrong one"]), Refusal)


@pytest.mark.parametrize("host", ["api", "api-m", "api.sandbox", "api-m.sandbox"])
def test_certificate_of_paypal_comes_from_its_own_hosts(host: str) -> None:
    path = "v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"

    assert PAYPAL.fullmatch(f"https://{host}.paypal.com/{path}")
    assert not PAYPAL.fullmatch(f"https://{host}.paypal.com.evil.example/{path}")
    assert not PAYPAL.fullmatch(f"https://{host}xpaypal.com/{path}")
