"""The connection to Temporal: open it by the SDK's own configuration, and check it."""

import re
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RespondActivityTaskCompletedByIdRequest,
)
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import (
    ActivityGoneError,
    ConfigurationError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.temporal.requests import describe_namespace, describe_workflow, read_history
from ringback.temporal.rpc import Request, in_time, to_request, translated

if TYPE_CHECKING:
    # It loads everything that a worker needs; a gateway does not need it.
    from temporalio.plugin import SimplePlugin


_ADDRESS: Final = "127.0.0.1:7233"
_HOST_AND_PORT: Final = re.compile(r"[^\s/]+:\d+")
_HEALTH_TIMEOUT: Final = timedelta(seconds=2)


async def connect(
    *plugins: "SimplePlugin",
    data_converter: DataConverter = DataConverter.default,
    address: str | None = None,
    runtime: Runtime | None = None,
) -> Client:
    """Connect to the server of `TEMPORAL_*` or `temporal.toml`.

    `address` replaces only the server's address. Without `runtime`, the SDK logs only errors.

    Raises:
        ConfigurationError: The SDK's configuration is invalid.
        TemporalUnreachableError: The server does not reply.
    """
    config = _load_config(address)
    try:
        return await Client.connect(
            **config,
            plugins=list(plugins),
            data_converter=data_converter,
            runtime=runtime or _runtime(),
        )
    except RuntimeError as exc:
        msg = f"Temporal does not reply at {config['target_host']}; is it running? ({exc})"
        raise TemporalUnreachableError(msg) from exc


async def connect_lazily(
    data_converter: DataConverter = DataConverter.default, *, address: str | None = None
) -> Client:
    """Return a client that connects with its first request.

    So a gateway starts and accepts answers while the server is down. `address` is as in `connect`.

    Raises:
        ConfigurationError: The SDK's configuration is invalid.
    """
    config = _load_config(address)
    return await Client.connect(
        **config, lazy=True, data_converter=data_converter, runtime=_runtime()
    )


@cache
def _runtime() -> Runtime:
    # The SDK logs to standard output, where commands print their results: only errors.
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=quiet)))


def _load_config(given_address: str | None) -> ClientConnectConfig:
    try:
        config = ClientConfig.load_client_connect_config()
    except (RuntimeError, OSError) as exc:
        msg = f"the configuration of the connection to Temporal is invalid: {exc}"
        raise ConfigurationError(msg) from exc
    if given_address is not None:
        config["target_host"] = given_address
    address = config.setdefault("target_host", _ADDRESS)
    if not _HOST_AND_PORT.fullmatch(address):
        msg = f"TEMPORAL_ADDRESS must be <host>:<port>, not {address!r}"
        raise ConfigurationError(msg)
    return config


async def check_connection(client: Client) -> None:
    """Check that the server of `client` replies, accepts the client and has its namespace.

    Raises:
        TemporalMisconfiguredError: The server rejects the client or lacks the namespace.
        TemporalUnreachableError: The server does not reply; the message quotes the SDK.
    """
    request = describe_namespace(client.workflow_service, client.namespace)
    with translated():
        await in_time(request, within=_HEALTH_TIMEOUT)


async def can_be_used(client: Client) -> bool:
    """Return whether the server of `client` can be used, which may have been started just now.

    At first its port is closed, and then the namespace does not exist yet.
    """
    try:
        await check_connection(client)
    except (TemporalUnreachableError, TemporalMisconfiguredError):
        return False
    return True


async def check_permissions(client: Client) -> None:
    """Check that `client` may read workflows, and heartbeat and complete activities.

    It asks about a workflow that does not exist, so it changes nothing.

    Raises:
        TemporalMisconfiguredError: The server rejects a request; the message names the request.
        TemporalUnreachableError: The server does not answer.
    """
    for name, request in _requests(client).items():
        try:
            with translated():
                await in_time(request)
        except ActivityGoneError:
            # The server has searched for the missing workflow, so the client has the permission.
            continue
        except TemporalMisconfiguredError as exc:
            msg = f"{name} is rejected ({exc}); grant it to the gateway's identity"
            raise TemporalMisconfiguredError(msg) from exc


def _requests(client: Client) -> dict[str, Request[Any]]:
    service, namespace = client.workflow_service, client.namespace
    nobody = f"ringback-doctor-{secrets.token_hex(8)}"
    ref = ActivityExecution(namespace, nobody, "", "1", datetime.fromtimestamp(0, UTC))
    names: Any = {"namespace": namespace, "workflow_id": nobody, "activity_id": ref.activity_id}
    return {
        "DescribeWorkflowExecution": describe_workflow(service, ref),
        "GetWorkflowExecutionHistoryReverse": read_history(service, ref, page=b""),
        "RecordActivityTaskHeartbeatById": to_request(
            service.record_activity_task_heartbeat_by_id,
            RecordActivityTaskHeartbeatByIdRequest(**names),
        ),
        "RespondActivityTaskCompletedById": to_request(
            service.respond_activity_task_completed_by_id,
            RespondActivityTaskCompletedByIdRequest(**names),
        ),
    }
