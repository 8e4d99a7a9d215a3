# The command line with what `zava validate` needs, for a server that a connection string names:
#   docker build -t zava .
#   docker run --rm -e MONGODB_CONNECTION_STRING -e MONGODB_DATABASE -v "$PWD:/model" zava validate --reports reports
# Exit codes: 0 conformant, 1 findings, 2 configuration, 3 server.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY requirements/core.txt requirements/core.txt
RUN python -m venv /opt/zava \
    && /opt/zava/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/core.txt
COPY pyproject.toml README.md LICENSE ./
COPY conformance conformance
COPY edge edge
COPY generator generator
COPY mcp_servers mcp_servers
COPY zava zava
RUN /opt/zava/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
COPY --from=build /opt/zava /opt/zava
ENV PATH=/opt/zava/bin:$PATH \
    PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 10001 zava
USER zava
WORKDIR /model
ENTRYPOINT ["zava"]
CMD ["validate"]
