# Two images. `ringback` runs every program: it has the command `ringback`, and `temporal` from the
# extra dev-server. `ringback-tools` adds what `make shell` and `make lint` need.
FROM python:3.11-slim AS ringback

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY src src
RUN pip install --constraint requirements/dev.txt '.[dev-server,mcp,notify,oidc,otel,postgres,queues,signatures]'

# A volume that is mounted on /data for the first time takes its owner from here.
RUN useradd --uid 1000 --create-home ringback \
 && install --directory --mode 700 --owner ringback --group ringback /data
USER 1000
ENV RINGBACK_DATA=/data

ENTRYPOINT ["ringback"]
CMD ["--help"]

FROM ringback AS tools
USER 0
RUN pip install --constraint requirements/dev.txt ruff
USER 1000
WORKDIR /src
ENTRYPOINT []
CMD ["bash"]

# The last stage is the one that `docker build` makes without --target.
FROM ringback
