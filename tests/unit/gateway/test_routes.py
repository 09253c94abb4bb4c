"""The routes by link: statuses, problem details, and a view that changes nothing."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.core.activity_poller import LONGEST
from ringback.domain.callback import State
from ringback.domain.link import Verb
from ringback.domain.outcome import Completed, Failed
from tests import factories
from tests.loops import idle
from tests.unit.core.callbacks import open_callback
from tests.unit.gateway.conftest import LIMIT, HouseWithCallback

PROBLEM = "application/problem+json"


@pytest.mark.parametrize("suffix", ["", "/complete"])
async def test_body_of_a_post_becomes_the_result(house: HouseWithCallback, suffix: str) -> None:
    reply = await house.http.post(house.path() + suffix, content=b'{ "ok" : true }')

    assert reply.status_code == 202
    assert reply.json()["state"] == "accepted"
    assert reply.json()["duplicate"] is False
    accepted = (await house.now()).accepted
    assert accepted is not None
    assert accepted.outcome == Completed(b'{ "ok" : true }')


async def test_result_of_the_wrong_type_returns_422_with_the_path(
    house: HouseWithCallback,
) -> None:
    ref = factories.activity_ref()
    house.activities.schedule(ref)
    callback = await open_callback(
        house.store, house.activities, ref, result_schema='{"properties": {"a": {"const": 1}}}'
    )
    path = f"/c/{house.keyring.sign(factories.link(to=callback.id))}"

    refused = await house.http.post(path, content=b'{"a": 2}')
    taken = await house.http.post(path, content=b'{"a": 1}')

    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/a", "detail": "1 was expected"}]
    assert taken.status_code == 202


async def test_answer_too_large_for_temporal_returns_413_with_the_limit(
    house: HouseWithCallback,
) -> None:
    house.activities.largest = 5

    reply = await house.http.post(house.path(), content=b"123456")

    assert (reply.status_code, reply.json()["limit"]) == (413, 5)
    assert (await house.now()).state is State.OPEN


async def test_answer_after_the_deadline_returns_410(
    house: HouseWithCallback,
) -> None:
    ref = factories.activity_ref()
    house.activities.schedule(ref)
    callback = await open_callback(
        house.store,
        house.activities,
        ref,
        deadline=timedelta(hours=1),
        on_deadline=Completed(b"1"),
    )
    house.clock.advance(timedelta(hours=1))
    await house.store.accept_defaults([callback.id], factories.outcome_id)

    reply = await house.http.post(
        f"/c/{house.keyring.sign(factories.link(to=callback.id))}", content=b"1"
    )

    assert (reply.status_code, reply.json()["reason"]) == (410, "its deadline passed")


async def test_status_url_shows_the_state(house: HouseWithCallback) -> None:
    reply = await house.http.post(house.path(), json=1, headers={"prefer": "wait=5"})

    status = await house.http.get(reply.json()["status_url"])

    assert status.json()["state"] == "applied"


async def test_empty_body_completes_without_a_result_and_null_is_null(
    house: HouseWithCallback,
) -> None:
    reply = await house.http.post(house.path(), content=b"")
    other = await house.http.post(house.path(), content=b"null")

    assert reply.status_code == 202
    assert other.status_code == 409


async def test_failure_is_stored_with_all_its_fields(house: HouseWithCallback) -> None:
    body = (
        b'{"message": "card declined", "type": "Declined", "non_retryable": true,'
        b' "details": [{"code": 1.10}, null, 1e99], "next_retry_delay": 1.5}'
    )

    reply = await house.http.post(house.path() + "/fail", content=body)

    assert reply.status_code == 202
    accepted = (await house.now()).accepted
    assert accepted is not None
    assert accepted.outcome == Failed(
        "card declined",
        type="Declined",
        non_retryable=True,
        details=b'[{"code": 1.10}, null, 1e99]',
        next_retry_delay=timedelta(seconds=1.5),
    )


@pytest.mark.parametrize(
    ("details", "kept"),
    [
        ("é", '["é"]'.encode()),
        ({}, b"[{}]"),
        (None, b"[null]"),
        ([[1]], b"[[1]]"),
        ([], b"[]"),
        ("x", b'["x"]'),
    ],
)
async def test_details_that_are_not_an_array_become_one_detail(
    house: HouseWithCallback, details: object, kept: bytes
) -> None:
    await house.http.post(house.path() + "/fail", json={"message": "no", "details": details})

    accepted = (await house.now()).accepted
    assert accepted is not None
    assert accepted.outcome == Failed("no", details=kept)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "message"),
        (b"[]", "the body"),
        (b'{"message": 5}', "message"),
        (b'{"message": "no", "non_retryable": "yes"}', "non_retryable"),
        (b'{"message": "no", "nonRetryable": true}', "nonRetryable"),
        (b'{"message": "no", "next_retry_delay": -1}', "next_retry_delay"),
        (b'{"message": "no", "next_retry_delay": 1e12}', "next_retry_delay"),
        (b'{"message": "no", "type": ""}', "type"),
    ],
)
async def test_malformed_failure_returns_400_that_says_where(
    house: HouseWithCallback, body: bytes, where: str
) -> None:
    reply = await house.http.post(house.path() + "/fail", content=body)

    assert reply.status_code == 400
    assert where in reply.json()["detail"]
    assert (await house.now()).state is State.OPEN


async def test_waiting_sender_gets_200_when_the_answer_is_applied(house: HouseWithCallback) -> None:
    reply = await house.http.post(house.path(), json=1, headers={"prefer": "wait=5"})

    assert reply.status_code == 200
    assert reply.json()["state"] == "applied"
    assert reply.headers["preference-applied"] == "wait=5"


async def test_waiting_sender_gets_410_when_the_activity_had_ended(
    house: HouseWithCallback,
) -> None:
    house.activities.end(house.callback.ref, how="timed out")

    reply = await house.http.post(house.path(), json=1, headers={"prefer": "wait=5"})

    again = await house.http.post(house.path(), json=1, headers={"prefer": "wait=5"})
    view = (await house.http.get(house.path())).json()

    assert (reply.status_code, again.status_code) == (410, 410)
    assert "timed out" in reply.json()["detail"]
    assert (view["state"], "timed out" in view["reason"]) == ("superseded", True)


async def test_same_answer_again_returns_200_as_a_duplicate(house: HouseWithCallback) -> None:
    first = await house.http.post(house.path(), content=b'{"a":1,"b":2}')

    again = await house.http.post(house.path(), content=b'{"b": 2, "a": 1}')

    assert again.status_code == 200
    assert again.json()["duplicate"] is True
    assert again.json()["accepted_at"] == first.json()["accepted_at"]


async def test_second_different_answer_returns_409_with_the_time_of_the_first(
    house: HouseWithCallback,
) -> None:
    first = await house.http.post(house.path(), json=1)

    other = await house.http.post(house.path() + "/fail", json={"message": "no"})

    assert other.status_code == 409
    assert other.headers["content-type"] == PROBLEM
    assert other.json()["accepted_at"] == first.json()["accepted_at"]


async def test_answer_to_an_expired_callback_returns_410_with_the_reason(
    house: HouseWithCallback,
) -> None:
    await house.store.expire([factories.expiry(house.callback, "the activity timed out")])

    reply = await house.http.post(house.path(), json=1)

    assert reply.status_code == 410
    assert reply.json()["reason"] == "the activity timed out"


@pytest.mark.parametrize("suffix", ["", "/complete", "/fail", "/heartbeat", "/cancel"])
async def test_every_bad_link_gets_the_same_404(house: HouseWithCallback, suffix: str) -> None:
    good = house.path()
    expired = house.path(expires_in=timedelta(seconds=-1))
    unscoped = house.path(verbs=frozenset({Verb.VIEW}))
    edited = good[:-1] + ("A" if good[-1] != "A" else "B")
    pasted = "/c/CiQwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDASBHdmLTE="

    paths = [expired, unscoped, edited, pasted, "/c/x", "/c/x/", "/nowhere"]
    replies = [await house.http.post(path + suffix, json={"message": "no"}) for path in paths]

    assert {reply.status_code for reply in replies} == {404}
    assert len({reply.content for reply in replies}) == 1
    assert len({tuple(sorted(reply.headers.items())) for reply in replies}) == 1
    assert (await house.now()).state is State.OPEN


async def test_link_is_checked_before_the_body(house: HouseWithCallback) -> None:
    reply = await house.http.post("/c/x", content=b"x" * (LIMIT + 1))

    assert reply.status_code == 404


@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "streamed"])
async def test_body_over_the_limit_returns_413(
    house: HouseWithCallback, *, is_declared: bool
) -> None:
    body = b'"' + b"x" * (LIMIT - 1) + b'"'

    async def streamed() -> AsyncIterator[bytes]:
        yield body

    reply = await house.http.post(house.path(), content=body if is_declared else streamed())

    assert reply.status_code == 413
    assert reply.json()["limit"] == LIMIT
    assert (await house.now()).state is State.OPEN


async def test_body_at_the_limit_is_accepted(house: HouseWithCallback) -> None:
    reply = await house.http.post(house.path(), content=b'"' + b"x" * (LIMIT - 2) + b'"')

    assert reply.status_code == 202


@pytest.mark.parametrize(
    "body", [b"{", b"nan", b"NaN", b"\xff", b"[" * 500, b"'x'", b'"\\ud800"', b" "]
)
async def test_body_that_is_not_json_returns_400(house: HouseWithCallback, body: bytes) -> None:
    reply = await house.http.post(
        house.path(), content=body, headers={"content-type": "application/json"}
    )

    assert reply.status_code == 400
    assert (await house.now()).state is State.OPEN


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json; charset=utf-8", 202),
        ("APPLICATION/JSON", 202),
        ("application/vnd.psp+json", 202),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("application/octet-stream", 415),
        ("", 202),
        ("; charset=utf-8", 202),
        ('application/json; charset="UTF-8"', 202),
        ("application/json; charset=utf-16", 415),
        ("application/json;charset=iso-8859-1", 415),
    ],
)
async def test_body_declared_as_another_type_returns_415(
    house: HouseWithCallback, media_type: str, status: int
) -> None:
    reply = await house.http.post(house.path(), content=b"1", headers={"content-type": media_type})

    assert reply.status_code == status


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "zstd", "gzip, identity"])
async def test_encoded_body_returns_415_and_says_to_send_it_uncompressed(
    house: HouseWithCallback, encoding: str
) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    reply = await house.http.post(house.path(), content=gzip.compress(b"1"), headers=headers)

    assert reply.status_code == 415
    assert f"Content-Encoding {encoding.lower()} is not supported" in reply.json()["detail"]
    assert "uncompressed" in reply.json()["detail"]


async def test_byte_order_mark_of_utf_8_is_dropped(house: HouseWithCallback) -> None:
    headers = {"content-type": "application/json", "content-encoding": "identity"}
    reply = await house.http.post(house.path(), content=b"\xef\xbb\xbf1", headers=headers)

    accepted = (await house.now()).accepted
    assert reply.status_code == 202
    assert accepted is not None
    assert accepted.outcome == Completed(b"1")


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_body_in_utf_16_returns_400_that_says_so(
    house: HouseWithCallback, charset: str
) -> None:
    headers = {"content-type": "application/json"}
    reply = await house.http.post(house.path(), content='{"a": 1}'.encode(charset), headers=headers)

    assert reply.status_code == 400
    assert "send JSON in UTF-8" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("", b"1e400"),
        ("/complete", b'{"a": [-1e400]}'),
        ("/fail", b'{"message": "no", "details": 1e400}'),
        ("/cancel", b"1e400"),
        ("/heartbeat", b'{"progress": 1e400}'),
    ],
)
async def test_number_out_of_range_returns_400(
    house: HouseWithCallback, verb: str, body: bytes
) -> None:
    headers = {"content-type": "application/json"}
    reply = await house.http.post(house.path() + verb, content=body, headers=headers)

    assert reply.status_code == 400
    assert "out of range" in reply.json()["detail"]


@pytest.mark.parametrize("body", [b"[]", b'"no"', b"1", b"null"])
async def test_failure_that_is_not_an_object_returns_400_in_plain_words(
    house: HouseWithCallback, body: bytes
) -> None:
    headers = {"content-type": "application/json"}
    reply = await house.http.post(f"{house.path()}/fail", content=body, headers=headers)

    assert reply.status_code == 400
    assert reply.json()["detail"] == "the body: send a JSON object"


async def test_answer_returns_503_while_the_store_is_unavailable(house: HouseWithCallback) -> None:
    house.database.is_available = False

    reply = await house.http.post(house.path(), json=1)

    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) >= 1


async def test_answer_is_accepted_while_temporal_is_unreachable(house: HouseWithCallback) -> None:
    house.activities.is_reachable = False

    reply = await house.http.post(house.path(), json=1, headers={"prefer": "wait=0"})

    assert reply.status_code == 202
    assert (await house.now()).state is State.ACCEPTED


async def test_heartbeat_is_sent_and_returns_the_reply_of_temporal(
    house: HouseWithCallback,
) -> None:
    house.activities.request_cancel(house.callback.ref)

    reply = await house.http.post(house.path() + "/heartbeat", json={"progress": 0.5})

    assert reply.status_code == 200
    assert reply.json()["cancel_requested"] is True
    assert house.activities.heartbeats == [(house.callback.ref, b'{"progress":0.5}')]


async def test_heartbeat_after_the_answer_returns_410(
    house: HouseWithCallback,
) -> None:
    await house.http.post(house.path(), json=1)

    reply = await house.http.post(house.path() + "/heartbeat")

    assert reply.status_code == 410


async def test_heartbeat_to_an_ended_activity_returns_410_with_the_reason(
    house: HouseWithCallback,
) -> None:
    house.activities.end(house.callback.ref, how="timed out")

    reply = await house.http.post(house.path() + "/heartbeat")

    assert reply.status_code == 410
    assert "timed out" in reply.json()["reason"]


async def test_heartbeat_is_stored_while_temporal_is_unreachable(
    house: HouseWithCallback,
) -> None:
    house.activities.is_reachable = False

    assert (await house.http.post(house.path() + "/heartbeat", json=1)).status_code == 200
    assert (await house.now()).heartbeat_state.details == b"1"


async def test_cancellation_is_accepted_only_after_it_was_requested(
    house: HouseWithCallback,
) -> None:
    early = await house.http.post(house.path() + "/cancel", json="stopped")
    house.activities.request_cancel(house.callback.ref)
    later = await house.http.post(house.path() + "/cancel", json="stopped")

    assert (early.status_code, later.status_code) == (409, 202)
    assert early.json()["type"] == "urn:ringback:no-cancel-requested"


async def test_view_contains_commands_that_answer(house: HouseWithCallback) -> None:
    reply = await house.http.get(house.path())

    view = reply.json()
    assert (view["state"], view["waiting"], view["cancel_requested"]) == ("open", True, False)
    assert view["allows"] == ["complete", "fail", "heartbeat", "view"]
    assert house.path() in view["examples"]["complete"]
    assert reply.headers["cache-control"] == "no-store"


async def test_view_contains_only_what_the_link_allows(house: HouseWithCallback) -> None:
    path = house.path(verbs=frozenset({Verb.VIEW, Verb.HEARTBEAT}))

    view = (await house.http.get(path)).json()

    assert view["allows"] == ["heartbeat", "view"]
    assert list(view["examples"]) == ["heartbeat"]


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_view_changes_nothing(house: HouseWithCallback, method: str, accept: str) -> None:
    before = await house.now(), await house.store.audit_trail(house.callback.id)

    for suffix in ("", "/complete", "/fail", "/heartbeat", "/cancel"):
        await house.http.request(method, house.path() + suffix, headers={"accept": accept})

    assert (await house.now(), await house.store.audit_trail(house.callback.id)) == before
    assert house.activities.deliveries == []
    assert house.activities.heartbeats == []


async def test_page_for_a_browser_sends_other_sites_no_referrer(
    house: HouseWithCallback,
) -> None:
    reply = await house.http.get(house.path(), headers={"accept": "text/html"})

    assert reply.headers["content-type"].startswith("text/html")
    assert reply.headers["referrer-policy"] == "same-origin"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "charge" in reply.text


async def test_unsupported_method_returns_405(house: HouseWithCallback) -> None:
    reply = await house.http.put(house.path(), json=1)

    assert reply.status_code == 405
    assert reply.headers["content-type"] == PROBLEM
    assert "POST" in reply.headers["allow"]


async def test_readiness_means_that_answers_can_be_stored(house: HouseWithCallback) -> None:
    ready = await house.http.get("/readyz")
    house.activities.is_reachable = False
    without_temporal = await house.http.get("/readyz")
    house.database.is_available = False
    house.clock.advance(timedelta(seconds=1))
    without_store = await house.http.get("/readyz")

    assert (ready.status_code, ready.json()["temporal"]) == (200, "ok")
    assert (without_temporal.status_code, without_temporal.json()["temporal"]) == (
        200,
        "unreachable",
    )
    assert without_store.status_code == 503


async def test_stored_answer_never_returns_503(
    house: HouseWithCallback,
) -> None:
    """The store goes away while the sender waits for the verdict."""
    house.activities.is_frozen.set()
    waiting = asyncio.ensure_future(
        house.http.post(house.path(), json=1, headers={"prefer": "wait=1"})
    )
    await idle()

    house.database.is_available = False
    for _ in range(3):
        house.clock.advance(timedelta(milliseconds=500))
        await idle()

    assert (await waiting).status_code == 202


async def test_liveness_checks_nothing(house: HouseWithCallback) -> None:
    house.database.is_available = False

    assert (await house.http.get("/healthz")).status_code == 200


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60), media_type=st.sampled_from(["application/json", None]))
async def test_any_bytes_get_a_documented_status(
    house: HouseWithCallback, body: bytes, media_type: str | None
) -> None:
    headers = {} if media_type is None else {"content-type": media_type}

    for suffix in ("", "/fail"):
        reply = await house.http.post(house.path() + suffix, content=body, headers=headers)
        assert reply.status_code in {200, 202, 400, 409}


async def test_known_view_returns_304(house: HouseWithCallback) -> None:
    first = await house.http.get(house.path())
    tag = first.headers["etag"]

    known = [tag, f"W/{tag}", f'"other", {tag}', "*"]
    again = [await house.http.get(house.path(), headers={"if-none-match": one}) for one in known]
    other = await house.http.get(house.path(), headers={"if-none-match": '"other"'})

    assert [reply.status_code for reply in again] == [304] * len(known)
    assert {reply.content for reply in again} == {b""}
    assert other.status_code == 200


async def test_waiting_viewer_gets_the_view_when_it_changes(house: HouseWithCallback) -> None:
    seen = await house.http.get(house.path())
    headers = {"prefer": "wait=60", "if-none-match": seen.headers["etag"]}

    waiting = asyncio.ensure_future(house.http.get(house.path(), headers=headers))
    await idle()
    was_waiting = not waiting.done()
    await house.http.post(house.path(), content=b"1")
    house.clock.advance(timedelta(seconds=1))
    reply = await waiting

    assert was_waiting
    assert reply.status_code == 200
    assert reply.json()["state"] != "open"
    assert reply.headers["preference-applied"] == "wait=60"


async def test_waiting_viewer_gets_304_when_the_time_is_up(house: HouseWithCallback) -> None:
    seen = await house.http.get(house.path())
    headers = {"prefer": "wait=2", "if-none-match": seen.headers["etag"]}

    waiting = asyncio.ensure_future(house.http.get(house.path(), headers=headers))
    for _ in range(4):
        await idle()
        house.clock.advance(timedelta(milliseconds=500))
    reply = await waiting

    assert reply.status_code == 304


async def test_viewer_with_an_old_tag_gets_the_view_immediately(house: HouseWithCallback) -> None:
    seen = await house.http.get(house.path())
    await house.http.post(house.path(), content=b"1")

    headers = {"prefer": "wait=60", "if-none-match": seen.headers["etag"]}
    reply = await house.http.get(house.path(), headers=headers)

    assert reply.status_code == 200


async def test_request_to_cancel_that_only_temporal_shows_ends_one_wait(
    house: HouseWithCallback,
) -> None:
    house.activities.request_cancel(house.callback.ref)
    told = await house.http.get(house.path())
    headers = {"prefer": "wait=2", "if-none-match": told.headers["etag"]}

    waiting = asyncio.ensure_future(house.http.get(house.path(), headers=headers))
    await idle()
    looks = len(house.activities.looks)
    for _ in range(4):
        house.clock.advance(timedelta(milliseconds=500))
        await idle()
    reply = await waiting

    assert told.json()["cancel_requested"] is True
    assert reply.status_code == 304
    assert len(house.activities.looks) <= looks + 1


async def test_end_of_a_pause_that_was_never_polled_ends_the_wait(
    house: HouseWithCallback,
) -> None:
    house.activities.pause(house.callback.ref)
    paused = await house.http.get(house.path())
    headers = {"prefer": "wait=60", "if-none-match": paused.headers["etag"]}

    waiting = asyncio.ensure_future(house.http.get(house.path(), headers=headers))
    await idle()
    house.activities.unpause(house.callback.ref)
    house.clock.advance(LONGEST)
    await idle()

    assert waiting.done()
    assert [paused.json()["paused"], (await waiting).json()["paused"]] == [True, False]


def html(reply: httpx2.Response) -> str:
    assert reply.headers["content-type"].startswith("text/html")
    return reply.text


BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_ended_callback_shows_how_it_ended_and_no_commands(house: HouseWithCallback) -> None:
    await house.http.post(house.path() + "/fail", json={"message": "no", "non_retryable": True})

    view = (await house.http.get(house.path())).json()
    text = html(await house.http.get(house.path(), headers=BROWSER))

    assert (view["outcome"], view["allows"], view["examples"]) == ("failed", ["view"], {})
    assert "failed: no" in text
    assert "Accepted, not yet applied" in text or '<p class="state">Failed</p>' in text
    assert "curl" not in text


async def test_callback_whose_activity_ended_shows_no_commands(house: HouseWithCallback) -> None:
    house.activities.end(house.callback.ref, how="timed out")

    view = (await house.http.get(house.path())).json()
    text = html(await house.http.get(house.path(), headers=BROWSER))

    assert (view["waiting"], view["allows"], view["examples"]) == (False, ["view"], {})
    assert "The activity no longer waits for an answer." in text
    assert "curl" not in text


async def test_cancel_is_allowed_once_it_was_requested(house: HouseWithCallback) -> None:
    house.activities.request_cancel(house.callback.ref)

    view = (await house.http.get(house.path())).json()

    assert "cancel" in view["allows"]
    assert "cancel" in view["examples"]


@pytest.mark.parametrize("path", ["/c/nonsense", "/c/k1.AAAA.BBBB", "/nothing", "/c/"])
async def test_browser_gets_a_page_for_a_bad_link_and_a_program_json(
    house: HouseWithCallback, path: str
) -> None:
    reply = await house.http.get(path, headers=BROWSER)
    program = await house.http.get(path)

    assert (reply.status_code, program.status_code) == (404, 404)
    assert "This link is invalid or has expired" in html(reply)
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert program.headers["content-type"] == PROBLEM


async def test_browser_gets_a_page_for_other_errors(house: HouseWithCallback) -> None:
    method = await house.http.get(house.path() + "/fail", headers=BROWSER)
    house.database.is_available = False
    store = await house.http.get(house.path(), headers=BROWSER)

    assert (method.status_code, method.headers["allow"]) == (405, "POST")
    assert "Method Not Allowed" in html(method)
    assert store.status_code == 503
    assert "retry-after" in store.headers
    assert "This does not work at the moment" in html(store)


async def test_post_from_a_browser_gets_json(house: HouseWithCallback) -> None:
    reply = await house.http.post("/c/nonsense", json=1, headers=BROWSER)

    assert (reply.status_code, reply.headers["content-type"]) == (404, PROBLEM)


async def test_front_page_is_for_browsers_only(house: HouseWithCallback) -> None:
    browser, program = (
        await house.http.get("/", headers=BROWSER),
        await house.http.get("/"),
    )

    assert browser.status_code == 200
    assert "This is a Ringback gateway" in html(browser)
    assert (program.status_code, program.headers["content-type"]) == (404, PROBLEM)


async def test_link_of_another_keyring_is_logged_by_its_key_id(
    house: HouseWithCallback, caplog: pytest.LogCaptureFixture
) -> None:
    path = house.path().replace("/c/k1.", "/c/k43af89.")

    replies = [await house.http.post(path, json=True) for _ in range(2)]

    assert [reply.status_code for reply in replies] == [404, 404]
    (message,) = [record.getMessage() for record in caplog.records]
    assert "k43af89" in message
    assert path not in message


@pytest.mark.parametrize("edit", ["k1.", "", "k 1."])
async def test_edited_link_is_not_logged_as_one_of_another_keyring(
    house: HouseWithCallback, caplog: pytest.LogCaptureFixture, edit: str
) -> None:
    path = house.path().replace("/c/k1.", f"/c/{edit}x")

    assert (await house.http.post(path, json=True)).status_code == 404
    assert not caplog.records
