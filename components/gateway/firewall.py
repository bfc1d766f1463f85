"""The web ACL before a gateway, where one is asked for."""

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from core.config.model import Fleet

# AWS WAF Developer Guide, "AWS Managed Rules rule groups list". The core rule set is not used: it
# blocks bodies over 8 KB and text that looks like HTML or a path, as arguments of tools can.
_MANAGED = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")


# What may hold a token or a signature is not logged: a browser's WebSocket has its token in the
# query, and so have signed addresses.
_REDACTED_HEADERS = ("authorization", "cookie", "x-amz-security-token")


def firewall(
    name: str,
    *,
    fleet: Fleet,
    foundation: Foundation,
    resource_arn: pulumi.Input[str],
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    """Makes a web ACL with a log, and puts it before a load balancer or the stage of a REST API.

    Args:
        name: The stem of the logical names.
        fleet: The fleet; without a firewall, nothing is made.
        foundation: The foundation, which has the log group.
        resource_arn: What it stands before.
        parent: The component that it belongs to.

    Returns:
        The resources that must exist before callers are allowed: none without a firewall.
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


# In quotes: the module takes over a second to import, and most fleets have no firewall.
def _seen(metric: str) -> "aws.wafv2.WebAclVisibilityConfigArgsDict":
    return {
        "cloudwatch_metrics_enabled": True,
        "metric_name": metric,
        # A sample would hold a request's headers, and with them its token.
        "sampled_requests_enabled": False,
    }
