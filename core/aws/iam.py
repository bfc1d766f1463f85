"""IAM policy documents, closed by default.

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
"""Services known to send aws:SourceAccount when they take a role."""

BARE_SERVICES: Final = frozenset(
    {
        # Seen not to send it with the role of an integration, which then answers 500: "API Gateway
        # does not have permission to assume the provided role".
        "apigateway.amazonaws.com",
        # Amazon EC2 User Guide, "IAM roles for Amazon EC2": an instance takes the role that its
        # profile has, and who may put one there is decided by iam:PassRole.
        "ec2.amazonaws.com",
        "ec2.amazonaws.com.cn",
        # Its guide names no condition for the role of a function.
        "lambda.amazonaws.com",
    }
)
"""Services that can take a role only if the trust asks for no source."""

_SID = re.compile(r"[A-Za-z0-9]+")
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One thing that may be done, or may not.

    An ``Allow`` is refused when it is too wide; a ``Deny`` gives nothing away and may be as wide as
    it likes. A statement has resources (policies of roles), principals (trust policies) or both
    (policies of resources).

    Attributes:
        sid: what it is for, in letters and digits, such as ``ReadOwnSecrets``.
        actions: at least one, each spelt out: ``secretsmanager:GetSecretValue``.
        effect: ``Allow`` or ``Deny``.
        resources: ARNs, as strings or as something that renders to a string. In the policy of a
            resource such as a key, ``*`` means that resource.
        principals: kind (``AWS``, ``Service``, ``Federated``) to whom.
        conditions: operator to condition key to value, as in the JSON.
        why_star: the reason why a resource or principal ``*`` cannot be narrower; not rendered.

    Raises:
        ValueError: at construction, with the sid and the fault.
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
        """Refuse what AWS would refuse or what allows too much."""
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
        """Refuse actions that are not spelt out, and a star without a reason."""
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
    """Render statements as a policy document.

    Args:
        statements: at least one, their sids different.

    Returns:
        The document as plain dicts and lists, in the same order for the same statements:
        statements, resources and principals as given, actions sorted. Strings become JSON as they
        are; other ARNs and ids are the objects that the statements hold.

    Raises:
        ValueError: when there is no statement, or two have the same sid.
    """
    rendered = list(statements)
    if not rendered:
        raise ValueError("a policy document needs at least one statement")
    repeated = [sid for sid, times in Counter(each.sid for each in rendered).items() if times > 1]
    if repeated:
        raise ValueError(f"sids must differ, but there are several of {', '.join(repeated)}")
    return {"Version": "2012-10-17", "Statement": [_render(each) for each in rendered]}


def trust(service: str, account_id: object) -> dict[str, object]:
    """Make the document that lets an AWS service assume a role, for this account's resources only.

    Without the condition, a task or flow log of another account could make the service use the role
    (IAM User Guide, "The confused deputy problem"). Some services do not send the condition key:
    for them, a principal that names the role needs `iam:PassRole`, which only this account grants.

    Args:
        service: the service's principal, one of :data:`SOURCE_ACCOUNT_SERVICES` or of
            :data:`BARE_SERVICES`.
        account_id: the account, as a string of 12 digits or something that renders to one.

    Returns:
        The trust policy, as :func:`document` gives it.

    Raises:
        ValueError: when it is not known whether the service sends the condition's key.
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
    """Make the document that lets EKS Pod Identity take a role for one service account only.

    What asks for credentials is in tags of the session, which EKS sets and no pod can (Amazon EKS
    User Guide, "Grant Pods access to AWS resources based on tags").

    Args:
        namespace: the service account's namespace.
        service_account: its name.

    Returns:
        The trust policy, as :func:`document` gives it.
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
    """Make the document that lets EKS Capabilities take a role.

    The guide's has no condition (Amazon EKS User Guide, "Amazon EKS capability IAM role"): who may
    give the role to a capability is decided by `iam:PassRole`.

    Returns:
        The trust policy, as :func:`document` gives it.
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
    """Render one statement; what it does not have is left out, as AWS wants it."""
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
