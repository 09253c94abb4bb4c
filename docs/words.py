"""What the generated pages say in words, where the code has none."""

from typing import Final

from ringback.domain.callback import State

STATES: Final = {
    State.OPEN: "The activity waits, and nobody has answered.",
    State.ACCEPTED: "An answer is committed, or the default answer was taken at the deadline. How"
    " it ends is not known yet.",
    State.APPLIED: "Temporal took the answer. The proof is kept with it.",
    State.SUPERSEDED: "The activity ended another way first. The proof is kept with the answer.",
    State.PARKED: "Temporal refused the answer, has no record of the activity, did not answer for a"
    " week, or does not show any more what became of it. A person must look, and may have it"
    " delivered again.",
    State.EXPIRED: "Nobody answered, and the activity can no longer take an answer; or a later"
    " attempt asks anew.",
}

ROUTES: Final = {
    "POST /c/{link}": "The body is the result of the activity.",
    "GET /": "Says to a browser what this is, with a link to `/docs`. A program gets 404.",
    "GET /c/{link}": "Tells how the callback stands: JSON, or a page if `Accept` names"
    " `text/html`. Changes nothing.",
    "POST /c/{link}/complete": "The same as `POST /c/{link}`.",
    "POST /c/{link}/fail": "The body says how the activity fails: `message`, and if wanted `type`,"
    " `non_retryable`, `details`, `next_retry_delay`.",
    "POST /c/{link}/cancel": "Reports that the work was canceled; the body is the details.",
    "POST /c/{link}/heartbeat": "A sign of life; the body is the details. Answers at once with what"
    " Temporal says.",
    "GET /openapi.json": "All of this for programs, as OpenAPI.",
    "GET /docs": "The same as a page, without scripts.",
    "GET /healthz": "The process answers.",
    "GET /readyz": "The store has just committed a tiny write, so answers can be stored. Reports"
    " beside it whether Temporal can be reached.",
}

STATUSES: Final = {
    200: "The answer is applied, or the same answer was accepted before (`duplicate`). Also the"
    " reply to a heartbeat and to `GET`.",
    202: "The answer is committed. It is on its way to Temporal.",
    204: "That the outside was asked is kept. There is nothing to tell.",
    400: "The body cannot be read; `detail` says where.",
    401: "No API key, or none that is good. Only under `/v1`.",
    403: "The role of the API key does not allow this. Only under `/v1`.",
    404: "No such link: unknown, edited, expired, or not good for this verb. All look the same.",
    405: "The route does not know this method.",
    409: "Another answer was first (`accepted_at`), or nobody asked this activity to cancel.",
    410: "Nobody waits any more, or the deadline has passed; `reason` says why, `expired_at` when"
    " that was known.",
    413: "The body, or what Temporal would get of it, is larger than `limit` bytes.",
    415: "The body is declared as something that is not JSON.",
    422: "The result is not what the activity returns, or a request of the operator API cannot be"
    " used; `errors` says where. Or Temporal refused the request; `detail` is what it said.",
    500: "A mistake of the gateway's.",
    503: "It could not be kept or encoded, or Temporal did not answer where it had to be asked: for"
    " a heartbeat, and for the report of a cancellation. Send the same again after `Retry-After`"
    " seconds.",
}

DEFAULTS: Final = {
    "data": "the folder `ringback` in your state folder",
    "store": "`ringback.db` in `data`",
    "keys": "none",
    "keys_file": "a key that is made once, beside the store",
    "webhook_secrets": "one that is made once, beside the store; on PostgreSQL none",
    "data_converter": "the SDK's own",
    "url": "`http://127.0.0.1:8000`",
    "api_key": "the key that a gateway on SQLite made in `data`",
    "api_key_file": "none",
}
"""The defaults that depend on the machine or on other settings."""

ENVIRONMENT: Final = {
    "RINGBACK_LOG": "`json` makes the programs log a JSON object to a line; else they log text.",
    "RINGBACK_DEMO_SERVICE_URL": "Where the demo's worker finds the outside service; the same as"
    " `--service-url`.",
}
"""What is read from the environment, and is no setting of `Settings`."""

EXITS: Final = {
    0: "Done.",
    1: "The answer is no; the same again changes nothing.",
    2: "It was asked wrongly: a setting or an option.",
    3: "It may work later: the store or Temporal cannot be reached.",
    130: "It was stopped before it was done.",
}
