"""The tools list and show questions, and send what a person has confirmed, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import ElicitResult, InputRequiredResult, InputResponses

from ringback.domain.api_key import Role
from ringback.domain.callback import Callback, State
from ringback.domain.link import LINK_LIFETIME, Link, Verb
from ringback.domain.outcome import Completed
from ringback.domain.policy import Policy, RequireReason
from ringback.mcp.confirmation import REASON
from ringback.mcp.tools import Voter
from tests.unit.gateway.house import House, opened_house
from tests.unit.mcp.desk import NEW, OLD, Person, seated

ADA = Policy(assignees=("user:ada",))
FORM = json.dumps({
    "type": "object",
    "properties": {"euros": {"type": "integer", "maximum": 500}},
    "required": ["euros"],
})
MODES = pytest.mark.parametrize("mode", [NEW, OLD])


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened_house() as house:
        yield house


async def asked(house: House, **options: Any) -> tuple[Callback, dict[str, str]]:
    """Open a question; return it, and how a tool names its version."""
    callback = await house.asked(**{"title": "Order 17", "policy": ADA, **options})
    return callback, {"callback": callback.id, "digest": callback.subject.digest}


async def votes_of(house: House, callback: Callback) -> list[tuple[str, bool, str | None]]:
    found = (await house.get(f"/v1/callbacks/{callback.id}/votes")).json()["votes"]
    return [(vote["by"], vote["approved"], vote["reason"]) for vote in found]


async def test_list_has_the_filters_and_the_pages_of_the_inbox(house: House) -> None:
    soon, _ = await asked(house, title="soon", deadline=timedelta(hours=1))
    late, _ = await asked(house, title="late", deadline=timedelta(hours=2))
    await asked(house, title="bob's", policy=Policy(assignees=("user:bob",)))

    async with seated(house) as desk:
        first = await desk.call("list_waiting", limit=1)
        second = await desk.call("list_waiting", limit=1, after=first["next"])
        found = await desk.call("list_waiting", scope="all", text="BOB")
        nothing = await desk.call("list_waiting", show="overdue")
        wrong = await desk.error("list_waiting", after="nowhere")

    assert [one["callback"] for one in first["questions"] + second["questions"]] == [
        soon.id,
        late.id,
    ]
    assert [one["title"] for one in found["questions"]] == ["bob's"]
    assert nothing == {"questions": [], "next": None}
    assert "first page" in wrong


async def test_list_of_nobody_in_particular_has_all_questions(house: House) -> None:
    await asked(house)

    async with seated(house, voter=Voter("root")) as desk:
        assert len((await desk.call("list_waiting"))["questions"]) == 1


async def test_show_has_what_a_decision_needs(house: House) -> None:
    policy = Policy(assignees=("user:ada", "group:finance"), exclude=("bob",), approvals=2)
    callback, _ = await asked(
        house, policy=policy, details={"euros": 250}, description="**Pay**", result_schema=FORM
    )

    async with seated(house) as desk:
        shown = await desk.call("show", callback=callback.id)

    assert shown["details"] == {"euros": 250}
    assert shown["description"] == "**Pay**"
    assert shown["digest"] == callback.subject.digest
    assert shown["form"]["$defs"]["form"]["required"] == ["euros"]
    assert (shown["asks_for"], shown["form_is_required"]) == ("decision", True)
    assert shown["may_decide"] == ["user:ada", "group:finance"]
    assert shown["may_not_decide"] == ["bob"]
    assert (shown["approvals_needed"], shown["decides_as"]) == (2, "ada")
    assert shown["page"].endswith(f"/inbox/{callback.id}")


@MODES
async def test_accepted_approval_is_the_vote_of_the_person(house: House, mode: str) -> None:
    callback, named = await asked(house, details={"euros": 250})
    person = Person(ElicitResult(action="accept", content={REASON: "in the budget"}))

    async with seated(house, person, mode=mode) as desk:
        decided = await desk.call("approve", **named, reason="said the model")

    assert decided["is_sent"]
    assert await votes_of(house, callback) == [("ada", True, "in the budget")]
    (seen,) = person.seen
    assert seen.message.splitlines()[0] == "Approve this question as ada?"
    assert 'Title: "Order 17"' in seen.message
    assert '"euros": 250' in seen.message
    assert seen.requested_schema["properties"][REASON]["default"] == "said the model"


@MODES
@pytest.mark.parametrize("action", ["decline", "cancel"])
@pytest.mark.parametrize("tool", ["approve", "reject"])
async def test_nothing_is_sent_unless_the_person_accepts(
    house: House, mode: str, action: Any, tool: str
) -> None:
    callback, named = await asked(house)

    async with seated(house, Person(ElicitResult(action=action)), mode=mode) as desk:
        decided = await desk.call(tool, **named)

    assert (decided["is_sent"], decided["state"]) == (False, "open")
    assert "nothing was sent" in decided["message"]
    assert await votes_of(house, callback) == []


@MODES
async def test_client_without_forms_sends_nothing_but_names_the_page(
    house: House, mode: str
) -> None:
    callback, named = await asked(house)

    async with seated(house, mode=mode, may_skip_confirmation=False) as desk:
        error = await desk.error("approve", **named)

    assert f"/inbox/{callback.id}" in error
    assert await votes_of(house, callback) == []


@MODES
async def test_setting_allows_decisions_without_a_confirmation(house: House, mode: str) -> None:
    callback, named = await asked(house)

    async with seated(house, mode=mode, may_skip_confirmation=True) as desk:
        decided = await desk.call("reject", **named, reason="too expensive")

    assert decided["is_sent"]
    assert await votes_of(house, callback) == [("ada", False, "too expensive")]


async def test_person_who_can_confirm_does_so_with_the_setting_too(house: House) -> None:
    callback, named = await asked(house)
    person = Person(ElicitResult(action="decline"))

    async with seated(house, person, may_skip_confirmation=True) as desk:
        await desk.call("approve", **named)

    assert await votes_of(house, callback) == []


async def test_same_vote_again_counts_once(house: House) -> None:
    policy = Policy(assignees=("user:ada", "user:bob"), approvals=2)
    callback, named = await asked(house, policy=policy)

    async with seated(house, Person()) as desk:
        first = await desk.call("approve", **named)
        again = await desk.call("approve", **named)
        other = await desk.error("reject", **named)

    assert (first["state"], first["is_duplicate"], again["is_duplicate"]) == ("open", False, True)
    assert "voted differently" in other
    assert await votes_of(house, callback) == [("ada", True, None)]


@MODES
async def test_fields_of_the_form_are_asked_and_sent(house: House, mode: str) -> None:
    callback, named = await asked(house, result_schema=FORM)
    person = Person(ElicitResult(action="accept", content={"euros": 120, REASON: ""}))

    async with seated(house, person, mode=mode) as desk:
        await desk.call("approve", **named, form={"euros": 100})

    (seen,) = person.seen
    assert seen.requested_schema["properties"]["euros"]["default"] == 100
    assert seen.requested_schema["required"] == ["euros"]
    outcome = (await house.found(callback.id)).accepted
    assert outcome is not None
    assert isinstance(outcome.outcome, Completed)
    assert json.loads(outcome.outcome.result or b"")["form"] == {"euros": 120}


@MODES
@pytest.mark.parametrize("content", [{"euros": 501}, {"euros": "many"}, {"euros": None}, None])
async def test_wrong_form_is_an_error_and_the_question_stays_open(
    house: House, mode: str, content: Any
) -> None:
    callback, named = await asked(house, result_schema=FORM)

    async with seated(
        house, Person(ElicitResult(action="accept", content=content)), mode=mode
    ) as desk:
        error = await desk.error("approve", **named)

    assert "/form" in error
    assert (await house.found(callback.id)).state is State.OPEN


async def test_form_that_is_not_flat_is_shown_as_json(house: House) -> None:
    nested = json.dumps({"type": "object", "properties": {"to": {"type": "object"}}})
    callback, named = await asked(house, result_schema=nested)
    person = Person()

    async with seated(house, person) as desk:
        await desk.call("approve", **named, form={"to": {"iban": "DE1"}})

    (seen,) = person.seen
    assert 'Form that is sent: {"to": {"iban": "DE1"}}' in seen.message
    assert list(seen.requested_schema["properties"]) == [REASON]
    assert (await house.found(callback.id)).state is not State.OPEN


async def test_form_that_is_not_required_is_not_asked(house: House) -> None:
    policy = Policy(assignees=("user:ada",), require_form=False)
    callback, named = await asked(house, policy=policy, result_schema=FORM)
    person = Person()

    async with seated(house, person) as desk:
        await desk.call("approve", **named)

    assert list(person.seen[0].requested_schema["properties"]) == [REASON]
    assert (await house.found(callback.id)).state is not State.OPEN


CALL = {"order": "17", "euros": 250}
TOOL = {
    "type": "object",
    "properties": {
        "order": {"type": "string"},
        "euros": {"type": "integer", "maximum": 500},
        "note": {"type": "string"},
        "copies": {"type": "integer", "default": 1},
    },
    "required": ["order", "euros"],
    "additionalProperties": False,
    "default": CALL,
}
SHOWN = {**CALL, "copies": 1}


async def asked_about_a_call(house: House, **changes: Any) -> tuple[Callback, dict[str, str]]:
    """Open a question whose form may be left out: it is filled in with a call's arguments."""
    policy = Policy(assignees=("user:ada",), require_form=False)
    return await asked(house, policy=policy, result_schema=json.dumps({**TOOL, **changes}))


