"""Fleets that the tests run: the least one, one with everything, and variations of them."""

from typing import Any

MINIMAL: dict[str, Any] = {"servers": {"clock": {"image": {"context": "workloads/clock"}}}}

DIGEST = "sha256:" + "0123456789abcdef" * 4
FOREIGN_IMAGE = f"210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/quiet@{DIGEST}"
PUBLIC_IMAGE = f"public.ecr.aws/example/old@{DIGEST}"
EXISTING_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:team/old-key-a1B2c3"
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
AUTH = {
    "issuer": "https://login.example.com",
    "jwks_uri": "https://login.example.com/.well-known/jwks.json",
    "audience": "https://mcp.example.com",
    "scopes": ["mcp:read", "mcp:write"],
}
PUBLIC = {
    "exposure": "public",
    "domain": "mcp.example.com",
    "zone": "Z0123456789ABCDEFGHIJ",
    "auth": AUTH,
}
EXISTING_VPC: dict[str, Any] = {
    "vpc": {
        "id": "vpc-0a1b2c3d4e5f60718",
        "cidr": "10.1.0.0/16",
        "private_subnets": ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"],
        "public_subnets": ["subnet-0a1b2c3d4e5f60720", "subnet-0a1b2c3d4e5f60721"],
    }
}

FULL: dict[str, Any] = {
    "target": "ecs",
    "servers": {
        "clock": {"image": {"context": "workloads/clock"}},
        "notes": {
            "image": {"context": "workloads/notes"},
            "cpu": 512,
            "memory": 1024,
            "replicas": {"min": 1, "max": 6, "cpu_percent": 70, "requests_per_minute": 300},
            "storage": {"mount": "/data"},
            "secrets": ["notes-api-key", "made-up"],
            "environment": {"LOG_LEVEL": "info"},
            "max_request_seconds": 900,
            "health_command": ["python", "-m", "healthcheck"],
        },
        "quiet": {
            "image": {"uri": FOREIGN_IMAGE},
            "expose": False,
            "writable_root": True,
            "exec": True,
            "spot": True,
            "replicas": {"min": 2, "max": 2},
            "secrets": ["set-outside"],
        },
        "old": {
            "image": {"uri": PUBLIC_IMAGE},
            "sessions": "legacy-stateful",
            "replicas": {"min": 1, "max": 1},
            "secrets": ["there-already"],
        },
    },
    "agents": {
        "assistant": {
            "image": {"context": "workloads/assistant"},
            "uses": ["clock", "notes"],
            "models": [MODEL, f"us.{MODEL}"],
        },
        "auditor": {
            "image": {"context": "workloads/assistant"},
            "uses": ["quiet"],
            "storage": {"mount": "/var/audit"},
            "expose": False,
        },
    },
    "secrets": {
        "notes-api-key": {"source": "config"},
        "made-up": {"source": "generated"},
        "set-outside": {"source": "external"},
        "there-already": {"source": "external", "arn": EXISTING_SECRET},
    },
    "network": {"cidr": "10.0.0.0/16", "zones": 3, "nat": "none"},
    "gateway": PUBLIC,
    "observability": {"retention_days": 90, "alarm_email": "ops@example.com"},
    "tags": {"team": "platform"},
}

_SMALL: dict[str, Any] = {
    "servers": {"notes": FULL["servers"]["notes"]},
    "agents": {"assistant": FULL["agents"]["assistant"] | {"uses": ["notes"]}},
    "secrets": {name: FULL["secrets"][name] for name in ("notes-api-key", "made-up")},
    "gateway": PUBLIC,
}
PRODUCTION: dict[str, Any] = {**_SMALL, "production": True}
ADOPTED_NETWORK: dict[str, Any] = {**_SMALL, "network": EXISTING_VPC}

FLEETS: dict[str, dict[str, Any]] = {
    "minimal": MINIMAL,
    "full": FULL,
    "production": PRODUCTION,
    "existing network": ADOPTED_NETWORK,
}
"""The fleets that everything general is tested with."""


def with_server(**changes: object) -> dict[str, Any]:
    """The least fleet, its server changed."""
    return {"servers": {"clock": {**MINIMAL["servers"]["clock"], **changes}}}
