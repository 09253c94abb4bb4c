"""Settings of what clients may do: part of `ringback.settings`."""

from pydantic import Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """The settings of what clients may do. Each process counts by itself.

    Attributes:
        body_limit: The maximum size of a request body in bytes. Temporal accepts 2 MiB including
            its envelope; it replies OK to a larger result and fails the activity.
        keep_alive: How many seconds an idle connection stays open. Keep it longer than the idle
            timeout of the proxy or load balancer in front (often 60 seconds): a proxy that sends a
            request on a connection which the gateway just closed replies 502.
        link_rate: How many requests per second one link may make, separately for answers,
            heartbeats and reading; ten times as many may come at once. Beyond it they get 429 with
            `Retry-After`. 0 is no limit.
        key_rate: The same for the requests with one API key. 0, the default, is no limit: all
            workers may share a key.
        most_connections: How many connections a gateway has at most. Beyond it, it closes the
            connection that has been idle for the longest time; if none is idle, the new one gets
            503.
        most_connections_per_address: How many of them come from one address at most. A proxy has
            one address, so make it larger than what the proxy opens. 0 is no limit.
    """

    body_limit: int = Field(default=2 * 1024 * 1024 - 1024, gt=0)
    keep_alive: int = Field(default=75, gt=0, le=86_400)
    link_rate: int = Field(default=20, ge=0)
    key_rate: int = Field(default=0, ge=0)
    most_connections: int = Field(default=8192, gt=0)
    most_connections_per_address: int = Field(default=4096, ge=0)
