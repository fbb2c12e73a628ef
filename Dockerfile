# One static binary, from scratch:  make image
# For another platform:             docker buildx build --platform linux/arm64 -t multinic .

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# The commit, for the metric build_info, and the time of what is made here, in seconds since 1970: the same commit gives the
# same image (docs/release.md). `make image` names both.
ARG MULTINIC_REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
# Caches stay out of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    release/program /multinic

FROM scratch
COPY --from=build /multinic /multinic
# No /etc/passwd here: by number, so that runAsNonRoot can be checked.
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/multinic"]
CMD ["serve"]
