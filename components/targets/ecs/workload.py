"""One workload as a Fargate service."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.foundation.identity import role
from components.gateway.gateway import Gateway
from components.targets.ecs.cluster import Cluster
from components.targets.ecs.container import FILES_VOLUME, container, mounts, volume_name
from components.targets.ecs.permissions import execution_permissions, task_permissions
from components.targets.ecs.traffic import Traffic
from components.targets.ecs.variables import (
    plain_variables,
    sidecar_ports,
    sidecar_variables,
    value_from,
)
from core import names, timeouts
from core.fleet import PORT, Agent, Fleet, Server
from core.iam import trust
from core.sidecars import containers, task_size
from core.stack import Stack

_TASKS_SERVICE = "ecs-tasks.amazonaws.com"

# What the provider waits for a service by itself (pulumi-aws, ecs.Service: 20 minutes); a copy that
# goes may drain for longer than that.
_DEPLOYMENT_SECONDS = 20 * 60

# A copy that was replaced is gone from DNS this long after; agents look the name up again then.
_DNS_TTL_SECONDS = 10


class Workload(pulumi.ComponentResource):
    """A server or an agent on Fargate.

    Type token `mcp-platform:ecs:Workload`. Creates a task role and an execution role with their
    policies, for a server its entry in the discovery namespace, a task definition
    (of one container, and one for each sidecar) and a service.

    The service keeps its desired count while it deploys, rolls a failed deployment back, spreads
    over zones, has no public address, and leaves its count to autoscaling where that is on.

    Attributes:
        service_name: The service's name.
    """

    service_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        workload: str,
        load: Server | Agent,
        fleet: Fleet,
        stack: Stack,
        foundation: Foundation,
        gateway: Gateway,
        cluster: Cluster,
        traffic: Traffic,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:ecs:Workload", name, None, opts)
        self._name, self._workload, self._load = name, workload, load
        self._stack, self._foundation, self._cluster = stack, foundation, cluster
        self._task = containers(fleet, workload, load)

        chains = {
            name: timeouts.chain(each.max_request_seconds) for name, each in self._task.items()
        }
        if load.expose:
            chains[workload] = timeouts.chain(
                load.max_request_seconds, alb_idle=gateway.idle_seconds
            )
        variables = {
            name: sidecar_variables(
                name, fleet.servers[name], port=port, fleet=fleet, timeouts=chains[name]
            )
            for name, port in sidecar_ports(self._task).items()
        } | {
            workload: plain_variables(
                workload, load, fleet=fleet, stack=stack, gateway=gateway, timeouts=chains[workload]
            )
        }
        definition, permissions = self._task_definition(chains, variables)
        needed = [*permissions, *self._mountable(), *traffic.rules]
        self.service = self._service(
            definition, traffic.security_group_ids, gateway, chains, needed
        )
        """The service, which exists once its tasks are steady."""
        self.service_name = self.service.name
        self.register_outputs({"service_name": self.service_name})

    def _task_definition(
        self,
        chains: Mapping[str, timeouts.Chain],
        variables: Mapping[str, Mapping[str, pulumi.Input[str]]],
    ) -> tuple[aws.ecs.TaskDefinition, list[pulumi.Resource]]:
        """Makes the task definition, and says what must be in force before a task can start."""
        workload, task, foundation = self._workload, self._task, self._foundation
        cpu, memory = task_size(task)
        task_role, task_ready = role(
            f"{self._name}-task",
            parent=self,
            trust=trust(_TASKS_SERVICE, foundation.account.id),
            description=f"What {workload} of {self._stack.label} may do",
            statements=task_permissions(task, foundation),
        )
        execution_role, execution_ready = role(
            f"{self._name}-execution",
            parent=self,
            trust=trust(_TASKS_SERVICE, foundation.account.id),
            description=f"What ECS may do to start {workload} of {self._stack.label}",
            statements=execution_permissions(task, foundation),
        )
        definition = aws.ecs.TaskDefinition(
            f"{self._name}-task",
            family=names.fit(f"{self._stack.label}-{workload}", names.ECS_NAME),
            cpu=str(cpu),
            memory=str(memory),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform={"cpu_architecture": "ARM64", "operating_system_family": "LINUX"},
            task_role_arn=task_role.arn,
            execution_role_arn=execution_role.arn,
            volumes=[
                self._volume(name, volume) for name, load in task.items() for volume in mounts(load)
            ],
            container_definitions=pulumi.Output.json_dumps(
                [
                    container(
                        name,
                        task,
                        image=foundation.images.uris[name],
                        variables=variables[name],
                        secrets={
                            variable: value_from(secret)
                            for variable, secret in foundation.vault.read_by(name, load).items()
                        },
                        log_group=foundation.observability.log_group_names[name],
                        region=self._stack.region,
                        stop_seconds=chains[name].stop_seconds,
                    )
                    for name, load in task.items()
                ]
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return definition, [*task_ready, *execution_ready]

    def _volume(self, container: str, volume: str) -> aws.ecs.TaskDefinitionVolumeArgsDict:
        storage, name = self._foundation.storage, volume_name(volume, container, self._workload)
        if volume != FILES_VOLUME or not storage:
            return {"name": name}
        return {
            "name": name,
            "efs_volume_configuration": {
                "file_system_id": storage.file_system_id,
                "transit_encryption": "ENABLED",
                "authorization_config": {
                    "access_point_id": storage.access_point_ids[container],
                    "iam": "ENABLED",
                },
            },
        }

    def _mountable(self) -> list[pulumi.Resource]:
        storage = self._foundation.storage
        mounted = any(load.storage for load in self._task.values())
        return [*storage.mount_targets] if mounted and storage else []

    def _service(
        self,
        definition: aws.ecs.TaskDefinition,
        security_group_ids: list[pulumi.Output[str]],
        gateway: Gateway,
        chains: Mapping[str, timeouts.Chain],
        needed: list[pulumi.Resource],
    ) -> aws.ecs.Service:
        load, chain = self._load, chains[self._workload]
        # Sidecars start before the workload and stop after it, all of them at once.
        _, *sidecars = self._task
        stop = chain.stop_seconds + max((chains[each].stop_seconds for each in sidecars), default=0)
        start = timeouts.HEALTH.start_seconds * (2 if sidecars else 1)
        patience = f"{_DEPLOYMENT_SECONDS + chain.deregistration_seconds + stop}s"
        scales = load.replicas.min < load.replicas.max
        route = gateway.routes.get(self._workload)
        return aws.ecs.Service(
            f"{self._name}-service",
            cluster=self._cluster.arn,
            task_definition=definition.arn,
            desired_count=load.replicas.min,
            capacity_provider_strategies=capacity(spot=load.spot),
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            # The provider refuses another strategy (`spot`) without it; what is updated rolls out.
            force_new_deployment=True,
            availability_zone_rebalancing="ENABLED",
            enable_execute_command=load.exec,
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
                    "container_name": self._workload,
                    "container_port": PORT,
                }
            ]
            if route
            else None,
            health_check_grace_period_seconds=start if route else None,
            service_registries={"registry_arn": self._registry().arn}
            if isinstance(load, Server)
            else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[
                    *needed,
                    *([route.rule] if route else []),
                    *self._foundation.network.egress,
                ],
                ignore_changes=["desiredCount"] if scales else None,
                # A deployment that failed is in the state as if it had not: docs/adr/0018.
                replace_on_changes=["#initerror"],
                replacement_trigger=_shape(routed=route is not None, scales=scales),
                custom_timeouts=pulumi.CustomTimeouts(
                    create=patience, update=patience, delete=patience
                ),
            ),
        )

    def _registry(self) -> aws.servicediscovery.Service:
        return aws.servicediscovery.Service(
            f"{self._name}-discovery",
            name=self._workload,
            description=f"The MCP server {self._workload}",
            dns_config={
                "namespace_id": self._foundation.discovery.namespace_id,
                "dns_records": [{"type": "A", "ttl": _DNS_TTL_SECONDS}],
                "routing_policy": "MULTIVALUE",
            },
            # ECS reports the health of containers here, and DNS leaves out what is unhealthy. AWS
            # cannot add this to a service later, and the provider drops a block without a value.
            health_check_custom_config={"failure_threshold": 1},
            # ECS may be late to take out the last copy, and the provider does not wait for it.
            force_destroy=True,
            # A namespace has a name once: the old one must be gone before the new one can have it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def _shape(*, routed: bool, scales: bool) -> str:
    """What of a service cannot change in place: another value replaces the service.

    ECS takes no load balancer and its grace period in one update, as the provider sends them. And
    an update to a fixed number of replicas has no count in it: the state does not know how many
    there are, as autoscaling has changed that. The new service serves before the old one goes.
    """
    return f"{'gateway' if routed else 'private'} {'autoscaled' if scales else 'fixed'}"


def capacity(*, spot: bool) -> list[aws.ecs.ServiceCapacityProviderStrategyArgsDict]:
    """Where copies run: all on demand, or the first on demand and the others on spare capacity."""
    if not spot:
        return [{"capacity_provider": "FARGATE", "base": 1, "weight": 1}]
    return [
        {"capacity_provider": "FARGATE", "base": 1, "weight": 0},
        {"capacity_provider": "FARGATE_SPOT", "base": 0, "weight": 1},
    ]
