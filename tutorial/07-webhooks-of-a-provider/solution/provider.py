"""The provider: sends an event about a payment, signed as Stripe signs, until it is accepted."""

import argparse
import hmac
import json
import os
import time
import urllib.error
import urllib.request

GATEWAY = os.environ.get("RINGBACK_URL", "http://127.0.0.1:8000")


def describe(intent: str, verb: str) -> dict[str, object]:
    """Return the event, as Stripe writes it; only the fields that the exercise needs."""
    payment: dict[str, object] = {"id": intent, "amount": 4200, "amount_received": 0}
    if verb == "paid":
        kind = "payment_intent.succeeded"
        payment["amount_received"] = 4200
    else:
        kind = "payment_intent.payment_failed"
        payment["last_payment_error"] = {
            "code": "card_declined",
            "decline_code": "expired_card",
            "message": "Your card has expired.",
        }
    return {"id": f"evt_{verb}_{intent}", "type": kind, "data": {"object": payment}}


def sign(body: bytes, secret: str) -> str:
    """Return the header `Stripe-Signature`: the time, and the HMAC of the time and the body."""
    now = int(time.time())  # noqa: TID251 - the signature has the time of this machine
    digest = hmac.new(secret.encode(), b"%d.%b" % (now, body), "sha256").hexdigest()
    return f"t={now},v1={digest}"


def post(body: bytes, secret: str) -> str:
    """Post the event once, and return the status and the body of the reply.

    Raises:
        OSError: The gateway does not reply.
    """
    headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, secret)}
    request = urllib.request.Request(f"{GATEWAY}/in/stripe", body, headers)  # noqa: S310 - the gateway
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - the gateway
            return f"{reply.status} {reply.read().decode()}"
    except urllib.error.HTTPError as refused:
        return f"{refused.code} {json.load(refused)['title']}"


def main() -> None:
    """Send the event until there is a reply, as providers do: Stripe for up to three days."""
    parser = argparse.ArgumentParser(description="A payment provider sends an event.")
    parser.add_argument("verb", choices=["paid", "declined"])
    parser.add_argument("intent")
    parser.add_argument("--secret", default=os.environ.get("STRIPE_WEBHOOK_SECRET", ""))
    arguments = parser.parse_args()
    body = json.dumps(describe(arguments.intent, arguments.verb)).encode()
    while True:
        try:
            print(post(body, arguments.secret))
        except OSError:
            print("No reply. The provider tries again.", flush=True)
            time.sleep(1)
        else:
            return


if __name__ == "__main__":
    main()
