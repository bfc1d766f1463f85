"""The offline cloud: providers for the real Pulumi engine that need no AWS account."""
