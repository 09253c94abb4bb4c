"""Fetch a certificate, or confirm a subscription, at an address that a provider is pinned to."""

from typing import Final

import httpx2

LARGEST: Final = 64 * 1024
"""Maximum bytes of a reply."""

_TIMEOUT_SECONDS: Final = 5


def fetch(url: str) -> bytes:
    """Return the body of a GET that succeeds at once, without a redirect.

    Raises:
        OSError: It failed; the message does not repeat the URL, which may hold a secret.
    """
    body = b""
    try:
        with httpx2.stream("GET", url, timeout=_TIMEOUT_SECONDS, follow_redirects=False) as reply:
            for chunk in reply.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    msg = f"the reply is larger than {LARGEST:,} bytes"
                    raise OSError(msg)
    except httpx2.HTTPError as exc:
        msg = f"the request failed: {type(exc).__name__}"
        raise OSError(msg) from None
    if not reply.is_success:
        msg = f"the reply has the status {reply.status_code}"
        raise OSError(msg)
    return body
