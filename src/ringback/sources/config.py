"""The sources of `ringback.toml`, checked when the gateway starts."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ringback.domain.errors import ConfigurationError
from ringback.sources.config_tables import RuleTable, SourceTable, find_contradictions, is_reference
from ringback.sources.expressions import Expression
from ringback.sources.matching import Fetch
from ringback.sources.rules import Rule
from ringback.sources.scheme import Pairs, Plain, Scheme, Timestamp
from ringback.sources.signature_table import (
    PROVIDERS,
    basic_scheme,
    hmac_scheme,
    token_scheme,
)
from ringback.sources.signatures import Verifier
from ringback.sources.source_event import CONTENT_TYPE


@dataclass(frozen=True, slots=True)
class Source:
    """A configured source.

    Attributes:
        name: Its name, which is the end of its URL.
        scheme: How its requests are verified.
        secrets: The secrets, the newest first.
        verifier: The scheme with the secrets.
        rules: What its events mean. Without rules, events are stored and ignored.
        batch: What selects the events of one body.
        headers: The headers to keep, in lower case: chosen ones and those that rules read.
        ttl: How long an event waits for its alias.
        limit: Maximum events per second.
    """

    name: str
    scheme: Scheme
    secrets: tuple[str, ...] = field(repr=False)
    verifier: Verifier = field(repr=False, compare=False)
    rules: tuple[Rule, ...]
    batch: Expression | None
    headers: frozenset[str]
    ttl: timedelta
    limit: int | None


_Problem: TypeAlias = tuple[str, str]
"""A key of a source, and what is wrong with it."""


class _ProblemsError(Exception):
    """A source is wrong."""

    def __init__(self, *problems: _Problem) -> None:
        super().__init__()
        self.problems = problems


def load_sources(
    path: Path, environ: Mapping[str, str], *, fetch: Fetch | None = None
) -> dict[str, Source]:
    """Return the sources in the file at `path` by name; none without the file.

    Args:
        path: A TOML file with tables `[sources.NAME]`.
        environ: The variables to which `env:NAME` leads.
        fetch: Fetches certificates of providers that name them.

    Raises:
        ConfigurationError: The file cannot be read, or sources are wrong. Each line of the message
            names the file, the key and what to do. It repeats no secret.
    """
    tables = _read(path).get("sources", {})
    if not isinstance(tables, dict):
        msg = f"{path}: sources: write a table for each source: [sources.NAME]"
        raise ConfigurationError(msg)
    sources: dict[str, Source] = {}
    lines: list[str] = []
    read_secret = partial(_read_secret, folder=path.parent, environ=environ)
    for name, table in tables.items():
        try:
            sources[name] = _to_source(name, table, read_secret, fetch)
        except _ProblemsError as exc:
            where = f"{path}: sources.{name}"
            lines += [f"{where}{f'.{key}' if key else ''}: {msg}" for key, msg in exc.problems]
    if lines:
        raise ConfigurationError("\n".join(lines))
    return sources


def _read(path: Path) -> dict[str, Any]:
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


def _to_source(  # noqa: PLR0917 - each is a part of it
    name: str, raw: Any, read_secret: Callable[[str], str], fetch: Fetch | None
) -> Source:
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise _ProblemsError(("", "a name is part of a URL; use letters, digits, - and _"))
    if not isinstance(raw, dict):
        raise _ProblemsError(("", f"write a table: [sources.{name}]"))
    problems = list(find_contradictions(raw))
    secrets = _read_secrets(raw.get("secrets"), read_secret, problems)
    try:
        table = SourceTable.model_validate(raw)
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False)
        raise _ProblemsError(*map(_explain, errors), *problems) from None
    scheme = _to_scheme(table, problems)
    if problems or scheme is None:
        raise _ProblemsError(*problems)
    try:
        verifier = Verifier(scheme, secrets, fetch=fetch)
    except ConfigurationError as exc:
        raise _ProblemsError(("", str(exc))) from exc
    rules = tuple(_to_rule(one) for one in table.rules)
    named = frozenset(one.lower() for one in table.headers)
    read = [one.headers for one in (table.batch, *rules) if one is not None]
    return Source(
        name=name,
        scheme=scheme,
        secrets=secrets,
        verifier=verifier,
        rules=rules,
        batch=table.batch,
        headers=named.union({CONTENT_TYPE}, *read),
        ttl=table.ttl,
        limit=table.limit,
    )


def _to_rule(table: RuleTable) -> Rule:
    return Rule(**{name: getattr(table, name) for name in RuleTable.model_fields})


def _to_scheme(table: SourceTable, problems: list[_Problem]) -> Scheme | None:
    scheme = _find_scheme(table)
    if scheme is None and table.provider is not None:
        close = get_close_matches(table.provider.lower(), PROVIDERS, n=1)
        guess = f"did you mean {close[0]!r}?" if close else "describe it with scheme = 'hmac'"
        problems.append(("provider", f"Ringback does not know this provider; {guess}"))
    elif scheme is not None and table.tolerance is not None:
        if scheme.timestamp is not None and scheme.timestamp.tolerance is not None:
            seconds = int(table.tolerance.total_seconds())
            return replace(scheme, timestamp=replace(scheme.timestamp, tolerance=seconds))
        problems.append(("tolerance", f"{scheme.title} does not send a time to check; remove it"))
    return scheme


def _find_scheme(table: SourceTable) -> Scheme | None:
    match table.scheme:
        case None:
            return PROVIDERS.get(table.provider or "")
        case "token":
            return token_scheme(table.header, prefix=table.prefix, delivery=table.delivery)
        case "basic":
            return basic_scheme(delivery=table.delivery)
        case "hmac":
            at = table.timestamp
            return hmac_scheme(
                table.header,
                written=Pairs(table.member, table.delimiter)
                if table.member
                else Plain(table.prefix),
                digest=table.digest,
                encoding=table.encoding,
                key=table.secret_form,
                signed=table.signed,
                timestamp=None if at is None else Timestamp(at, table.timestamp_unit),
                delivery=table.delivery,
            )


def _read_secrets(
    references: Any, read_secret: Callable[[str], str], problems: list[_Problem]
) -> tuple[str, ...]:
    secrets: list[str] = []
    for index, reference in enumerate(references if isinstance(references, list) else []):
        try:
            if is_reference(reference):
                secrets.append(read_secret(reference))
        except ConfigurationError as exc:
            problems.append((f"secrets[{index}]", str(exc)))
    return tuple(secrets)


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


def _explain(error: ErrorDetails) -> tuple[str, str]:
    """Return the key and what is wrong with it."""
    key = ""
    for part in error["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    if error["type"] == "extra_forbidden":
        table = RuleTable if "rules" in error["loc"][:-1] else SourceTable
        close = get_close_matches(str(error["loc"][-1]), table.model_fields, n=1)
        guess = f"did you mean {close[0]!r}?" if close else "remove it"
        return key, f"there is no such key; {guess}"
    if error["type"] == "value_error":
        return key, str(error["ctx"]["error"])
    return key, _SAID.get(error["type"], error["msg"])
