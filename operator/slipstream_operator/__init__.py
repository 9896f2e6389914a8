"""The Kubernetes operator: reads policies, delivers configurations, drives load tests, writes status; never on a request's path."""
