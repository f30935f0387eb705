# Both programs, static, in an image that holds nothing else.
#   docker build -t regate .                          the gate
#   docker build -t regate-standalone --target standalone .
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./cmd/regate ./cmd/regate-standalone \
 && mkdir /out/state /out/trust

FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# New volumes get these directories' owner, the user that the gate runs as. The
# second one is for what registries read: auth.token.root_file.
COPY --from=build --chown=65532:65532 /out/state /var/lib/regate
COPY --from=build --chown=65532:65532 /out/trust /var/lib/regate-trust
USER 65532:65532
EXPOSE 443 80

FROM base AS standalone
COPY --from=build /out/regate-standalone /
ENTRYPOINT ["/regate-standalone"]
CMD ["--data", "/var/lib/regate"]

FROM base AS gate
COPY --from=build /out/regate /
ENTRYPOINT ["/regate"]
CMD ["serve", "-c", "/etc/regate/regate.yaml"]
