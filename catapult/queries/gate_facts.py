"""The facts that gates judge: a row for each version and each gate that applies to it, in one statement."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from catapult.extensions import KEEP_PLAN
from catapult.queries import content
from catapult.tables import GateKind

_VOICE = "coalesce(key.person_id, key.line_id, key.id)"
"""`api_keys.VOICE` of a row named key."""

_KEYS = "string_to_array(translate(gate.path, '[]', '.'), '.')"
"""The keys and positions in lists of a path: `{a,0,b}` of `a[0].b`."""
_NUMBER = "coalesce(to_jsonb(exact), to_jsonb(value))"
"""A row of metrics as JSON, with all digits of the number."""

# The approvals that were not withdrawn, oldest first, with the state of their keys. Walks ix_approvals_version.
_APPROVALS = f"""
SELECT coalesce(jsonb_agg(to_jsonb(given) ORDER BY given.created_at, given.id), '[]') FROM (
    SELECT approval.id, approval.approved_by, approval.comment, approval.created_at, approval.gates_hash,
        approval.content_hash, approval.void_reason, key.role, key.revoked_at IS NOT NULL AS is_revoked, {_VOICE} AS voice,
        (SELECT {_VOICE.replace("key.", "maker.")} FROM api_keys AS maker WHERE maker.id = key.created_by_key) AS maker,
        person.active IS FALSE AS is_of_inactive,
        key.expires_at <= statement_timestamp() AND NOT EXISTS (
            -- A key that this one was rotated to works.
            SELECT FROM api_keys AS later WHERE later.line_id = coalesce(key.line_id, key.id) AND later.created_at > key.created_at
                AND later.revoked_at IS NULL AND coalesce(later.expires_at, 'infinity') > statement_timestamp()
        ) AS is_expired
    FROM approvals AS approval JOIN api_keys AS key ON key.id = approval.api_key_id
    LEFT JOIN people AS person ON person.id = key.person_id
    WHERE approval.version_id = asked.id AND approval.target = gate.target AND approval.withdrawn_at IS NULL
) AS given
"""  # noqa: S608 - built from constants

# The facts of each kind of gate. A statement has only the parts of kinds in use, because planning takes longer than running.
_APPROVED = f"""
    CASE WHEN gate.kind = 'approved' THEN {content.HASH.format(version="asked", model="model")} END AS content_hash,
    CASE WHEN gate.kind = 'approved' THEN ARRAY(
        SELECT DISTINCT {_VOICE} FROM audit_logs AS entry JOIN api_keys AS key ON key.id = entry.api_key_id
        WHERE {content.CHANGED.format(version="asked")}
    ) END AS editors,
    CASE WHEN gate.kind = 'approved' THEN ({_APPROVALS}) END AS approvals,"""  # noqa: S608 - built from constants
# The last change of the number since registration, by an entry of the audit log. Walks ix_audit_logs_resource.
_EDITED = f"""
    CASE WHEN gate.path IS NOT NULL THEN (
        SELECT jsonb_build_object('old', number.old, 'by', coalesce(entry.person_name, entry.api_key_name),
            'seconds', extract(epoch FROM entry.created_at - asked.created_at))
        FROM audit_logs AS entry, LATERAL (
            SELECT coalesce(field -> 'old' -> gate.path, field -> 'old' #> {_KEYS}) AS old,
                coalesce(field -> 'new' -> gate.path, field -> 'new' #> {_KEYS}) AS new
            FROM (SELECT entry.details #> '{{changes,metadata}}' AS field) AS change
        ) AS number
        WHERE entry.resource_id = asked.id AND entry.action = 'version.update' AND number.old IS DISTINCT FROM number.new
        ORDER BY entry.created_at DESC, entry.id DESC LIMIT 1
    ) END AS edited,"""  # noqa: S608 - built from constants
_MEASURED = f"""
    (SELECT {_NUMBER} FROM metrics WHERE version_id = asked.id AND path = gate.path) AS number,
    CASE WHEN gate.path IS NOT NULL THEN jsonb_typeof(
        coalesce(asked.metadata -> gate.path, asked.metadata #> {_KEYS})) END AS json_type,"""  # noqa: S608
_COMPARED = f"""
    base.id AS base_id, base.version AS base_version,
    -- Decisions from before migration 0012 have no numbers of lists.
    CASE WHEN decision.content -> 'numbers' ? gate.path THEN decision.content -> 'numbers' -> gate.path
        WHEN decision.id IS NULL OR strpos(gate.path, '[') > 0
        THEN (SELECT {_NUMBER} FROM metrics WHERE version_id = base.id AND path = gate.path) END AS base_number,
    base.is_present AS base_is_present,"""  # noqa: S608 - built from constants
# The version to compare with. For a release: the newest release, else the newest archived or deleted one, else the last that
# was demoted. For an environment: the version that is live there, or was last. For an alias: the version that it points at, or
# pointed at last. Each is searched only if the ones before it do not exist.
_BASE = """
LEFT JOIN LATERAL (
    SELECT release.id, release.version, release.decision_id FROM versions AS release
    WHERE gate.kind = 'no_regression' AND gate.target = 'release' AND release.model_id = asked.model_id
        AND release.released_at IS NOT NULL AND release.deleted_at IS NULL AND release.status = 'active'
    ORDER BY release.created_at DESC, release.id DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT * FROM (
        -- Two parts, each with an index of its own: no index has both.
        (SELECT release.* FROM versions AS release
        WHERE gate.kind = 'no_regression' AND gate.target = 'release' AND newest.id IS NULL AND release.model_id = asked.model_id
            AND release.released_at IS NOT NULL AND release.deleted_at IS NULL AND release.status = 'archived'
        ORDER BY release.created_at DESC, release.id DESC LIMIT 1)
        UNION ALL
        (SELECT release.* FROM versions AS release
        WHERE gate.kind = 'no_regression' AND gate.target = 'release' AND newest.id IS NULL AND release.model_id = asked.model_id
            AND release.released_at IS NOT NULL AND release.deleted_at IS NOT NULL
        ORDER BY release.created_at DESC, release.id DESC LIMIT 1)
    ) AS gone ORDER BY gone.created_at DESC, gone.id DESC LIMIT 1
) AS former ON true
LEFT JOIN LATERAL (
    SELECT demotion.version_id AS id, demotion.version, coalesce((
        SELECT promotion.id FROM decisions AS promotion
        WHERE promotion.version_id = demotion.version_id AND promotion.kind = 'promote'
        ORDER BY promotion.at DESC, promotion.id DESC LIMIT 1
    ), demotion.id) AS decision_id
    FROM decisions AS demotion
    WHERE gate.kind = 'no_regression' AND gate.target = 'release' AND newest.id IS NULL AND former.id IS NULL
        AND demotion.target = 'release' AND demotion.model_id = asked.model_id AND demotion.kind = 'demote'
    ORDER BY demotion.at DESC, demotion.id DESC LIMIT 1
) AS demoted ON true
LEFT JOIN LATERAL (
    SELECT version.id, version.version, deployments.decision_id, deployments.ended_at IS NULL AS is_live
    FROM deployments JOIN versions AS version ON version.id = deployments.release_id
    WHERE gate.kind = 'no_regression' AND gate.target <> 'release' AND deployments.model_id = asked.model_id
        AND deployments.place = gate.target AND deployments.live_from IS NOT NULL
    ORDER BY deployments.live_from DESC LIMIT 1
) AS there ON true
LEFT JOIN LATERAL (
    SELECT version.id, version.version, alias.decision_id, alias.until IS NULL AS is_current
    FROM aliases AS alias JOIN versions AS version ON version.id = alias.version_id
    WHERE gate.kind = 'no_regression' AND starts_with(gate.target, '@') AND alias.model_id = asked.model_id
        AND lower(alias.name) = substr(gate.target, 2)
    ORDER BY alias.since DESC, alias.id DESC LIMIT 1
) AS pointed ON true
CROSS JOIN LATERAL (
    SELECT coalesce(newest.id, former.id, demoted.id, there.id, pointed.id) AS id,
        coalesce(newest.version, former.version, demoted.version, there.version, pointed.version) AS version,
        coalesce(newest.decision_id, former.decision_id, demoted.decision_id, there.decision_id, pointed.decision_id)
            AS decision_id,
        coalesce(there.is_live, pointed.is_current, newest.id IS NOT NULL) AS is_present
) AS base
LEFT JOIN decisions AS decision ON decision.id = base.decision_id
"""
_MISSING = """
    CASE WHEN gate.kind = 'metadata_present' THEN ARRAY(
        SELECT wanted FROM unnest(gate.paths) WITH ORDINALITY AS listed (wanted, position),
            LATERAL (SELECT asked.metadata - 'mlflow_tags' AS metadata) AS content
        WHERE coalesce(jsonb_typeof(
            coalesce(content.metadata -> wanted, content.metadata #> string_to_array(translate(wanted, '[]', '.'), '.'))
        ), 'null') = 'null'
        AND NOT (strpos(wanted, '.') > 0 AND EXISTS (
            -- A key may contain dots: try every beginning of the path that is a key.
            WITH RECURSIVE below (value, rest) AS (
                SELECT content.metadata, string_to_array(wanted, '.')
                UNION ALL
                SELECT value -> array_to_string(rest[1:taken], '.'), rest[taken + 1:]
                FROM below, generate_series(1, cardinality(rest)) AS taken
                WHERE jsonb_typeof(value) = 'object' AND value ? array_to_string(rest[1:taken], '.')
            ) SELECT FROM below WHERE rest = '{}' AND jsonb_typeof(value) <> 'null'))
        ORDER BY position) END AS missing,"""
_SINCE = """
    CASE WHEN gate.kind = 'soaked' THEN (
        WITH RECURSIVE stretch AS (
            SELECT id, live_from FROM deployments
            WHERE release_id = asked.id AND place = gate.environment AND live_from IS NOT NULL AND ended_at IS NULL
            UNION ALL
            SELECT earlier.id, earlier.live_from FROM stretch JOIN deployments AS earlier
                ON earlier.superseded_by = stretch.id AND earlier.release_id = asked.id
        ) SELECT min(live_from) FROM stretch) END AS since"""
# Files of the mount that were not read yet, and files that were missing or changed at the last check.
_UNSOUND = """,
    CASE WHEN gate.kind = 'files_intact' THEN ARRAY(
        SELECT left(artifact.path, 200) || ' is ' || replace(artifact.state, 'pending', 'not read yet')
        FROM artifacts AS artifact WHERE artifact.version_id = asked.id AND artifact.state <> 'ready'
        ORDER BY artifact.path LIMIT 4) END AS unsound"""
# The last answer of the image registry, about this repository or an earlier one.
_CHECKED = """,
    CASE WHEN gate.kind = 'digest_verified' THEN (
        SELECT jsonb_build_object('digest_status', checked.digest_status, 'unreachable', checked.unreachable,
            'has_tag', asked.tag IS NOT NULL, 'tag_status', checked.tag_status,
            'detail', checked.detail, 'age', extract(epoch FROM statement_timestamp() - checked.verified_at),
            'tag_fault', CASE checked.tag_status
                WHEN 'moved' THEN format('its tag %s was moved: it leads to %s now', asked.tag, checked.tag_digest)
                WHEN 'gone' THEN format('its tag %s is gone', asked.tag) END,
            'is_elsewhere', checked.repository <> coalesce(nullif(model.repository, ''), model.storage_path))
        FROM image_checks AS checked WHERE checked.version_id = asked.id) END AS checked"""
# The trusted keys with a verified signature of the digest that counts now. A key that was added twice is one.
_SIGNERS = """,
    CASE WHEN gate.kind = 'signed' THEN ARRAY(
        SELECT min(trusted.name) FROM image_checks AS checked, jsonb_to_recordset(checked.signatures) AS signature (key_id uuid)
        JOIN trusted_keys AS trusted ON trusted.id = signature.key_id AND trusted.deleted_at IS NULL
            AND coalesce(trusted.not_after, 'infinity') > statement_timestamp()
            AND lower(model.name) LIKE replace(replace(lower(coalesce(trusted.model, '*')), '_', '\\_'), '*', '%')
        WHERE checked.version_id = asked.id GROUP BY trusted.fingerprint ORDER BY 1) END AS signers"""
_WITHOUT = {
    "approved": "NULL AS content_hash, NULL AS editors, NULL AS approvals,",
    "compared": "NULL AS base_id, NULL AS base_version, NULL AS base_number, true AS base_is_present,",
    "measured": "NULL AS number, NULL AS json_type,",
    "edited": "NULL AS edited,",
    "missing": "NULL AS missing,",
    "since": "NULL AS since",
    "unsound": ", NULL AS unsound",
    "checked": ", NULL AS checked",
    "signers": ", NULL AS signers",
    "base": "",
}
_FACTS = """
SELECT asked.id AS version_id, asked.released_at IS NOT NULL AS is_release,
    (SELECT {voice} FROM api_keys AS key WHERE key.id = asked.created_by_key) AS registrant,
    {approved}
    gate.id, gate.counter, gate.model, gate.target, gate.kind AS kind_, gate.path, gate.op, to_jsonb(gate.value) AS value,
    gate.direction, to_jsonb(gate.tolerance) AS tolerance, gate.paths, gate.environment, gate.seconds, gate.count AS count_,
    gate.role, gate.max_age, gate.tag, asked.digest IS NOT NULL AS has_image,
    gate.created_by, gate.created_at, gate.updated_at, statement_timestamp() AS now,
    {measured}
    {compared}
    {edited}
    {missing}
    {since}
    {unsound}
    {checked}
    {signers}
FROM versions AS asked
JOIN models AS model ON model.id = asked.model_id
JOIN {gates} AS gate ON gate.deleted_at IS NULL AND {target}
    AND lower(model.name) LIKE replace(replace(lower(gate.model), '_', '\\_'), '*', '%')
{base}
WHERE asked.id = ANY({versions})
ORDER BY gate.created_at, gate.id
"""


ALL = frozenset(GateKind)


@cache
def _sql(gates: str, target: str, kinds: frozenset[str] = ALL, versions: str = "CAST(:versions AS uuid[])") -> str:
    """Return the statement for gates of these kinds in the table `gates`; `:versions` is an array of ids."""
    parts = dict(_WITHOUT)
    if GateKind.APPROVED in kinds:
        parts["approved"] = _APPROVED
    if kinds & {GateKind.METRIC, GateKind.NO_REGRESSION}:
        parts |= {"measured": _MEASURED, "edited": _EDITED}
    if GateKind.NO_REGRESSION in kinds:
        parts |= {"compared": _COMPARED, "base": _BASE}
    if GateKind.METADATA_PRESENT in kinds:
        parts["missing"] = _MISSING
    if GateKind.SOAKED in kinds:
        parts["since"] = _SINCE
    if GateKind.FILES_INTACT in kinds:
        parts["unsound"] = _UNSOUND
    if GateKind.DIGEST_VERIFIED in kinds:
        parts["checked"] = _CHECKED
    if GateKind.SIGNED in kinds:
        parts["signers"] = _SIGNERS
    parts |= {"gates": gates, "target": target, "versions": versions}
    return _FACTS.format(voice=_VOICE, **parts)


OF_TARGET = "gate.target = :target"


@cache
def of_target(kinds: frozenset[str]) -> TextClause:
    """Return the statement for the gates of `:target`, which are of these kinds. Planning it takes longer than running it."""
    return text(_sql("gates", OF_TARGET, kinds)).execution_options(**KEEP_PLAN)


EVERYWHERE = text(_sql("gates", "true")).execution_options(**KEEP_PLAN)
# For a gate that is not stored, `jsonb_populate_record` makes a row of the table.
TRIED = text(_sql("jsonb_populate_record(CAST(NULL AS gates), CAST(:gate AS jsonb))", OF_TARGET))


def as_json_of(pairs: str, kinds: frozenset[str]) -> str:
    """Return SQL for the rows of gates of these kinds as one JSON array, to be part of a larger statement.

    They are for the versions and targets in the columns `id` and `target` of the table `pairs`. `from_json` reads them.
    """
    target = f"(asked.id, gate.target) IN (SELECT id, target FROM {pairs})"  # noqa: S608
    facts = _sql("gates", target, kinds, f"SELECT id FROM {pairs}")  # noqa: S608
    # Not jsonb, which takes twice as long to build and to send.
    return f"(SELECT coalesce(json_agg(facts), '[]') FROM ({facts}) AS facts)"  # noqa: S608


_IDS, _TIMES = ("id", "version_id", "registrant", "base_id"), ("created_at", "updated_at", "now", "since")


def from_json(rows: Iterable[dict[str, Any]]) -> list[Any]:
    """Return the rows of `as_json_of`, with ids and times as Python values."""
    return [
        SimpleNamespace(
            **{
                **row,
                **{name: row[name] and UUID(row[name]) for name in _IDS},
                **{name: row[name] and datetime.fromisoformat(row[name]) for name in _TIMES},
                "editors": [UUID(voice) for voice in row["editors"] or ()],
            }
        )
        for row in rows
    ]


def approvals(fact: Any) -> list[Any]:
    """Return the approvals of a gate's row, with ids and times as Python values."""
    return [
        SimpleNamespace(
            **{
                **given,
                "id": UUID(given["id"]),
                "voice": UUID(given["voice"]),
                "maker": given["maker"] and UUID(given["maker"]),
                "created_at": datetime.fromisoformat(given["created_at"]),
            }
        )
        for given in fact.approvals or ()
    ]
