#!/bin/sh
# render.sh FOLDER: writes the configuration for nginx without a container, started as nginx -c FOLDER/nginx.conf
# 18-catapult.envsh lists the variables and their defaults. Needs envsubst (gettext-base).
set -eu
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=infrastructure/nginx/18-catapult.envsh
. "$here/18-catapult.envsh"

# shellcheck disable=SC2016
names=$(env | sed -n 's/^\(NGINX_[A-Z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
mkdir -p "$1"
cp "$here/nginx.conf" "$1/nginx.conf"
cd "$here/templates"
find . -name '*.template' | while read -r template; do
  rendered="$1/conf.d/${template%.template}"
  mkdir -p "$(dirname "$rendered")"
  envsubst "$names" <"$template" >"$rendered"
done
