"""The server process: gunicorn, the checks before it starts, and how it stops."""
