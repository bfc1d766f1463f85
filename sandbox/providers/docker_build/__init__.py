"""The Docker Build provider."""
