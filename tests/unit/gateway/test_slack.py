"""People vote by Slack: only Slack is believed, and only people who may decide are counted."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from ringback.app.container import Parts
from ringback.app.gateway_app import build_app
from ringback.app.notifiers import Notifiers
from ringback.core.chat_votes import IN_TIME
from ringback.core.services import run_services
from ringback.domain.assignment import change_details
from ringback.domain.callback import Callback, State
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.domain.person import Directory
from ringback.domain.policy import Policy, RequireReason, Voter
from ringback.domain.vote import Vote, VoteRequest
from ringback.gateway.slack import TOLERANCE, is_signed
from ringback.notify.slack import Slack
from ringback.notify.slack_api import opened_slack
from ringback.ports.chat import APPROVE, REASON, REJECT
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.fake_edges import BASE, fake_edges
from tests.loops import idle
from tests.polling import pause
from tests.slack_server import (
    SECRET,
    TOKEN,
    SlackServer,
    buttons_of,
    running_slack,
    sign_body,
    signed,
    text_of,
)
from tests.unit.core.callbacks import open_callback

ADA, GRACE, EVE = "U0ADA00", "U0GRACE", "U0EVE00"
POLICY = Policy(assignees=("user:ada@example.org", "group:finance"))
OTHER_SECRET = "another-signing-secret"  # noqa: S105 - of a test
SECOND = timedelta(seconds=1)


class SlowStore(SqlStore):
    """Commits votes when the test lets it."""

    may_vote: asyncio.Event
    may_find: asyncio.Event
    fails = False

    async def vote(self, requests: Sequence[VoteRequest]) -> Sequence[Any]:
        await self.may_vote.wait()
        if self.fails:
            msg = "host db-7 is away"
            raise StoreUnavailableError(msg)
        return await super().vote(requests)

    async def find(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Callback]:
        await self.may_find.wait()
        return await super().find(callback_ids)


@dataclass
class Office:
    """A gateway with a Slack workspace."""

    http: httpx2.AsyncClient
    store: SlowStore
    activities: FakeActivities
    clock: ManualClock
    slack: SlackServer

    async def ask(self, **options: Any) -> Callback:
        defaults = {"title": "Order 7", "notify": ("slack:#finance",), "policy": POLICY}
        ref = factories.activity_ref()
        self.activities.schedule(ref)
        callback = await open_callback(self.store, self.activities, ref, **{**defaults, **options})
        await self.pass_time()
        return callback

    async def send(
        self, payload: dict[str, Any], *, secret: str = SECRET, **headers: str
    ) -> httpx2.Response:
        """Send a payload as Slack does."""
        body, signing = signed(payload, at=self.clock.now().timestamp(), secret=secret)
        return await self.http.post(
            "/slack/interactions", content=body, headers={**signing, **headers}
        )

    async def press(self, action: str, account: str = ADA) -> httpx2.Response:
        reply = await self.send(self.slack.press(action, account))
        await self.pass_time()
        return reply

    async def votes(self, callback: Callback) -> Sequence[Vote]:
        return (await self.store.votes([callback.id])).get(callback.id, ())

    async def state(self, callback: Callback) -> State:
        return (await self.store.find([callback.id]))[callback.id].state

    async def pass_time(self) -> None:
        """Let the notifier show what has changed."""
        self.clock.advance(SECOND)
        async with asyncio.timeout(5):
            while await self.store.next_notification() == timedelta(0):
                await pause()
        await idle()


@asynccontextmanager
async def opened_office() -> AsyncIterator[Office]:
    clock, activities = ManualClock(), FakeActivities()
    async with running_slack() as server:
        server.add_user(ADA, "ada@example.org")
        server.add_user(GRACE, "Grace@Example.org")
        server.add_user(EVE, "eve@example.org")
        with InMemoryDatabase(clock) as database:
            store = SlowStore(database)
            store.may_vote, store.may_find = asyncio.Event(), asyncio.Event()
            store.may_vote.set()
            store.may_find.set()
            async with opened_slack(TOKEN, base_url=server.api) as api:
                directory = Directory.of({"finance": ["grace@example.org"]})
                slack = Slack(api, directory, clock=clock)
                secrets = (OTHER_SECRET.encode(), SECRET.encode())
                notifiers = Notifiers(directory, {"slack": slack}, slack, secrets)
                parts = Parts(fake_edges(store, activities, clock, notifiers=notifiers))
                transport = httpx2.ASGITransport(app=build_app(parts))
                assert parts.slack_votes is not None
                async with (
                    run_services(parts.answer_service, parts.notifier, parts.slack_votes),
                    httpx2.AsyncClient(transport=transport, base_url=BASE) as http,
                ):
                    yield Office(http, store, activities, clock, server)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with opened_office() as office:
        yield office


async def test_approval_is_a_vote_of_the_identified_person(office: Office) -> None:
    callback = await office.ask()

    reply = await office.press(APPROVE)

    assert (reply.status_code, reply.content) == (200, b"")
    (vote,) = await office.votes(callback)
    assert (vote.user, vote.approved, vote.proof.value) == ("ada@example.org", True, "chat")
    assert vote.via == f"slack T0HOME {ADA}"
    assert await office.state(callback) is State.ACCEPTED
    assert office.slack.private == []


async def test_deciding_vote_rewrites_the_message_without_buttons(office: Office) -> None:
    await office.ask()

    await office.press(APPROVE)

    shown = text_of(office.slack.message)
    assert "Accepted, not yet applied: approval by ada@example.org." in shown
    assert [one["action_id"] for one in buttons_of(office.slack.message)] == ["open"]


async def test_member_of_a_configured_group_may_vote(office: Office) -> None:
    callback = await office.ask()

    await office.press(APPROVE, GRACE)

    (vote,) = await office.votes(callback)
    assert (vote.user, set(vote.groups)) == ("Grace@Example.org", {"finance"})


async def test_first_of_two_approvals_is_shown_and_leaves_the_buttons(office: Office) -> None:
    callback = await office.ask(policy=Policy(assignees=POLICY.assignees, approvals=2))

    await office.press(APPROVE)

    assert await office.state(callback) is State.OPEN
    assert "1 of 2 approvals" in text_of(office.slack.message)
    assert len(buttons_of(office.slack.message)) == 3


@pytest.mark.parametrize("action", [APPROVE, REJECT])
async def test_stranger_gets_a_private_reply_and_is_not_counted(
    office: Office, action: str
) -> None:
    callback = await office.ask()

    reply = await office.press(action, EVE)

    assert reply.status_code == 200
    (text,) = office.slack.private
    assert text.startswith("Not authorized: ")
    assert await office.votes(callback) == ()
    assert office.slack.views == []


@pytest.mark.parametrize("action", [APPROVE, REJECT])
async def test_account_without_address_gets_a_private_reply(office: Office, action: str) -> None:
    office.slack.add_user("U0NOBODY", None)
    callback = await office.ask()

    await office.press(action, "U0NOBODY")

    assert "no confirmed mail address" in office.slack.private[0]
    assert await office.votes(callback) == ()


async def test_rejection_asks_for_a_reason_and_counts_after_it(office: Office) -> None:
    callback = await office.ask()

    pressed = await office.press(REJECT)
    (view,) = office.slack.views
    before = await office.votes(callback)
    reply = await office.send(office.slack.submit(ADA, "too <expensive>"))
    await office.pass_time()

    assert (pressed.status_code, before) == (200, ())
    assert view["blocks"][0]["text"]["text"] == "Order 7"
    assert (reply.status_code, reply.content) == (200, b"")
    (vote,) = await office.votes(callback)
    assert (vote.approved, vote.reason) == (False, "too <expensive>")
    assert "rejection by ada@example.org (too <expensive>)" in text_of(office.slack.message)


async def test_rejection_without_required_reason_stays_in_the_form(office: Office) -> None:
    policy = Policy(assignees=POLICY.assignees, require_reason=RequireReason.REJECTION)
    callback = await office.ask(policy=policy)

    await office.press(REJECT)
    reply = await office.send(office.slack.submit(ADA, None))

    assert office.slack.views[0]["blocks"][-1]["optional"] is False
    assert reply.json()["response_action"] == "errors"
    assert "a reason is required" in reply.json()["errors"][REASON]
    assert await office.votes(callback) == ()


async def test_approval_asks_for_a_reason_if_each_vote_needs_one(office: Office) -> None:
    policy = Policy(assignees=POLICY.assignees, require_reason=RequireReason.ALWAYS)
    callback = await office.ask(policy=policy)

    await office.press(APPROVE)
    await office.send(office.slack.submit(ADA, "fine"))

    (vote,) = await office.votes(callback)
    assert (vote.approved, vote.reason) == (True, "fine")


async def test_form_that_cannot_be_opened_is_reported_in_private(office: Office) -> None:
    await office.ask()
    office.slack.errors["views.open"] = "expired_trigger_id"

    await office.press(REJECT)

    assert "cannot be opened" in office.slack.private[0]


async def test_question_with_a_form_has_no_button_that_approves(office: Office) -> None:
    await office.ask(result_schema='{"type":"object"}')

    assert [one["action_id"] for one in buttons_of(office.slack.message)] == [REJECT, "open"]


async def test_question_for_a_result_has_no_button_that_decides(office: Office) -> None:
    await office.ask(policy=Policy(assignees=POLICY.assignees, is_decision=False))

    assert [one["action_id"] for one in buttons_of(office.slack.message)] == ["open"]


async def test_duplicated_delivery_votes_once(office: Office) -> None:
    callback = await office.ask()
    payload = office.slack.press(APPROVE, ADA)

    first = await office.send(payload)
    second = await office.send(payload, **{"x-slack-retry-num": "1"})

    assert (first.status_code, second.status_code) == (200, 200)
    assert len(await office.votes(callback)) == 1
    assert office.slack.private == []


async def test_repeated_press_after_the_withdrawal_is_explained_in_private(
    office: Office,
) -> None:
    callback = await office.ask(policy=Policy(assignees=POLICY.assignees, approvals=2))
    press = office.slack.press(APPROVE, ADA)
    await office.send(press)
    (vote,) = await office.votes(callback)
    await office.store.withdraw(callback.id, Voter(vote.user))

    await office.send(press)

    assert await office.votes(callback) == ()
    (said,) = office.slack.private
    assert "Your vote was withdrawn" in said
    assert "open the page" in said


async def test_second_different_vote_is_explained_in_private(office: Office) -> None:
    policy = Policy(assignees=POLICY.assignees, approvals=2, veto=False)
    callback = await office.ask(policy=policy)

    await office.press(APPROVE)
    await office.press(REJECT)
    reply = await office.send(office.slack.submit(ADA, "no"))

    assert "you have voted differently" in reply.json()["errors"][REASON]
    assert [vote.approved for vote in await office.votes(callback)] == [True]


async def test_vote_after_the_end_is_explained_in_private(office: Office) -> None:
    callback = await office.ask()
    payload = office.slack.press(APPROVE, ADA)
    await office.store.expire([factories.expiry(callback, "the workflow was canceled")])

    await office.send(payload)

    assert office.slack.private == ["Not counted: too late: the workflow was canceled."]


async def test_copy_that_a_killed_gateway_left_counts_votes_and_says_how_it_ended(
    office: Office,
) -> None:
    policy = Policy(assignees=(*POLICY.assignees, "user:eve@example.org"), approvals=2)
    callback = await office.ask(policy=policy)
    # The copy has the same buttons, and keeps them: only the message in the store is rewritten.
    on_copy = {user: office.slack.press(APPROVE, user) for user in (ADA, GRACE, EVE)}
    reject_on_copy = office.slack.press(REJECT, EVE)
    await office.press(APPROVE)

    for press in (on_copy[ADA], on_copy[GRACE]):
        await office.send(press)
    voted = [vote.user for vote in await office.votes(callback)]
    for press in (on_copy[EVE], reject_on_copy):
        await office.send(press)

    assert voted == ["ada@example.org", "Grace@Example.org"]
    assert len(await office.votes(callback)) == 2
    assert await office.state(callback) is State.ACCEPTED
    ended = "Accepted, not yet applied: approval by Grace@Example.org."
    assert office.slack.private == [f"Not counted. {ended}"] * 2
    assert office.slack.views == []


async def test_vote_on_an_older_version_is_explained_in_private(office: Office) -> None:
    callback = await office.ask()
    payload = office.slack.press(APPROVE, ADA)
    await office.store.change(
        callback.id, lambda current, votes: change_details(current, votes, {"euros": 9}), by={}
    )

    await office.send(payload)

    assert "has changed since you saw it (details.euros)" in office.slack.private[0]
    assert await office.votes(callback) == ()


async def test_unknown_callback_is_explained_in_private(office: Office) -> None:
    await office.ask()
    payload = office.slack.press(APPROVE, ADA)
    payload["actions"][0]["value"] = '{"callback":"cb_x","digest":"d","approved":true}'

    await office.send(payload)

    assert office.slack.private == ["This question no longer exists."]


async def test_slow_store_is_waited_for_in_the_background(office: Office) -> None:
    callback = await office.ask()
    office.store.may_vote.clear()

    async with asyncio.timeout(IN_TIME.total_seconds() + 0.9):
        reply = await office.send(office.slack.press(APPROVE, ADA))
    before = await office.votes(callback)
    office.store.may_vote.set()
    await office.pass_time()

    assert (reply.status_code, before) == (200, ())
    assert len(await office.votes(callback)) == 1
    assert "approval by ada@example.org" in text_of(office.slack.message)


async def test_late_refusal_of_a_form_gets_a_private_reply(office: Office) -> None:
    callback = await office.ask()
    await office.press(REJECT)
    office.store.may_vote.clear()

    async with asyncio.timeout(IN_TIME.total_seconds() + 0.9):
        reply = await office.send(office.slack.submit(ADA, "no"))
    await office.store.expire([factories.expiry(callback, "it timed out")])
    office.slack.changed.clear()
    office.store.may_vote.set()
    async with asyncio.timeout(5):
        while not office.slack.private:
            await pause()

    assert (reply.status_code, reply.content) == (200, b"")
    assert office.slack.private == ["Not counted: too late: it timed out."]


async def test_form_opens_while_the_store_is_slow(office: Office) -> None:
    await office.ask()
    payload = office.slack.press(REJECT, ADA)
    office.store.may_find.clear()

    async with asyncio.timeout(3):
        await office.send(payload)
    office.store.may_find.set()

    (view,) = office.slack.views
    assert view["blocks"][0]["text"]["text"] == "Your decision"


async def test_store_that_fails_is_explained_without_details(office: Office) -> None:
    await office.ask()
    payload = office.slack.press(APPROVE, ADA)

    office.store.fails = True
    await office.send(payload)

    assert office.slack.private == ["Your vote could not be stored now. Press the button again."]


async def test_button_that_opens_the_page_changes_nothing(office: Office) -> None:
    callback = await office.ask()
    payload = office.slack.press(APPROVE, ADA)
    payload["actions"] = [{"type": "button", "action_id": "open"}]

    reply = await office.send(payload)

    assert reply.status_code == 200
    assert await office.votes(callback) == ()


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
async def test_any_signing_secret_is_accepted(office: Office, secret: str) -> None:
    callback = await office.ask()

    reply = await office.send(office.slack.press(APPROVE, ADA), secret=secret)

    assert reply.status_code == 200
    assert len(await office.votes(callback)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0=é"},
        {"x-slack-request-timestamp": ""},
        {"x-slack-request-timestamp": "abc"},
        {"x-slack-request-timestamp": "9" * 400},
        {"x-slack-request-timestamp": "1"},
    ],
)
async def test_request_that_slack_did_not_sign_is_refused(
    office: Office, headers: dict[str, str]
) -> None:
    callback = await office.ask()
    payload = office.slack.press(APPROVE, ADA)
    body, signing = signed(payload, at=office.clock.now().timestamp())
    sent = {**signing, **headers}

    reply = await office.http.post(
        "/slack/interactions",
        content=body,
        headers=[(name.encode(), value.encode()) for name, value in sent.items()],
    )

    assert reply.status_code == 401
    assert await office.votes(callback) == ()


async def test_wrong_secret_and_changed_body_are_refused(office: Office) -> None:
    callback = await office.ask()
    payload = office.slack.press(APPROVE, ADA)
    body, headers = signed(payload, at=office.clock.now().timestamp())

    wrong = await office.send(payload, secret="guessed")  # noqa: S106 - of a test
    changed = await office.http.post(
        "/slack/interactions", content=body.replace(b"U0ADA00", b"U0EVE00"), headers=headers
    )

    assert (wrong.status_code, changed.status_code) == (401, 401)
    assert await office.votes(callback) == ()


@pytest.mark.parametrize("age", [TOLERANCE, -TOLERANCE])
async def test_request_at_the_edge_of_five_minutes_is_accepted_and_later_is_not(
    office: Office, age: timedelta
) -> None:
    await office.ask()
    payload = office.slack.press(APPROVE, ADA)
    at = office.clock.now() - age
    statuses = []
    for moment in (at, at - (SECOND if age > timedelta(0) else -SECOND)):
        body, headers = signed(payload, at=moment.timestamp())
        reply = await office.http.post("/slack/interactions", content=body, headers=headers)
        statuses.append(reply.status_code)

    assert statuses == [200, 401]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"payload=", b"payload=[]", b"payload=1&payload=2", b"\xff", b"payload=%ff"),
        urlencode({"payload": '{"type":"block_actions","actions":[{"action_id":'}).encode(),
    ],
)
async def test_body_that_is_not_an_interaction_gets_400(office: Office, body: bytes) -> None:
    headers = sign_body(body, at=office.clock.now().timestamp())

    reply = await office.http.post("/slack/interactions", content=body, headers=headers)

    assert reply.status_code == 400


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"type": "shortcut"}, 200),
        ({"actions": []}, 200),
        ({"actions": [{"action_id": APPROVE, "value": "not json"}]}, 400),
        ({"actions": [{"action_id": APPROVE, "value": "{}"}]}, 400),
        ({"user": {}}, 400),
        ({"user": {"id": ADA}, "team": None}, 400),
        ({"type": "view_submission", "view": {"callback_id": "other"}}, 200),
        ({"type": "view_submission", "view": {"callback_id": REASON}}, 400),
    ],
)
async def test_signed_payload_of_another_kind_changes_nothing(
    office: Office, changed: dict[str, Any], status: int
) -> None:
    callback = await office.ask()

    reply = await office.send({**office.slack.press(APPROVE, ADA), **changed})

    assert reply.status_code == status
    assert await office.votes(callback) == ()


async def test_account_without_its_own_team_belongs_to_the_workspace(office: Office) -> None:
    callback = await office.ask()
    payload = office.slack.press(APPROVE, ADA)
    del payload["user"]["team_id"]

    await office.send(payload)

    assert len(await office.votes(callback)) == 1


async def test_large_body_is_refused(office: Office) -> None:
    reply = await office.send({"type": "x" * 1_100_000})

    assert reply.status_code == 413


async def test_gateway_without_slack_has_no_such_route() -> None:
    clock = ManualClock()
    with InMemoryDatabase(clock) as database:
        parts = Parts(fake_edges(SqlStore(database), FakeActivities(), clock))
        transport = httpx2.ASGITransport(app=build_app(parts))
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
            reply = await http.post("/slack/interactions", content=b"payload=1")

    assert reply.status_code == 404


async def test_get_of_the_route_is_refused(office: Office) -> None:
    assert (await office.http.get("/slack/interactions")).status_code == 405


class FixedClock(SlackClock):
    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        return self._at


@pytest.mark.parametrize("age", [0, 299, 300, 301, -301])
@pytest.mark.parametrize("secret", [SECRET, "guessed"])
@pytest.mark.parametrize("body", [b"payload=%7B%7D", "payload=😊".encode()])
def test_signature_is_judged_as_by_the_reference_library(
    age: int, secret: str, body: bytes
) -> None:
    now = factories.NOW
    headers = sign_body(body, at=now.timestamp() - age, secret=secret)
    timestamp, signature = headers["x-slack-request-timestamp"], headers["x-slack-signature"]
    reference = SignatureVerifier(SECRET, clock=FixedClock(now.timestamp()))

    ours = is_signed(
        body, timestamp=timestamp, signature=signature, secrets=[SECRET.encode()], now=now
    )

    assert ours == reference.is_valid(body, timestamp, signature)


def test_published_example_of_slack_is_signed() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2F"
        b"commands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    at = factories.NOW.fromtimestamp(1531420618, factories.NOW.tzinfo)

    assert is_signed(
        body,
        timestamp="1531420618",
        signature=signature,
        secrets=[b"8f742231b10e8888abcd99yyyzzz85a5"],
        now=at,
    )
