"""Versions and releases: `/api/v1/versions`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from .calls import UNSET, Calls, Gone, Unset, call, identity, listing
from .ensure import ensured
from .errors import InvalidArgument, NotFound
from .records import Comparison, Deployment, Model, Version


class VersionCalls(Calls[Gone]):
    """What a Registry does with versions."""

    @call
    def create_version(
        self,
        model_name: str | None = None,
        version: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        *,
        model_id: str | uuid.UUID | Model | Gone | None = None,
        size_bytes: int | None = None,
        platform: str | None = None,
        quantization: str | None = None,
        release_notes: str | None = None,
        ceph_path: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        is_release: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Version | Gone:
        """The version is registered. It takes `model_name` or `model_id`, and `version`, `tag` and `digest`.

        Figures in `metadata` may be numpy or torch scalars; NaN, infinity, sets and bytes are refused by their key.
        Raises Conflict (the model has this version), Blocked (`is_release`, and a gate: then it is not registered),
        NotFound (no such model), Validation, InvalidArgument, Forbidden (takes `publisher`; `is_release` `releaser`).
        """
        fields = dict(
            _model(model_name, model_id),
            version=version,
            tag=tag,
            digest=digest,
            size_bytes=size_bytes,
            platform=platform,
            quantization=quantization,
            release_notes=release_notes,
            ceph_path=ceph_path,
            metadata=metadata,
            is_release=is_release,
        )
        return self._post(Version, "/v1/versions", fields, idempotency_key)

    @call
    def ensure_version(
        self,
        model_name: str | None = None,
        version: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        *,
        model_id: str | uuid.UUID | Model | Gone | None = None,
        size_bytes: int | None = None,
        platform: str | None = None,
        quantization: str | None = None,
        release_notes: str | None = None,
        ceph_path: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        is_release: bool | None = None,
    ) -> Version | Gone:
        """The version is there with what was sent: made now or, as by a job that starts again, before.

        Only what is sent is compared, `metadata` as a whole and its numbers as numbers (`1` is `1.0`).
        Raises Conflict, whose `difference` is `{field: (there, sent)}`, and what `create_version` raises.
        """
        model = _model(model_name, model_id)
        content = {
            "tag": tag,
            "digest": digest,
            "size_bytes": size_bytes,
            "platform": platform,
            "quantization": quantization,
            "release_notes": release_notes,
            "ceph_path": ceph_path,
            "metadata": metadata,
            "is_release": is_release,
        }
        return ensured(
            f"Version {version}",
            lambda: self._post(Version, "/v1/versions", {**model, "version": version, **content}, None),
            lambda: self._find_version(model, version),
            content,
        )

    @call
    def get_version(
        self,
        version_id: str | uuid.UUID | Version | Gone | None = None,
        *,
        model_name: str | None = None,
        version: str | None = None,
    ) -> Version | Gone:
        """The version with this id, or the one of this model (case ignored). Only by id it has an `etag`.

        Raises NotFound, and InvalidArgument unless either the id or both names are given.
        """
        if model_name is None and version is None:
            return self._get(Version, f"/v1/versions/{identity(version_id, 'version_id')}")
        if version_id is not None or model_name is None or version is None:
            raise InvalidArgument("get_version takes version_id, or model_name and version.")
        found = self._find_version({"model_name": model_name}, version)
        if found is None:
            raise NotFound(f"{model_name} has no version {version}.", type="not-found", status=404)
        return found

    @call
    def get_latest_version(
        self,
        model_name: str,
        *,
        environment: str | None = None,
        is_release: bool | None = None,
        order: str | None = None,
    ) -> Version | Gone | None:
        """The newest version that is not archived, or None where there is none.

        `environment`: the one that is live there; `is_release=True`: the newest release; `order`: `created`, the
        registry's default, or `semver`. Raises Validation.
        """
        query = {"model_name": model_name, "environment": environment, "is_release": is_release, "order": order}
        try:
            return self._get(Version, "/v1/versions/latest", query)
        except NotFound as fault:
            if fault.problem:
                return None
            raise  # a 404 that is not the registry's: base_url leads elsewhere

    @listing
    def list_versions(
        self,
        *,
        model_name: str | None = None,
        model_id: str | uuid.UUID | Model | Gone | None = None,
        version: str | None = None,
        tag: str | None = None,
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
        """Every version that fits all filters, newest first, fetched page by page as the iterator is read.

        `filter` is about content, `'metadata.accuracy >= 0.9 and tag = "gpu" and not is_release'`, and `sort` names
        fields, `"-metadata.accuracy,created_at"`, - for the greatest first. `environment`: live there. Times are
        datetimes with a zone, or RFC 3339 text. `limit` is the rows that one request fetches (1 to 1000).
        Raises InvalidArgument; the iterator raises Validation and whatever a request can.
        """
        query = {
            "model_name": model_name,
            "model_id": model_id,
            "version": version,
            "tag": tag,
            "digest": digest,
            "is_release": is_release,
            "status": status,
            "environment": environment,
            "created_after": created_after,
            "created_before": created_before,
            "filter": filter,
            "sort": sort,
            "limit": limit,
        }
        return self._pages(Version, "/v1/versions", query)

    @listing
    def list_model_versions(
        self,
        model_id: str | uuid.UUID | Model | Gone,
        *,
        version: str | None = None,
        tag: str | None = None,
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
        """Every version of one model, as `list_versions`; the iterator raises NotFound where there is none."""
        query = {
            "version": version,
            "tag": tag,
            "digest": digest,
            "is_release": is_release,
            "status": status,
            "environment": environment,
            "created_after": created_after,
            "created_before": created_before,
            "filter": filter,
            "sort": sort,
            "limit": limit,
        }
        return self._pages(Version, f"/v1/models/{identity(model_id, 'model_id')}/versions", query)

    @call
    def compare_versions(self, *version_ids: str | uuid.UUID | Version | Gone) -> Comparison | Gone:
        """Two to six versions side by side, key by key of their metadata, each measured by the first.

        Raises NotFound, Validation.
        """
        ids = ",".join(identity(one, "version_ids") for one in version_ids)
        return self._get(Comparison, "/v1/versions/compare", {"ids": ids})

    @listing
    def list_version_deployments(
        self, version_id: str | uuid.UUID | Version | Gone, *, limit: int | None = None
    ) -> Iterator[Deployment]:
        """Every deployment of one version, newest first; the iterator raises NotFound where there is none."""
        path = f"/v1/versions/{identity(version_id, 'version_id')}/deployments"
        return self._pages(Deployment, path, {"limit": limit})

    @call
    def update_version(
        self,
        version_id: str | uuid.UUID | Version | Gone,
        *,
        release_notes: str | Unset | None = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        status: str | Unset = UNSET,
        quantization: str | Unset | None = UNSET,
        ceph_path: str | Unset | None = UNSET,
        is_release: bool | Unset = UNSET,
        if_match: str | Version | None = None,
    ) -> Version | Gone:
        """The fields sent are changed, `metadata` as a whole; None clears a text, and what is left out stays.

        `status` is `active` or `archived`. `if_match` is the record as it was fetched alone, or its `etag`: then nobody
        else's change is overwritten. Raises NotFound, PreconditionFailed (changed meanwhile), Conflict (live, so not
        to be archived), Blocked (`is_release`, and a gate), Validation, Forbidden (takes `publisher`; `is_release`
        takes `releaser`).
        """
        path = f"/v1/versions/{identity(version_id, 'version_id')}"
        changes = {
            "release_notes": release_notes,
            "metadata": metadata,
            "status": status,
            "quantization": quantization,
            "ceph_path": ceph_path,
            "is_release": is_release,
        }
        return self._put(Version, path, changes, if_match)

    @call
    def delete_version(
        self,
        version_id: str | uuid.UUID | Version | Gone,
        *,
        if_match: str | Version | None = None,
    ) -> None:
        """The version and its deployments are gone from every list.

        Raises NotFound, Conflict (it is live), PreconditionFailed, Forbidden (takes `admin`).
        """
        self._delete(f"/v1/versions/{identity(version_id, 'version_id')}", {}, if_match)

    @call
    def promote_version(
        self,
        version_id: str | uuid.UUID | Version | Gone,
        is_release: bool = True,
        reason: str | None = None,
        *,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Version | Gone:
        """The version is a release or, with `is_release=False`, none any more; if it was already, nothing changes.

        `force` passes the gates, takes `admin` and a `reason`, and stands in the audit log with what it passed.
        Raises NotFound, Conflict (archived), Blocked (a gate; its `gates` say what is missing), Validation, Forbidden
        (takes `releaser`).
        """
        verb = "promote" if is_release else "demote"
        path = f"/v1/versions/{identity(version_id, 'version_id')}/{verb}"
        return self._post(Version, path, {"reason": reason, "force": force or None}, idempotency_key)

    @call
    def promote(
        self, version_id: str | uuid.UUID | Version | Gone, reason: str | None = None, *, force: bool = False
    ) -> Version | Gone:
        """`promote_version(version_id, True, reason, force=force)`"""
        return self.promote_version(version_id, True, reason, force=force)

    @call
    def demote(self, version_id: str | uuid.UUID | Version | Gone, reason: str | None = None) -> Version | Gone:
        """`promote_version(version_id, False, reason)`"""
        return self.promote_version(version_id, False, reason)

    def _find_version(self, model: Mapping[str, Any], version: str | None) -> Version | None:
        versions = self._pages(Version, "/v1/versions", {**model, "version": version})
        return next((found for found in versions if found.version == version), None)


def _model(name: str | None, id_: object) -> dict[str, Any]:
    if (name is None) == (id_ is None):
        raise InvalidArgument("A version takes model_name or model_id, one of the two.")
    return {"model_id": identity(id_, "model_id")} if name is None else {"model_name": name}
