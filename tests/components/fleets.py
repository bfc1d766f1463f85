"""Test fleets: the smallest one, one with all features, and variations."""

from typing import Any

from tests.components.recording import example

MINIMAL: dict[str, Any] = {"servers": {"clock": {"image": {"context": "workloads/clock"}}}}

DIGEST = "sha256:" + "0123456789abcdef" * 4
FOREIGN_IMAGE = f"210987654321.dkr.ecr.us-east-1.amazonaws.com/team/quiet@{DIGEST}"
OLD_IMAGE = f"210987654321.dkr.ecr.us-east-1.amazonaws.com/team/old@{DIGEST}"
PUBLIC_IMAGE = f"public.ecr.aws/example/old@{DIGEST}"
EXISTING_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:team/old-key-a1B2c3"
MODEL = "amazon.nova-lite-v1:0"
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
            "max_request_seconds": 28,
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

EKS: dict[str, Any] = {**MINIMAL, "target": "eks"}
EKS_EXAMPLE: dict[str, Any] = {**example(), "target": "eks"}
ADMINISTRATORS = "arn:aws:iam::123456789012:role/administrators"
PAYMENTS = "arn:aws:iam::123456789012:role/payments"

EKS_FULL: dict[str, Any] = {
    **FULL,
    "target": "eks",
    "servers": {
        **FULL["servers"],
        "notes": {**FULL["servers"]["notes"], "team": "records"},
        "quiet": {
            "image": {"uri": FOREIGN_IMAGE},
            "team": "records",
            "expose": False,
            "writable_root": True,
            "spot": True,
            "replicas": {"min": 2, "max": 2},
            "secrets": ["set-outside"],
        },
        # No agent uses this server, and the gateway has no route to it.
        "idle": {"image": {"context": "workloads/clock"}, "expose": False},
    },
    "agents": {
        **FULL["agents"],
        "assistant": {**FULL["agents"]["assistant"], "team": "payments", "chat": "websocket"},
    },
    "network": {"cidr": "10.0.0.0/16", "zones": 3, "nat": "per-zone"},
    "cluster": {
        "public_access_cidrs": ["203.0.113.0/24", "198.51.100.7/32"],
        "access": {
            "administrators": {"principal_arn": ADMINISTRATORS, "policy": "cluster-admin"},
            "payments": {
                "principal_arn": PAYMENTS,
                "policy": "edit",
                "namespaces": ["payments", "records"],
            },
        },
    },
    "teams": {"records": {"cpu": 8192, "memory": 16384, "pods": 50}},
    "mesh": "istio",
    "production": True,
}
EKS_NO_WAY_OUT: dict[str, Any] = {
    **EKS_FULL,
    "mesh": "none",
    "network": {"cidr": "10.0.0.0/16", "zones": 2, "nat": "none"},
}
EKS_MANAGED: dict[str, Any] = {
    **EKS_FULL,
    "mesh": "none",
    "cluster": {
        **EKS_FULL["cluster"],
        "nodes": "managed",
        "managed_nodes": {
            "instance_types": ["m7g.xlarge", "m6g.xlarge"],
            "min": 3,
            "max": 9,
            "disk_gib": 80,
        },
    },
}
EKS_EXISTING: dict[str, Any] = {
    **_SMALL,
    "target": "eks",
    "network": EXISTING_VPC,
    "cluster": {
        "existing": {
            "name": "shared",
            "addons": [
                "metrics-server",
                "amazon-cloudwatch-observability",
                "aws-efs-csi-driver",
                "aws-secrets-store-csi-driver-provider",
            ],
        }
    },
}
_REPOSITORY: dict[str, Any] = {
    "repository": "https://github.com/example/fleet.git",
    "path": "rendered/dev",
}
EKS_FLUX: dict[str, Any] = {
    **EKS_EXAMPLE,
    "gitops": {**_REPOSITORY, "engine": "flux", "branch": "live"},
}
EKS_ARGOCD: dict[str, Any] = {
    **EKS_EXAMPLE,
    "gitops": {
        **_REPOSITORY,
        "engine": "argocd",
        "identity_center": {
            "instance_arn": "arn:aws:sso:::instance/ssoins-1234567890abcdef",
            "admin_groups": ["12345678-90ab-cdef-1234-567890abcdef"],
        },
    },
}

FLEETS: dict[str, dict[str, Any]] = {
    "minimal": MINIMAL,
    "full": FULL,
    "production": PRODUCTION,
    "existing network": ADOPTED_NETWORK,
}
"""The fleets for tests that apply to any target."""


EKS_FLEETS: dict[str, dict[str, Any]] = {
    "eks": EKS,
    "eks example": EKS_EXAMPLE,
    "eks full": EKS_FULL,
    "eks no way out": EKS_NO_WAY_OUT,
    "eks managed nodes": EKS_MANAGED,
    "eks existing cluster": EKS_EXISTING,
    "eks flux": EKS_FLUX,
    "eks argocd": EKS_ARGOCD,
}
"""The fleets on EKS."""


EVERY_FLEET = FLEETS | {"lambda": LAMBDA, "lambda full": LAMBDA_FULL} | EKS_FLEETS
"""The fleets on all targets."""


def with_server(**changes: object) -> dict[str, Any]:
    """The smallest fleet with a changed server."""
    return {"servers": {"clock": {**MINIMAL["servers"]["clock"], **changes}}}
