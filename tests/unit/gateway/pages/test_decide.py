"""People decide on the page of a callback, by link or signed in."""

import json
import re
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest

from ringback.domain.api_key import Role
from ringback.domain.callback import Callback, State
from ringback.domain.link import ALL_VERBS, Link, Verb
from ringback.domain.outcome import Completed
from ringback.domain.policy import Policy, RequireReason
from tests import factories
from tests.unit.gateway.house import House
from tests.unit.gateway.identity.browser import (
    FROM_ELSEWHERE,
    FROM_OUR_PAGE,
    HTML,
    Browser,
    csrf_of,
    new_url,
    opened_browser,
)

ADA = "ada@example.org"
DECISION = Policy()
FORM = json.dumps({
    "type": "object",
    "required": ["euros"],
    "properties": {"euros": {"type": "integer", "title": "Euros", "minimum": 1}},
    "additionalProperties": False,
})


def path_of(house: House, callback: Callback, verbs: frozenset[Verb] = ALL_VERBS) -> str:
    """Return the path of a link to the page."""
    link = Link(callback.id, verbs, callback.link_expires_at, "k1")
    return f"/c/{house.keyring.sign(link)}"


async def decide(browser: Browser, path: str, **fields: str) -> httpx2.Response:
    """Open the page, fill in its form, and send it."""
    page = await browser.get(path)
    assert page.status_code == 200, page.text
    return await browser.post(f"{path}/decide", hidden_of(page) | fields)


def hidden_of(page: httpx2.Response, form: str = "decide") -> dict[str, str]:
    """Return the hidden fields of a form of a page, and of those after it."""
    form = page.text[page.text.index(f"/{form}") :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in found}


async def signed_in(house: House, browser: Browser, user: str = ADA, **more: Any) -> None:
    """Sign a person in."""
    reply = await browser.sign_in(await new_url(house, user, **more))
    assert reply.status_code == 303, reply.text


async def decision_of(house: House, callback: Callback) -> dict[str, Any]:
    """Return the decision that was accepted."""
    accepted = (await house.found(callback.id)).accepted
    assert accepted is not None
    assert isinstance(accepted.outcome, Completed)
    decision: dict[str, Any] = json.loads(accepted.outcome.result or b"null")
    return decision


async def test_holder_of_a_link_approves(house: House, browser: Browser) -> None:
    callback = await house.asked(title="Order 17", policy=DECISION)
    path = path_of(house, callback)

    reply = await decide(browser, path, choice="approve", reason="fine")

    assert (reply.status_code, reply.headers["location"]) == (303, path)
    decision = await decision_of(house, callback)
    assert (decision["approved"], decision["by"], decision["reason"]) == (True, "link", "fine")
    assert decision["votes"][0]["proof"] == "link"


async def test_nothing_is_preselected_and_nothing_chosen_is_a_problem(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)

    page = await browser.get(path)
    reply = await decide(browser, path, reason="typed")

    assert not re.search(r"<input[^>]* checked", page.text)
    assert reply.status_code == 422
    assert '<a href="#approve">choose whether you approve or reject</a>' in reply.text
    assert "typed</textarea>" in reply.text
    assert (await house.found(callback.id)).state is State.OPEN


async def test_enter_key_and_first_button_of_the_page_decide_nothing(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)
    page = await browser.get(path)
    buttons = re.findall(r"<button[^>]*>", page.text[page.text.index("/decide") :])

    pressed = {"~refresh": "1"} if "~refresh" in buttons[0] else {}
    reply = await decide(browser, path, choice="approve", **pressed)

    assert pressed
    assert reply.status_code == 200
    assert (await house.found(callback.id)).state is State.OPEN


async def test_rejection_needs_a_reason_if_the_author_says_so(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=Policy(require_reason=RequireReason.REJECTION))
    path = path_of(house, callback)

    without = await decide(browser, path, choice="reject")
    with_reason = await decide(browser, path, choice="reject", reason="too expensive")

    assert (without.status_code, with_reason.status_code) == (422, 303)
    assert "a reason is required" in without.text
    assert (await decision_of(house, callback))["reason"] == "too expensive"


