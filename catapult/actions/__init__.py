"""What can happen: one file a noun, one function a verb. Each verb is one transaction with its audit entry.

No Flask and no HTTP. The order of locks is in `locks.py`. Whatever changes a version or a deployment locks its model's row,
so that verbs of one model queue up instead of racing.
"""
