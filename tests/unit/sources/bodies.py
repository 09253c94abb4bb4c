"""Bodies as providers send them, shortened."""

import json
from typing import Any
from urllib.parse import urlencode

STRIPE = b"""{
  "id": "evt_3PXyz2eZvKYlo2C1",
  "object": "event",
  "api_version": "2024-06-20",
  "created": 1719400000,
  "data": {
    "object": {
      "id": "pi_3PXyz2eZvKYlo2C1",
      "object": "payment_intent",
      "amount": 2000,
      "currency": "eur",
      "last_payment_error": null,
      "metadata": {"order": "17"},
      "status": "succeeded"
    }
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {"id": null, "idempotency_key": "5a3c"},
  "type": "payment_intent.succeeded"
}"""

STRIPE_DECLINED = (
    STRIPE
    .replace(b"payment_intent.succeeded", b"payment_intent.payment_failed")
    .replace(b'"last_payment_error": null', b'"last_payment_error": {"code": "card_declined"}')
    .replace(b'"status": "succeeded"', b'"status": "requires_payment_method"')
)

GITHUB_RUN = json.dumps({
    "action": "completed",
    "workflow_run": {
        "id": 9_999_999_999,
        "name": "CI",
        "head_branch": "main",
        "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d",
        "run_number": 562,
        "event": "push",
        "status": "completed",
        "conclusion": "success",
        "html_url": "https://github.com/octocat/hello/actions/runs/9999999999",
        "pull_requests": [],
    },
    "repository": {"id": 35129377, "full_name": "octocat/hello", "private": False},
    "sender": {"login": "octocat", "id": 21031067, "type": "User"},
}).encode()

GITHUB_CHECK = json.dumps({
    "action": "completed",
    "check_run": {
        "id": 128620228,
        "name": "Octocoders-linter",
        "head_sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821",
        "status": "completed",
        "conclusion": "failure",
        "output": {"title": None, "summary": "3 errors", "annotations_count": 0},
    },
    "repository": {"full_name": "Codertocat/Hello-World"},
}).encode()

SHOPIFY = b"""{"id":820982911946154508,\
"admin_graphql_api_id":"gid:\\/\\/shopify\\/Order\\/820982911946154508",\
"total_price":"403.00","total_weight":1.10,"currency":"USD","financial_status":"paid",\
"email":"jon@example.com","note":"thanks \xf0\x9f\x98\x8a\xe2\x80\xa8bye",\
"line_items":[{"id":866550311766439020,"quantity":1,"price":"199.00"},\
{"id":141249953214522974,"quantity":1,"price":"199.00"}]}"""

SLACK = urlencode({
    "payload": json.dumps({
        "type": "block_actions",
        "user": {"id": "U0123", "username": "ada"},
        "actions": [{"action_id": "approve", "value": "order:17", "type": "button"}],
        "response_url": "https://hooks.slack.com/actions/T0/1/x",
    })
}).encode()

TWILIO = b"MessageSid=SM123&MessageStatus=delivered&To=%2B15558675310&Body=caf%C3%A9+%F0%9F%98%8A"

GRAPH = json.dumps({
    "value": [
        {
            "subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
            "clientState": "secret",
            "changeType": "updated",
            "resource": "Users/u1/Messages/m1",
            "resourceData": {"id": "m1"},
        },
        {
            "subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
            "clientState": "secret",
            "changeType": "deleted",
            "resource": "Users/u1/Messages/m2",
            "resourceData": {"id": "m2"},
        },
        {"subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07", "changeType": "updated"},
    ]
}).encode()

SENDGRID = json.dumps([
    {"email": "a@example.com", "event": "delivered", "sg_message_id": "m1.filter", "order": "17"},
    {"email": "b@example.com", "event": "bounce", "reason": "500 unknown", "order": "18"},
    {"email": "c@example.com", "event": "open", "order": "17"},
]).encode()


def parse(body: bytes | None) -> Any:
    assert body is not None
    return json.loads(body)
