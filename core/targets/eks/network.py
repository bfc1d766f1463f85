"""The network of a fleet on EKS: all workloads run in it."""

from core.config.model import Fleet
from core.network.egress import IMAGES_AND_LOGS, Egress, meets_load_balancer, model_services
from core.network.egress import egress as _egress

# Amazon EKS User Guide, "Deploy private clusters with limited internet access": nodes call
# EC2 and EKS to join the cluster, and pods get credentials from EKS Auth and STS.
# CloudWatch User Guide, "Amazon CloudWatch Observability EKS add-on": its agent sends metrics and
# traces. The controllers of EKS Auto Mode run outside of the network; managed nodes need NAT in any
# case (core.targets.eks.checks).
_CLUSTER_SERVICES = ("ec2", "eks", "eks-auth", "sts", "monitoring", "xray")


def egress(fleet: Fleet) -> Egress:
    """The egress of the workloads of a fleet."""
    loads = dict(fleet.workloads())
    files = any(load.storage for load in loads.values())
    return _egress(
        fleet,
        inside=list(loads),
        services=[
            *IMAGES_AND_LOGS,
            "secretsmanager",
            *_CLUSTER_SERVICES,
            *(["elasticfilesystem"] if files else []),
            *model_services(loads.values()),
        ],
        meets_gateway=meets_load_balancer(fleet),
    )
