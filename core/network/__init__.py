"""The network: address blocks, zones, egress."""
