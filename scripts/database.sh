# shellcheck shell=bash
# For backup.sh and restore.sh: where the database is, and the tools that fit it.
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
  echo "catapult: $1" >&2
  exit 1
}

# The script goes on with DATABASE_URL, without a password in it: command lines are for all to see.
on_database() {
  if [[ -n ${DOCKER:-} ]]; then
    on_docker
    return
  fi
  if [[ -n ${DATABASE_URL_FILE:-} ]]; then DATABASE_URL=$(<"$DATABASE_URL_FILE"); fi
  [[ -n ${DATABASE_URL:-} ]] || on_embedded "$@"
  [[ $DATABASE_URL =~ ^postgres(ql)?(\+psycopg2)?://(.*)$ ]] || fail "DATABASE_URL is no PostgreSQL address."
  DATABASE_URL="postgresql://${BASH_REMATCH[3]}"
  if [[ $DATABASE_URL =~ ^(postgresql://[^:/@]*):([^@]*)@(.*)$ ]]; then
    DATABASE_URL="${BASH_REMATCH[1]}@${BASH_REMATCH[3]}" PGPASSWORD=${BASH_REMATCH[2]//\\/\\\\}
    printf -v PGPASSWORD '%b' "${PGPASSWORD//%/\\x}"
    export PGPASSWORD
  fi
  local rest=${DATABASE_URL#*//}
  [[ ${rest%%[/?]*} != *@*@* && ! $rest =~ [?\&]password= ]] ||
    fail "The password in DATABASE_URL has to stand before the host, as user:password@host, with @ in it as %40: command lines are for all to see."
}

# The database of docker-compose.yml: its own tools in its own container, which dumps leave and enter by pipes.
on_docker() {
  if docker compose version >/dev/null 2>&1; then COMPOSE=(docker compose); else COMPOSE=(docker-compose); fi
  COMPOSE+=(--project-directory "$checkout" -f "$checkout/docker-compose.yml")
  DATABASE_URL=postgresql://registry@/registry
  tool pg_isready --quiet --dbname="$DATABASE_URL" </dev/null ||
    fail "The database's container does not answer: \"docker compose up -d postgres\" in $checkout starts it."
}

# The script again, with the embedded database running: the server's, or started for as long as it takes.
on_embedded() {
  local python
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

# PostgreSQL's program of that name; it may run in a container, which files reach by redirection alone.
tool() {
  local program=$1
  shift
  if [[ -n ${COMPOSE:-} ]]; then
    "${COMPOSE[@]}" exec -T postgres "$program" "$@"
  else
    "${PG_BIN:+$PG_BIN/}$program" "$@"
  fi
}

# Nothing, if that file is a whole dump of a registry.
check_dump() {
  local list
  list=$(tool pg_restore --list <"$1") || fail "$1 is no dump that can be read."
  [[ $list == *"TABLE DATA public audit_logs "* && $list == *"TABLE DATA public alembic_version "* ]] ||
    fail "$1 is a dump, but of no registry."
  # The list is at the front: this reads all the rest, and a dump that was cut off fails here.
  tool pg_restore --file=/dev/null <"$1" || fail "$1 is cut off or damaged."
}

# The files in that dump, sorted: `sha256  size`, and of those on the mount `sha256  size  path`. What was never read has no hash.
manifest_of() {
  tool pg_restore --data-only --schema=public --table=artifacts --file=- <"$1" | awk -F '\t' '
    /^COPY public\.artifacts \(/ {
      columns = $0
      gsub(/^[^(]*\(|\).*$/, "", columns)
      count = split(columns, names, ", ")
      for (i = 1; i <= count; i++) at[names[i]] = i
      inside = 1
      next
    }
    $0 == "\\." { inside = 0 }
    inside && $at["sha256"] != "\\N" {
      hash = substr($at["sha256"], 4)
      if ($at["sha256"] !~ /^\\\\x[0-9a-f]+$/ || length(hash) != 64) exit 1
      path = "mount_path" in at && $at["mount_path"] != "\\N" ? "  " $at["mount_path"] : ""
      gsub(/\\\\/, "\\", path)
      print hash "  " $at["size_bytes"] path
    }' | LC_ALL=C sort -u
}
