# Quire in a container: one process, one port, one volume. Runs as a plain user on a read-only root file system.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/build && python3 -m venv /opt/quire
COPY requirements/build.lock requirements/runtime.lock /source/requirements/
RUN /opt/build/bin/pip install --quiet --require-hashes -r /source/requirements/build.lock \
 && /opt/quire/bin/pip install --quiet --require-hashes -r /source/requirements/runtime.lock
COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
COPY client /source/client
WORKDIR /source
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels ./client . \
 && /opt/quire/bin/pip install --quiet --no-deps /wheels/*.whl \
 && /opt/quire/bin/python -m compileall -q /opt/quire/lib
# The kernels are compiled here, so that a container starts in a second or two. They fit the instruction set of the
# machine that builds the image; on another kind of processor the server compiles again, into /tmp.
ENV QUIRE_KERNEL_CACHE=/opt/quire/kernels
RUN /opt/quire/bin/quire warmup && chmod -R a+rX /opt/quire

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Quire" \
      org.opencontainers.image.description="A vector database in one process" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN mkdir /data && chown 10001:10001 /data
COPY --from=build /opt/quire /opt/quire
ENV PATH=/opt/quire/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    QUIRE_DATA=/data \
    QUIRE_KERNEL_CACHE=/opt/quire/kernels
# Like everywhere, the server listens on loopback until it is told otherwise: QUIRE_HOST=0.0.0.0 makes it reachable from
# outside the container, and needs API keys or the explicit QUIRE_ALLOW_OPEN=1 (compose.yaml has an example).
USER 10001:10001
VOLUME /data
EXPOSE 7333
STOPSIGNAL SIGTERM
# The server is asked directly, past any proxy, and over TLS where it speaks TLS; its certificate is for another name.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python3", "-c", "import os, ssl, urllib.request as r; e = os.environ.get; r.build_opener(r.ProxyHandler({}), r.HTTPSHandler(context=ssl._create_unverified_context())).open(f\"http{'s' if e('QUIRE_TLS_CERTIFICATE') else ''}://127.0.0.1:{e('PORT') or e('QUIRE_PORT') or 7333}/livez\", timeout=2)"]
# PORT is what many platforms set; QUIRE_PORT is ours. `exec` hands the signals of the container to the server.
CMD ["sh", "-c", "exec quire serve --port \"${PORT:-${QUIRE_PORT:-7333}}\""]
