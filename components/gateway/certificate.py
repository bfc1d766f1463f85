"""The gateway's certificate and address."""

import pulumi
import pulumi_aws as aws


def certificate(
    name: str, *, domain: str, zone: str, parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Makes a certificate for the domain, validated by a record in its zone.

    Returns:
        The ARN of the certificate, once it is valid.
    """
    child = pulumi.ResourceOptions(parent=parent)
    requested = aws.acm.Certificate(
        f"{name}-certificate", domain_name=domain, validation_method="DNS", opts=child
    )
    option = requested.domain_validation_options[0]
    record = aws.route53.Record(
        f"{name}-certificate-record",
        zone_id=zone,
        name=option.resource_record_name,
        type=option.resource_record_type,
        records=[option.resource_record_value],
        ttl=300,
        allow_overwrite=True,
        opts=child,
    )
    validated = aws.acm.CertificateValidation(
        f"{name}-certificate-validation",
        certificate_arn=requested.arn,
        validation_record_fqdns=[record.fqdn],
        opts=child,
    )
    return validated.certificate_arn


def address(
    name: str,
    *,
    domain: str,
    zone: str,
    load_balancer: aws.lb.LoadBalancer,
    parent: pulumi.Resource,
) -> None:
    """Makes the record that leads from the domain to the load balancer."""
    aws.route53.Record(
        f"{name}-address",
        zone_id=zone,
        name=domain,
        type="A",
        aliases=[
            {
                "name": load_balancer.dns_name,
                "zone_id": load_balancer.zone_id,
                "evaluate_target_health": True,
            }
        ],
        opts=pulumi.ResourceOptions(parent=parent),
    )
