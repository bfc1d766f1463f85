"""A REST API: its address, and who may call it. What it answers is in `routes`."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.gateway.address import Endpoint
from components.targets.aws_lambda import templates
from core.aws.iam import Statement, document
from core.config.model import Fleet
from core.discovery import API_STAGE, METADATA_PATH, api_host
from core.stack import Stack
from core.targets.aws_lambda.limits import BINARY_MEDIA_TYPES
from core.targets.aws_lambda.rest_api import agents_take_requests


class Api(Component):
    """A regional REST API without routes yet.

    Type token `mcp-platform:lambda:Api`. Creates the API and its policy, which names the addresses
    or roles that alone may call, where there are such; with a domain, the domain, and nothing
    answers at AWS's own name then; for the gateway its own answers to callers without a token and
    at paths without a route.

    A deployment is a copy of all that, and what is deleted is deleted after it. So the policy and
    the answers are always there, and say what AWS would say without them where nothing else is
    wanted.

    Methods either want requests signed with AWS credentials, or check tokens; `routes` says which.

    Attributes:
        id: The API's id.
        root_id: The id of the resource `/`.
        execution_arn: What permissions to call it begin with.
        host: The host name that it answers to.
        url: Its address, without a slash at the end.
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
        fleet: Fleet,
        stack: Stack,
        foundation: Foundation,
        is_gateway: bool,
        certificate_arn: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Makes the API.

        Args:
            name: The component's name.
            what: What the API is for.
            fleet: The fleet.
            stack: The stack.
            foundation: The foundation.
            is_gateway: Whether callers from outside use it, or agents alone.
            certificate_arn: The certificate of the gateway's domain, if it has one.
            opts: The component's options.
        """
        super().__init__("mcp-platform:lambda:Api", name, opts)
        self._name, self.what = name, what
        domain = fleet.gateway.domain if is_gateway and certificate_arn is not None else None
        self.name = f"{stack.label}-{what}"
        """The API's name, which its metrics are found by."""
        binary = BINARY_MEDIA_TYPES if is_gateway and agents_take_requests(fleet) else ()
        api = aws.apigateway.RestApi(
            f"{name}-rest",
            name=self.name,
            description=f"{what} of {stack.label}",
            endpoint_configuration={"types": "REGIONAL"},
            disable_execute_api_endpoint=domain is not None,
            binary_media_types=list(binary) or None,
            opts=self.child_opts,
        )
        self.id, self.root_id, self.execution_arn = api.id, api.root_resource_id, api.execution_arn
        self.is_gateway = is_gateway
        """Whether callers from outside use it."""
        self.settings: list[tuple[pulumi.Resource, pulumi.Input[object]]] = []
        """What is in force with the next deployment only, each with what it says."""
        # What AWS's own name answers is in force with the next deployment too.
        self.settings.append((api, [domain is not None, list(binary)]))
        if is_gateway:
            self._admit(_admission(fleet, foundation, self.execution_arn))
            self._answer_callers(domain if fleet.gateway.auth else None)
        self.endpoint: Endpoint | None = None
        """What a domain leads to."""
        self.domain_name: pulumi.Output[str] | None = None
        """The domain as API Gateway has it, to map the stage to."""
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
        text = pulumi.Output.json_dumps(document(statements))
        policy = aws.apigateway.RestApiPolicy(
            f"{self._name}-policy",
            rest_api_id=self.id,
            policy=text,
            opts=self.child_opts,
        )
        self.settings.append((policy, text))

    def _answer_callers(self, domain: str | None) -> None:
        """Makes the API's own answers to callers without a valid token, and where no route is.

        Where tokens are checked, API Gateway itself answers 401; MCP clients look for the metadata
        in it (MCP 2026-07-28, authorization). What has no route is answered 404 then, as on the
        other targets; where requests are signed, one without a signature gets the same answer, and
        both are AWS's own (API Gateway Developer Guide, "Gateway response types").

        Args:
            domain: The domain, where tokens are checked.
        """
        for name, response_type, status, template, headers in (
            _token_answers(domain) if domain else _OWN_ANSWERS
        ):
            response = aws.apigateway.Response(
                f"{self._name}-{name}",
                rest_api_id=self.id,
                response_type=response_type,
                status_code=status,
                response_parameters=headers or None,
                response_templates={"application/json": template},
                opts=self.child_opts,
            )
            self.settings.append((response, [response_type, status, template, headers]))

    def route_arn(self, method: str, path: str) -> pulumi.Output[str]:
        """What a permission to call one route is for; `*` stands for what a path leaves open."""
        return pulumi.Output.concat(self.execution_arn, f"/{API_STAGE}/{method}{path}")


_Answer = tuple[str, str, str, str, dict[str, str]]

_UNAUTHORIZED, _NO_ROUTE = "UNAUTHORIZED", "MISSING_AUTHENTICATION_TOKEN"

# What API Gateway answers by itself.
_OWN_TEMPLATE = '{"message":$context.error.messageString}'
_OWN_ANSWERS: tuple[_Answer, ...] = (
    ("unauthorized", _UNAUTHORIZED, "401", _OWN_TEMPLATE, {}),
    ("nothing", _NO_ROUTE, "403", _OWN_TEMPLATE, {}),
)


def _token_answers(domain: str) -> tuple[_Answer, ...]:
    challenge = f'Bearer resource_metadata="https://{domain}{METADATA_PATH}"'
    return (
        (
            "unauthorized",
            _UNAUTHORIZED,
            "401",
            templates.error("a valid token is missing"),
            {"gatewayresponse.header.WWW-Authenticate": f"'{challenge}'"},
        ),
        ("nothing", _NO_ROUTE, "404", templates.error("there is nothing at this path"), {}),
    )


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
    """Allows the account, so that its IAM policies decide; a principal has no permission by it."""
    return Statement(
        sid="CallersWithCredentials",
        principals={"AWS": (foundation.account.arn("iam", "root", region=""),)},
        actions=("execute-api:Invoke",),
        resources=(everything,),
    )
