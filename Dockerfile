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
 && mkdir -p /out/state

FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# The state belongs to the user that the gate runs as.
COPY --from=build --chown=65532:65532 /out/state /var/lib/regate
USER 65532:65532
VOLUME /var/lib/regate
EXPOSE 443 80

FROM base AS standalone
COPY --from=build /out/regate-standalone /
ENTRYPOINT ["/regate-standalone"]
CMD ["--data", "/var/lib/regate"]

FROM base AS gate
COPY --from=build /out/regate /
ENTRYPOINT ["/regate"]
CMD ["serve", "-c", "/etc/regate/regate.yaml"]
