"""The machinery of lists: pages, sorting, prepared statements."""
