"""How entries are printed."""

from ringback.cli.callbacks import line_of
from ringback.schemas.responses import AuditEntryOut
from tests import factories

LOST = AuditEntryOut(
    at=factories.NOW, kind="answered differently", facts={"kind": "failed\x1b[31m"}
)


def test_event_is_shown_with_its_facts_and_steers_no_terminal() -> None:
    printed = line_of(LOST)

    assert "kind: failed" in printed
    assert "\x1b" not in printed
