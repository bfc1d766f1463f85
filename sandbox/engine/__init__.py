"""What connects providers to the Pulumi engine: the protocol, and the types of an SDK."""
