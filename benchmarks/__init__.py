"""What the figures in README.md come from: `python -m benchmarks`, or one of them alone."""
