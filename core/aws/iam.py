"""IAM policy documents with least privilege.

A component declares permissions as statements, next to the resource; :func:`document` renders them.
A statement that is too broad is refused: actions must be listed, and a resource or a principal may
be ``*`` only with the reason why AWS supports nothing narrower.

ARNs and account ids may be strings or Pulumi outputs: they are passed on unchanged, and the caller
converts the document to JSON.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

SOURCE_ACCOUNT_SERVICES: Final = frozenset(
    {
        # Amazon ECS Developer Guide, "Amazon ECS task IAM role".
        "ecs-tasks.amazonaws.com",
        # EventBridge Scheduler User Guide, "Confused deputy prevention".
        "scheduler.amazonaws.com",
        # AWS Step Functions Developer Guide, "Prevent cross-service confused deputy issue".
        "states.amazonaws.com",
        # Amazon VPC User Guide, "IAM role for publishing flow logs to CloudWatch Logs".
        "vpc-flow-logs.amazonaws.com",
    }
)
"""Services that send aws:SourceAccount when they assume a role."""

BARE_SERVICES: Final = frozenset(
    {
        # Observed: it does not send the key when it assumes the role of an integration. With the
        # condition, the integration returns 500: "API Gateway does not have permission to assume
        # the provided role".
        "apigateway.amazonaws.com",
        # Amazon EC2 User Guide, "IAM roles for Amazon EC2": an instance assumes the role
        # of its instance profile, and iam:PassRole controls who may assign a role to a profile.
        "ec2.amazonaws.com",
        "ec2.amazonaws.com.cn",
        # The AWS Lambda Developer Guide has no condition in the trust policy of an execution role.
        "lambda.amazonaws.com",
    }
)
"""Services that can assume a role only if its trust policy has no condition on the source."""

_SID = re.compile(r"[A-Za-z0-9]+")
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A statement of a policy.

    An ``Allow`` that is too broad is refused. A ``Deny`` may be as broad as needed. A statement has
    resources (identity-based policies), principals (trust policies) or both (resource-based
    policies).

    Attributes:
        sid: The purpose, in letters and digits, such as ``ReadOwnSecrets``.
        actions: At least one action, without wildcards: ``secretsmanager:GetSecretValue``.
        effect: ``Allow`` or ``Deny``.
        resources: ARNs, as strings or as objects that render to a string. In the policy of a
            resource such as a key, ``*`` means that resource.
        principals: The principals by type (``AWS``, ``Service``, ``Federated``).
        conditions: The values by condition operator and condition key, as in the JSON.
        why_star: The reason why a resource or principal ``*`` cannot be narrower. Not rendered.

    Raises:
        ValueError: If the statement is invalid. The message has the sid and the fault.
    """

    sid: str
    actions: tuple[str, ...]
    effect: Literal["Allow", "Deny"] = "Allow"
    resources: tuple[object, ...] = ()
    principals: Mapping[str, tuple[object, ...]] = field(
        default_factory=dict[str, tuple[object, ...]]
    )
    conditions: Mapping[str, Mapping[str, object]] = field(
        default_factory=dict[str, Mapping[str, object]]
    )
    why_star: str | None = None

    def __post_init__(self) -> None:
        """Refuses a statement that AWS would refuse, or that allows too much."""
        if not _SID.fullmatch(self.sid):
            raise ValueError(f"the sid {self.sid!r} is not letters and digits only")
        if not self.actions:
            raise ValueError(f"{self.sid} has no actions")
        if not self.resources and not self.principals:
            raise ValueError(f"{self.sid} has neither resources nor principals")
        for resource in self.resources:
            if isinstance(resource, str) and resource != "*" and not resource.startswith("arn:"):
                raise ValueError(f"{self.sid} names the resource {resource!r}, which is no ARN")
        if self.effect == "Allow":
            self._refuse_too_wide()

    def _refuse_too_wide(self) -> None:
        for action in self.actions:
            if not _ACTION.fullmatch(action):
                raise ValueError(
                    f"{self.sid} allows {action!r}: an action is a service and one of its "
                    "actions, spelt out, without wildcards"
                )
        named = [*self.resources, *(who for group in self.principals.values() for who in group)]
        has_star = any(isinstance(name, str) and name == "*" for name in named)
        if has_star and not (self.why_star or "").strip():
            raise ValueError(f"{self.sid} allows '*' without saying in why_star why")
        if self.why_star is not None and not has_star:
            raise ValueError(f"{self.sid} has a why_star but no '*'")


