"""Pulumi components: the foundation, the gateway and the targets."""
