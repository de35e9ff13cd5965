"""Daybook's own code; `app.py` beside it declares what starts it."""
