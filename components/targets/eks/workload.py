"""A workload as a Deployment."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s

from components.component import Component
from components.foundation import Foundation
from components.foundation.identity import role
from components.gateway.gateway import Gateway
from components.targets.eks import files, vault
from components.targets.eks.labels import labels, selector
from components.targets.eks.namespaces import Namespaces
from components.targets.eks.permissions import pod_permissions
from components.targets.eks.pod import pod_spec
from components.targets.eks.policies import open_to_gateway
from components.targets.eks.rbac import let_discover
from components.targets.eks.routes import bind
from components.targets.eks.scaling import disruption_budget, scale
from components.targets.eks.variables import plain_variables
from core.aws.iam import pod_trust
from core.config.model import Agent
from core.contract import PORT
from core.resolved import ResolvedFleet
from core.resolved import Workload as ResolvedWorkload
from core.targets.eks.kubernetes import grace_period_seconds

# The time in which a new replica gets a node, pulls its image and starts.
_ROLLOUT_SECONDS = 15 * 60

_SCALING = "mcp-platform/scaling"


class Workload(Component):
    """A server or an agent in the cluster.

    Type token `mcp-platform:eks:Workload`. Creates:

    - A service account and, if the workload uses AWS, its role for EKS Pod Identity.
    - A Deployment, a Service and a PodDisruptionBudget.
    - With autoscaling, a HorizontalPodAutoscaler.
    - With secrets, a SecretProviderClass. With files, a persistent volume and its claim.
    - Behind the gateway, a TargetGroupBinding and a network policy for the load balancer.
    - For an agent, a Role with which it finds its servers.

    Attributes:
        deployment_name: The name of the Deployment.
    """

    deployment_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        workload: ResolvedWorkload,
        fleet: ResolvedFleet,
        foundation: Foundation,
        gateway: Gateway,
        namespaces: Namespaces,
        rules: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the workload.

        Args:
            name: The component's name.
            workload: The workload.
            fleet: The fleet.
            foundation: The foundation.
            gateway: The gateway.
            namespaces: The namespaces of the fleet.
            rules: The security group rules that its pods need. They exist before the first pod
                starts and until the last pod stops.
            opts: The component's options.
        """
        super().__init__("mcp-platform:eks:Workload", name, opts)
        self._name, self._workload, self._stack = name, workload, fleet.stack
        config, namespace = workload.config, workload.namespace
        marks = labels(workload, fleet.stack)
        self._metadata: k8s.meta.v1.ObjectMetaArgsDict = {
            "name": workload.name,
            "namespace": namespace,
            "labels": marks,
        }
        needed = namespaces.ready
        here = pulumi.ResourceOptions(parent=self, depends_on=needed)
        secrets = foundation.vault.read_by(workload.container)
        secrets_from = vault.vault_name(workload.name, secrets)
        ready = [
            *rules,
            *namespaces.edges[workload.name],
            *self._identity(namespaces, foundation, here),
        ]
        if isinstance(config, Agent):
            ready += let_discover(name, workload, fleet=fleet, labels=marks, opts=here)
        if secrets:
            ready.append(
                vault.provider_class(
                    f"{name}-vault",
                    called=secrets_from,
                    namespace=namespace,
                    labels=marks,
                    secrets=secrets,
                    opts=here,
                )
            )
        if config.storage and foundation.storage:
            ready.append(
                files.volume_claim(
                    name,
                    workload.name,
                    namespace=namespace,
                    labels=marks,
                    stack=fleet.stack,
                    storage=foundation.storage,
                    opts=here,
                )
            )
            ready += foundation.storage.mount_targets
        service = self._service(here)
        if route := gateway.routes.get(workload.name):
            after_service = pulumi.ResourceOptions(
                parent=self,
                depends_on=[*needed, service, route.rule],
                # The target group is immutable (AWS Load Balancer Controller, webhooks).
                replace_on_changes=["spec.targetGroupARN"],
                delete_before_replace=True,
            )
            ready.append(
                bind(
                    name,
                    workload.name,
                    namespace=namespace,
                    labels=marks,
                    nodes=fleet.config.cluster.nodes,
                    route=route,
                    opts=after_service,
                )
            )
            ready.append(
                open_to_gateway(
                    name,
                    workload,
                    stack=fleet.stack,
                    blocks=namespaces.gateway_blocks,
                    opts=here,
                )
            )
        ending = grace_period_seconds(workload.container.timeouts)
        timeout = f"{_ROLLOUT_SECONDS + ending}s"
        spec: k8s.apps.v1.DeploymentSpecArgsDict = {
            # The driver makes the ReplicaSet an owner of the Secret. Old ReplicaSets would
            # therefore keep Secrets with earlier values. Use Pulumi for a rollback.
            "revision_history_limit": 0,
            # Pods of the last rollout that still terminate may use the quota that new pods need.
            "progress_deadline_seconds": _ROLLOUT_SECONDS + ending,
            "strategy": {
                "type": "RollingUpdate",
                "rolling_update": {"max_surge": "25%", "max_unavailable": 0},
            },
            "selector": {"match_labels": selector(workload.name, fleet.stack)},
            "template": {
                "metadata": {"labels": marks},
                "spec": pod_spec(
                    workload,
                    fleet=fleet,
                    image=foundation.images.uris[workload.name],
                    variables=plain_variables(workload, gateway),
                    secrets=list(secrets),
                    secrets_from=secrets_from,
                    priority=namespaces.priority_class,
                ),
            },
        }
        scaled = workload.is_autoscaled
        # Pulumi sets the initial number, and the autoscaler changes it. A GitOps engine would reset
        # the number each time that it applies the manifest.
        if not (scaled and fleet.config.gitops):
            spec["replicas"] = config.replicas.min
        deployment = k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata={
                **self._metadata,
                "annotations": {
                    # The field manager of the number of replicas changes with the configuration.
                    "pulumi.com/patchForce": "true",
                    # The state does not have the number that the autoscaler set. The annotation
                    # causes an update when autoscaling is turned off.
                    **({_SCALING: "autoscaled"} if scaled else {}),
                },
            },
            spec=spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*needed, *ready, service, *foundation.network.egress],
                ignore_changes=["spec.replicas"] if scaled else None,
                custom_timeouts=pulumi.CustomTimeouts(
                    create=timeout, update=timeout, delete=timeout
                ),
            ),
        )
        disruption_budget(
            name,
            workload.name,
            metadata=self._metadata,
            stack=fleet.stack,
            opts=here,
        )
        if scaled:
            scale(
                name,
                workload.name,
                metadata=self._metadata,
                replicas=config.replicas,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
            )
        self.deployment_name = pulumi.Output.from_input(workload.name)
        self.register()

    def _identity(
        self, namespaces: Namespaces, foundation: Foundation, here: pulumi.ResourceOptions
    ) -> list[pulumi.Resource]:
        """Creates the service account and, if its pods use AWS, their role."""
        account = k8s.core.v1.ServiceAccount(
            f"{self._name}-account",
            metadata=self._metadata,
            automount_service_account_token=False,
            opts=here,
        )
        workload = self._workload
        statements = pod_permissions(workload, foundation)
        if not statements:
            return [account]
        pod_role, ready = role(
            f"{self._name}-pod",
            parent=self,
            trust=pod_trust(workload.namespace, workload.name),
            description=f"What {workload.name} of {self._stack.label} may do",
            statements=statements,
        )
        association = aws.eks.PodIdentityAssociation(
            f"{self._name}-identity",
            cluster_name=namespaces.cluster_name,
            namespace=workload.namespace,
            service_account=workload.name,
            role_arn=pod_role.arn,
            opts=here,
        )
        return [account, *ready, association]

    def _service(self, here: pulumi.ResourceOptions) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            f"{self._name}-service",
            metadata={
                **self._metadata,
                # Pulumi must not wait for endpoints: the pods depend on the TargetGroupBinding,
                # which depends on the service.
                "annotations": {"pulumi.com/skipAwait": "true"},
            },
            spec={
                "type": "ClusterIP",
                "selector": selector(self._workload.name, self._stack),
                "ports": [
                    {
                        "name": "http",
                        "port": PORT,
                        "target_port": "http",
                        "protocol": "TCP",
                        "app_protocol": "http",
                    }
                ],
            },
            opts=here,
        )
