# Resolves torch-<cuda>.txt where PyTorch's wheel index can be reached: `room images lock`.
ARG BASE
FROM ${BASE} AS uv

USER 0:0
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources \
    --mount=type=secret,id=apt-conf,target=/run/site/apt.conf \
    --mount=type=secret,id=apt-auth,target=/run/site/apt.auth,mode=0444 \
    --mount=type=secret,id=ca,target=/run/site/ca.crt,mode=0444 \
    export APT_CONFIG=/run/site/apt.conf DEBIAN_FRONTEND=noninteractive && \
    apt-get update && \
    apt-get install --yes --no-install-recommends python3 python3-venv && \
    apt-get clean && \
    rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
COPY requirements/uv.txt /tmp/uv.txt
RUN --mount=type=secret,id=pip-conf,target=/run/site/pip.conf \
    --mount=type=secret,id=ca,target=/run/site/ca.crt \
    export PIP_CONFIG_FILE=/run/site/pip.conf && \
    python3 -m venv /opt/uv && \
    /opt/uv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check \
      --require-hashes --requirement /tmp/uv.txt


FROM uv AS lock
# The packages beside PyTorch are locked already: what both need has to agree.
COPY torch.in requirements.txt /work/
RUN --mount=type=secret,id=uv-conf-torch,target=/run/site/uv.toml \
    --mount=type=secret,id=ca,target=/run/site/ca.crt \
    export UV_CONFIG_FILE=/run/site/uv.toml SSL_CERT_FILE=/run/site/ca.crt && \
    /opt/uv/bin/uv pip compile --quiet --no-cache --generate-hashes --universal \
      --python-version 3.13 --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
      --constraint /work/requirements.txt /work/torch.in --output-file /work/torch.txt


FROM scratch
COPY --from=lock /work/torch.txt /
