"""The page of metrics: `/metrics` of the gateway, or a port of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ringback.app.web import bound_socket, served
from ringback.core.gauges import GaugeReader
from ringback.core.health_checks import WriteChecker
from ringback.domain.link import Keyring
from ringback.gateway.metrics_endpoint import metrics_app
from ringback.instrumentation.prometheus import PrometheusHooks
from ringback.settings import Settings


class MetricsPage:
    """Renders all metrics of this process."""

    def __init__(
        self,
        counters: PrometheusHooks,
        gauges: GaugeReader,
        *,
        writes: WriteChecker,
        keyring: Keyring,
        is_temporal_up: Callable[[], bool | None] = lambda: None,
    ) -> None:
        """Show `counters`, `gauges`, whether the store accepts `writes`, and missing link keys."""
        self._counters = counters
        self._gauges = gauges
        self._writes = writes
        self._keyring = keyring
        self._is_temporal_up = is_temporal_up

    async def render(self) -> bytes:
        """Return the metrics as text; without those of the store if it cannot be read."""
        # A full disk must be noticed before the first sender gets 503: each scrape writes.
        reading, can_write = await asyncio.gather(self._gauges.read(), self._writes.can_write())
        used = frozenset[str]() if reading is None else reading.link_keys
        return self._counters.render(
            reading,
            can_write=can_write,
            is_temporal_up=self._is_temporal_up(),
            missing_link_keys=len(self._keyring.missing(used)),
        )


@asynccontextmanager
async def serving_metrics(
    page: MetricsPage, settings: Settings, *, host: str
) -> AsyncIterator[None]:
    """Serve `page` on the port of `RINGBACK_METRICS_PORT` for the block, if it is set.

    Raises:
        ConfigurationError: The port cannot be used.
    """
    if settings.metrics_port is None:
        yield
        return
    with bound_socket(host, settings.metrics_port) as listening:
        async with served(metrics_app(page.render), listening):
            yield
