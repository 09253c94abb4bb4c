"""Every log event has a fixed name and words on the page about them."""

import re
from pathlib import Path

import pytest

import ringback
from docs.log_events import find_events
from docs.log_words import EVENTS

SOURCES = Path(ringback.__file__).parent
NAMED = re.compile(r"_?logger = logging\.getLogger\(__name__\)")


def test_page_has_words_for_every_event_and_for_no_other() -> None:
    assert find_events(SOURCES).keys() == EVENTS.keys()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('logger.info("%s failed", name)', ValueError),
        ("logger.warning(text)", TypeError),
        ('logger.error(f"{name} failed")', TypeError),
        ("OutageLog(logger, what)", TypeError),
    ],
)
def test_name_that_is_not_fixed_is_an_error(
    tmp_path: Path, line: str, error: type[Exception]
) -> None:
    (tmp_path / "module.py").write_text(line)

    with pytest.raises(error, match=r"module\.py:1"):
        find_events(tmp_path)


def test_values_follow_the_name_after_a_colon(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        'logger.info("webhook failed: %s", why)\n_logger.exception("webhook failed")\n'
        'self._warning.warn("too many: %d", 3)\nFailureLog(logger, "read a row")\n'
        'ClaimLoop(work, what="webhooks")\n'
    )

    assert find_events(tmp_path) == {
        "webhook failed": {"info", "error"},
        "too many": {"warning"},
        "cannot read a row": {"error"},
        "cannot claim webhooks": {"warning"},
    }


def test_no_logger_has_a_name_that_is_not_found() -> None:
    others = {
        line.strip()
        for path in SOURCES.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "getLogger(" in line and "setLevel(" not in line and not NAMED.fullmatch(line)
    }

    assert others == {
        'logger = logging.getLogger("ringback.demo")',
        '_failures: Final = FailureLog(logging.getLogger(__name__), "read a stored row")',
    }
