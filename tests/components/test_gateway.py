"""The gateway: its clients, its tokens, and the target of each path."""

import fnmatch
import json
import re
from typing import Any

import pulumi
import pytest

from core.costs.usage import FIREWALL_RULES
from tests.components.fleets import AUTH, FULL, LAMBDA, MINIMAL, PUBLIC, PUBLIC_IMAGE, with_server
from tests.components.recording import Recording, run

WITH_DOMAIN = {**MINIMAL, "gateway": {"domain": PUBLIC["domain"], "zone": PUBLIC["zone"]}}
WITH_AUTH = {**MINIMAL, "gateway": {**WITH_DOMAIN["gateway"], "auth": AUTH}}
NOT_FOUND = {
    "type": "fixed-response",
    "fixedResponse": {
        "contentType": "application/json",
        "messageBody": '{"error":"there is nothing at this path"}',
        "statusCode": "404",
    },
}


def _callers(recording: Recording) -> list[tuple[str, int]]:
    """The ingress rules of the load balancer, by port."""
    group = recording.one("ec2.SecurityGroup", "gateway-group").id
    rules = [made.inputs for made in recording.of("vpc.SecurityGroupIngressRule")]
    own = [rule for rule in rules if rule["securityGroupId"] == group]
    assert all(rule["ipProtocol"] == "tcp" for rule in own)
    assert all(rule["fromPort"] == rule["toPort"] for rule in own)
    return sorted((rule["cidrIpv4"], rule["toPort"]) for rule in own)


def test_by_default_it_is_internal_and_speaks_http_to_its_own_network():
    recording = run(MINIMAL)
    load_balancer = recording.one("lb.LoadBalancer").inputs
    assert load_balancer["internal"] is True
    assert load_balancer["subnets"] == recording.one("awsx.Vpc").state["privateSubnetIds"]
    assert load_balancer["dropInvalidHeaderFields"] is True
    assert _callers(recording) == [("10.0.0.0/16", 80)]
    # With a domain, the listener of this name redirects. A port can have only one listener.
    listener = recording.one("lb.Listener", "gateway-http")
    assert (listener.inputs["protocol"], listener.inputs["port"]) == ("HTTP", 80)
    assert listener.inputs["defaultActions"] == [NOT_FOUND]
    assert recording.of("acm.Certificate") == recording.of("route53.Record") == []


@pytest.mark.parametrize(("fleet", "exposure"), [(WITH_DOMAIN, "private"), (FULL, "public")])
def test_another_exposure_replaces_the_groups_that_belong_to_the_load_balancer_before(
    fleet: Any, exposure: str
):
    groups = run(fleet).of("lb.TargetGroup")
    assert {group.replacement_trigger for group in groups} == {exposure}


def test_an_internal_one_in_an_existing_network_lets_that_network_in():
    vpc = {
        "id": "vpc-0a1b2c3d4e5f60718",
        "cidr": "10.9.0.0/16",
        "private_subnets": ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"],
    }
    assert _callers(run({**MINIMAL, "network": {"vpc": vpc}})) == [("10.9.0.0/16", 80)]


def test_a_domain_brings_tls_to_an_internal_one_and_redirects_http():
    recording = run(WITH_DOMAIN)
    assert recording.one("lb.LoadBalancer").inputs["internal"] is True
    assert _callers(recording) == [("10.0.0.0/16", 80), ("10.0.0.0/16", 443)]
    _assert_tls(recording)
    assert recording.exports["gateway_url"] == "https://mcp.example.com"


