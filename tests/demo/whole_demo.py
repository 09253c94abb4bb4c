"""Where the parts of a running demo are."""

from dataclasses import dataclass

from temporalio.client import Client

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Demo:
    temporal: Client
    temporal_address: str
    service_url: str
