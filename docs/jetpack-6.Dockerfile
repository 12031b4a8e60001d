# For a Jetson with JetPack 6, from the repository root. Neither built nor tested: see jetson.md.
#
#   docker build -f docs/jetpack-6.Dockerfile -t unmask .

# Use the tag of the L4T release that the Jetson runs: `cat /etc/nv_tegra_release`.
ARG L4T=r36.4.0
FROM nvcr.io/nvidia/l4t-jetpack:${L4T}

# JetPack sets the versions.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv python3-libnvinfer \
    && rm -rf /var/lib/apt/lists/*

# TensorRT comes from JetPack, so the environment needs the system's packages.
RUN python3 -m venv --system-site-packages /opt/unmask
ENV PATH=/opt/unmask/bin:$PATH

COPY . /src
RUN pip install --no-cache-dir /src 'cuda-python>=12.6.1,<13' && rm -rf /src

# Mount a volume here to keep engines after the container ends.
ENV UNMASK_CACHE=/cache
VOLUME /cache

CMD ["unmask", "doctor"]
