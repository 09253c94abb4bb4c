"""Examples for every route, as OpenAPI shows them."""

from typing import Any, Final

_ID: Final = "cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"
_AT: Final = "2030-01-01T12:00:00+00:00"
_LATER: Final = "2030-01-02T12:00:00+00:00"
_URL: Final = "https://ring.example/c/k1.…"

Example = dict[str, Any]

RESULT: Final[Example] = {"receipt": "r-1", "amount": 10}
DETAILS: Final[Example] = {"progress": 0.5}
REASON: Final[Example] = {"reason": "asked to stop"}
FAILURE: Final[Example] = {"message": "card declined", "type": "Declined", "non_retryable": True}

OPEN: Final[Example] = {
    "activity": {
        "namespace": "default",
        "workflow_id": "order-1",
        "run_id": "0199c1b2-6f1e-7d3a-9c55-0f0e4c1b2a3d",
        "activity_id": "5",
        "attempt": 1,
        "task_token": "CiQwMTk5YzFiMg==",
    },
    "options": {
        "deadline": "PT24H",
        "on_deadline": {"verb": "fail", "body": {"message": "nobody decided", "type": "Late"}},
        "title": "Charge order 1",
        "tags": ["charges"],
        "result_schema": {"type": "object", "required": ["receipt"]},
    },
}
OPENED: Final[Example] = {
    "id": _ID,
    "url": _URL,
    "state": "open",
    "submitted": False,
    "answered": False,
    "next": "submit",
    "deadline": _LATER,
    "answer": None,
}
CALLBACK: Final[Example] = {
    "id": _ID,
    "state": "applied",
    "namespace": "default",
    "workflow_id": "order-1",
    "run_id": "0199c1b2-6f1e-7d3a-9c55-0f0e4c1b2a3d",
    "activity_id": "5",
    "workflow_type": "Order",
    "activity_type": "charge",
    "task_queue": "orders",
    "round": 1,
    "attempt": 1,
    "opened_at": _AT,
    "submitted_at": _AT,
    "deadline_at": _LATER,
    "default_due_at": None,
    "attempts": "any",
    "title": "Charge order 1",
    "tags": ["charges"],
    "metadata": {},
    "heartbeat": {
        "by": "outside",
        "timeout": 30.0,
        "noted_at": _AT,
        "beaten_at": _AT,
        "beat_due_at": None,
    },
    "cancel_requested_at": None,
    "cancel_due_at": None,
    "link_expires_at": _LATER,
    "paused_at": None,
    "expired_at": None,
    "expired_because": None,
    "outcome": {
        "id": "oc_0dj0q6nk5g1e2b3a4c5d6e7f8g",
        "kind": "completed",
        "accepted_at": _AT,
        "is_default": False,
        "tries": 1,
        "trouble": None,
        "verdict_at": _AT,
        "proof": {"by": "reply"},
    },
}
PAGE: Final[Example] = {"callbacks": [CALLBACK], "next": _ID}
EVENTS: Final[Example] = {"events": [{"at": _AT, "kind": "opened", "facts": {"attempt": 1}}]}
LINK: Final[Example] = {"verbs": ["complete", "view"], "for": "PT1H"}
LINKED: Final[Example] = {"url": _URL, "allows": ["complete", "view"], "expires_at": _LATER}
EXTEND: Final[Example] = {"within": "PT90M"}
RECEIPT: Final[Example] = {
    "callback": _ID,
    "state": "accepted",
    "accepted_at": _AT,
    "duplicate": False,
    "status_url": f"/v1/callbacks/{_ID}",
}
SIGN: Final[Example] = {
    "cancel_requested": False,
    "paused": False,
    "reset": False,
    "deadline": _LATER,
}
ANSWERS: Final[Example] = {
    "answers": [
        {"callback": _ID, "verb": "complete", "body": RESULT},
        {"callback": "cb_unknown", "verb": "fail", "body": FAILURE},
    ]
}
VIEW: Final[Example] = {
    "callback": _ID,
    "state": "open",
    "activity_type": "charge",
    "opened_at": _AT,
    "deadline": _LATER,
    "waiting": True,
    "cancel_requested": False,
    "paused": False,
    "accepted_at": None,
    "reason": None,
    "allows": ["complete", "view"],
    "link_expires_at": _LATER,
    "examples": {"complete": f"curl -X POST '{_URL}/complete' …"},
}
HEALTHY: Final[Example] = {"status": "ok"}
READY: Final[Example] = {"status": "ready", "store": "ok", "temporal": "ok"}


def _problem(title: str, detail: str, **more: object) -> Example:
    return {
        "type": f"urn:ringback:{title.replace(' ', '-')}",
        "title": title,
        "detail": detail,
        **more,
    }


PROBLEMS: Final[dict[int, Example]] = {
    400: _problem("malformed answer", "message: Field required"),
    401: _problem("unknown key", "send a good API key: Authorization: Bearer rbk_…"),
    403: _problem("not allowed", "a key of the role viewer may not answer"),
    404: _problem("unknown callback", f"there is no callback {_ID}; see: ringback list"),
    405: _problem("method not allowed", "look at this link with GET, answer with POST"),
    409: _problem("answered differently", "another answer was accepted first", accepted_at=_AT),
    410: _problem(
        "expired callback",
        "nobody waits any more: timed out",
        reason="timed out",
        expired_at=_AT,
    ),
    413: _problem("answer too large", "the body is larger than 2096128 bytes", limit=2_096_128),
    415: _problem("unsupported media type", "send the body as application/json, not as text/csv"),
    422: _problem(
        "malformed request",
        "this cannot be used: limit: Input should be less than or equal to 1000",
        errors=[{"pointer": "limit", "detail": "Input should be less than or equal to 1000"}],
    ),
    503: _problem("store unavailable", "it cannot be kept now; send the same again"),
}

RESULTS: Final[Example] = {
    "results": [
        {"callback": _ID, "status": 202, "receipt": RECEIPT, "problem": None},
        {
            "callback": "cb_unknown",
            "status": 404,
            "receipt": None,
            "problem": {"status": 404, **PROBLEMS[404]},
        },
    ]
}
