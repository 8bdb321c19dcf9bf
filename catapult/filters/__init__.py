"""Filters and orders as people write them, `metadata.accuracy >= 0.9 and tag = "gpu"`, as conditions of a query.

`parsing` reads a text into a tree, `nouns` says which fields there are and what each can, `conditions` makes SQL of it.
What people wrote reaches PostgreSQL as parameters only.
"""
