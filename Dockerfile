# One static binary, from scratch:  docker build -t multinic .
# For another platform:             docker buildx build --platform linux/arm64 -t multinic .

FROM rust:1.95.0-bookworm AS build
# aws-lc is C, and built with cmake.
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Static with glibc, whose allocator costs half the CPU of musl's (docs/measurements.md). Named, the target is apart from
# the host: what runs while building stays dynamic. Caches stay out of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    host=$(rustc -vV | sed -n 's/^host: //p') && \
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$host" && \
    cp "target/$host/release/multinic" /multinic && \
    ! ldd /multinic 2>&1 | grep -q '=>'

FROM scratch
COPY --from=build /multinic /multinic
# No /etc/passwd here: by number, so that runAsNonRoot can be checked.
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/multinic"]
CMD ["serve"]