def _assert_tls(recording: Recording) -> None:
    https = recording.one("lb.Listener", "gateway-https").inputs
    certificate = recording.one("acm.Certificate")
    validation = recording.one("acm.CertificateValidation")
    assert (https["protocol"], https["port"]) == ("HTTPS", 443)
    assert https["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    assert https["certificateArn"] == certificate.state["arn"]
    assert https["defaultActions"] == [NOT_FOUND]
    # The listener requires a validated certificate.
    assert validation.urn in recording.one("lb.Listener", "gateway-https").dependencies
    redirect = recording.one("lb.Listener", "gateway-http").inputs
    assert (redirect["protocol"], redirect["port"]) == ("HTTP", 80)
    assert redirect["defaultActions"] == [
        {
            "type": "redirect",
            "redirect": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"},
        }
    ]
    assert recording.names("lb.Listener") == ["gateway-http", "gateway-https"]


def test_the_certificate_is_validated_by_a_record_in_the_zone():
    recording = run(WITH_DOMAIN)
    certificate = recording.one("acm.Certificate")
    assert certificate.inputs == {"domainName": "mcp.example.com", "validationMethod": "DNS"}
    (option,) = certificate.state["domainValidationOptions"]
    record = recording.one("route53.Record", "certificate-record")
    assert record.inputs == {
        "zoneId": "Z0123456789ABCDEFGHIJ",
        "name": option["resourceRecordName"],
        "type": option["resourceRecordType"],
        "records": [option["resourceRecordValue"]],
        "ttl": 300,
        "allowOverwrite": True,
    }
    assert recording.one("acm.CertificateValidation").inputs == {
        "certificateArn": certificate.state["arn"],
        "validationRecordFqdns": [record.state["fqdn"]],
    }


def test_the_domain_leads_to_the_load_balancer():
    recording = run(WITH_DOMAIN)
    load_balancer = recording.one("lb.LoadBalancer").state
    assert recording.one("route53.Record", "published-address").inputs == {
        "zoneId": "Z0123456789ABCDEFGHIJ",
        "name": "mcp.example.com",
        "type": "A",
        "aliases": [
            {
                "name": load_balancer["dnsName"],
                "zoneId": load_balancer["zoneId"],
                "evaluateTargetHealth": True,
            }
        ],
    }


_WAS = "urn:pulumi:dev::mcp-platform::mcp-platform:gateway:Gateway$"


def test_certificate_and_address_are_those_that_the_load_balancer_had_before():
    recording = run(WITH_DOMAIN)
    moved = {
        (made.kind, made.name): made.aliases
        for made in recording.resources.values()
        if made.kind.startswith(("acm.", "route53."))
    }
    assert moved == {
        ("acm.Certificate", "certificate-acm"): [
            f"{_WAS}aws:acm/certificate:Certificate::gateway-certificate"
        ],
        ("route53.Record", "certificate-record"): [
            f"{_WAS}aws:route53/record:Record::gateway-certificate-record"
        ],
        ("acm.CertificateValidation", "certificate-validation"): [
            f"{_WAS}aws:acm/certificateValidation:CertificateValidation"
            "::gateway-certificate-validation"
        ],
        ("route53.Record", "published-address"): [
            f"{_WAS}aws:route53/record:Record::gateway-address"
        ],
    }


def test_certificate_and_address_do_not_belong_to_the_gateway_so_that_another_may_take_them():
    recording = run(WITH_DOMAIN)
    certificate = recording.one("mcp-platform.Certificate", "certificate")
    assert {made.kind for made in recording.children(certificate)} == {
        "acm.Certificate",
        "acm.CertificateValidation",
        "route53.Record",
    }
    validation = recording.one("acm.CertificateValidation")
    registered = recording.outputs[certificate.urn]
    assert registered == {"arn": validation.state["certificateArn"]}
    published = recording.one("mcp-platform.Published")
    assert recording.one("route53.Record", "published-address").parent == published.urn


def test_without_a_domain_there_is_no_certificate():
    assert run(MINIMAL).of("mcp-platform.Certificate") == []


def test_without_being_asked_for_no_firewall_is_made():
    made = run(FULL).resources.values()
    assert [one.name for one in made if one.kind.startswith("wafv2.")] == []


def test_a_web_acl_of_the_load_balancer_allows_requests_by_default():
    recording = run({**MINIMAL, "gateway": {"firewall": {"requests_per_five_minutes": 500}}})
    acl = recording.one("wafv2.WebAcl", "gateway-firewall")
    assert acl.inputs["scope"] == "REGIONAL"
    assert acl.inputs["defaultAction"] == {"allow": {}}
    assert recording.one("wafv2.WebAclAssociation", "gateway-firewall-association").inputs == {
        "webAclArn": acl.state["arn"],
        "resourceArn": recording.one("lb.LoadBalancer").state["arn"],
    }


def test_a_firewall_blocks_bad_addresses_known_attacks_and_too_many_requests_and_no_tool_calls():
    recording = run({**MINIMAL, "gateway": {"firewall": {"requests_per_five_minutes": 500}}})
    acl = recording.one("wafv2.WebAcl").inputs
    *managed, rate = acl["rules"]
    assert [rule["priority"] for rule in acl["rules"]] == [0, 1, 2]
    assert len(acl["rules"]) == FIREWALL_RULES
    # Without the core rule set, which blocks bodies over 8 KB and arguments of tools.
    assert [rule["statement"]["managedRuleGroupStatement"] for rule in managed] == [
        {"vendorName": "AWS", "name": "AWSManagedRulesAmazonIpReputationList"},
        {"vendorName": "AWS", "name": "AWSManagedRulesKnownBadInputsRuleSet"},
    ]
    assert all(rule["overrideAction"] == {"none": {}} for rule in managed)
    assert rate["action"] == {"block": {}}
    assert rate["statement"] == {
        "rateBasedStatement": {
            "limit": 500,
            "aggregateKeyType": "IP",
            "evaluationWindowSec": 300,
        }
    }


@pytest.mark.parametrize("target", ["ecs", "eks"])
@pytest.mark.parametrize(
    ("section", "protected"), [({}, False), ({"deletion_protection": True}, True)]
)
def test_the_load_balancer_is_protected_only_where_asked(
    target: str, section: dict[str, bool], protected: bool
):
    recording = run({**MINIMAL, "target": target, "production": True, "gateway": section})
    load_balancer = recording.one("lb.LoadBalancer")
    assert load_balancer.inputs["enableDeletionProtection"] is protected
    assert load_balancer.protect is protected


def test_a_firewall_keeps_no_samples_of_requests_since_tokens_are_in_them():
    recording = run({**MINIMAL, "gateway": {"firewall": {}}})
    acl = recording.one("wafv2.WebAcl").inputs
    seen = [acl["visibilityConfig"], *(rule["visibilityConfig"] for rule in acl["rules"])]
    assert [config["sampledRequestsEnabled"] for config in seen] == [False] * 4
    metrics = [config["metricName"] for config in seen]
    assert len(metrics) == len(set(metrics))


@pytest.mark.parametrize("target", ["ecs", "eks", "lambda"])
def test_a_firewall_logs_every_request_without_tokens(target: str):
    recording = run({**MINIMAL, "target": target, "gateway": {"firewall": {}}})
    group = recording.one("cloudwatch.LogGroup", "fleet-observability-firewall-log")
    # AWS WAF Developer Guide: the name of the log group must start with this prefix.
    assert group.inputs["name"] == "aws-waf-logs-mcp-platform-dev/requests"
    assert group.inputs["kmsKeyId"] == recording.one("kms.Key").state["arn"]
    logging = recording.one("wafv2.WebAclLoggingConfiguration").inputs
    assert logging["resourceArn"] == recording.one("wafv2.WebAcl").state["arn"]
    assert logging["logDestinationConfigs"] == [group.state["arn"]]
    assert logging["redactedFields"] == [
        {"singleHeader": {"name": "authorization"}},
        {"singleHeader": {"name": "cookie"}},
        {"singleHeader": {"name": "x-amz-security-token"}},
        {"queryString": {}},
    ]


def _chatting(gateway: dict[str, Any], **fields: Any) -> Recording:
    image = {"image": {"context": "workloads/assistant"}}
    agents = {
        "assistant": image | {"chat": "websocket"} | fields,
        "silent": image,
    }
    return run({"agents": agents, "gateway": gateway})


def test_people_chat_with_an_agent_through_the_load_balancer_at_its_own_chat_path():
    recording = _chatting({})
    host = recording.one("lb.LoadBalancer").state["dnsName"]
    assert recording.exports["chat"] == {"assistant": f"ws://{host}/agents/assistant/chat"}
    assert _routed(recording, "/agents/assistant/chat") == ("gateway-assistant-rule", "/chat")


def test_with_a_domain_people_chat_over_tls():
    assert _chatting(PUBLIC).exports["chat"] == {
        "assistant": "wss://mcp.example.com/agents/assistant/chat"
    }


def test_an_agent_that_is_not_exposed_has_no_chat():
    assert _chatting({}, expose=False).exports["chat"] == {}


def test_a_public_one_is_in_the_public_subnets_and_allows_all_addresses():
    recording = run(FULL)
    load_balancer = recording.one("lb.LoadBalancer").inputs
    assert load_balancer["internal"] is False
    assert load_balancer["subnets"] == recording.one("awsx.Vpc").state["publicSubnetIds"]
    assert _callers(recording) == [("0.0.0.0/0", 80), ("0.0.0.0/0", 443)]
    _assert_tls(recording)


@pytest.mark.parametrize("gateway", [PUBLIC, {**PUBLIC, "exposure": "private"}])
def test_only_the_listed_blocks_are_allowed_if_there_is_a_list(gateway: dict[str, Any]):
    blocks = ["203.0.113.0/24", "198.51.100.7/32"]
    recording = run({**MINIMAL, "gateway": {**gateway, "allow_cidrs": blocks}})
    assert _callers(recording) == [
        ("198.51.100.7/32", 80),
        ("198.51.100.7/32", 443),
        ("203.0.113.0/24", 80),
        ("203.0.113.0/24", 443),
    ]


@pytest.mark.parametrize("fleet", [FULL, WITH_AUTH], ids=["public", "internal"])
def test_with_authentication_every_rule_that_forwards_checks_the_token_first(fleet: dict[str, Any]):
    rules = [made for made in run(fleet).of("lb.ListenerRule") if made.name.endswith("-rule")]
    assert rules != []
    for rule in rules:
        check, forward = rule.inputs["actions"]
        assert check == {
            "type": "jwt-validation",
            "order": 1,
            "jwtValidation": {
                "issuer": AUTH["issuer"],
                "jwksEndpoint": AUTH["jwks_uri"],
                "additionalClaims": [
                    {"name": "aud", "format": "single-string", "values": [AUTH["audience"]]}
                ],
            },
        }
        assert (forward["type"], forward["order"]) == ("forward", 2)


def test_without_authentication_a_rule_just_forwards():
    recording = run(MINIMAL)
    rule = recording.one("lb.ListenerRule")
    assert rule.inputs["actions"] == [
        {
            "type": "forward",
            "order": 1,
            "targetGroupArn": recording.one("lb.TargetGroup").state["arn"],
        }
    ]


def test_the_protected_resource_metadata_needs_no_token():
    rule = run(FULL).one("lb.ListenerRule", "gateway-metadata").inputs
    assert rule["conditions"] == [
        {
            "pathPattern": {
                "values": [
                    "/.well-known/oauth-protected-resource",
                    "/.well-known/oauth-protected-resource/*",
                ]
            }
        }
    ]
    (action,) = rule["actions"]
    assert action["type"] == "fixed-response"
    assert (action["fixedResponse"]["statusCode"], action["fixedResponse"]["contentType"]) == (
        "200",
        "application/json",
    )
    assert json.loads(action["fixedResponse"]["messageBody"]) == {
        "resource": "https://mcp.example.com",
        "authorization_servers": ["https://login.example.com"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp:read", "mcp:write"],
    }


def test_without_scopes_none_are_in_the_metadata():
    auth = {key: value for key, value in AUTH.items() if key != "scopes"}
    recording = run({**MINIMAL, "gateway": {**PUBLIC, "auth": auth}})
    rule = recording.one("lb.ListenerRule", "gateway-metadata")
    (action,) = rule.inputs["actions"]
    assert "scopes_supported" not in json.loads(action["fixedResponse"]["messageBody"])


def test_without_authentication_there_is_no_metadata():
    assert run(WITH_DOMAIN).names("lb.ListenerRule") == ["gateway-clock-rule"]


def _routed(recording: Recording, path: str) -> tuple[str, str] | None:
    """The rule that the load balancer applies to a path, and the rewritten path."""
    for rule in recording.of("lb.ListenerRule"):
        ((_, condition),) = [*rule.inputs["conditions"][0].items()]
        if not any(fnmatch.fnmatchcase(path, pattern) for pattern in condition["values"]):
            continue
        (transform,) = rule.inputs["transforms"]
        rewrite = transform["urlRewriteConfig"]["rewrite"]
        replacement = re.sub(r"\$(\d)", r"\\\1", rewrite["replace"])
        return rule.name, re.sub(rewrite["regex"], replacement, path)
    return None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/servers/clock/mcp", ("gateway-clock-rule", "/mcp")),
        ("/servers/clock/mcp/", ("gateway-clock-rule", "/mcp")),
        ("/agents/assistant", ("gateway-assistant-rule", "/")),
        ("/agents/assistant/", ("gateway-assistant-rule", "/")),
        ("/agents/assistant/v1/ask", ("gateway-assistant-rule", "/v1/ask")),
        ("/agents/assistant/agents/assistant", ("gateway-assistant-rule", "/agents/assistant")),
        ("/servers/clock", None),
        ("/servers/clock/health", None),
        ("/servers/clock/mcp/x", None),
        ("/servers/clockwork/mcp", None),
        ("/agents/assistants", None),
        ("/servers/quiet/mcp", None),
        ("/agents/auditor", None),
        ("/health", None),
        ("/", None),
    ],
)
def test_a_path_is_forwarded_to_its_workload_with_the_path_of_the_workload(
    path: str, expected: tuple[str, str] | None
):
    assert _routed(run({**FULL, "gateway": {}}), path) == expected


