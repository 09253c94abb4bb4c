"""URLs of other programs, extended by a path."""

from urllib.parse import urlsplit


def extend_path(url: str, *segments: str) -> str:
    """Return `url` with `segments` behind its path; a query stays where it was."""
    parts = urlsplit(url)
    path = "/".join([parts.path.rstrip("/"), *segments])
    return parts._replace(path=path).geturl()
