"""Log lines contain the facts, and never a link; with structlog and without it."""

import json
import subprocess
import sys
from typing import Any

import pytest

LOGS = """
import logging
from ringback.app.logs import set_up_logging
set_up_logging(logging.INFO)
logging.getLogger("httpx2").info("HTTP Request: POST http://127.0.0.1/c/a-link")
logging.getLogger("uvicorn.error").info("a connection")
logger = logging.getLogger("ringback.core")
logger.debug("webhook delivered")
logger.info("answers accepted", extra={"callback_ids": "cb_1"})
logger.warning("cannot claim outcomes: %s", "no database: none")

def fail(token):
    raise ValueError("no")

try:
    fail("a-" + "token")
except ValueError:
    logger.exception("task failed: %s", "delivery")
"""
WITHOUT = 'import sys; sys.modules["structlog"] = None\n'

both = pytest.mark.parametrize("script", [LOGS, WITHOUT + LOGS], ids=["structlog", "without"])


def logged(script: str, **environment: str) -> list[str]:
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return ran.stderr.splitlines()


def as_json(script: str, **environment: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged(script, RINGBACK_LOG="json", **environment)]


@both
def test_requests_of_http_libraries_are_not_logged(script: str) -> None:
    lines = "\n".join(logged(script))

    assert "a-link" not in lines
    assert "a connection" not in lines


@both
def test_text_line_has_the_message_and_the_facts(script: str) -> None:
    accepted, refused, *_ = logged(script)

    assert "answers accepted" in accepted
    assert "callback_ids=cb_1" in accepted
    assert "cannot claim outcomes: no database: none" in refused


@both
def test_json_line_names_its_event(script: str) -> None:
    accepted, refused, failed = as_json(script)

    assert accepted.pop("at").endswith("+00:00")
    assert accepted == {
        "level": "info",
        "logger": "ringback.core",
        "event": "answers accepted",
        "message": "answers accepted",
        "callback_ids": "cb_1",
    }
    assert refused["event"] == "cannot claim outcomes"
    assert refused["message"] == "cannot claim outcomes: no database: none"
    assert failed["event"] == "task failed"
    assert failed["exception"].endswith("ValueError: no")


@both
@pytest.mark.parametrize("form", ["text", "json"])
def test_traceback_shows_no_values_of_variables(script: str, form: str) -> None:
    lines = "\n".join(logged(script, RINGBACK_LOG=form))

    assert "ValueError: no" in lines
    assert "a-token" not in lines


@both
@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("WARNING", 2), ("error", 1)])
def test_level_is_that_of_the_variable(script: str, level: str, count: int) -> None:
    lines = as_json(script, RINGBACK_LOG_LEVEL=level)

    assert len([one for one in lines if one["logger"].startswith("ringback")]) == count


@pytest.mark.parametrize("name", ["RINGBACK_LOG", "RINGBACK_LOG_LEVEL"])
def test_unknown_value_is_refused(name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "ringback", "show", "cb_1"],
        capture_output=True,
        text=True,
        check=False,
        env={name: "loud"},
    )

    assert ran.returncode == 2
    assert f"{name} must be" in ran.stderr
