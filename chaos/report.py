"""The report: what was done, the results, and the findings."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chaos.evidence import Evidence, Harm
from chaos.options import Options
from chaos.receivers import CHAT, MAIL, Manner
from chaos.run import Outcome

_SHOWN: Final = 25
_FAILING: Final = (Harm.LOST, Harm.DOUBLE, Harm.UNDECIDED, Harm.WRONG)


def counts(outcome: Outcome) -> Counter[Harm]:
    """Return the number of findings of each kind."""
    return Counter(finding.harm for finding in outcome.findings)


def is_clean(outcome: Outcome) -> bool:
    """Return whether nothing was lost, double, undecided or wrong."""
    found = counts(outcome)
    return not any(found[harm] for harm in _FAILING)


def finding_lines(outcome: Outcome) -> Iterator[str]:
    """Yield a line for each finding, the worst first."""
    order = list(Harm)
    for finding in sorted(outcome.findings, key=lambda one: order.index(one.harm)):
        yield f"{finding.harm.value} {finding.where}: {finding.text}"


def lines(options: Options, outcome: Outcome) -> Iterator[str]:
    """Yield the report."""
    found = list(finding_lines(outcome))
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield f"and {len(found) - _SHOWN} more; --keep keeps all of them"
    yield ""
    evidence = outcome.evidence
    yield (
        f"seed {options.seed}, {options.store.value}, {options.gateways} gateways,"
        f" {options.workers} workers, {outcome.seconds:.1f} s"
    )
    for name, text in _facts(outcome, evidence):
        yield f"{name:<10} {text}"
    yield ""
    harms = counts(outcome)
    yield ", ".join(f"{harm.value} {harms[harm]}" for harm in Harm)


def _facts(outcome: Outcome, evidence: Evidence) -> Iterator[tuple[str, str]]:
    entries = evidence.ledger.values()
    yield "questions", f"{len(evidence.scripts)}: {_modes(evidence)}"
    yield "callbacks", f"{len(entries)}: {_counts(Counter(entry.state for entry in entries))}"
    yield "answers", _answers(evidence)
    yield "replies", _counts(outcome.statuses)
    verdicts = Counter(f"{one.state} {one.kind}" for one in entries if one.outcome_id)
    yield "verdicts", _counts(verdicts)
    yield "closed by", _counts(_closers(evidence))
    yield "proven by", _counts(Counter(_proofs(evidence)))
    yield "attempts", _attempts(evidence)
    states = Counter(one.state for events in evidence.events.values() for one in events)
    yield "events", _counts(states)
    for channel in (CHAT, MAIL):
        yield channel, _messages(evidence, channel)
    yield (
        "receivers",
        _counts(evidence.manners),
    )
    yield "faults", _counts(Counter(_by_sort(outcome)))
    yield "exits", _exits(outcome.exits)


def _modes(evidence: Evidence) -> str:
    return _counts(Counter(script.mode for script in evidence.scripts.values()))


def _answers(evidence: Evidence) -> str:
    sent = [one for asked in evidence.asked.values() for one in asked.sent]
    conflicts = sum(len(asked.sent) > 1 for asked in evidence.asked.values())
    senders = sum(len(one.answer.sendings) for one in sent)
    hang_ups = sum(sending.hangs_up for one in sent for sending in one.answer.sendings)
    kept = sum(one.is_kept for one in sent)
    again = sum(asked.times - 1 for asked in evidence.asked.values())
    return (
        f"{len(sent)}, {kept} acknowledged; {conflicts} links with a conflict,"
        f" {senders - len(sent)} duplicate senders, {hang_ups} disconnected;"
        f" {again} links sent again"
    )


def _closers(evidence: Evidence) -> Counter[str]:
    return Counter(_closer(one.identity) for one in evidence.executions.values())


def _closer(identity: str) -> str:
    known = {"ringback/": "Ringback", "worker-": "a worker"}
    found = (who for start, who in known.items() if identity.startswith(start))
    return next(found, "others" if identity else "a timeout or a closed workflow")


def _proofs(evidence: Evidence) -> Iterator[str]:
    """Yield the kind of proof of each applied answer."""
    for entry in evidence.ledger.values():
        if entry.state == "applied":
            yield "reply" if set(entry.proof) == {"by"} else "history or a poll"


def _attempts(evidence: Evidence) -> str:
    ended = [values for key in evidence.executions for values in evidence.ended(key).values()]
    with_answer = sum(bool(values) for values in ended)
    unseen = sum(values is None for values in ended)
    return f"{len(ended)} ended early: {with_answer} with an answer, {unseen} for an unknown reason"


def _messages(evidence: Evidence, channel: str) -> str:
    rows = [one.messages[channel] for one in evidence.ledger.values() if channel in one.messages]
    copies = [evidence.copies[key] for key in evidence.copies if key[1] == channel]
    first = sum(len(some) for some in copies)
    lost = sum(not copy.is_replied for some in copies for copy in some)
    changes = sum(len(copy.shown) - 1 for some in copies for copy in some)
    return (
        f"{len(rows)} to send, {len(copies)} arrived: {first - len(copies)} duplicates,"
        f" {lost} without a reply; {sum(not one.is_sent for one in rows)} ended before;"
        f" {changes} rewrites"
    )


def _by_sort(outcome: Outcome) -> Iterable[str]:
    for (fault, target), times in outcome.blows.items():
        for _ in range(times):
            yield f"{fault.value} {target.partition('-')[0]}"


def _exits(exits: Mapping[str, Mapping[int, int]]) -> str:
    told = (
        f"{name} {times} times with {code}"
        for name, codes in exits.items()
        for code, times in codes.items()
    )
    return ", ".join(told) or "none unexpected"


def _counts(counted: Counter[str] | Counter[Manner]) -> str:
    return ", ".join(f"{name} {times}" for name, times in sorted(counted.items())) or "none"
