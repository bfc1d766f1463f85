"""Code that the workloads share; their images copy it from a named build context."""
