"""JMESPath expressions over events: checked when they are read, and total when they are used.

Beside the functions of JMESPath there are two: `header('x-github-event')` is a header of the
event or null, and `parse_json(text)` is the value of JSON inside a text, or null.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final
from warnings import catch_warnings, simplefilter

import jmespath
from jmespath import exceptions, functions
from jmespath.visitor import Options, TreeInterpreter

from ringback.sources.event_json import decode, encode

LONGEST_EXPRESSION: Final = 2_000

_DEEPEST_EXPRESSION: Final = 100
_TOO_DEEP: Final = "it is nested too deeply"

_LONGEST_TEXT: Final = 2 * 1024 * 1024
_EFFORT: Final = 16 * 1024 * 1024
_STEP: Final = 32
_ITEM: Final = 8
"""The effort for one value: the bytes of lists and texts that are made, and an amount per step.
`[@,@][]` doubles a list, and thirty of them in a row are a short expression."""

_MAKERS: Final = frozenset({
    "filter_projection",
    "flatten",
    "function_expression",
    "multi_select_list",
    "projection",
    "slice",
    "value_projection",
})
"""The steps that make lists and texts; the others select what is there."""


class ExpressionError(ValueError):
    """A text is not an expression; the message says where, and what to write."""


class EvaluationError(Exception):
    """An expression has no value for an event; the message has no part of the event."""


class _Functions(functions.Functions):
    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    @functions.signature({"types": ["string"]})
    def _func_header(self, name: str) -> str | None:
        return self._headers.get(name.lower())

    @functions.signature({"types": ["string", "null"]})
    def _func_parse_json(self, text: str | None) -> Any:
        try:
            return None if text is None else decode(text.encode())
        except ValueError:
            return None

    @functions.signature({"types": []})
    def _func_to_string(self, value: Any) -> str | None:
        # jmespath's own would write 1.10 as 1.1, has no limit, and makes "null" of a member that is
        # missing: events of different origin would share an alias such as `github:run:null`.
        if value is None:
            return None
        return value if isinstance(value, str) else encode(value, limit=_LONGEST_TEXT).decode()


class _Interpreter(TreeInterpreter):
    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(Options(custom_functions=_Functions(headers)))
        self._left = _EFFORT

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        value = super().visit(node, *args, **kwargs)
        self._left -= _STEP
        if node["type"] in _MAKERS and isinstance(value, str | list):
            self._left -= len(value) * (_ITEM if isinstance(value, list) else 1)
        if self._left < 0:
            msg = "it takes too many steps; select less of the event"
            raise EvaluationError(msg)
        return value


@dataclass(frozen=True, slots=True)
class Expression:
    """A JMESPath expression.

    Attributes:
        text: The expression.
        headers: The headers that it reads, in lower case.
        may_be_null: Whether it is the constant null, or says `|| null` with backticks at its end.
    """

    text: str
    headers: frozenset[str] = field(init=False)
    may_be_null: bool = field(init=False)
    _tree: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the text.

        Raises:
            ExpressionError: It is not an expression.
        """
        tree = _parse(self.text)
        called = [node for node in _walk(tree) if node["type"] == "function_expression"]
        for call in called:
            _check_call(call["value"], len(call["children"]))
        names = [call["children"][0] for call in called if call["value"] == "header"]
        if any(node["type"] != "literal" or not isinstance(node["value"], str) for node in names):
            msg = "write the header's name as a constant: header('x-github-event')"
            raise ExpressionError(msg)
        object.__setattr__(self, "_tree", tree)
        object.__setattr__(self, "headers", frozenset(node["value"].lower() for node in names))
        object.__setattr__(self, "may_be_null", _may_be_null(tree))

    def evaluate(self, root: Any, headers: Mapping[str, str]) -> Any:
        """Return the value for an event.

        Raises:
            EvaluationError: It has none.
        """
        try:
            return _Interpreter(headers).visit(self._tree, root)
        except exceptions.JMESPathTypeError as exc:
            expected = " or ".join(exc.expected_types)
            msg = f"{exc.function_name}() was given {exc.actual_type}, not {expected}"
        except RecursionError:
            msg = _TOO_DEEP
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
            # Without the text of the error, which may contain a part of the event.
            msg = f"it cannot be calculated ({type(exc).__name__})"
        raise EvaluationError(msg)


def _parse(text: str) -> Any:
    if len(text) > LONGEST_EXPRESSION:
        msg = f"it has {len(text)} characters; use at most {LONGEST_EXPRESSION}"
        raise ExpressionError(msg)
    try:
        with catch_warnings():
            # jmespath takes what is not JSON between backticks as text, and warns.
            simplefilter("error", PendingDeprecationWarning)
            return jmespath.compile(text).parsed
    except PendingDeprecationWarning:
        msg = "it has no JSON between backticks; write a text in single quotes: 'paid'"
    except exceptions.EmptyExpressionError:
        msg = "it is empty"
    except exceptions.IncompleteExpressionError:
        msg = "it is not JMESPath: it ends too early"
    except exceptions.LexerError as exc:
        msg = f"it is not JMESPath: {exc.message} at character {exc.lexer_position + 1}"
    except exceptions.ParseError as exc:
        found = f"{exc.token_value!r} at character {exc.lex_position + 1} is unexpected"
        msg = f"it is not JMESPath: {found}"
    except RecursionError:
        msg = _TOO_DEEP
    except ValueError:
        msg = "it is not JMESPath"
    raise ExpressionError(msg)


def _walk(tree: Any) -> Iterator[Any]:
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if not isinstance(node, dict):
            continue  # the parts of a slice are numbers
        if depth > _DEEPEST_EXPRESSION:
            raise ExpressionError(_TOO_DEEP)
        yield node
        waiting.extend((child, depth + 1) for child in node["children"])


def _may_be_null(tree: Any) -> bool:
    while tree["type"] == "or_expression":
        tree = tree["children"][1]
    return bool(tree["type"] == "literal" and tree["value"] is None)


def _check_call(name: str, given: int) -> None:
    table = _Functions.FUNCTION_TABLE
    if name not in table:
        close = get_close_matches(name, table, n=1)
        guess = f"; did you mean {close[0]}()?" if close else ""
        msg = f"there is no function {name}(){guess}"
        raise ExpressionError(msg)
    signature = table[name]["signature"]
    is_variadic = bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not is_variadic):
        least = "at least " if is_variadic else ""
        msg = f"{name}() takes {least}{len(signature)} arguments, not {given}"
        raise ExpressionError(msg)
