"""The cost of a fleet: prices and usage."""
