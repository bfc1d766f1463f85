"""Helm releases, `kubernetes:helm.sh/v3:Release`: stored, without rendering their charts."""

import copy
from collections.abc import Mapping
from typing import Any

from sandbox.cloud.store import StoredResource
from sandbox.engine import sdk
from sandbox.engine.provider import (
    Call,
    Checked,
    Context,
    Difference,
    Failure,
    Made,
    RefusedError,
    compare,
    computed,
)
from sandbox.providers.kubernetes import clusters, custom, rendering
from sandbox.providers.kubernetes.clusters import Cluster
from sandbox.providers.kubernetes.existing import BUILT_IN_NAMESPACES
from sandbox.providers.kubernetes.objects import NAMESPACE, object_id
from sandbox.values.wire import Path, hexes

TOKEN = custom.RELEASE
NAME_LENGTH = 53
"""Longest name of a release (source: helm's chartutil.ValidateReleaseName)."""
_SUFFIX_LENGTH = 8
_REPLACING = ("name", "namespace")


def check(context: Context, call: Call) -> Checked:
    """Fills in name and namespace, and checks the properties against the SDK's.

    Args:
        context: cloud and configuration.
        call: the release as written.

    Returns:
        The release as it will be created, and its errors.
    """
    inputs = copy.deepcopy(dict(call.inputs))
    known = sdk.arguments("pulumi_kubernetes", "helm/v3/Release", "ReleaseArgs")
    failures = [
        Failure(path=(key,), reason=f"{key} is not a property of a Release")
        for key in inputs
        if key not in known and key != "compat"
    ]
    if not inputs.get("chart"):
        failures.append(Failure(path=("chart",), reason="missing; it is required"))
    before = call.old_inputs.get("name")
    name = call.proposed_name or f"{call.name}-{hexes(_SUFFIX_LENGTH, call.seed)}"
    inputs.setdefault("name", before or name)
    cluster = clusters.cluster_of(context.config)
    inputs.setdefault("namespace", cluster.namespace)
    given = inputs["name"]
    if isinstance(given, str) and len(given) > NAME_LENGTH:
        reason = f"{given!r} is {len(given)} characters long; at most {NAME_LENGTH}"
        failures.append(Failure(path=("name",), reason=reason))
    context.warn(
        call.urn,
        f"the chart of the Helm release {call.name} is not rendered: its objects are neither "
        "checked nor in the sandbox's cloud",
    )
    return Checked(inputs=inputs, failures=failures)


def diff(_context: Context, call: Call) -> Difference:
    """Compares the new inputs of a release with the old ones.

    Args:
        call: the release, old and new.

    Returns:
        The changes; a new name or namespace replaces the release.
    """

    def replaces(path: Path) -> bool:
        return path[0] in _REPLACING

    return Difference(changes=compare(call.old_inputs, call.inputs, replaces))


def create(context: Context, call: Call) -> Made:
    """Creates a release.

    Args:
        context: cloud and configuration.
        call: the checked release.

    Returns:
        Id `namespace/name`, and the release with its status.

    Raises:
        RefusedError: the cluster or the namespace does not exist, or the name is taken.
    """
    if call.preview:
        return Made(id="", properties=computed(call.inputs, ("status", "resourceNames")))
    if rendering.folder_of(context.config):
        raise RefusedError(
            f"can't create Helm Release with unreachable cluster: {rendering.KEY} renders no chart"
        )
    cluster = clusters.cluster_of(context.config)
    clusters.must_be_reachable(context.cloud, cluster)
    namespace = str(call.inputs["namespace"])
    known = namespace in BUILT_IN_NAMESPACES or call.inputs.get("createNamespace")
    if not known and context.cloud.get(cluster.owner, NAMESPACE, namespace) is None:
        raise RefusedError(f'namespaces "{namespace}" not found')
    id_ = object_id(call.inputs)
    properties = _deployed(call.inputs, 1)
    with context.cloud.transaction():
        if context.cloud.get(cluster.owner, TOKEN, id_) is not None:
            raise RefusedError("cannot re-use a name that is still in use")
        _put(context, cluster, id_, call.inputs, properties)
    return Made(id=id_, properties=properties)


def update(context: Context, call: Call) -> Mapping[str, Any]:
    """Creates the next revision of a release.

    Args:
        context: cloud and configuration.
        call: the checked release, old and new.

    Returns:
        The release with its status.

    Raises:
        RefusedError: the cluster or the release does not exist.
    """
    if call.preview:
        return computed(call.inputs, ("status", "resourceNames"))
    cluster = clusters.cluster_of(context.config)
    clusters.must_be_reachable(context.cloud, cluster)
    with context.cloud.transaction():
        stored = context.cloud.get(cluster.owner, TOKEN, call.id)
        if stored is None:
            raise RefusedError("release: not found")
        revision = int(stored.properties["status"]["revision"]) + 1
        properties = _deployed(call.inputs, revision)
        _put(context, cluster, call.id, call.inputs, properties)
    return properties


def _put(
    context: Context,
    cluster: Cluster,
    id_: str,
    inputs: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> None:
    stored = StoredResource(
        provider=cluster.owner, type=TOKEN, id=id_, inputs=inputs, properties=properties
    )
    context.cloud.put(stored)


def _deployed(inputs: Mapping[str, Any], revision: int) -> dict[str, Any]:
    status = {
        "name": inputs["name"],
        "namespace": inputs["namespace"],
        "chart": inputs.get("chart"),
        "version": inputs.get("version"),
        "revision": revision,
        "status": "deployed",
    }
    given = {key: value for key, value in status.items() if value is not None}
    return {**inputs, "status": given, "resourceNames": {}}
