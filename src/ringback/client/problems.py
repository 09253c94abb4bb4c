"""Replies of the gateway that are problems, as errors."""

from datetime import timedelta
from typing import Any, Final

import httpx2

from ringback.client.target import Target
from ringback.domain.alias_errors import AliasInUseError
from ringback.domain.api_key import from_text
from ringback.domain.errors import GatewayRefusedError, GatewayUnavailableError, RingbackError
from ringback.domain.ids import CallbackId

_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_MOST_DETAIL: Final = 500


def to_error(reply: httpx2.Response, target: Target) -> RingbackError:
    """Return the error that a reply of the gateway of `target` means."""
    problem = _to_problem(reply)
    title, detail = str(problem.get("title", "")), str(problem.get("detail", ""))[:_MOST_DETAIL]
    if not problem:
        detail = f"{target.url} replied {reply.status_code}; is it a Ringback gateway?"
    if reply.status_code == httpx2.codes.UNAUTHORIZED:
        detail = _explain_rejected_key(detail, target)
    if reply.status_code in _RETRYABLE:
        after = reply.headers.get("retry-after", "")
        wait = timedelta(seconds=int(after)) if after.isdecimal() else None
        return GatewayUnavailableError(detail or title, retry_after=wait)
    if title == "alias in use":
        named = {name: str(problem.get(name, "")) for name in ("alias", "callback", "workflow_id")}
        owner = CallbackId(named["callback"])
        return AliasInUseError(named["alias"], owner, named["workflow_id"])
    return GatewayRefusedError(detail or title, status=reply.status_code, title=title)


def _explain_rejected_key(detail: str, target: Target) -> str:
    rejected = f"the gateway at {target.url} rejects the API key of {target.source}"
    parts = from_text(target.api_key)
    if parts is None:
        return (
            f"{rejected}: it is not a key, which begins with rbk_ and which `ringback keys add`"
            " prints"
        )
    why = "is revoked" if "revoked" in detail else "is not in its store, or its secret is another"
    return (
        f"{rejected}: the key {parts[0]} {why}; `ringback keys list` shows all, and"
        " `ringback keys add` creates one"
    )


def _to_problem(reply: httpx2.Response) -> dict[str, Any]:
    if not reply.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        problem = reply.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
