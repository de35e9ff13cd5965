"""How the system is called: HTTP, queues and streams. With app.py the only place that imports chalice."""
