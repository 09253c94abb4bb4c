"""The sources of `ringback.toml`, checked when the gateway starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from ringback.domain.errors import ConfigurationError
from ringback.sources.config_file import (
    Problem,
    ProblemsError,
    ReadSecret,
    find_headers,
    load_each,
    to_rule,
    to_table,
)
from ringback.sources.config_tables import SourceTable, find_contradictions, is_reference
from ringback.sources.expressions import Expression
from ringback.sources.matching import Fetch
from ringback.sources.rules import Rule
from ringback.sources.scheme import Handshake, Pairs, Plain, Scheme, Timestamp
from ringback.sources.signature_table import (
    PROVIDERS,
    basic_scheme,
    hmac_scheme,
    token_scheme,
)
from ringback.sources.signatures import Verifier


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
        verify_token: What Meta must send to check the endpoint.
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
    verify_token: str = field(default="", repr=False)


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
    return load_each(path, "sources", partial(_to_source, fetch=fetch), environ=environ)


def _to_source(
    name: str, raw: Mapping[str, Any], read_secret: ReadSecret, *, fetch: Fetch | None
) -> Source:
    problems = list(find_contradictions(raw))
    secrets = _read_secrets(raw.get("secrets"), read_secret, problems)
    verify_token = _read_reference(
        raw.get("verify_token"), read_secret, problems, key="verify_token"
    )
    table = to_table(SourceTable, raw, *problems)
    scheme = _to_scheme(table, problems)
    if table.verify_token and scheme is not None and scheme.handshake is not Handshake.META:
        problems.append(("verify_token", f"{scheme.title} does not send one; remove it"))
    if problems or scheme is None:
        raise ProblemsError(*problems)
    try:
        verifier = Verifier(scheme, secrets, fetch=fetch)
    except ConfigurationError as exc:
        raise ProblemsError(("", str(exc))) from exc
    rules = tuple(to_rule(one) for one in table.rules)
    return Source(
        name=name,
        scheme=scheme,
        secrets=secrets,
        verifier=verifier,
        rules=rules,
        batch=table.batch,
        headers=find_headers(table.headers, table.batch, rules),
        ttl=table.ttl,
        limit=table.limit,
        verify_token=verify_token,
    )


def _to_scheme(table: SourceTable, problems: list[Problem]) -> Scheme | None:
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
    references: Any, read_secret: ReadSecret, problems: list[Problem]
) -> tuple[str, ...]:
    found = (
        _read_reference(reference, read_secret, problems, key=f"secrets[{index}]")
        for index, reference in enumerate(references if isinstance(references, list) else [])
    )
    return tuple(filter(None, found))


def _read_reference(
    reference: Any, read_secret: ReadSecret, problems: list[Problem], *, key: str
) -> str:
    """Return a secret; `""` if there is none, and then `problems` says why."""
    try:
        return read_secret(reference) if is_reference(reference) else ""
    except ConfigurationError as exc:
        problems.append((key, str(exc)))
        return ""
