#!/usr/bin/env bash
# Runs Catapult on this machine with Docker: creates .env, builds, starts, and prints the first key. Run it again to upgrade,
# or after a step has failed. It never replaces an existing secret or key.
set -euo pipefail
cd "$(dirname "$0")"

WAIT=${DEPLOY_WAIT:-120} # seconds to wait for each service
SECRETS=(POSTGRES_PASSWORD POSTGRES_SERVER_PASSWORD API_KEY_SALT SECRET_KEY METRICS_KEY GRAFANA_PASSWORD)
READY="import urllib.request as web; web.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"

say() { printf '%s\n' "$*" >&2; }

stop() { # stop WHAT REMEDY
  say "deploy: $1"
  say "deploy: $2 Then run ./deploy.sh again; it continues from here."
  exit 1
}

secret() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

SET='^[[:space:]]*(export[[:space:]]+)?' # the start of a line that sets a variable, as compose reads it

value_of() { sed -nE "s/${SET}$1[[:space:]]*=[[:space:]]*[\"']?([^\"'[:space:]]*).*/\2/p" .env | tail -n 1; }

make_env() { # Adds the missing secrets to .env, creating it (mode 0600) if needed. Replaces the file in one step.
  local from=.env.example salt
  [ ! -e .env ] || from=.env
  (umask 077 && cat "$from" >.env.made && fill .env.made) || stop ".env cannot be written." \
    "Make this folder writable for $(id -un)."
  if [ -e .env ] && cmp -s .env .env.made; then
    rm .env.made
  else
    mv .env.made .env || stop ".env cannot be written." "Make this folder writable for $(id -un)."
    say "deploy: wrote the missing secrets to .env. Keep a copy of it, separate from the backups."
  fi
  salt=$(value_of API_KEY_SALT)
  [ "${#salt}" -ge 32 ] || stop "API_KEY_SALT in .env has fewer than 32 characters." \
    "Restore the previous value, or empty it if there are no keys yet."
}

fill() { # fill FILE: gives every empty or missing secret in it a value
  local name
  [ -z "$(tail -c 1 "$1")" ] || echo >>"$1" || return 1
  for name in "${SECRETS[@]}"; do
    if grep -q "^$name=\$" "$1"; then
      sed "s/^$name=\$/$name=$(secret)/" "$1" >"$1.next" && mv "$1.next" "$1" || return 1
    elif ! grep -qE "${SET}${name}[[:space:]]*[=:]" "$1"; then
      printf '%s=%s\n' "$name" "$(secret)" >>"$1" || return 1
    fi
  done
}

find_compose() {
  command -v docker >/dev/null 2>&1 || stop "Docker is not installed." "Install Docker Engine with its compose plugin."
  if docker compose version >/dev/null 2>&1; then
    COMPOSE=(docker compose)
  elif command -v docker-compose >/dev/null 2>&1; then
    COMPOSE=(docker-compose)
  else
    stop "Neither 'docker compose' nor 'docker-compose' is installed." "Install Docker's compose plugin."
  fi
  docker info >/dev/null 2>&1 || stop "Docker does not answer." \
    "Start it, or run this as a user with access to it (group docker, or sudo)."
}

compose() { "${COMPOSE[@]}" "$@" </dev/null; }

step() { # step WHAT REMEDY COMMAND...
  local what=$1 remedy=$2
  shift 2
  say "deploy: $what …"
  "$@" || stop "$what failed." "$remedy"
}

until_it_works() { # until_it_works COMMAND...: retries every second until it succeeds, for WAIT seconds
  local left=$WAIT
  until "$@" >/dev/null 2>&1; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 1
  done
}

first_key() { # Runs before the application starts, which would create a key itself and print it to the container's log.
  local keys
  keys=$(compose run --rm -T backend flask keys list --json) || return 1
  if grep -q '"prefix"' <<<"$keys"; then
    say "deploy: there already are keys; create more with 'flask keys create' (docs/operations.md)."
  else
    compose run --rm -T backend flask keys create --name first-admin --role admin || return 1
    say "deploy: this is the first administrator's key. It is shown only once. Sign in with it."
  fi
}

read_schema() { SCHEMA=$(compose run --rm -T migrate flask db current); } # `0004 (head)`; nothing for an empty database

scheme() { if [ -e infrastructure/nginx/ssl/privkey.pem ]; then echo https; else echo http; fi; }

address() {
  local port public
  public=$(value_of PUBLIC_URL)
  if [ -n "$public" ]; then
    printf '%s' "$public"
    return
  fi
  if [ "$(scheme)" = https ]; then port=$(value_of HTTPS_PORT); else port=$(value_of HTTP_PORT); fi
  case $(scheme):${port:-} in
    http: | http:80 | https: | https:443) printf '%s://localhost' "$(scheme)" ;;
    *) printf '%s://localhost:%s' "$(scheme)" "$port" ;;
  esac
}

REVISION=$(git rev-parse --short HEAD 2>/dev/null) || REVISION=unknown # a label of the images
export REVISION
find_compose
LOGS="Read \"${COMPOSE[*]} logs --tail 50"
make_env
step "Checking .env" \
  "Correct .env where the message says; .env.example explains every setting." compose config --quiet
step "Building" \
  "Read the message above; building needs the network, for the base images and Python's packages." compose build
step "Starting PostgreSQL" "$LOGS postgres\"." compose up -d postgres
step "Waiting for PostgreSQL" "$LOGS postgres\"." \
  until_it_works compose exec -T postgres pg_isready --quiet --host=127.0.0.1 --username=registry --dbname=registry
step "Checking the schema" \
  "If the password was refused, restore the POSTGRES_PASSWORD that the database was created with." read_schema
# The running version cannot use the new schema.
[[ $SCHEMA == *"(head)"* ]] || step "Stopping the application" "Read the message above." compose stop nginx backend worker files
# At the newest schema too: the role that the application uses gets its password and its rights.
step "Migrating" "Read the message above. Nothing was changed, and the application stays stopped until migrating succeeds." \
  compose run --rm -T migrate flask db upgrade
step "Creating the first key" "Read the message above." first_key
# It has the old static files. Browsers would cache those for a year under the names that the new pages use.
step "Stopping nginx" "Read the message above." compose stop nginx
step "Starting the application" "$LOGS migrate backend worker files\"." compose up -d backend worker files
step "Waiting for /readyz" "$LOGS backend\"." until_it_works compose exec -T backend python -c "$READY"
# Recreated every time, because it looks for certificates only when it starts.
step "Starting nginx" "$LOGS nginx\"; if a port is taken, set HTTP_PORT and HTTPS_PORT in .env." \
  compose up -d --no-deps --force-recreate nginx
step "Waiting for nginx" "$LOGS nginx\"." \
  until_it_works compose exec -T nginx curl -fsSk -o /dev/null "$(scheme)://127.0.0.1/livez"
say "deploy: Catapult runs at $(address)."
