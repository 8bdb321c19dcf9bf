"""The filter language, such as `metadata.accuracy >= 0.9 and tag = "gpu"`, and sort orders, such as `-created_at,tag`.

`parsing` turns a text into a tree, `nouns` lists the fields, and `conditions` turns the tree into SQL.
User input reaches PostgreSQL only as bound parameters.
"""
