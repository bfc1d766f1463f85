"""The lifecycle of an object: check, diff, create, read, update, delete.

Facts from pulumi-kubernetes 4.34 (provider/pkg/provider/provider.go, metadata/naming.go, diff.go).
"""

import copy
from collections.abc import Mapping
from typing import Any, cast

from sandbox.cloud.store import StoredResource, TakenError
from sandbox.engine.provider import (
    REPLACING,
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
from sandbox.providers.kubernetes import (
    admission,
    clusters,
    custom,
    existing,
    kinds,
    quotas,
    rendering,
    secrets_store,
    validation,
    volumes,
)
from sandbox.providers.kubernetes.clusters import Cluster
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.place import Place
from sandbox.providers.kubernetes.status import completed, unknown_properties
from sandbox.values.wire import Json, Path, Unknown, hexes

AUTONAMED = "pulumi.com/autonamed"
NAMESPACE = "kubernetes:core/v1:Namespace"
SECRET = "kubernetes:core/v1:Secret"
CLAIM = f"kubernetes:{volumes.CLAIM}"
_SUFFIX_LENGTH = 8
_GENERATED_LENGTH = 5
_MUTABLE_SWITCHES = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
_OF_THE_SERVER = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


def check(context: Context, call: Call) -> Checked:
    """Fills in name and namespace, and checks the object as the API server does.

    Args:
        context: cloud and configuration.
        call: the object as written.

    Returns:
        The object as it will be sent, and its errors.
    """
    cluster = clusters.cluster_of(context.config)
    version = clusters.version_of(context.cloud, cluster)
    kind = kinds.parse(call.type, version)
    rendered = rendering.folder_of(context.config) is not None
    obj = copy.deepcopy(dict(call.inputs))
    failures = list(_identity_failures(kind, obj))
    obj |= {"apiVersion": kind.api_version, "kind": kind.kind}
    builtin = kinds.schema(kind, version) is not None
    crd = None if builtin else custom.definition(context.cloud, cluster, kind)
    metadata = obj.setdefault("metadata", {})
    if isinstance(metadata, dict):
        given = cast("dict[str, Any]", metadata)
        _name(given, kind, call)
        # Only a cluster has the scope of a custom kind.
        if _is_namespaced(kind, builtin, None if rendered else crd, given):
            given.setdefault("namespace", cluster.namespace)
    if rendered:
        failures += _rendering_failures(obj)
        rendering.warn_of_secrets(context, call, secret_kind=call.type == SECRET)
    if call.type == NAMESPACE and (error := admission.namespace_label_error(obj)):
        failures.append(Failure(path=("metadata", "labels"), reason=error))
    if builtin:
        failures += validation.errors(kind, obj, version)
    elif crd is not None:
        failures += validation.custom_errors(kind, obj, crd)
    else:
        context.warn(
            call.urn,
            f"{kind.api_version} {kind.kind} is not checked: the sandbox has no schema of this kind"
            f" for Kubernetes {version}, and its CustomResourceDefinition is not in the cloud",
        )
    return Checked(inputs=obj, failures=failures)


def diff(context: Context, call: Call) -> Difference:
    """Compares the new inputs with the old ones; some changes replace the object.

    Args:
        context: cloud and configuration.
        call: the object, old and new.

    Returns:
        The changes; a replacement with the same name deletes the old object first.
    """
    cluster = clusters.cluster_of(context.config)
    kind = kinds.parse(call.type, clusters.version_of(context.cloud, cluster))
    immutable = [("metadata", "name"), ("metadata", "namespace")]
    if not kind.patch and not _made_mutable(context, kind):
        paths = kinds.IMMUTABLE.get(kind.kind, ())
        immutable += [tuple(path.split(".")) for path in paths]

    def replaces(path: Path) -> bool:
        return any(path[: len(one)] == one or one[: len(path)] == path for one in immutable)

    old, new = _metadata(call.old_inputs), _metadata(call.inputs)
    same = all(old.get(key) == new.get(key) for key in ("name", "namespace"))
    changes = compare(call.old_inputs, call.inputs, replaces)
    # This covers the provider's own replacements only, not those of `replaceOnChanges`.
    replaced = not REPLACING.isdisjoint(changes.values())
    return Difference(
        changes=changes,
        delete_first=same and replaced and not _is_autonamed(new),
        anyway=rendering.renders_always(context.config),
    )


def create(context: Context, call: Call) -> Made:
    """Creates an object; its namespace must exist and its name must be free.

    Args:
        context: cloud and configuration.
        call: the checked object.

    Returns:
        Id `namespace/name`, or only the name, and the object with the cluster's additions.

    Raises:
        RefusedError: the cluster or the namespace does not exist, or the name is taken.
    """
    if folder := rendering.folder_of(context.config):
        return rendering.create(
            folder, call, "" if call.preview else object_id(call.inputs["metadata"])
        )
    cluster = clusters.cluster_of(context.config)
    kind = kinds.parse(call.type, clusters.version_of(context.cloud, cluster))
    if call.preview:
        return Made(id="", properties=computed(call.inputs, unknown_properties(kind)))
    clusters.must_be_reachable(context.cloud, cluster)
    obj = copy.deepcopy(dict(call.inputs))
    metadata: dict[str, Any] = obj["metadata"]
    with context.cloud.transaction():
        if "name" not in metadata:
            suffix = hexes(_GENERATED_LENGTH, str(context.cloud.count("kubernetes names")))
            metadata["name"] = f"{metadata['generateName']}{suffix}"
        id_ = object_id(metadata)
        custom.must_be_served(context.cloud, cluster, kind, id_)
        _must_have_namespace(context, cluster, metadata)
        before = None if kind.patch else _before(context, cluster, kind, call.type, metadata)
        _admit(context, cluster, kind, call, obj, before)
        made = completed(kind, obj, context.cloud, before)
        _put(
            context,
            cluster,
            kind,
            Call(type=call.type, urn=call.urn, name=call.name, id=id_),
            obj,
            made,
        )
        if kind.kind == "PersistentVolumeClaim":
            volumes.bind(_place(context, cluster, made), made)
    return Made(id=id_, properties=made)


def read(context: Context, call: Call) -> Made | None:
    """Reads an object.

    Args:
        context: cloud and configuration.
        call: id, and inputs and properties as of the last update.

    Returns:
        The current object, with the properties that the inputs set as its inputs, or None.
    """
    if rendering.folder_of(context.config):
        return rendering.read(call)
    cluster = clusters.cluster_of(context.config)
    stored = _found(context, cluster, call)
    if stored is None:
        return None
    if call.old_inputs:
        inputs = _as_asked(call.old_inputs, stored.properties)
    else:
        inputs = _as_written(stored.properties)
    return Made(id=stored.id, properties=stored.properties, inputs=inputs)


def update(context: Context, call: Call) -> Mapping[str, Any]:
    """Updates an object in place.

    Args:
        context: cloud and configuration.
        call: the checked object, old and new.

    Returns:
        The object with the cluster's additions.

    Raises:
        RefusedError: the cluster or the object does not exist.
    """
    if folder := rendering.folder_of(context.config):
        return rendering.update(folder, call)
    cluster = clusters.cluster_of(context.config)
    kind = kinds.parse(call.type, clusters.version_of(context.cloud, cluster))
    if call.preview:
        return computed(call.inputs, unknown_properties(kind))
    clusters.must_be_reachable(context.cloud, cluster)
    with context.cloud.transaction():
        stored = _found(context, cluster, call)
        if stored is None:
            raise RefusedError(f'{kind.kind} "{call.id}" not found: it has been deleted')
        if stored.type != call.type:
            context.cloud.delete(stored.provider, stored.type, stored.id)
        _admit(context, cluster, kind, call, call.inputs, stored.properties)
        made = completed(kind, call.inputs, context.cloud, stored.properties)
        if kind.kind == "PersistentVolume":
            volumes.noted(made, stored.properties)
        _put(context, cluster, kind, call, call.inputs, made)
    return made


def delete(context: Context, call: Call) -> None:
    """Deletes an object, and with a namespace everything in it.

    Args:
        context: cloud and configuration.
        call: id of the object.
    """
    if folder := rendering.folder_of(context.config):
        rendering.delete(folder, call)
        return
    cluster = clusters.cluster_of(context.config)
    with context.cloud.transaction():
        if stored := context.cloud.get(cluster.owner, call.type, call.id):
            _delete(context, cluster, stored)
        if call.type != NAMESPACE:
            return
        for stored in context.cloud.list(cluster.owner):
            # A Helm release is in a namespace too, but has no metadata.
            place = _metadata(stored.properties) or stored.properties
            if place.get("namespace") == call.id:
                context.cloud.delete(stored.provider, stored.type, stored.id)
                _after_delete(context, cluster, stored)


def _found(context: Context, cluster: Cluster, call: Call) -> StoredResource | None:
    """The object type of a resource, which may be a patch or have been the object itself before.

    A program may alias one type to the other. Both are the same object in a cluster.
    """
    if stored := context.cloud.get(cluster.owner, call.type, call.id):
        return stored
    plain = call.type.removesuffix("Patch")
    return context.cloud.get(cluster.owner, plain, call.id) if plain != call.type else None


def _delete(context: Context, cluster: Cluster, stored: StoredResource) -> None:
    if not stored.type.endswith("Patch"):
        place = _place(context, cluster, stored.properties)
        volumes.must_not_be_used(place, stored.type, stored.properties)
    context.cloud.delete(stored.provider, stored.type, stored.id)
    _after_delete(context, cluster, stored)


def _after_delete(context: Context, cluster: Cluster, stored: StoredResource) -> None:
    if stored.type == CLAIM:
        volumes.release(_place(context, cluster, stored.properties), stored.properties)


def object_id(metadata: Mapping[str, Any]) -> str:
    """Id of an object.

    Args:
        metadata: its metadata.

    Returns:
        `namespace/name`, or the name of an object that is in no namespace.
    """
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def _admit(
    context: Context,
    cluster: Cluster,
    kind: Kind,
    call: Call,
    obj: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
) -> None:
    place = _place(context, cluster, obj)
    if found := admission.must_be_admitted(place, kind, obj, before):
        context.warn(
            call.urn, f"{call.name} does not become ready; Pulumi does not wait for it: {found}"
        )
    if kind.kind == "Deployment" and (
        kept := secrets_store.outlived(place, obj, quotas.pod_of(obj))
    ):
        context.warn(call.urn, f"{call.name}: {kept}")


def _place(context: Context, cluster: Cluster, obj: Mapping[str, Any]) -> Place:
    namespace = str(_metadata(obj).get("namespace") or "")
    return Place(cloud=context.cloud, cluster=cluster, namespace=namespace)


def _before(
    context: Context, cluster: Cluster, kind: Kind, type_: str, metadata: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The existing object with the name of a new one, which is adopted or refused.

    A provider with `upsertExistingObjects` adopts it, and later deletes it.
    """
    id_ = object_id(metadata)
    stored = context.cloud.get(cluster.owner, type_, id_)
    if existing.adopts(context.config):
        return stored.properties if stored else None
    if stored or existing.is_there(kind, metadata):
        raise RefusedError(_taken(kind, id_))
    return None


def _put(
    context: Context,
    cluster: Cluster,
    kind: Kind,
    call: Call,
    inputs: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> None:
    claim = f"{cluster.owner} {kind.group} {kind.kind} {call.id}"
    stored = StoredResource(
        provider=cluster.owner,
        type=call.type,
        id=call.id,
        inputs=inputs,
        properties=properties,
        # A patch changes an object that exists already.
        claims=() if kind.patch else (claim,),
    )
    try:
        context.cloud.put(stored)
    except TakenError as taken:
        # Created with another version of its group.
        raise RefusedError(_taken(kind, call.id)) from taken


def _taken(kind: Kind, id_: str) -> str:
    return f'{kind.kind} "{id_.rpartition("/")[2]}" already exists ({id_})'


def _must_have_namespace(context: Context, cluster: Cluster, metadata: Mapping[str, Any]) -> None:
    namespace = metadata.get("namespace")
    if namespace is None or namespace in existing.BUILT_IN_NAMESPACES:
        return
    if context.cloud.get(cluster.owner, NAMESPACE, str(namespace)) is None:
        raise RefusedError(f'namespaces "{namespace}" not found')


def _name(metadata: dict[str, Any], kind: Kind, call: Call) -> None:
    """Names an object without a name: its previous name, or its logical name and a suffix."""
    if "name" in metadata or "generateName" in metadata or kind.patch:
        return
    before = _metadata(call.old_inputs)
    if _is_autonamed(before):
        metadata["name"] = before["name"]
    else:
        suffix = hexes(_SUFFIX_LENGTH, call.seed)
        metadata["name"] = call.proposed_name or f"{call.name}-{suffix}"
    annotations = metadata.setdefault("annotations", {})
    if isinstance(annotations, dict):
        annotations[AUTONAMED] = "true"


def _identity_failures(kind: Kind, obj: Mapping[str, Any]) -> list[Failure]:
    wanted = {"apiVersion": kind.api_version, "kind": kind.kind}
    found = [
        Failure(path=(key,), reason=f"{obj[key]!r} does not match the type: {value}")
        for key, value in wanted.items()
        if obj.get(key) not in (None, value) and not isinstance(obj[key], Unknown)
    ]
    if kind.patch and not _metadata(obj).get("name"):
        found.append(Failure(path=("metadata", "name"), reason="missing; a patch needs it"))
    return found


def _rendering_failures(obj: Mapping[str, Any]) -> list[Failure]:
    if "generateName" not in _metadata(obj):
        return []
    reason = "only a server generates names; a rendered object needs metadata.name"
    return [Failure(path=("metadata", "generateName"), reason=reason)]


def _is_namespaced(
    kind: Kind, builtin: bool, crd: Mapping[str, Any] | None, metadata: Mapping[str, Any]
) -> bool:
    if builtin:
        return kind.kind not in kinds.CLUSTER_SCOPED
    if crd is not None:
        return crd["spec"].get("scope") == "Namespaced"
    return "namespace" in metadata


def _made_mutable(context: Context, kind: Kind) -> bool:
    switch = _MUTABLE_SWITCHES.get(kind.kind)
    return switch is not None and str(context.config.get(switch)).lower() == "true"


def _metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = obj.get("metadata")
    return cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else {}


def _is_autonamed(metadata: Mapping[str, Any]) -> bool:
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict):
        return False
    return cast("dict[str, Any]", annotations).get(AUTONAMED) == "true"


def _as_asked(asked: Json, actual: Json) -> Json:
    """The current values of the properties that the inputs set."""
    if isinstance(asked, dict) and isinstance(actual, dict):
        wanted, found = cast("dict[str, Any]", asked), cast("dict[str, Any]", actual)
        return {key: _as_asked(one, found[key]) for key, one in wanted.items() if key in found}
    if isinstance(asked, list) and isinstance(actual, list):
        wanted_items, found_items = cast("list[Any]", asked), cast("list[Any]", actual)
        if len(wanted_items) == len(found_items):
            pairs = zip(wanted_items, found_items, strict=True)
            return [_as_asked(one, other) for one, other in pairs]
    return cast("Json", actual)


def _as_written(properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object as a program writes it: without the cluster's additions."""
    written = {key: value for key, value in properties.items() if key != "status"}
    metadata = _metadata(properties)
    kept = {key: value for key, value in metadata.items() if key not in _OF_THE_SERVER}
    return {**written, "metadata": kept}
