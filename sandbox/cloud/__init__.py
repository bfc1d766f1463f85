"""The state of the sandbox's cloud, and fault injection."""
