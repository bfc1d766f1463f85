"""The protocol between the Pulumi engine and the providers, and the types of an SDK."""
