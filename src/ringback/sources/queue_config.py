"""The queues of `ringback.toml`, checked when the program starts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ringback.core.queue_messages import LINK_HEADER
from ringback.domain.errors import ConfigurationError
from ringback.sources.config_file import (
    Problem,
    ProblemsError,
    ReadSecret,
    find_headers,
    load_each,
    read_tables,
    to_rule,
    to_table,
)
from ringback.sources.config_tables import (
    DurationField,
    ExpressionField,
    HeaderField,
    RuleTable,
    find_in_rules,
    is_reference,
)
from ringback.sources.expressions import Expression
from ringback.sources.rules import Rule


class QueueKind(Enum):
    """A kind of broker."""

    RABBITMQ = "RabbitMQ"
    NATS = "NATS"
    KAFKA = "Kafka"
    REDIS = "Redis"


_SCHEMES: Final = {
    "amqp": QueueKind.RABBITMQ,
    "amqps": QueueKind.RABBITMQ,
    "nats": QueueKind.NATS,
    "kafka": QueueKind.KAFKA,
    "kafkas": QueueKind.KAFKA,
    "redis": QueueKind.REDIS,
    "rediss": QueueKind.REDIS,
}

_PLACES: Final = {
    QueueKind.RABBITMQ: "queue",
    QueueKind.NATS: "stream",
    QueueKind.KAFKA: "topic",
    QueueKind.REDIS: "stream",
}
"""The key that says what is read, for each kind."""

_DURABLE: Final = re.compile(r"[^\s.*>/\\]+")
"""The names that NATS accepts for a consumer."""

_GROUP: Final = "ringback"


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """A configured queue.

    Attributes:
        name: Its name, which events show as their source.
        kind: The kind of broker.
        url: Where the broker is; it may have a password.
        place: The queue, stream or topic.
        group: The consumer group; RabbitMQ has none.
        prefetch: The most messages that are held before their acknowledgement.
        trusted: Whether whoever can publish may answer by alias and by rules.
        rules: What its messages mean, if they name no callback themselves.
        batch: What selects the events of one body.
        headers: The headers to keep, in lower case: chosen ones and those that rules read.
        ttl: How long an event waits for its alias.
    """

    name: str
    kind: QueueKind
    url: str = field(repr=False)
    place: str
    group: str
    prefetch: int
    trusted: bool
    rules: tuple[Rule, ...]
    batch: Expression | None
    headers: frozenset[str]
    ttl: timedelta


class QueueTable(BaseModel):
    """A `[queues.NAME]`.

    Attributes:
        url: Where the broker is: `env:NAME`, `file:PATH`, or a URL without a password.
        queue: The queue of RabbitMQ.
        stream: The stream of NATS or Redis.
        topic: The topic of Kafka.
        group: The durable consumer of NATS; the consumer group of Kafka and Redis.
        prefetch: The most messages that are held before their acknowledgement.
        trusted: Whether whoever can publish may answer by alias and by rules.
        headers: Headers to keep with each event, besides those that rules read.
        ttl: How long an event waits for its alias.
        batch: An expression for the list of events in one body.
        rules: What messages mean that name no callback; the first that applies decides.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    url: Annotated[str, Field(strict=True, repr=False)]
    queue: Annotated[str, Field(strict=True, min_length=1)] | None = None
    stream: Annotated[str, Field(strict=True, min_length=1)] | None = None
    topic: Annotated[str, Field(strict=True, min_length=1)] | None = None
    group: Annotated[str, Field(strict=True, min_length=1)] = _GROUP
    prefetch: Annotated[int, Field(strict=True, ge=1, le=65_535)] = 256
    trusted: Annotated[bool, Field(strict=True)] = False
    headers: list[HeaderField] = []
    ttl: DurationField = timedelta(hours=24)
    batch: ExpressionField | None = None
    rules: list[RuleTable] = []


