"""The partitions of AWS: what host names, service principals and the console say of a region.

A region belongs to one partition, and its name tells which. ARNs get the partition from AWS itself
(`components.account`); what is needed before AWS is asked is here.

Sources: botocore, `partitions.json` (patterns of regions, DNS suffixes); AWS Management Console
Getting Started Guide, and the user guides of AWS GovCloud (US), the China Regions and the AWS
European Sovereign Cloud (console); AWS CDK, `region-info` (service principals);
all read 2026-12-01.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """What a partition has of its own.

    Attributes:
        name: The second part of its ARNs.
        dns_suffix: What the host names of its services end with.
        console: The host name of its console.
    """

    name: str
    dns_suffix: str
    console: str


_COMMERCIAL = Partition(name="aws", dns_suffix="amazonaws.com", console="console.aws.amazon.com")

_OTHERS: Final = {
    "cn-": Partition(name="aws-cn", dns_suffix="amazonaws.com.cn", console="console.amazonaws.cn"),
    "us-gov-": Partition(
        name="aws-us-gov", dns_suffix="amazonaws.com", console="console.amazonaws-us-gov.com"
    ),
    "eusc-": Partition(
        name="aws-eusc", dns_suffix="amazonaws.eu", console="console.amazonaws-eusc.eu"
    ),
}
"""The partitions by what the names of their regions begin with."""


def partition_of(region: str) -> Partition:
    """The partition of a region; the commercial one for a name that says no other."""
    found = (one for start, one in _OTHERS.items() if region.startswith(start))
    return next(found, _COMMERCIAL)


def service_host(service: str, region: str) -> str:
    """The host name of a service's regional endpoint, such as `logs.cn-north-1.amazonaws.com.cn`.

    CloudWatch Logs is also known by it in policies, and `kms:ViaService` has it.
    """
    return f"{service}.{region}.{partition_of(region).dns_suffix}"


def dashboard_url(region: str, dashboard_name: str) -> str:
    """Where people look at a CloudWatch dashboard."""
    console = partition_of(region).console
    return (
        f"https://{region}.{console}/cloudwatch/home?region={region}"
        f"#dashboards/dashboard/{dashboard_name}"
    )


def ec2_principal(region: str) -> str:
    """What instances take roles as: the China Regions have a principal of their own.

    EKS refuses a node group there whose role trusts the other one (awslabs/cdk-eks-blueprints,
    issue 558).
    """
    in_china = partition_of(region).name == "aws-cn"
    return "ec2.amazonaws.com.cn" if in_china else "ec2.amazonaws.com"
