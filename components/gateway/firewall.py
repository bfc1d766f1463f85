"""The web ACL before a gateway, where one is asked for."""

import pulumi
import pulumi_aws as aws

from core.fleet import Firewall

# AWS WAF Developer Guide, "AWS Managed Rules rule groups list". The core rule set is left out: it
# blocks bodies over 8 KB and whatever looks like HTML or a path, as the arguments of tools do.
_MANAGED = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")


def firewall(
    name: str, config: Firewall, *, resource_arn: pulumi.Input[str], parent: pulumi.Resource
) -> None:
    """Makes a web ACL and puts it before a load balancer or the stage of a REST API.

    Args:
        name: The stem of the logical names.
        config: What it lets through.
        resource_arn: What it stands before.
        parent: The component that it belongs to.
    """
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
    aws.wafv2.WebAclAssociation(
        f"{name}-firewall-association", web_acl_arn=acl.arn, resource_arn=resource_arn, opts=child
    )


def _seen(metric: str) -> aws.wafv2.WebAclVisibilityConfigArgsDict:
    return {
        "cloudwatch_metrics_enabled": True,
        "metric_name": metric,
        # A sample would hold a request's headers, and with them its token.
        "sampled_requests_enabled": False,
    }
