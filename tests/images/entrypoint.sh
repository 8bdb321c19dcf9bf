#!/bin/sh
# Stands in for the entrypoint of the official nginx image, as far as its documentation goes: sources *.envsh, renders every
# template of /etc/nginx/templates with the variables that NGINX_ENVSUBST_FILTER matches, and starts the command.
set -eu
for script in /docker-entrypoint.d/*.envsh; do
  # shellcheck source=infrastructure/nginx/18-catapult.envsh
  . "$script"
done
names=$(env | sed 's/=.*//' | grep "$NGINX_ENVSUBST_FILTER" | sed 's/.*/${&}/' | tr '\n' ' ')
cd /etc/nginx/templates
find . -type f -name '*.template' | while read -r template; do
  rendered=/etc/nginx/conf.d/${template%.template}
  mkdir -p "$(dirname "$rendered")"
  envsubst "$names" <"$template" >"$rendered"
done
exec "$@"
