"""Durable actors: orchestrations and entities that outlive their process."""

__all__ = ["__version__"]

__version__ = "0.1.0"
