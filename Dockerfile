# One static binary, from scratch:  docker build -t multinic .
# For another platform:             docker buildx build --platform linux/arm64 -t multinic .

FROM rust:1.95.0-alpine AS build
# aws-lc is C: built with cmake, and headers of the kernel for its entropy.
RUN apk add --no-cache build-base cmake linux-headers perl
WORKDIR /src
COPY . .
# The musl target is Alpine's own, and links statically. Caches stay out of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked && \
    cp target/release/multinic /multinic && \
    ! ldd /multinic 2>&1 | grep -q '=>'

FROM scratch
COPY --from=build /multinic /multinic
# No /etc/passwd here: by number, so that runAsNonRoot can be checked.
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/multinic"]
CMD ["serve"]
