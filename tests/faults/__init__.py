"""The fault harness: what Daybook promises must hold whatever single AWS call fails, and however. See README.md."""
