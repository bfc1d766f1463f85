"""The data plane of the sandbox: runs the deployed resources on the loopback interface."""
