"""What the workloads share; their images copy it in as a named build context."""
