"""Fleets that the tests run: the least one, one with everything, and variations of them."""

from typing import Any

MINIMAL: dict[str, Any] = {"servers": {"clock": {"image": {"context": "workloads/clock"}}}}

DIGEST = "sha256:" + "0123456789abcdef" * 4
FOREIGN_IMAGE = f"210987654321.dkr.ecr.us-east-1.amazonaws.com/team/quiet@{DIGEST}"
OLD_IMAGE = f"210987654321.dkr.ecr.us-east-1.amazonaws.com/team/old@{DIGEST}"
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
            "image": {"uri": OLD_IMAGE},
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

_LAMBDA_IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/team/search@{DIGEST}"

LAMBDA: dict[str, Any] = {**MINIMAL, "target": "lambda"}

LAMBDA_FULL: dict[str, Any] = {
    "target": "lambda",
    "servers": {
        "clock": {
            "image": {"context": "workloads/clock"},
            "concurrency": {"reserved": 20, "provisioned": 2, "provisioned_max": 8},
        },
        "notes": {
            "image": {"context": "workloads/notes"},
            "cpu": 2048,
            "memory": 1024,
            "storage": {"mount": "/data"},
            "secrets": ["notes-api-key", "made-up"],
            "environment": {"LOG_LEVEL": "info"},
            "max_request_seconds": 900,
            "concurrency": {"provisioned": 1},
        },
        "search": {
            "image": {"uri": _LAMBDA_IMAGE},
            "expose": False,
            "private_network": True,
            "secrets": ["set-outside"],
        },
    },
    "agents": {
        "assistant": {
            "image": {"context": "workloads/assistant"},
            "uses": ["clock", "search"],
            "models": [MODEL, f"us.{MODEL}"],
            "chat": "websocket",
        },
        "researcher": {
            "runs_as": "state-machine",
            "uses": ["notes"],
            "models": [MODEL],
            "instructions": "Be brief.",
            "max_turns": 5,
            "max_request_seconds": 1800,
        },
        "quick": {
            "runs_as": "state-machine",
            "uses": ["clock"],
            "models": [f"us.{MODEL}"],
            "max_request_seconds": 29,
        },
    },
    "secrets": {
        name: FULL["secrets"][name] for name in ("notes-api-key", "made-up", "set-outside")
    },
    "network": {"cidr": "10.0.0.0/16", "zones": 3, "nat": "single"},
    "gateway": {
        **PUBLIC,
        "allow_cidrs": ["203.0.113.0/24"],
        "throttle": {"requests_per_second": 50, "burst": 70},
        "firewall": {"requests_per_five_minutes": 500},
    },
    "observability": {"retention_days": 90, "alarm_email": "ops@example.com"},
    "tags": {"team": "platform"},
}

FLEETS: dict[str, dict[str, Any]] = {
    "minimal": MINIMAL,
    "full": FULL,
    "production": PRODUCTION,
    "existing network": ADOPTED_NETWORK,
}
"""The fleets that everything general is tested with."""


EVERY_FLEET = FLEETS | {"lambda": LAMBDA, "lambda full": LAMBDA_FULL}
"""Those, and the fleets that are Lambda's."""


def with_server(**changes: object) -> dict[str, Any]:
    """The least fleet, its server changed."""
    return {"servers": {"clock": {**MINIMAL["servers"]["clock"], **changes}}}
