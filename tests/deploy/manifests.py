"""The manifests of deploy/, as kubectl and helm render them."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.sandbox import Container
from tests.services import missing

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / "build" / "kubernetes"
KUSTOMIZATIONS: Final = ROOT / "deploy" / "kubernetes"
CHART: Final = ROOT / "deploy" / "helm" / "ringback"
SECRETS: Final = "/run/secrets/ringback"

Resource = Mapping[str, Any]

EVERYTHING: Final = {
    **{
        f"{part}.enabled": "true"
        for part in (
            *("autoscaling", "ingress", "httpRoute"),
            *("serviceMonitor", "prometheusRule", "dashboard", "worker"),
        )
    },
    "image.repository": "registry.example/ringback",
    "secret.env.TEMPORAL_API_KEY": "temporal-api-key",
    "files.ringback\\.toml": "# nothing",
    "imagePullSecrets[0].name": "registry",
    "podAnnotations.team": "payments",
    "priorityClassName": "high",
}
"""Values of the chart with which every part of every template is rendered."""


def tool(name: str) -> str:
    """Return the path of `helm` or `kubectl`, or skip the test."""
    path = TOOLS / name
    if not path.exists():
        missing(f"the program `{name}`", "run: make kubernetes-tools")
    return str(path)


@cache
def kustomize(folder: str) -> Sequence[Resource]:
    """Return the resources of a folder below deploy/kubernetes."""
    return _documents([tool("kubectl"), "kustomize", str(KUSTOMIZATIONS / folder)])


def helm(**values: str) -> Sequence[Resource]:
    """Return the resources of the chart's release `ringback` with these values."""
    return helm_with(values)


def helm_with(values: Mapping[str, str]) -> Sequence[Resource]:
    """Return the resources of the chart's release `ringback` with these values."""
    words = [word for pair in values.items() for word in ("--set", "=".join(pair))]
    return _documents([tool("helm"), "template", "ringback", str(CHART), *words])


def _documents(command: Sequence[str]) -> Sequence[Resource]:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own tools
    assert ran.returncode == 0, ran.stderr
    return [one for one in yaml.safe_load_all(ran.stdout) if one is not None]


def of_kind(resources: Sequence[Resource], kind: str, name: str = "ringback") -> Resource:
    """Return the resource of this kind and name."""
    (found,) = [one for one in resources if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pod_of(resource: Resource) -> Resource:
    """Return the specification of the pods of a Deployment or Job."""
    pod: Resource = resource["spec"]["template"]["spec"]
    return pod


@dataclass(frozen=True)
class Pod:
    """A pod's specification, and the folders that stand for its volumes.

    Attributes:
        resources: All rendered resources, among them the ConfigMaps that the pod names.
        pod: Its specification.
        volumes: The folder of this machine for each volume.
    """

    resources: Sequence[Resource]
    pod: Resource
    volumes: Mapping[str, Path]

    def container(self, kind: str, name: str, *more: str) -> Container:
        """Return a container to run here, with `more` arguments.

        Args:
            kind: `containers` or `initContainers`.
            name: Its name in the pod.
            more: Arguments after those of the manifest.
        """
        (one,) = [each for each in self.pod[kind] if each["name"] == name]
        return Container(
            command=["ringback", *one["args"], *more],
            environment=dict(self._environment(one)),
            mounts={
                mount["mountPath"]: self.volumes[mount["name"]] for mount in one["volumeMounts"]
            },
            read_only=frozenset(
                mount["mountPath"] for mount in one["volumeMounts"] if mount.get("readOnly")
            ),
            folder=one.get("workingDir", "/"),
        )

    def _environment(self, container: Resource) -> Iterator[tuple[str, str]]:
        for source in container.get("envFrom", []):
            config = of_kind(self.resources, "ConfigMap", source["configMapRef"]["name"])
            yield from config["data"].items()
        for variable in container["env"]:
            yield variable["name"], variable["value"]
