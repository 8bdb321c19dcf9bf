"""Notifications of docker-registry and Harbor: which pushes of tags they tell of, whatever else they send."""

import pytest
from notifications import DIGEST, EVENT, HARBOR, URL, docker, harbor

from catapult.rules.registry_events import Push, pushes


@pytest.mark.parametrize(
    ("body", "images"),
    [
        (docker(), ["registry.corp:5000/team/bert:v3"]),
        (
            docker({"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}),
            ["registry.corp:5000/team/bert:v3"],
        ),
        (docker({"url": URL}, request={}), ["10.1.2.3:5000/team/bert:v3"]),
        (docker({"url": URL}), ["registry.corp:5000/team/bert:v3", "10.1.2.3:5000/team/bert:v3"]),
        ({"events": docker()["events"] * 2}, ["registry.corp:5000/team/bert:v3"]),
        (HARBOR, ["harbor.corp/team/bert:v3"]),
        (harbor({"resource_url": "https://harbor.corp:8443/team/bert:v3"}), ["harbor.corp:8443/team/bert:v3"]),
        (harbor({"resource_url": f"harbor.corp:8443/team/bert@{DIGEST}"}), ["harbor.corp:8443/team/bert:v3"]),
    ],
)
def test_pushes_of_tags_are_told(body, images):
    assert pushes(body) == [Push(image, "v3", DIGEST) for image in images]


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"events": []}, {"events": [{}]}, {"events": None}),
        *(docker(action=action) for action in ("pull", "delete", "mount", None, ["push"])),
        *(docker({"tag": tag}) for tag in ("", None, 3, f"sha256-{'a' * 64}", f"sha256-{'a' * 64}.sig")),
        docker({"mediaType": "application/octet-stream"}),
        *(docker({"repository": repository}) for repository in ("", None, [], "x" * 300)),
        *(docker(target) for target in ({"digest": None}, {"digest": "x" * 300})),
        *({"events": [{**EVENT, "target": target}]} for target in (None, "x", [])),
        *(docker(request=request) for request in (None, {}, {"host": ""}, {"host": 1}, "x")),
        docker({"url": "http://[::1/v2"}, request=None),
        *(harbor(type=kind) for kind in ("DELETE_ARTIFACT", "PULL_ARTIFACT", "", None, {})),
        *(harbor(event_data=data) for data in (None, {}, "x", [], {"resources": {}}, {"resources": [1, None]})),
        *(harbor({"tag": tag}) for tag in ("", None)),
        harbor({"resource_url": "/team/bert:v3"}),
    ],
)
def test_everything_else_is_left_out(body):
    assert pushes(body) == []
