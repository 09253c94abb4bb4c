"""Explain why a result does not meet its schema, within a budget of time and steps.

A list of all errors would contain those of every branch of every `anyOf`: their number doubles with
each level of a recursive union. The explainer follows only the branch that fits best.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final, Protocol

from jsonschema_rs import ReferencingError, ValidationError, ValidationErrorKind

from ringback.domain.errors import Problem
from ringback.domain.exact_json import escape_step, resolve
from ringback.result_schema.choice import BranchFinder, Node

MOST_PROBLEMS: Final = 20
LONGEST_TEXT: Final = 200
MOST_STEPS: Final = 10_000
MOST_CPU_TIME: Final = 0.02

NO_VALUE: Final = "the activity's schema allows no value here"
SOMEWHERE: Final = "something in it does not meet the schema"

_ON_THE_SPOT: Final = frozenset({
    *("type", "enum", "const", "format", "pattern", "minLength", "maxLength"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "required", "dependentRequired"),
})
"""Keywords that contain no schema."""

_ANNOTATIONS: Final = frozenset({
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
    *("$comment", "$id", "$schema", "$anchor", "$defs"),
})
"""Keywords that exclude no value."""

_EXAMPLES: Final = {
    "date": "2026-11-30",
    "date-time": "2026-11-30T10:00:00Z",
    "date-time-local": "2026-11-30T10:00:00",
    "time": "10:00:00Z",
    "time-local": "10:00:00",
    "duration": "PT1H30M",
    "uuid": "12345678-1234-4678-9234-567812345678",
    "email": "ada@example.org",
    "uri": "https://example.com/",
}
"""A valid text of each format, for messages."""

_BY_CONTENT: Final = frozenset({"enum", "const", "uniqueItems"})


class Validator(Protocol):
    """The methods of a validator that the explainer uses."""

    def is_valid(self, instance: Any) -> bool:
        """Return whether `instance` is valid."""
        ...

    def iter_errors(self, instance: Any) -> Iterator[ValidationError]:
        """Return the errors of `instance`."""
        ...


class Explainer:
    """Explains why one schema rejects results."""

    def __init__(
        self,
        schema: Any,
        compile_schema: Callable[[Any], Validator],
        compile_parts: Callable[[list[str]], Validator],
    ) -> None:
        """Explain by `schema`; `compile_parts` compiles `anyOf` parts of it, by JSON Pointers."""
        self._schema = schema
        self._compile_schema = compile_schema
        self._compile_parts = compile_parts
        self._validators: dict[str, Validator | None] = {}
        self._choice = BranchFinder(schema, self.errors_on_the_spot)

    def explain(self, value: Any) -> list[Problem]:
        """Return at least one problem of `value`, which the schema rejects."""
        found = islice(
            self._problems(Node(self._schema, "", value, is_invalid=True)), MOST_PROBLEMS
        )
        return list(dict.fromkeys(found))

    def errors_on_the_spot(self, node: Node) -> Iterator[ValidationError]:
        """Return the errors of keywords that contain no schema."""
        name = f"on the spot {node.pointer}"
        keywords = {word: node.schema[word] for word in node.schema.keys() & _ON_THE_SPOT}
        validator = self._validator(name, lambda: self._compile_schema(keywords))
        if validator is None:
            return iter(())
        is_whole = not _BY_CONTENT.isdisjoint(keywords)
        return iter(validator.iter_errors(node.value if is_whole else _shallow(node.value)))

    def _problems(self, root: Node) -> Iterator[Problem]:
        ends_at = time.thread_time() + MOST_CPU_TIME
        # A stack of iterators: results may be nested deeper than Python calls.
        stack: list[Iterator[Node | Problem]] = [iter([root])]
        invalid, is_explained = root, False
        for _ in range(MOST_STEPS):
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
            elif isinstance(step, Problem):
                is_explained = True
                yield step
            else:
                invalid = step if step.is_invalid else invalid
                stack.append(self._steps(step))
            if not stack or time.thread_time() > ends_at:
                break
        if not is_explained:
            yield to_problem(invalid.path, SOMEWHERE)

    def _steps(self, node: Node) -> Iterator[Node | Problem]:
        """Yield the problems of the value itself, and the nodes to visit next."""
        if node.schema is False:
            yield _no_value(node)
        if not isinstance(node.schema, dict):
            return
        for error in self.errors_on_the_spot(node):
            yield to_problem(node.path, _to_message(error))
        yield from self._in_place(node)
        if isinstance(node.value, dict):
            yield from self._members(node)
        elif isinstance(node.value, list):
            yield from _items(node)

    def _in_place(self, node: Node) -> Iterator[Node | Problem]:
        schema = node.schema
        if isinstance(reference := schema.get("$ref", schema.get("$dynamicRef")), str):
            target = resolve(self._schema, reference)
            if target is not None:
                yield node.moved(reference, target)
        yield from (node.inside("allOf", place) for place in range(len(schema.get("allOf", []))))
        if "not" in schema:
            yield from self._excluded(node)
        if "if" in schema:
            word = "then" if self._is_valid(node.inside("if")) else "else"
            yield from [node.inside(word)] if word in schema else []
        if isinstance(node.value, dict):
            named = schema.get("dependentSchemas", {})
            yield from (node.inside("dependentSchemas", n) for n in named if n in node.value)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                yield from self._branch(node, word)

    def _excluded(self, node: Node) -> Iterator[Problem]:
        excluded = node.inside("not")
        schema = {} if excluded.schema is True else excluded.schema
        if isinstance(schema, dict) and not schema.keys() - _ANNOTATIONS:
            yield _no_value(node)
        elif isinstance(schema, dict) and self._is_valid(excluded):
            said = json.dumps(schema, ensure_ascii=False)
            yield to_problem(node.path, f"the activity's schema excludes it by not: {said}")

    def _branch(self, node: Node, word: str) -> Iterator[Node | Problem]:
        branches = [node.inside(word, place) for place in range(len(node.schema[word]))]
        if not self._is_valid(*branches):
            best = self._choice.best(branches)
            if isinstance(best, Node):
                yield replace(best, is_invalid=True)
            else:
                yield to_problem((*node.path, *best[0]), best[1])
        elif word == "oneOf" and sum(map(self._is_valid, branches)) > 1:
            yield to_problem(node.path, "it is valid under more than one of the choices")

    def _members(self, node: Node) -> Iterator[Node | Problem]:
        schema = node.schema
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for name in node.value:
            applied = [node.inside("properties", name)] if name in properties else []
            applied += [
                node.inside("patternProperties", pattern)
                for pattern in patterns
                if self._matches(pattern, name)
            ]
            if not applied and schema.get("additionalProperties") is False:
                yield to_problem((*node.path, name), _name_known(properties))
            elif not applied and "additionalProperties" in schema:
                applied = [node.inside("additionalProperties")]
            yield from (one.at(name) for one in applied)
            if "propertyNames" in schema:
                yield from self._name(node, name)

    def _name(self, node: Node, name: str) -> Iterator[Problem]:
        inside = node.inside("propertyNames")
        named = Node(inside.schema, inside.pointer, name, node.path)
        if not self._is_valid(named):
            errors = self.errors_on_the_spot(named) if isinstance(named.schema, dict) else iter(())
            message = next((error.message for error in errors), "it is not allowed")
            yield to_problem(node.path, f"one of its names: {message}")

    def _matches(self, pattern: str, name: str) -> bool:
        validator = self._validator(
            f"pattern {pattern}", lambda: self._compile_schema({"pattern": pattern})
        )
        return validator is not None and validator.is_valid(name)

    def _is_valid(self, *choices: Node) -> bool:
        """Return whether the value meets one of the schemas, or one of them cannot be compiled."""
        pointers = [node.pointer for node in choices]
        validator = self._validator(" ".join(pointers), lambda: self._compile_parts(pointers))
        return validator is None or validator.is_valid(choices[0].value)

    def _validator(self, name: str, compile_it: Callable[[], Validator]) -> Validator | None:
        if name not in self._validators:
            try:
                self._validators[name] = compile_it()
            except (ValueError, ReferencingError):
                self._validators[name] = None
        return self._validators[name]


def to_problem(path: tuple[str | int, ...], message: str) -> Problem:
    """Return a problem; its place is a JSON Pointer, and both texts are cut."""
    return Problem(cut("".join(f"/{escape_step(step)}" for step in path)), cut(message))


def _no_value(node: Node) -> Problem:
    return to_problem(node.path, f"{NO_VALUE}; leave it out" if node.path else NO_VALUE)


def cut(text: str) -> str:
    """Return at most `LONGEST_TEXT` characters of `text`."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _to_message(error: ValidationError) -> str:
    kind = error.kind
    example = _EXAMPLES.get(kind.format) if isinstance(kind, ValidationErrorKind.Format) else None
    return error.message if example is None else f"{error.message}, such as {example}"


def _name_known(properties: Iterable[str]) -> str:
    known = ", ".join(properties)
    return f"there is no such name; leave it out{f', or use one of: {known}' if known else ''}"


def _items(node: Node) -> Iterator[Node]:
    first = node.schema.get("prefixItems", [])
    for place in range(len(node.value)):
        if place < len(first):
            yield node.inside("prefixItems", place).at(place)
        elif "items" in node.schema:
            yield node.inside("items").at(place)
        else:
            return


def _shallow(value: Any) -> Any:
    """Return `value` without its contents: copying those at each level would be quadratic."""
    if isinstance(value, dict):
        return dict.fromkeys(value)
    return [None] * len(value) if isinstance(value, list) else value
