#!/usr/bin/env bash
# Catapult on this machine, by Docker: makes .env, builds, starts, and hands out the first key. Run it again to upgrade, or after
# a step failed: what is done stays done, and a secret or a key that is there is never made anew.
set -euo pipefail
cd "$(dirname "$0")"

WAIT=${DEPLOY_WAIT:-120} # seconds, for the database and for the application
SECRETS=(POSTGRES_PASSWORD API_KEY_SALT SECRET_KEY METRICS_KEY GRAFANA_PASSWORD)
READY="import urllib.request as web; web.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"

say() { printf '%s\n' "$*" >&2; }

stop() { # stop WHAT REMEDY
  say "deploy: $1"
  say "deploy: $2 Then run ./deploy.sh again; it goes on from there."
  exit 1
}

secret() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

SET='^[[:space:]]*(export[[:space:]]+)?' # how a line begins that sets something, as compose reads it

value_of() { sed -nE "s/${SET}$1[[:space:]]*=[[:space:]]*[\"']?([^\"'[:space:]]*).*/\2/p" .env | tail -n 1; }

make_env() { # .env is there with every secret, for nobody else to read. It is written beside and then moved: whole or not at all.
  local from=.env.example salt
  [ ! -e .env ] || from=.env
  (umask 077 && cat "$from" >.env.made && fill .env.made) || stop ".env cannot be written." "Make this folder writable for $(id -un)."
  if [ -e .env ] && cmp -s .env .env.made; then
    rm .env.made
  else
    mv .env.made .env || stop ".env cannot be written." "Make this folder writable for $(id -un)."
    say "deploy: wrote .env with the secrets that were missing. Keep a copy apart from the backups."
  fi
  salt=$(value_of API_KEY_SALT)
  [ "${#salt}" -ge 32 ] || stop "API_KEY_SALT in .env has fewer than 32 characters." "Put the former one back, or empty it if no key was made yet."
}

fill() { # fill FILE: secrets that are empty or missing there have a value; what stands there stays
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
  command -v docker >/dev/null 2>&1 || stop "There is no docker here." "Install Docker Engine with its compose plugin."
  if docker compose version >/dev/null 2>&1; then
    COMPOSE=(docker compose)
  elif command -v docker-compose >/dev/null 2>&1; then
    COMPOSE=(docker-compose)
  else
    stop "There is neither 'docker compose' nor 'docker-compose'." "Install Docker's compose plugin."
  fi
  docker info >/dev/null 2>&1 || stop "Docker does not answer." "Start it, or use a user who may talk to it (group docker, or sudo)."
}

compose() { "${COMPOSE[@]}" "$@" </dev/null; }

step() { # step WHAT REMEDY COMMAND...
  local what=$1 remedy=$2
  shift 2
  say "deploy: $what …"
  "$@" || stop "$what failed." "$remedy"
}

until_it_works() { # until_it_works COMMAND...: tried each second until it succeeds, for as long as WAIT says
  local left=$WAIT
  until "$@" >/dev/null 2>&1; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 1
  done
}

first_key() { # Before the application's own start would make one and leave it in the container's log.
  local keys
  keys=$(compose run --rm -T backend flask keys list --json) || return 1
  if grep -q '"prefix"' <<<"$keys"; then
    say "deploy: there are keys already; 'flask keys create' makes more (docs/operations.md)."
  else
    compose run --rm -T backend flask keys create --name first-admin --role admin || return 1
    say "deploy: that is the first administrator's key, shown this once. Sign in with it."
  fi
}

look_at_schema() { SCHEMA=$(compose run --rm -T backend flask db current); } # `0004 (head)`, or nothing in an empty database

scheme() { if [ -e infrastructure/nginx/ssl/privkey.pem ]; then echo https; else echo http; fi; }

address() {
  local port
  if [ "$(scheme)" = https ]; then port=$(value_of HTTPS_PORT); else port=$(value_of HTTP_PORT); fi
  case $(scheme):${port:-} in
    http: | http:80 | https: | https:443) printf '%s://localhost' "$(scheme)" ;;
    *) printf '%s://localhost:%s' "$(scheme)" "$port" ;;
  esac
}

REVISION=$(git rev-parse --short HEAD 2>/dev/null) || REVISION=unknown # for the images' labels
export REVISION
find_compose
LOGS="Read \"${COMPOSE[*]} logs --tail 50"
make_env
step "Checking .env" "Correct .env where the message says; .env.example explains every setting." compose config --quiet
step "Building" "Read the message above; building needs the network, for the base images and Python's packages." compose build
step "Starting PostgreSQL" "$LOGS postgres\"." compose up -d postgres
step "Waiting for PostgreSQL" "$LOGS postgres\"." \
  until_it_works compose exec -T postgres pg_isready --quiet --host=127.0.0.1 --username=registry --dbname=registry
step "Looking at the schema" "If the password was refused: it is the one in .env from when the database was made." look_at_schema
# The code of before is not for the schema to come.
[[ $SCHEMA == *"(head)"* ]] || step "Stopping the application" "Read the message above." compose stop nginx backend
step "Migrating" "Read the message above. Nothing is half done; while it is not done, nothing runs." \
  compose run --rm -T backend flask db upgrade
step "Making the first key" "Read the message above." first_key
# The former static files are in it: it would have browsers keep them for a year as those that a new page names.
step "Stopping nginx" "Read the message above." compose stop nginx
step "Starting the application" "$LOGS backend\"." compose up -d backend
step "Waiting for /readyz" "$LOGS backend\"." until_it_works compose exec -T backend python -c "$READY"
# Made anew each time: it looks for certificates when it starts.
step "Starting nginx" "$LOGS nginx\"; if a port is taken, set HTTP_PORT and HTTPS_PORT in .env." \
  compose up -d --no-deps --force-recreate nginx
step "Waiting for nginx" "$LOGS nginx\"." until_it_works compose exec -T nginx curl -fsSk -o /dev/null "$(scheme)://127.0.0.1/livez"
say "deploy: Catapult runs at $(address)."
