"""The process that serves: gunicorn, what has to be true before it starts, and how it ends."""
