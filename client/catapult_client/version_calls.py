"""Versions and releases: `/api/v1/versions`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from . import images
from .calls import UNSET, Calls, Failed, Unset, arguments, call, given, identity, listing
from .comparison import Comparison
from .deployment_records import Deployment
from .ensure import ensured
from .errors import InvalidArgument, NotFound, RegistryUnreachable
from .model_records import Model, Version


class VersionCalls(Calls[Failed]):
    """The methods of a Registry for versions."""

    @call
    def create_version(
        self,
        model_name: str | None = None,
        version: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        *,
        image: str | None = None,
        model_id: str | uuid.UUID | Model | Failed | None = None,
        source: str | None = None,
        size_bytes: int | None = None,
        platform: str | None = None,
        quantization: str | None = None,
        release_notes: str | None = None,
        tags: Sequence[str] | None = None,
        ceph_path: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        is_release: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Version | Failed:
        """Register a version and return it. Needs `model_name` or `model_id`, `version`, and `image`, `tag` and `digest`,
        or `source`: a URI or path, which the registry never opens.

        For an `image`, `host/repository:tag`, the server asks its registry for the digest. If the server cannot reach it, the
        client asks, with the login of `docker login`; `digest_status` is then `unverified`.

        Numbers in `metadata` may be numpy or torch scalars; InvalidArgument names the key of NaN, infinity, a set or
        bytes. Raises Conflict (the model has this version), Blocked (with `is_release`, by a gate; nothing is
        registered), NotFound (no such model), Validation, InvalidArgument, Forbidden (needs the role `publisher`;
        `releaser` with `is_release`).
        """
        fields = arguments(locals(), "model_name", "model_id", "idempotency_key") | _model(model_name, model_id)
        return self._registered(fields, idempotency_key)

    def _registered(self, fields: dict[str, Any], idempotency_key: str | None = None) -> Version:
        """Return the new version. If the server cannot reach the image's registry, the client looks up the digest."""
        try:
            return self._post(Version, "/v1/versions", fields, idempotency_key)
        except RegistryUnreachable:
            fields = {**fields, "image": images.with_digest(fields["image"]), "resolved_by_client": True}
            return self._post(Version, "/v1/versions", fields, idempotency_key)

    @call
    def ensure_version(
        self,
        model_name: str | None = None,
        version: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        *,
        image: str | None = None,
        model_id: str | uuid.UUID | Model | Failed | None = None,
        source: str | None = None,
        size_bytes: int | None = None,
        platform: str | None = None,
        quantization: str | None = None,
        release_notes: str | None = None,
        tags: Sequence[str] | None = None,
        ceph_path: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        is_release: bool | None = None,
        compare: Iterable[str] | None = None,
    ) -> Version | Failed:
        """Return this version of the model, registering it if needed, so that a job can be run again.

        A version that exists must have the same content: the fields that are not None are compared, `metadata` as a
        whole, with `1` equal to `1.0`, but not `release_notes` and `tags`, which people edit. Of an `image`, its tag and digest
        are compared. `compare` names the fields to compare instead. Raises Conflict, whose
        `difference` is `{field: (current, sent)}`, and what `create_version` raises.
        """
        content = self._plain(arguments(locals(), "model_name", "model_id", "version", "compare"), None)
        model = _model(model_name, model_id)
        return ensured(
            f"Version {version}",
            lambda: self._registered({**model, "version": version, **content}),
            lambda: self._find_version(model, version),
            _compared(content),
            compare,
        )

    @call
    def get_version(
        self,
        version_id: str | uuid.UUID | Version | Failed | None = None,
        *,
        model_name: str | None = None,
        version: str | None = None,
    ) -> Version | Failed:
        """Return a version by its id, or by model and version. It has an `etag` only if fetched by id.

        Raises NotFound, and InvalidArgument unless the id or both names are given. Case is ignored in `model_name`.
        """
        if model_name is None and version is None:
            return self._get(Version, f"/v1/versions/{identity(version_id, 'version_id')}")
        if version_id is not None or model_name is None or version is None:
            raise InvalidArgument("Pass version_id to get_version, or model_name and version.")
        record = self._find_version({"model_name": model_name}, version)
        if record is None:
            raise NotFound(f"{model_name} has no version {version}.", type="not-found", status=404)
        return record

    @call
    def get_latest_version(
        self,
        model_name: str,
        *,
        environment: str | None = None,
        alias: str | None = None,
        is_release: bool | None = None,
        order: str | None = None,
    ) -> Version | Failed | None:
        """Return the newest version that is not archived, or None if there is none.

        `environment` gives the version that is live there, `alias` the one that it points at, `is_release=True` the newest
        release. `order` is `created` (the registry's default) or `semver`: the highest by number, of SemVer and dotted
        numbers. The number of versions with other names is logged; they come last. Raises Validation.
        """
        query = arguments(locals())
        try:
            return self._get(Version, "/v1/versions/latest", query)
        except NotFound as fault:
            if fault.problem:
                return None
            raise  # the 404 does not come from the registry: base_url is wrong

    @listing
    def list_versions(
        self,
        *,
        model_name: str | None = None,
        model_id: str | uuid.UUID | Model | Failed | None = None,
        version: str | None = None,
        tag: str | None = None,
        tags: str | None = None,
        digest: str | None = None,
        is_release: bool | None = None,
        status: str | None = None,
        environment: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        filter: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Version]:
        """Return an iterator over the versions that match all filters, newest first. It fetches pages as it is read.

        `filter` is an expression, `'metadata.accuracy >= 0.9 and tag = "gpu" and not is_release'`; `sort` is field
        names, `"-metadata.accuracy,created_at"`, with - for descending. `environment` gives those that are live there.
        `tag` is the image's, `tags` one of the version's labels.
        Times are datetimes with a zone, or RFC 3339 text. `limit` is the page size (1 to 1000).
        Raises InvalidArgument; the iterator raises Validation and whatever a request can.
        """
        return self._pages(Version, "/v1/versions", arguments(locals()))

    @listing
    def list_model_versions(
        self,
        model_id: str | uuid.UUID | Model | Failed,
        *,
        version: str | None = None,
        tag: str | None = None,
        tags: str | None = None,
        digest: str | None = None,
        is_release: bool | None = None,
        status: str | None = None,
        environment: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        filter: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Version]:
        """Return an iterator over the versions of a model, as `list_versions` does. It raises NotFound (no such model)."""
        query = arguments(locals(), "model_id")
        return self._pages(Version, f"/v1/models/{identity(model_id, 'model_id')}/versions", query)

    @call
    def compare_versions(self, *version_ids: str | uuid.UUID | Version | Failed) -> Comparison | Failed:
        """Return a comparison of two to six versions by the keys of their metadata, each with the first version.

        Raises NotFound, Validation.
        """
        ids = ",".join(identity(version_id, "version_ids") for version_id in version_ids)
        return self._get(Comparison, "/v1/versions/compare", {"ids": ids})

    @listing
    def list_version_deployments(
        self, version_id: str | uuid.UUID | Version | Failed, *, limit: int | None = None
    ) -> Iterator[Deployment]:
        """Return an iterator over the deployments of a version, newest first. It raises NotFound (no such version)."""
        path = f"/v1/versions/{identity(version_id, 'version_id')}/deployments"
        return self._pages(Deployment, path, {"limit": limit})

    @call
    def update_version(
        self,
        version_id: str | uuid.UUID | Version | Failed,
        *,
        release_notes: str | Unset | None = UNSET,
        tags: Sequence[str] | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        status: str | Unset = UNSET,
        quantization: str | Unset | None = UNSET,
        ceph_path: str | Unset | None = UNSET,
        is_release: bool | Unset = UNSET,
        reason: str | None = None,
        if_match: str | Version | None = None,
    ) -> Version | Failed:
        """Change the fields that are passed and return the version. None clears a text; `metadata` and `tags` are
        replaced.

        Another `metadata`, `quantization` or `ceph_path` voids the approvals of the version. If it is a release or
        live, that needs the role `releaser` and a `reason`, which the audit log keeps.
        `status` is `active` or `archived`. `if_match` is a record fetched by its id, or its `etag`: the change is
        refused if somebody else changed it since. Raises NotFound, PreconditionFailed, Conflict (a live version cannot be
        archived), Blocked (`is_release`, by a gate), Validation, Forbidden (needs the role `publisher`; `releaser` with
        `is_release`, and to archive a release).
        """
        changes = arguments(locals(), "version_id", "if_match") | {"reason": given(reason)}
        return self._put(Version, f"/v1/versions/{identity(version_id, 'version_id')}", changes, if_match)

    @call
    def delete_version(
        self,
        version_id: str | uuid.UUID | Version | Failed,
        *,
        if_match: str | Version | None = None,
    ) -> None:
        """Delete a version and its deployments; the audit log keeps them.

        Raises NotFound, Conflict (it is live), PreconditionFailed, Forbidden (needs the role `admin`).
        """
        self._delete(f"/v1/versions/{identity(version_id, 'version_id')}", {}, if_match)

    @call
    def verify_version(self, version_id: str | uuid.UUID | Version | Failed) -> Version | Failed:
        """Let the server ask the image registry now, and return the version with the answer.

        See its `digest_status`, `tag_status`, `verification` and `signatures`. Raises NotFound, Conflict (it has no image),
        Unavailable (too many requests ask at once), Forbidden (needs the role `publisher`).
        """
        return self._post(Version, f"/v1/versions/{identity(version_id, 'version_id')}/verify", {}, None)

    @call
    def promote_version(
        self,
        version_id: str | uuid.UUID | Version | Failed,
        is_release: bool = True,
        reason: str | None = None,
        *,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Version | Failed:
        """Make a version a release, or with `is_release=False` a plain version again, and return it. Repeating it changes nothing.

        `force` overrides the gates: it needs the role `admin` and a `reason`, and the audit log keeps both.
        Raises NotFound, Conflict (archived), Blocked (see its `gates`), Validation, Forbidden (needs the role
        `releaser`).
        """
        verb = "promote" if is_release else "demote"
        path = f"/v1/versions/{identity(version_id, 'version_id')}/{verb}"
        return self._post(Version, path, {"reason": reason, "force": force or None}, idempotency_key)

    @call
    def promote(
        self, version_id: str | uuid.UUID | Version | Failed, reason: str | None = None, *, force: bool = False
    ) -> Version | Failed:
        """Make a version a release: `promote_version(version_id, True, reason, force=force)`."""
        return self.promote_version(version_id, True, reason, force=force)

    @call
    def demote(self, version_id: str | uuid.UUID | Version | Failed, reason: str | None = None) -> Version | Failed:
        """Make a release a plain version again: `promote_version(version_id, False, reason)`."""
        return self.promote_version(version_id, False, reason)

    def _find_version(self, model: Mapping[str, Any], version: str | None) -> Version | None:
        versions = self._pages(Version, "/v1/versions", {**model, "version": version})
        return next((record for record in versions if record.version == version), None)


def _model(name: str | None, id_: object) -> dict[str, Any]:
    if (name is None) == (id_ is None):
        raise InvalidArgument("Pass model_name or model_id, one of the two.")
    return {"model_id": identity(id_, "model_id")} if name is None else {"model_name": name}


def _compared(content: dict[str, Any]) -> dict[str, Any]:
    """Return the fields to compare with an existing version: instead of an image, the tag and the digest in its name."""
    if "image" not in content:
        return content
    tag, digest = images.parts(content["image"])
    named = {name: value for name, value in (("tag", tag), ("digest", digest)) if value is not None}
    return {**{name: value for name, value in content.items() if name != "image"}, **named}
