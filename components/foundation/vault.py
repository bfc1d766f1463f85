"""The fleet's secrets, in AWS Secrets Manager."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.component import Component
from core.config.enums import SecretSource
from core.config.model import Secret
from core.environment import REQUEST_STATE_KEY
from core.resolved import Container, ResolvedFleet

_GENERATED_LENGTH = 64

# AWS Secrets Manager API reference, DeleteSecret: 7 to 30 days, or 0 to delete immediately.
_RECOVERY_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A secret in Secrets Manager.

    Attributes:
        arn: The secret's ARN.
        version_id: The id of the version that the stack created. A workload that refers to it
            starts after the value exists, and is replaced when the value changes. It is None for an
            external secret, of which the current value is read.
    """

    arn: pulumi.Output[str]
    version_id: pulumi.Output[str] | None = None


class Vault(Component):
    """The secrets of the fleet, and a request-state key for every server.

    Type token `mcp-platform:foundation:Vault`. Creates a secret for each declared secret, encrypted
    with the stack's key. By its source, the value is from the configuration, is random, or is set
    outside of Pulumi. An existing secret is only referenced. For each server, it creates the key
    with which all replicas seal the state of a request (MCP 2026-07-28, `requestState`).

    Values are secret inputs. They are encrypted in the state and are not part of any output.

    Attributes:
        arns: The ARN of each declared secret, by name.
        request_state_arns: The ARN of each server's request-state key, by server.
    """

    arns: Mapping[str, pulumi.Output[str]]
    request_state_arns: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        key_arn: pulumi.Input[str],
        values: Mapping[str, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the secrets.

        Args:
            name: The component's name.
            fleet: The fleet.
            key_arn: The ARN of the key that encrypts them.
            values: The values of the secrets with `source: config`, by name.
            opts: The component's options.
        """
        super().__init__("mcp-platform:foundation:Vault", name, opts)
        self._stack, self._key_arn = fleet.stack, key_arn
        self.declared = {
            secret: self._declared(f"{name}-secret-{secret}", secret, declared, values.get(secret))
            for secret, declared in fleet.config.secrets.items()
        }
        """The declared secrets, by name."""
        self.request_state = {
            server: self._generated(
                f"{name}-request-state-{server}", f"Seals the request state of {server}"
            )
            for server in fleet.config.servers
        }
        """The request-state keys, by server."""
        self.arns = {secret: stored.arn for secret, stored in self.declared.items()}
        self.request_state_arns = {
            server: stored.arn for server, stored in self.request_state.items()
        }
        self.register()

    def read_by(self, container: Container) -> dict[str, Stored]:
        """The secrets of a container, by environment variable."""
        read = {variable: self.declared[secret] for variable, secret in container.secrets.items()}
        if container.name in self.request_state:
            read[REQUEST_STATE_KEY] = self.request_state[container.name]
        return read

    def _declared(
        self, name: str, secret: str, declared: Secret, value: pulumi.Output[str] | None
    ) -> Stored:
        description = f"{secret}, declared in the stack's configuration"
        match declared.source:
            case SecretSource.GENERATED:
                return self._generated(name, description)
            case SecretSource.CONFIG:
                return self._with_value(name, self._container(name, description), value)
            case SecretSource.EXTERNAL:
                if declared.arn:
                    return Stored(arn=pulumi.Output.from_input(declared.arn))
                container = self._container(name, description)
                self._tell_of_no_value(secret, container)
                return Stored(arn=container.arn)

    def _tell_of_no_value(self, secret: str, container: aws.secretsmanager.Secret) -> None:
        """Warns if the secret exists and has no value."""
        found = aws.secretsmanager.get_secret_versions_output(
            secret_id=container.id, opts=pulumi.InvokeOutputOptions(parent=self)
        )

        def tell(told: list[Any]) -> None:
            arn, versions = told
            if not versions:
                pulumi.log.warn(
                    f"The secret {secret} has no value, so workloads that read it cannot start. "
                    f"Set a value (aws secretsmanager put-secret-value --secret-id {arn} "
                    "--secret-string …), then run pulumi up again.",
                    container,
                )

        pulumi.Output.all(container.arn, found.versions).apply(tell)

    def _generated(self, name: str, description: str) -> Stored:
        container = self._container(name, description)
        value = random.RandomPassword(
            f"{name}-value",
            length=_GENERATED_LENGTH,
            special=False,
            opts=self.child_opts,
        )
        return self._with_value(name, container, value.result)

    def _container(self, name: str, description: str) -> aws.secretsmanager.Secret:
        return aws.secretsmanager.Secret(
            name,
            description=description,
            kms_key_id=self._key_arn,
            recovery_window_in_days=_RECOVERY_DAYS if self._stack.production else 0,
            opts=pulumi.ResourceOptions(parent=self, protect=self._stack.production),
        )

    def _with_value(
        self,
        name: str,
        container: aws.secretsmanager.Secret,
        value: pulumi.Input[str] | None,
    ) -> Stored:
        version = aws.secretsmanager.SecretVersion(
            f"{name}-version",
            secret_id=container.id,
            secret_string=value,
            opts=self.child_opts,
        )
        return Stored(arn=container.arn, version_id=version.version_id)
