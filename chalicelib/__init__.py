"""Daybook's own code; `app.py` beside it declares what starts it."""

import gc

# What is imported, and botocore's models, are some 70,000 objects that all stay. To look among them for garbage after every 700
# takes a twentieth of a cold start; an invocation leaves far less than this behind.
gc.set_threshold(100_000, 20, 20)
