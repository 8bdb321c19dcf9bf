"""What can happen: one file a noun, one function a verb, and each verb one transaction with its audit entry.

No Flask and no HTTP. Locks are taken in the order model, version, deployment. A model's row is locked for all that happens
to its versions and deployments, so that verbs of one model queue up instead of racing.
"""
