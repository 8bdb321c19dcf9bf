"""Door 1: the JSON API, one file a noun."""

from flask import Flask

from catapult.api import (
    aliases,
    api_keys,
    artifacts,
    audit_logs,
    comments,
    decisions,
    deployments,
    docs,
    environments,
    gates,
    jobs,
    me,
    people,
    registered_models,
    registries,
    service,
    trusted_keys,
    uploads,
    versions,
    webhooks,
)
from catapult.api.wire import openapi

NOUNS = (
    service,
    registered_models,
    versions,
    aliases,
    artifacts,
    comments,
    deployments,
    decisions,
    environments,
    gates,
    trusted_keys,
    registries,
    people,
    me,
    api_keys,
    audit_logs,
    webhooks,
    jobs,
)


def init_app(app: Flask) -> None:
    """Add the JSON API and its OpenAPI document."""
    api = openapi.init_app(app)
    for noun in NOUNS:
        api.register_blueprint(noun.blp)
    app.register_blueprint(service.probes)
    app.register_blueprint(uploads.blp)
    app.register_blueprint(docs.blp)
    app.extensions[docs.EXTENSION] = api, None
    _add_old_name(app)


def _add_old_name(app: Flask) -> None:
    """Serve the views of models under `/images` too, the name that older clients use; not in the document."""
    old, prefix = registered_models.OLD_PREFIX, registered_models.blp.url_prefix or ""
    for rule in [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(prefix)]:
        path = old + rule.rule.removeprefix(prefix)
        app.add_url_rule(path, f"images.{rule.endpoint}", app.view_functions[rule.endpoint], methods=rule.methods)
