"""Text from other people is shown without its control characters."""

import json
import shlex
from datetime import timedelta

import pytest

from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, Failed
from tests import factories
from tests.unit.cli.commands import Served, ringback

HOSTILE = "[/b][link=http://x]see\x1b[31m"
SHOWN = "[/b][link=http://x]see"
CARD = '"4111 1111"'


@pytest.fixture
def callback_id(gateway: Served) -> CallbackId:
    """A callback whose workflow's id, title and tag, and whose answer, are hostile."""
    request = factories.request(
        ref=factories.activity_ref(workflow_id=HOSTILE),
        title=HOSTILE,
        tags=(HOSTILE,),
        metadata={HOSTILE: [HOSTILE]},
    )
    failed = Failed(HOSTILE, details=f"[{CARD}]".encode())
    store = gateway.house.store
    gateway.do(store.open([request]))
    gateway.do(store.accept([factories.answer(request.id, failed)]))
    gateway.do(store.store_evidence([factories.answer(request.id, Failed(HOSTILE))]))
    return request.id


def test_list_shows_hostile_text_as_text(callback_id: CallbackId) -> None:
    ran = ringback("list")

    assert callback_id in ran.out
    assert ran.out.count(SHOWN) == 2
    assert "\x1b" not in ran.out


def test_pipe_of_a_narrow_terminal_gets_whole_lines(
    callback_id: CallbackId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    _, listed = ringback("list").out.splitlines()
    shown = ringback("show", callback_id).out

    assert listed.split("\t")[:2] == [callback_id, "accepted"]
    assert listed.count(f"\t{SHOWN}") == 2
    assert f'{{"{SHOWN}' in shown


def test_show_prints_hostile_text_as_text(callback_id: CallbackId) -> None:
    ran = ringback("show", callback_id)

    assert ran.out.count(SHOWN) >= 6
    assert "\x1b" not in ran.out


def test_entries_are_lines_that_steer_no_terminal(callback_id: CallbackId) -> None:
    ran = ringback("audit", callback_id)

    opened, accepted, refused = ran.out.splitlines()
    assert ("opened" in opened, "accepted" in accepted) == (True, True)
    assert SHOWN in refused
    assert "\x1b" not in refused


def test_program_reads_metadata_exactly(callback_id: CallbackId) -> None:
    found = ringback("show", callback_id, "--json").json

    assert (found["title"], found["tags"]) == (HOSTILE, [HOSTILE])
    assert found["metadata"] == {HOSTILE: [HOSTILE]}


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_neither_answer_nor_token_is_shown(callback_id: CallbackId, as_json: list[str]) -> None:
    ran = [ringback(*words, *as_json) for words in (["list"], ["show", callback_id])]
    ran.append(ringback("audit", callback_id, *as_json))

    shown = "".join(one.out + one.err for one in ran)
    assert [one.code for one in ran] == [0, 0, 0]
    assert "4111" not in shown
    assert "a task token" not in shown


def test_json_is_that_of_the_api(gateway: Served) -> None:
    callback = gateway.asked(title="Charge", tags=("vip",), metadata={"order": 1})

    async def read(path: str) -> object:
        return (await gateway.house.get(path)).json()

    listed = ringback("list", "--json").json
    shown = ringback("show", callback.id, "--json").json
    entries = ringback("audit", callback.id, "--json").out.splitlines()

    path = f"/v1/callbacks/{callback.id}"
    assert listed == gateway.do(read("/v1/callbacks"))
    assert {"entries": shown.pop("audit_trail")} == gateway.do(read(f"{path}/audit"))
    assert shown.pop("votes") == []
    assert shown == gateway.do(read(path))
    assert [json.loads(line)["kind"] for line in entries] == ["opened"]


def test_full_page_says_where_the_next_one_begins(gateway: Served) -> None:
    first, second = gateway.asked(), gateway.asked()

    page = ringback("list", "--limit", "1")
    last = ringback("list", "--after", first.id)
    rest = ringback("list", "--after", second.id)

    assert f"the first 1; for more: --after {first.id}" in page.out
    assert second.id in last.out
    assert "for more" not in last.out
    assert rest.out == f"no callbacks at {gateway.url}\n"


def test_every_filter_reaches_the_gateway(gateway: Served) -> None:
    old = gateway.asked(tags=("vip",))
    gateway.house.clock.advance(timedelta(days=2))
    new = gateway.asked()

    def ids(*words: str) -> list[str]:
        ran = ringback("list", "--json", *words)
        assert ran.code == 0, ran.err
        return [one["id"] for one in ran.json["callbacks"]]

    assert ids() == ids("--state", "open", "--state", "parked") == [old.id, new.id]
    assert ids("--state", "expired") == ids("--overdue") == []
    assert ids("--tag", "vip") == [old.id]
    assert ids("--older-than", "1d") == [old.id]
    assert ids("--workflow-id", new.ref.workflow_id) == [new.id]
    assert ids("--workflow-type", "Order") == ids("--activity-type", "charge") == [old.id, new.id]
    assert ids("--newer-than", "3650d") == [old.id, new.id]


def test_show_prints_schema_and_example_of_the_result(gateway: Served) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    callback = gateway.asked(result_schema=json.dumps(schema))
    free = gateway.asked()

    table = ringback("show", callback.id).out
    shown = ringback("show", callback.id, "--json").json
    without = ringback("show", free.id, "--json").json

    assert json.dumps(schema) in table
    assert '{"ok": true}' in table
    assert (shown["result_schema"], shown["result_example"]) == (schema, {"ok": True})
    assert (without["result_schema"], without["result_example"]) == (None, None)


def test_unknown_callback_says_how_to_find_one(gateway: Served) -> None:  # noqa: ARG001 - it runs
    ran = ringback("show", "cb_nothing")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "ringback: there is no callback cb_nothing; see: ringback list\n"


OWNER = {"type": "string"}
SCHEMA = json.dumps({"type": "object", "required": ["who's"], "properties": {"who's": OWNER}})


def test_show_prints_a_command_whose_result_is_accepted(gateway: Served) -> None:
    callback = gateway.asked(result_schema=SCHEMA)

    shown = ringback("show", callback.id)
    (line,) = [line for line in shown.out.splitlines() if line.startswith("  ringback complete")]
    ran = ringback(*shlex.split(line)[1:])

    assert SCHEMA in shown.out
    assert (ran.code, gateway.outcome_of(callback.id)) == (0, Completed(b'{"who\'s": "text"}'))


@pytest.mark.parametrize(
    ("schema", "shown"),
    [(None, " RESULT\n"), ('{"not": {}}', "RESULT  (JSON that meets the result schema)\n")],
)
def test_show_without_an_example_names_the_result(
    gateway: Served, schema: str | None, shown: str
) -> None:
    callback = gateway.asked(result_schema=schema)

    assert f"ringback complete {callback.id} {shown.lstrip()}" in ringback("show", callback.id).out


def test_show_of_an_ended_callback_prints_no_way_to_answer(gateway: Served) -> None:
    callback = gateway.asked()
    ringback("complete", callback.id, "1")

    assert "Answer it" not in ringback("show", callback.id).out
