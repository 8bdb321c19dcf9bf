"""Shared code of the web doors; the only room below them that knows the request."""
