"""The inbox in a browser: lists, search, and decisions on many questions at once."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest

from ringback.domain.assignment import Actor
from ringback.domain.callback import Callback, State
from ringback.domain.policy import Policy, Proof, RequireReason, Voter
from ringback.domain.vote import VoteRequest
from ringback.ports.notifications import Failure
from tests import factories
from tests.unit.gateway.house import House
from tests.unit.gateway.identity.browser import (
    FROM_ELSEWHERE,
    Browser,
    csrf_of,
    new_url,
    opened_browser,
)
from tests.unit.gateway.pages.test_decide import FORM

ADA = "ada@example.org"
LEASE = timedelta(seconds=30)
FOR_FINANCE = Policy(assignees=("group:finance",))


@pytest.fixture(autouse=True)
async def ada(house: House, browser: Browser) -> None:
    """Ada of finance is signed in."""
    await sign_in(house, browser)


async def sign_in(
    house: House, browser: Browser, user: str = ADA, groups: tuple[str, ...] = ("finance",)
) -> None:
    reply = await browser.sign_in(await new_url(house, user, groups=list(groups)))
    assert reply.status_code == 303, reply.text


async def ask(house: House, title: str = "Order 17", **options: Any) -> Callback:
    return await house.asked(title=title, **{"policy": FOR_FINANCE, **options})


def titles_in(page: httpx2.Response) -> list[str]:
    """Return the titles of the questions on a page."""
    assert page.status_code == 200, page.text
    return [
        unescape(one) for one in re.findall(r'<h2><a id="open-[^>]*><bdi>(.*?)</bdi>', page.text)
    ]


def values_in(page: httpx2.Response) -> list[str]:
    """Return the values of the boxes that can be ticked."""
    return re.findall(r'name="ticked" value="([^"]+)"', page.text)


async def decide(
    browser: Browser, page: httpx2.Response, ticked: list[str] | None = None, **fields: str
) -> httpx2.Response:
    """Tick questions on a page, all by default, and confirm."""
    sent: dict[str, Any] = {"csrf": csrf_of(page), "list": "?scope=groups", **fields}
    sent["ticked"] = values_in(page) if ticked is None else ticked
    return await browser.post("/inbox/changes/votes", sent)


def results_in(page: httpx2.Response) -> list[str]:
    """Return what happened to each question, as the page says."""
    assert page.status_code == 200, page.text
    found = re.findall(r"<p[^>]*>(Not stored: )?<bdi>(.*?)</bdi></p>", page.text)
    return [unescape(refused + text) for refused, text in found]


async def test_inbox_lists_questions_of_the_groups_by_deadline(
    house: House, browser: Browser
) -> None:
    await ask(house, "late", deadline=timedelta(hours=30))
    await ask(house, "soon", deadline=timedelta(hours=3, minutes=5))
    await ask(house, "for others", policy=Policy(assignees=("user:bob@example.org",)))

    page = await browser.get("/inbox?scope=groups")

    assert titles_in(page) == ["soon", "late"]
    assert ">in 3 h</time>)" in page.text
    assert "Until <time" in page.text
    assert "the group finance" in page.text
    assert titles_in(await browser.get("/inbox")) == []


async def test_nothing_is_ticked_or_chosen_at_first(house: House, browser: Browser) -> None:
    await ask(house)

    page = await browser.get("/inbox?scope=groups")

    assert len(values_in(page)) == 1
    assert not re.search(r"<input[^>]* checked", page.text)


async def test_page_may_load_only_scripts_of_this_gateway(browser: Browser) -> None:
    page = await browser.get("/inbox")
    policy = page.headers["content-security-policy"]
    script = re.search(r'<script src="([^"]+)"', page.text)

    assert "default-src 'none'" in policy
    assert "script-src 'self'; connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert script is not None
    reply = await browser.get(script[1])
    assert reply.status_code == 200
    assert "immutable" in reply.headers["cache-control"]


async def test_signed_out_browser_is_sent_to_sign_in(house: House) -> None:
    async with opened_browser(house.app) as stranger:
        page = await stranger.get("/inbox?show=decided")

    assert page.status_code == 303
    assert page.headers["location"].startswith("/sign-in?next=%2Finbox")


async def test_all_is_for_admins_only(house: House, browser: Browser) -> None:
    await ask(house, policy=Policy(assignees=("user:bob@example.org",)))

    assert (await browser.get("/inbox?scope=all")).status_code == 403
    assert "scope=all" not in (await browser.get("/inbox")).text

    reply = await browser.sign_in(await new_url(house, "root@example.org", admin=True))
    assert reply.status_code == 303
    assert titles_in(await browser.get("/inbox?scope=all")) == ["Order 17"]


async def test_hostile_text_is_shown_as_text(house: House, browser: Browser) -> None:
    await ask(house, "<script>alert(1)</script>\u202e\"'")

    page = await browser.get("/inbox?scope=groups&q=%3Cscript%3E")

    assert titles_in(page) == ["<script>alert(1)</script>\u202e\"'"]
    assert "<script>alert" not in page.text
    assert 'value="&lt;script&gt;"' in page.text


async def test_search_shows_only_questions_with_the_words(house: House, browser: Browser) -> None:
    await ask(house, "Order 17")
    await ask(house, "Invoice 17")

    assert titles_in(await browser.get("/inbox?scope=groups&q=17+ORDER")) == ["Order 17"]
    assert "No question here" in (await browser.get("/inbox?scope=groups&q=nowhere")).text


@pytest.mark.parametrize(
    ("wait", "retries"), [(None, ""), (timedelta(minutes=1), "; the gateway retries")]
)
async def test_row_says_which_messages_could_not_be_sent_but_not_why(
    house: House, browser: Browser, wait: timedelta | None, retries: str
) -> None:
    await ask(house, "told", notify=("ops",), deadline=LEASE)
    await ask(house, "not told", notify=("mail",))
    for one in await house.store.claim_notifications(limit=9, lease=LEASE):
        if one.channel == "mail":
            await house.store.fail_notification(Failure(one, "no route to smtp.internal", wait))

    page = await browser.get("/inbox?scope=groups")

    sentence = f"<bdi>A message by mail could not be sent{retries}</bdi>."
    assert page.text.count("could not be sent") == 1
    assert sentence in page.text.partition(">not told<")[2]
    assert "smtp.internal" not in page.text


async def test_pages_follow_each_other_and_keep_the_filter(house: House, browser: Browser) -> None:
    for number in range(53):
        await ask(house, f"Order {number}", deadline=timedelta(minutes=number + 1))

    first = await browser.get("/inbox?scope=groups&q=order")
    following = re.search(r'id="next" href="([^"]+)"', first.text)
    assert following is not None
    second = await browser.get(unescape(following[1]))

    assert len(titles_in(first)) == 50
    assert titles_in(second) == ["Order 50", "Order 51", "Order 52"]
    assert 'id="next"' not in second.text


@pytest.mark.parametrize("after", ["x", "5.", "99999999999999999999999.cb_1", "%00"])
async def test_wrong_end_of_a_page_begins_somewhere(browser: Browser, after: str) -> None:
    page = await browser.get(f"/inbox?scope=groups&show=what&after={after}")

    assert page.status_code == 200


async def test_votes_so_far_are_shown_to_who_is_missing(house: House, browser: Browser) -> None:
    two = Policy(assignees=("group:finance",), approvals=2)
    question = await ask(house, policy=two)
    bob = Voter("bob@example.org", frozenset({"finance"}), Proof.SIGNED_IN)
    await house.store.vote([VoteRequest(question.id, factories.outcome_id(), bob)])

    page = await browser.get("/inbox?scope=groups")

    assert "1 of 2 approvals" in page.text


async def test_ticked_questions_are_approved_with_one_reason(
    house: House, browser: Browser
) -> None:
    asked = [await ask(house, f"Order {number}") for number in range(3)]
    page = await browser.get("/inbox?scope=groups")
    ticked = values_in(page)[:2]

    reply = await decide(browser, page, ticked, choice="approve", reason="fine")

    assert results_in(reply) == ["Stored. It decides."] * 2
    assert "2 of 2 stored" in reply.text
    assert 'href="/inbox?scope=groups"' in reply.text
    open_ones = [one for one in asked if (await house.found(one.id)).state is State.OPEN]
    assert len(open_ones) == 1
    votes = await house.store.votes([one.id for one in asked])
    assert {vote.reason for of_one in votes.values() for vote in of_one} == {"fine"}
    assert {vote.user for of_one in votes.values() for vote in of_one} == {ADA}
    assert len(titles_in(await browser.get("/inbox?show=decided"))) == 2


@pytest.mark.parametrize(("choice", "heading"), [("approve", "Approved"), ("reject", "Rejected")])
async def test_row_of_a_decided_question_says_what_was_decided(
    house: House, browser: Browser, choice: str, heading: str
) -> None:
    asked = await ask(house)
    await decide(browser, await browser.get("/inbox?scope=groups"), choice=choice)
    await house.store.settle([factories.settlement(await house.found(asked.id), State.APPLIED)])

    page = await browser.get("/inbox?show=decided")

    assert f"<strong>{heading}.</strong> Ended <time" in page.text
    assert "Until" not in page.text


async def test_empty_list_names_the_list_that_has_questions(house: House, browser: Browser) -> None:
    before = await browser.get("/inbox")
    await ask(house)

    page = await browser.get("/inbox")

    assert "Nothing waits for you here.</p>" in before.text
    link = '<a href="/inbox?scope=groups">My groups&#39; (1)</a>'
    assert f"Nothing waits for you here. See {link}.</p>" in page.text
    assert "See <a" not in (await browser.get("/inbox?show=decided")).text


async def test_changed_question_among_three_is_refused_alone(
    house: House, browser: Browser
) -> None:
    asked = [await ask(house, f"Order {number}") for number in range(3)]
    page = await browser.get("/inbox?scope=groups")
    changed = asked[1]
    await house.post(f"/v1/callbacks/{changed.id}/details", json={"details": {"amount": 5}})

    reply = await decide(browser, page, choice="reject", reason="no")

    assert sorted(results_in(reply)) == [
        "Not stored: The question has changed since you saw it (details.amount); read it again.",
        "Stored. It decides.",
        "Stored. It decides.",
    ]
    assert (await house.found(changed.id)).state is State.OPEN
    assert (await house.store.votes([changed.id])) == {}


async def test_same_confirmation_twice_changes_nothing_more(house: House, browser: Browser) -> None:
    await ask(house)
    page = await browser.get("/inbox?scope=groups")
    await decide(browser, page, choice="approve")

    again = await decide(browser, page, choice="approve")
    other = await decide(browser, page, choice="reject")

    assert results_in(again) == ["You had voted like this before."]
    assert results_in(other)[0].startswith("Not stored: ")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"choice": ""}, "Choose whether you approve or reject."),
        ({"choice": "maybe"}, "Choose whether you approve or reject."),
        ({"choice": "approve", "reason": "x" * 2001}, "at most 2000 characters"),
    ],
)
async def test_incomplete_decision_is_shown_again_with_what_was_typed(
    house: House, browser: Browser, fields: dict[str, str], said: str
) -> None:
    question = await ask(house)
    page = await browser.get("/inbox?scope=groups")

    reply = await decide(browser, page, None, **fields)

    assert reply.status_code == 422
    assert said in reply.text
    assert f'value="{values_in(page)[0]}" aria-label="Tick: Order 17" checked' in reply.text
    assert (await house.found(question.id)).state is State.OPEN


async def test_decision_on_nothing_is_refused(house: House, browser: Browser) -> None:
    await ask(house)
    page = await browser.get("/inbox?scope=groups")

    reply = await decide(browser, page, [], choice="approve", reason="fine")

    assert reply.status_code == 422
    assert "Tick the questions" in reply.text
    assert ">\nfine</textarea>" in reply.text


async def test_question_with_a_required_field_is_not_approved_together(
    house: House, browser: Browser
) -> None:
    await ask(house, result_schema=FORM)
    page = await browser.get("/inbox?scope=groups")

    assert "It has a form" in page.text
    (refused,) = results_in(await decide(browser, page, choice="approve"))
    assert refused.startswith("Not stored: It has a form with required fields: open it")
    assert results_in(await decide(browser, page, choice="reject")) == ["Stored. It decides."]


async def test_missing_reason_is_explained_for_people(house: House, browser: Browser) -> None:
    policy = Policy(assignees=("group:finance",), require_reason=RequireReason.ALWAYS)
    await ask(house, policy=policy)
    page = await browser.get("/inbox?scope=groups")

    refused = results_in(await decide(browser, page, choice="approve"))

    assert refused == ["Not stored: A reason is required."]


async def test_question_for_a_result_is_decided_only_on_its_page(
    house: House, browser: Browser
) -> None:
    policy = Policy(assignees=("group:finance",), is_decision=False)
    question = await ask(house, policy=policy)
    page = await browser.get("/inbox?scope=groups")

    assert values_in(page) == []
    assert "Open it to give the answer" in page.text
    await ask(house, "another")
    page = await browser.get("/inbox?scope=groups")
    forged = f"{question.id}:{question.subject.digest}"
    (refused,) = results_in(await decide(browser, page, [forged], choice="approve"))
    assert "fill in its form" in refused
    assert (await house.found(question.id)).state is State.OPEN


async def test_question_of_others_is_refused_and_its_title_not_shown(
    house: House, browser: Browser
) -> None:
    secret = await ask(house, "Secret", policy=Policy(assignees=("user:bob@example.org",)))
    await ask(house)
    page = await browser.get("/inbox?scope=groups")

    unknown = f"{secret.id[:-4]}0000"
    ticked = [f"{one}:{secret.subject.digest}" for one in (secret.id, unknown)]

    reply = await decide(browser, page, ticked, choice="approve")

    first, second = results_in(reply)
    assert first == second == "Not stored: There is no such question, or others are asked."
    assert "Secret" not in reply.text
    assert (await browser.get(f"/inbox/changes/reassign?id={secret.id}")).status_code == 404


@pytest.mark.parametrize("path", ["claim", "release", "reassign"])
@pytest.mark.parametrize("approvals", [1, 2])
async def test_hidden_and_missing_question_get_the_same_reply(
    house: House, browser: Browser, path: str, approvals: int
) -> None:
    secret = await ask(house, policy=Policy(assignees=("group:legal",), approvals=approvals))
    if approvals == 1:
        bob = Actor(Voter("bob@example.org", frozenset({"legal"}), Proof.SIGNED_IN))
        await house.app.state.gateway.vote_service.claim(secret.id, bob)
    await ask(house)
    fields = {"csrf": csrf_of(await browser.get("/inbox?scope=groups")), "assignees": "user:ada"}

    theirs, unknown = [
        await browser.post(f"/inbox/changes/{path}", fields | {"id": id_})
        for id_ in (secret.id, f"{secret.id[:-4]}0000")
    ]

    assert (theirs.status_code, theirs.text) == (unknown.status_code, unknown.text)
    assert theirs.status_code == 404


async def test_claimed_question_is_not_reassigned_by_another_assignee(
    house: House, browser: Browser
) -> None:
    question = await ask(house)
    bob = Actor(Voter("bob@example.org", frozenset({"finance"}), Proof.SIGNED_IN))
    await house.app.state.gateway.vote_service.claim(question.id, bob)
    page = await browser.get("/inbox?scope=groups")
    fields = {"csrf": csrf_of(page), "id": question.id, "assignees": "user:ada@example.org"}

    reply = await browser.post("/inbox/changes/reassign", fields)

    assert reply.status_code == 409
    assert "reassign-" not in page.text
    assert (await house.found(question.id)).claimant == "bob@example.org"


async def test_claimed_question_is_for_its_claimant_until_released(
    house: House, browser: Browser
) -> None:
    question = await ask(house)
    async with opened_browser(house.app) as others:
        await sign_in(house, others, "bob@example.org")
        page = await browser.get("/inbox?scope=groups")
        fields = {"csrf": csrf_of(page), "id": question.id, "list": "?scope=groups"}

        reply = await browser.post("/inbox/changes/claim", fields)

        assert (reply.status_code, reply.headers["location"]) == (303, "/inbox?scope=groups")
        theirs = await others.get("/inbox?scope=groups")
        assert "Claimed by <bdi>ada@example.org</bdi>" in theirs.text
        assert values_in(theirs) == []
        assert titles_in(await browser.get("/inbox")) == ["Order 17"]

        refused = await others.post("/inbox/changes/release", fields | {"csrf": csrf_of(theirs)})
        assert refused.status_code == 409
        await browser.post("/inbox/changes/release", fields)
        assert len(values_in(await others.get("/inbox?scope=groups"))) == 1


async def test_reassigned_question_leaves_the_list(house: House, browser: Browser) -> None:
    question = await ask(house)
    page = await browser.get(f"/inbox/changes/reassign?id={question.id}")
    assert ">\ngroup:finance</textarea>" in page.text
    fields = {"csrf": csrf_of(page), "id": question.id}

    wrong = await browser.post("/inbox/changes/reassign", fields | {"assignees": "bob"})
    right = await browser.post(
        "/inbox/changes/reassign", fields | {"assignees": "user:bob@example.org\r\n\r\n"}
    )

    assert wrong.status_code == 422
    assert ">\nbob</textarea>" in wrong.text
    assert "<p>Assignees contains &#39;bob&#39;; write user:ada@example.org" in wrong.text
    assert right.status_code == 303
    assert titles_in(await browser.get("/inbox?scope=groups")) == []
    policy = (await house.found(question.id)).options.policy
    assert policy is not None
    assert policy.assignees == ("user:bob@example.org",)


@pytest.mark.parametrize("path", ["votes", "claim", "release", "reassign"])
async def test_other_sites_change_nothing(house: House, browser: Browser, path: str) -> None:
    question = await ask(house)
    page = await browser.get("/inbox?scope=groups")
    fields = {
        "csrf": csrf_of(page),
        "id": question.id,
        "ticked": values_in(page)[0],
        "choice": "approve",
        "assignees": "group:legal",
    }

    forged = await browser.post(f"/inbox/changes/{path}", fields, sent_from=FROM_ELSEWHERE)
    without = await browser.post(f"/inbox/changes/{path}", fields | {"csrf": "guessed"})

    assert forged.status_code == 403
    assert without.status_code == 409
    after = await house.found(question.id)
    assert (after.state, after.claimant) == (State.OPEN, None)
    assert after.options.policy == FOR_FINANCE


async def test_ended_session_keeps_ticks_and_reason(house: House, browser: Browser) -> None:
    await ask(house)
    page = await browser.get("/inbox?scope=groups")
    browser.http.cookies.clear()

    kept = await decide(browser, page, choice="approve", reason="long thought")
    assert kept.status_code == 409
    assert "long thought" in kept.text
    await sign_in(house, browser)
    fields: dict[str, Any] = {
        name: unescape(text)
        for name, text in re.findall(
            r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', kept.text, re.DOTALL
        )
    }
    again = await browser.post("/inbox/changes/votes", fields)
    assert again.status_code == 409
    done = await browser.post("/inbox/changes/votes", fields | {"csrf": _kept_csrf(again)})

    assert results_in(done) == ["Stored. It decides."]


def _kept_csrf(page: httpx2.Response) -> str:
    found = re.search(r'<textarea name="csrf" hidden>\n(.*?)</textarea>', page.text)
    assert found is not None, page.text
    return found[1]


@pytest.mark.parametrize("path", ["/inbox", "/inbox?show=decided", "/inbox/changes/reassign?id="])
async def test_reading_changes_nothing(house: House, browser: Browser, path: str) -> None:
    question = await ask(house)
    before = await house.store.audit_trail(question.id)

    await browser.get(path + (question.id if path.endswith("=") else ""))
    await browser.http.head(path)

    assert await house.store.audit_trail(question.id) == before
