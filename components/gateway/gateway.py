"""The gateway on ECS and EKS: an Application Load Balancer."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.foundation.network import HTTPS_PORT
from components.gateway.address import Endpoint
from components.gateway.authentication import metadata_rule, token_check
from components.gateway.firewall import firewall
from core import timeouts
from core.aws import names
from core.config.enums import Exposure
from core.config.model import Agent
from core.contract import HEALTH_PATH, MCP_PATH, PORT
from core.discovery import agent_path, server_path
from core.network.cidrs import EVERYWHERE
from core.resolved import ResolvedFleet, Workload

HTTP_PORT = 80

# TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only (Elastic Load Balancing,
# "Security policies for your Application Load Balancer").
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route from the gateway to a workload.

    Attributes:
        target_group: The target group of the workload's replicas.
        rule: The listener rule. ECS accepts the target group in a service only after the rule
            exists.
    """

    target_group: aws.lb.TargetGroup
    rule: aws.lb.ListenerRule


class Gateway(Component):
    """The load balancer of the fleet, with a route to every exposed workload.

    Type token `mcp-platform:gateway:Gateway`. Creates:

    - An internal or internet-facing load balancer and its security group.
    - With a domain, an HTTPS listener and a redirect from HTTP. Without one, an HTTP listener.
    - For each exposed workload, a target group and a listener rule. The rule validates tokens if
      authentication is configured, rewrites the path and forwards the request.
    - With authentication, a rule for the protected-resource metadata.
    - A web ACL, if the firewall is configured.

    Attributes:
        url: The URL of the gateway, without a slash at the end.
        host: The host name in the URL.
        security_group_id: The security group of the load balancer.
        arn_suffix: The load balancer's dimension in CloudWatch metrics.
    """

    url: pulumi.Output[str]
    host: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    arn_suffix: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        foundation: Foundation,
        certificate_arn: pulumi.Input[str] | None,
        target_group_tags: Mapping[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the gateway.

        Args:
            name: The component's name.
            fleet: The fleet.
            foundation: The foundation.
            certificate_arn: The certificate of the domain, if there is a domain.
            target_group_tags: Additional tags of the target groups.
            opts: The component's options.
        """
        super().__init__("mcp-platform:gateway:Gateway", name, opts)
        self._name, self._fleet, self._foundation = name, fleet, foundation
        self._target_group_tags = target_group_tags or {}
        config = fleet.config.gateway
        public = config.exposure is Exposure.PUBLIC
        network = foundation.network

        self.rules: list[pulumi.Resource] = []
        """The rules of its security group: ingress of callers, egress to the token issuer."""
        group = self._security_group()
        idle_seconds = fleet.load_balancer_idle_seconds
        self.load_balancer = aws.lb.LoadBalancer(
            f"{name}-alb",
            load_balancer_type="application",
            internal=not public,
            subnets=network.public_subnet_ids if public else network.private_subnet_ids,
            security_groups=[group.id],
            idle_timeout=idle_seconds,
            client_keep_alive=timeouts.chain(
                1, alb_idle=idle_seconds
            ).alb_client_keep_alive_seconds,
            drop_invalid_header_fields=True,
            enable_deletion_protection=config.deletion_protection,
            # Pulumi rejects the deletion first. AWS would do so only after the new target exists.
            opts=pulumi.ResourceOptions(parent=self, protect=config.deletion_protection),
        )
        self.endpoint = Endpoint(
            dns_name=self.load_balancer.dns_name,
            zone_id=self.load_balancer.zone_id,
            has_health=True,
        )
        """The endpoint for the DNS record of the domain."""
        firewall(
            name,
            fleet=fleet.config,
            foundation=foundation,
            resource_arn=self.load_balancer.arn,
            parent=self,
        )
        listener = self._listener(certificate_arn)
        self.url, self.host = self._address()
        self.routes = {
            name: self._route(workload, listener)
            for name, workload in fleet.workloads.items()
            if workload.config.expose
        }
        """The routes, by workload."""
        self.security_group_id = group.id
        self.arn_suffix = self.load_balancer.arn_suffix
        self.register()

    def _security_group(self) -> aws.ec2.SecurityGroup:
        gateway = self._fleet.config.gateway
        group = aws.ec2.SecurityGroup(
            f"{self._name}-group",
            description="Gateway, reached by its callers",
            vpc_id=self._foundation.network.vpc_id,
            tags={"Name": f"{self._fleet.stack.label}-gateway"},
            opts=self.child_opts,
        )
        for port in (HTTP_PORT, HTTPS_PORT) if gateway.domain else (HTTP_PORT,):
            for block in self._fleet.gateway_callers:
                admitted = aws.vpc.SecurityGroupIngressRule(
                    f"{self._name}-from-{block.replace('/', '-')}-{port}",
                    security_group_id=group.id,
                    description=f"Callers from {block}",
                    ip_protocol="tcp",
                    from_port=port,
                    to_port=port,
                    cidr_ipv4=block,
                    opts=self.child_opts,
                )
                self.rules.append(admitted)
        if gateway.auth:
            to_issuer = aws.vpc.SecurityGroupEgressRule(
                f"{self._name}-to-issuer",
                security_group_id=group.id,
                description="Keys of the token issuer, to check tokens with",
                ip_protocol="tcp",
                from_port=HTTPS_PORT,
                to_port=HTTPS_PORT,
                cidr_ipv4=EVERYWHERE,
                opts=self.child_opts,
            )
            self.rules.append(to_issuer)
        return group

    def _listener(self, certificate_arn: pulumi.Input[str] | None) -> aws.lb.Listener:
        """Creates the listener of the routes: HTTPS with a domain, HTTP without."""
        gateway = self._fleet.config.gateway
        no_such_path: aws.lb.ListenerDefaultActionArgsDict = {
            "type": "fixed-response",
            "fixed_response": {
                "content_type": "application/json",
                "message_body": '{"error":"there is nothing at this path"}',
                "status_code": "404",
            },
        }
        to_https: aws.lb.ListenerDefaultActionArgsDict = {
            "type": "redirect",
            "redirect": {
                "protocol": "HTTPS",
                "port": str(HTTPS_PORT),
                "status_code": "HTTP_301",
            },
        }
        # The same logical name with and without a domain, so that adding a domain updates the
        # listener. A replacement would conflict, because a port can have only one listener.
        http = aws.lb.Listener(
            f"{self._name}-http",
            load_balancer_arn=self.load_balancer.arn,
            port=HTTP_PORT,
            protocol="HTTP",
            default_actions=[to_https if gateway.domain else no_such_path],
            opts=self.child_opts,
        )
        if certificate_arn is None:
            return http
        listener = aws.lb.Listener(
            f"{self._name}-https",
            load_balancer_arn=self.load_balancer.arn,
            port=HTTPS_PORT,
            protocol="HTTPS",
            ssl_policy=_TLS_POLICY,
            certificate_arn=certificate_arn,
            default_actions=[no_such_path],
            opts=self.child_opts,
        )
        if gateway.auth:
            metadata_rule(
                self._name,
                auth=gateway.auth,
                url=f"https://{gateway.domain}",
                listener_arn=listener.arn,
                parent=self,
            )
        return listener

    def _address(self) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        domain = self._fleet.config.gateway.domain
        host = pulumi.Output.from_input(domain) if domain else self.load_balancer.dns_name
        return pulumi.Output.concat("https://" if domain else "http://", host), host

    def _route(self, workload: Workload, listener: aws.lb.Listener) -> Route:
        config = self._fleet.config.gateway
        health = timeouts.HEALTH
        target_group = aws.lb.TargetGroup(
            names.autoname_prefix(f"{self._name}-{workload.name}", names.TARGET_GROUP),
            vpc_id=self._foundation.network.vpc_id,
            target_type="ip",
            port=PORT,
            protocol="HTTP",
            # The duration of requests differs by orders of magnitude, so round robin would not
            # distribute the load evenly.
            load_balancing_algorithm_type="least_outstanding_requests",
            deregistration_delay=workload.container.timeouts.deregistration_seconds,
            health_check={
                "path": HEALTH_PATH,
                "matcher": "200",
                "interval": health.interval_seconds,
                "timeout": health.timeout_seconds,
                "healthy_threshold": health.successes,
                "unhealthy_threshold": health.failures,
            },
            tags={
                "Name": f"{self._fleet.stack.label}-{workload.name}",
                **self._target_group_tags,
            },
            # A change of the exposure replaces the load balancer. A target group cannot move to
            # another load balancer, so the new one needs new target groups.
            opts=pulumi.ResourceOptions(parent=self, replacement_trigger=config.exposure.value),
        )
        # An agent has any path below its name. A server has only its endpoint, with or without a
        # slash at the end. A redirect would lose the body of a POST request.
        if isinstance(workload.config, Agent):
            outer = agent_path(workload.name)
            paths, rewrite = [outer, f"{outer}/*"], {"regex": f"^{outer}/?(.*)$", "replace": "/$1"}
        else:
            outer = server_path(workload.name)
            paths, rewrite = [outer, f"{outer}/"], {"regex": f"^{outer}/?$", "replace": MCP_PATH}
        auth = config.auth
        forward: aws.lb.ListenerRuleActionArgsDict = {
            "type": "forward",
            "order": 2 if auth else 1,
            "target_group_arn": target_group.arn,
        }
        rule = aws.lb.ListenerRule(
            f"{self._name}-{workload.name}-rule",
            listener_arn=listener.arn,
            # Without a priority, AWS assigns the next free one, so a new workload does not change
            # other rules. The order does not matter, because the paths do not overlap.
            conditions=[{"path_pattern": {"values": paths}}],
            transforms=[
                {
                    "type": "url-rewrite",
                    "url_rewrite_config": {
                        "rewrite": {"regex": rewrite["regex"], "replace": rewrite["replace"]}
                    },
                }
            ],
            actions=[token_check(auth), forward] if auth else [forward],
            opts=self.child_opts,
        )
        return Route(target_group=target_group, rule=rule)
