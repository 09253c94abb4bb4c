"""The manifests are valid, say the same in kustomize and in Helm, and open no more than needed."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, Final

import jsonschema_rs
import kubernetes_validate
import pytest

from ringback import __version__
from ringback.gateway.answer_endpoint import LONGEST_WAIT
from ringback.settings import DEFAULT_PORT, Settings
from tests.deploy.manifests import (
    CHART,
    EVERYTHING,
    KUSTOMIZATIONS,
    ROOT,
    SECRETS,
    Resource,
    helm,
    helm_with,
    kustomize,
    of_kind,
    pod_of,
    tool,
)

KUBERNETES: Final = "1.37"
"""The version whose schemas validate the manifests."""

CRDS: Final = ROOT / "tests" / "deploy" / "crds"
"""Schemas of the Prometheus Operator 0.93 and the Gateway API, cut to what they require."""

FOLDERS: Final = ("base", *(f"overlays/{one}" for one in ("one-pod", "postgres", "production")))
WORKER: Final = "../../tests/deploy/worker"


def variants() -> Iterator[tuple[str, Sequence[Resource]]]:
    for folder in FOLDERS:
        yield folder, kustomize(folder)
    yield "worker", kustomize(WORKER)
    yield "helm", helm()
    yield "helm with everything", helm_with(EVERYTHING)


def pods() -> Iterator[tuple[str, Resource]]:
    for variant, resources in variants():
        for one in resources:
            if one["kind"] in {"Deployment", "Job", "StatefulSet"}:
                yield f"{variant}: {one['kind']} {one['metadata']['name']}", pod_of(one)


def problem_of(resource: Resource) -> str | None:
    """Return what the schema of the resource's kind says against it."""
    schema = CRDS / f"{resource['kind'].lower()}.json"
    try:
        if schema.exists():
            jsonschema_rs.validate(json.loads(schema.read_text("utf-8")), dict(resource))
        else:
            kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    except (jsonschema_rs.ValidationError, kubernetes_validate.ValidationError) as exc:
        return f"{resource['kind']}: {exc}"
    return None


def test_every_manifest_fits_the_schema_of_its_kind() -> None:
    found = [
        (variant, problem)
        for variant, resources in variants()
        for problem in map(problem_of, resources)
        if problem is not None
    ]

    assert found == []


def test_schemas_of_the_custom_resources_refuse_a_wrong_field() -> None:
    resources = helm_with(EVERYTHING)
    wrong: list[dict[str, Any]] = [
        {**of_kind(resources, "ServiceMonitor"), "spec": {"endpoints": [{"prot": "http"}]}},
        {**of_kind(resources, "PrometheusRule"), "spec": {"groups": [{"rules": []}]}},
        {**of_kind(resources, "HTTPRoute"), "spec": {"hostnames": "hooks.example"}},
    ]

    assert all(problem_of(one) is not None for one in wrong)


