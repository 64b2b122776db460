"""The test kit: what a program on Perdure needs to test itself without waiting."""

__all__: list[str] = []
