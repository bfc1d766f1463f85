"""Limits of an Application Load Balancer."""
