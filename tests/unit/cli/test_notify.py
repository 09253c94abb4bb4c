"""Operators test channels, and see how far the messages about a callback are."""

from datetime import timedelta

from ringback.ports.notifications import Failure, Shown
from tests.unit.cli.commands import Served, ringback

LEASE = timedelta(seconds=40)


def test_channel_that_is_not_configured_is_refused(gateway: Served) -> None:  # noqa: ARG001 - it runs
    ran = ringback("notify", "test", "slack:#finance")
    as_json = ringback("notify", "test", "mail", "--to", "ada@example.org", "--json")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "ringback: the channel slack is not configured on this gateway; it has: none\n"
    )
    assert (as_json.code, as_json.json["sent"]) == (1, False)


def test_show_lists_each_message_with_its_last_error(gateway: Served) -> None:
    callback = gateway.asked(notify=("ops", "slack:#finance", "slack:\x1b[31m"))
    store = gateway.house.store
    waiting = ringback("show", callback.id).out
    claimed = gateway.do(store.claim_notifications(limit=9, lease=LEASE))
    by_channel = {one.channel + one.recipient: one for one in claimed}
    gateway.do(store.fail_notification(Failure(by_channel["ops"], "no \x1b[31m reply", None)))
    gateway.do(store.end_notification(Shown(by_channel["slack#finance"], "s", "d", was_asked=True)))

    shown = ringback("show", callback.id)
    as_json = ringback("show", callback.id, "--json").json["notifications"]

    assert "waiting" in waiting
    lines = {line.split("  ")[0]: line for line in shown.out.splitlines()}
    assert lines["ops"].endswith("failed no \ufffd[31m reply")
    assert "sent 2030-01-01T00:00:00Z" in lines["slack #finance"]
    assert "\x1b" not in shown.out
    assert sorted(one["state"] for one in as_json) == ["failed", "sent", "waiting"]
