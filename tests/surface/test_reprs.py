"""A repr never contains a secret: it ends in logs, tracebacks and reports of failed tests."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any, Final

import pytest
from pydantic import BaseModel

import ringback

MARKER: Final = "4111-1111"

SECRET: Final = frozenset({
    "body",
    "cancel_url",
    "details",
    "facts",
    "metadata",
    "notify_url",
    "on_deadline",
    "payload",
    "result",
    "secret",
    "target",
    "task_token",
    "token",
    "url",
})
"""Names of what is a token, a payload, a link, or may hold one; `bytes` always may."""

NO_PART: Final = (
    "ringback.__main__",
    # Their frameworks have an environment of their own; neither has a value.
    "ringback.agents.google_adk",
    "ringback.agents.strands",
    "ringback.demo",
    "ringback.store.migrations",
    "ringback.testing",
)
"""Modules that cannot be imported, or that production never runs."""


def classes() -> Iterator[type]:
    """Find every class that Ringback has and that can have instances."""
    for module in pkgutil.walk_packages(ringback.__path__, "ringback."):
        if not module.name.startswith(NO_PART):
            for _, found in inspect.getmembers(
                importlib.import_module(module.name), inspect.isclass
            ):
                if found.__module__ == module.name and not inspect.isabstract(found):
                    yield found


def secret_names(kinds: dict[str, object]) -> list[str]:
    return [name for name, kind in kinds.items() if name in SECRET or "bytes" in str(kind)]


def dataclasses_with_secrets() -> Iterator[tuple[type, str]]:
    for one in classes():
        if dataclasses.is_dataclass(one):
            kinds: dict[str, object] = {field.name: field.type for field in dataclasses.fields(one)}
            yield from ((one, name) for name in secret_names(kinds))


def models_with_secrets() -> Iterator[tuple[type[BaseModel], str]]:
    for one in classes():
        if issubclass(one, BaseModel):
            kinds: dict[str, object] = {
                name: field.annotation for name, field in one.model_fields.items()
            }
            yield from ((one, name) for name in secret_names(kinds))


def title(part: object) -> str:
    return part.__qualname__ if isinstance(part, type) else str(part)


@pytest.mark.parametrize(("kind", "name"), list(dataclasses_with_secrets()), ids=title)
def test_repr_of_a_value_has_no_secret(kind: type, name: str) -> None:
    value: object = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(value, field.name, MARKER if field.name == name else None)

    assert MARKER not in repr(value)


@pytest.mark.parametrize(("model", "name"), list(models_with_secrets()), ids=title)
def test_repr_of_a_request_or_reply_has_no_secret(model: type[BaseModel], name: str) -> None:
    values: dict[str, Any] = {name: MARKER}

    value = model.model_construct(**values)

    assert MARKER not in repr(value)
    assert MARKER not in str(value)
