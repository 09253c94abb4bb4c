"""Examples for every route, as OpenAPI shows them."""

from typing import Any, Final

_ID: Final = "cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"
_AT: Final = "2030-01-01T12:00:00Z"
_LATER: Final = "2030-01-02T12:00:00Z"
_URL: Final = "https://ring.example/c/k1.…"

Example = dict[str, Any]

RESULT: Final[Example] = {"receipt": "r-1", "amount": 10}
DETAILS: Final[Example] = {"progress": 0.5}
REASON: Final[Example] = {"reason": "asked to stop"}

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
WHOAMI: Final[Example] = {
    "key": "h3k0c2…",
    "name": "orders",
    "role": "worker",
    "version": "0.1.0",
    "namespace": "default",
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
    "generation": 1,
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
        "heartbeat_received_at": _AT,
        "heartbeat_sent_at": _AT,
        "heartbeat_due_at": None,
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
        "last_error": None,
        "verdict_at": _AT,
        "proof": {"by": "reply"},
    },
}
SHOWN: Final[Example] = {
    **CALLBACK,
    "result_schema": {
        "type": "object",
        "properties": {"approved": {"type": "boolean"}},
        "required": ["approved"],
    },
    "result_example": {"approved": True},
}
PAGE: Final[Example] = {"callbacks": [CALLBACK], "next": _ID}
EVENTS: Final[Example] = {"events": [{"at": _AT, "kind": "opened", "facts": {"attempt": 1}}]}
LINK: Final[Example] = {"verbs": ["complete", "view"], "for": "PT1H"}
LINKED: Final[Example] = {"url": _URL, "allows": ["complete", "view"], "expires_at": _LATER}
EXTEND: Final[Example] = {"within": "PT90M"}
CHECKED: Final[Example] = {
    "problems": [{"pointer": "/approved", "detail": '"yes" is not of type "boolean"'}]
}
RECEIPT: Final[Example] = {
    "callback": _ID,
    "state": "accepted",
    "accepted_at": _AT,
    "duplicate": False,
    "status_url": f"https://ring.example/v1/callbacks/{_ID}",
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
        {"callback": "cb_unknown", "verb": "fail", "body": {"message": "card declined"}},
    ]
}
VIEW: Final[Example] = {
    "callback": _ID,
    "state": "open",
    "title": "Charge order 1",
    "metadata": {"order": "1"},
    "activity_type": "charge",
    "opened_at": _AT,
    "deadline": _LATER,
    "waiting": True,
    "cancel_requested": False,
    "paused": False,
    "accepted_at": None,
    "outcome": None,
    "reason": None,
    "allows": ["complete", "view"],
    "link_expires_at": _LATER,
    "result_schema": {"type": "object", "required": ["receipt"]},
    "examples": {"complete": f"curl -X POST '{_URL}/complete' …"},
}
HEALTHY: Final[Example] = {"status": "ok"}
READY: Final[Example] = {"status": "ready", "store": "ok", "temporal": "ok"}


RESULTS: Final[Example] = {
    "results": [
        {"callback": _ID, "status": 202, "receipt": RECEIPT, "problem": None},
        {
            "callback": "cb_unknown",
            "status": 404,
            "receipt": None,
            "problem": {
                "type": "urn:ringback:unknown-callback",
                "title": "unknown callback",
                "status": 404,
                "detail": "there is no callback cb_unknown",
            },
        },
    ]
}
