"""Logs: one line per event on standard error, as text or as JSON.

The message of each event of Ringback begins with its name, which never changes; what follows the
first colon is for people. The facts of an event are its attributes beside the message.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any, Final

from ringback.core.spans import find_loaded_span
from ringback.domain.errors import ConfigurationError

FORMAT: Final = "RINGBACK_LOG"
LEVEL: Final = "RINGBACK_LOG_LEVEL"

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_QUIET: Final = ("httpx2", "httpcore2", "alembic", "uvicorn.error", "urllib3", "mcp")
"""Loggers that are limited to warnings: httpx2 logs links and mcp payloads, the others much."""

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


def set_up_logging(level: int) -> None:
    """Log from `level` on, as `RINGBACK_LOG` and `RINGBACK_LOG_LEVEL` say.

    JSON lines are for programs, so they start at INFO unless the level is set.

    Raises:
        ConfigurationError: One of the variables has an unknown value.
    """
    is_json = _choose(FORMAT, {"text": False, "json": True}, default=False)
    level = _choose(LEVEL, LEVELS, default=logging.INFO if is_json else level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_new_formatter(is_json=is_json))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def number_logs(number: int) -> None:
    """Add the number of this gateway process to every line of its log."""
    create = logging.getLogRecordFactory()

    def numbered(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = create(*args, **kwargs)
        record.gateway_process = number
        return record

    logging.setLogRecordFactory(numbered)


def _choose(name: str, choices: dict[str, Any], *, default: Any) -> Any:
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text not in choices:
        msg = f"{name} must be {' or '.join(choices)}"
        raise ConfigurationError(msg)
    return choices[text]


def _new_formatter(*, is_json: bool) -> logging.Formatter:
    try:
        import structlog  # noqa: PLC0415 - a worker and the command line do not need it
    except ModuleNotFoundError:
        return _JsonLines() if is_json else _TextLines()

    renderers: list[structlog.types.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if is_json
        else [
            # The default shows the local variables of each frame, and these are secret.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                timestamp_key="at",
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )

    def describe(_: object, __: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
        described = to_line(line["_record"], line.pop("event"))
        if not is_json:
            described["event"] = described.pop("message")
        return {**described, **line}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[describe],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )


class _TextLines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        return f"{super().format(record)} {facts}".rstrip()


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = to_line(record, record.getMessage())
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def to_line(record: logging.LogRecord, message: str) -> dict[str, Any]:
    """Return what a line contains: the event's name, unless it is of another library, and facts."""
    is_ours = record.name.partition(".")[0] == "ringback"
    return {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        **({"event": message.partition(": ")[0]} if is_ours else {}),
        "message": message,
        **_facts(record),
    }


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
    return facts | _trace_ids()


def _trace_ids() -> dict[str, str]:
    span = find_loaded_span()
    if span is None:
        return {}
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
