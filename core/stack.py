"""The stack of a fleet, and the prefixes of its physical names and paths."""

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

        The stacks `eu_1` and `eu-1` may exist in one account and must have different labels. If the
        name is not a DNS label, the label therefore ends with a hash of the name.
        """
        plain = "".join(letter if letter.isalnum() else "-" for letter in self.name.lower())
        unique = plain if plain == self.name else f"{plain}-{names.short_hash(self.name)}"
        return names.fit(f"{self.project}-{unique}", names.CLOUD_MAP_SERVICE)

    @property
    def path(self) -> str:
        """The prefix of the names of log groups and parameters: `/mcp-platform/dev`."""
        return f"/{self.project}/{self.name}"

    @property
    def executions_path(self) -> str:
        """The prefix of the log groups of Step Functions.

        CloudWatch Logs adds each log group of a delivery to a resource policy of at most 5120
        characters. Log groups below `/aws/vendedlogs/` need no entry (Step Functions Developer
        Guide, "Using CloudWatch Logs to log execution history").
        """
        return f"/aws/vendedlogs/states{self.path}"

    @property
    def firewall_logs(self) -> str:
        """The prefix of the log group of the web ACL: `aws-waf-logs-mcp-platform-dev`."""
        return f"aws-waf-logs-{self.label}"

    @property
    def namespace(self) -> str:
        """The private DNS namespace of the stack: `mcp-platform-dev.internal`."""
        return f"{self.label}.internal"
