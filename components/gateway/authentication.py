"""Authentication at the load balancer: token validation and protected-resource metadata."""

import pulumi
import pulumi_aws as aws

from core.config.model import Authentication
from core.discovery import METADATA_PATH, protected_resource_metadata


def token_check(auth: Authentication) -> aws.lb.ListenerRuleActionArgsDict:
    """The listener action that rejects requests without a valid token.

    The load balancer verifies the signature (RS256), issuer, lifetime and audience of the token,
    and responds with 401 (Elastic Load Balancing, "Verify JWTs using an Application Load
    Balancer").
    """
    return {
        "type": "jwt-validation",
        "order": 1,
        "jwt_validation": {
            "issuer": auth.issuer,
            "jwks_endpoint": auth.jwks_uri,
            "additional_claims": [
                {"name": "aud", "format": "single-string", "values": [auth.audience]}
            ],
        },
    }


def metadata_rule(
    name: str,
    *,
    auth: Authentication,
    url: str,
    listener_arn: pulumi.Input[str],
    parent: pulumi.Resource,
) -> None:
    """Creates the rule that serves the protected-resource metadata, without authentication."""
    aws.lb.ListenerRule(
        f"{name}-metadata",
        listener_arn=listener_arn,
        conditions=[{"path_pattern": {"values": [METADATA_PATH, f"{METADATA_PATH}/*"]}}],
        actions=[
            {
                "type": "fixed-response",
                "fixed_response": {
                    "content_type": "application/json",
                    "message_body": protected_resource_metadata(auth, url),
                    "status_code": "200",
                },
            }
        ],
        opts=pulumi.ResourceOptions(parent=parent),
    )
