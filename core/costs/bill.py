"""The monthly cost of usage at the list prices of `core.costs.prices`.

A bill has the costs of a deployed stack. Costs that depend on traffic are included only if their
amount is given (such as the log volume). :data:`NOT_COUNTED` lists the costs that are not included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from core.costs.prices import Price, price
from core.units import CPU_UNITS_A_VCPU, MIB_A_GIB

HOURS_A_MONTH: Final = 730

NOT_COUNTED: Final = (
    "Container Insights (price per metric and number of metrics not found)",
    "public IPv4 addresses, Cloud Map and image storage (prices not found)",
    "traffic: load balancer capacity units, NAT gateway and endpoint data, streams, transfer",
    "requests to KMS and Secrets Manager, logs (a web ACL logs every request) and log queries",
    "the models that agents call",
    "on EKS: nodes above the minimum, price differences of nodes of other types than m7g and r7g "
    "(c7g costs 11 % less than m7g), and Argo CD as a capability (price not found)",
)
"""The parts of a real bill that this estimate does not count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """Fargate tasks of one size that run continuously.

    Attributes:
        count: The number of tasks.
        cpu: CPU units of each task, 1024 a vCPU.
        memory_mib: Memory of each task in MiB.
    """

    count: int
    cpu: int
    memory_mib: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """The quantities that a stack is billed for.

    Attributes:
        tasks: The tasks of each workload.
        load_balancers: Application Load Balancers.
        nat_gateways: NAT gateways, one for all zones or one per zone.
        interface_endpoints: Interface endpoints times their zones.
        kms_keys: Customer-managed keys.
        secrets: Secrets in Secrets Manager.
        log_gb: Ingested log volume in a month, in GB.
        alarms: Metrics of standard-resolution alarms.
        dashboards: Dashboards.
        warm_gb: Memory of the provisioned concurrency of Lambda functions, in GB.
        web_acls: Web ACLs.
        web_acl_rules: Rules of the web ACLs.
        function_gb_seconds: Duration of functions times their memory, in GB-seconds.
        function_million_requests: Invocations of functions, in millions.
        rest_million_requests: Requests to the REST APIs, in millions.
        file_gb: Files on EFS, in GB.
        clusters: EKS clusters.
        node_vcpus: vCPU of their nodes, at the price of m7g.
        memory_node_vcpus: vCPU of their nodes, at the price of r7g.
        auto_mode_vcpus: The part of `node_vcpus` that EKS Auto Mode manages.
        auto_mode_memory_vcpus: The part of `memory_node_vcpus` that EKS Auto Mode manages.
        disk_gb: Disks of the nodes, in GB.
    """

    tasks: tuple[Tasks, ...] = ()
    load_balancers: int = 0
    nat_gateways: int = 0
    interface_endpoints: int = 0
    kms_keys: int = 0
    secrets: int = 0
    log_gb: Decimal = Decimal(0)
    alarms: int = 0
    dashboards: int = 0
    warm_gb: Decimal = Decimal(0)
    web_acls: int = 0
    web_acl_rules: int = 0
    function_gb_seconds: Decimal = Decimal(0)
    function_million_requests: Decimal = Decimal(0)
    rest_million_requests: Decimal = Decimal(0)
    file_gb: Decimal = Decimal(0)
    clusters: int = 0
    node_vcpus: int = 0
    memory_node_vcpus: int = 0
    auto_mode_vcpus: int = 0
    auto_mode_memory_vcpus: int = 0
    disk_gb: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of a bill.

    Attributes:
        price: The price.
        quantity: Units a month.
    """

    price: Price
    quantity: Decimal

    @property
    def usd(self) -> Decimal:
        """US dollars per month, not rounded."""
        return self.price.usd * self.quantity


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """The estimated cost of a month.

    Attributes:
        lines: One line for every price with a quantity, in the order of the table.
    """

    lines: tuple[Line, ...]

    @property
    def total_usd(self) -> Decimal:
        """US dollars per month, rounded to cents, half a cent up."""
        exact = sum((line.usd for line in self.lines), Decimal(0))
        return exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def monthly(usage: Usage) -> Bill:
    """Estimates the cost of a stack for a month of 730 hours.

    Args:
        usage: The quantities.

    Returns:
        The bill. A price without a quantity has no line.

    Raises:
        ValueError: If a quantity is negative.
    """
    lines = tuple(
        Line(price=price(price_id), quantity=quantity)
        for price_id, quantity in _quantities(usage).items()
        if quantity
    )
    for line in lines:
        if line.quantity < 0:
            raise ValueError(
                f"{line.price.item}: {line.quantity} {line.price.unit} cannot be, it is negative"
            )
    return Bill(lines=lines)


def _quantities(usage: Usage) -> Mapping[str, Decimal]:
    """The number of units per month, by the id of the price."""
    vcpus = sum((Decimal(each.count * each.cpu) for each in usage.tasks), Decimal(0))
    mibs = sum((Decimal(each.count * each.memory_mib) for each in usage.tasks), Decimal(0))
    return {
        "fargate-vcpu": vcpus / CPU_UNITS_A_VCPU * HOURS_A_MONTH,
        "fargate-memory": mibs / MIB_A_GIB * HOURS_A_MONTH,
        "load-balancer": Decimal(usage.load_balancers * HOURS_A_MONTH),
        "nat-gateway": Decimal(usage.nat_gateways * HOURS_A_MONTH),
        "interface-endpoint": Decimal(usage.interface_endpoints * HOURS_A_MONTH),
        "kms-key": Decimal(usage.kms_keys),
        "secret": Decimal(usage.secrets),
        "log-ingestion": usage.log_gb,
        "alarm": Decimal(usage.alarms),
        "dashboard": Decimal(usage.dashboards),
        "lambda-provisioned-memory": usage.warm_gb * HOURS_A_MONTH,
        "web-acl": Decimal(usage.web_acls),
        "web-acl-rule": Decimal(usage.web_acl_rules),
        "lambda-memory": usage.function_gb_seconds,
        "lambda-request": usage.function_million_requests,
        "rest-api-request": usage.rest_million_requests,
        "efs-storage": usage.file_gb,
        "eks-cluster": Decimal(usage.clusters * HOURS_A_MONTH),
        "eks-node": Decimal(usage.node_vcpus * HOURS_A_MONTH),
        "eks-memory-node": Decimal(usage.memory_node_vcpus * HOURS_A_MONTH),
        "eks-auto-mode": Decimal(usage.auto_mode_vcpus * HOURS_A_MONTH),
        "eks-auto-mode-memory": Decimal(usage.auto_mode_memory_vcpus * HOURS_A_MONTH),
        "eks-node-disk": Decimal(usage.disk_gb),
    }
