# syntax=docker/dockerfile:1
#
# The server, without models:                docker build -t tidegate:0.1.0 .
# A volume's worth of the example models:    docker build --target models -t tidegate-models:0.1.0 .
#
# Needs BuildKit, which `docker build`, `docker buildx build`, `podman build` and `buildah build` have.
# To build from exactly the same bases every time, give them with their digests:
#   --build-arg RUST_IMAGE=rust:1.95-slim-bookworm@sha256:.. --build-arg BASE_IMAGE=debian:bookworm-slim@sha256:..
# Both must be of the same Debian release: the binary runs with the glibc of the second.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
# A C compiler and assembler: the allocator and the matrix kernels are not Rust.
# Its version is that of the Debian release, which the base image pins.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Cargo wants to see every member and target that the manifest names, also those that are not built.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY loadtest/bare loadtest/bare
COPY src src
# The target directory outlives the build, so Cargo tells what is stale by file times. Those of a
# checkout or an archive can lie before the last build: touching the roots makes it look again.
# The binary is copied out because a cache mount is not part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    touch src/lib.rs src/main.rs \
 && cargo build --profile dist --locked --package tidegate --bin tidegate \
 && install -D -m 0755 target/dist/tidegate /out/tidegate

# Something to copy into a volume: see docs/kubernetes.md. Yours is these three lines with your models.
FROM ${BASE_IMAGE} AS models
COPY models /models
USER 65532:65532

FROM ${BASE_IMAGE} AS server
# Nothing is installed: the binary needs glibc and libgcc, which the base has, and opens no connections. A driver
# for GPUs is looked for at start, which a binary without glibc could not do.
RUN install -d /models && install -d -o 65532 -g 65532 /var/lib/tidegate
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/tidegate/
COPY --from=build /out/tidegate /usr/local/bin/tidegate

# In a container 127.0.0.1 reaches nobody. Neither port asks who is calling: publish 9090 to friends only.
#
# A GPU's driver is never in the image: NVIDIA's container toolkit brings the node's, with the capabilities named here,
# to containers that ask for a GPU (docker run --gpus, or the device plugin of Kubernetes). NVIDIA_VISIBLE_DEVICES is
# left to these: set here, it would give all GPUs of a node to containers that asked for none. The driver keeps what
# it compiles for GPUs that are newer than the binary where the server may write.
ENV TIDEGATE_LISTEN=0.0.0.0:8080 \
    TIDEGATE_ADMIN_LISTEN=0.0.0.0:9090 \
    TIDEGATE_STATE=/var/lib/tidegate \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_CACHE_PATH=/var/lib/tidegate/cuda
EXPOSE 8080 9090
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# SIGTERM drains: not ready for --drain-delay, then open requests are finished for --grace.
STOPSIGNAL SIGTERM
# The admin port has a thread of its own, so a busy server is not taken for a dead one.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["tidegate", "health", "http://127.0.0.1:9090/readyz"]
ENTRYPOINT ["tidegate"]
CMD ["serve", "/models"]

# Last, since they change with every build.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tidegate" \
      org.opencontainers.image.description="Serves trained models over HTTP and swaps them without dropping a request" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
