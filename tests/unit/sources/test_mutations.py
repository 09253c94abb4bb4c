"""Whatever is changed in a request of any provider is refused, unless nothing protects it."""

import re
from collections.abc import Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest

from ringback.sources.signature_table import PROVIDERS
from ringback.sources.verdict import Reason, Refusal, Verified
from tests.unit.sources.signers import SIGNED, certificate
from tests.unit.sources.vectors import VECTORS, Signed, mutations

REQUESTS: Final = {**SIGNED, **VECTORS}
CERTIFICATE: Final = certificate()

UNSIGNED: Final = {"Content-Type", "Idempotency-Key", "X-Gitlab-Event"}

SAME: Final[dict[str, Set[str]]] = {
    # `v0`, which does not count, is last.
    "stripe-1": {
        "Stripe-Signature cut at its end",
        "Stripe-Signature with a space after",
        "Stripe-Signature not ASCII",
    },
    # The third of four signatures counts.
    "sw-4": {
        "webhook-signature cut at its end",
        "webhook-signature cut at its beginning",
        "webhook-signature not ASCII",
    },
    # The second of two signatures counts.
    "cronofy": {
        "Cronofy-HMAC-SHA256 cut at its beginning",
        "Cronofy-HMAC-SHA256 with a space before",
    },
    "pagerduty": {
        "X-PagerDuty-Signature cut at its beginning",
        "X-PagerDuty-Signature with a space before",
    },
    # The first of two signatures counts, and after a space comes another one.
    "persona": {
        "Persona-Signature cut at its beginning",
        "Persona-Signature with a space before",
        "Persona-Signature with a space after",
    },
    # Discord's own library takes hex in any case.
    "discord": {"X-Signature-Ed25519 in capitals"},
    "sdk-discord": {"x-signature-ed25519 in capitals"},
    # Padding is optional.
    "merge": {"X-Merge-Webhook-Signature cut at its end"},
    # The secondary signature counts.
    **dict.fromkeys(
        ("box", "sdk-box"),
        frozenset(
            f"box-signature-primary {how}"
            for how in (
                "missing",
                "empty",
                "cut at its end",
                "cut at its beginning",
                "with a space before",
                "with a space after",
                "in capitals",
                "not ASCII",
                "reversed",
            )
        ),
    ),
    # Nothing signs the body.
    **dict.fromkeys(
        ("mercado-pago", "sdk-mercado-pago", "gitlab-token", "okta", "telegram", "postmark"),
        frozenset({"body longer", "body cut"}),
    ),
    # Fields of the body are signed, and a space after JSON is in none of them.
    **dict.fromkeys(
        (
            "adyen",
            "adyen-1",
            "sdk-adyen-colon",
            "sdk-adyen-uni",
            "sdk-mailgun",
            "amazon-sns",
            "mailgun",
            "microsoft-graph",
        ),
        frozenset({"body longer"}),
    ),
    # The address of a certificate is not signed; Ringback checks whose it is.
    "paypal": {"PAYPAL-CERT-URL cut at its end", "PAYPAL-AUTH-ALGO missing"},
}
"""Mutations that change nothing that is signed."""


def refusal_of(signed: Signed) -> Refusal | None:
    verdict = signed.verify(fetch=lambda _: CERTIFICATE)
    return verdict if isinstance(verdict, Refusal) else None


@pytest.mark.parametrize("name", REQUESTS)
def test_mutation_of_a_request_is_refused(name: str) -> None:
    request = REQUESTS[name]
    changed = {
        what: mutated
        for what, mutated in mutations(request, tuple(set(request.headers) - UNSIGNED))
        if mutated != request
    }

    verified = {what for what, mutated in changed.items() if refusal_of(mutated) is None}

    assert changed
    assert verified == SAME.get(name, frozenset())


@pytest.mark.parametrize("name", REQUESTS)
def test_name_of_a_header_may_have_any_case(name: str) -> None:
    request = REQUESTS[name]

    for change in (str.lower, str.upper, str.title):
        headers = {change(key): value for key, value in request.headers.items()}
        assert refusal_of(replace(request, headers=headers)) is None


TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)|\d{10}(\d{3})?(?!\d)")


def move(time: str, seconds: int) -> str:
    if time.isdigit():
        return str(int(time) + seconds * 10 ** (len(time) - 10))
    moved = datetime.fromisoformat(time) + timedelta(seconds=seconds)
    return moved.isoformat().replace("+00:00", "Z")


def moved(signed: Signed, seconds: int) -> Signed:
    """Return the request with another time of sending and the signature of before."""
    row = PROVIDERS[signed.name]
    assert row.timestamp is not None
    place, _, at = row.timestamp.at.partition(":")
    name = (row.header if place == "member" else at).lower()
    names = {name, "".join(row.renamed[1:]) + name.partition("-")[2]} if row.renamed else {name}
    (header,) = (one for one in signed.headers if one.lower() in names)
    value = signed.headers[header]
    found = TIME.search(value)
    assert found is not None
    return signed.with_header(header, value.replace(found[0], move(found[0], seconds)))


WITH_TIME: Final = [
    name
    for name, request in REQUESTS.items()
    if (timestamp := PROVIDERS[request.name].timestamp) and not timestamp.at.startswith("body:")
]


@pytest.mark.parametrize("seconds", [-301, -1, 1, 301])
@pytest.mark.parametrize("name", WITH_TIME)
def test_other_time_under_the_same_signature_is_refused(name: str, seconds: int) -> None:
    refusal = refusal_of(moved(REQUESTS[name], seconds))

    assert refusal is not None
    assert refusal.reason is Reason.SIGNATURE_MISMATCH


@pytest.mark.parametrize("name", REQUESTS)
def test_request_is_verified_a_second_early_or_late_and_not_beyond_its_limit(name: str) -> None:
    request = REQUESTS[name]
    timestamp = PROVIDERS[request.name].timestamp
    limit = timestamp.tolerance if timestamp else None
    if request.name in {"linear", "livekit", "messagebird"}:
        return  # the time is in the body, or in the claims of a token: it has tests of its own

    assert isinstance(request.later(1).verify(fetch=lambda _: CERTIFICATE), Verified)
    assert isinstance(request.later(-1).verify(fetch=lambda _: CERTIFICATE), Verified)
    old, ahead = (refusal_of(request.later(by)) for by in (301, -301))
    if limit is None or limit > 301:
        assert (old, ahead) == (None, None)
    else:
        assert old is not None
        assert old.reason is Reason.TIMESTAMP_TOO_OLD
        assert ahead is not None
        assert ahead.reason is Reason.TIMESTAMP_AHEAD
