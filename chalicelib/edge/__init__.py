"""How the system is called: HTTP, queues and streams. With app.py the only place that imports chalice."""

VERSION = "0.1.0"
"""Of the application; pyproject.toml and the API's description take it from here."""
