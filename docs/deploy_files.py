"""Write the files of deploy/ that follow from others: the Grafana dashboard and the PrometheusRule.

Each panel is a row of the table below, so that a change of a metric is a change of one line.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_DEPLOY: Final = Path(__file__).parents[1] / "deploy"
RULES: Final = _DEPLOY / "prometheus" / "ringback.rules.yml"
PROMETHEUS_RULE: Final = _DEPLOY / "prometheus" / "prometheusrule.yaml"
DASHBOARD: Final = _DEPLOY / "grafana" / "ringback.json"

_HEAD: Final = """\
# Written by docs/generate.py from ringback.rules.yml: change that, and run make docs.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: ringback
  labels:
    app.kubernetes.io/name: ringback
spec:
"""

_RATE: Final = "[$__rate_interval]"
_THIS: Final = 'job=~"$job",instance=~"$instance"'
"""What the variables of the dashboard select."""

_WIDTH: Final = 24
_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: What it shows.
        queries: Each expression with its legend; `{this}` selects the chosen gateways.
        unit: Grafana's name of the unit.
        kind: Grafana's name of the visualization.
        red_above: The value above which the panel is red; `red_below` the same for below.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    red_above: float | None = None
    red_below: float | None = None


def _stat(
    title: str,
    expression: str,
    unit: str = "short",
    *,
    above: float | None = None,
    below: float | None = None,
) -> Panel:
    return Panel(title, ((expression, ""),), unit, "stat", red_above=above, red_below=below)


def _quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"histogram_quantile({share}, sum by (le{', ' + by if by else ''})"
            f" (rate({metric}_bucket{{this}}{_RATE})))",
            f"{'{{' + by + '}} ' if by else ''}p{round(share * 100)}",
        )
        for share in (0.5, 0.99)
    )


def _rates(metric: str, *by: str) -> tuple[tuple[str, str], ...]:
    labels = ", ".join(by)
    legend = " ".join("{{" + label + "}}" for label in by)
    return ((f"sum by ({labels}) (rate({metric}{{this}}{_RATE}))", legend),)


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Is anything wrong?": (
        _stat("Store", "min(ringback_store_up{this} * ringback_store_writable{this})", below=1),
        _stat("Temporal", "min(ringback_temporal_up{this})", below=1),
        _stat(
            "Oldest undelivered answer",
            "max(ringback_oldest_undelivered_age_seconds{this})",
            "s",
            above=300,
        ),
        _stat("Oldest overdue", "max(ringback_oldest_overdue_age_seconds{this})", "s", above=900),
        _stat("Parked", 'max(ringback_callbacks{this,state="parked"})', above=1),
        _stat(
            "Oldest waiting event",
            "max(ringback_oldest_waiting_event_age_seconds{this})",
            "s",
            above=3600,
        ),
        _stat("Missing link keys", "max(ringback_link_keys_missing{this})", above=1),
    ),
    "Answers": (
        Panel("Answers per second", _rates("ringback_answers_total", "result"), "reqps"),
        Panel(
            "From acceptance to the workflow",
            _quantiles("ringback_accept_to_applied_seconds"),
            "s",
        ),
        Panel("Refused, by reason", _rates("ringback_answers_refused_total", "reason"), "reqps"),
        Panel(
            "Callbacks by state",
            (("max by (state) (ringback_callbacks{this})", "{{state}}"),),
        ),
        Panel("Opened per second", _rates("ringback_opened_total", "result"), "ops"),
        Panel("Rejected because of a limit", _rates("ringback_limited_total", "limit"), "reqps"),
        Panel("Refused API keys", _rates("ringback_rejected_api_keys_total", "result"), "reqps"),
    ),
    "Temporal": (
        Panel("Deliveries by verdict", _rates("ringback_deliveries_total", "verdict"), "ops"),
        Panel(
            "Deliveries postponed",
            ((f"sum(rate(ringback_deliveries_postponed_total{{this}}{_RATE}))", "postponed"),),
            "ops",
        ),
        Panel("Polls", _rates("ringback_polls_total", "result"), "ops"),
        Panel(
            "Heartbeats",
            (
                (f"sum(rate(ringback_heartbeats_received_total{{this}}{_RATE}))", "received"),
                (f"sum(rate(ringback_heartbeats_sent_total{{this}}{_RATE}))", "sent"),
            ),
            "ops",
        ),
    ),
    "Sources, queues, messages": (
        Panel(
            "Requests of sources",
            _rates("ringback_source_requests_total", "source", "result"),
            "reqps",
        ),
        Panel(
            "Messages of queues", _rates("ringback_queue_messages_total", "queue", "result"), "ops"
        ),
        Panel("Dead events", _rates("ringback_dead_events_total", "source"), "ops"),
        Panel(
            "Gateways connected to each queue",
            (("sum by (queue) (ringback_queue_connected{this})", "{{queue}}"),),
            red_below=1,
        ),
        Panel("Events that wait", (("max(ringback_events_waiting{this})", "events"),)),
        Panel("Webhooks", _rates("ringback_webhooks_total", "result"), "ops"),
        Panel(
            "Messages to people", _rates("ringback_notifications_total", "channel", "result"), "ops"
        ),
    ),
    "Store": (
        Panel("Time of a commit", _quantiles("ringback_commit_seconds", "kind"), "s"),
        Panel("Items per commit", _quantiles("ringback_commit_size", "kind")),
        Panel("Rows deleted by the retention", _rates("ringback_purged_total", "kind"), "ops"),
    ),
    "Processes": (
        Panel(
            "CPU",
            ((f"rate(process_cpu_seconds_total{{this}}{_RATE})", "{{instance}}"),),
            "percentunit",
        ),
        Panel("Memory", (("process_resident_memory_bytes{this}", "{{instance}}"),), "bytes"),
        Panel(
            "Memory of bodies in progress",
            (("ringback_body_bytes_in_flight{this}", "{{instance}}"),),
            "bytes",
        ),
        Panel("Open file descriptors", (("process_open_fds{this}", "{{instance}}"),)),
        Panel(
            "Gateways by version",
            (
                (
                    "count by (version, python) (ringback_build_info{this})",
                    "{{version}}, {{python}}",
                ),
            ),
        ),
    ),
}


def files() -> dict[Path, str]:
    """Return the text of each file, by its path."""
    rules = RULES.read_text("utf-8")
    indented = "".join(
        f"  {line}" if line.strip() else line
        for line in rules[rules.index("groups:") :].splitlines(keepends=True)
    )
    return {
        PROMETHEUS_RULE: _HEAD + indented,
        DASHBOARD: json.dumps(_dashboard(), indent=1, ensure_ascii=False) + "\n",
    }


def _dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        place = {"h": 1, "w": _WIDTH, "x": 0, "y": top}
        panels.append({"type": "row", "title": title, "gridPos": place, "collapsed": False})
        top += 1
        is_stats = row[0].kind == "stat"
        height, across = (_HEIGHT // 2, len(row)) if is_stats else (_HEIGHT, 3)
        width = _WIDTH // across
        for number, panel in enumerate(row):
            down, right = divmod(number, across)
            grid = {"h": height, "w": width, "x": right * width, "y": top + down * height}
            panels.append(_panel(panel, grid))
        top += -(-len(row) // across) * height
    for number, one in enumerate(panels, 1):
        one["id"] = number
    return {
        "title": "Ringback",
        "uid": "ringback",
        "tags": ["ringback"],
        "description": "docs/howto/alerts.md says what to do about each alert.",
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Data source",
                    "type": "datasource",
                    "query": "prometheus",
                },
                _variable("job", "label_values(ringback_build_info, job)"),
                _variable("instance", 'label_values(ringback_build_info{job=~"$job"}, instance)'),
            ]
        },
        "panels": panels,
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _source(),
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _source() -> dict[str, str]:
    return {"type": "prometheus", "uid": "${datasource}"}


def _panel(panel: Panel, grid: dict[str, int]) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "gridPos": grid,
        "datasource": _source(),
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "thresholds": _thresholds(panel)},
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _source(),
                "expr": _with_selector(expression),
                "legendFormat": legend,
            }
            for number, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _with_selector(expression: str) -> str:
    """Return `expression` for the gateways that the variables of the dashboard select."""
    return expression.replace("{this", "{" + _THIS)


def _thresholds(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_above is not None:
        steps.append({"color": "red", "value": panel.red_above})
    if panel.red_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.red_below}]
    return {"mode": "absolute", "steps": steps}
