"""The judge of votes: compares what voters were told with the ledger and the decision."""

from collections import Counter
from collections.abc import Iterator

from chaos.ballots import APPROVALS, Ballot
from chaos.evidence import Finding, Harm
from chaos.ledger import Entry

_CONFLICT, _GONE = 409, 410


def judge_votes(entry: Entry, ballots: list[Ballot]) -> Iterator[Finding]:
    """Yield all findings about the votes on one callback."""
    for ballot in ballots:
        for text in _find_lost(entry, ballot):
            yield Finding(Harm.LOST, entry.callback_id, text)
        for text in _find_wrong(entry, ballot):
            yield Finding(Harm.WRONG, entry.callback_id, text)
    balance = Counter(entry.voted)
    balance.subtract(entry.withdrawn)
    if balance - Counter(entry.votes.keys()) or Counter(entry.votes.keys()) - balance:
        text = f"the audit trail has {entry.voted} less {entry.withdrawn}, the votes {entry.votes}"
        yield Finding(Harm.DOUBLE, entry.callback_id, text)
    for text in _find_undecided(entry):
        yield Finding(Harm.WRONG, entry.callback_id, text)


def _find_lost(entry: Entry, ballot: Ballot) -> Iterator[str]:
    """Compare the last acknowledged step of a voter with the stored vote."""
    counted = [step for step in ballot.steps if step.is_counted]
    if counted and entry.votes.get(ballot.user) is not counted[-1].approved:
        yield f"{ballot.user} was told that {counted[-1]} counts, but the votes are {entry.votes}"


def _find_wrong(entry: Entry, ballot: Ballot) -> Iterator[str]:
    if not any(step.is_counted for step in ballot.steps) and ballot.user in entry.votes:
        yield f"{ballot.user} has a vote, but was told {ballot.steps}"
    for step in ballot.steps:
        status = step.reply.status
        is_over = entry.state == "expired" or entry.outcome_id is not None
        if not (step.is_counted or (status in {_CONFLICT, _GONE} and is_over)):
            yield f"{ballot.user} was told {step}, but it is {entry.state}"


def _find_undecided(entry: Entry) -> Iterator[str]:
    said = Counter(entry.votes.values())
    decision = next((one for one in (True, False) if said[one] >= APPROVALS), None)
    if entry.decision is None:
        if decision is not None:
            yield f"{entry.votes} decide, but there is no decision"
        return
    if entry.decision != decision:
        yield f"the decision is {entry.decision}, but the votes are {entry.votes}"
    if sorted(entry.decided_by) != sorted(entry.votes):
        yield f"the decision has the votes of {entry.decided_by}, the ledger {entry.votes}"
