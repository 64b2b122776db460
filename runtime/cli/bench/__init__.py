"""A crowd at work, the meter that runs meanwhile, and the floor to compare with.

`perdure bench` measures with it, and so do this repository's benchmarks.
"""
