"""The plan: all questions and answers, determined by the seed.

Each part has its own random generator, so that it is the same however the processes interleave.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Any, Final

from chaos.options import MODES, Fault, Options
from chaos.script import Question, Script
from chaos.values import chance, key_of, value_of

_LAST_OPEN_ROUND: Final = 3
"""From this generation on, no answer is a failure that is retried."""

_ATTEMPT: Final = (10, 14)
"""Timeout of an attempt, in seconds."""

_SHORT_ATTEMPT: Final = (16, 17)
"""The same in a short run: just longer than a delivery's lease, so that the next attempt gets few
answers inline, which take twice as long to settle."""

_HASTY: Final = (0.8, 2.5)
"""The same for attempts that should end early."""


class End(StrEnum):
    """How a workflow, or its activity, is ended without Ringback."""

    CANCEL = "cancel"
    TERMINATE = "terminate"
    COMPLETE = "complete"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Sending:
    """One sender of an answer.

    Attributes:
        after: Seconds before its first try.
        hangs_up: Whether it disconnects before the first reply.
        waits: Whether it waits for the verdict (`Prefer: wait`).
    """

    after: float
    hangs_up: bool
    waits: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, from one or more senders.

    Attributes:
        value: Its unique value.
        verb: `complete`, `fail` or `cancel`.
        body: The body.
        is_final: Whether it ends the activity.
        sendings: Its senders.
    """

    value: str
    verb: str
    body: dict[str, Any]
    is_final: bool
    sendings: tuple[Sending, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """What the sender does with one link.

    Attributes:
        answers: Its answers; several contradict each other.
        is_early: Whether it answers before it replies to the worker.
        is_flaky: Whether its first reply to the worker is an error.
        beats: Seconds during which it sends heartbeats.
        ends: How the workflow is ended meanwhile.
        ends_after: Seconds until then.
    """

    answers: tuple[Answer, ...]
    is_early: bool
    is_flaky: bool
    beats: float
    ends: End | None
    ends_after: float


_ENDS: Final = {"canceled": End.CANCEL, "withdrawn": End.CANCEL, "terminated": End.TERMINATE}

_VOTED: Final = frozenset({"quorum", "hasty-quorum"})

_SEVERAL: Final = frozenset({"twice", "hasty-twice", "together"})


def scripts(options: Options) -> Iterator[Script]:
    """Yield the scripts of all workflows, with one question per callback."""
    left, number = options.callbacks, 0
    while left > 0:
        script = _script(options, number, left)
        yield script
        left -= len(script.questions)
        number += 1


def _script(options: Options, number: int, at_most: int) -> Script:
    random = chance(options.seed, "script", number)
    modes = sorted(options.modes)
    (mode,) = random.choices(modes, [MODES[mode] for mode in modes])
    count = min(at_most, random.randint(2, 3)) if mode in _SEVERAL else 1
    at_least = _SHORT_ATTEMPT if options.is_short else _ATTEMPT
    patient = _patient(options, random.uniform(*at_least))
    questions = [
        _SPECIAL.get(mode, _as_it_is)(random, replace(patient, key=key_of(number, one)))
        for one in range(count)
    ]
    return Script(
        number=number,
        mode=mode,
        questions=questions,
        at_once=mode == "together",
        awaits_cancellation=mode == "canceled",
    )


def _patient(options: Options, start_to_close: float) -> Question:
    return Question(
        key="",
        activity_id=None,
        maximum_attempts=0,
        start_to_close=start_to_close,
        schedule_to_close=options.seconds + options.settle + 60,
        heartbeat=None,
        retry_after=0.3,
        in_thread=False,
    )


def _as_it_is(_: Random, question: Question) -> Question:
    return question


def _as_hasty(random: Random, question: Question) -> Question:
    return replace(
        question, start_to_close=random.uniform(*_HASTY), retry_after=random.uniform(0.2, 2)
    )


def _as_twice(_: Random, question: Question) -> Question:
    # An id of digits looks like one of the SDK's, which are never reused.
    number = int(question.key.removeprefix("w").partition("q")[0])
    return replace(question, activity_id=("ask", "7")[number % 2])


def _as_webhook(random: Random, question: Question) -> Question:
    return replace(question, way="event", is_alias_late=random.random() < 0.5)


_SPECIAL: Final[dict[str, Callable[[Random, Question], Question]]] = {
    "single": lambda _, question: replace(question, maximum_attempts=1),
    "hasty": _as_hasty,
    "between": _as_hasty,
    "beating": lambda random, question: replace(
        question, heartbeat=random.uniform(1, 2), retry_after=random.uniform(0.2, 1.5)
    ),
    "twice": _as_twice,
    "hasty-twice": lambda random, question: replace(
        _as_hasty(random, _as_twice(random, question)), maximum_attempts=random.choice([0, 1, 2])
    ),
    "thread": lambda _, question: replace(question, in_thread=True),
    "resumed": lambda _, question: replace(question, resumes=True),
    "quorum": lambda _, question: replace(question, is_voted=True),
    "hasty-quorum": lambda random, question: replace(_as_hasty(random, question), is_voted=True),
    "webhook": _as_webhook,
    "hasty-webhook": lambda random, question: _as_webhook(random, _as_hasty(random, question)),
    "queue": lambda _, question: replace(question, way="queue"),
    "hasty-queue": lambda random, question: replace(_as_hasty(random, question), way="queue"),
    "hasty-resumed": lambda random, question: replace(_as_hasty(random, question), resumes=True),
}


def round_of(options: Options, script: Script, key: str, *, number: int) -> Round:
    """Return what the sender does with the link of a question's generation."""
    random = chance(options.seed, "generation", key, number)
    question = next(one for one in script.questions if one.key == key)
    mode = script.mode
    answers = tuple(_answers(random, options, script, key=key, round_=number))
    return Round(
        answers=answers,
        is_early=mode == "early",
        is_flaky=mode == "flaky" and number == 1,
        beats=random.choice([0, random.uniform(0, 5)]) if question.heartbeat else 0,
        ends=_end(random, mode),
        # A contesting answer comes shortly before.
        ends_after=max(0, answers[0].sendings[0].after - random.uniform(0, 0.3))
        if mode == "contested"
        else random.uniform(0, 1.2),
    )


def _end(random: Random, mode: str) -> End | None:
    if mode == "contested":
        return random.choice([End.COMPLETE, End.FAIL])
    return _ENDS.get(mode)


def _answers(
    random: Random, options: Options, script: Script, *, key: str, round_: int
) -> Iterator[Answer]:
    """Yield one answer, or two that contradict each other."""
    is_last = round_ >= _LAST_OPEN_ROUND
    after = random.uniform(0, 0.3) if script.mode == "early" else _delay(random, options)
    has_conflict = Fault.CONFLICT in options.faults and script.mode not in _VOTED
    count = 2 if has_conflict and random.random() < 0.25 else 1
    for number in range(count):
        verb = _verb(random, script)
        is_final = verb != "fail" or is_last or random.random() < 0.4
        value = value_of(key, round_, number)
        sendings = tuple(_sendings(random, options, after))
        yield Answer(
            value, verb, _body(random, verb, value=value, is_final=is_final), is_final, sendings
        )


def _verb(random: Random, script: Script) -> str:
    if script.mode == "canceled":
        return random.choices(["cancel", "complete", "fail"], [6, 2, 1])[0]
    if script.mode == "between" or script.mode in _VOTED:
        return "complete"
    return random.choices(["complete", "fail"], [65, 35])[0]


def _body(random: Random, verb: str, *, value: str, is_final: bool) -> dict[str, Any]:
    if verb != "fail":
        return {"value": value, "pad": "x" * random.randint(0, 300)}
    body: dict[str, Any] = {"message": f"no: {value}", "type": "No", "non_retryable": is_final}
    if random.random() < 0.3:
        body["details"] = {"value": value}
    if not is_final and random.random() < 0.3:
        body["next_retry_delay"] = round(random.uniform(0.1, 1.5), 2)
    return body


def _delay(random: Random, options: Options) -> float:
    if Fault.DELAY in options.faults and random.random() < 0.25:
        return random.uniform(2, 4 if options.is_short else 8)
    return random.uniform(0, 1.5)


def _sendings(random: Random, options: Options, after: float) -> Iterator[Sending]:
    yield _sending(random, options, after)
    if Fault.DUPLICATE in options.faults and random.random() < 0.35:
        for _ in range(random.randint(1, 3)):
            late = random.choice([0, random.uniform(0, 1), random.uniform(0, 6)])
            yield _sending(random, options, after + late)


def _sending(random: Random, options: Options, after: float) -> Sending:
    hangs_up = Fault.HANG_UP in options.faults and random.random() < 0.15
    return Sending(after, hangs_up, waits=random.random() < 0.15)
