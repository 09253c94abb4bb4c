"""Examples of request bodies in OpenAPI."""

from typing import Any, Final

_ID: Final = "cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"

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
LINK: Final[Example] = {"verbs": ["complete", "view"], "for": "PT1H"}
GIVE_UP: Final[Example] = {
    "by": "ada@example.org",
    "reason": "the workflow was deleted",
}
EXTEND: Final[Example] = {"within": "PT90M"}
POLLED: Final[Example] = {
    "attempt": 2,
    "task_token": "CiQwMTk5YzFiMg==",
    "answer": {"verb": "complete", "body": RESULT},
}
ANSWERS: Final[Example] = {
    "answers": [
        {"callback": _ID, "verb": "complete", "body": RESULT},
        {"alias": "github:run:42", "verb": "fail", "body": {"message": "card declined"}},
    ]
}
VOTE: Final[Example] = {"by": "ada@example.org", "approved": False, "reason": "too expensive"}
CLAIM: Final[Example] = {"by": "ada@example.org", "groups": ["finance"]}
REASSIGN: Final[Example] = {"assignees": ["user:ada@example.org", "group:finance"]}
TEST: Final[Example] = {
    "body": '{"id": "evt_1", "type": "payment_intent.succeeded"}',
    "headers": {"stripe-signature": "t=1893456000,v1=5257a869e7ec"},
}
CHANGE: Final[Example] = {"details": {"euros": 1200}}
