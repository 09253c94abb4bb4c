"""The queues of `ringback.toml`: what they become, and each message about what is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest

from ringback.domain.errors import ConfigurationError
from ringback.settings import load_settings
from ringback.sources.queue_config import QueueConfig, QueueKind, load_queues
from ringback.sources.rules import Action

SECRET = "hunter2-hunter2"  # noqa: S105 - it is looked for in messages
URL = f"amqp://ada:{SECRET}@rabbit.example/shop"
ENVIRON = {"URL": URL, "NATS": f"nats://{SECRET}@nats.example", "EMPTY": "", "OTHER": SECRET}

HEAD = '[queues.q]\nurl = "env:URL"\nqueue = "answers"\n'
RULE = '[[queues.q.rules]]\naction = "complete"\nkey = "id"\n'


def load(tmp_path: Path, text: str) -> dict[str, QueueConfig]:
    path = tmp_path / "ringback.toml"
    path.write_text(text, "utf-8")
    return load_queues(path, ENVIRON)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, text)
    assert SECRET not in str(raised.value)
    start = f"{tmp_path / 'ringback.toml'}: "
    lines = str(raised.value).split("\n")
    assert all(line.startswith(start) for line in lines)
    return [line.removeprefix(start) for line in lines]


def test_file_without_queues_has_none(tmp_path: Path) -> None:
    assert load(tmp_path, "body_limit = 5") == {}
    assert load_queues(tmp_path / "missing.toml", {}) == {}


def test_queue_that_says_little_has_the_defaults(tmp_path: Path) -> None:
    queue = load(tmp_path, HEAD)["q"]

    assert (queue.name, queue.kind, queue.url) == ("q", QueueKind.RABBITMQ, URL)
    assert (queue.place, queue.group, queue.prefetch) == ("answers", "ringback", 256)
    assert (queue.trusted, queue.rules, queue.batch) == (False, (), None)
    assert queue.ttl == timedelta(hours=24)
    assert queue.headers == {"content-type"}
    assert SECRET not in repr(queue)


def test_queue_with_everything(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("nats://nats.example\n")
    queue = load(
        tmp_path,
        """
        [queues.q]
        url = "file:url"
        stream = "ORDERS"
        group = "ringback-1"
        prefetch = 10
        trusted = true
        ttl = "2d"
        headers = ["X-Extra", "Ringback-Link"]
        batch = "items"

        [[queues.q.rules]]
        when = "header('X-Live') != 'no'"
        key = "id"
        action = "complete"
        result = "amount"
        """,
    )["q"]

    assert (queue.kind, queue.url, queue.place) == (QueueKind.NATS, "nats://nats.example", "ORDERS")
    assert (queue.group, queue.prefetch, queue.trusted) == ("ringback-1", 10, True)
    assert (queue.ttl, len(queue.rules)) == (timedelta(days=2), 1)
    assert queue.rules[0].action is Action.COMPLETE
    # A link is a credential, and no event keeps it.
    assert queue.headers == {"content-type", "x-extra", "x-live"}


@pytest.mark.parametrize(
    ("url", "place", "kind"),
    [
        ("amqps://ada@rabbit.example", "queue", QueueKind.RABBITMQ),
        ("nats://a:4222,nats://b:4222", "stream", QueueKind.NATS),
        ("kafka://a:9092,b:9092", "topic", QueueKind.KAFKA),
        ("kafkas://a:9093?mechanism=SCRAM-SHA-512", "topic", QueueKind.KAFKA),
        ("redis://cache:6379/1", "stream", QueueKind.REDIS),
        ("rediss://cache", "stream", QueueKind.REDIS),
    ],
)
def test_scheme_chooses_the_broker(tmp_path: Path, url: str, place: str, kind: QueueKind) -> None:
    queue = load(tmp_path, f'[queues.q]\nurl = "{url}"\n{place} = "x"\n')["q"]

    assert (queue.kind, queue.url, queue.place) == (kind, url, "x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("queues = 5", ["queues: write a table for each queue: [queues.NAME]"]),
        ("[queues]\nq = 5", ["queues.q: write a table: [queues.q]"]),
        ('[queues."a/b"]', ["queues.a/b: use letters, digits, - and _ in a name"]),
        ("[queues.q]\nqueue = 'x'", ["queues.q.url: this key is missing"]),
        ("[queues.q]\nurl = 5\nqueue = 'x'", ["queues.q.url: write a text in quotes"]),
        (
            "[queues.q]\nurl = 'env:NOPE'\nqueue = 'x'",
            [
                "queues.q.url: the variable that it names is not set; set it where the gateway"
                " starts"
            ],
        ),
        (
            f"[queues.q]\nurl = '{URL}'\nqueue = 'x'",
            [
                "queues.q.url: a URL with a user's password or token does not belong in this file;"
                " write env:NAME for a variable or file:PATH for a file"
            ],
        ),
        (
            "[queues.q]\nurl = 'nats://token@nats.example'\nstream = 'x'",
            [
                "queues.q.url: a URL with a user's password or token does not belong in this file;"
                " write env:NAME for a variable or file:PATH for a file"
            ],
        ),
        (
            f"[queues.q]\nurl = 'redis://cache?password={SECRET}'\nstream = 'x'",
            [
                "queues.q.url: a URL with a user's password or token does not belong in this file;"
                " write env:NAME for a variable or file:PATH for a file"
            ],
        ),
        (
            "[queues.q]\nurl = 'env:OTHER'\nqueue = 'x'",
            [
                "queues.q.url: Ringback reads URLs that begin with one of amqp://, amqps://,"
                " nats://, kafka://, kafkas://, redis://, rediss://"
            ],
        ),
        (
            "[queues.q]\nurl = 'env:URL'\ntopic = 'x'",
            [
                "queues.q.queue: this key is missing; write the queue of RabbitMQ to read",
                "queues.q.topic: RabbitMQ does not use it; remove it",
            ],
        ),
        (HEAD + "group = 'g'", ["queues.q.group: RabbitMQ does not use it; remove it"]),
        (
            "[queues.q]\nurl = 'env:NATS'\nstream = 'x'\ngroup = 'a.b'",
            [
                "queues.q.group: NATS accepts no spaces and none of . * > / \\ in the name of a"
                " consumer"
            ],
        ),
        (HEAD + "prefetch = 0", ["queues.q.prefetch: Input should be greater than or equal to 1"]),
        (HEAD + "trusted = 'yes'", ["queues.q.trusted: Input should be a valid boolean"]),
        (HEAD + "ruls = []", ["queues.q.ruls: there is no such key; did you mean 'rules'?"]),
        (
            HEAD + RULE,
            [
                "queues.q.rules: rules answer callbacks, and a queue does not prove who published a"
                " message; write trusted = true if only programs that may answer can publish to it"
            ],
        ),
        (
            HEAD + "batch = 'x'",
            ["queues.q.batch: it is for rules; add [[queues.NAME.rules]] or remove it"],
        ),
        (
            HEAD + "trusted = true\n" + RULE.replace("key = ", "kee = "),
            [
                "queues.q.rules[0].kee: there is no such key; did you mean 'key'?",
                "queues.q.rules[0].key: this key is missing; write an expression for the"
                " callback's alias",
            ],
        ),
        (
            HEAD + "[sources.q]",
            [
                "queues.q: there is a source of this name, and events name only one; rename"
                " [queues.q]"
            ],
        ),
        (
            "sources = 5\n" + HEAD + "ttl = 5\nprefetch = true\n[queues.r]\nurl = 'env:EMPTY'\n",
            [
                "queues.q.prefetch: Input should be a valid integer",
                'queues.q.ttl: write a duration in quotes, such as "24h"',
                "queues.r.url: the variable that it names is not set; set it where the gateway"
                " starts",
            ],
        ),
    ],
)
def test_everything_that_is_wrong_is_said_at_once(
    tmp_path: Path, text: str, said: list[str]
) -> None:
    assert problems(tmp_path, text) == said


def test_settings_are_read_beside_queues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ringback.toml").write_text("body_limit = 5\n" + HEAD)

    assert load_settings().body_limit == 5
