"""Estimate the work of a schema for each byte of a result."""

import math
from typing import Any, Final

PATTERN_WEIGHT: Final = 500
"""Weight of a pattern; it is compiled once, which may take 10 ms."""

_ELSEWHERE: Final = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef"})
"""Keywords whose references are not followed here."""


def estimate_cost(schema: Any) -> float:
    """Return the number of parts in `schema`, with each reference replaced by its target.

    This cost times the size of a result bounds the time of its check. It is infinite if the schema
    refers to itself: the time may then grow exponentially with the nesting of a result.
    """
    try:
        return _Weighing(schema).weigh(schema, is_root=True)
    except RecursionError:
        # A long chain of references.
        return math.inf


class _Weighing:
    def __init__(self, root: Any) -> None:
        self._root = root
        # Infinite while the target is being weighed: it would contain itself.
        self._targets: dict[str, float] = {}

    def weigh(self, part: Any, *, is_root: bool = False) -> float:
        if isinstance(part, list):
            return 1 + sum(self.weigh(item) for item in part)
        if not isinstance(part, dict):
            return 1
        if not _ELSEWHERE.isdisjoint(part) and not (
            is_root and part.keys() & _ELSEWHERE == {"$id"}
        ):
            return math.inf
        weight = 1 + sum(self.weigh(value) for value in part.values())
        if "$ref" in part:
            weight += self._weigh_target(part["$ref"])
        patterns = part.get("patternProperties")
        count = ("pattern" in part) + (len(patterns) if isinstance(patterns, dict) else 0)
        return weight + count * PATTERN_WEIGHT

    def _weigh_target(self, reference: Any) -> float:
        if not isinstance(reference, str):
            return 1
        if reference not in self._targets:
            self._targets[reference] = math.inf
            target = resolve(self._root, reference)
            if target is not None:
                self._targets[reference] = self.weigh(target)
        return self._targets[reference]


def resolve(root: Any, reference: str) -> Any:
    """Return the target of a reference within `root`; `None` if it is not a JSON Pointer."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    found = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
