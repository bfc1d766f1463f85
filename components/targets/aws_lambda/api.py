"""A REST API without its routes: its address and its policy. The routes are in `routes`."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.gateway.address import Endpoint
from components.targets.aws_lambda.snapshot import Snapshot
from core.aws.iam import Statement, document
from core.config.model import Fleet
from core.stack import Stack
from core.targets.aws_lambda.addresses import API_STAGE, api_host
from core.targets.aws_lambda.rest_api import GatewayResponse, RestApi


class Api(Component):
    """A regional REST API without routes.

    Type token `mcp-platform:lambda:Api`. Creates the API, its gateway responses and its policy,
    which may allow only some addresses or roles. With a domain, it also creates the domain and
    disables the default endpoint.

    The gateway has a policy in every configuration: a policy that a change deletes would be deleted
    only after the deployment was created, and would still be part of it. Without restrictions, the
    policy allows what AWS allows without one.

    Attributes:
        id: The API's id.
        root_id: The id of the resource `/`.
        execution_arn: The prefix of ARNs in permissions to call it.
        host: The host name.
        url: The URL, without a slash at the end.
    """

    id: pulumi.Output[str]
    root_id: pulumi.Output[str]
    execution_arn: pulumi.Output[str]
    host: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        what: str,
        definition: RestApi,
        fleet: Fleet,
        stack: Stack,
        foundation: Foundation,
        is_gateway: bool,
        certificate_arn: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the API.

        Args:
            name: The component's name.
            what: What the API is for.
            definition: Its routes and settings.
            fleet: The fleet.
            stack: The stack.
            foundation: The foundation.
            is_gateway: Whether external callers use it; else only agents do.
            certificate_arn: The certificate of the gateway's domain, if it has one.
            opts: The component's options.
        """
        super().__init__("mcp-platform:lambda:Api", name, opts)
        self._name, self.what = name, what
        self.definition = definition
        """Its routes and settings."""
        self.snapshot = Snapshot()
        """The resources of the API that its deployment copies."""
        domain = fleet.gateway.domain if is_gateway and certificate_arn is not None else None
        self.name = f"{stack.label}-{what}"
        """The API's name, a dimension of its metrics."""
        api = self.snapshot.create(
            aws.apigateway.RestApi,
            f"{name}-rest",
            name=self.name,
            description=f"{what} of {stack.label}",
            endpoint_configuration={"types": "REGIONAL"},
            disable_execute_api_endpoint=domain is not None,
            binary_media_types=list(definition.binary_media_types) or None,
            opts=self.child_opts,
        )
        self.id, self.root_id, self.execution_arn = api.id, api.root_resource_id, api.execution_arn
        self.is_gateway = is_gateway
        """Whether external callers use it."""
        if is_gateway:
            self._admit(_admission(fleet, foundation, self.execution_arn))
        for response in definition.responses:
            self._respond(response)
        self.endpoint: Endpoint | None = None
        """The address that the domain's record points to."""
        self.domain_name: pulumi.Output[str] | None = None
        """The name of the domain in API Gateway, for the mapping of the stage."""
        if domain is not None:
            made = aws.apigateway.DomainName(
                f"{name}-domain",
                domain_name=domain,
                regional_certificate_arn=certificate_arn,
                endpoint_configuration={"types": "REGIONAL"},
                security_policy="TLS_1_2",
                opts=self.child_opts,
            )
            self.domain_name = made.domain_name
            self.endpoint = Endpoint(
                dns_name=made.regional_domain_name,
                zone_id=made.regional_zone_id,
                has_health=False,
            )
            self.host = pulumi.Output.from_input(domain)
            self.url = pulumi.Output.from_input(f"https://{domain}")
        else:
            self.host = api.id.apply(lambda id_: api_host(stack.region, id_))
            self.url = pulumi.Output.concat("https://", self.host, "/", API_STAGE)
        self.register()

    def admit_roles(self, role_arns: Sequence[pulumi.Output[str]], foundation: Foundation) -> None:
        """Creates the policy that denies all principals except these roles.

        Args:
            role_arns: The roles; each also needs its own permission to call.
            foundation: The foundation.
        """
        everything = pulumi.Output.concat(self.execution_arn, "/*")
        self._admit(
            [
                _callers_with_credentials(foundation, everything),
                Statement(
                    sid="OnlyAgents",
                    effect="Deny",
                    principals={"AWS": ("*",)},
                    actions=("execute-api:Invoke",),
                    resources=(everything,),
                    conditions={"ArnNotEquals": {"aws:PrincipalArn": list(role_arns)}}
                    if role_arns
                    else {},
                ),
            ]
        )

    def _admit(self, statements: Sequence[Statement]) -> None:
        self.snapshot.create(
            aws.apigateway.RestApiPolicy,
            f"{self._name}-policy",
            rest_api_id=self.id,
            policy=pulumi.Output.json_dumps(document(statements)),
            opts=self.child_opts,
        )

    def _respond(self, response: GatewayResponse) -> None:
        self.snapshot.create(
            aws.apigateway.Response,
            f"{self._name}-{response.name}",
            rest_api_id=self.id,
            response_type=response.type,
            status_code=str(response.status),
            response_parameters=dict(response.headers) or None,
            response_templates={"application/json": response.template},
            opts=self.child_opts,
        )

    def route_arn(self, method: str, path: str) -> pulumi.Output[str]:
        """The ARN of a route in permissions to call it; `*` matches any part of a path."""
        return pulumi.Output.concat(self.execution_arn, f"/{API_STAGE}/{method}{path}")


def _admission(
    fleet: Fleet, foundation: Foundation, execution_arn: pulumi.Output[str]
) -> list[Statement]:
    """Allows all callers if tokens are checked, else the account; only from `allow_cidrs`."""
    everything = pulumi.Output.concat(execution_arn, "/*")
    if fleet.gateway.auth:
        who = Statement(
            sid="CallersWithTokens",
            principals={"AWS": ("*",)},
            actions=("execute-api:Invoke",),
            resources=(everything,),
            why_star="tokens are checked on every route, and their holders are in no account",
        )
    else:
        who = _callers_with_credentials(foundation, everything)
    if not fleet.gateway.allow_cidrs:
        return [who]
    return [
        who,
        Statement(
            sid="OnlyFromThere",
            effect="Deny",
            principals={"AWS": ("*",)},
            actions=("execute-api:Invoke",),
            resources=(everything,),
            conditions={"NotIpAddress": {"aws:SourceIp": list(fleet.gateway.allow_cidrs)}},
        ),
    ]


def _callers_with_credentials(foundation: Foundation, everything: pulumi.Output[str]) -> Statement:
    """Lets IAM policies of the account grant access. It grants none to a principal itself."""
    return Statement(
        sid="CallersWithCredentials",
        principals={"AWS": (foundation.account.arn("iam", "root", region=""),)},
        actions=("execute-api:Invoke",),
        resources=(everything,),
    )
