"""The fleet's secrets, in AWS Secrets Manager."""

from collections.abc import Iterable, Mapping

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from core.fleet import Fleet, Secret, SecretSource
from core.stack import Stack

_GENERATED_LENGTH = 64

# AWS Secrets Manager API reference, DeleteSecret: 7 to 30 days, or 0 to delete at once.
_RECOVERY_DAYS = 30


class Vault(pulumi.ComponentResource):
    """A secret in Secrets Manager for every declared one, and a request-state key for every server.

    Type token `mcp-platform:foundation:Vault`. Creates, per declared secret, a secret encrypted
    with the stack's key and, by its source, a version with the value from the configuration, a
    version with a random value, or none: then somebody else sets it and this program leaves it
    alone. A secret that exists already is only passed on. Per server, it creates the secret key
    that all copies of the server share to seal the state of a request (MCP 2026-07-28,
    `requestState`).

    Values are secret inputs: they stand encrypted in the state, and in no output.

    Attributes:
        arns: The ARN of every declared secret, by its name.
        request_state_arns: The ARN of every server's request-state key, by the server's name.
    """

    arns: Mapping[str, pulumi.Output[str]]
    request_state_arns: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: Fleet,
        stack: Stack,
        key_arn: pulumi.Input[str],
        values: Mapping[str, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Makes the secrets.

        Args:
            name: The component's name.
            fleet: The fleet.
            stack: The stack.
            key_arn: The key that encrypts them.
            values: The values of the secrets with `source: config`, by name.
            opts: The component's options.
        """
        super().__init__("mcp-platform:foundation:Vault", name, None, opts)
        self._name, self._stack, self._key_arn = name, stack, key_arn
        self._versions: dict[str, pulumi.Resource] = {}
        self.arns = {
            secret: self._declared(_secret(name, secret), secret, declared, values.get(secret))
            for secret, declared in fleet.secrets.items()
        }
        self.request_state_arns = {
            server: self._generated(
                _request_state(name, server), f"Seals the request state of {server}"
            )
            for server in fleet.servers
        }
        self.register_outputs({"arns": self.arns, "request_state_arns": self.request_state_arns})

    def values(self, secrets: Iterable[str], server: str | None) -> list[pulumi.Resource]:
        """What must be there before a task can read these secrets: the values made here.

        Args:
            secrets: The names of declared secrets.
            server: The server whose request-state key is read too, if one is.
        """
        names = [_secret(self._name, secret) for secret in secrets]
        names += [_request_state(self._name, server)] if server else []
        return [self._versions[name] for name in names if name in self._versions]

    def _declared(
        self, name: str, secret: str, declared: Secret, value: pulumi.Output[str] | None
    ) -> pulumi.Output[str]:
        if declared.arn:
            return pulumi.Output.from_input(declared.arn)
        description = f"{secret}, declared in the stack's configuration"
        match declared.source:
            case SecretSource.GENERATED:
                return self._generated(name, description)
            case SecretSource.EXTERNAL:
                return self._container(name, description).arn
            case SecretSource.CONFIG:
                container = self._container(name, description)
                self._set_value(name, container, value)
                return container.arn

    def _generated(self, name: str, description: str) -> pulumi.Output[str]:
        container = self._container(name, description)
        value = random.RandomPassword(
            f"{name}-value",
            length=_GENERATED_LENGTH,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._set_value(name, container, value.result)
        return container.arn

    def _container(self, name: str, description: str) -> aws.secretsmanager.Secret:
        return aws.secretsmanager.Secret(
            name,
            description=description,
            kms_key_id=self._key_arn,
            recovery_window_in_days=_RECOVERY_DAYS if self._stack.production else 0,
            opts=pulumi.ResourceOptions(parent=self, protect=self._stack.production),
        )

    def _set_value(
        self,
        name: str,
        container: aws.secretsmanager.Secret,
        value: pulumi.Input[str] | None,
    ) -> None:
        self._versions[name] = aws.secretsmanager.SecretVersion(
            f"{name}-version",
            secret_id=container.id,
            secret_string=value,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _secret(name: str, secret: str) -> str:
    return f"{name}-secret-{secret}"


def _request_state(name: str, server: str) -> str:
    return f"{name}-request-state-{server}"