def load_queues(path: Path, environ: Mapping[str, str]) -> dict[str, QueueConfig]:
    """Return the queues in the file at `path` by name; none without the file.

    Args:
        path: A TOML file with tables `[queues.NAME]`.
        environ: The variables to which `env:NAME` leads.

    Raises:
        ConfigurationError: The file cannot be read, or queues are wrong. Each line of the message
            names the file, the key and what to do. It repeats no secret.
    """
    sources = read_tables(path).get("sources")
    names = frozenset(sources if isinstance(sources, dict) else ())

    def to_queue(name: str, raw: Mapping[str, Any], read_secret: ReadSecret) -> QueueConfig:
        return _to_queue(name, raw, read_secret, is_source=name in names)

    return load_each(path, "queues", to_queue, environ=environ)


def _to_queue(
    name: str, raw: Mapping[str, Any], read_secret: ReadSecret, *, is_source: bool
) -> QueueConfig:
    problems = list(_find_contradictions(raw))
    if is_source:
        msg = f"there is a source of this name, and events name only one; rename [queues.{name}]"
        problems.append(("", msg))
    url = _read_url(raw.get("url"), read_secret, problems)
    kind = _find_kind(url, problems)
    if kind is not None:
        problems += _find_in_place(kind, raw)
    table = to_table(QueueTable, raw, *problems)
    if problems or kind is None:
        raise ProblemsError(*problems)
    rules = tuple(to_rule(one) for one in table.rules)
    return QueueConfig(
        name=name,
        kind=kind,
        url=url,
        place=getattr(table, _PLACES[kind]),
        group=table.group,
        prefetch=table.prefetch,
        trusted=table.trusted,
        rules=rules,
        batch=table.batch,
        headers=find_headers(table.headers, table.batch, rules) - {LINK_HEADER},
        ttl=table.ttl,
    )


def _find_contradictions(raw: Mapping[str, Any]) -> Iterator[Problem]:
    if raw.get("rules") and raw.get("trusted") is not True:
        yield (
            "rules",
            "rules answer callbacks, and a queue does not prove who published a message; write"
            " trusted = true if only programs that may answer can publish to it",
        )
    if "batch" in raw and "rules" not in raw:
        yield "batch", "it is for rules; add [[queues.NAME.rules]] or remove it"
    yield from find_in_rules(raw.get("rules"))


def _read_url(raw: Any, read_secret: ReadSecret, problems: list[Problem]) -> str:
    """Return the URL, or add what is wrong; the table finds a missing one."""
    if not isinstance(raw, str):
        return ""
    if is_reference(raw):
        try:
            return read_secret(raw).strip()
        except ConfigurationError as exc:
            problems.append(("url", str(exc)))
            return ""
    if _has_secret(raw):
        msg = (
            "a URL with a user's password or token does not belong in this file; write env:NAME"
            " for a variable or file:PATH for a file"
        )
        problems.append(("url", msg))
        return ""
    return raw


def _has_secret(url: str) -> bool:
    scheme, _, rest = url.partition("://")
    user, at, _ = rest.rpartition("@")
    # A user without a password is a token for NATS. Options of a driver may be passwords.
    return bool(at and (":" in user or scheme == "nats")) or "password=" in rest.lower()


def _find_kind(url: str, problems: list[Problem]) -> QueueKind | None:
    scheme, separator, rest = url.partition("://")
    kind = _SCHEMES.get(scheme) if separator and rest else None
    if url and kind is None:
        names = ", ".join(f"{one}://" for one in _SCHEMES)
        problems.append(("url", f"Ringback reads URLs that begin with one of {names}"))
    return kind


def _find_in_place(kind: QueueKind, raw: Mapping[str, Any]) -> Iterator[Problem]:
    wanted = _PLACES[kind]
    if wanted not in raw:
        yield wanted, f"this key is missing; write the {wanted} of {kind.value} to read"
    unused = {"queue", "stream", "topic"} - {wanted}
    if kind is QueueKind.RABBITMQ:
        unused.add("group")
    for key in sorted(unused & raw.keys()):
        yield key, f"{kind.value} does not use it; remove it"
    group = raw.get("group", _GROUP)
    if kind is QueueKind.NATS and isinstance(group, str) and not _DURABLE.fullmatch(group):
        yield "group", "NATS accepts no spaces and none of . * > / \\ in the name of a consumer"
