"""Reads Deployments and Services on EKS, and their network rules.

Facts from the Kubernetes documentation ("DNS for Services and Pods", "Horizontal Pod
Autoscaling", "Pod Lifecycle") and the Amazon EKS User Guide ("Limit pod traffic with Kubernetes
network policies"). Pods have addresses of their nodes' subnets and the cluster's security group.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sandbox.cloud.store import Cloud
from sandbox.iam import roles as iam
from sandbox.iam.evaluate import Context
from sandbox.providers.kubernetes.clusters import EKS_CLUSTER, PACKAGE, Cluster
from sandbox.providers.kubernetes.place import Place
from sandbox.providers.kubernetes.references import account_of
from sandbox.serve.fleet import GATEWAY, LOOPBACK, OPERATOR, DeployedError, Fleet, Process
from sandbox.serve.load_balancer import entries
from sandbox.serve.reachability import meshes, network_policies, security_groups
from sandbox.serve.reachability.network_policies import NAMESPACE_LABEL, Peer
from sandbox.serve.reachability.security_groups import End
from sandbox.serve.readers import pods
from sandbox.values.tree import part, parts

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_SERVICE = "kubernetes:core/v1:Service"
_NAMESPACE = "kubernetes:core/v1:Namespace"
_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_SCALER = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
_BINDINGS = (
    "kubernetes:eks.amazonaws.com/v1:TargetGroupBinding",
    "kubernetes:elbv2.k8s.aws/v1beta1:TargetGroupBinding",
)
_AUTHENTICATION = "kubernetes:security.istio.io/v1:PeerAuthentication"
_AUTHORIZATION = "kubernetes:security.istio.io/v1:AuthorizationPolicy"
_ADDON = "aws:eks/addon:Addon"
_DOMAIN = "cluster.local"
# Kubernetes API reference, PodSpec and Probe: defaults.
_GRACE_SECONDS, _PERIOD_SECONDS, _FAILURES = 30, 10, 3
_START_SECONDS = 60.0
_REFUSALS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class _Workload:
    """The pods of one Deployment.

    Attributes:
        peer: Their end of a connection.
        processes: The processes of each pod, the first container first.
        identity: Their AWS identity, or None.
        principal: Their identity in the mesh, or nothing outside of it.
    """

    peer: Peer
    processes: tuple[Process, ...]
    identity: pods.Identity | None
    principal: str


def read(cloud: Cloud) -> Fleet:
    """The fleet on EKS.

    Args:
        cloud: The cloud.

    Returns:
        The processes and their rules.

    Raises:
        DeployedError: there is no Deployment, or the pods of one could not start.
    """
    cluster, eks = _cluster(cloud)
    network = part(eks, "vpcConfig")
    node = End(
        name="the nodes",
        groups=(str(network.get("clusterSecurityGroupId")),),
        subnets=security_groups.subnets(cloud, network.get("subnetIds") or ()),
    )
    entry, groups = entries.find(cloud), security_groups.read(cloud)
    found = sorted(cloud.list(cluster.owner, DEPLOYMENT), key=lambda one: _name(one.properties))
    workloads = [_workload(cloud, cluster, node, one.properties) for one in found]
    by_process = {process.name: one for one in workloads for process in one.processes}
    if len(by_process) < sum(len(one.processes) for one in workloads):
        names = ", ".join(f"{_namespace(one.properties)}/{_name(one.properties)}" for one in found)
        raise DeployedError(f"the cluster has Deployments of the same name ({names}): rename one")
    services = [one.properties for one in cloud.list(cluster.owner, _SERVICE)]
    policies = _objects(cloud, cluster, _POLICY) if _has_policies(cloud, cluster) else []
    meshed = (_objects(cloud, cluster, _AUTHENTICATION), _objects(cloud, cluster, _AUTHORIZATION))
    bound = {
        name: frozenset(_bound(cloud, cluster, services, one, name, entry.target_groups))
        for name, one in by_process.items()
    }

    def resolve(source: str, host: str, port: int) -> str | None:
        caller = by_process.get(source)
        if host in LOOPBACK:
            return _listening(caller, port) if caller else None
        service = _service(services, host, caller.peer.namespace if caller else "")
        if service is None:
            return None
        pod = next((one for one in workloads if _is_behind(service, one.peer)), None)
        return _listening(pod, _target_port(service, port, pod.peer)) if pod else None

    def refusal(source: str, process: str, port: int) -> str | None:
        callee = by_process[process]
        port = _pod_port(services, callee, port)
        if source == GATEWAY:
            if port not in bound[process]:
                return (
                    f"no TargetGroupBinding registers TCP port {port} of {process} in a target "
                    "group behind a rule of the gateway"
                )
            own = End(name=process, groups=node.groups, subnets=node.subnets)
            reason = security_groups.refusal(groups, entry.end, own, port)
            caller = None
            peer = network_policies.outside(entry.end.name, entry.end.subnets)
        else:
            caller, reason = by_process.get(source), None
            peer = caller.peer if caller else network_policies.outside(source, entry.network)
        if reason or caller is callee:
            return reason
        return _refusal(policies, meshed, peer, caller.principal if caller else "", callee, port)

    def allows(source: str, action: str, resource: str, context: Context | None = None, /) -> bool:
        who = by_process[source].identity if source in by_process else None
        return source == OPERATOR or (
            who is not None
            and iam.allows(cloud, who.role_arn, action, resource, {**who.tags, **(context or {})})
        )

    return Fleet(
        target="eks",
        region=str(eks["arn"]).split(":")[3],
        entry=entry.url,
        processes=tuple(process for one in workloads for process in one.processes),
        resolve=resolve,
        # There are many policies and each request evaluates them; they do not change after start.
        refusal=lru_cache(maxsize=_REFUSALS)(refusal),
        allows=allows,
        to_gateway=lambda source, port: _to_gateway(
            groups, policies, (node, by_process[source].peer), entry.end, port
        ),
    )


def _to_gateway(
    groups: security_groups.Groups,
    policies: Sequence[Mapping[str, Any]],
    caller: tuple[End, Peer],
    gateway: End,
    port: int,
) -> str | None:
    """The reason why security groups or network policies keep a pod from the load balancer."""
    node, pod = caller
    peer = network_policies.outside(gateway.name, gateway.subnets)
    return security_groups.refusal(groups, node, gateway, port) or network_policies.refusal(
        policies, pod, peer, port
    )


def _cluster(cloud: Cloud) -> tuple[Cluster, Mapping[str, Any]]:
    """The cluster with Deployments, and its EKS resource."""
    owners = sorted({one.provider for one in cloud.list(type_=DEPLOYMENT)})
    clusters = {
        f"{PACKAGE}@{one.properties.get('endpoint')}": one.properties
        for one in cloud.list("aws", EKS_CLUSTER)
    }
    if len(owners) != 1 or owners[0] not in clusters:
        raise DeployedError(
            f"Deployments are in {len(owners)} clusters ({', '.join(owners) or 'none'}); exactly "
            f"one EKS cluster is supported, of {', '.join(clusters) or 'none'}: deploy one stack "
            "with target eks. Manifests that are rendered to files do not run"
        )
    eks = clusters[owners[0]]
    return Cluster(owner=owners[0], eks_name=str(eks["name"]), namespace="default"), eks


def _workload(
    cloud: Cloud, cluster: Cluster, node: End, deployment: Mapping[str, Any]
) -> _Workload:
    name, namespace = _name(deployment), _namespace(deployment)
    place = Place(cloud=cloud, cluster=cluster, namespace=namespace)
    template = part(deployment, "spec", "template")
    pod = part(template, "spec")
    account = account_of(pod) or "default"
    written = part(
        place.outside().get(_NAMESPACE.removeprefix("kubernetes:"), namespace) or {}, "metadata"
    )
    containers = parts(pod, "containers")
    peer = Peer(
        name=name,
        subnets=node.subnets,
        namespace=namespace,
        labels=part(template, "metadata", "labels"),
        namespace_labels={**part(written, "labels"), NAMESPACE_LABEL: namespace},
        ports={
            str(port["name"]): int(port["containerPort"])
            for one in containers
            for port in parts(one, "ports")
            if port.get("name")
        },
    )
    end = End(name=name, groups=node.groups, subnets=node.subnets)
    replicas = _replicas(cloud, cluster, deployment)
    return _Workload(
        peer=peer,
        processes=tuple(
            _process(
                place, name if index == 0 else f"{name}/{one['name']}", pod, one, end, replicas
            )
            for index, one in enumerate(containers)
        ),
        identity=pods.identity(cloud, cluster.eks_name, namespace, account),
        principal=f"{_DOMAIN}/ns/{namespace}/sa/{account}" if meshes.is_in_mesh(peer) else "",
    )


def _process(
    place: Place,
    name: str,
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    end: End,
    replicas: int,
) -> Process:
    try:
        environment = pods.environment(place, pod, container)
    except DeployedError as error:
        raise DeployedError(f"{name}: {error}") from error
    listens = [int(one["containerPort"]) for one in parts(container, "ports")]
    readiness, liveness, startup = (
        part(container, f"{kind}Probe") for kind in ("readiness", "liveness", "startup")
    )
    paths = [part(one, "httpGet").get("path") for one in (readiness, liveness, startup)]
    waits = part(container, "lifecycle", "preStop", "sleep").get("seconds") or 0
    grace = pod.get("terminationGracePeriodSeconds", _GRACE_SECONDS)
    return Process(
        name=name,
        image=str(container["image"]),
        entry_point=_words(container.get("command"), environment),
        arguments=_words(container.get("args"), environment),
        environment=environment,
        files=pods.files(place, pod, container, end),
        port=listens[0] if listens else None,
        health_path=next((str(path) for path in paths if path), None) if listens else None,
        health_seconds=_start_seconds(startup),
        # The preStop sleep before SIGTERM is part of the grace period.
        stop_seconds=float(max(int(grace) - int(waits), 0)),
        replicas=replicas,
        kind="pod",
    )


def _words(words: Sequence[str] | None, values: Mapping[str, str]) -> tuple[str, ...] | None:
    return tuple(pods.expanded(str(one), values) for one in words) if words else None


def _start_seconds(probe: Mapping[str, Any]) -> float:
    """The time after which a failed startup probe stops a container."""
    if not probe:
        return _START_SECONDS
    period, failures = probe.get("periodSeconds"), probe.get("failureThreshold")
    return float(
        int(probe.get("initialDelaySeconds") or 0)
        + int(period or _PERIOD_SECONDS) * int(failures or _FAILURES)
    )


def _replicas(cloud: Cloud, cluster: Cluster, deployment: Mapping[str, Any]) -> int:
    """The replicas within the bounds of an autoscaler, or 0 if scaled to zero."""
    replicas = int(part(deployment, "spec").get("replicas", 1))
    for stored in cloud.list(cluster.owner, _SCALER):
        spec = part(stored.properties, "spec")
        target = part(spec, "scaleTargetRef")
        if (
            replicas
            and (target.get("kind"), target.get("name")) == ("Deployment", _name(deployment))
            and _namespace(stored.properties) == _namespace(deployment)
        ):
            return min(max(replicas, int(spec.get("minReplicas", 1))), int(spec["maxReplicas"]))
    return replicas


def _refusal(
    policies: Sequence[Mapping[str, Any]],
    meshed: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    source: Peer,
    principal: str,
    callee: _Workload,
    port: int,
) -> str | None:
    """The reason why the policies of the cluster do not allow a connection to a pod."""
    # Two pods of the mesh connect only through the tunnel.
    on_the_way = meshes.TUNNEL_PORT if principal and callee.principal else port
    reason = network_policies.refusal(policies, source, callee.peer, on_the_way)
    if reason or not callee.principal:
        return reason
    return meshes.refusal(*meshed, source, principal, callee.peer, port)


def _has_policies(cloud: Cloud, cluster: Cluster) -> bool:
    """Whether the cluster enforces network policies, with the CNI of Auto Mode or the add-on."""
    for kind in ("ConfigMap", "ConfigMapPatch"):
        config = cloud.get(
            cluster.owner, f"kubernetes:core/v1:{kind}", "kube-system/amazon-vpc-cni"
        )
        switch = part(config.properties if config else {}, "data")
        if switch.get("enable-network-policy-controller") == "true":
            return True
    for stored in cloud.list("aws", _ADDON):
        addon = stored.properties
        if (addon.get("clusterName"), addon.get("addonName")) == (cluster.eks_name, "vpc-cni"):
            values = json.loads(str(addon.get("configurationValues") or "{}"))
            return str(part({"values": values}, "values").get("enableNetworkPolicy")) == "true"
    return False


def _objects(cloud: Cloud, cluster: Cluster, type_: str) -> list[Mapping[str, Any]]:
    return [one.properties for one in cloud.list(cluster.owner, type_)]


def _name(obj: Mapping[str, Any]) -> str:
    return str(part(obj, "metadata").get("name"))


def _namespace(obj: Mapping[str, Any]) -> str:
    return str(part(obj, "metadata").get("namespace") or "default")


def _service(
    services: Sequence[Mapping[str, Any]], host: str, namespace: str
) -> Mapping[str, Any] | None:
    """The Service for a name of the cluster's DNS or an address."""
    wanted = host.lower().removesuffix(".")
    for one in services:
        full = f"{_name(one)}.{_namespace(one)}"
        names = {f"{full}.svc.{_DOMAIN}", f"{full}.svc", full}
        if _namespace(one) == namespace:
            names.add(_name(one))
        address = part(one, "spec").get("clusterIP")
        if wanted in names or (address not in (None, "None", "") and wanted == address):
            return one
    return None