def document(statements: Iterable[Statement]) -> dict[str, object]:
    """Renders statements as a policy document.

    Args:
        statements: At least one statement, each with a different sid.

    Returns:
        The document as dicts and lists. Statements, resources and principals are in the given
        order, and actions are sorted. ARNs and ids are the objects of the statements, unchanged.

    Raises:
        ValueError: If there is no statement, or if two statements have the same sid.
    """
    rendered = list(statements)
    if not rendered:
        raise ValueError("a policy document needs at least one statement")
    repeated = [sid for sid, times in Counter(each.sid for each in rendered).items() if times > 1]
    if repeated:
        raise ValueError(f"sids must differ, but there are several of {', '.join(repeated)}")
    return {"Version": "2012-10-17", "Statement": [_render(each) for each in rendered]}


def trust(service: str, account_id: object) -> dict[str, object]:
    """The trust policy that lets an AWS service assume a role for resources of this account only.

    Without the condition, a task or flow log of another account could make the service use the role
    (IAM User Guide, "The confused deputy problem"). Some services do not send the condition key.
    For them, the protection is `iam:PassRole`: only this account can grant it for the role.

    Args:
        service: The service principal, one of :data:`SOURCE_ACCOUNT_SERVICES` or of
            :data:`BARE_SERVICES`.
        account_id: The account, as a string of 12 digits or as an object that renders to one.

    Returns:
        The trust policy, as :func:`document` returns it.

    Raises:
        ValueError: If it is not known whether the service sends the condition key.
    """
    known = SOURCE_ACCOUNT_SERVICES | BARE_SERVICES
    if service not in known:
        raise ValueError(
            f"it is not known whether {service!r} sends aws:SourceAccount; "
            f"known are {', '.join(sorted(known))}"
        )
    source = {"StringEquals": {"aws:SourceAccount": account_id}}
    return document(
        [
            Statement(
                sid="TakeRole",
                actions=("sts:AssumeRole",),
                principals={"Service": (service,)},
                conditions=source if service in SOURCE_ACCOUNT_SERVICES else {},
            )
        ]
    )


def pod_trust(namespace: str, service_account: str) -> dict[str, object]:
    """The trust policy that lets EKS Pod Identity assume a role for one service account only.

    The session tags identify the service account. EKS sets these tags, and pods cannot change them
    (Amazon EKS User Guide, "Grant Pods access to AWS resources based on tags").

    Args:
        namespace: The namespace of the service account.
        service_account: The name of the service account.

    Returns:
        The trust policy, as :func:`document` returns it.
    """
    return document(
        [
            Statement(
                sid="TakeRoleForServiceAccount",
                actions=("sts:AssumeRole", "sts:TagSession"),
                principals={"Service": ("pods.eks.amazonaws.com",)},
                conditions={
                    "StringEquals": {
                        "aws:RequestTag/kubernetes-namespace": namespace,
                        "aws:RequestTag/kubernetes-service-account": service_account,
                    }
                },
            )
        ]
    )


def capability_trust() -> dict[str, object]:
    """The trust policy that lets EKS Capabilities assume a role.

    It has no condition, as in the Amazon EKS User Guide ("Amazon EKS capability IAM role").
    `iam:PassRole` controls who may assign the role to a capability.

    Returns:
        The trust policy, as :func:`document` returns it.
    """
    return document(
        [
            Statement(
                sid="TakeRoleForCapability",
                actions=("sts:AssumeRole", "sts:TagSession"),
                principals={"Service": ("capabilities.eks.amazonaws.com",)},
            )
        ]
    )


def _render(statement: Statement) -> dict[str, object]:
    # AWS refuses empty elements, so the statement has only those with a value.
    rendered: dict[str, object] = {"Sid": statement.sid, "Effect": statement.effect}
    if statement.principals:
        rendered["Principal"] = {kind: list(who) for kind, who in statement.principals.items()}
    rendered["Action"] = sorted(set(statement.actions))
    if statement.resources:
        rendered["Resource"] = list(statement.resources)
    if statement.conditions:
        rendered["Condition"] = {
            operator: dict(keys) for operator, keys in statement.conditions.items()
        }
    return rendered
