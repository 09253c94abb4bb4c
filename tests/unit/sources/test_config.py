"""The sources of `ringback.toml`: what they become, and each message about what is wrong."""

import hmac
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringback.domain.errors import ConfigurationError
from ringback.settings import load_settings
from ringback.sources.config import Source, load_sources
from ringback.sources.rules import Action, Match, apply_rules
from ringback.sources.scheme import Pairs, Plain, Timestamp
from ringback.sources.source_event import SourceEvent
from ringback.sources.verdict import IncomingRequest, Verified
from tests.unit.sources.bodies import STRIPE

HEAD = '[sources.s]\nprovider = "github"\nsecrets = ["env:SECRET"]\n'
RULE = '[[sources.s.rules]]\naction = "complete"\nkey = "id"\n'
SECRET = "hunter2-hunter2"  # noqa: S105 - it is looked for in messages


def load(tmp_path: Path, text: str) -> dict[str, Source]:
    path = tmp_path / "ringback.toml"
    path.write_text(text, "utf-8")
    return load_sources(path, {"SECRET": SECRET, "EMPTY": ""})


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, text)
    assert SECRET not in str(raised.value)
    start = f"{tmp_path / 'ringback.toml'}: "
    lines = str(raised.value).split("\n")
    assert all(line.startswith(start) for line in lines)
    return [line.removeprefix(start) for line in lines]


