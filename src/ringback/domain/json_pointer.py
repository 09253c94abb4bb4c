"""JSON Pointers (RFC 6901): the place of a value in a JSON document."""

from typing import Any
from urllib.parse import unquote


def escape_step(step: str | int) -> str:
    """Return one step of a JSON Pointer: the name of a member, or the index of an item."""
    return str(step).replace("~", "~0").replace("/", "~1")


def resolve(root: Any, reference: str) -> Any:
    """Return the target of a `$ref` within `root`; `None` if it is not a JSON Pointer."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    found = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name not in found:
            # A `$ref` is a URL, so its fragment may be percent-encoded.
            name = unquote(name)
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
