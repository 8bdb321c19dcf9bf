#!/usr/bin/env bash
# Restores a dump of scripts/backup.sh into an empty database: all of it or nothing.
#
#   scripts/restore.sh [--docker] DUMP
#
# --docker        the database of docker-compose.yml, by its own tools
# DATABASE_URL    the empty database (or DATABASE_URL_FILE); without it an embedded one is made in CATAPULT_HOME
# PG_BIN          folder of psql and pg_restore, where those in PATH are older than the dump
#
# Start the server with the API_KEY_SALT that the dump's keys were made with.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/database.sh
. "$here/database.sh"
DOCKER=
if [[ ${1:-} == --docker ]]; then DOCKER=yes && shift; fi
[[ $# -eq 1 ]] || fail "Name one dump: scripts/restore.sh [--docker] backups/catapult-….dump"
[[ -r $1 ]] || fail "$1 cannot be read."
on_database "$@"

ask() { tool psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname="$DATABASE_URL" --command="$1" </dev/null; }

check_dump "$1"
tables=$(ask "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')") ||
  fail "The database does not answer."
[[ $tables == 0 ]] || fail "The database is not empty ($tables tables). Restore into a new one: nothing here overwrites; docs/operations.md has the commands."

tool pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname="$DATABASE_URL" <"$1" ||
  fail "pg_restore failed, and nothing was restored."
ask "ANALYZE"
ask "SELECT format('Restored: %s models, %s versions, %s deployments, %s audit entries, at migration %s.',
  (SELECT count(*) FROM models), (SELECT count(*) FROM versions), (SELECT count(*) FROM deployments),
  (SELECT count(*) FROM audit_logs), (SELECT version_num FROM alembic_version))"
