"""Runs Durable Functions apps of the Python programming models as they are; extra `functions`."""
