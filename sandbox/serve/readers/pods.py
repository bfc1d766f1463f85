"""The variables, secrets and files that the kubelet gives the containers of a pod.

Facts from the Kubernetes API reference (Container, EnvVarSource, Probe), the documentation of the
Secrets Store CSI driver ("Sync as Kubernetes Secret") and that of aws-efs-csi-driver.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from sandbox.cloud.store import Cloud
from sandbox.iam import roles
from sandbox.providers.kubernetes import secrets_store
from sandbox.providers.kubernetes.place import Place
from sandbox.providers.kubernetes.references import CLAIM, VOLUME, account_of
from sandbox.serve.aws_apis.secrets import member
from sandbox.serve.aws_apis.secrets import read as read_secret
from sandbox.serve.fleet import DeployedError
from sandbox.serve.reachability.security_groups import End
from sandbox.serve.readers import mounts
from sandbox.values.tree import part, parts

_EFS = "efs.csi.aws.com"
_PODS = "pods.eks.amazonaws.com"
_ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
_CLASS = "secrets-store.csi.x-k8s.io/v1:SecretProviderClass"
# The service account that mounts on each node, from the add-on aws-efs-csi-driver.
_MOUNTER = ("kube-system", "efs-csi-node-sa")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The AWS identity of a pod.

    Attributes:
        role_arn: The role of its Pod Identity association.
        tags: The tags of its session, as condition keys.
    """

    role_arn: str
    tags: Mapping[str, str]


def identity(cloud: Cloud, cluster: str, namespace: str, account: str) -> Identity | None:
    """The role of a service account from EKS Pod Identity.

    Args:
        cloud: The cloud.
        cluster: The EKS cluster's name.
        namespace: The namespace.
        account: The service account.

    Returns:
        The role, or None without an association or without the role's trust.
    """
    wanted = {"clusterName": cluster, "namespace": namespace, "serviceAccount": account}
    tags = {
        "eks-cluster-name": cluster,
        "kubernetes-namespace": namespace,
        "kubernetes-service-account": account,
    }
    for stored in cloud.list("aws", _ASSOCIATION):
        if wanted.items() <= dict(stored.properties).items():
            role_arn = str(stored.properties["roleArn"])
            request = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
            if not all(
                roles.trusts(cloud, role_arn, _PODS, action, request)
                for action in ("sts:AssumeRole", "sts:TagSession")
            ):
                return None
            session = {f"aws:PrincipalTag/{key}": value for key, value in tags.items()}
            return Identity(role_arn=role_arn, tags=session)
    return None


def environment(
    place: Place, pod: Mapping[str, Any], container: Mapping[str, Any]
) -> dict[str, str]:
    """The variables of a container.

    Args:
        place: The pod's namespace.
        pod: The pod's spec.
        container: The container.

    Returns:
        The variables, with the values of Secrets and ConfigMaps.

    Raises:
        DeployedError: one of them has no value.
    """
    secrets = _secrets(place, pod)
    values: dict[str, str] = {}
    for source in parts(container, "envFrom"):
        found = _everything(place, secrets, source)
        values |= {f"{source.get('prefix') or ''}{key}": value for key, value in found.items()}
    for variable in parts(container, "env"):
        name = str(variable["name"])
        source = part(variable, "valueFrom")
        if not source:
            values[name] = expanded(str(variable.get("value") or ""), values)
            continue
        try:
            found = _value(place, secrets, pod, source, str(container["name"]))
        except DeployedError as error:
            raise DeployedError(f"the variable {name} of {container['name']}: {error}") from error
        if found is not None:
            values[name] = found
    return values


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Expands `$(VARIABLE)` in a text; `$$` is a dollar, and unknown variables are unchanged.

    Args:
        text: The text.
        values: The variables that are already defined.

    Returns:
        The text.
    """

    def replaced(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else values.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]+)\)", replaced, text)


def files(
    place: Place, pod: Mapping[str, Any], container: Mapping[str, Any], end: End
) -> dict[str, str]:
    """The folders of a container on EFS file systems.

    Args:
        place: The pod's namespace.
        pod: The pod's spec.
        container: The container.
        end: The pod's end of a connection, which is its node's.

    Returns:
        Folder of the container to file system and path in it.

    Raises:
        DeployedError: the volume does not exist, or the node may not mount it.
    """
    volumes = {str(one["name"]): one for one in parts(pod, "volumes")}
    found: dict[str, str] = {}
    for mount in parts(container, "volumeMounts"):
        claim = part(volumes.get(str(mount["name"]), {}), "persistentVolumeClaim")
        if claim:
            root = _claimed(place, str(claim["claimName"]), end)
            found[str(mount["mountPath"])] = f"{root}/{mount.get('subPath') or ''}".rstrip("/")
    return found


def _claimed(place: Place, claim: str, end: End) -> str:
    bound = place.get(CLAIM, claim)
    name = str(part(bound or {}, "spec").get("volumeName") or "")
    volume = place.outside().get(VOLUME, name) if name else None
    source = part(volume or {}, "spec", "csi")
    if source.get("driver") != _EFS:
        raise DeployedError(
            f"{end.name}: the claim {place.namespace}/{claim} is bound to {name or 'no volume'}, "
            f"which does not exist or is not of {_EFS}: the sandbox supports EFS volumes only"
        )
    # file-system-id:folder:access-point-id; the last two are optional.
    file_system_id, folder, access_point_id, *_ = (*str(source["volumeHandle"]).split(":"), "", "")
    with_role = "iam" in (part(volume or {}, "spec").get("mountOptions") or ())
    node = identity(place.cloud, place.cluster.eks_name, *_MOUNTER) if with_role else None
    return mounts.root(
        place.cloud,
        file_system_id,
        access_point_id,
        folder=folder,
        role_arn=node.role_arn if node else None,
        end=end,
    )


def _secrets(place: Place, pod: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Keys and values of the Secrets of a namespace and of a pod's volumes."""
    found: dict[str, dict[str, str]] = {}
    for stored in place.objects("core/v1:Secret"):
        data = {
            key: base64.b64decode(str(value)).decode()
            for key, value in part(stored.properties, "data").items()
        }
        text = {key: str(value) for key, value in part(stored.properties, "stringData").items()}
        found[stored.properties["metadata"]["name"]] = data | text
    for volume in parts(pod, "volumes"):
        inline = part(volume, "csi")
        if inline.get("driver") == secrets_store.DRIVER:
            name = str(part(inline, "volumeAttributes").get("secretProviderClass"))
            found |= _synced(place, name, account_of(pod) or "default")
    return found


