"""The sandbox's stand-in for the provider kubernetes: an API server that checks and remembers."""
