"""Answers, votes, heartbeats and defaults are encrypted before they reach the store."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.core.answers import AnswerService
from ringback.core.body_encryption import LARGE, BodyEncryption
from ringback.core.heartbeats import HeartbeatService
from ringback.core.keepalive import HeartbeatSender
from ringback.core.open_service import OpenService
from ringback.core.opening import CallbackOpener
from ringback.core.services import run_services
from ringback.core.validation import AnswerValidator
from ringback.core.votes import VoteService
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.encrypted_body import EncryptedBody, is_encrypted
from ringback.domain.errors import AnsweredDifferentlyError, EncodingError
from ringback.domain.link import Keyring
from ringback.domain.opening import Next
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import (
    Completed,
    Failed,
    Outcome,
    drop_body,
    read_seal,
    to_body,
    with_body,
)
from ringback.domain.people_errors import VotedDifferentlyError
from ringback.domain.policy import OnReject, Policy
from ringback.domain.terms import to_terms
from ringback.ports.activities import AttemptRef
from ringback.store.sql_store import SqlStore
from ringback.testing import ExactResults, FakeActivities, FakeIdentifier, ManualClock
from tests import factories
from tests.body_ciphers import FakeCipher, encryption
from tests.people import ballot, person
from tests.unit.core.callbacks import open_callback, reload, state_of

BOTH = Policy(assignees=("user:ada", "user:bob"), approvals=2)
FORM = b'{"n":1}'
LINKS = bytes(range(32))


@dataclass
class Place:
    """The services that store bodies, and what they store them in."""

    store: SqlStore
    activities: FakeActivities
    cipher: FakeCipher
    bodies: BodyEncryption
    answers: AnswerService
    votes: VoteService

    async def ask(self, **options: Any) -> Callback:
        ref = factories.activity_ref()
        self.activities.schedule(ref)
        return await open_callback(self.store, self.activities, ref, **options)

    async def stored(self, callback: Callback) -> Outcome:
        accepted = (await reload(self.store, callback)).accepted
        assert accepted is not None
        return accepted.outcome

    async def plain(self, callback: Callback) -> Outcome:
        accepted = await self.bodies.decrypt(await reload(self.store, callback))
        assert accepted is not None
        return accepted.outcome


@pytest.fixture
async def place(store: SqlStore, activities: FakeActivities) -> AsyncIterator[Place]:
    cipher = FakeCipher()
    bodies = encryption(cipher)
    checks = AnswerValidator(store, activities, ExactResults())
    more: dict[str, Any] = {
        "new_outcome_id": factories.outcome_id,
        "on_accepted": lambda: None,
        "bodies": bodies,
    }
    votes = VoteService(store, checks, **more)
    answers = AnswerService(store, checks, votes, **more)
    async with run_services(answers):
        yield Place(store, activities, cipher, bodies, answers, votes)


@pytest.mark.parametrize(
    "outcome", [Completed(b'"hush"'), Failed("no", type="T", details=b'["hush"]')], ids=repr
)
async def test_answer_is_stored_encrypted_and_read_in_plain_text(
    place: Place, outcome: Outcome
) -> None:
    callback = await place.ask()

    receipt = await place.answers.accept(callback.id, outcome)

    stored = await place.stored(callback)
    assert receipt.state is State.ACCEPTED
    assert is_encrypted(to_body(stored) or b"")
    assert b"hush" not in (to_body(stored) or b"")
    assert await place.plain(callback) == outcome


async def test_answer_without_a_body_is_stored_as_it_is(place: Place) -> None:
    callback = await place.ask()

    await place.answers.accept(callback.id, Completed(None))

    assert await place.stored(callback) == Completed(None)
    assert await place.plain(callback) == Completed(None)


async def test_callback_without_an_answer_has_nothing_to_decrypt(place: Place) -> None:
    assert await place.bodies.decrypt(await place.ask()) is None


async def test_answer_that_cannot_be_encrypted_is_not_stored(place: Place) -> None:
    callback = await place.ask()
    place.cipher.is_broken = True

    with pytest.raises(EncodingError, match="the key service is away"):
        await place.answers.accept(callback.id, Completed(b"1"))

    assert await state_of(place.store, callback) is State.OPEN


async def test_damaged_body_is_an_error_with_a_reason(place: Place) -> None:
    callback = await place.ask()
    await place.store.accept([factories.answer(callback.id, Completed(b"encrypted s 0 0\n!"))])

    with pytest.raises(EncodingError, match="cannot be decrypted: it is damaged"):
        await place.plain(callback)


async def test_same_answer_is_a_duplicate_even_while_the_codec_fails(place: Place) -> None:
    callback = await place.ask()
    await place.answers.accept(callback.id, Completed(b'{"a": 1, "b": 2}'))
    accepted = await reload(place.store, callback)
    place.cipher.is_broken = True

    stored = await place.stored(callback)
    is_same = await place.bodies.is_same_answer(accepted, stored, Completed(b'{"b":2.0,"a":1}'))

    assert is_same
    assert place.cipher.decrypted == 0


async def test_same_answer_again_gets_its_receipt_and_another_a_conflict(place: Place) -> None:
    callback = await place.ask()
    await place.answers.accept(callback.id, Completed(b"1"))

    again = await place.answers.accept(callback.id, Completed(b" 1 "))
    with pytest.raises(AnsweredDifferentlyError):
        await place.answers.accept(callback.id, Completed(b'"hush"'))

    (evidence,) = [
        entry
        for entry in await place.store.audit_trail(callback.id)
        if entry.kind is AuditKind.ANSWERED_DIFFERENTLY
    ]
    assert again.is_duplicate
    assert evidence.facts == {"kind": "completed", "body": ""}


@pytest.mark.parametrize(
    "other", [Completed(None), Completed(b'["1"]'), Failed("no", details=b"[1]")], ids=repr
)
async def test_answer_of_another_kind_or_value_differs(place: Place, other: Outcome) -> None:
    callback = await place.ask()
    await place.answers.accept(callback.id, Completed(b"[1]"))

    stored = await place.stored(callback)

    assert not await place.bodies.is_same_answer(callback, stored, other)


@pytest.mark.parametrize("size", [LARGE - 10, LARGE + 10])
async def test_large_answers_are_recognized_too(place: Place, size: int) -> None:
    callback = await place.ask()
    body = json.dumps("x" * size).encode()
    await place.answers.accept(callback.id, Completed(body))

    assert (await place.answers.accept(callback.id, Completed(body))).is_duplicate


async def test_answer_that_is_nested_too_deeply_for_a_seal_is_encrypted_without_one(
    place: Place,
) -> None:
    callback = await place.ask()
    deep = Completed(b"[" * 5000 + b"]" * 5000)

    stored = await place.bodies.encrypt(to_terms(callback), deep)

    body = to_body(stored) or b""
    assert (is_encrypted(body), read_seal(body)) == (True, "")


async def test_deep_answer_has_no_seal_to_match(place: Place) -> None:
    callback = await place.ask()
    await place.answers.accept(callback.id, Completed(b"1"))
    dropped = drop_body(to_body(await place.stored(callback)) or b"", b"")
    deep = Completed(b"[" * 5000 + b"]" * 5000)

    assert not await place.bodies.is_same_answer(callback, Completed(dropped), deep)


async def test_equal_answers_to_two_callbacks_have_different_seals(place: Place) -> None:
    one, other = await place.ask(), await place.ask()
    await place.answers.accept(one.id, Completed(b"true"))
    await place.answers.accept(other.id, Completed(b"true"))

    stored = with_body(Completed(None), drop_body(to_body(await place.stored(one)) or b"", b""))

    assert await place.bodies.is_same_answer(one, stored, Completed(b"true"))
    assert not await place.bodies.is_same_answer(other, stored, Completed(b"true"))


async def test_answer_is_recognized_after_the_key_of_its_seal_was_removed(place: Place) -> None:
    callback = await place.ask()
    await place.answers.accept(callback.id, Completed(b"true"))
    callback = await reload(place.store, callback)
    stored = await place.stored(callback)
    newer = encryption(place.cipher, Keyring({"k9": LINKS}, signing="k9"))

    assert await newer.is_same_answer(callback, stored, Completed(b"true"))
    assert not await newer.is_same_answer(callback, stored, Completed(b"false"))
    dropped = with_body(stored, drop_body(to_body(stored) or b"", b""))
    assert not await newer.is_same_answer(callback, dropped, Completed(b"true"))


async def test_encryption_that_is_off_stores_plain_text_and_reads_both(place: Place) -> None:
    callback = await place.ask()
    await place.answers.accept(callback.id, Completed(b"1"))
    encrypted = await place.stored(callback)
    off = encryption(place.cipher, is_on=False)
    terms = to_terms(callback)

    assert await off.encrypt(terms, Completed(b"1")) == Completed(b"1")
    assert await off.encrypt_details(callback, b"1") == b"1"
    assert await off.is_same_answer(callback, encrypted, Completed(b"1"))
    assert await off.is_same_answer(callback, Completed(b"1"), Completed(b"1"))
    assert await off.decrypt(await reload(place.store, callback)) is not None


async def test_answers_with_encryption_off_leave_evidence_as_before(
    store: SqlStore, activities: FakeActivities
) -> None:
    off = encryption(FakeCipher(), is_on=False)
    checks = AnswerValidator(store, activities, ExactResults())
    more: dict[str, Any] = {
        "new_outcome_id": factories.outcome_id,
        "on_accepted": lambda: None,
        "bodies": off,
    }
    votes = VoteService(store, checks, **more)
    answers = AnswerService(store, checks, votes, **more)
    place = Place(store, activities, FakeCipher(), off, answers, votes)
    callback, question = await place.ask(), await place.ask(policy=Policy())

    async with run_services(answers):
        await answers.accept(callback.id, Completed(b"1"))
        with pytest.raises(AnsweredDifferentlyError):
            await answers.accept(callback.id, Completed(b"2"))
        await votes.vote(question.id, person("ada"))

    (evidence,) = [
        entry
        for entry in await store.audit_trail(callback.id)
        if entry.kind is AuditKind.ANSWERED_DIFFERENTLY
    ]
    assert evidence.facts["body"] == "2"
    assert await place.stored(callback) == Completed(b"1")
    assert not is_encrypted(to_body(await place.stored(question)) or b"")


async def test_heartbeat_details_are_stored_encrypted(
    place: Place, store: SqlStore, activities: FakeActivities
) -> None:
    service = HeartbeatService(
        store,
        activities,
        polls=store,
        heartbeat_sender=HeartbeatSender(activities, activities),
        bodies=place.bodies,
    )
    callback = await place.ask(heartbeat_timeout=timedelta(seconds=30))

    async with run_services(service):
        await service.heartbeat(callback.id, b'"hush"')
        await service.heartbeat(callback.id, None)

    details = (await reload(store, callback)).heartbeat_state.details
    assert details is not None
    assert is_encrypted(details)
    assert b"hush" not in details


class TestVotes:
    """Forms and results of people."""

    async def test_form_is_encrypted_in_vote_and_decision(self, place: Place) -> None:
        callback = await place.ask(policy=BOTH, result_schema=FORM.decode())
        await place.votes.vote(callback.id, person("ada"), body=FORM)

        await place.votes.vote(callback.id, person("bob"), body=FORM)

        (first, _) = await place.votes.votes(callback.id)
        assert is_encrypted(first.body or b"")
        assert FORM not in (to_body(await place.stored(callback)) or b"")
        decision = json.loads(to_body(await place.plain(callback)) or b"")
        assert (decision["form"], decision["approved"]) == ({"n": 1}, True)

    async def test_result_of_a_person_is_encrypted(self, place: Place) -> None:
        callback = await place.ask(policy=Policy(is_decision=False))

        await place.votes.vote(callback.id, person("ada"), body=b'"hush"')

        assert is_encrypted(to_body(await place.stored(callback)) or b"")
        assert await place.plain(callback) == Completed(b'"hush"')

    async def test_rejection_that_fails_has_the_form_encrypted_in_its_details(
        self, place: Place
    ) -> None:
        policy = Policy(on_reject=OnReject.FAIL)
        callback = await place.ask(policy=policy, result_schema=FORM.decode())

        await place.votes.vote(callback.id, person("ada"), approved=False, body=FORM)

        assert FORM not in (to_body(await place.stored(callback)) or b"")
        (decision,) = json.loads(to_body(await place.plain(callback)) or b"")
        assert decision["form"] == {"n": 1}

    async def test_same_vote_is_a_duplicate_and_another_a_conflict(self, place: Place) -> None:
        callback = await place.ask(policy=BOTH, result_schema=FORM.decode())
        await place.votes.vote(callback.id, person("ada"), body=FORM)

        again = await place.votes.vote(callback.id, person("ada"), body=FORM)
        with pytest.raises(VotedDifferentlyError):
            await place.votes.vote(callback.id, person("ada"), approved=False)

        assert (again.is_duplicate, again.state) == (True, State.OPEN)

    async def test_vote_from_before_the_setting_is_recognized(self, place: Place) -> None:
        callback = await place.ask(policy=BOTH, result_schema=FORM.decode())
        request = ballot(callback.id, person("ada"), body=FORM)
        await place.store.vote([request])

        again = await place.votes.vote(callback.id, person("ada"), body=FORM)

        assert again.is_duplicate

    async def test_two_equal_votes_at_once_are_one(self, place: Place) -> None:
        callback = await place.ask(policy=BOTH)
        terms = to_terms(callback)
        requests = [
            ballot(
                callback.id,
                person("ada"),
                body=to_body(await place.bodies.encrypt(terms, Completed(body))),
            )
            for body in (b'{"n": 1}', b'{"n":1.0}', b'{"n": 2}', None)
        ]
        requests.append(replace(requests[0]))

        first, second, third, fourth, fifth = await place.store.vote(requests)

        assert getattr(first, "is_duplicate", None) is False
        assert getattr(fifth, "is_duplicate", None) is True
        assert getattr(second, "is_duplicate", None) is True
        assert isinstance(third, VotedDifferentlyError)
        assert isinstance(fourth, VotedDifferentlyError)

    async def test_votes_without_seals_are_the_same_only_byte_for_byte(self, place: Place) -> None:
        callback = await place.ask(policy=BOTH)
        bodies = [EncryptedBody("", content).to_bytes() for content in (b"1", b"2", b"1")]
        requests = [ballot(callback.id, person("ada"), body=body) for body in bodies]

        first, second, third = await place.store.vote(requests)

        assert getattr(first, "is_duplicate", None) is False
        assert isinstance(second, VotedDifferentlyError)
        assert getattr(third, "is_duplicate", None) is True

    async def test_vote_is_explained_after_the_end(self, place: Place) -> None:
        callback = await place.ask(policy=Policy(), result_schema=FORM.decode())
        await place.votes.vote(callback.id, person("ada"), body=FORM)

        again = await place.votes.vote(callback.id, person("ada"), body=FORM)
        with pytest.raises(AnsweredDifferentlyError):
            await place.votes.vote(callback.id, person("ada"), reason="no", body=FORM)

        assert again.is_duplicate


@dataclass
class Door:
    """The service that opens callbacks for workers."""

    service: OpenService
    activities: FakeActivities
    ref: Any

    async def open(self, **options: Any) -> Any:
        return await self.service.open(
            AttemptRef(
                namespace=self.ref.namespace,
                workflow_id=self.ref.workflow_id,
                run_id=self.ref.run_id,
                activity_id=self.ref.activity_id,
                attempt=self.activities.attempt(self.ref),
                task_token=self.activities.task_token(self.ref),
            ),
            CallbackOptions(**options),
            worker="the worker",
        )


@pytest.fixture
async def door(place: Place, clock: ManualClock) -> AsyncIterator[Door]:
    ref = factories.activity_ref()
    place.activities.schedule(ref)
    opener = CallbackOpener(place.store, place.store, place.activities, clock=clock)
    service = OpenService(
        opener,
        FakeIdentifier(place.activities, [ref]),
        ExactResults(),
        new_callback_id=factories.callback_id,
        key_id="k1",
        bodies=place.bodies,
    )
    async with run_services(opener):
        yield Door(service, place.activities, ref)


async def test_default_answer_is_stored_encrypted_and_accepted_as_it_is(
    place: Place, door: Door, clock: ManualClock
) -> None:
    default = Completed(b'"hush"')

    opened = await door.open(deadline=timedelta(hours=1), on_deadline=default)
    stored = await reload(place.store, opened.callback)
    clock.advance(timedelta(hours=2))
    await place.store.accept_defaults([stored.id], factories.outcome_id)

    assert is_encrypted(to_body(stored.options.on_deadline or default) or b"")
    assert await place.plain(stored) == default


async def test_attempt_receives_the_answer_in_plain_text(place: Place, door: Door) -> None:
    callback = (await door.open()).callback
    await place.answers.accept(callback.id, Completed(b"1"))

    reply = await door.open()

    assert reply.next is Next.RETURN
    assert reply.answer.outcome == Completed(b"1")


async def test_answer_that_cannot_be_decrypted_is_not_claimed_for_the_attempt(
    place: Place, door: Door
) -> None:
    callback = (await door.open()).callback
    await place.answers.accept(callback.id, Completed(b"1"))
    place.cipher.is_broken = True

    with pytest.raises(EncodingError):
        await door.open()

    (claimed,) = await place.store.claim("me", limit=1, lease=timedelta(seconds=15))
    assert claimed.id == callback.id


def test_terms_of_a_request_are_those_of_its_callback() -> None:
    request = factories.request()
    terms = replace(request.terms, schema_id="s", has_policy=True)

    assert request.terms.workflow_id == request.attempt.ref.workflow_id
    assert (terms.callback_id, terms.task_queue) == (request.id, request.attempt.task_queue)
