# Lectern with its built-in recogniser, for amd64 and arm64. Written with care but never built yet: where it was written
# there was no container engine. Build it by: docker build --tag lectern .
FROM node:20-bookworm-slim AS pages
WORKDIR /web
COPY web .
RUN npm ci --ignore-scripts --no-audit --no-fund && npm run build

FROM rust:1.95.0-bookworm AS build
# libopus and whisper.cpp are built from source, by cmake; libclang makes the latter's bindings.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends cmake libclang-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /lectern
COPY . .
COPY --from=pages /web/dist web/dist
# The caches keep a second build short; the program is copied out because they are gone after this step.
# Without GGML_NATIVE=OFF whisper.cpp would be for this machine's processor alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/lectern/target \
    GGML_NATIVE=OFF cargo build --locked --release --features whisper && cp target/release/lectern /usr/local/bin/lectern

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libpocketsphinx3 pocketsphinx-en-us \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --create-home --home-dir /data lectern
COPY --from=build /usr/local/bin/lectern /usr/local/bin/lectern
USER lectern
ENV LECTERN_DATA=/data LECTERN_HOST=0.0.0.0 PORT=8090
VOLUME /data
EXPOSE 8090
ENTRYPOINT ["lectern"]
CMD ["up"]
