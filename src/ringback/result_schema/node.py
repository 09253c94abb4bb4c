"""A part of a schema together with the part of a result that it applies to."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the schema, and the part of the result that it applies to.

    Attributes:
        schema: The part of the schema.
        pointer: Its place in the schema, as a JSON Pointer.
        value: The part of the result.
        path: Its place in the result.
        is_invalid: The value is known not to meet the schema.
    """

    schema: Any
    pointer: str
    value: Any
    path: tuple[str | int, ...] = ()
    is_invalid: bool = False

    def inside(self, *steps: str | int) -> "Node":
        """Return a schema inside this one that applies to the same value."""
        schema, pointer = self.schema, self.pointer
        for step in steps:
            schema, pointer = schema[step], f"{pointer}/{quote(escaped(step))}"
        return Node(schema, pointer, self.value, self.path)

    def at(self, key: str | int) -> "Node":
        """Return this schema, applied to a member or an item of the value."""
        return Node(self.schema, self.pointer, self.value[key], (*self.path, key))

    def moved(self, reference: str, target: Any) -> "Node":
        """Return `target`, which `reference` refers to, applied to the same value."""
        return Node(target, reference[1:], self.value, self.path)


def escaped(step: str | int) -> str:
    """Return a step of a JSON Pointer."""
    return str(step).replace("~", "~0").replace("/", "~1")
