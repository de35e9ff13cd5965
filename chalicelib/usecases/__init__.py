"""What the system does: one module per noun, functions that take their ports by keyword."""
