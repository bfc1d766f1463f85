"""The data plane of the sandbox: what is deployed in its cloud, run on the loopback interface."""