def test_helm_lint_finds_nothing() -> None:
    ran = subprocess.run(  # noqa: S603 - our own tool
        [tool("helm"), "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("value", ["replica=3", "ingres.enabled=true", "replicas=two"])
def test_chart_refuses_a_value_that_it_does_not_know(value: str) -> None:
    ran = subprocess.run(  # noqa: S603 - our own tool
        [tool("helm"), "template", str(CHART), "--set", value],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode != 0
    assert value.partition("=")[0].partition(".")[0] in ran.stderr


def test_chart_has_the_version_of_the_package() -> None:
    versions = re.findall(
        r"^(?:version|appVersion): (.+)$", (CHART / "Chart.yaml").read_text(), re.M
    )

    assert versions == [__version__, __version__]


def test_every_component_and_overlay_is_rendered() -> None:
    folders = {file.parent for file in KUSTOMIZATIONS.rglob("kustomization.yaml")}
    rendered = {KUSTOMIZATIONS / folder for folder in FOLDERS}
    by_an_overlay, by_a_test = ("autoscaling", "ingress", "monitoring"), ("httproute", "worker")

    assert folders - rendered == {
        KUSTOMIZATIONS / "components" / one for one in (*by_an_overlay, *by_a_test)
    }


def without_names(value: object) -> object:
    """Return a manifest without what differs between a release and a kustomization by design."""
    if isinstance(value, dict):
        return {
            key: without_names(each)
            for key, each in value.items()
            if key not in {"app.kubernetes.io/instance", "imagePullPolicy", "image"}
        }
    return [without_names(each) for each in value] if isinstance(value, list) else value


def environment_of(container: Resource, resources: Sequence[Resource]) -> dict[str, str]:
    names = [one["configMapRef"]["name"] for one in container.get("envFrom", [])]
    configured = [of_kind(resources, "ConfigMap", name)["data"] for name in names]
    return {
        **{name: text for one in configured for name, text in one.items()},
        **{one["name"]: one["value"] for one in container["env"]},
    }


@pytest.mark.parametrize(
    ("deployment", "folder"), [("ringback", "base"), ("ringback-worker", WORKER)]
)
def test_helm_and_kustomize_run_the_same_pods(deployment: str, folder: str) -> None:
    by_helm, by_kustomize = helm(**{"worker.enabled": "true"}), kustomize(folder)
    left = dict(deepcopy(pod_of(of_kind(by_helm, "Deployment", deployment))))
    right = dict(deepcopy(pod_of(of_kind(by_kustomize, "Deployment", deployment))))
    (ours,), (theirs,) = left.pop("containers"), right.pop("containers")
    # `test_helm_and_kustomize_migrate_alike` compares the gateway's.
    right.pop("initContainers", None)

    assert environment_of(ours, by_helm) == environment_of(theirs, by_kustomize)
    for one in (ours, theirs):
        one.pop("env", None)
        one.pop("envFrom", None)
    assert without_names(ours) == without_names(theirs)
    assert without_names(left) == without_names(right)


def test_worker_has_neither_the_database_nor_the_link_keys_and_is_not_behind_the_service() -> None:
    for resources in (helm_with(EVERYTHING), kustomize(WORKER)):
        worker = of_kind(resources, "Deployment", "ringback-worker")
        (container,) = pod_of(worker)["containers"]
        mounted = [one["secret"] for one in pod_of(worker)["volumes"] if "secret" in one]
        selector = of_kind(resources, "Service")["spec"]["selector"]

        assert [one.get("items") for one in mounted] == [
            None,
            [{"key": "webhook-secrets", "path": "webhook-secrets"}],
        ]
        assert [one["secretName"] for one in mounted] == ["ringback-worker", "ringback"]
        assert not {"RINGBACK_STORE_FILE", "RINGBACK_KEYS_FILE"} & {
            one["name"] for one in container["env"]
        }
        assert not selector.items() <= worker["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("kind", ["PodDisruptionBudget", "NetworkPolicy", "Service"])
def test_helm_and_kustomize_say_the_same_about(kind: str) -> None:
    ours, theirs = of_kind(helm(), kind), of_kind(kustomize("base"), kind)

    assert without_names(ours["spec"]) == without_names(
        {"type": "ClusterIP", **theirs["spec"]} if kind == "Service" else theirs["spec"]
    )


def test_helm_and_kustomize_migrate_alike() -> None:
    by_helm, by_kustomize = helm(), kustomize("base")
    job = of_kind(by_helm, "Job", "ringback-migrate")
    (ours,) = pod_of(job)["containers"]
    (theirs,) = pod_of(of_kind(by_kustomize, "Deployment"))["initContainers"]

    assert environment_of(ours, by_helm) == environment_of(theirs, by_kustomize)
    for part in ("args", "securityContext", "resources", "volumeMounts"):
        assert ours[part] == theirs[part]


def test_migration_runs_before_the_gateways_and_needs_nothing_of_the_release() -> None:
    job = of_kind(helm(), "Job", "ringback-migrate")
    (container,) = pod_of(job)["containers"]

    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "serviceAccountName" not in pod_of(job)
    assert "envFrom" not in container
    assert [one for one in pod_of(job)["volumes"] if "configMap" in one] == []
    # Otherwise the Service would send senders to it.
    service = of_kind(helm(), "Service")["spec"]["selector"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert not service.items() <= labels.items()


def test_every_container_runs_without_rights() -> None:
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }, name
            assert set(container["resources"]) == {"requests", "limits"}, name


def test_no_secret_is_in_a_manifest() -> None:
    for variant, resources in variants():
        assert "Secret" not in {one["kind"] for one in resources}, variant
    for name, pod in pods():
        written = {
            variable["name"].removeprefix("RINGBACK_").lower()
            for container in pod["containers"]
            for variable in container.get("env", [])
            if "value" in variable
        }
        secrets = {
            field for field, about in Settings.model_fields.items() if "Secret" in str(about)
        }

        assert written & secrets == set(), name


def test_every_setting_of_the_manifests_exists() -> None:
    for variant, resources in (("base", kustomize("base")), ("helm", helm())):
        (container,) = pod_of(of_kind(resources, "Deployment"))["containers"]
        names = {
            name.removeprefix("RINGBACK_").removesuffix("_FILE").lower()
            for name in environment_of(container, resources)
            if name.startswith("RINGBACK_")
        }

        assert names - {"log"} <= set(Settings.model_fields), variant


def test_gateway_listens_on_the_port_of_the_manifests() -> None:
    (container,) = pod_of(of_kind(kustomize("base"), "Deployment"))["containers"]
    http, metrics = container["ports"]
    (configured,) = [one for one in kustomize("base") if one["kind"] == "ConfigMap"]

    assert http == {"name": "http", "containerPort": DEFAULT_PORT}
    assert str(metrics["containerPort"]) == configured["data"]["RINGBACK_METRICS_PORT"]
    assert "--port" not in " ".join(container["args"])


def public_paths(resource: Resource) -> set[tuple[str, str]]:
    (rule,) = resource["spec"]["rules"]
    if resource["kind"] == "Ingress":
        return {(one["path"], one["pathType"]) for one in rule["http"]["paths"]}
    return {
        (one["path"]["value"], one["path"]["type"].removeprefix("Path")) for one in rule["matches"]
    }


def routed() -> Iterator[Resource]:
    resources = helm_with(EVERYTHING)
    yield of_kind(resources, "Ingress")
    yield of_kind(resources, "HTTPRoute")
    yield of_kind(kustomize("overlays/production"), "Ingress")
    (route,) = kustomize("../../tests/deploy/httproute")
    yield route


PRIVATE: Final = frozenset({
    *("/healthz", "/readyz", "/metrics"),
    *("/", "/docs", "/openapi.json"),
    "/sources",
})
"""Routes that only the cluster reaches: probes, Prometheus, programmers, admins."""


def routes() -> set[str]:
    """Return every path of the reference but those of the operator API."""
    page = (ROOT / "docs" / "reference" / "http.md").read_text("utf-8")
    paths = re.findall(r"^\| `[A-Z]+ (/[^`]*)`", page, re.MULTILINE)
    return {path for path in paths if not path.startswith("/v1/")}


def test_public_paths_are_the_same_everywhere() -> None:
    first, *others = map(public_paths, routed())

    assert all(other == first for other in others)


def test_public_paths_serve_senders_and_people_and_nothing_else() -> None:
    paths = public_paths(next(routed()))

    def is_public(route: str) -> bool:
        return any(
            route == path or (kind == "Prefix" and route.startswith(f"{path}/"))
            for path, kind in paths
        )

    assert {route for route in routes() if not is_public(route)} == PRIVATE & routes()
    assert not any(is_public(private) for private in (*PRIVATE, "/v1/callbacks"))


def test_proxy_of_the_ingress_waits_longer_than_a_sender() -> None:
    ingress, route, _, _ = routed()
    seconds = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"]

    assert int(seconds) > LONGEST_WAIT.total_seconds()
    assert route["spec"]["rules"][0]["timeouts"] == {"request": f"{seconds}s"}


def test_probes_wait_longer_than_the_gateway_replies() -> None:
    (container,) = pod_of(of_kind(kustomize("base"), "Deployment"))["containers"]

    # `/readyz` replies within 2 seconds.
    assert container["readinessProbe"]["timeoutSeconds"] > 2
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["startupProbe"]["httpGet"]["path"] == "/healthz"


def test_autoscaler_alone_sets_the_number_of_pods() -> None:
    for resources in (kustomize("overlays/production"), helm_with(EVERYTHING)):
        assert "replicas" not in of_kind(resources, "Deployment")["spec"]


def test_one_pod_is_replaced_before_another_opens_its_file() -> None:
    resources = kustomize("overlays/one-pod")
    deployment = of_kind(resources, "Deployment")["spec"]

    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert SECRETS not in json.dumps(deployment)
    assert "PodDisruptionBudget" not in {one["kind"] for one in resources}


def test_workers_may_connect_to_the_gateways() -> None:
    of_senders, of_metrics = of_kind(kustomize("base"), "NetworkPolicy")["spec"]["ingress"]

    # Without labels: kustomize would add those of the gateways to a selector.
    assert {"podSelector": {}} in of_senders["from"]
    assert of_metrics["ports"] == [{"port": "metrics"}]


def test_prometheus_scrapes_a_port_of_the_service() -> None:
    for resources in (kustomize("overlays/production"), helm_with(EVERYTHING)):
        (endpoint,) = of_kind(resources, "ServiceMonitor")["spec"]["endpoints"]
        ports = {one["name"] for one in of_kind(resources, "Service")["spec"]["ports"]}
        selector = of_kind(resources, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
        labels = of_kind(resources, "Service")["metadata"]["labels"]

        assert endpoint["port"] in ports
        assert selector.items() <= labels.items()