def test_source_of_a_provider_verifies_and_answers(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old-secret\n")
    source = load(
        tmp_path,
        """
        body_limit = 5

        [sources.stripe]
        provider = "stripe"
        secrets = ["env:SECRET", "file:old"]
        tolerance = "10m"
        ttl = "P2D"
        limit = 50
        headers = ["X-Extra"]

        [[sources.stripe.rules]]
        when = "type == 'payment_intent.succeeded' && header('X-Live') != 'no'"
        key = "join(':', ['stripe', data.object.id])"
        action = "complete"
        result = "data.object.amount"

        [[sources.stripe.rules]]
        when = "type == 'payment_intent.payment_failed'"
        key = "join(':', ['stripe', data.object.id])"
        action = "fail"
        message = "'payment failed'"
        non_retryable = true
        """,
    )["stripe"]
    assert (source.name, source.ttl, source.limit) == ("stripe", timedelta(days=2), 50)
    assert source.headers == {"x-extra", "x-live", "content-type"}
    assert source.secrets == (SECRET, "old-secret")
    now = datetime(2026, 11, 29, tzinfo=UTC)
    sent = str(int(now.timestamp()) - 599)
    signature = hmac.digest(b"old-secret", f"{sent}.".encode() + STRIPE, "sha256").hex()
    header = f"t={sent},v1={signature}".encode()
    request = IncomingRequest(
        "POST", "https://x/in/stripe", [(b"Stripe-Signature", header)], STRIPE
    )
    assert source.verifier.verify(request, now) == Verified(secret_index=1)
    assert source.verifier.verify(request, now + timedelta(seconds=2)) != Verified(secret_index=1)
    (match,) = apply_rules(source.rules, SourceEvent(STRIPE, {}), batch=source.batch)
    assert isinstance(match, Match)
    assert (match.action, match.body) == (Action.COMPLETE, b"2000")


def test_defaults(tmp_path: Path) -> None:
    source = load(tmp_path, HEAD)["s"]
    assert (source.ttl, source.limit) == (timedelta(hours=24), None)
    assert (source.rules, source.batch) == ((), None)
    assert source.headers == {"content-type"}


def test_generic_schemes(tmp_path: Path) -> None:
    sources = load(
        tmp_path,
        """
        [sources.pairs]
        scheme = "hmac"
        header = "X-Signature"
        member = "v1"
        delimiter = ";"
        digest = "sha512"
        encoding = "base64"
        signed = "{timestamp}.{body}"
        timestamp = "header:X-Time"
        timestamp_unit = "ms"
        tolerance = "1m"
        delivery = ["header:X-Id", "body:id"]
        secrets = ["env:SECRET"]
        batch = "events[?header('x-kind') == kind]"

        [sources.plain]
        scheme = "hmac"
        header = "X-Signature"
        prefix = "sha256="
        secrets = ["env:SECRET"]

        [sources.token]
        scheme = "token"
        header = "X-Token"
        prefix = "Bearer "
        secrets = ["env:SECRET"]

        [sources.basic]
        scheme = "basic"
        secrets = ["env:SECRET"]
        """,
    )
    pairs = sources["pairs"].scheme
    assert (pairs.written, pairs.digest, pairs.encoding) == (Pairs("v1", ";"), "sha512", "base64")
    assert (pairs.signed, pairs.delivery) == ("{timestamp}.{body}", ("header:X-Id", "body:id"))
    assert pairs.timestamp == Timestamp("header:X-Time", "ms", tolerance=60)
    assert sources["pairs"].headers == {"x-kind", "content-type"}
    assert (sources["plain"].scheme.header, sources["plain"].scheme.written) == (
        "X-Signature",
        Plain("sha256="),
    )
    assert sources["token"].scheme.written == Plain("Bearer ")
    assert not sources["basic"].scheme.is_signed


def test_without_file_or_table_there_are_no_sources(tmp_path: Path) -> None:
    assert load_sources(tmp_path / "missing.toml", {}) == {}
    assert load(tmp_path, "body_limit = 5\n") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sources = 5", "sources: write a table for each source: [sources.NAME]"),
        ("sources.s = 5", "sources.s: write a table: [sources.s]"),
        (
            HEAD.replace("sources.s]", 'sources."a/b"]'),
            "sources.a/b: use letters, digits, - and _ in a name",
        ),
        (
            HEAD.replace("github", "gitub"),
            "sources.s.provider: Ringback does not know this provider; did you mean 'github'?",
        ),
        (
            HEAD.replace("github", "zzzzzz"),
            "sources.s.provider: Ringback does not know this provider; describe it with scheme ="
            " 'hmac'",
        ),
        (
            HEAD.replace('provider = "github"\n', ""),
            "sources.s.provider: write either provider, such as 'stripe', or scheme, such as"
            " 'hmac'",
        ),
        (HEAD + 'header = "X-A"', "sources.s.header: remove it: the provider sets it"),
        (
            HEAD.replace('provider = "github"', 'scheme = "basic"\ndigest = "sha1"'),
            "sources.s.digest: scheme 'basic' does not use it; remove it",
        ),
        (
            HEAD.replace('provider = "github"', 'scheme = "hmac"'),
            "sources.s.header: scheme 'hmac' needs the name of the header",
        ),
        (
            HEAD.replace(
                'provider = "github"', 'scheme = "hmac"\nheader="A"\nprefix="a"\nmember="b"'
            ),
            "sources.s.member: write either prefix or member",
        ),
        (
            HEAD.replace('provider = "github"', 'scheme = "jwt"'),
            "sources.s.scheme: Input should be 'hmac', 'token' or 'basic'",
        ),
        (
            HEAD.replace('provider = "github"', 'scheme = "hmac"\nheader="A"\nsigned="{bodi}"'),
            "sources.s: signed: there is no part {bodi} here",
        ),
        (
            HEAD + 'tolerance = "5m"',
            "sources.s.tolerance: GitHub does not send a time to check; remove it",
        ),
        (
            HEAD + 'verify_token = "env:SECRET"',
            "sources.s.verify_token: GitHub does not send one; remove it",
        ),
        (
            HEAD.replace("github", "meta") + f'verify_token = "{SECRET}"',
            "sources.s.verify_token: a secret does not belong in this file; write env:NAME",
        ),
        (
            HEAD.replace("github", "meta") + 'verify_token = "env:MISSING"',
            "sources.s.verify_token: the variable that it names is not set",
        ),
        (HEAD + "ttl = 5", 'sources.s.ttl: write a duration in quotes, such as "24h"'),
        (
            HEAD + 'ttl = "5 days"',
            "sources.s.ttl: '5 days' is not a duration; write 90m, 1h30m, 2d or PT2H",
        ),
        (HEAD + "limit = 0", "sources.s.limit: Input should be greater than 0"),
        (HEAD + 'headers = ["a b"]', "sources.s.headers[0]: String should match pattern"),
        (HEAD + 'tll = "1h"', "sources.s.tll: there is no such key; did you mean 'ttl'?"),
        (HEAD + "zzz = 1", "sources.s.zzz: there is no such key; remove it"),
        (HEAD + 'batch = "value["', "sources.s.batch: it is not JMESPath: it ends too early"),
        (HEAD + "batch = 5", "sources.s.batch: write a JMESPath expression in quotes"),
        (HEAD + "rules = 5", "sources.s.rules: write a list in brackets"),
        (HEAD + "rules = [5]", "sources.s.rules[0]: write a table"),
        (
            HEAD.replace('["env:SECRET"]', '"env:SECRET"'),
            "sources.s.secrets: write a list in brackets",
        ),
        (
            HEAD.replace("env:SECRET", SECRET),
            "sources.s.secrets[0]: a secret does not belong in this file; write env:NAME for a"
            " variable or file:PATH for a file",
        ),
        (
            HEAD.replace("env:SECRET", f"env:{SECRET}"),
            "sources.s.secrets[0]: the variable that it names is not set; set it where the gateway"
            " starts",
        ),
        (
            HEAD.replace("env:SECRET", "env:EMPTY"),
            "sources.s.secrets[0]: the variable that it names is not set; set it where the gateway"
            " starts",
        ),
        (
            HEAD.replace("env:SECRET", f"file:{SECRET}"),
            "sources.s.secrets[0]: the file that it names cannot be read: No such file",
        ),
        (
            HEAD.replace("env:SECRET", "file:\\u0000"),
            "sources.s.secrets[0]: the file that it names cannot be read: it is not a path",
        ),
        (
            HEAD.replace("github", "standard-webhooks"),
            "sources.s: standard-webhooks: a secret is not whsec_ and base 64",
        ),
        (
            HEAD + RULE + 'when = "type == payment succeeded"',
            "sources.s.rules[0].when: it is not JMESPath: 'succeeded' at character 17 is"
            " unexpected",
        ),
        (
            HEAD + RULE + "wen = \"type == 'a'\"",
            "sources.s.rules[0].wen: there is no such key; did you mean 'when'?",
        ),
        (
            HEAD + RULE.replace("complete", "finish"),
            "sources.s.rules[0].action: write one of complete, fail, heartbeat, cancel, ignore",
        ),
        (
            HEAD + '[[sources.s.rules]]\nkey = "id"',
            "sources.s.rules[0].action: this key is missing",
        ),
        (
            HEAD + '[[sources.s.rules]]\naction = "complete"',
            "sources.s.rules[0].key: this key is missing; write an expression for the callback's"
            " alias",
        ),
        (
            HEAD + RULE.replace("complete", "fail"),
            "sources.s.rules[0].message: this key is missing; write an expression for the"
            " failure's message",
        ),
        (
            HEAD + RULE + "message = \"'m'\"",
            "sources.s.rules[0].message: 'complete' does not use it; remove it",
        ),
        (
            HEAD + RULE.replace("complete", "fail") + 'message = "card declined"',
            "sources.s.rules[0].message: it is not JMESPath: 'declined' at character 6 is"
            " unexpected; a constant has quotes of its own: \"'card declined'\"",
        ),
    ],
)
def test_each_mistake_is_named_with_its_key(tmp_path: Path, text: str, expected: str) -> None:
    (line,) = problems(tmp_path, text)
    assert line.startswith(expected)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = """
    [sources.a]
    provider = "githb"
    secrets = ["env:MISSING", "plain"]
    header = "X-A"
    ttl = "soon"
    [[sources.a.rules]]
    when = "("
    action = "fail"
    [sources.b]
    provider = "githb"
    secrets = ["env:MISSING"]
    [sources.c]
    """
    assert [line.partition(": ")[0] for line in problems(tmp_path, text)] == [
        "sources.a.secrets[1]",
        "sources.a.ttl",
        "sources.a.rules[0].when",
        "sources.a.header",
        "sources.a.rules[0].key",
        "sources.a.rules[0].message",
        "sources.a.secrets[0]",
        "sources.b.secrets[0]",
        "sources.b.provider",
        "sources.c.secrets",
        "sources.c.provider",
    ]


def test_secret_of_bytes_that_are_not_text_or_empty_is_refused(tmp_path: Path) -> None:
    text = HEAD.replace("env:SECRET", "file:secret")
    (tmp_path / "secret").write_bytes(b"\xff")
    assert problems(tmp_path, text) == [
        "sources.s.secrets[0]: the file that it names is not UTF-8 text"
    ]
    (tmp_path / "secret").write_bytes(b"\n")
    assert problems(tmp_path, text) == [
        "sources.s.secrets[0]: the file that it names is empty; write the secret into it"
    ]


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    text = HEAD.replace("github", "meta") + 'verify_token = "env:SECRET"'
    source = load(tmp_path, text)["s"]
    assert source.verify_token == SECRET
    assert SECRET not in repr(source)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"[sources", "is not TOML"), (b"a = '\xff'", "is not UTF-8 text; save it as UTF-8")],
)
def test_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "ringback.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=expected) as raised:
        load_sources(path, {})
    assert str(raised.value).startswith(str(path))
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_sources(tmp_path, {})


def test_settings_leave_the_table_of_sources_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path, "body_limit = 5\n" + HEAD)
    monkeypatch.chdir(tmp_path)
    assert load_settings().body_limit == 5
