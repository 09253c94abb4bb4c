"""Find the branch of a choice that was plainly meant, although none of them is valid."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from jsonschema_rs import ValidationError, ValidationErrorKind
from pydantic_core import to_json

from ringback.result_schema.cost import resolve
from ringback.result_schema.node import Node

_MOST_PARTS: Final = 50
"""Maximum parts of one branch to read: references in a circle would never end."""

_TAGS: Final = frozenset({"const", "enum"})

Explained: TypeAlias = tuple[tuple[str, ...], str]
"""A place below the choice, and what is wrong there."""

Misfit: TypeAlias = tuple[tuple[str, ...], list[str]]
"""A place below the choice that rules a branch out, and what the branch wants there."""


class Choice:
    """Finds branches by type, by tag and by required members."""

    def __init__(self, schema: Any, errors: Callable[[Node], Iterator[ValidationError]]) -> None:
        """Resolve references in `schema`; `errors` returns those of a node itself."""
        self._schema = schema
        self._errors = errors

    def best(self, branches: list[Node]) -> Node | Explained:
        """Return the branch that was meant; if it is not plain, what is wrong with the choice."""
        misfits = [self._misfit(branch) for branch in branches]
        scores = [misfit for misfit in misfits if isinstance(misfit, int)]
        if scores:
            return branches[misfits.index(min(scores))]
        reasons = [misfit for misfit in misfits if not isinstance(misfit, int)]
        place = next((at for at, _ in reasons if at), ())
        wanted = dict.fromkeys(word for at, words in reasons if at == place for word in words)
        if not wanted:
            return (), f"it is none of the {len(branches)} choices"
        listed = " or ".join(wanted)
        return place, f"it is not one of {listed}" if place else f"it is not of type {listed}"

    def _misfit(self, branch: Node) -> int | Misfit:
        """Return how many required members are missing, or the place and values of a misfit."""
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
        """Return the branch and what it refers to or consists of."""
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
