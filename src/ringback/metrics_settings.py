"""Settings of the metrics: part of `ringback.settings`."""

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class MetricsSettings(BaseSettings):
    """The settings of the metrics.

    Attributes:
        metrics_port: A port of its own for `/metrics`, on the address of `--host`. Without it, the
            gateway serves `/metrics` with its other routes, and `ringback consume` serves none.
    """

    metrics_port: int | None = Field(default=None, ge=1, le=65_535)

    @field_validator("metrics_port", mode="before")
    @classmethod
    def _not_of_a_service(cls, value: object) -> object:
        # Kubernetes sets the variable to this for a service that is named `ringback-metrics`.
        return None if isinstance(value, str) and value.startswith("tcp://") else value
