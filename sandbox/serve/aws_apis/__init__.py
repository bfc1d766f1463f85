"""The AWS APIs that workloads call."""
