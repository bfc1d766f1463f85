"""Local processes in place of tasks, pods and functions."""
