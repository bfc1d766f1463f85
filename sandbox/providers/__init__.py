"""The sandbox's providers, one package for each package of Pulumi."""
