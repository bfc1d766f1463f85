"""Readers of deployed workloads: ECS, EKS and Lambda."""
