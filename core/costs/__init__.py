"""What a fleet costs: prices and usage."""