async def test_invalid_form_comes_back_with_what_was_typed(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=DECISION, result_schema=FORM)
    path = path_of(house, callback)

    invalid = await decide(browser, path, choice="approve", **{"form/euros": "0"})
    valid = await decide(browser, path, choice="approve", **{"form/euros": "12"})

    assert invalid.status_code == 422
    assert 'value="0"' in invalid.text
    assert 'aria-invalid="true"' in invalid.text
    assert valid.status_code == 303
    assert (await decision_of(house, callback))["form"] == {"euros": 12}


MANY = json.dumps({
    "type": "object",
    "required": ["sku", "count", "pay"],
    "properties": {
        "sku": {"type": "string", "title": "Sku"},
        "count": {"type": "integer", "title": "Count", "maximum": 9},
        "code": {"type": "string", "title": "Code", "pattern": "^K"},
        "pay": {
            "anyOf": [
                {
                    "type": "object",
                    "title": "Card",
                    "required": ["number", "name"],
                    "properties": {
                        "number": {"type": "integer"},
                        "name": {"type": "string", "title": "Name", "maxLength": 3},
                    },
                },
                {
                    "type": "object",
                    "title": "Account",
                    "required": ["iban"],
                    "properties": {"iban": {"type": "string"}},
                },
            ]
        },
    },
})


@pytest.mark.parametrize("choice", [{"choice": "approve"}, {}], ids=["approve", "no choice"])
async def test_all_problems_come_back_in_one_round(
    house: House, browser: Browser, choice: dict[str, str]
) -> None:
    callback = await house.asked(policy=DECISION, result_schema=MANY)
    path = path_of(house, callback)
    sent = {
        "form/count": "10",
        "form/code": "X1",
        "form/pay~choice": "0",
        "form/pay~b0/number": "many",
        "form/pay~b0/name": "Grace",
    }

    reply = await decide(browser, path, **choice, **sent)

    assert reply.status_code == 422
    summary = reply.text[: reply.text.index("<form")]
    found = re.findall(r'<a href="#field[^>]*><bdi>(.*?)</bdi>: <bdi>(.*?)</bdi>', summary)
    assert [label for label, _ in found] == ["Sku", "Count", "Code", "Number", "Name"]
    assert ("#approve" in summary) is (not choice)
    sent |= {"form/sku": "A", "form/count": "9", "form/code": "K"}
    sent |= {"form/pay~b0/number": "1", "form/pay~b0/name": "Ada"}
    assert (await decide(browser, path, choice="approve", **sent)).status_code == 303


async def test_nested_details_are_rows_and_lists_within_bounds(
    house: House, browser: Browser
) -> None:
    deep: Any = "<script>deep</script>"
    for _ in range(50):
        deep = {"a": deep}
    details = {
        "supplier": {"name": "<b>Sitzgut</b>", "since": 1999},
        "lines": [{"sku": "A1"}, "B2"],
        "many": list(range(10_000)),
        "deep": deep,
        "empty": {},
    }
    callback = await house.asked(details=details, policy=DECISION)

    page = await browser.get(path_of(house, callback))

    table = page.text[page.text.index("<table") : page.text.rindex("</table>")]
    assert "<bdi>&lt;b&gt;Sitzgut&lt;/b&gt;</bdi>" in table
    assert '<th scope="row"><bdi>Since</bdi></th><td><bdi>1999</bdi>' in "".join(table.split("\n"))
    assert "<li><bdi>B2</bdi>" in table.replace("\n", "")
    assert table.count("<li>") == 2, "the long list is shown as JSON"
    assert table.count("<bdi>A</bdi>") == 4
    assert "<b>" not in table


async def test_pattern_is_explained_in_the_words_of_its_schema(
    house: House, browser: Browser
) -> None:
    codes = {
        "a": {"type": "string", "title": "A", "pattern": "^K[0-9]+$", "examples": ["K7"]},
        "b": {
            "type": "string",
            "title": "B",
            "pattern": "^K[0-9]+$",
            "description": "K and digits",
        },
        "c": {"type": "string", "title": "C", "pattern": "^X$"},
    }
    schema = {"type": "object", "properties": codes}
    callback = await house.asked(policy=DECISION, result_schema=json.dumps(schema))
    path = path_of(house, callback)
    wrong = {"form/a": "no", "form/b": "no", "form/c": "no"}

    page = await decide(browser, path, choice="approve", **wrong)

    form = page.text[page.text.index('<section aria-labelledby="decide"') :]
    form = form[: form.index("</section>")]
    assert form.count("^K[0-9]+$") == 0
    assert "<bdi>such as K7</bdi>" in form
    assert "it does not have the right format: such as K7" in form
    assert "it does not have the right format: K and digits" in form
    assert "matching ^X$" in form


