"""The partitions of AWS, with their host names, service principals and console.

The name of a region determines its partition. `components.account` reads the partition of ARNs from
AWS. This module has the values that the program needs without a call to AWS.

Sources: botocore, `partitions.json` (patterns of regions, DNS suffixes); AWS Management Console
Getting Started Guide, and the user guides of AWS GovCloud (US), the China Regions and the AWS
European Sovereign Cloud (console); AWS CDK, `region-info` (service principals).
All read 2026-12-01.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """The values that depend on the partition.

    Attributes:
        name: The second part of its ARNs.
        dns_suffix: The DNS suffix of its services.
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
"""The partitions by the prefix of the names of their regions."""


def partition_of(region: str) -> Partition:
    """The partition of a region. The default is the commercial one."""
    found = (one for start, one in _OTHERS.items() if region.startswith(start))
    return next(found, _COMMERCIAL)


def service_host(service: str, region: str) -> str:
    """The host name of a service's regional endpoint, such as `logs.cn-north-1.amazonaws.com.cn`.

    It is also the service principal of CloudWatch Logs in policies, and a value of
    `kms:ViaService`.
    """
    return f"{service}.{region}.{partition_of(region).dns_suffix}"


def dashboard_url(region: str, dashboard_name: str) -> str:
    """The URL of a CloudWatch dashboard in the console."""
    console = partition_of(region).console
    return (
        f"https://{region}.{console}/cloudwatch/home?region={region}"
        f"#dashboards/dashboard/{dashboard_name}"
    )


def ec2_principal(region: str) -> str:
    """The service principal with which instances assume roles.

    The China Regions have a different one. There, EKS refuses a node group whose role trusts the
    commercial one (awslabs/cdk-eks-blueprints, issue 558).
    """
    in_china = partition_of(region).name == "aws-cn"
    return "ec2.amazonaws.com.cn" if in_china else "ec2.amazonaws.com"