def _synced(place: Place, name: str, account: str) -> dict[str, dict[str, str]]:
    """The Secrets of a SecretProviderClass, with values that the pod's role may read."""
    provider = place.get(_CLASS, name) or {}
    mounted: dict[str, str] = {}
    where = f"SecretProviderClass {place.namespace}/{name}"
    objects: object = yaml.safe_load(str(part(provider, "spec", "parameters").get("objects") or ""))
    for one in cast("list[Mapping[str, Any]]", objects or []):
        arn = str(one.get("objectName"))
        pod = identity(place.cloud, place.cluster.eks_name, place.namespace, account)
        if pod is None:
            raise DeployedError(
                f"{where}: no Pod Identity association gives the service account "
                f"{place.namespace}/{account} a role, and none may read {arn}"
            )
        try:
            value = read_secret(
                place.cloud,
                arn,
                role_arn=pod.role_arn,
                version_id=str(one.get("objectVersion") or ""),
                stage=str(one.get("objectVersionLabel") or ""),
                context=pod.tags,
            )
        except DeployedError as error:
            raise DeployedError(
                f"{where}: MountVolume.SetUp failed: failed to fetch secret from all regions: "
                f"{error}"
            ) from error
        mounted[_file_name(one.get("objectAlias") or arn)] = value
        for path in parts(one, "jmesPath"):
            key = str(path.get("path"))
            mounted[str(path.get("objectAlias"))] = member(value, key, arn)
    made: dict[str, dict[str, str]] = {}
    for secret in parts(part(provider, "spec"), "secretObjects"):
        items = {str(one["key"]): _file_name(one["objectName"]) for one in parts(secret, "data")}
        if missing := sorted(set(items.values()) - mounted.keys()):
            raise DeployedError(f"{where}: secretObjects use {missing[0]}, which is not mounted")
        made[str(secret["secretName"])] = {key: mounted[file] for key, file in items.items()}
    return made


def _file_name(name: object) -> str:
    """The file name of a secret; the driver replaces path separators."""
    return str(name).replace("/", "_")


def _config_map(place: Place, name: str) -> Mapping[str, str] | None:
    found = place.get("core/v1:ConfigMap", name)
    return None if found is None else cast("Mapping[str, str]", part(found, "data"))


def _everything(
    place: Place, secrets: Mapping[str, Mapping[str, str]], source: Mapping[str, Any]
) -> Mapping[str, str]:
    """All keys of a Secret or a ConfigMap."""
    if reference := part(source, "secretRef"):
        kind, found = "Secret", secrets.get(reference["name"])
    else:
        reference = part(source, "configMapRef")
        kind, found = "ConfigMap", _config_map(place, reference["name"])
    if found is None and not reference.get("optional"):
        raise DeployedError(f"{kind} {place.namespace}/{reference['name']} not found")
    return found or {}


def _value(
    place: Place,
    secrets: Mapping[str, Mapping[str, str]],
    pod: Mapping[str, Any],
    source: Mapping[str, Any],
    container: str,
) -> str | None:
    """The value of `valueFrom`; None for an optional one without a value."""
    if reference := part(source, "fieldRef"):
        return _field(place, pod, str(reference["fieldPath"]), container)
    if reference := part(source, "secretKeyRef"):
        kind, found = "Secret", secrets.get(reference["name"])
    elif reference := part(source, "configMapKeyRef"):
        kind, found = "ConfigMap", _config_map(place, reference["name"])
    else:
        raise DeployedError(f"the sandbox does not support valueFrom {', '.join(source)}")
    if found is not None and reference["key"] in found:
        return found[reference["key"]]
    if reference.get("optional"):
        return None
    what = f"{kind} {place.namespace}/{reference['name']}"
    missing = f"{what} not found"
    if found is not None:
        missing = f"couldn't find key {reference['key']} in {what}"
    raise DeployedError(f"CreateContainerConfigError: {missing}")


def _field(place: Place, pod: Mapping[str, Any], path: str, container: str) -> str:
    known = {
        "metadata.name": container,
        "metadata.namespace": place.namespace,
        "spec.serviceAccountName": account_of(pod) or "default",
        "status.hostIP": "127.0.0.1",
        "status.podIP": "127.0.0.1",
    }
    if path not in known:
        raise DeployedError(
            f"the sandbox does not support the field {path}. Supported: {', '.join(sorted(known))}"
        )
    return known[path]
