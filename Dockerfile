# Two images: `--target backend` runs `flask up`, `--target nginx` runs nginx in front of it. `make images` tries both.
ARG PYTHON=3.11.14-slim-bookworm
ARG NGINX=1.30.4

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/server.txt requirements/build.txt /tmp/requirements/
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-deps --require-hashes --only-binary :all: \
        -r /tmp/requirements/server.txt -r /tmp/requirements/build.txt
WORKDIR /app
COPY setup.cfg pyproject.toml README.md LICENSE wsgi.py ./
COPY catapult catapult
COPY client/catapult_client client/catapult_client
COPY migrations migrations
COPY docs/*.md docs/
COPY scripts/create_api_key.py scripts/create_api_key.py
# Editable, because the migrations and the guides are beside the package and not in it.
RUN python -m pip --python /opt/venv/bin/python install --no-deps --no-index --no-build-isolation --editable . \
    && python -m pip --python /opt/venv/bin/python uninstall --yes setuptools wheel
RUN python -m compileall -q /app /opt/venv/lib && chmod -R a+rX /app /opt/venv \
    && mkdir -m 700 /var/lib/catapult && mkdir /mnt/ceph


FROM python:${PYTHON} AS backend
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# Volumes that are mounted here first belong to the user: the worker keeps the key of the audit log in one, the other has files.
COPY --from=build --chown=10001:10001 /var/lib/catapult /var/lib/catapult
COPY --from=build --chown=10001:10001 /mnt/ceph /mnt/ceph
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=wsgi \
    HOME=/tmp \
    HOST=0.0.0.0 \
    PORT=8000
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/livez', timeout=4)"]
CMD ["flask", "up"]
# Last, because it changes with every commit.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Catapult" \
      org.opencontainers.image.description="A registry for machine learning models that ship as container images" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


FROM nginx:${NGINX} AS nginx
RUN rm -f /etc/nginx/conf.d/default.conf
# The base image's entrypoint renders the templates with these variables only.
ENV NGINX_ENVSUBST_FILTER=^NGINX_
COPY infrastructure/nginx/nginx.conf /etc/nginx/nginx.conf
COPY infrastructure/nginx/18-catapult.envsh /docker-entrypoint.d/18-catapult.envsh
COPY infrastructure/nginx/templates /etc/nginx/templates
COPY catapult/static /srv/catapult/static
RUN chmod 755 /docker-entrypoint.d/18-catapult.envsh && chmod -R a+rX /etc/nginx /srv/catapult
EXPOSE 80 443
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD curl -fsS -o /dev/null "http://127.0.0.1:${NGINX_HTTP_PORT:-80}/static/icon.svg"
# Last, because it changes with every commit.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Catapult's nginx" \
      org.opencontainers.image.description="nginx in front of Catapult, with its static files" \
      org.opencontainers.image.licenses="MIT AND BSD-2-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
