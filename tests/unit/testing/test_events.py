"""The kit sends events of sources, signed as their providers sign."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from temporalio import activity

import ringback
from ringback import Callback
from ringback.domain.event import EventState
from ringback.sources.config import Source
from ringback.sources.scheme import BodyField, Check, Scheme
from ringback.sources.signature_table import PROVIDERS
from ringback.sources.signatures import Verifier
from ringback.sources.verdict import IncomingRequest, Verified
from ringback.testing import ActivityTestEnvironment, activity_environment
from ringback.testing.event_signing import read_sources, sign_event

NOW = datetime(2030, 1, 1, tzinfo=UTC)
URL = "https://ring.example/in/source"
SECRET = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"  # noqa: S105 - a test's
TOML = """
[sources.github]
provider = "github"
secrets = ["env:GITHUB_SECRET"]

[[sources.github.rules]]
when = "action == 'completed'"
key = "join(':', ['run', to_string(id)])"
action = "complete"
result = "conclusion"

[sources.adyen]
provider = "adyen"
secrets = ["env:ADYEN_SECRET"]
"""
DONE = {"action": "completed", "id": 42, "conclusion": "success"}

UNSIGNABLE = {Check.ED25519, Check.ECDSA, Check.RSA, Check.SNS, Check.PAYPAL, Check.ADYEN}


def is_signable(scheme: Scheme) -> bool:
    return scheme.check not in UNSIGNABLE and not isinstance(scheme.written, BodyField)


SIGNABLE = sorted(name for name, scheme in PROVIDERS.items() if is_signable(scheme))


@activity.defn
async def check_run(number: int) -> str:
    async def submit(_: Callback) -> None: ...

    return await ringback.wait_for_callback(submit, str, aliases=[f"run:{number}"])


@pytest.fixture
async def env() -> AsyncIterator[ActivityTestEnvironment]:
    async with activity_environment(sources=TOML) as env:
        yield env


@pytest.mark.parametrize("provider", SIGNABLE)
def test_provider_s_own_check_verifies_a_signed_event(provider: str) -> None:
    scheme = PROVIDERS[provider]
    verifier = Verifier(scheme, [SECRET])
    source = Source("source", scheme, (SECRET,), verifier, (), None, frozenset(), None, None)  # type: ignore[arg-type]  # - how long an event waits is another matter
    is_form = scheme.check is Check.TWILIO or "{form}" in scheme.signed
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if is_form else {}
    body = b"a=1&b=2" if is_form else b'{"data": {"id": "17"}}'
    url = f"{URL}?data.id=17" if "{query:" in scheme.signed else URL

    signed = sign_event(source, body, url=url, now=NOW, headers=kind)
    raw = [(name.encode(), value.encode()) for name, value in signed.items()]

    assert isinstance(verifier.verify(IncomingRequest("POST", url, raw, body), NOW), Verified)


async def test_event_of_a_source_answers_the_callback_with_its_alias(
    env: ActivityTestEnvironment,
) -> None:
    run = env.start(check_run, 42)
    await env.callback(alias="run:42")
    await env.send_event("github", DONE)

    assert await run.result() == "success"


async def test_event_waits_for_the_callback(env: ActivityTestEnvironment) -> None:
    await env.send_event("github", DONE)
    run = env.start(check_run, 42)

    assert await run.result() == "success"


async def test_secret_of_the_test_may_be_the_real_one() -> None:
    async with activity_environment(sources=TOML, secrets={"GITHUB_SECRET": "s3cret"}) as env:
        run = env.start(check_run, 42)
        digest = "0c2b1ac6"
        with pytest.raises(AssertionError, match="refused the event: 401"):
            await env.send_event(
                "github", DONE, headers={"X-Hub-Signature-256": f"sha256={digest}"}
            )
        await env.send_event("github", json.dumps(DONE).encode())

        assert await run.result() == "success"


async def test_unknown_source_names_the_known_ones(env: ActivityTestEnvironment) -> None:
    with pytest.raises(AssertionError, match="the sources are: github, adyen"):
        await env.send_event("gitlab", DONE)


async def test_provider_without_a_signer_says_what_to_do_instead(
    env: ActivityTestEnvironment,
) -> None:
    with pytest.raises(AssertionError, match="cannot sign for Adyen, payments: pass the headers"):
        await env.send_event("adyen", DONE)


def test_sources_of_a_missing_file_are_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        read_sources("no-such-file.toml", None)


async def test_events_say_what_became_of_them(env: ActivityTestEnvironment) -> None:
    env.start(check_run, 42)
    await env.callback(alias="run:42")
    await env.send_event("github", {"action": "requested", "id": 42})
    await env.send_event("github", {"action": "completed", "id": 42, "conclusion": 7})

    other, wrong = sorted(await env.events(), key=lambda event: event.action or "")
    assert (wrong.state, wrong.alias) == (EventState.DEAD, "run:42")
    assert "string" in (wrong.reason or "")
    assert (other.state, other.reason) == (EventState.IGNORED, "no rule applies")
