"""Evidence: scripts, answers, the ledger, the workers' facts, and histories."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from chaos.facts import Continued, EndedAttempts
from chaos.histories import Execution, Story
from chaos.ledger import Entry
from chaos.outside import ReceivedLink
from chaos.receivers import Copy, Manner
from chaos.script import Script
from chaos.senders import Sent
from chaos.webhooks import StoredEvent


class Harm(StrEnum):
    """Kinds of findings; all except the last fail the run."""

    LOST = "lost"
    DOUBLE = "double"
    UNDECIDED = "undecided"
    WRONG = "wrong"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding.

    Attributes:
        harm: The kind.
        where: The callback, the question or the workflow.
        text: The observation.
    """

    harm: Harm
    where: str
    text: str


@dataclass
class Evidence:
    """Everything known at the end of a run.

    Attributes:
        scripts: The script of each workflow, by question.
        asked: The links that the sender received, and its answers, by callback.
        ledger: The ledger's entries, by callback.
        stories: The histories, by workflow id.
        facts: What the workers observed, by question.
        continued: Each start of the code behind a wait.
        copies: The first messages about each callback, by channel.
        refused: Number of requests to send or rewrite one without effect.
        manners: Number of requests that the receivers of messages treated in each way.
        events: What became of each event of the provider, by the value of its answer.
        strikes: When a gateway, Temporal or the database was killed or frozen, and when a vote got
            a 5xx or no reply.
    """

    scripts: Mapping[str, Script]
    asked: Mapping[str, ReceivedLink]
    ledger: Mapping[str, Entry]
    stories: Mapping[str, Story]
    facts: Mapping[str, EndedAttempts]
    continued: Sequence[Continued] = ()
    copies: Mapping[tuple[str, str], list[Copy]] = field(default_factory=dict)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    manners: Counter[Manner] = field(default_factory=Counter)
    events: Mapping[str, Sequence[StoredEvent]] = field(default_factory=dict)
    strikes: Sequence[datetime] = ()

    @cached_property
    def executions(self) -> Mapping[str, Execution]:
        """The activities of all histories, by question."""
        return {
            key: execution
            for story in self.stories.values()
            for key, execution in story.executions.items()
        }

    @cached_property
    def closed_with(self) -> Mapping[str, list[Execution]]:
        """The activities that closed with each value."""
        found: defaultdict[str, list[Execution]] = defaultdict(list)
        for execution in self.executions.values():
            if execution.ends_with_answer:
                for value in execution.values:
                    found[value].append(execution)
        return found

    @cached_property
    def ended_with(self) -> Mapping[str, list[tuple[str, int]]]:
        """The attempts, by question and number, that ended with each value and were retried."""
        found: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for key in self.executions:
            for attempt, values in self.ended(key).items():
                for value in values or ():
                    found[value].append((key, attempt))
        return found

    @cached_property
    def by_outcome(self) -> Mapping[str, Entry]:
        """The ledger by outcome id."""
        return {entry.outcome_id: entry for entry in self.ledger.values() if entry.outcome_id}

    @cached_property
    def sent(self) -> Mapping[str, list[Sent]]:
        """All sent answers, by value."""
        found: defaultdict[str, list[Sent]] = defaultdict(list)
        for asked in self.asked.values():
            for sent in asked.sent:
                found[sent.answer.value].append(sent)
        return found

    @cached_property
    def attempts_with(self) -> Mapping[str, list[int]]:
        """The attempts that continued with each value."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for one in self.continued:
            found[one.value].append(one.attempt)
        return found

    def was_struck(self, since: datetime, until: datetime) -> bool:
        """Return whether there was a strike in this time."""
        return any(since <= at <= until for at in self.strikes)

    def is_resumed(self, key: str) -> bool:
        """Return whether a question's activity continues behind its wait."""
        script = self.scripts.get(key)
        return script is not None and any(one.resumes for one in script.questions if one.key == key)

    def ended(self, key: str) -> EndedAttempts:
        """Return how the attempts of a question ended, by history and by the worker's facts."""
        execution = self.executions.get(key)
        by_history = execution.ended if execution else {}
        return {**self.facts.get(key, {}), **by_history}

    def is_fully_seen(self, key: str) -> bool:
        """Return whether the end of every attempt except the last is known."""
        last = self.executions[key].attempt
        ended = self.ended(key)
        return last is not None and all(
            ended.get(attempt) is not None for attempt in range(1, last)
        )

    def kept(self, callback_id: str) -> Iterator[Sent]:
        """Yield the answers to a callback that were acknowledged as stored."""
        asked = self.asked.get(callback_id)
        yield from (sent for sent in (asked.sent if asked else ()) if sent.is_kept)