async def form_of(house: House, callback: Callback) -> object:
    outcome = (await house.found(callback.id)).accepted
    assert outcome is not None
    assert isinstance(outcome.outcome, Completed)
    return json.loads(outcome.outcome.result or b"")["form"]


@MODES
@pytest.mark.parametrize(
    ("content", "form"),
    [
        (SHOWN, None),
        ({**SHOWN, "note": "", REASON: "fine"}, None),
        ({REASON: ""}, None),
        ({**SHOWN, "euros": 100}, {"order": "17", "euros": 100}),
        ({**SHOWN, "note": "late"}, {**CALL, "note": "late"}),
        ({**SHOWN, "copies": 2}, {**CALL, "copies": 2}),
    ],
    ids=["as shown", "with empty text", "no fields", "changed", "added", "other than the default"],
)
async def test_fields_of_a_call_begin_with_its_arguments_and_send_changes(
    house: House, mode: str, content: Any, form: object
) -> None:
    callback, named = await asked_about_a_call(house)
    person = Person(ElicitResult(action="accept", content=content))

    async with seated(house, person, mode=mode) as desk:
        await desk.call("approve", **named)

    fields = person.seen[0].requested_schema["properties"]
    assert {name: one.get("default") for name, one in fields.items() if name != REASON} == {
        **SHOWN,
        "note": None,
    }
    assert await form_of(house, callback) == form


