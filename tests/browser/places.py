"""Where the pages are: every one of them, on the demo's data."""

from typing import Any

from up import Up

BUSIEST = """
SELECT m.name, array_agg(v.version ORDER BY v.created_at DESC) FROM models m JOIN versions v ON v.model_id = m.id
WHERE v.status = 'active' AND EXISTS (SELECT FROM deployments d WHERE d.model_id = m.id)
GROUP BY m.name ORDER BY count(*) DESC, m.name LIMIT 1
"""
OF_A_VERSION = """
SELECT m.name, v.version FROM models m JOIN versions v ON v.model_id = m.id
WHERE {} AND m.name NOT LIKE 'browser/%%' ORDER BY v.created_at DESC LIMIT 1
"""
KINDS = {
    "release": "v.released_at IS NOT NULL",
    "candidate": "v.released_at IS NULL AND v.status = 'active'",
    "archived": "v.status = 'archived'",
}
PAGES = {
    "the overview": "/",
    "the models": "/models",
    "no models that match": "/models?search=zzz-nothing",
    "versions of all models": "/versions",
    "versions that match": "/versions?filter=metadata.accuracy+>+0.5&sort=-metadata.accuracy",
    "a mistake in a filter": "/versions?filter=statsu+%3D+1",
    "a model": "{at}",
    "its deployments": "{at}/-/deployments",
    "its card": "/models/browser/files/-/card",
    "a version with files": "/models/browser/files/versions/1.0.0",
    "a table in place": "/artifacts/{table}/preview",
    "a card in place": "/artifacts/{card}/preview",
    "its gates": "{at}/-/gates",
    "its activity": "{at}/-/activity",
    "its settings": "{at}/-/settings",
    "deleting a model": "{at}/-/delete",
    "a release": "{release}",
    "a candidate": "{candidate}",
    "an archived version": "{archived}",
    "editing a version": "{candidate}/-/edit",
    "pointing an alias": "{candidate}/-/alias",
    "files on the mount": "{candidate}/-/mount?path=runs",
    "no such folder of the mount": "{candidate}/-/mount?path=none",
    "deleting a version": "{candidate}/-/delete",
    "overriding gates": "{candidate}/-/override",
    "a comparison": "{at}/compare?v={versions[0]}&v={versions[1]}",
    "six versions compared": "{at}/compare?" + "&".join(f"v={{versions[{number}]}}" for number in range(6)),
    "nothing to compare": "{at}/compare",
    "the deployments": "/deployments",
    "live deployments": "/deployments?live=true&environment=production",
    "no deployments that match": "/deployments?model_name=zzz/nothing",
    "a deployment": "/deployments/{running}",
    "the environments": "/environments",
    "the environments then": "/environments?at=2100-01-01T00:00",
    "an environment": "/environments/production",
    "what was live": "/environments/production?at=2100-01-01T00:00",
    "its history there": "/environments/production/-/history",
    "a rollback": "/environments/production/-/rollback?model_name={name}",
    "a retirement": "/environments/production/-/retire?model_name={name}",
    "freezing": "/environments/production/-/freeze",
    "an environment's settings": "/environments/production/-/settings",
    "deleting an environment": "/environments/staging/-/delete",
    "the gates": "/gates",
    "the inbox": "/inbox",
    "editing a gate": "/gates/{gate}/edit",
    "deleting a gate": "/gates/{gate}/delete",
    "the audit log": "/audit",
    "no entries that match": "/audit?action=zzz.nothing",
    "invalid filters": "/audit?resource_id=nothing&since=yesterday",
    "the keys": "/keys",
    "editing a key": "/keys/{key}/edit",
    "rotating a key": "/keys/{key}/rotate",
    "revoking a key": "/keys/{key}/revoke",
    "the people": "/people",
    "editing a person": "/people/{person}/edit",
    "oneself": "/me",
    "the trusted keys": "/trusted-keys",
    "deleting a trusted key": "/trusted-keys/{trusted}/delete",
    "the registries": "/registries",
    "editing a registry": "/registries/{registry}/edit",
    "deleting a registry": "/registries/{registry}/delete",
    "the webhooks": "/webhooks",
    "a webhook": "/webhooks/{hook}",
    "editing a webhook": "/webhooks/{hook}/-/edit",
    "rotating a secret": "/webhooks/{hook}/-/rotate",
    "deleting a webhook": "/webhooks/{hook}/-/delete",
    "the jobs": "/jobs",
    "an override": "/models/browser/decided/versions/1.0.0",
    "a decision": "/decisions/{decision}",
    "search results": "/search?q={name:.4}",
    "no search results": "/search?q=zzz-nothing",
    "the guides": "/docs/guides/",
    "a guide": "/docs/guides/api",
    "the errors": "/docs/errors/",
    "an error": "/docs/errors/conflict",
    "a new view": "/me/views/new?address=/versions",
    "a new model": "/new/model",
    "a new version": "/new/version?model_name={name}",
    "a new deployment": "/new/deployment?model={name}&version={versions[0]}&environment=production",
    "a new environment": "/new/environment",
    "a new gate": "/new/gate?kind=soaked",
    "a new key": "/new/key",
    "a new person": "/new/person",
    "a new webhook": "/new/webhook",
    "a new registry": "/new/registry",
    "a new trusted key": "/new/trusted-key",
    "no such page": "/no/such/page",
    "no such model": "/models/no/such/model",
}
REFUSED = {
    "invalid filters": 422,
    "a mistake in a filter": 422,
    "no such folder of the mount": 404,
    "no such page": 404,
    "no such model": 404,
}
"""The pages that are refusals; all others answer with 200."""


def places(server: Up, **made: str) -> dict[str, str]:
    """The addresses of `PAGES`; `made` are ids of what the demo has none of."""
    ((name, versions),) = server.sql(BUSIEST)
    ids: dict[str, Any] = {"at": f"/models/{name}", "name": name, "versions": versions, **made}
    for kind, rule in KINDS.items():
        ((model, version),) = server.sql(OF_A_VERSION.format(rule))
        ids[kind] = f"/models/{model}/versions/{version}"
    ids["running"] = server.sql("SELECT id FROM deployments WHERE status = 'running' ORDER BY deployed_at LIMIT 1")[0][
        0
    ]
    ids["gate"] = server.sql("SELECT id FROM gates ORDER BY created_at LIMIT 1")[0][0]
    return {page: address.format(**ids) for page, address in PAGES.items()}
