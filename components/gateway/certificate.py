"""The certificate of the gateway's domain."""

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.gateway.moved import from_gateway
from core.config.errors import ConfigurationError, Fault, set_command
from core.config.model import Gateway


class Certificate(Component):
    """The certificate of the domain. It does not depend on the target, so a switch keeps it.

    Type token `mcp-platform:gateway:Certificate`. Creates the certificate, the DNS record that
    validates it, and waits for the validation. The preview fails if the zone is private or is not
    a parent of the domain, because AWS would not find the record.

    Attributes:
        arn: The ARN of the validated certificate.
    """

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, *, domain: str, zone: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mcp-platform:gateway:Certificate", name, opts)
        requested = aws.acm.Certificate(
            f"{name}-acm",
            domain_name=domain,
            validation_method="DNS",
            opts=self._moved("certificate"),
        )
        asked = pulumi.InvokeOptions(parent=self)
        found = aws.route53.get_zone_output(zone_id=zone, opts=asked)
        option = requested.domain_validation_options[0]
        record = aws.route53.Record(
            f"{name}-record",
            zone_id=pulumi.Output.all(found.name, found.private_zone).apply(
                lambda about: _proving(zone, domain, *about)
            ),
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=300,
            allow_overwrite=True,
            opts=self._moved("certificate-record"),
        )
        validated = aws.acm.CertificateValidation(
            f"{name}-validation",
            certificate_arn=requested.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self._moved("certificate-validation"),
        )
        self.arn = validated.certificate_arn
        self.register()

    def _moved(self, was: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, aliases=[from_gateway(was)])


def _proving(zone: str, domain: str, name: str, private: bool) -> str:
    """Returns the id of the zone if a record in it can validate the certificate."""
    name = name.rstrip(".")
    if private:
        (example,) = Gateway.model_fields["certificate_arn"].examples or [""]
        fault = Fault(
            path=("gateway", "zone"),
            got=f"{zone}, a private zone",
            allowed="a public zone, or certificate_arn: AWS Certificate Manager cannot validate a "
            "certificate with the records of a private zone",
            fix=set_command(("gateway", "certificate_arn"), example),
        )
    elif name and domain != name and not domain.endswith(f".{name}"):
        fault = Fault(
            path=("gateway", "zone"),
            got=f"{zone}, the zone {name}",
            allowed=f"the hosted zone that contains {domain}",
        )
    else:
        return zone
    raise pulumi.RunError(str(ConfigurationError([fault])))