async def test_field_of_a_call_that_the_person_clears_is_left_out(house: House) -> None:
    callback, named = await asked_about_a_call(house, default={**CALL, "note": "x", "copies": 3})
    person = Person(ElicitResult(action="accept", content={**CALL, "copies": 3}))

    async with seated(house, person) as desk:
        await desk.call("approve", **named)

    assert await form_of(house, callback) == {**CALL, "copies": 3}


@pytest.mark.parametrize("content", [{"order": "17"}, {**SHOWN, "euros": 501}], ids=str)
async def test_wrong_change_of_a_call_is_an_error(house: House, content: Any) -> None:
    callback, named = await asked_about_a_call(house)

    async with seated(house, Person(ElicitResult(action="accept", content=content))) as desk:
        error = await desk.error("approve", **named)

    assert "/form" in error
    assert (await house.found(callback.id)).state is State.OPEN


@pytest.mark.parametrize(
    ("content", "form"),
    [({}, {**CALL, "euros": 99}), ({**SHOWN, "euros": 98}, {**CALL, "euros": 98})],
    ids=["confirmed", "changed"],
)
async def test_change_of_a_call_by_the_model_is_shown_before_it_is_sent(
    house: House, content: Any, form: object
) -> None:
    callback, named = await asked_about_a_call(house)
    person = Person(ElicitResult(action="accept", content=content))

    async with seated(house, person) as desk:
        await desk.call("approve", **named, form={**CALL, "euros": 99})

    assert person.seen[0].requested_schema["properties"]["euros"]["default"] == 99
    assert '"euros": 99' in person.seen[0].message
    assert await form_of(house, callback) == form


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({"default": {**CALL, "note": "two\nlines"}}, None),
        ({"default": {**CALL, "branh": "x"}, "additionalProperties": True}, None),
        ({"default": {**CALL, "note": "x"}}, CALL),
        ({}, [1]),
    ],
    ids=["text of two lines", "name that is no field", "model leaves a field out", "no object"],
)
async def test_call_that_fields_cannot_show_whole_is_shown_as_json(
    house: House, changes: dict[str, Any], given: Any
) -> None:
    _, named = await asked_about_a_call(house, **changes)
    person = Person(ElicitResult(action="decline"))

    async with seated(house, person) as desk:
        await desk.call("approve", **named, **({} if given is None else {"form": given}))

    assert list(person.seen[0].requested_schema["properties"]) == [REASON]


