"""The judge of `make chaos` can find what should not be: one made-up run for each harm."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.evidence import Evidence, Harm
from chaos.facts import Continued
from chaos.histories import Execution, Story
from chaos.judge import judge
from chaos.ledger import Entry
from chaos.options import Options
from chaos.outside import ReceivedLink
from chaos.plan import Answer, round_of, scripts
from chaos.schedule import schedule
from chaos.script import Question, Script
from chaos.senders import Reply, Sent

KEY, VALUE, OTHER = "w0q0", "w0q0r1a0z", "w0q0r1a1z"
KEPT = Reply(202, "cb_1", "accepted", is_duplicate=False)
REFUSED = Reply(409, None, None, is_duplicate=False)


@pytest.fixture
def script() -> Script:
    question = Question(KEY, None, 0, 10, 60, None, 1, in_thread=False)
    return Script(0, "patient", [question], at_once=False, awaits_cancellation=False)


@pytest.fixture
def entry() -> Entry:
    return Entry(
        callback_id="cb_1",
        workflow_id="chaos-0",
        state="applied",
        attempt=1,
        outcome_id="oc_1",
        kind="completed",
        values=[VALUE],
        proof={"by": "ringback/oc_1"},
        last_error=None,
        verdicts=["applied"],
    )


def sent(value: str, *replies: Reply, is_final: bool = True) -> Sent:
    answer = Answer(value, "complete", {"value": value}, is_final, ())
    return Sent(answer, "cb_1", list(replies))


def execution(value: str = VALUE, identity: str = "ringback/oc_1") -> Execution:
    return Execution(KEY, "1", "completed", identity, [value], attempt=1)


@pytest.fixture
def clean(script: Script, entry: Entry) -> Evidence:
    """One question, one answer, and all of it as it should be."""
    received = {KEY: ("completed", [VALUE])}
    return Evidence(
        scripts={KEY: script},
        asked={"cb_1": ReceivedLink(KEY, 1, 1, [sent(VALUE, KEPT), sent(OTHER, REFUSED)])},
        ledger={"cb_1": entry},
        stories={"chaos-0": Story("chaos-0", "completed", {KEY: execution()}, received)},
        facts={},
    )


@pytest.fixture
def resumed(clean: Evidence, script: Script, entry: Entry) -> Evidence:
    """The same question, of an activity that continues behind its wait in attempt 2."""
    question = replace(script.questions[0], resumes=True)
    done = replace(execution(identity="worker-0"), attempt=2)
    story = replace(clean.stories["chaos-0"], executions={KEY: done})
    return replace(
        clean,
        scripts={KEY: replace(script, questions=[question])},
        ledger={"cb_1": replace(entry, proof={"continued": 2, "by": "worker-0"})},
        stories={"chaos-0": story},
        continued=[Continued(KEY, 2, VALUE)],
    )


def harms(evidence: Evidence) -> set[Harm]:
    return {finding.harm for finding in judge(evidence)}


def with_entry(clean: Evidence, **changes: Any) -> Evidence:
    entry = replace(clean.ledger["cb_1"], **changes)
    return replace(clean, ledger={"cb_1": entry})


def with_story(clean: Evidence, **changes: Any) -> Evidence:
    return replace(clean, stories={"chaos-0": replace(clean.stories["chaos-0"], **changes)})


def with_sent(clean: Evidence, *answers: Sent) -> Evidence:
    return replace(clean, asked={"cb_1": ReceivedLink(KEY, 1, 1, list(answers))})


def test_clean_run_has_no_findings(clean: Evidence) -> None:
    assert judge(clean) == []


def test_answer_an_attempt_continued_with_has_no_findings(resumed: Evidence) -> None:
    assert judge(resumed) == []


def test_applied_answer_no_attempt_continued_with_is_lost(resumed: Evidence) -> None:
    assert Harm.LOST in harms(replace(resumed, continued=[]))


def test_superseded_answer_an_attempt_continued_with_is_wrong(resumed: Evidence) -> None:
    assert Harm.WRONG in harms(with_entry(resumed, state="superseded", verdicts=["superseded"]))


def test_attempt_that_continued_with_a_rejected_answer_is_wrong(resumed: Evidence) -> None:
    both = [Continued(KEY, 2, VALUE), Continued(KEY, 2, OTHER)]

    assert harms(replace(resumed, continued=both)) == {Harm.WRONG}


def test_result_the_attempt_did_not_continue_with_is_wrong(resumed: Evidence) -> None:
    assert harms(replace(resumed, continued=[Continued(KEY, 1, VALUE)])) == {Harm.WRONG}


def test_answer_whose_attempt_was_killed_at_its_start_is_unproven(
    resumed: Evidence,
) -> None:
    timed_out = replace(execution(), how="timed out", identity="", values=[], attempt=2)
    killed = with_story(resumed, executions={KEY: timed_out}, received={KEY: ("timed out", [])})

    assert harms(replace(killed, continued=[])) == {Harm.UNPROVEN}


def test_answer_missing_from_ledger_is_lost(clean: Evidence) -> None:
    gone = with_entry(clean, state="expired", outcome_id=None, values=[], verdicts=[])

    assert Harm.LOST in harms(gone)


def test_applied_answer_missing_from_history_is_lost(clean: Evidence) -> None:
    timed_out = replace(execution(), how="timed out", identity="", values=[])
    gone = with_story(clean, executions={KEY: timed_out}, received={KEY: ("timed out", [])})

    assert harms(gone) == {Harm.LOST}


def test_two_accepted_answers_are_double(clean: Evidence) -> None:
    assert Harm.DOUBLE in harms(with_sent(clean, sent(VALUE, KEPT), sent(OTHER, KEPT)))


def test_answer_that_closed_two_activities_is_double(clean: Evidence) -> None:
    second = replace(execution(), key="w0q1")
    both = with_story(clean, executions={KEY: execution(), "w0q1": second})

    assert Harm.DOUBLE in harms(both)


def test_failure_that_ended_two_attempts_is_double(clean: Evidence) -> None:
    failed = with_entry(clean, kind="failed")
    twice = replace(failed, facts={KEY: {1: [VALUE], 2: [VALUE]}})

    assert Harm.DOUBLE in harms(twice)


def test_two_verdicts_are_double(clean: Evidence) -> None:
    assert harms(with_entry(clean, verdicts=["applied", "superseded"])) == {Harm.DOUBLE}


@pytest.mark.parametrize("state", ["open", "accepted", "parked"])
def test_answer_without_verdict_at_the_end_is_undecided(clean: Evidence, state: str) -> None:
    assert Harm.UNDECIDED in harms(with_entry(clean, state=state, verdicts=[]))


def test_sender_without_final_reply_is_undecided(clean: Evidence) -> None:
    waiting = sent(VALUE, KEPT)
    waiting.open = 1

    assert harms(with_sent(clean, waiting)) == {Harm.UNDECIDED}


def test_workflow_that_has_not_ended_is_undecided(clean: Evidence) -> None:
    assert harms(with_story(clean, end=None, received=None)) == {Harm.UNDECIDED}


def test_superseded_answer_that_closed_the_activity_is_wrong(
    clean: Evidence,
) -> None:
    late = with_entry(clean, state="superseded", verdicts=["superseded"])

    assert harms(late) == {Harm.WRONG}


def test_answer_with_another_identity_is_wrong(clean: Evidence) -> None:
    stranger = with_story(clean, executions={KEY: execution(identity="somebody")})

    assert harms(stranger) == {Harm.WRONG}


def test_result_that_differs_from_history_is_wrong(clean: Evidence) -> None:
    assert harms(with_story(clean, received={KEY: ("completed", [OTHER])})) == {Harm.WRONG}


def test_rejected_answer_that_was_received_is_wrong(clean: Evidence) -> None:
    refused = with_sent(clean, sent(VALUE, REFUSED))

    assert harms(refused) == {Harm.WRONG}


def test_failure_without_an_observed_attempt_is_unproven(clean: Evidence) -> None:
    closed = replace(execution(), how="canceled", identity="", values=[], attempt=None)
    failed = with_entry(clean, kind="failed")
    unseen = with_story(failed, executions={KEY: closed}, received={KEY: ("canceled", [])})

    found = harms(with_sent(unseen, sent(VALUE, KEPT, is_final=False)))

    assert found == {Harm.UNPROVEN}


def test_retried_failure_that_is_parked_is_unproven(clean: Evidence) -> None:
    timed_out = replace(execution(), how="timed out", identity="", values=[])
    parked = with_entry(clean, kind="failed", state="parked", verdicts=["parked"])
    unseen = with_story(parked, executions={KEY: timed_out}, received={KEY: ("timed out", [])})

    found = harms(with_sent(unseen, sent(VALUE, KEPT, is_final=False)))

    assert found == {Harm.UNPROVEN}


def test_failure_is_lost_when_every_attempt_ended_otherwise(clean: Evidence) -> None:
    closed = replace(execution(), how="timed out", identity="", values=[], attempt=2)
    failed = replace(with_entry(clean, kind="failed"), facts={KEY: {1: []}})
    unseen = with_story(failed, executions={KEY: closed}, received={KEY: ("timed out", [])})

    found = harms(with_sent(unseen, sent(VALUE, KEPT, is_final=False)))

    assert found == {Harm.LOST}


def test_same_seed_gives_same_plan(script: Script) -> None:
    options, same, another = Options(seed=1), Options(seed=1), Options(seed=2)
    targets = ["temporal", "gateway-0", "worker-0"]

    assert list(scripts(options)) == list(scripts(same))
    assert round_of(options, script, KEY, number=1) == round_of(same, script, KEY, number=1)
    assert schedule(options, targets) == schedule(same, targets)
    assert schedule(options, targets) != schedule(another, targets)
    assert list(scripts(options)) != list(scripts(another))


def test_plan_has_the_requested_number_of_questions() -> None:
    planned = scripts(Options(seed=1, callbacks=100))

    assert sum(len(script.questions) for script in planned) == 100
