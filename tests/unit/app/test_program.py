"""Log lines contain the facts, and never a link."""

import subprocess
import sys

LOGS = """
import logging
from ringback.app.program import set_up_logging
set_up_logging(logging.INFO)
logging.getLogger("httpx2").info("HTTP Request: POST http://127.0.0.1/c/a-link")
logging.getLogger("uvicorn.error").info("a connection")
logging.getLogger("ringback.core").info("answer accepted", extra={"callback_id": "cb_1"})
"""


def logged(**environment: str) -> str:
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", LOGS], capture_output=True, text=True, check=True, env=environment
    )
    return ran.stderr


def test_requests_of_http_libraries_are_not_logged() -> None:
    assert "a-link" not in logged()
    assert "a connection" not in logged()


def test_log_line_has_the_facts_as_text_or_json() -> None:
    assert "answer accepted callback_id=cb_1" in logged()
    assert '"callback_id": "cb_1"' in logged(RINGBACK_LOG="json")
