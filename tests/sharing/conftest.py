"""Hubs whose workers show often that they live, and are not held to be dead on a busy machine."""

import pytest


@pytest.fixture
def hub(hub_url: str) -> str:
    """Give the URL of an empty hub."""
    return hub_url.replace("lease=1&", "lease=30&")
