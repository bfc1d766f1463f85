"""What an Application Load Balancer allows."""