def _is_behind(service: Mapping[str, Any], pod: Peer) -> bool:
    selector = part(service, "spec", "selector")
    return (
        bool(selector)
        and _namespace(service) == pod.namespace
        and network_policies.selects({"matchLabels": selector}, pod.labels)
    )


def _target_port(service: Mapping[str, Any], port: int, pod: Peer) -> int | None:
    """The pod's port for a port of a Service; a headless Service has the pod's ports."""
    spec = part(service, "spec")
    for one in parts(spec, "ports"):
        if one.get("port") == port and spec.get("clusterIP") != "None":
            target = one.get("targetPort") or port
            return pod.ports.get(target) if isinstance(target, str) else int(target)
    return port if spec.get("clusterIP") == "None" else None


def _listening(workload: _Workload, port: int | None) -> str | None:
    found = (one.name for one in workload.processes if one.port == port)
    return next(found, None) if port else None


def _pod_port(services: Sequence[Mapping[str, Any]], callee: _Workload, port: int) -> int:
    """The pod's port for a port of the pod or of its Service."""
    if any(one.port == port for one in callee.processes):
        return port
    before = (one for one in services if _is_behind(one, callee.peer))
    targets = (_target_port(one, port, callee.peer) for one in before)
    return next((one for one in targets if one), port)


def _bound(
    cloud: Cloud,
    cluster: Cluster,
    services: Sequence[Mapping[str, Any]],
    workload: _Workload,
    process: str,
    target_groups: frozenset[str],
) -> list[int]:
    """The ports of a process that are registered in these target groups."""
    ports: list[int] = []
    for binding in (one for type_ in _BINDINGS for one in _objects(cloud, cluster, type_)):
        spec = part(binding, "spec")
        reference = part(spec, "serviceRef")
        if spec.get("targetGroupARN") not in target_groups:
            continue
        for service in services:
            if (
                _name(service) == reference.get("name")
                and _namespace(service) == _namespace(binding)
                and _is_behind(service, workload.peer)
            ):
                asked = {str(reference.get("port"))}
                offered = parts(part(service, "spec"), "ports")
                ports += [
                    target
                    for one in offered
                    if not asked.isdisjoint({str(one.get("port")), str(one.get("name"))})
                    and (target := _target_port(service, int(one["port"]), workload.peer))
                    and _listening(workload, target) == process
                ]
    return ports
