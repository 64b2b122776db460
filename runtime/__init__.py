"""The loop side: `runtime` joins actors and persistence and is the only one that waits."""