@pytest.mark.parametrize(
    ("veto", "rule", "after"),
    [
        (True, "1 rejection is enough to reject.", "0 of 2 approvals, 1 rejection."),
        (False, "2 rejections are enough to reject.", "So far: 0 of 2 approvals, 1 rejection."),
    ],
)
async def test_rules_and_votes_are_counted_in_words(
    house: House, browser: Browser, *, veto: bool, rule: str, after: str
) -> None:
    people = tuple(f"user:{name}@example.org" for name in ("ada", "bob", "carl"))
    callback = await house.asked(policy=Policy(assignees=people, approvals=2, veto=veto))
    await signed_in(house, browser)
    path = f"/inbox/{callback.id}"

    before = await browser.get(path)
    await decide(browser, path, choice="reject")
    page = await browser.get(path)

    assert f"2 people must approve. {rule} So far: 0 of 2 approvals.</p>" in before.text
    assert f"{rule} {after}</p>" in page.text


async def test_details_begin_with_a_capital_unless_their_author_wrote_one(
    house: House, browser: Browser
) -> None:
    details = {"requested by": "ann", "iPhone model": "15", "cost_centre": "K1"}
    callback = await house.asked(details=details, policy=DECISION)

    page = await browser.get(path_of(house, callback))

    found = re.findall(r'<th scope="row"><bdi>(.*?)</bdi>', page.text)
    assert found == ["Requested by", "iPhone model", "Cost centre"]


async def test_signed_in_person_goes_from_the_page_to_the_inbox(
    house: House, browser: Browser
) -> None:
    path = path_of(house, await house.asked(policy=DECISION))
    before = await browser.get(path)
    await signed_in(house, browser)

    assert '<a href="/inbox">Inbox</a>' not in before.text
    assert '<a href="/inbox">Inbox</a>' in (await browser.get(path)).text


async def test_signed_in_person_signs_out_on_the_page(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)
    before = await browser.get(path)
    await signed_in(house, browser)

    page = await browser.get(path)
    reply = await browser.post("/sign-out", {"csrf": csrf_of(page)})

    assert "Sign out" not in before.text
    assert page.text.count("Sign out") == 1
    assert reply.status_code == 303
    assert (await house.get("/v1/sessions")).json()["sessions"] == []


async def test_example_for_programs_is_accepted_with_the_form_it_needs(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=DECISION, result_schema=FORM)
    path = path_of(house, callback)

    view = (await browser.http.get(path, headers={"accept": "application/json"})).json()
    page = await browser.get(path)

    assert "To approve, fill in this as well:" in page.text
    example = view["examples"]["complete"]
    body = json.loads(example[example.index(" -d '") + 5 : -1])
    assert body == {"approved": True, "form": {"euros": 1}}
    assert example in unescape(page.text)
    assert (await house.http.post(path, json=body)).status_code == 202


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ({"form/at": "2026-11-30T04:30", "form/note": ""}, None),
        (
            {"form/at": "2026-11-30T04:30", "form/note": "x"},
            {"at": "2026-11-30T10:00:00+05:30", "note": "x"},
        ),
        ({"form/at": "2026-11-30T04:30", "form/note": "", "choice": "reject"}, None),
    ],
    ids=["approved as shown", "one value changed", "rejected"],
)
async def test_yes_to_values_that_are_shown_filled_in_changes_none(
    house: House, browser: Browser, typed: dict[str, str], form: object
) -> None:
    schema = json.dumps({
        "type": "object",
        "required": ["at", "note"],
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "note": {"type": "string"},
        },
        "default": {"at": "2026-11-30T10:00:00+05:30", "note": ""},
    })
    callback = await house.asked(result_schema=schema, policy=Policy(require_form=False))

    page = await browser.get(path_of(house, callback))
    reply = await decide(browser, path_of(house, callback), **{"choice": "approve", **typed})

    assert "You can change this before you approve:" in page.text
    assert reply.status_code == 303
    assert (await decision_of(house, callback))["form"] == form


async def test_rejection_needs_no_form(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=DECISION, result_schema=FORM)

    reply = await decide(browser, path_of(house, callback), choice="reject")

    assert reply.status_code == 303
    assert (await decision_of(house, callback))["form"] is None


