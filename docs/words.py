"""What the generated pages say in words, where the code has none."""

from typing import Final

from ringback.domain.callback import State
from ringback.setting_groups import FILE_VARIABLES

STATES: Final = {
    State.OPEN: "The activity waits for an answer.",
    State.ACCEPTED: "An answer is committed, or the default answer was taken at the deadline. It is"
    " being delivered.",
    State.APPLIED: "Temporal took the answer. The proof is stored.",
    State.SUPERSEDED: "The activity ended in another way first, or an operator gave a parked answer"
    " up that the activity cannot use any more. The proof is stored.",
    State.PARKED: "Temporal refused the answer, has no record of the activity, did not reply for a"
    " week, or no longer shows how an attempt ended. An operator redelivers it, or gives it up if"
    " the activity has ended or is not known any more.",
    State.EXPIRED: "Closed without an answer: the activity ended, or a later attempt opened a new"
    " callback.",
}

ROUTES: Final = {
    "POST /c/{link}": "Completes the activity. The body is the result.",
    "GET /": "Shows a browser what this is, with a link to `/docs`. A program gets 404.",
    "GET /c/{link}": "Shows the callback: JSON, or a page if `Accept` names `text/html`. Changes"
    " nothing.",
    "POST /c/{link}/complete": "The same as `POST /c/{link}`.",
    "POST /c/{link}/fail": "Fails the activity. The body has `message`, and optionally `type`,"
    " `non_retryable`, `details`, `next_retry_delay`.",
    "POST /c/{link}/cancel": "Reports that the work was canceled. The body is the details.",
    "POST /c/{link}/heartbeat": "Records a heartbeat and returns whether to continue. The body is"
    " the details.",
    "POST /c/{link}/decide": "Counts the vote of a form on the page of the link. Only pages of this"
    " gateway can send it.",
    "POST /c/{link}/withdraw": "Withdraws that vote.",
    "GET /inbox": "Lists what a signed-in person is asked, sorted by deadline.",
    "GET /inbox/changes/events": "Streams to the page of the inbox that it has changed.",
    "POST /inbox/changes/votes": "Counts the votes of a person on several callbacks.",
    "POST /inbox/changes/claim": "Claims a callback.",
    "POST /inbox/changes/release": "Releases a callback.",
    "GET /inbox/changes/reassign": "Shows the form that asks other people.",
    "POST /inbox/changes/reassign": "Asks other people.",
    "GET /inbox/{id}": "Shows the page of a callback to a signed-in person.",
    "POST /inbox/{id}/decide": "Counts the vote of a signed-in person.",
    "POST /inbox/{id}/withdraw": "Withdraws that vote.",
    "GET /sources": "Shows the sources of events and what was refused, to a signed-in admin.",
    "GET /openapi.json": "This API as OpenAPI.",
    "GET /docs": "The same as a page, without scripts.",
    "POST /slack/interactions": "Receives what people press in Slack, with Slack's signature. If"
    " Slack is not configured, it replies 404.",
    "GET /in/{source}": "Answers the handshake of a provider. Otherwise it replies 404.",
    "POST /in/{source}": "Stores what a provider sends, once, and then acknowledges it. The"
    " signature of the provider is the credential.",
    "GET /sign-in": "Sends a person to the identity provider, or says how to sign in. `next` is the"
    " page to return to.",
    "GET /sign-in/oidc": "Where the identity provider sends the browser back.",
    "GET /sign-in/once/{secret}": "Shows who would sign in with a one-time URL. Uses nothing up.",
    "POST /sign-in/once/{secret}": "Uses a one-time URL up, and signs the browser in.",
    "GET /sign-in/done": "Says that the sign-in in a second tab is done.",
    "POST /sign-out": "Ends the session of the browser.",
    "GET /healthz": "The process is alive.",
    "GET /metrics": "The [metrics](metrics.md) of this gateway, in the text format of Prometheus."
    " 404 if they have a port of their own.",
    "GET /readyz": "The store has just committed a small write. The body also has the state of"
    " Temporal.",
}

STATUSES: Final = {
    200: "Applied, or the same answer was accepted before (`duplicate`). Also the reply to a"
    " heartbeat and to `GET`.",
    202: "The answer is committed and is being delivered.",
    204: "The submission was recorded. No response body.",
    400: "The body cannot be parsed; `detail` says where.",
    401: "The API key is missing or invalid, or nobody is signed in.",
    403: "The role of the API key, or the rules of the callback, do not allow this; or another site"
    " sent the form, or the person may not sign in.",
    404: "The link is unknown, edited, expired, revoked, or does not allow this verb. All look the"
    " same.",
    405: "The route does not support this method.",
    409: "Another answer was first (`accepted_at`), or no cancellation was requested.",
    410: "The activity has ended, or the deadline has passed; `reason` says why, `expired_at`"
    " when. Or the callback of the link was deleted, or an older backup was restored.",
    413: "The body, or its encoded form for Temporal, is larger than `limit` bytes.",
    415: "The content type is not JSON.",
    422: "The result has the wrong type, or a parameter is invalid; `errors` says where. Or"
    " Temporal refused the request; `detail` has its message.",
    429: "Too many requests with this link, key or source. Retry after `Retry-After` seconds, and"
    " less often.",
    500: "A bug in the gateway.",
    503: "The store, the data converter or Temporal is unavailable. Retry after `Retry-After`"
    " seconds.",
}

DEFAULTS: Final = {
    "data": "the folder `ringback` in your state folder",
    "store": "`ringback.db` in `data`",
    "keys": "none",
    "keys_file": "a key that is created once, next to the store",
    "webhook_secrets": "created once, next to the store; on PostgreSQL none",
    "metrics_port": "none",
    "people_file": "none",
    "mail_url": "none",
    "mail_from": "none",
    "slack_token": "none",
    "slack_signing_secrets": "none",
    "data_converter": "the SDK's own",
    "session_lifetime": "`12h`",
    "session_idle": "`4h`",
    "admins": "nobody",
    "oidc_issuer": "none",
    "oidc_client_id": "none",
    "oidc_client_secret": "none",
    "oidc_client_secret_file": "none",
    "oidc_allowed_domains": "all",
    "proxy_user_header": "none",
    "proxy_groups_header": "none",
    "proxy_name_header": "none",
    "trusted_proxies": "none",
    "url": "`http://127.0.0.1:8000`",
    "api_key": "the key that a gateway on SQLite created in `data`",
    "api_key_file": "none",
}
"""The defaults that depend on the machine or on other settings."""

ENVIRONMENT: Final = {
    **{
        name: f"A file that holds `RINGBACK_{field.upper()}`, for a secret that a platform mounts."
        for name, field in FILE_VARIABLES.items()
    },
    "RINGBACK_LOG": "`json` logs one JSON object per line; the default is `text`.",
    "RINGBACK_LOG_LEVEL": "The lowest level that is logged: `debug`, `info`, `warning` or `error`."
    " Without it, programs that run on log from `info`, and other commands from `warning`.",
    "RINGBACK_DEMO_SERVICE_URL": "The URL of the demo service for the demo's worker; the same as"
    " `--service-url`.",
}
"""What is read from the environment, and is not a field of `Settings`."""

EXITS: Final = {
    0: "Done.",
    1: "Refused; the same command again changes nothing.",
    2: "A setting or an option is wrong.",
    3: "The store, the gateway or Temporal is unavailable: try again later.",
    130: "Stopped before the end, for example by Ctrl-C.",
}