def test_only_exposed_workloads_have_a_route():
    recording = run(FULL)
    routed = ["assistant", "clock", "notes", "old"]
    assert recording.names("lb.TargetGroup") == [f"gateway-{name}" for name in routed]
    rules = [*(f"gateway-{name}-rule" for name in routed), "gateway-metadata"]
    assert recording.names("lb.ListenerRule") == sorted(rules)


def test_rules_set_no_priority_and_are_on_the_listener_that_is_not_a_redirect():
    recording = run(FULL)
    https = recording.one("lb.Listener", "gateway-https").state["arn"]
    for rule in recording.of("lb.ListenerRule"):
        assert rule.inputs["listenerArn"] == https
        assert "priority" not in rule.inputs


@pytest.mark.parametrize(
    ("seconds", "idle", "client", "deregistration"),
    [
        (60, 300, 3600, 90),
        (270, 300, 3600, 300),
        (271, 301, 3600, 301),
        (3570, 3600, 3600, 3600),
        (3571, 3601, 3601, 3600),
        (3970, 4000, 4000, 3600),
    ],
)
def test_the_idle_time_follows_the_longest_request(
    seconds: int, idle: int, client: int, deregistration: int
):
    recording = run(with_server(max_request_seconds=seconds))
    load_balancer = recording.one("lb.LoadBalancer").inputs
    assert load_balancer["idleTimeout"] == idle
    assert load_balancer["clientKeepAlive"] == client
    assert recording.one("lb.TargetGroup").inputs["deregistrationDelay"] == deregistration


