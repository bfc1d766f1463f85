"""The state of the sandbox's cloud, and the faults that a test injects into its calls."""
