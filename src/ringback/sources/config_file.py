"""What the tables of `ringback.toml` share: reading, secrets, rules, and what an error says."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ringback.domain.errors import ConfigurationError
from ringback.sources.config_tables import RuleTable
from ringback.sources.expressions import Expression
from ringback.sources.rules import Rule
from ringback.sources.source_event import CONTENT_TYPE

T = TypeVar("T")
TableT = TypeVar("TableT", bound=BaseModel)

Problem: TypeAlias = tuple[str, str]
"""A key of a table, and what is wrong with it."""

ReadSecret: TypeAlias = Callable[[str], str]
"""Returns the secret that a reference leads to, or raises `ConfigurationError`."""


class ProblemsError(Exception):
    """A table is wrong."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def read_tables(path: Path) -> dict[str, Any]:
    """Return what is in the TOML file at `path`; nothing without the file.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as exc:
        msg = f"{path} is not TOML: {exc}"
    except UnicodeError:
        msg = f"{path} is not UTF-8 text; save it as UTF-8"
    except OSError as exc:
        msg = f"{path} cannot be read: {exc.strerror}"
    raise ConfigurationError(msg)


def load_each(
    path: Path,
    section: str,
    to_item: Callable[[str, Mapping[str, Any], ReadSecret], T],
    *,
    environ: Mapping[str, str],
) -> dict[str, T]:
    """Return what `to_item` makes of each table `[section.NAME]` in the file at `path`.

    `to_item` raises `ProblemsError` for a table that is wrong.

    Raises:
        ConfigurationError: The file cannot be read, or tables are wrong. Each line of the message
            names the file and the key.
    """
    tables = read_tables(path).get(section, {})
    kind = section.removesuffix("s")
    if not isinstance(tables, dict):
        msg = f"{path}: {section}: write a table for each {kind}: [{section}.NAME]"
        raise ConfigurationError(msg)
    items: dict[str, T] = {}
    lines: list[str] = []
    read_secret = partial(_read_secret, folder=path.parent, environ=environ)
    for name, table in tables.items():
        try:
            items[name] = to_item(name, _checked(name, section, table), read_secret)
        except ProblemsError as exc:
            where = f"{path}: {section}.{name}"
            lines += [f"{where}{f'.{key}' if key else ''}: {msg}" for key, msg in exc.problems]
    if lines:
        raise ConfigurationError("\n".join(lines))
    return items


def _checked(name: str, section: str, table: Any) -> Mapping[str, Any]:
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise ProblemsError(("", "use letters, digits, - and _ in a name"))
    if not isinstance(table, dict):
        raise ProblemsError(("", f"write a table: [{section}.{name}]"))
    return table


def to_table(kind: type[TableT], raw: Mapping[str, Any], *more: Problem) -> TableT:
    """Return the table in `raw`.

    Raises:
        ProblemsError: It is wrong; the error contains `more`, too.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False)
        raise ProblemsError(*(_explain(kind, error) for error in errors), *more) from None


def to_rule(table: RuleTable) -> Rule:
    """Return the rule that a table describes."""
    return Rule(**{name: getattr(table, name) for name in RuleTable.model_fields})


def find_headers(
    named: Iterable[str], batch: Expression | None, rules: Iterable[Rule]
) -> frozenset[str]:
    """Return the headers to keep of a request: those that are named, and those that rules read."""
    read = [one.headers for one in (batch, *rules) if one is not None]
    return frozenset(one.lower() for one in named).union({CONTENT_TYPE}, *read)


def _read_secret(reference: str, *, folder: Path, environ: Mapping[str, str]) -> str:
    """Return the secret that `env:NAME` or `file:PATH` leads to.

    Raises:
        ConfigurationError: There is none. The message does not repeat the reference: a secret may
            be written there by mistake.
    """
    kind, _, place = reference.partition(":")
    if kind == "env":
        secret = environ.get(place, "")
        msg = "the variable that it names is not set; set it where the gateway starts"
    else:
        try:
            secret = (folder / place).read_text("utf-8").strip("\r\n")
            msg = "the file that it names is empty; write the secret into it"
        except UnicodeError:
            secret, msg = "", "the file that it names is not UTF-8 text"
        except (OSError, ValueError) as exc:
            said = exc.strerror if isinstance(exc, OSError) else "it is not a path"
            secret, msg = "", f"the file that it names cannot be read: {said}"
    if not secret:
        raise ConfigurationError(msg)
    return secret


_SAID: Final = {
    "missing": "this key is missing",
    "string_type": "write a text in quotes",
    "list_type": "write a list in brackets",
    "tuple_type": "write a list in brackets",
    "dict_type": "write a table",
    "model_type": "write a table",
}


def _explain(kind: type[BaseModel], error: ErrorDetails) -> Problem:
    """Return the key and what is wrong with it."""
    key = ""
    for part in error["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    if error["type"] == "extra_forbidden":
        table = RuleTable if "rules" in error["loc"][:-1] else kind
        close = get_close_matches(str(error["loc"][-1]), table.model_fields, n=1)
        guess = f"did you mean {close[0]!r}?" if close else "remove it"
        return key, f"there is no such key; {guess}"
    if error["type"] == "value_error":
        return key, str(error["ctx"]["error"])
    return key, _SAID.get(error["type"], error["msg"])
