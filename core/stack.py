"""The stack a fleet is deployed as: what every physical name and path begins with."""

from dataclasses import dataclass

from core.aws import names


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack of this project in one region.

    Attributes:
        project: The Pulumi project's name.
        name: The stack's name.
        region: The AWS region.
        production: Whether it is marked as production.
    """

    project: str
    name: str
    region: str
    production: bool

    @property
    def label(self) -> str:
        """A DNS label for the stack: `mcp-platform-dev`.

        One account may have the stacks `eu_1` and `eu-1`, and a label that is the same of both
        would give them one dashboard. So what the label cannot say is in a hash at its end.
        """
        plain = "".join(letter if letter.isalnum() else "-" for letter in self.name.lower())
        told = plain if plain == self.name else f"{plain}-{names.short_hash(self.name)}"
        return names.fit(f"{self.project}-{told}", names.CLOUD_MAP_SERVICE)

    @property
    def path(self) -> str:
        """The path that log groups and parameters start with: `/mcp-platform/dev`."""
        return f"/{self.project}/{self.name}"

    @property
    def executions_path(self) -> str:
        """The path of the log groups that Step Functions writes to.

        CloudWatch Logs lists each log group of a delivery in one resource policy of the region,
        which holds 5120 characters; it needs no entry for those under `/aws/vendedlogs/` (Step
        Functions Developer Guide, "Using CloudWatch Logs to log execution history").
        """
        return f"/aws/vendedlogs/states{self.path}"

    @property
    def firewall_logs(self) -> str:
        """The path of what the web ACL logs: `aws-waf-logs-mcp-platform-dev`."""
        return f"aws-waf-logs-{self.label}"

    @property
    def namespace(self) -> str:
        """The private DNS namespace of the stack: `mcp-platform-dev.internal`."""
        return f"{self.label}.internal"
