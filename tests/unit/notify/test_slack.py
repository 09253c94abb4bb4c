"""Messages in Slack: posted, rewritten, and answered by people who are identified."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.ids import CallbackId
from ringback.domain.notification import Notice, Purpose
from ringback.domain.person import Directory
from ringback.domain.policy import Proof, Voter
from ringback.notify.slack import CACHED_FOR, Slack
from ringback.notify.slack_api import opened_slack
from ringback.ports.chat import APPROVE, REASON, REJECT, ChatChoice, Stranger
from ringback.ports.notifications import NotSent, PersonalMessage, Sent, Unsendable
from ringback.testing import ManualClock
from tests import factories
from tests.slack_server import TEAM, TOKEN, SlackServer, buttons_of, running_slack, text_of

ID = CallbackId("cb_1")
NOTICE = Notice(
    ID,
    "Order 7",
    description="Four chairs & a table",
    details=[("euros", "1200"), ("to", "<!channel> *bold*")],
    asked=["ada@example.org", "the group finance"],
    progress=["1 of 2 approvals", "grace@example.org approves (signed in)"],
    deadline_at=factories.NOW,
    subject="0123abcd",
    url="https://ring.example/inbox/cb_1",
    can_approve=True,
    can_reject=True,
)
ADA = "U0ADA00"


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with running_slack() as server:
        yield server


@pytest.fixture
async def slack(server: SlackServer, clock: ManualClock) -> AsyncIterator[Slack]:
    directory = Directory.of(
        {"finance": ["Ada@example.org"]},
        mail={"lin": "lin@example.org"},
        slack={"grace@example.org": "U0GRACE"},
    )
    async with opened_slack(TOKEN, base_url=server.api) as api:
        yield Slack(api, directory, clock=clock)


def message(recipient: str = "#finance", **facts: Any) -> PersonalMessage:
    return PersonalMessage("nf_1.ask", recipient, Purpose.ASK, NOTICE, **facts)


async def test_message_shows_question_people_deadline_and_digest(
    slack: Slack, server: SlackServer
) -> None:
    sent = await slack.send(message())

    assert isinstance(sent, Sent)
    assert (sent.ref["channel"], sent.ref["ts"]) in server.messages
    shown = text_of(server.message)
    for expected in (
        *(
            "Order 7",
            "Four chairs & a table",
            "euros\n1200",
            "ada@example.org",
            "the group finance",
        ),
        *("1 of 2 approvals", "grace@example.org approves (signed in)", "0123abcd", "Until"),
    ):
        assert expected in shown


async def test_text_of_users_is_plain_and_mentions_nobody(
    slack: Slack, server: SlackServer
) -> None:
    await slack.send(replace(message(), notice=replace(NOTICE, title="<!channel> \u202e& <@U1>")))

    posted = server.message
    assert posted["text"] == "&lt;!channel&gt; &amp; &lt;@U1&gt;"
    marked_up = [
        element
        for block in posted["blocks"]
        for element in block.get("elements", [])
        if element["type"] == "mrkdwn"
    ]
    assert "<!channel>" not in str(marked_up)
    assert "\u202e" not in str(posted)
    assert not posted["unfurl_links"]


async def test_buttons_that_decide_have_values_and_no_urls(
    slack: Slack, server: SlackServer
) -> None:
    await slack.send(message())

    buttons = {one["action_id"]: one for one in buttons_of(server.message)}

    assert [name for name, one in buttons.items() if "url" in one] == ["open"]
    assert buttons["open"]["url"] == NOTICE.url
    assert '"approved": true' in buttons[APPROVE]["value"]
    assert '"approved": false' in buttons[REJECT]["value"]
    assert all("0123abcd" in buttons[name]["value"] for name in (APPROVE, REJECT))


async def test_update_rewrites_the_message_and_removes_the_buttons_at_the_end(
    slack: Slack, server: SlackServer
) -> None:
    sent = await slack.send(message())
    assert isinstance(sent, Sent)
    ended = replace(NOTICE, ended="Applied: approval by ada@example.org.")

    again = await slack.send(replace(message(), purpose=Purpose.UPDATE, notice=ended, ref=sent.ref))

    assert again == Sent(sent.ref)
    assert "Applied: approval by ada@example.org." in text_of(server.message)
    assert [one["action_id"] for one in buttons_of(server.message)] == ["open"]
    assert len(server.posted) == 1


async def test_reminder_is_a_reply_in_the_thread(slack: Slack, server: SlackServer) -> None:
    sent = await slack.send(message())
    assert isinstance(sent, Sent)

    await slack.send(replace(message(), purpose=Purpose.REMIND, ref=sent.ref))

    reply = server.posted[-1]
    assert (reply["thread_ts"], reply["reply_broadcast"]) == (sent.ref["ts"], True)
    assert "Order 7 still waits" in reply["text"]


@pytest.mark.parametrize(
    ("recipient", "channel"),
    [
        ("#finance", "#finance"),
        ("C0123456", "C0123456"),
        ("@U0123456", "U0123456"),
        ("@grace@example.org", "U0GRACE"),
        ("user:Grace@Example.org", "U0GRACE"),
        ("user:ada@example.org", ADA),
        ("@lin", "U0LIN00"),
    ],
)
async def test_recipient_is_a_channel_or_the_account_of_a_user(
    slack: Slack, server: SlackServer, recipient: str, channel: str
) -> None:
    server.add_user(ADA, "ada@example.org")
    server.add_user("U0LIN00", "lin@example.org")

    assert isinstance(await slack.send(message(recipient)), Sent)

    assert server.posted[0]["channel"] == channel


@pytest.mark.parametrize("recipient", ["", "@nobody", "user:nobody@example.org"])
async def test_recipient_without_account_is_not_tried_again(slack: Slack, recipient: str) -> None:
    assert isinstance(await slack.send(message(recipient)), Unsendable)


async def test_refusal_with_status_200_is_a_failure_with_its_reason(
    slack: Slack, server: SlackServer
) -> None:
    server.errors["chat.postMessage"] = "channel_not_found"

    failed = await slack.send(message())

    assert isinstance(failed, NotSent)
    assert "channel_not_found" in failed.reason
    assert TOKEN not in failed.reason


async def test_deleted_message_is_not_tried_again(slack: Slack) -> None:
    ref = {"channel": "C1", "ts": "1.2"}

    failed = await slack.send(replace(message(), purpose=Purpose.UPDATE, ref=ref))

    assert isinstance(failed, Unsendable)
    assert "message_not_found" in failed.reason


async def test_rate_limit_is_waited_for(slack: Slack, server: SlackServer) -> None:
    server.limited = 1

    failed = await slack.send(message())

    assert isinstance(failed, NotSent)
    assert failed.retry_after == timedelta(seconds=30)


async def test_hanging_server_ends_in_time(server: SlackServer, clock: ManualClock) -> None:
    server.hangs = True
    patience = timedelta(milliseconds=50)
    async with opened_slack(TOKEN, base_url=server.api, patience=patience) as api:
        failed = await Slack(api, Directory(), clock=clock).send(message())

    assert failed == NotSent("Slack did not reply to chat.postMessage in time")


async def test_unreachable_server_is_tried_again(clock: ManualClock) -> None:
    async with opened_slack(TOKEN, base_url="http://127.0.0.1:9/api") as api:
        failed = await Slack(api, Directory(), clock=clock).send(message())

    assert isinstance(failed, NotSent)
    assert "cannot be reached" in failed.reason


async def test_reply_that_is_not_json_is_a_failure(clock: ManualClock, server: SlackServer) -> None:
    async with opened_slack(TOKEN, base_url=f"{server.url}/nothing") as api:
        failed = await Slack(api, Directory(), clock=clock).send(message())

    assert failed == NotSent("Slack replied 404 to chat.postMessage")


async def test_wrong_token_says_which_setting_to_check(
    clock: ManualClock, server: SlackServer
) -> None:
    async with opened_slack("xoxb-wrong", base_url=server.api) as api:
        failed = await Slack(api, Directory(), clock=clock).send(message())

    assert isinstance(failed, NotSent)
    assert "RINGBACK_SLACK_TOKEN" in failed.reason


async def test_long_question_fits_the_limits_of_slack(slack: Slack, server: SlackServer) -> None:
    long = replace(
        NOTICE,
        title="t" * 500,
        description="d" * 9000,
        details=[(f"name {number}", "v" * 5000) for number in range(30)],
        progress=["p" * 4000],
    )

    sent = await slack.send(replace(message(), notice=long))

    assert isinstance(sent, Sent)
    assert "10 more details are on the page." in text_of(server.message)


async def test_account_is_identified_by_its_confirmed_address(
    slack: Slack, server: SlackServer
) -> None:
    server.add_user(ADA, "ada@example.org", is_email_confirmed=True)

    voter = await slack.identify(ADA, TEAM)

    assert voter == Voter(
        "ada@example.org", frozenset({"finance"}), Proof.CHAT, f"slack {TEAM} {ADA}"
    )


async def test_configured_account_is_identified_without_an_address(
    slack: Slack, server: SlackServer
) -> None:
    server.add_user("U0GRACE", None)

    voter = await slack.identify("U0GRACE", TEAM)

    assert isinstance(voter, Voter)
    assert voter.user == "grace@example.org"


@pytest.mark.parametrize(
    "facts",
    [
        {"email": None},
        {"email": "ada@example.org", "is_email_confirmed": False},
        {"email": "ada@example.org", "is_bot": True},
        {"email": "ada@example.org", "deleted": True},
        {"email": "ada@example.org", "team_id": "T0OTHER"},
    ],
    ids=["no address", "unconfirmed", "bot", "deleted", "other workspace"],
)
async def test_account_of_nobody_known_is_a_stranger(
    slack: Slack, server: SlackServer, facts: dict[str, Any]
) -> None:
    server.add_user(ADA, **facts)

    assert isinstance(await slack.identify(ADA, TEAM), Stranger)


async def test_account_of_another_workspace_is_a_stranger(
    slack: Slack, server: SlackServer
) -> None:
    server.add_user(ADA, "ada@example.org")

    assert isinstance(await slack.identify(ADA, "T0OTHER"), Stranger)


async def test_identity_is_asked_once_in_a_while(
    slack: Slack, server: SlackServer, clock: ManualClock
) -> None:
    server.add_user(ADA, "ada@example.org")

    await slack.identify(ADA, TEAM)
    await slack.identify(ADA, TEAM)
    cached = len(server.of("users.info"))
    clock.advance(CACHED_FOR)
    await slack.identify(ADA, TEAM)

    assert (cached, len(server.of("users.info"))) == (1, 2)


async def test_failed_identification_is_not_cached(slack: Slack, server: SlackServer) -> None:
    server.add_user(ADA, "ada@example.org")
    server.errors["users.info"] = "internal_error"
    first = await slack.identify(ADA, TEAM)
    del server.errors["users.info"]

    assert isinstance(first, Stranger)
    assert isinstance(await slack.identify(ADA, TEAM), Voter)


async def test_form_asks_for_a_reason(slack: Slack, server: SlackServer) -> None:
    choice = ChatChoice(ID, "0123abcd", approved=False)

    why = await slack.ask_reason(
        "1.2", choice, title="Order 7 " + "x" * 300, is_required=True, reply_to="https://x"
    )

    assert why is None
    (view,) = server.views
    assert view["submit"]["text"] == "Reject"
    field = view["blocks"][-1]
    assert (field["block_id"], field["optional"]) == (REASON, False)
    assert '"reply_to": "https://x"' in view["private_metadata"]


async def test_form_that_cannot_be_opened_says_what_to_do(
    slack: Slack, server: SlackServer
) -> None:
    server.errors["views.open"] = "expired_trigger_id"
    choice = ChatChoice(ID, "0123abcd", approved=False)

    why = await slack.ask_reason("1", choice, title="t", is_required=False, reply_to="")

    assert why is not None
    assert "Press the button again" in why


async def test_private_reply_reaches_one_person_without_the_token(
    slack: Slack, server: SlackServer
) -> None:
    await slack.reply_privately(f"{server.url}/actions/1", "Not counted: <it> & you")

    assert server.private == ["Not counted: &lt;it&gt; &amp; you"]


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9/", "not a url"])
async def test_private_reply_that_fails_is_logged(
    slack: Slack, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    await slack.reply_privately(url, "text")

    assert "cannot answer in Slack" in caplog.text


async def test_account_is_the_user_with_its_mail_address(slack: Slack, server: SlackServer) -> None:
    server.add_user("U0LIN", "Lin@Example.org")

    voter = await slack.identify("U0LIN", TEAM)

    assert isinstance(voter, Voter)
    assert voter.user == "lin"


async def test_cached_account_is_refused_for_another_team(
    slack: Slack, server: SlackServer
) -> None:
    server.add_user(ADA, "ada@example.org")

    assert isinstance(await slack.identify(ADA, TEAM), Voter)
    assert isinstance(await slack.identify(ADA, "T0OTHER"), Stranger)
