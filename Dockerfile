# The image of Mergecast: the binary, git, CA certificates, a user without rights, and a volume for what it keeps.
#
#   docker build -t mergecast .
#
# The base images are build arguments, so that a mirror, a digest or a local file system can take their place:
#   BUILD_BASE    Debian with Rust 1.95 or newer and a C compiler
#   RUNTIME_BASE  Debian of the same release; needs nothing but apt
#   PROFILE       cargo profile: release, or dev for a quick try
# The target `prebuilt` packs the binary at PREBUILT, in the build context, instead of building one.
ARG BUILD_BASE=docker.io/library/rust:1.95-bookworm
ARG RUNTIME_BASE=docker.io/library/debian:bookworm-slim

# hadolint ignore=DL3006
FROM ${BUILD_BASE} AS build
ARG PROFILE=release
WORKDIR /src
COPY Cargo.toml Cargo.lock askama.toml ./
COPY benches benches
COPY migrations migrations
COPY src src
RUN cargo build --locked --bin mergecast --profile "$PROFILE" \
    && install -D --mode=0755 "target/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")/mergecast" /out/mergecast

# hadolint ignore=DL3006
FROM ${RUNTIME_BASE} AS runtime
# Packages come in the versions of the Debian release that the base image is; pinning them here would keep old ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 mergecast \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/mergecast --no-create-home --shell /usr/sbin/nologin mergecast \
    && install --directory --owner=mergecast --group=mergecast --mode=0700 /var/lib/mergecast
# The image listens on every address of its container; what of it is published is said where it is run.
ENV MERGECAST_LISTEN=0.0.0.0:8080 \
    MERGECAST_DATABASE=sqlite:///var/lib/mergecast/mergecast.db \
    MERGECAST_DATA_DIR=/var/lib/mergecast/data
# By number, so that a cluster can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/mergecast
VOLUME /var/lib/mergecast
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["mergecast", "health"]
# tini reaps the git processes of a killed worker and hands signals on; a program that is process 1 gets no default ones.
ENTRYPOINT ["tini", "--", "mergecast"]
CMD ["serve"]

FROM runtime AS prebuilt
ARG PREBUILT=target/release/mergecast
COPY --chmod=0755 ${PREBUILT} /usr/local/bin/mergecast

FROM runtime AS built
COPY --from=build /out/mergecast /usr/local/bin/mergecast