async def test_tools_are_described_without_the_indentation_of_the_source(house: House) -> None:
    async with seated(house) as desk:
        tools = (await desk.client.list_tools()).tools

    for tool in tools:
        assert tool.description
        assert "  " not in tool.description


async def test_result_is_given_as_the_form_and_cannot_be_rejected(house: House) -> None:
    policy = Policy(is_decision=False, assignees=("user:ada",))
    callback, named = await asked(house, policy=policy, result_schema=FORM)
    person = Person(ElicitResult(action="accept", content={"euros": 7}))

    async with seated(house, person) as desk:
        shown = await desk.call("show", callback=callback.id)
        refused = await desk.error("reject", **named)
        await desk.call("approve", **named)

    assert shown["asks_for"] == "result"
    assert "nothing to reject" in refused
    assert "Answer this question" in person.seen[0].message
    outcome = (await house.found(callback.id)).accepted
    assert outcome is not None
    assert outcome.outcome == Completed(b'{"euros": 7}')


async def test_required_reason_is_asked_of_the_person(house: House) -> None:
    policy = Policy(assignees=("user:ada",), require_reason=RequireReason.REJECTION)
    callback, named = await asked(house, policy=policy)
    person = Person()

    async with seated(house, person) as desk:
        error = await desk.error("reject", **named)

    assert person.seen[0].requested_schema["required"] == [REASON]
    assert "a reason is required" in error
    assert await votes_of(house, callback) == []


async def test_other_version_than_the_shown_one_is_refused_before_the_person_is_asked(
    house: House,
) -> None:
    callback, named = await asked(house)
    person = Person()

    async with seated(house, person) as desk:
        error = await desk.error("approve", **{**named, "digest": "0" * 32})

    assert callback.subject.digest in error
    assert person.seen == []


Meanwhile = Callable[[House, Callback], Awaitable[object]]


async def _change(house: House, callback: Callback) -> None:
    path = f"/v1/callbacks/{callback.id}/details"
    assert (await house.post(path, json={"details": {"euros": 9999}})).is_success


async def _end(house: House, callback: Callback) -> None:
    body = {"by": "ada", "approved": False}
    assert (await house.post(f"/v1/callbacks/{callback.id}/votes", json=body)).is_success


async def _withdraw(house: House, callback: Callback) -> None:
    path = f"/v1/callbacks/{callback.id}/votes"
    body = {"by": "ada", "approved": True}
    assert (await house.post(path, json=body)).is_success
    assert (await house.call(Role.OPERATOR, "DELETE", f"{path}/ada")).is_success


@MODES
@pytest.mark.parametrize("happens", [_change, _end, _withdraw])
async def test_vote_of_a_person_who_saw_something_else_is_refused(
    house: House, mode: str, happens: Meanwhile
) -> None:
    policy = Policy(assignees=("user:ada", "user:bob"), approvals=2)
    callback, named = await asked(house, policy=policy, details={"euros": 1})

    async def reply() -> ElicitResult:
        await happens(house, callback)
        return ElicitResult(action="accept", content={})

    async with seated(house, Person(reply), mode=mode) as desk:
        await desk.error("approve", **named)

    assert [vote for vote in await votes_of(house, callback) if vote[1]] == []


async def test_question_too_long_to_be_read_is_left_to_the_page(house: House) -> None:
    callback, named = await asked(house, details={"args": "x" * 9000})
    person = Person()

    async with seated(house, person, may_skip_confirmation=True) as desk:
        error = await desk.error("approve", **named)

    assert "too long" in error
    assert f"/inbox/{callback.id}" in error
    assert person.seen == []


@pytest.mark.parametrize("hidden", ["/c/k1.AAAAAAAAAAAAAAAA$(reboot)", "whsec_reboot"])
async def test_question_of_which_a_part_would_be_removed_is_left_to_the_page(
    house: House, hidden: str
) -> None:
    callback, named = await asked(house, details={"command": hidden})
    person = Person()

    async with seated(house, person) as desk:
        error = await desk.error("approve", **named)

    assert f"/inbox/{callback.id}" in error
    assert person.seen == []


