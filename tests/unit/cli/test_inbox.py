"""`ringback inbox` lists the questions to people."""

from datetime import timedelta

from ringback.domain.policy import Policy
from ringback.ports.notifications import Failure
from tests.unit.cli.commands import Served, ringback

FOR_FINANCE = Policy(assignees=("group:finance",))


def test_inbox_lists_the_questions_of_groups_by_deadline(gateway: Served) -> None:
    gateway.asked(title="late", policy=FOR_FINANCE, deadline=timedelta(hours=2))
    gateway.asked(title="soon", policy=FOR_FINANCE, deadline=timedelta(hours=1))
    gateway.asked(title="ada's", policy=Policy(assignees=("user:ada",)))

    ran = ringback("inbox", "--user", "ada", "--group", "finance", "--scope", "groups", "--json")

    assert ran.code == 0, ran.err
    assert [one["title"] for one in ran.json["callbacks"]] == ["soon", "late"]


def test_inbox_in_a_pipe_has_a_line_for_each_question_and_names_the_next_page(
    gateway: Served,
) -> None:
    first = gateway.asked(title="one", policy=FOR_FINANCE, deadline=timedelta(hours=1))
    gateway.asked(title="two", policy=FOR_FINANCE)

    ran = ringback("inbox", "--limit", "1")
    _, line = ran.out.splitlines()
    after = ran.err.partition("more: --after ")[2].strip()
    rest = ringback("inbox", "--after", after, "--text", "TWO")

    assert line.startswith(f"{first.id}\t")
    assert "two" in rest.out
    assert "one" not in rest.out.splitlines()[1]
    assert rest.err == ""


def test_inbox_counts_messages_that_could_not_be_sent(gateway: Served) -> None:
    gateway.asked(title="one", policy=FOR_FINANCE, notify=("ops", "mail"))
    store = gateway.house.store
    for one in gateway.do(store.claim_notifications(limit=9, lease=timedelta(seconds=30))):
        if one.channel == "mail":
            gateway.do(store.fail_notification(Failure(one, "refused", None)))

    as_text = ringback("inbox").out.splitlines()
    (as_json,) = ringback("inbox", "--json").json["callbacks"]

    assert [line.split("\t")[-1] for line in as_text] == ["not sent", "1 by mail"]
    assert as_json["unsent"] == [
        {"channel": "mail", "count": 1, "is_retrying": False, "last_error": "refused"}
    ]


def test_wrong_place_is_refused_with_advice(gateway: Served) -> None:
    ran = ringback("inbox", "--after", "nowhere")

    assert ran.code == 1
    assert "first page" in ran.err
    assert gateway.url
