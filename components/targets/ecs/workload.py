"""A workload as a Fargate service."""

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.foundation.identity import role
from components.gateway.gateway import Gateway
from components.targets.ecs.cluster import Cluster
from components.targets.ecs.container import FILES_VOLUME, definition, mounts, volume_name
from components.targets.ecs.permissions import execution_permissions, task_permissions
from components.targets.ecs.traffic import Traffic
from components.targets.ecs.variables import plain_variables, sidecar_variables, value_from
from core import timeouts
from core.aws import names
from core.aws.iam import trust
from core.config.model import Server
from core.contract import PORT
from core.resolved import Container, ResolvedFleet
from core.resolved import Workload as ResolvedWorkload

_TASKS_SERVICE = "ecs-tasks.amazonaws.com"

# The default timeout of the provider (pulumi-aws, ecs.Service: 20 minutes). The drain of a replica
# may take longer, so its timeout is added.
_DEPLOYMENT_SECONDS = 20 * 60

# A client may cache the address of a stopped replica for this long.
_DNS_TTL_SECONDS = 10


class Workload(Component):
    """A server or an agent on Fargate.

    Type token `mcp-platform:ecs:Workload`. Creates a task role and an execution role with their
    policies, a task definition with a container for the workload and one for each sidecar, and a
    service. A server also gets a service in the discovery namespace.

    A deployment keeps the desired count of healthy tasks and is rolled back if it fails. Tasks are
    spread over availability zones and have no public IP address. With autoscaling, Pulumi ignores
    changes of the desired count.

    Attributes:
        service_name: The name of the ECS service.
    """

    service_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        workload: ResolvedWorkload,
        fleet: ResolvedFleet,
        foundation: Foundation,
        gateway: Gateway,
        cluster: Cluster,
        traffic: Traffic,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:ecs:Workload", name, opts)
        self._name, self._workload, self._fleet = name, workload, fleet
        self._foundation, self._gateway, self._cluster = foundation, gateway, cluster
        task_definition, permissions = self._task_definition()
        needed = [*permissions, *self._mountable(), *traffic.rules]
        self.service = self._service(task_definition, traffic.security_group_ids, needed)
        """The service. Its outputs resolve when it is in a steady state."""
        self.service_name = self.service.name
        self.register()

    def _task_definition(self) -> tuple[aws.ecs.TaskDefinition, list[pulumi.Resource]]:
        """Creates the task definition and the permissions that a task needs to start."""
        workload, foundation = self._workload, self._foundation
        label = self._fleet.stack.label
        task_role, task_ready = role(
            f"{self._name}-task",
            parent=self,
            trust=trust(_TASKS_SERVICE, foundation.account.id),
            description=f"What {workload.name} of {label} may do",
            statements=task_permissions(workload, foundation),
        )
        execution_role, execution_ready = role(
            f"{self._name}-execution",
            parent=self,
            trust=trust(_TASKS_SERVICE, foundation.account.id),
            description=f"What ECS may do to start {workload.name} of {label}",
            statements=execution_permissions(workload, foundation),
        )
        task_definition = aws.ecs.TaskDefinition(
            f"{self._name}-task",
            family=names.fit(f"{label}-{workload.name}", names.ECS_NAME),
            cpu=str(workload.cpu),
            memory=str(workload.memory_mib),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform={"cpu_architecture": "ARM64", "operating_system_family": "LINUX"},
            task_role_arn=task_role.arn,
            execution_role_arn=execution_role.arn,
            volumes=[
                self._volume(container, volume)
                for container in workload.containers
                for volume in mounts(container)
            ],
            container_definitions=pulumi.Output.json_dumps(
                [self._container(container) for container in workload.containers]
            ),
            opts=self.child_opts,
        )
        return task_definition, [*task_ready, *execution_ready]

    def _container(self, container: Container) -> dict[str, object]:
        workload, foundation = self._workload, self._foundation
        is_own = container is workload.container
        return definition(
            container,
            workload,
            image=foundation.images.uris[container.name],
            variables=plain_variables(workload, self._gateway)
            if is_own
            else sidecar_variables(container),
            secrets={
                variable: value_from(secret)
                for variable, secret in foundation.vault.read_by(container).items()
            },
            log_group=foundation.observability.log_group_names[container.name],
            region=self._fleet.stack.region,
        )

    def _volume(self, container: Container, volume: str) -> aws.ecs.TaskDefinitionVolumeArgsDict:
        storage, name = self._foundation.storage, volume_name(volume, container, self._workload)
        if volume != FILES_VOLUME or not storage:
            return {"name": name}
        return {
            "name": name,
            "efs_volume_configuration": {
                "file_system_id": storage.file_system_id,
                "transit_encryption": "ENABLED",
                "authorization_config": {
                    "access_point_id": storage.access_point_ids[container.name],
                    "iam": "ENABLED",
                },
            },
        }

    def _mountable(self) -> list[pulumi.Resource]:
        storage = self._foundation.storage
        mounted = any(container.config.storage for container in self._workload.containers)
        return [*storage.mount_targets] if mounted and storage else []

    def _service(
        self,
        task_definition: aws.ecs.TaskDefinition,
        security_group_ids: list[pulumi.Output[str]],
        needed: list[pulumi.Resource],
    ) -> aws.ecs.Service:
        workload, config = self._workload, self._workload.config
        times = workload.container.timeouts
        # Sidecars start before the workload and stop after it, all of them at once.
        stop = times.stop_seconds + max(
            (sidecar.timeouts.stop_seconds for sidecar in workload.sidecars), default=0
        )
        start = timeouts.HEALTH.start_seconds * (2 if workload.sidecars else 1)
        timeout = f"{_DEPLOYMENT_SECONDS + times.deregistration_seconds + stop}s"
        route = self._gateway.routes.get(workload.name)
        return aws.ecs.Service(
            f"{self._name}-service",
            cluster=self._cluster.arn,
            task_definition=task_definition.arn,
            desired_count=config.replicas.min,
            capacity_provider_strategies=capacity(spot=config.spot),
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            # The provider requires this for an update of the capacity provider strategy (`spot`).
            # Every update of the service then starts a deployment.
            force_new_deployment=True,
            availability_zone_rebalancing="ENABLED",
            enable_execute_command=config.exec,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            wait_for_steady_state=True,
            network_configuration={
                "subnets": self._foundation.network.private_subnet_ids,
                "security_groups": security_group_ids,
                "assign_public_ip": False,
            },
            load_balancers=[
                {
                    "target_group_arn": route.target_group.arn,
                    "container_name": workload.name,
                    "container_port": PORT,
                }
            ]
            if route
            else None,
            health_check_grace_period_seconds=start if route else None,
            service_registries={"registry_arn": self._registry().arn}
            if isinstance(config, Server)
            else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[
                    *needed,
                    *([route.rule] if route else []),
                    *self._foundation.network.egress,
                ],
                ignore_changes=["desiredCount"] if workload.is_autoscaled else None,
                # The state does not show that a deployment failed (docs/adr/0018).
                replace_on_changes=["#initerror"],
                replacement_trigger=_shape(routed=route is not None, scales=workload.is_autoscaled),
                custom_timeouts=pulumi.CustomTimeouts(
                    create=timeout, update=timeout, delete=timeout
                ),
            ),
        )

    def _registry(self) -> aws.servicediscovery.Service:
        return aws.servicediscovery.Service(
            f"{self._name}-discovery",
            name=self._workload.name,
            description=f"The MCP server {self._workload.name}",
            dns_config={
                "namespace_id": self._foundation.discovery.namespace_id,
                "dns_records": [{"type": "A", "ttl": _DNS_TTL_SECONDS}],
                "routing_policy": "MULTIVALUE",
            },
            # ECS reports the health of containers, and DNS omits unhealthy ones. AWS cannot add
            # this setting to a service later, and the provider drops the block if it is empty.
            health_check_custom_config={"failure_threshold": 1},
            # ECS may deregister the last replica late, and the provider does not wait for it.
            force_destroy=True,
            # The name is unique in the namespace, so the old service must be deleted first.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def _shape(*, routed: bool, scales: bool) -> str:
    """The properties that cannot be updated. A change replaces the service.

    ECS rejects an update that adds a load balancer and its grace period together, as the provider
    sends it. When autoscaling is turned off, an update does not set the count, because autoscaling
    changed it and the state has the earlier value. The new service is created before the old one
    is deleted.
    """
    return f"{'gateway' if routed else 'private'} {'autoscaled' if scales else 'fixed'}"


def capacity(*, spot: bool) -> list[aws.ecs.ServiceCapacityProviderStrategyArgsDict]:
    """The capacity of replicas: on demand, or the first on demand and the others on Spot."""
    if not spot:
        return [{"capacity_provider": "FARGATE", "base": 1, "weight": 1}]
    return [
        {"capacity_provider": "FARGATE", "base": 1, "weight": 0},
        {"capacity_provider": "FARGATE_SPOT", "base": 0, "weight": 1},
    ]
