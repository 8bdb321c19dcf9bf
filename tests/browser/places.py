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
    "a release": "v.released_at IS NOT NULL",
    "a candidate": "v.released_at IS NULL AND v.status = 'active'",
    "an archived version": "v.status = 'archived'",
}
NAMES = (
    *(
        "the overview",
        "the models",
        "no models that match",
        "a model",
        "its deployments",
        "its gates",
        "its activity",
        "its settings",
    ),
    *("a release", "a candidate", "an archived version", "a comparison", "six versions compared", "nothing to compare"),
    *("the deployments", "live deployments", "no deployments that match", "filters at fault"),
    *("the gates", "the inbox", "a new gate", "editing a gate", "deleting a gate", "overriding gates"),
    *("the environments", "an environment", "what was live", "its history there", "a deployment", "a rollback"),
    *("freezing", "an environment's settings", "deleting an environment", "a new environment"),
    *("the audit log", "no entries that match", "the keys"),
    *("what was found", "nothing found", "a new model", "a new version", "a new deployment", "a new key"),
    *("editing a version", "deleting a version", "deleting a model", "revoking a key", "no such page", "no such model"),
)
REFUSED = {"filters at fault": 422, "no such page": 404, "no such model": 404}
"""The pages that are refusals; all others answer with 200."""


def places(server: Up, key_id: str) -> dict[str, str]:
    """The addresses of `NAMES`."""
    ((name, versions),) = server.sql(BUSIEST)
    at = f"/models/{name}"
    found: dict[str, Any] = {}
    for kind, rule in KINDS.items():
        ((model, version),) = server.sql(OF_A_VERSION.format(rule))
        found[kind] = f"/models/{model}/versions/{version}"
    ((under_way,),) = server.sql("SELECT id FROM deployments WHERE status = 'running' ORDER BY deployed_at LIMIT 1")
    ((gate,),) = server.sql("SELECT id FROM gates ORDER BY created_at LIMIT 1")
    return {
        **found,
        "the overview": "/",
        "the models": "/models",
        "no models that match": "/models?search=zzz-nothing",
        "a model": at,
        "its deployments": f"{at}/-/deployments",
        "its gates": f"{at}/-/gates",
        "its activity": f"{at}/-/activity",
        "its settings": f"{at}/-/settings",
        "a comparison": f"{at}/compare?v={versions[0]}&v={versions[1]}",
        "six versions compared": f"{at}/compare?v=" + "&v=".join(versions[:6]),
        "nothing to compare": f"{at}/compare",
        "the deployments": "/deployments",
        "live deployments": "/deployments?live=true&environment=production",
        "no deployments that match": "/deployments?model_name=zzz/nothing",
        "filters at fault": "/audit?resource_id=nothing&since=yesterday",
        "the environments": "/environments",
        "an environment": "/environments/production",
        "what was live": "/environments/production?at=2100-01-01T00:00",
        "its history there": "/environments/production/-/history",
        "a deployment": f"/deployments/{under_way}",
        "a rollback": f"/environments/production/-/rollback?model_name={name}",
        "freezing": "/environments/production/-/freeze",
        "an environment's settings": "/environments/production/-/settings",
        "deleting an environment": "/environments/staging/-/delete",
        "a new environment": "/new/environment",
        "the gates": "/gates",
        "the inbox": "/inbox",
        "a new gate": "/new/gate?kind=soaked",
        "editing a gate": f"/gates/{gate}/edit",
        "deleting a gate": f"/gates/{gate}/delete",
        "overriding gates": f"{found['a candidate']}/-/override",
        "the audit log": "/audit",
        "no entries that match": "/audit?action=zzz.nothing",
        "the keys": "/keys",
        "what was found": f"/search?q={name[:4]}",
        "nothing found": "/search?q=zzz-nothing",
        "a new model": "/new/model",
        "a new version": f"/new/version?model_name={name}",
        "a new deployment": "/new/deployment?environment=production",
        "a new key": "/new/key",
        "editing a version": f"{found['a candidate']}/-/edit",
        "deleting a version": f"{found['a candidate']}/-/delete",
        "deleting a model": f"{at}/-/delete",
        "revoking a key": f"/keys/{key_id}/revoke",
        "no such page": "/no/such/page",
        "no such model": "/models/no/such/model",
    }