def test_the_idle_time_does_not_follow_what_is_not_behind_the_gateway():
    image = {"image": {"uri": PUBLIC_IMAGE}}
    fleet = {
        "servers": {"one": image, "two": image | {"expose": False, "max_request_seconds": 900}}
    }
    assert run(fleet).one("lb.LoadBalancer").inputs["idleTimeout"] == 300


def test_a_target_group_asks_each_task_for_its_health():
    recording = run(FULL)
    for made in recording.of("lb.TargetGroup"):
        assert (made.inputs["targetType"], made.inputs["port"]) == ("ip", 8080)
        assert made.inputs["protocol"] == "HTTP"
        assert made.inputs["loadBalancingAlgorithmType"] == "least_outstanding_requests"
        assert made.inputs["healthCheck"] == {
            "path": "/health",
            "matcher": "200",
            "interval": 10,
            "timeout": 5,
            "healthyThreshold": 2,
            "unhealthyThreshold": 3,
        }


_GIVEN = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
_IN_PRIVATE = {"domain": "mcp.example.com", "zone": "ZPRIVATE00000000000"}


@pytest.mark.parametrize("target", ["ecs", "eks", "lambda"])
def test_a_private_zone_cannot_prove_whose_the_domain_is(target: str):
    with pytest.raises(pulumi.RunError) as refused:
        run({**MINIMAL, "target": target, "gateway": _IN_PRIVATE})
    told = str(refused.value)
    assert "mcp-platform:gateway.zone" in told
    assert "ZPRIVATE00000000000, a private zone" in told
    assert f"pulumi config set --path 'mcp-platform:gateway.certificate_arn' {_GIVEN}" in told


@pytest.mark.parametrize("target", ["ecs", "eks"])
def test_with_a_certificate_of_ones_own_it_may_hold_the_domain(target: str):
    gateway = {**_IN_PRIVATE, "certificate_arn": _GIVEN}
    recording = run({**MINIMAL, "target": target, "gateway": gateway})
    assert recording.of("acm.Certificate") == recording.of("acm.CertificateValidation") == []
    assert recording.one("lb.Listener", "gateway-https").inputs["certificateArn"] == _GIVEN
    (record,) = recording.of("route53.Record")
    assert record.inputs["zoneId"] == "ZPRIVATE00000000000"


def test_on_lambda_too_the_domain_takes_the_given_certificate():
    gateway = {**_IN_PRIVATE, "certificate_arn": _GIVEN}
    recording = run({**LAMBDA, "gateway": gateway})
    assert recording.one("apigateway.DomainName").inputs["regionalCertificateArn"] == _GIVEN


def test_a_zone_that_does_not_hold_the_domain_is_refused():
    with pytest.raises(pulumi.RunError, match=r"the hosted zone that contains mcp\.example\.org"):
        run({**MINIMAL, "gateway": {"domain": "mcp.example.org", "zone": "Z0123456789ABCDEFGHIJ"}})
