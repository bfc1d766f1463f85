"""What a fleet costs a month, roughly.

The table holds on-demand list prices for us-east-1 in US dollars, as of :data:`AS_OF`, before free
tiers and discounts. It has what a stack pays for by standing there; what depends on use is counted
only where the user says how much (log volume), and :data:`NOT_COUNTED` says what is missing.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from core.targets.eks.versions import STANDARD_USD_AN_HOUR

AS_OF: Final = date(2026, 11, 22)
"""The day the list was put together.

Infracost's golden files hold what AWS's Price List API said on 2025-07-07, the Fargate prices for
arm64 are from a secondary source; AWS's own pages decide.
"""

HOURS_A_MONTH: Final = 730

CPU_UNITS_A_VCPU: Final = 1024
MIB_A_GIB: Final = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """One price.

    Attributes:
        item: what it is for, as a person reads it.
        usd: US dollars a unit.
        unit: what one pays for.
        source: where the price was found.
    """

    item: str
    usd: Decimal
    unit: str
    source: str


FARGATE_VCPU: Final = Price(
    item="Fargate vCPU (Linux, arm64)",
    usd=Decimal("0.03238"),
    unit="vCPU-hour",
    source="vantage.sh/blog/fargate-pricing (secondary)",
)
FARGATE_MEMORY: Final = Price(
    item="Fargate memory (Linux, arm64)",
    usd=Decimal("0.00356"),
    unit="GB-hour",
    source="vantage.sh/blog/fargate-pricing (secondary)",
)
LOAD_BALANCER: Final = Price(
    item="Application Load Balancer",
    usd=Decimal("0.0225"),
    unit="load-balancer-hour",
    source="infracost lb_test",
)
NAT_GATEWAY: Final = Price(
    item="NAT gateway",
    usd=Decimal("0.045"),
    unit="gateway-hour",
    source="infracost nat_gateway_test",
)
INTERFACE_ENDPOINT: Final = Price(
    item="Interface endpoint",
    usd=Decimal("0.01"),
    unit="endpoint-hour",
    source="infracost vpc_endpoint_test",
)
KMS_KEY: Final = Price(
    item="KMS key", usd=Decimal("1.00"), unit="key-month", source="infracost kms_key_test"
)
SECRET: Final = Price(
    item="Secrets Manager secret",
    usd=Decimal("0.40"),
    unit="secret-month",
    source="infracost secretsmanager_secret_test",
)
LOG_INGEST: Final = Price(
    item="CloudWatch Logs, taken in",
    usd=Decimal("0.50"),
    unit="GB",
    source="infracost cloudwatch_log_group_test",
)
ALARM: Final = Price(
    item="CloudWatch alarm, standard",
    usd=Decimal("0.10"),
    unit="metric-month",
    source="infracost cloudwatch_metric_alarm_test",
)
DASHBOARD: Final = Price(
    item="CloudWatch dashboard",
    usd=Decimal("3.00"),
    unit="dashboard-month",
    source="infracost cloudwatch_dashboard_test",
)
WARM_MEMORY: Final = Price(
    item="Lambda provisioned concurrency (arm64)",
    usd=Decimal("0.0000033334") * 3600,
    unit="GB-hour",
    source="infracost lambda_provisioned_concurrency_config_test",
)
WEB_ACL: Final = Price(
    item="Web ACL", usd=Decimal("5.00"), unit="ACL-month", source="infracost wafv2_web_acl_test"
)
WEB_ACL_RULE: Final = Price(
    item="Rule of a web ACL",
    usd=Decimal("1.00"),
    unit="rule-month",
    source="infracost wafv2_web_acl_test",
)
FUNCTION_MEMORY: Final = Price(
    item="Lambda duration (arm64)",
    usd=Decimal("0.0000133334"),
    unit="GB-second",
    source="infracost lambda_function_test",
)
FUNCTION_REQUEST: Final = Price(
    item="Lambda requests",
    usd=Decimal("0.20"),
    unit="million requests",
    source="infracost lambda_function_test",
)
REST_REQUEST: Final = Price(
    item="REST API requests",
    usd=Decimal("3.50"),
    unit="million requests",
    source="infracost api_gateway_rest_api_test",
)
FILE_STORAGE: Final = Price(
    item="EFS, standard storage",
    usd=Decimal("0.30"),
    unit="GB-month",
    source="infracost efs_file_system_test",
)
CLUSTER: Final = Price(
    item="EKS cluster, standard support",
    usd=STANDARD_USD_AN_HOUR,
    unit="cluster-hour",
    source="infracost eks_cluster_test",
)
NODE: Final = Price(
    item="EC2 node (m7g)",
    usd=Decimal("0.0816") / 2,
    unit="vCPU-hour",
    source="infracost instance_test (m7g.large)",
)
MEMORY_NODE: Final = Price(
    item="EC2 node (r7g)",
    usd=Decimal("0.1071") / 2,
    unit="vCPU-hour",
    source="infracost instance_test (r7g.large)",
)
AUTO_MODE: Final = Price(
    item="EKS Auto Mode, on top of its nodes",
    usd=NODE.usd * Decimal("0.12"),
    unit="vCPU-hour",
    source="factualminds.com, Amazon EKS pricing, 2026-06-13: about 12 % (secondary)",
)
AUTO_MODE_MEMORY: Final = Price(
    item="EKS Auto Mode, on top of its r7g nodes",
    usd=MEMORY_NODE.usd * Decimal("0.12"),
    unit="vCPU-hour",
    source=AUTO_MODE.source,
)
NODE_DISK: Final = Price(
    item="Disks of nodes (EBS gp3)",
    usd=Decimal("0.08"),
    unit="GB-month",
    source="infracost instance_test",
)

NOT_COUNTED: Final = (
    "Container Insights (its price a metric and the number of metrics were not found)",
    "public IPv4 addresses, Cloud Map and image storage (prices not found)",
    "traffic: load balancer capacity units, NAT gateway and endpoint data, streams, transfer",
    "requests to KMS and Secrets Manager, logs (a web ACL logs every request) and log queries",
    "the models that agents call",
    "on EKS: nodes beyond the fewest, what nodes of other types than m7g and r7g cost more or less "
    "(c7g 11 % less than m7g), and Argo CD as a capability (price not found)",
)
"""What a bill has and this estimate has not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """Fargate tasks of one size that run all the time.

    Attributes:
        count: how many.
        cpu: CPU units of each, 1024 a vCPU.
        memory_mib: memory of each in MiB.
    """

    count: int
    cpu: int
    memory_mib: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a stack has, in plain counts.

    Attributes:
        tasks: the tasks of each workload.
        load_balancers: Application Load Balancers.
        nat_gateways: NAT gateways, one for all zones or one a zone.
        interface_endpoints: interface endpoints, each in each of its zones (endpoints x zones).
        kms_keys: customer-managed keys.
        secrets: secrets in Secrets Manager.
        log_gb: log volume taken in a month, in GB.
        alarms: standard-resolution alarms on one metric each.
        dashboards: dashboards.
        warm_gb: memory of the Lambda environments that are kept warm, in GB.
        web_acls: web ACLs.
        web_acl_rules: rules in them.
        function_gb_seconds: what functions run, in GB-seconds.
        function_million_requests: how often functions are called, in millions.
        rest_million_requests: how often the REST APIs are, in millions.
        file_gb: files kept on EFS, in GB.
        clusters: EKS clusters.
        node_vcpus: vCPU of their nodes.
        memory_node_vcpus: vCPU of those nodes that have more memory for each (r7g).
        auto_mode_vcpus: those of `node_vcpus` that EKS Auto Mode manages.
        auto_mode_memory_vcpus: those of `memory_node_vcpus` that it manages.
        disk_gb: disks of nodes, in GB.
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
        price: the price that it is counted with.
        quantity: units a month.
    """

    price: Price
    quantity: Decimal

    @property
    def usd(self) -> Decimal:
        """US dollars a month, not rounded."""
        return self.price.usd * self.quantity


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """An estimated month.

    Attributes:
        lines: one for every price that is needed, in the order of the table.
    """

    lines: tuple[Line, ...]

    @property
    def total_usd(self) -> Decimal:
        """US dollars a month, rounded to cents, half a cent up."""
        exact = sum((line.usd for line in self.lines), Decimal(0))
        return exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def monthly(usage: Usage) -> Bill:
    """Estimate what a stack costs a month of 730 hours.

    Args:
        usage: what the stack has.

    Returns:
        The bill; a price with nothing to pay has no line.

    Raises:
        ValueError: when a count is negative.
    """
    vcpus = sum((Decimal(each.count * each.cpu) for each in usage.tasks), Decimal(0))
    mibs = sum((Decimal(each.count * each.memory_mib) for each in usage.tasks), Decimal(0))
    quantities = (
        (FARGATE_VCPU, vcpus / CPU_UNITS_A_VCPU * HOURS_A_MONTH),
        (FARGATE_MEMORY, mibs / MIB_A_GIB * HOURS_A_MONTH),
        (LOAD_BALANCER, Decimal(usage.load_balancers * HOURS_A_MONTH)),
        (NAT_GATEWAY, Decimal(usage.nat_gateways * HOURS_A_MONTH)),
        (INTERFACE_ENDPOINT, Decimal(usage.interface_endpoints * HOURS_A_MONTH)),
        (KMS_KEY, Decimal(usage.kms_keys)),
        (SECRET, Decimal(usage.secrets)),
        (LOG_INGEST, usage.log_gb),
        (ALARM, Decimal(usage.alarms)),
        (DASHBOARD, Decimal(usage.dashboards)),
        (WARM_MEMORY, usage.warm_gb * HOURS_A_MONTH),
        (WEB_ACL, Decimal(usage.web_acls)),
        (WEB_ACL_RULE, Decimal(usage.web_acl_rules)),
        (FUNCTION_MEMORY, usage.function_gb_seconds),
        (FUNCTION_REQUEST, usage.function_million_requests),
        (REST_REQUEST, usage.rest_million_requests),
        (FILE_STORAGE, usage.file_gb),
        (CLUSTER, Decimal(usage.clusters * HOURS_A_MONTH)),
        (NODE, Decimal(usage.node_vcpus * HOURS_A_MONTH)),
        (MEMORY_NODE, Decimal(usage.memory_node_vcpus * HOURS_A_MONTH)),
        (AUTO_MODE, Decimal(usage.auto_mode_vcpus * HOURS_A_MONTH)),
        (AUTO_MODE_MEMORY, Decimal(usage.auto_mode_memory_vcpus * HOURS_A_MONTH)),
        (NODE_DISK, Decimal(usage.disk_gb)),
    )
    for price, quantity in quantities:
        if quantity < 0:
            raise ValueError(f"{price.item}: {quantity} {price.unit} cannot be, it is negative")
    return Bill(
        lines=tuple(
            Line(price=price, quantity=quantity) for price, quantity in quantities if quantity
        )
    )
