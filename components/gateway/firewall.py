"""The web ACL of a gateway."""

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from core.config.model import Fleet

# AWS WAF Developer Guide, "AWS Managed Rules rule groups list". The core rule set is not used: it
# blocks bodies over 8 KB and text that looks like HTML or a path, as arguments of tools can.
_MANAGED = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")


# These fields may contain a token or a signature, so they are not logged. A WebSocket client in a
# browser sends its token in the query string, and a presigned URL has its signature there.
_REDACTED_HEADERS = ("authorization", "cookie", "x-amz-security-token")


def firewall(
    name: str,
    *,
    fleet: Fleet,
    foundation: Foundation,
    resource_arn: pulumi.Input[str],
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    """Creates a web ACL with logging and associates it with a load balancer or an API stage.

    Args:
        name: The prefix of the logical names.
        fleet: The fleet. Without a firewall in its configuration, nothing is created.
        foundation: The foundation, which has the log group.
        resource_arn: The ARN of the load balancer or of the API stage.
        parent: The parent component.

    Returns:
        The resources that must exist before callers are allowed. The list is empty without a
        firewall.
    """
    config, log = fleet.gateway.firewall, foundation.observability.firewall_log_group
    if config is None or log is None:
        return []
    child = pulumi.ResourceOptions(parent=parent)
    managed: list[aws.wafv2.WebAclRuleArgsDict] = [
        {
            "name": group,
            "priority": number,
            "override_action": {"none": {}},
            "statement": {
                "managed_rule_group_statement": {"vendor_name": "AWS", "name": group},
            },
            "visibility_config": _seen(group),
        }
        for number, group in enumerate(_MANAGED)
    ]
    rate: aws.wafv2.WebAclRuleArgsDict = {
        "name": "requests",
        "priority": len(_MANAGED),
        "action": {"block": {}},
        "statement": {
            "rate_based_statement": {
                "limit": config.requests_per_five_minutes,
                "aggregate_key_type": "IP",
                "evaluation_window_sec": 300,
            },
        },
        "visibility_config": _seen("requests"),
    }
    acl = aws.wafv2.WebAcl(
        f"{name}-firewall",
        description="What reaches the gateway",
        scope="REGIONAL",
        default_action={"allow": {}},
        rules=[*managed, rate],
        visibility_config=_seen("firewall"),
        opts=child,
    )
    association = aws.wafv2.WebAclAssociation(
        f"{name}-firewall-association", web_acl_arn=acl.arn, resource_arn=resource_arn, opts=child
    )
    logging = aws.wafv2.WebAclLoggingConfiguration(
        f"{name}-firewall-logging",
        resource_arn=acl.arn,
        log_destination_configs=[log.arn],
        redacted_fields=[
            *({"single_header": {"name": header}} for header in _REDACTED_HEADERS),
            {"query_string": {}},
        ],
        opts=child,
    )
    return [association, logging]


# In quotes, because the import of the module takes over a second and few fleets have a firewall.
def _seen(metric: str) -> "aws.wafv2.WebAclVisibilityConfigArgsDict":
    return {
        "cloudwatch_metrics_enabled": True,
        "metric_name": metric,
        # Sampled requests contain headers, and so tokens.
        "sampled_requests_enabled": False,
    }
