# shellcheck shell=bash
# For backup.sh and restore.sh: where the database is, and the tools that fit it.

fail() {
  echo "catapult: $1" >&2
  exit 1
}

# The script goes on with DATABASE_URL, without a password in it: command lines are for all to see.
on_database() {
  if [[ -n ${DATABASE_URL_FILE:-} ]]; then DATABASE_URL=$(<"$DATABASE_URL_FILE"); fi
  [[ -n ${DATABASE_URL:-} ]] || on_embedded "$@"
  [[ $DATABASE_URL =~ ^postgres(ql)?(\+psycopg2)?://(.*)$ ]] || fail "DATABASE_URL is no PostgreSQL address."
  DATABASE_URL="postgresql://${BASH_REMATCH[3]}"
  if [[ $DATABASE_URL =~ ^(postgresql://[^:/@]*):([^@]*)@(.*)$ ]]; then
    printf -v PGPASSWORD '%b' "${BASH_REMATCH[2]//%/\\x}"
    export PGPASSWORD
    DATABASE_URL="${BASH_REMATCH[1]}@${BASH_REMATCH[3]}"
  fi
}

# The script again, with the embedded database running: the server's, or started for as long as it takes.
on_embedded() {
  local checkout python
  checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  python="$checkout/.venv/bin/python"
  [[ -x $python ]] || python=python3
  export PYTHONPATH="$checkout"
  exec "$python" - "$0" "$@" <<'PYTHON'
import os, subprocess, sys
from pathlib import Path
from catapult.config import default_home
from catapult.embedded import EmbeddedError, attached

try:
    with attached(Path(os.environ.get("CATAPULT_HOME") or default_home()).absolute()) as database:
        surroundings = {**os.environ, "DATABASE_URL": database.url, "PG_BIN": str(database.bin)}
        sys.exit(subprocess.run(sys.argv[1:], env=surroundings).returncode)
except EmbeddedError as error:
    sys.exit(f"catapult: {error}")
PYTHON
}

tool() {
  local program=$1
  shift
  "${PG_BIN:+$PG_BIN/}$program" "$@"
}

# Nothing, if that file is a whole dump of a registry.
check_dump() {
  local list
  list=$(tool pg_restore --list "$1") || fail "$1 is no dump that can be read."
  [[ $list == *"TABLE DATA public audit_logs "* && $list == *"TABLE DATA public alembic_version "* ]] ||
    fail "$1 is a dump, but of no registry."
  # The list is at the front: this reads all the rest, and a dump that was cut off fails here.
  tool pg_restore --file=/dev/null "$1" || fail "$1 is cut off or damaged."
}
