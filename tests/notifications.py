"""What docker-registry and Harbor send when an image is pushed, as their documentation and docker-registry 2.8.2 have it."""

DIGEST = "sha256:" + "a" * 64
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TARGET = {"mediaType": MANIFEST, "digest": DIGEST, "repository": "team/bert", "tag": "v3", "size": 1}
EVENT = {"id": "1", "action": "push", "target": TARGET, "request": {"host": "Registry.corp:5000", "method": "PUT"}}
RESOURCE = {"digest": DIGEST, "tag": "v3", "resource_url": "harbor.corp/team/bert:v3"}
HARBOR = {
    "type": "PUSH_ARTIFACT",
    "occur_at": 1,
    "operator": "admin",
    "event_data": {"resources": [RESOURCE], "repository": {"name": "bert", "repo_full_name": "team/bert"}},
}
URL = f"http://10.1.2.3:5000/v2/team/bert/manifests/{DIGEST}"


def docker(target=None, **changed):
    return {"events": [{**EVENT, "target": {**TARGET, **(target or {})}, **changed}]}


def harbor(resource=None, **changed):
    data = {**HARBOR["event_data"], "resources": [{**RESOURCE, **(resource or {})}]}
    return {**HARBOR, "event_data": data, **changed}
