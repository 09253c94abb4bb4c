"""Find the branch of an invalid choice that the sender most likely meant."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from jsonschema_rs import ValidationError, ValidationErrorKind
from pydantic_core import to_json

from ringback.domain.exact_json import escape_step, resolve

_MOST_PARTS: Final = 50
"""Maximum parts of one branch to read: circular references never end."""

_TAGS: Final = frozenset({"const", "enum"})

Explained: TypeAlias = tuple[tuple[str, ...], str]
"""A place below the choice, and the problem there."""

Misfit: TypeAlias = tuple[tuple[str, ...], list[str]]
"""A place below the choice that rules out a branch, and the values that the branch allows."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a schema, and the part of a result that it applies to.

    Attributes:
        schema: The part of the schema.
        pointer: The place of `schema`, as a JSON Pointer.
        value: The part of the result.
        path: The place of `value`.
        is_invalid: Whether `value` certainly does not meet `schema`.
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
            schema, pointer = schema[step], f"{pointer}/{quote(escape_step(step))}"
        return Node(schema, pointer, self.value, self.path)

    def at(self, key: str | int) -> "Node":
        """Return this schema, applied to a member or an item of the value."""
        return Node(self.schema, self.pointer, self.value[key], (*self.path, key))

    def moved(self, reference: str, target: Any) -> "Node":
        """Return `target`, which `reference` refers to, applied to the same value."""
        return Node(target, reference[1:], self.value, self.path)


class BranchFinder:
    """Finds branches by type, tag and required members."""

    def __init__(self, schema: Any, errors: Callable[[Node], Iterator[ValidationError]]) -> None:
        """Resolve references in `schema`; `errors` returns the errors of one node."""
        self._schema = schema
        self._errors = errors

    def best(self, branches: list[Node]) -> Node | Explained:
        """Return the branch that was meant, or the problem of the choice if that is unclear."""
        misfits = [self._misfit(branch) for branch in branches]
        scores = [misfit for misfit in misfits if isinstance(misfit, int)]
        if scores:
            return branches[misfits.index(min(scores))]
        reasons = [misfit for misfit in misfits if not isinstance(misfit, int)]
        place = next((at for at, _ in reasons if at), ())
        wanted = dict.fromkeys(word for at, words in reasons if at == place for word in words)
        if not wanted:
            return (), f"it matches none of the {len(branches)} choices"
        listed = " or ".join(wanted)
        return place, f"it is not one of {listed}" if place else f"it is not of type {listed}"

    def _misfit(self, branch: Node) -> int | Misfit:
        """Return the number of missing members, or why the branch was not meant."""
        missing = 0
        for part in self._parts(branch):
            for error in self._errors(part):
                match error.kind:
                    case ValidationErrorKind.Type(types):
                        return (), list(types)
                    case ValidationErrorKind.Enum() | ValidationErrorKind.Constant():
                        return (), []
                    case ValidationErrorKind.Required():
                        missing += 1
            tag = self._wrong_tag(part)
            if tag is not None:
                return tag
        return missing

    def _wrong_tag(self, part: Node) -> Misfit | None:
        if not isinstance(part.value, dict):
            return None
        for name, schema in part.schema.get("properties", {}).items():
            is_tag = isinstance(schema, dict) and not _TAGS.isdisjoint(schema)
            if not is_tag or name not in part.value:
                continue
            if any(self._errors(part.inside("properties", name).at(name))):
                values = schema.get("enum", [schema.get("const")])
                return (name,), [to_json(value).decode() for value in values]
        return None

    def _parts(self, branch: Node) -> Iterator[Node]:
        """Yield the branch, and the parts that it refers to or combines."""
        waiting = [branch]
        for _ in range(_MOST_PARTS):
            if not waiting:
                return
            node = waiting.pop()
            if not isinstance(node.schema, dict):
                continue
            yield node
            reference = node.schema.get("$ref")
            if isinstance(reference, str):
                target = resolve(self._schema, reference)
                waiting += [] if target is None else [node.moved(reference, target)]
            waiting += [
                node.inside("allOf", place) for place in range(len(node.schema.get("allOf", [])))
            ]
