"""Elastic Load Balancing: Application Load Balancers."""
