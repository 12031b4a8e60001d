# For a Jetson with JetPack 7, from the repository root. Neither built nor tested: see jetson.md.
#
#   docker build -f docs/jetpack-7.Dockerfile -t unmask .

FROM ubuntu:24.04

# NVIDIA has no l4t-jetpack image of JetPack 7; its packages are in the repository of the Jetson.
# r38.2 is JetPack 7.0, r38.4 7.1, r39.2 7.2: `cat /etc/nv_tegra_release`.
ARG L4T=r39.2
ADD --chmod=644 https://repo.download.nvidia.com/jetson/jetson-ota-public.asc \
    /etc/apt/keyrings/jetson.asc

# JetPack sets the versions. Its repository is read by https, which needs the certificates.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && echo "deb [signed-by=/etc/apt/keyrings/jetson.asc] https://repo.download.nvidia.com/jetson/common ${L4T} main" \
        > /etc/apt/sources.list.d/jetson.list \
    && apt-get update \
    && apt-get install -y --no-install-recommends python3-venv python3-libnvinfer \
    && rm -rf /var/lib/apt/lists/*

# TensorRT comes from JetPack, so the environment needs the system's packages.
RUN python3 -m venv --system-site-packages /opt/unmask
ENV PATH=/opt/unmask/bin:$PATH

COPY . /src
RUN pip install --no-cache-dir /src 'cuda-python>=13,<14' && rm -rf /src

# The libraries of the driver are mounted by the runtime `nvidia`, if these ask for it.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all

# Mount a volume here to keep engines after the container ends.
ENV UNMASK_CACHE=/cache
VOLUME /cache

CMD ["unmask", "doctor"]
