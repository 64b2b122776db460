"""What Perdure does in a second: `python -m benchmarks --help`."""
