"""Whether a function with one annotated return type may return another type's values."""

import inspect
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

_ALSO_HOLDS: Final[dict[object, tuple[type, ...]]] = {float: (int,), complex: (int, float)}
"""What a type accepts besides its subclasses: PEP 484's numeric tower."""


def is_held_by(annotation: object, wanted: object) -> bool:
    """Return whether `annotation` accepts every value of type `wanted`; true if undecidable.

    Types are compared by name, as a type checker does, and not by their JSON: two classes with the
    same fields are two types. A type without parameters matches any parameters.
    """
    annotation, wanted = _plain(annotation), _plain(wanted)
    if annotation == wanted or annotation in (Any, object) or wanted is Any:
        return True
    if _is_union(wanted):
        return all(is_held_by(annotation, one) for one in get_args(wanted))
    if get_origin(wanted) is Literal:
        return all(_holds_value(annotation, value) for value in get_args(wanted))
    if _is_union(annotation):
        return any(is_held_by(one, wanted) for one in get_args(annotation))
    if get_origin(annotation) is Literal:
        return False
    return _class_holds(annotation, wanted)


def _plain(given: object) -> object:
    """Strip aliases, new types and metadata."""
    while True:
        if given is None:
            return NoneType
        if isinstance(given, NewType):
            given = given.__supertype__
        elif type(given).__name__ == "TypeAliasType":
            given = cast("Any", given).__value__
        elif get_origin(given) is Annotated:
            given = get_args(given)[0]
        else:
            return given


def _is_union(given: object) -> bool:
    return get_origin(given) in (Union, UnionType)


def _holds_value(annotation: object, value: object) -> bool:
    annotation = _plain(annotation)
    if _is_union(annotation):
        return any(_holds_value(one, value) for one in get_args(annotation))
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    return is_held_by(annotation, type(value))


def _class_holds(annotation: object, wanted: object) -> bool:
    held, inner = _origin(annotation), _origin(wanted)
    if not (inspect.isclass(held) and inspect.isclass(inner)):
        # For example a type variable, or an unresolved name.
        return True
    if is_typeddict(held):
        return is_typeddict(inner) and _keys_hold(held, inner)
    try:
        # The only base of a `TypedDict` is `dict`.
        is_base = issubclass(
            dict if is_typeddict(inner) else inner, (held, *_ALSO_HOLDS.get(held, ()))
        )
    except TypeError:
        # A protocol that is not checkable at run time.
        return True
    return is_base and _arguments_hold(annotation, wanted)


def _origin(given: object) -> object:
    return get_origin(given) or given


def _keys_hold(annotation: type, wanted: type) -> bool:
    there = _hints(wanted)
    required: frozenset[str] = annotation.__required_keys__  # type: ignore[attr-defined]  # - a TypedDict's
    return required <= there.keys() and all(
        is_held_by(expected, there.get(key, Any)) for key, expected in _hints(annotation).items()
    )


def _hints(typed_dict: type) -> dict[str, Any]:
    try:
        return get_type_hints(typed_dict)
    except NameError:
        return dict.fromkeys(typed_dict.__annotations__, Any)


def _arguments_hold(annotation: object, wanted: object) -> bool:
    """Compare `list[A]` with `list[B]`; skip parameters that do not correspond."""
    expected, given = get_args(annotation), get_args(wanted)
    if len(expected) != len(given) or Ellipsis in (*expected, *given):
        return True
    return all(map(is_held_by, expected, given))