async def test_plain_callback_is_answered_with_its_form(house: House, browser: Browser) -> None:
    callback = await house.asked(result_schema=FORM)

    reply = await decide(browser, path_of(house, callback), **{"form/euros": "12"})

    assert reply.status_code == 303
    assert await decision_of(house, callback) == {"euros": 12}


async def test_signed_in_assignee_decides_in_the_inbox(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=Policy(assignees=("group:finance",)))
    await signed_in(house, browser, groups=["finance"])

    reply = await decide(browser, f"/inbox/{callback.id}", choice="approve")

    assert reply.status_code == 303
    vote = (await decision_of(house, callback))["votes"][0]
    assert (vote["by"], vote["proof"]) == (ADA, "signed in")


async def test_signed_in_person_who_came_by_link_votes_under_their_name(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=Policy(assignees=(f"user:{ADA}",)))
    await signed_in(house, browser)

    reply = await decide(browser, path_of(house, callback), choice="approve")

    assert reply.status_code == 303
    assert (await decision_of(house, callback))["by"] == ADA


async def test_link_shows_a_question_for_named_people_without_a_form(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(title="Order 17", policy=Policy(assignees=(f"user:{ADA}",)))
    path = path_of(house, callback)

    page = await browser.get(path)
    forced = await browser.post(f"{path}/decide", {"csrf": "x", "choice": "approve"})

    assert "Order 17" in page.text
    assert "A link alone does not decide here" in page.text
    assert "/decide" not in page.text
    assert forced.status_code == 409
    assert (await house.found(callback.id)).state is State.OPEN


async def test_excluded_person_sees_the_question_and_cannot_decide(
    house: House, browser: Browser
) -> None:
    policy = Policy(assignees=("group:finance",), exclude=(ADA,))
    callback = await house.asked(policy=policy)
    await signed_in(house, browser, groups=["finance"])

    page = await browser.get(f"/inbox/{callback.id}")

    assert page.status_code == 200
    assert "You may not decide this yourself." in page.text
    assert "/decide" not in page.text


async def test_other_people_s_questions_do_not_exist(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=Policy(assignees=("user:bob@example.org",)))
    plain = await house.asked()
    await signed_in(house, browser)

    pages = [await browser.get(f"/inbox/{one.id}") for one in (callback, plain)]
    posted = await browser.post(f"/inbox/{callback.id}/decide", {"choice": "approve"})

    assert [page.status_code for page in pages] == [404, 404]
    assert posted.status_code in {404, 409}


async def test_quorum_counts_distinct_people_and_shows_who_decided(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=Policy(assignees=("group:finance",), approvals=2))
    path = f"/inbox/{callback.id}"
    await signed_in(house, browser, groups=["finance"])
    await decide(browser, path, choice="approve", reason="looks right")

    mine = await browser.get(path)
    async with opened_browser(house.app) as other:
        await signed_in(house, other, "bob@example.org", groups=["finance"])
        theirs = await other.get(path)
        await decide(other, path, choice="approve")

    assert "You have approved." in mine.text
    assert "/decide" not in mine.text
    assert "1 of 2 approvals" in theirs.text
    assert "looks right" in theirs.text
    assert len((await decision_of(house, callback))["votes"]) == 2


async def test_link_alone_does_not_show_who_said_what(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=Policy(assignees=("group:finance",), approvals=2))
    vote = {"by": ADA, "groups": ["finance"], "approved": True, "reason": "a secret reason"}
    await house.post(f"/v1/callbacks/{callback.id}/votes", json=vote)

    by_link = await browser.get(path_of(house, callback))
    await signed_in(house, browser, "bob@example.org", groups=["finance"])
    by_person = await browser.get(path_of(house, callback))

    assert "1 of 2 approvals" in by_link.text
    assert ADA not in by_link.text
    assert "a secret reason" not in by_link.text
    assert "a secret reason" in by_person.text


async def test_vote_is_withdrawn_while_nothing_is_decided(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=Policy(assignees=("group:finance",), approvals=2))
    path = f"/inbox/{callback.id}"
    await signed_in(house, browser, groups=["finance"])
    await decide(browser, path, choice="approve")

    page = await browser.get(path)
    reply = await browser.post(f"{path}/withdraw", {"csrf": csrf_of(page)})

    assert reply.status_code == 303
    assert await house.store.votes([callback.id]) == {}
    assert "withdrew their vote" in (await browser.get(path)).text


async def test_page_from_before_the_withdrawal_does_not_vote_again(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=Policy(assignees=("group:finance",), approvals=2))
    path = f"/inbox/{callback.id}"
    await signed_in(house, browser, groups=["finance"])
    old = hidden_of(await browser.get(path)) | {"choice": "approve", "reason": "typed"}
    await browser.post(f"{path}/decide", old)
    withdrawal = hidden_of(await browser.get(path), "withdraw")
    await browser.post(f"{path}/withdraw", withdrawal)

    shown = await browser.post(f"{path}/decide", old)
    votes = await house.store.votes([callback.id])
    again = await browser.post(f"{path}/decide", old | hidden_of(shown))
    late = await browser.post(f"{path}/withdraw", withdrawal)

    assert (shown.status_code, votes) == (409, {})
    assert "This vote was withdrawn" in shown.text
    assert "typed" in shown.text
    assert (again.status_code, late.status_code) == (303, 303)
    assert len((await house.store.votes([callback.id]))[callback.id]) == 1


async def test_second_tab_with_another_answer_says_what_was_decided(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)
    tab = await browser.get(path)
    await decide(browser, path, choice="approve")

    same = await browser.post(f"{path}/decide", hidden_of(tab) | {"choice": "approve"})
    other = await browser.post(f"{path}/decide", hidden_of(tab) | {"choice": "reject"})

    assert (same.status_code, other.status_code) == (303, 409)
    assert "Another answer was accepted first." in other.text
    assert (await decision_of(house, callback))["approved"] is True


async def test_changed_subject_is_shown_before_it_is_decided(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(details={"euros": 250}, policy=DECISION)
    path = path_of(house, callback)
    tab = await browser.get(path)
    reply = await house.post(f"/v1/callbacks/{callback.id}/details", json={"details": {"euros": 9}})
    assert reply.status_code == 200, reply.text

    late = await browser.post(f"{path}/decide", hidden_of(tab) | {"choice": "approve"})
    again = await browser.post(f"{path}/decide", hidden_of(late) | {"choice": "approve"})

    assert late.status_code == 409
    assert "details.euros" in late.text
    assert "<bdi>9</bdi>" in late.text
    assert again.status_code == 303


async def test_end_of_the_session_in_the_middle_loses_nothing(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=Policy(assignees=(f"user:{ADA}",)), title="Secret order")
    path = f"/inbox/{callback.id}"
    await signed_in(house, browser)
    page = await browser.get(path)
    for session in (await house.get("/v1/sessions")).json()["sessions"]:
        await house.call(Role.OPERATOR, "DELETE", f"/v1/sessions/{session['id']}")

    sent = hidden_of(page) | {"choice": "approve", "reason": "a long reason"}
    late = await browser.post(f"{path}/decide", sent)
    await signed_in(house, browser)
    again = await browser.post(f"{path}/decide", kept_of(late))
    done = await browser.post(
        f"{path}/decide", hidden_of(again) | {"choice": "approve", "reason": "a long reason"}
    )

    assert late.status_code == 409
    assert "a long reason" in late.text
    assert "Secret order" not in late.text
    assert again.status_code == 409
    assert "a long reason</textarea>" in again.text
    assert done.status_code == 303
    assert (await decision_of(house, callback))["reason"] == "a long reason"


def kept_of(page: httpx2.Response) -> dict[str, str]:
    """Return what a page kept of a form that was not used."""
    found = re.findall(r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', page.text, re.DOTALL)
    return {name: unescape(text) for name, text in found}


@pytest.mark.parametrize("headers", [FROM_ELSEWHERE, {}], ids=["other site", "unknown"])
async def test_request_of_another_site_decides_nothing(
    house: House, browser: Browser, headers: dict[str, str]
) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)
    fields = hidden_of(await browser.get(path)) | {"choice": "approve"}

    reply = await browser.post(f"{path}/decide", fields, sent_from=headers)

    assert reply.status_code == 403
    assert (await house.found(callback.id)).state is State.OPEN


async def test_form_with_two_choices_or_no_digest_is_refused(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)
    hidden = hidden_of(await browser.get(path))
    without = {name: text for name, text in hidden.items() if name != "digest"}

    twice = await browser.post(f"{path}/decide", hidden | {"choice": ["reject", "approve"]})
    unseen = await browser.post(f"{path}/decide", without | {"choice": "approve"})

    assert (twice.status_code, unseen.status_code) == (400, 409)
    assert (await house.found(callback.id)).state is State.OPEN


async def test_reading_the_page_changes_nothing(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)
    before = await house.store.audit_trail(callback.id)

    for _ in range(20):
        await browser.get(path)
        await browser.http.head(path, headers={"accept": "text/html"})
        await browser.get(f"{path}/decide")

    assert await house.store.audit_trail(callback.id) == before


async def test_link_that_only_shows_has_no_form(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=DECISION)

    page = await browser.get(path_of(house, callback, frozenset({Verb.VIEW})))

    assert "This link only shows the question." in page.text


@pytest.mark.parametrize("policy", [None, DECISION], ids=["plain", "decision"])
@pytest.mark.parametrize("end", ["decide", "withdraw"])
async def test_link_that_only_shows_changes_nothing(
    house: House, browser: Browser, policy: Policy | None, end: str
) -> None:
    callback = await house.asked(policy=policy)
    path = path_of(house, callback, frozenset({Verb.VIEW}))
    csrf = house.keyring.seal("csrf", f"link:{path.removeprefix('/c/')}")

    fields = {"choice": "approve", "": "1", "csrf": csrf}
    reply = await browser.post(f"{path}/{end}", fields)

    assert reply.status_code == 404
    assert (await house.found(callback.id)).state is State.OPEN


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "\"'><img src=x onerror=y>"])
async def test_text_from_outside_is_escaped(house: House, browser: Browser, hostile: str) -> None:
    callback = await house.asked(
        title=hostile,
        description=hostile,
        details={hostile: {hostile: [hostile]}},
        policy=Policy(assignees=(f"user:{ADA}", f"group:{hostile}"), approvals=2),
    )
    await signed_in(house, browser)
    path = f"/inbox/{callback.id}"
    ending = f"</textarea></pre></title>{hostile}"
    fields = hidden_of(await browser.get(path)) | {"choice": "approve", "reason": ending}

    pages = [await decide(browser, path, reason=ending)]
    house.database.is_available = False
    pages.append(await browser.post(f"{path}/decide", fields))
    house.database.is_available = True
    await browser.post(f"{path}/decide", fields)
    pages.append(await browser.get(path))

    assert [page.status_code for page in pages] == [422, 503, 200]
    for page in pages:
        assert page.text.count("<script src=") == page.text.count("<script") <= 1
        assert "<img" not in page.text
        assert page.text.count("</title>") == 1
        assert page.text.count("</textarea>") == page.text.count("<textarea")


