"""Write the pages of the reference that follow from the code; `make docs` runs it.

What the code cannot say (the meaning of a state, what a route is for) is in `docs.words`. A
state, route, status, setting or exit code that has no words there ends the run with a `KeyError`.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import typer
from pydantic.fields import FieldInfo
from starlette.routing import Route
from typer.main import get_command

import ringback
from benchmarks.page import RESULTS, page_of
from benchmarks.page import page as speed_page
from benchmarks.parts import rows
from benchmarks.results import load
from docs import activity_inputs, agents, deploy_files, licences, log_words, providers, words
from docs.log_events import LEVELS, find_events
from ringback.app.container import Parts
from ringback.app.exits import EXITS, exit_code
from ringback.app.gateway_app import build_app
from ringback.cli.main import create_app as create_cli
from ringback.core.metrics import Metric
from ringback.domain import (
    completion_errors,
    errors,
    event_errors,
    operation_errors,
    people_errors,
)
from ringback.domain.callback import MOVES, State
from ringback.domain.errors import FinalError, RetryableError, RingbackError
from ringback.gateway.replies import STATUS, to_problem
from ringback.instrumentation.metrics import METRICS
from ringback.setting_groups import (
    LimitSettings,
    MetricsSettings,
    RetentionSettings,
    SignInSettings,
)
from ringback.settings import Settings
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests.fake_edges import fake_edges

_DOCS: Final = Path(__file__).parent
ERRORS: Final = (errors, completion_errors, people_errors, event_errors, operation_errors)
REFERENCE: Final = _DOCS / "reference"
SPEED: Final = _DOCS / "explanation" / "speed.md"
ROWS: Final = _DOCS / "explanation" / "rows.md"
_SOURCES: Final = Path(ringback.__file__).parent
_WIDTH: Final = 80
_NOTE: Final = "<!-- Written by docs/generate.py: change that, and run make docs. -->"


def pages() -> dict[Path, str]:
    """Return the text of each generated page, by its file."""
    return {
        REFERENCE / "activities.md": _head("Activities by name", activity_inputs.text()),
        REFERENCE / "agents.md": _head("Agent frameworks", agents.text()),
        REFERENCE / "cli.md": _cli(),
        REFERENCE / "errors.md": _errors(),
        REFERENCE / "http.md": _http(),
        REFERENCE / "licences.md": _head("Licences", licences.text()),
        REFERENCE / "logs.md": _logs(),
        REFERENCE / "metrics.md": _metrics(),
        REFERENCE / "providers.md": _head("Providers", providers.text()),
        REFERENCE / "settings.md": _settings(),
        REFERENCE / "states.md": _states(),
        **{
            REFERENCE / "activities" / f"{name}.json": schema
            for name, schema in activity_inputs.schemas().items()
        },
        ROWS: _rows(),
        SPEED: _speed(),
        **deploy_files.files(),
    }


@cache
def known_variables() -> set[str]:
    """Return every environment variable of Ringback's own that the code reads.

    Raises:
        KeyError: The code names one that has no words here, or the reverse.
    """
    settings = {_variable(name) for name in Settings.model_fields}
    named = {
        name
        for source in _SOURCES.rglob("*.py")
        for name in re.findall(r'"(RINGBACK_[A-Z][A-Z_]*)"', source.read_text("utf-8"))
    }
    if named - settings != set(words.ENVIRONMENT):
        raise KeyError(*(named - settings).symmetric_difference(words.ENVIRONMENT))
    return settings | named


@cache
def helps() -> dict[str, str]:
    """Return the help of `ringback` and of each of its commands, by the words that run it."""
    group = get_command(create_cli())
    assert isinstance(group, typer.core.TyperGroup), "ringback has commands"
    # Without markup the help is plain, and as wide here as everywhere.
    group.rich_markup_mode = None
    context = typer.Context(group, info_name="ringback", terminal_width=_WIDTH)
    texts = {"ringback": group.get_help(context)}
    for name, command in group.commands.items():
        texts[f"ringback {name}"] = "\n\n".join(_helps_of(command, name, context))
    return texts


def _helps_of(command: object, name: str, parent: typer.Context) -> Iterator[str]:
    """Yield the help of a command, and of each of those below it."""
    assert isinstance(command, typer.core.TyperCommand | typer.core.TyperGroup), "made by Typer"
    command.rich_markup_mode = None
    context = typer.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH)
    yield command.get_help(context)
    if isinstance(command, typer.core.TyperGroup):
        for below, inner in command.commands.items():
            yield from _helps_of(inner, below, context)


def _cli() -> str:
    parts = [_head("The command line", "The help of every command, as `--help` prints it.")]
    parts += [f"## `{name}`\n\n```text\n{text}\n```\n" for name, text in helps().items()]
    codes = [[str(code), words.EXITS[code]] for code in sorted({*EXITS.values(), *words.EXITS})]
    parts.append("## Exit codes\n\n" + _table(["Code", "Meaning"], codes))
    return "\n".join(parts)


def _states() -> str:
    moves = [(state, wanted) for state in State for wanted in State if wanted in MOVES[state]]
    ends = [state for state in State if not MOVES[state]]
    diagram = [
        "stateDiagram-v2",
        f"    [*] --> {State.OPEN.value}",
        *(f"    {state.value} --> {wanted.value}" for state, wanted in moves),
        *(f"    {state.value} --> [*]" for state in ends),
    ]
    table = _table(
        ["State", "Meaning"], [[f"`{state.value}`", words.STATES[state]] for state in State]
    )
    return "\n".join([
        _head(
            "The states of a callback",
            "The moves between the states of a callback, and what each state means.",
        ),
        "```mermaid",
        *diagram,
        "```\n",
        table,
    ])


def _errors() -> str:
    final, retryable = (list(_below(kind)) for kind in (FinalError, RetryableError))
    return "\n".join([
        _head(
            "Errors",
            "Every error that Ringback raises on purpose. A `FinalError` means stop; a"
            " `RetryableError` means try again later.",
        ),
        "```text",
        RingbackError.__name__,
        *_tree(RingbackError),
        "```\n",
        "The gateway replies with this HTTP status and `type`, as problem details (RFC 9457)."
        " Status 500 marks errors that no request should cause. The exit code is for commands.\n",
        "## Do not retry: `FinalError`\n",
        _error_table(final),
        "## Retry later: `RetryableError`\n",
        _error_table(retryable),
    ])


def _error_table(kinds: Iterable[type[RingbackError]]) -> str:
    rows = []
    for kind in kinds:
        error = kind.__new__(kind)
        if isinstance(error, RetryableError):
            error.retry_after = None
        reply = to_problem(error)
        type_ = json.loads(bytes(reply.body))["type"]
        status, code = str(reply.status_code), str(exit_code(error))
        rows.append([f"`{kind.__name__}`", status, f"`{type_}`", code, _first_sentence(kind)])
    return _table(["Error", "HTTP", "`type`", "Exit", "Meaning"], rows)


def _settings() -> str:
    parts = (Settings, LimitSettings, SignInSettings, RetentionSettings, MetricsSettings)
    texts = {name: text for part in parts for name, text in _attributes(part).items()}
    rows = [
        [f"`{_variable(name)}`", f"`{name}`", _default(name, field), texts[name]]
        for name, field in Settings.model_fields.items()
    ]
    of_people = [row for row in rows if row[1].strip("`") in SignInSettings.model_fields]
    others = [row for row in rows if row not in of_people]
    known_variables()
    head = ["Variable", "In `ringback.toml`", "Default", "Meaning"]
    return "\n".join([
        _head(
            "Settings",
            "An environment variable overrides `ringback.toml` in the current folder, which"
            " overrides the default. The file uses the names of the second column.",
        ),
        _table(head, others),
        "## How people sign in\n",
        "[Sign people in](../howto/sign-in.md) has examples.\n",
        _table(head, of_people),
        "## Other variables\n",
        "Only from the environment:\n",
        _table(
            ["Variable", "Meaning"],
            [[f"`{name}`", text] for name, text in sorted(words.ENVIRONMENT.items())],
        ),
        "The connection to Temporal uses the SDK's settings: `TEMPORAL_ADDRESS` and the other"
        " `TEMPORAL_*` variables, or `temporal.toml` ([Temporal Cloud](../howto/temporal-cloud.md)"
        " has examples). The default is `127.0.0.1:7233`.\n",
        "The tables `[sources.NAME]` of `ringback.toml` say which providers send webhooks, and what"
        " their events mean: [let a provider's webhook finish an"
        " activity](../howto/receive-webhooks.md). The tables `[queues.NAME]` say which message"
        " queues are consumed: [answer from a message queue](../howto/answer-from-a-queue.md).\n",
    ])


def _http() -> str:
    statuses = sorted({*STATUS.values(), *words.STATUSES})
    routes, described = _routes()
    by_link = [route for route in routes if route not in described]
    by_key = [
        [f"`{route}`", f"{told['summary']}.", ", ".join(told["x-roles"])]
        for route, told in described.items()
    ]
    return "\n".join([
        _head(
            "HTTP",
            "The gateway's routes. `{link}` is the signed part of a callback's URL; these routes"
            " need no other credential. [Answer a link](../howto/answer.md) has examples.",
        ),
        _table(["Route", "Does"], [[f"`{route}`", words.ROUTES[route]] for route in by_link]),
        "## The operator API\n",
        "For operators, and for workers in any language: `Authorization: Bearer rbk_…`. See"
        " [operate over HTTP](../howto/operate.md) and [other"
        " languages](../howto/other-languages.md). `/openapi.json` and `/docs` have examples.\n",
        _table(["Route", "Does", "Roles"], by_key),
        "## Replies\n",
        "Errors are problem details (RFC 9457, `application/problem+json`). [Errors](errors.md)"
        " lists each `type`.\n",
        _table(
            ["Status", "Meaning"], [[str(status), words.STATUSES[status]] for status in statuses]
        ),
        "With `Prefer: wait=N` an answer waits up to N seconds, at most 60, for its verdict.\n",
    ])


def _logs() -> str:
    found = find_events(_SOURCES)
    if found.keys() != log_words.EVENTS.keys():
        raise KeyError(*sorted(found.keys() ^ log_words.EVENTS.keys()))
    rows = [
        [f"`{name}`", ", ".join(sorted(found[name], key=LEVELS.index)), log_words.EVENTS[name]]
        for name in sorted(found, key=str.lower)
    ]
    return "\n".join([
        _head(
            "Log events",
            "Every event that Ringback logs, with its level. With `RINGBACK_LOG=json`, each line"
            " has the name in `event`; in text, the line begins with it. Names do not change."
            " [Trace](../howto/traces.md) says how lines name their spans.",
        ),
        "An `error` means that something is lost or broken; a `warning`, that somebody may have to"
        " act; `info` has a few lines per commit, and `debug` the rest. `RINGBACK_LOG_LEVEL` sets"
        " the lowest level.\n",
        _table(["Event", "Level", "Meaning"], rows),
    ])


def _metrics() -> str:
    rows = [[f"`{one.name}`", one.kind.value, _labels(one), one.meaning] for one in METRICS]
    return "\n".join([
        _head(
            "Metrics",
            "What `GET /metrics` serves for Prometheus. [Monitor](../howto/monitor.md) says what to"
            " alert on. Labels have few values, and none per callback, workflow or person.",
        ),
        _table(["Metric", "Type", "Labels", "Meaning"], rows),
        "Counters and histograms count what one process did since its start: add those of all"
        " gateways. The gauges of the store (`ringback_callbacks` and the ages) are the same on"
        " each gateway: take the maximum.\n",
        "Beside these, each process has `process_cpu_seconds_total`,"
        " `process_resident_memory_bytes`, `process_open_fds` and the other `process_*` and"
        " `python_gc_*` metrics of the Prometheus client.\n",
    ])


def _labels(metric: Metric) -> str:
    names = ", ".join(f"`{name}`" for name in metric.labels)
    return f"{names}: {metric.values}" if names else ""


def _routes() -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return all routes, and what OpenAPI says of those behind a key."""
    clock = ManualClock()
    with InMemoryDatabase(clock) as database:
        app = build_app(Parts(fake_edges(SqlStore(database), FakeActivities(), clock)))
    routes = [
        f"{method} {route.path_format}"
        for route in app.routes
        # The name of a static file has a digest of its content.
        if isinstance(route, Route) and not route.path_format.startswith("/static/")
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    operations = {
        f"{method.upper()} {path}": operation
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
    }
    return routes, {name: one for name, one in operations.items() if "x-roles" in one}


def _rows() -> str:
    results = load(RESULTS.with_name(f"{rows.WORK}.json"))
    note = 'Generated from the last `make bench ARGS="--only rows"`.'
    return _head(rows.TITLE, note) + f"\n{page_of(rows, results)}"


def _speed() -> str:
    results = load(RESULTS)
    return _head("Speed", "Generated from the last complete run of `make bench`.") + (
        f"\n{speed_page(results)}"
    )


def _tree(kind: type[RingbackError], indent: str = "") -> Iterator[str]:
    children = _children(kind)
    for child in children:
        is_last = child is children[-1]
        yield f"{indent}{'└── ' if is_last else '├── '}{child.__name__}"
        yield from _tree(child, indent + ("    " if is_last else "│   "))


def _below(kind: type[RingbackError]) -> Iterator[type[RingbackError]]:
    for child in _children(kind):
        yield child
        yield from _below(child)


def _children(kind: type[RingbackError]) -> list[type[RingbackError]]:
    # A test may derive an error of its own; it is no part of the tree.
    homes = [one.__name__ for one in ERRORS]
    found = [child for child in kind.__subclasses__() if child.__module__ in homes]
    # Their own order is that in which the modules were first imported.
    return sorted(found, key=lambda child: homes.index(child.__module__))


def _variable(field: str) -> str:
    return f"{Settings.model_config['env_prefix']}{field.upper()}"


def _default(name: str, field: FieldInfo) -> str:
    if name in words.DEFAULTS:
        return words.DEFAULTS[name]
    return f"`{field.default}`"


def _attributes(owner: type) -> dict[str, str]:
    _, _, block = (inspect.getdoc(owner) or "").partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", block, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in found}


def _first_sentence(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def _head(title: str, text: str) -> str:
    return f"# {title}\n\n{_NOTE}\n\n{text}\n"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def write() -> None:
    """Write the pages."""
    for file, text in pages().items():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
