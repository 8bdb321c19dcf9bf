#!/usr/bin/env bash
# A backup of the whole registry: a dump that was read back before it got its name, and the oldest removed. Beside it is a manifest
# of the files that the dump refers to, whose bytes are elsewhere: `flask storage verify` compares it with what is there.
#
#   scripts/backup.sh [--docker] [FOLDER]        prints the dump's name
#
# --docker        the database of docker-compose.yml, by its own tools
# FOLDER          where dumps go, `backups` by default
# DATABASE_URL    the database (or DATABASE_URL_FILE); without it the embedded one in CATAPULT_HOME, whether it runs or not
# BACKUP_KEEP     how many dumps stay, 14 by default
# PG_BIN          folder of pg_dump and pg_restore, of the server's major version or newer, where those in PATH are older
#
# API_KEY_SALT is not in it: keep that apart. Without it every key in the dump is worthless.
set -euo pipefail
umask 077
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/database.sh
. "$here/database.sh"
DOCKER=
if [[ ${1:-} == --docker ]]; then DOCKER=yes && shift; fi
[[ $# -le 1 && ${1:-} != -* ]] || fail "usage: scripts/backup.sh [--docker] [FOLDER]"
on_database "$@"

folder=${1:-backups} keep=${BACKUP_KEEP:-14}
[[ $keep =~ ^[1-9][0-9]*$ ]] || fail "BACKUP_KEEP is $keep; it takes a number above nought."
mkdir -p "$folder" || fail "The folder $folder cannot be made."
exec 9>"$folder/.lock"
flock --nonblock 9 || fail "Another backup into $folder is running."

dump="$folder/catapult-$(date -u +%Y%m%dT%H%M%SZ).dump" partial="$folder/.partial" listed="$folder/.manifest"
trap 'rm -f "$partial" "$listed"' EXIT

options=(--format=custom --no-owner --no-privileges --lock-wait-timeout=60s --dbname="$DATABASE_URL")
[[ -n $DOCKER ]] || options+=(--file="$partial") # by redirection it would append its table of contents once more
tool pg_dump "${options[@]}" >"$partial" </dev/null ||
  fail "pg_dump failed; there is no new dump. It has to be of the server's major version or newer: name its folder in PG_BIN."
check_dump "$partial"
manifest_of "$partial" >"$listed" || fail "The files that the dump refers to cannot be listed."
sync "$partial" "$listed"
[[ ! -e $dump ]] || fail "$dump is there already."
mv "$listed" "${dump%.dump}.manifest"
mv "$partial" "$dump"
sync "$folder"

dumps=("$folder"/catapult-????????T??????Z.dump)
for ((old = 0; old < ${#dumps[@]} - keep; old++)); do rm -f "${dumps[old]}" "${dumps[old]%.dump}.manifest"; done
echo "$dump"