class Isolation(HTMLParser):
    """Collects right-to-left text that can turn the text around it."""

    def __init__(self) -> None:
        super().__init__()
        self._around: list[bool] = []
        self.found: list[str] = []
        self.isolated = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note whether an element isolates its text."""
        if tag not in {"meta", "input", "br", "link"}:
            self._around.append(tag in {"bdi", "title", "pre"} or "dir" in dict(attrs))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - tags of our pages are nested
        """Leave an element."""
        self._around.pop()

    def handle_data(self, data: str) -> None:
        """Check a text."""
        if "\u05d0" in data:
            self.isolated += any(self._around)
            self.found += [] if any(self._around) else [data]


async def test_text_from_outside_turns_no_other_text_around(house: House, browser: Browser) -> None:
    mark = "\u05d0 1"
    callback = await house.asked(
        title=mark,
        description=mark,
        details={mark: mark, "a": {mark: [mark]}},
        policy=Policy(assignees=(f"user:{ADA}", f"group:{mark}"), approvals=2),
    )
    path = f"/inbox/{callback.id}"
    vote = {"by": mark, "groups": [mark], "approved": True, "reason": mark}
    voted = await house.post(f"/v1/callbacks/{callback.id}/votes", json=vote)
    assert voted.status_code < 300, voted.text
    await signed_in(house, browser)

    page = await browser.get(path)
    again = await decide(browser, path, reason=mark)

    for shown in (page, again):
        isolation = Isolation()
        isolation.feed(shown.text)
        assert isolation.found == []
        assert isolation.isolated >= 11, "each of the texts was shown"


async def test_description_is_markdown_without_html(house: House, browser: Browser) -> None:
    description = (
        "**bold** <b>raw</b>\n\n<div>block</div>\n\n"
        "[good](https://example.com/) [bad](javascript:alert(1)) [mail](mailto:a@example.com)"
        " [inner](/inbox) ![image](https://example.com/a.png)"
    )
    callback = await house.asked(description=description, policy=DECISION)

    page = await browser.get(path_of(house, callback))

    start = page.text.index('<div class="description"')
    html = page.text[start : page.text.index("</div>", start)]
    assert "<strong>bold</strong>" in html
    assert "&lt;b&gt;raw&lt;/b&gt;" in html
    assert "&lt;div&gt;block" in html
    assert re.findall(r"<a [^>]*>", html) == [
        '<a href="https://example.com/" rel="noopener noreferrer nofollow">',
        '<a href="https://example.com/a.png" rel="noopener noreferrer nofollow">',
    ]
    assert "<img" not in html


@pytest.mark.parametrize("end", ["decide", "withdraw"])
async def test_body_over_the_limit_is_refused_at_each_form(
    house: House, browser: Browser, end: str
) -> None:
    callback = await house.asked(policy=DECISION)
    await signed_in(house, browser)

    replies = [
        await browser.post(f"{path}/{end}", {"choice": "approve", "reason": "x" * 200_000})
        for path in (path_of(house, callback), f"/inbox/{callback.id}")
    ]

    assert [reply.status_code for reply in replies] == [413, 413]
    assert (await house.found(callback.id)).state is State.OPEN


async def test_half_a_character_and_right_to_left_marks_are_shown_safely(
    house: House, browser: Browser
) -> None:
    callback = await house.asked(title="\u202eevil", details={"a": "\u202eb"}, policy=DECISION)

    page = await browser.get(path_of(house, callback))

    assert "<bdi>\u202eevil</bdi>" in page.text


async def test_body_over_the_limit_is_refused_with_a_page(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)

    reply = await decide(browser, path, choice="approve", reason="x" * 200_000)

    assert reply.status_code == 413
    assert (await house.found(callback.id)).state is State.OPEN


async def test_body_with_too_many_fields_is_refused(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=DECISION)
    headers = {**HTML, **FROM_OUR_PAGE, "content-type": "application/x-www-form-urlencoded"}

    path = f"{path_of(house, callback)}/decide"
    reply = await browser.http.post(path, content=b"a&" * 20_001, headers=headers)

    assert reply.status_code == 400
    assert "over 20000 fields" in reply.text


async def test_store_that_is_away_loses_nothing_typed(house: House, browser: Browser) -> None:
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)
    fields = hidden_of(await browser.get(path)) | {"choice": "approve", "reason": "a long reason"}
    house.database.is_available = False

    reply = await browser.post(f"{path}/decide", fields)

    assert reply.status_code == 503
    assert kept_of(reply)["reason"] == "a long reason"


async def test_accepted_decision_is_not_called_approved_before_it_is_applied(
    house: House, browser: Browser
) -> None:
    house.activities.is_reachable = False
    callback = await house.asked(title="Order 17", policy=DECISION)
    path = path_of(house, callback)
    await decide(browser, path, choice="approve")

    page = await browser.get(path)

    assert "Accepted, not yet applied" in page.text
    assert f'<a href="{path}">Load this page again</a>' in page.text
    assert '<p class="state">Approved</p>' not in page.text


async def test_superseded_decision_is_said_to_be_of_no_effect(
    house: House, browser: Browser
) -> None:
    house.activities.is_reachable = False
    callback = await house.asked(policy=DECISION)
    path = path_of(house, callback)
    await decide(browser, path, choice="approve")
    accepted = await house.found(callback.id)
    proof: dict[str, object] = {"closed": "workflow terminated", "at": "2030-01-01T00:00:00Z"}
    await house.store.settle([factories.settlement(accepted, State.SUPERSEDED, proof)])

    page = await browser.get(path)

    assert '<p class="state">Not used</p>' in page.text
    assert "workflow terminated at 2030-01-01T00:00:00Z" in page.text


async def test_deadline_is_shown_with_the_time_that_is_left(house: House, browser: Browser) -> None:
    callback = await house.asked(deadline=timedelta(hours=23, minutes=10), policy=DECISION)

    page = await browser.get(path_of(house, callback))

    assert ">in 23 h</time>)" in page.text
    assert (
        '<time datetime="2030-01-01T23:10:00Z" data-zone="long">1 January 2030, 23:10 UTC<'
        in page.text
    )
