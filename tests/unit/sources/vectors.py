"""Signed requests that providers published or their SDKs accept, and their mutations."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ringback.sources.matching import Fetch
from ringback.sources.signature_table import PROVIDERS
from ringback.sources.signatures import Verifier
from ringback.sources.verdict import IncomingRequest, Refusal, Verified

URL: Final = "https://ring.example/in/provider"
NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Signed:
    """A request, signed for the scheme `name` with `secret`, at `now`."""

    name: str
    secret: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    url: str = URL
    now: datetime = NOW
    more: tuple[tuple[str, str], ...] = field(default=())

    def request(self) -> IncomingRequest:
        pairs = [*self.headers.items(), *self.more]
        headers = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
        return IncomingRequest(self.method, self.url, headers, self.body)

    def verify(
        self, *, secrets: list[str] | None = None, fetch: Fetch | None = None
    ) -> Verified | Refusal:
        verifier = Verifier(PROVIDERS[self.name], secrets or [self.secret], fetch=fetch)
        return verifier.verify(self.request(), self.now)

    def with_header(self, name: str, value: str) -> "Signed":
        return replace(self, headers={**self.headers, name: value})

    def later(self, seconds: float) -> "Signed":
        return replace(self, now=self.now + timedelta(seconds=seconds))


def _read(vector: dict[str, Any]) -> Signed:
    return Signed(
        vector["scheme"],
        vector["secret"],
        vector["headers"],
        vector["body"].encode(),
        method=vector["method"],
        url=vector.get("url", URL),
        now=datetime.fromtimestamp(vector["now"], UTC) if "now" in vector else NOW,
    )


VECTORS: Final = {
    vector["id"]: _read(vector)
    for name in ("vectors.json", "sdk_vectors.json")
    for vector in json.loads(Path(__file__).with_name(name).read_text("utf-8"))
}
"""Published requests, then those that a provider's SDK or a well-known verifier accepts.

Each says in `source` where it comes from. An SDK signed it, or accepted it and refused its body
with one more character.
"""


def mutations(signed: Signed, names: tuple[str, ...]) -> Iterator[tuple[str, Signed]]:
    """Yield what must be refused: changes of the body and of the headers `names`."""
    yield "body longer", replace(signed, body=signed.body + b" ")
    yield "body cut", replace(signed, body=signed.body[:-1])
    for name in names:
        value = signed.headers[name]
        without = {key: one for key, one in signed.headers.items() if key != name}
        yield f"{name} missing", replace(signed, headers=without)
        yield f"{name} empty", signed.with_header(name, "")
        yield f"{name} twice", replace(signed, more=((name, value),))
        yield f"{name} twice in another case", replace(signed, more=((name.upper(), value),))
        yield (
            f"{name} with another before it",
            replace(signed, headers={name.upper(): "x"}, more=tuple(signed.headers.items())),
        )
        yield f"{name} cut at its end", signed.with_header(name, value[:-1])
        yield f"{name} cut at its beginning", signed.with_header(name, value[1:])
        yield f"{name} with a space before", signed.with_header(name, f" {value}")
        yield f"{name} with a space after", signed.with_header(name, f"{value} ")
        yield f"{name} in capitals", signed.with_header(name, value.upper())
        yield f"{name} not ASCII", signed.with_header(name, f"{value[:-1]}\xe9")
        yield f"{name} reversed", signed.with_header(name, value[::-1])
