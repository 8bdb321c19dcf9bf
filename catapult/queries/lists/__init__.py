"""Shared parts of lists: paging, sorting, columns for responses, prepared statements."""
