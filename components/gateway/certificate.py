"""The certificate of the gateway's domain."""

import pulumi
import pulumi_aws as aws

from components.gateway.moved import from_gateway


class Certificate(pulumi.ComponentResource):
    """A certificate for the domain, whatever stands behind it: a switch of target keeps it.

    Type token `mcp-platform:gateway:Certificate`. Creates the certificate, the record in the zone
    that proves whose the domain is, and the wait for AWS to see it.

    Attributes:
        arn: The ARN of the certificate, once it is valid.
    """

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, *, domain: str, zone: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mcp-platform:gateway:Certificate", name, None, opts)
        requested = aws.acm.Certificate(
            f"{name}-acm",
            domain_name=domain,
            validation_method="DNS",
            opts=self._child("certificate"),
        )
        option = requested.domain_validation_options[0]
        record = aws.route53.Record(
            f"{name}-record",
            zone_id=zone,
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=300,
            allow_overwrite=True,
            opts=self._child("certificate-record"),
        )
        validated = aws.acm.CertificateValidation(
            f"{name}-validation",
            certificate_arn=requested.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self._child("certificate-validation"),
        )
        self.arn = validated.certificate_arn
        self.register_outputs({"arn": self.arn})

    def _child(self, was: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, aliases=[from_gateway(was)])
