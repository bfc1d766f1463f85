"""Ingress to the fleet: certificate, address, load balancer, authentication, web ACL."""