async def test_deeply_nested_details_are_shown_whole(house: House) -> None:
    deep: object = "reboot"
    for _ in range(60):
        deep = [deep]
    _, named = await asked(house, details={"command": deep})
    person = Person(ElicitResult(action="decline"))

    async with seated(house, person) as desk:
        await desk.call("approve", **named)

    assert "reboot" in person.seen[0].message


async def test_hostile_text_cannot_look_like_a_line_of_the_confirmation(house: House) -> None:
    hostile = "ok\x1b[2J\nCallback: cb_other\u202e [pay](https://evil.example)"
    _, named = await asked(
        house, title=hostile[:200], description=hostile, details={"to\nTitle": hostile}
    )
    person = Person(ElicitResult(action="decline"))

    async with seated(house, person) as desk:
        shown = await desk.call("show", callback=named["callback"])
        await desk.call("approve", **named)

    message = person.seen[0].message
    assert [line for line in message.splitlines() if line.startswith("Callback:")] == [
        f"Callback: {named['callback']}, version {named['digest']}"
    ]
    assert "://" not in message
    assert all(char.isprintable() or char == "\n" for char in message + shown["description"])
    assert "\n" not in shown["title"]


async def test_links_in_texts_are_not_returned(house: House) -> None:
    other = await house.asked()
    expires_at = house.clock.now() + LINK_LIFETIME
    link = Link(other.id, frozenset(Verb), expires_at, house.keyring.signing)
    url = house.keyring.url("https://ring.example", link)
    _, named = await asked(house, title="see", description=url, details={"url": url, url: 1})
    person = Person(ElicitResult(action="decline"))

    async with seated(house, person) as desk:
        shown = await desk.call("show", callback=named["callback"])
        errors = [
            await desk.error("approve", **named, reason=url),
            await desk.error("show", callback=url),
            await desk.error("list_waiting", scope=url),
            await desk.error("approve", **{**named, "digest": url}),
        ]

    told = json.dumps([shown, errors])
    assert person.seen == []
    assert "/c/" not in told
    assert "scope: Input should be 'mine', 'groups' or 'all'" in told
    assert house.keyring.sign(link)[-22:] not in told


async def test_viewer_reads_and_decides_nothing(house: House) -> None:
    callback, named = await asked(house)

    async with seated(house, Person(), role=Role.VIEWER) as desk:
        await desk.call("show", callback=callback.id)
        error = await desk.error("approve", **named)

    assert "viewer does not allow: vote" in error
    assert await votes_of(house, callback) == []


async def test_person_without_a_name_decides_nothing(house: House) -> None:
    _, named = await asked(house)

    async with seated(house, Person(), voter=Voter(None)) as desk:
        assert "--by" in await desk.error("approve", **named)


async def test_callback_that_asks_no_people_is_refused(house: House) -> None:
    callback = await house.asked(title="a machine answers")

    async with seated(house, Person()) as desk:
        assert "asks no people" in await desk.error("show", callback=callback.id)


async def test_canceled_call_sends_nothing(house: House) -> None:
    callback, named = await asked(house)
    is_asked = asyncio.Event()

    async def never() -> ElicitResult:
        is_asked.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async with seated(house, Person(never), mode=OLD) as desk:
        call = asyncio.ensure_future(desk.call("approve", **named))
        await is_asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert await votes_of(house, callback) == []


async def test_reply_to_a_confirmation_that_was_not_shown_sends_nothing(house: House) -> None:
    callback, named = await asked(house)
    accepted: InputResponses = {"confirm": ElicitResult(action="accept", content={})}

    async with seated(house, Person()) as desk:
        session = desk.client.session
        shown = await session.call_tool("approve", dict(named), allow_input_required=True)
        assert isinstance(shown, InputRequiredResult)
        unasked = await session.call_tool("approve", dict(named), input_responses=accepted)
        with pytest.raises(MCPError, match="Invalid or expired"):
            await session.call_tool(
                "reject",
                dict(named),
                input_responses=accepted,
                request_state=shown.request_state,
            )

    assert unasked.is_error
    assert "nothing was sent" in str(unasked.content)
    assert await votes_of(house, callback) == []
