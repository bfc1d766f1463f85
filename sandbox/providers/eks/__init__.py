"""The sandbox's stand-in for the component package eks."""
