"""The way in: certificate, address, load balancer, authentication, web ACL."""
