"""Rules and dashboard use metrics that exist, and each alert says what to do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, Final

import promql_parser
import pytest
import yaml

from docs.deploy_files import DASHBOARD, RULES
from ringback.core.metrics import Kind
from ringback.instrumentation.metrics import METRICS
from tests.deploy.manifests import ROOT
from tests.services import missing

ALERTS: Final[dict[str, Mapping[str, Any]]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in group["rules"]
}
TESTS: Final = RULES.with_name("ringback.rules.test.yml")
PAGE: Final = (ROOT / "docs" / "howto" / "alerts.md").read_text("utf-8")
SECTIONS: Final = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
PANELS: Final[list[dict[str, Any]]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]

OF_OTHERS: Final = frozenset({
    *("up", "process_start_time_seconds", "process_resident_memory_bytes"),
    *("process_open_fds", "process_max_fds", "process_cpu_seconds_total"),
})
"""Metrics of Prometheus itself and of its client."""

OF_SCRAPES: Final = frozenset({"job", "instance"})
"""Labels that Prometheus adds."""


def labels_by_name() -> dict[str, set[str]]:
    """Return the labels of each time series that the product exports, by its name."""
    found: dict[str, set[str]] = {}
    for metric in METRICS:
        labels = set(metric.labels) | OF_SCRAPES
        if metric.kind is Kind.HISTOGRAM:
            found[f"{metric.name}_bucket"] = labels | {"le"}
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = labels
        else:
            found[metric.name] = labels
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for name, rule in ALERTS.items():
        yield name, rule["expr"]
    for panel in PANELS:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "5m")
            yield f"{panel['title']} {target['refId']}", re.sub(r"\$\w+", ".*", expression)


EXPRESSIONS: Final = dict(expressions())


def selectors(node: object) -> Iterator[tuple[str, set[str]]]:
    """Yield the name and the labels of each selector in a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name or "", {one.name for one in node.matchers.matchers}
    for part in ("expr", "lhs", "rhs", "param", "vector_selector"):
        inner = getattr(node, part, None)
        if inner is not None:
            yield from selectors(inner)
    for argument in getattr(node, "args", None) or []:
        yield from selectors(argument)


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_expression_uses_metrics_and_labels_that_exist(where: str) -> None:
    found = list(selectors(promql_parser.parse(EXPRESSIONS[where])))
    known = labels_by_name()

    assert found != []
    for name, labels in found:
        assert name in known or name in OF_OTHERS
        assert labels <= known.get(name, OF_SCRAPES)


def documented_values() -> dict[str, set[str]]:
    """Return the values of `result`, `state` and `verdict` that the table names, by metric."""
    return {
        metric.name: set(re.findall(r"`([\w-]+)`", metric.values))
        for metric in METRICS
        if {"result", "state", "verdict"} & set(metric.labels)
    }


def test_values_in_expressions_are_values_of_their_label() -> None:
    known = documented_values()
    pattern = r'(ringback_\w+)\{[^}]*\b(?:result|state|verdict)=~?"([\w|-]+)"'
    used = [
        (name, value)
        for expression in EXPRESSIONS.values()
        for name, values in re.findall(pattern, expression)
        for value in values.split("|")
    ]

    assert len(used) >= 10
    assert [(name, value) for name, value in used if value not in known[name]] == []


def test_reasons_in_expressions_are_those_of_errors() -> None:
    errors = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
    reasons = set(re.findall(r"`urn:ringback:([\w-]+)`", errors))
    used = {
        reason
        for expression in EXPRESSIONS.values()
        for found in re.findall(r'reason=~?"([\w|-]+)"', expression)
        for reason in found.split("|")
    }

    assert used != set()
    assert used <= reasons


def test_every_metric_is_on_the_dashboard() -> None:
    text = DASHBOARD.read_text("utf-8")

    assert [metric.name for metric in METRICS if metric.name not in text] == []


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        missing("the program `promtool`", "install it with: apt-get install prometheus")
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607 - fixed words


@pytest.mark.timeout(60)
def test_promtool_accepts_the_rules_and_their_tests() -> None:
    checked = promtool("check", "rules", str(RULES))
    tested = promtool("test", "rules", str(TESTS))

    assert checked.returncode == 0, checked.stderr
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_fires_in_a_test() -> None:
    assert set(re.findall(r'alertname="(\w+)"', TESTS.read_text("utf-8"))) == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_alert_says_what_is_wrong_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/howto/alerts.md#{name.lower()}"


@pytest.mark.parametrize("name", ALERTS)
def test_page_of_alerts_says_what_status_shows_and_what_to_do(name: str) -> None:
    section = SECTIONS[name]

    assert "**`ringback status`**" in section
    assert section.count("\n- ") >= 2


def test_status_refers_to_sections_that_exist() -> None:
    """`ringback status` names a section of the page for each problem."""
    source = ROOT / "src" / "ringback"
    code = "".join((source / name).read_text() for name in ("gateway/summary.py", "cli/status.py"))
    anchors = {f"ringback{end}" for end in re.findall(r"\{_ALERTS\}(\w+)", code)}
    anchors |= set(re.findall(r"alerts\.md#(ringback\w+)", code)) - {"ringback"}

    assert len(anchors) >= 10
    assert anchors <= {name.lower() for name in SECTIONS}


def test_page_has_no_alert_that_does_not_exist() -> None:
    assert set(SECTIONS) == set(ALERTS)


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }

        assert taken.isdisjoint(cells), panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= cells
