# Short targets, one thing each. `make help` lists them.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
SECONDS := 10
MINUTES := 10

.DEFAULT_GOAL := help
.PHONY: help run build deb test test-unit test-race lint install e2e tls-audit fuzz bench soak vuln clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## start a gate with a registry inside, ready to log in
	@exec bin/regate-standalone --data data

build: ## build bin/regate and bin/regate-standalone
	@$(BUILD) -o bin/ ./cmd/regate ./cmd/regate-standalone

# 1.2.0~rc.1 is before 1.2.0, and a commit without a tag before any version.
DEB_VERSION = $(subst -rc,~rc,$(patsubst v%,%,$(if $(filter v%,$(VERSION)),$(VERSION),0~$(VERSION))))

deb: build ## make the Debian package, bin/regate_*.deb
	@e2e/install.sh nfpm
	ARCH=$$(go env GOARCH) DEB_VERSION='$(DEB_VERSION)' .tools/bin/nfpm package -f deploy/deb/nfpm.yaml -p deb -t bin/

test: install lint test-race test-unit e2e ## run everything, as CI does

test-unit: ## unit and property tests, fuzz seeds; needs nothing but Go
	go test ./...

test-race: ## the same with the race detector, which needs a C compiler
	CGO_ENABLED=1 go test -race ./...

lint: ## gofmt, go mod tidy, go vet, staticcheck, in both modules
	@e2e/install.sh staticcheck
	@test -z "$$(gofmt -l .)" || { echo 'run gofmt -w on:'; gofmt -l .; exit 1; }
	go mod tidy -diff && cd e2e && go mod tidy -diff
	go vet -tags registries,redis,clients ./... && .tools/bin/staticcheck -tags registries,redis,clients ./...
	cd e2e && go vet -tags bench,soak ./... && ../.tools/bin/staticcheck -tags bench,soak ./...

install: ## install what the end-to-end tests run against
	@e2e/install.sh

e2e: build install ## the whole gate against real registries and real clients
	PATH=$(CURDIR)/.tools/bin:$$PATH go test -count=1 -tags registries -run TestRegistries ./authsvc/token
	go test -count=1 -tags redis ./internal/state/redis
	go test -count=1 -tags redis -run 'Fleet|Redis' ./cmd/internal/gate
	go test -count=1 -tags clients -run TestADayOfRounds ./cmd/regate
	cd e2e && go test -count=1 -v -parallel 2 -timeout 30m ./...

tls-audit: build install ## look at the https listener with testssl.sh, as e2e does; a minute
	cd e2e && go test -count=1 -v -run '^TestTLSAudit$$' .

bench: build install ## what the gate and its rules cost, beside nginx and HAProxy; twenty minutes on a quiet machine
	go test -run '^$$' -bench . ./authsvc/acl
	go test -run '^$$' -bench 'KnownLogin$$' ./authsvc/...
	go test -run '^$$' -bench 'VerifyRevoked$$|MillionTokens$$' ./authsvc ./authsvc/token
	go test -run '^$$' -bench Catalog ./cmd/internal/gate
	go test -run '^$$' -bench 'Find|Pick' ./proxy ./proxy/upstream
	cd e2e && go test -tags bench -count=1 -timeout 30m -v ./bench

soak: build install ## work for MINUTES each on a gate, on a fleet without Redis, on one that is killed by SEED: nothing grows, or is lost
	cd e2e && MINUTES=$(MINUTES) SEED=$(SEED) go test -tags soak -count=1 -timeout $$(($(MINUTES) * 3 + 20))m -v -run '^TestSoak' .

fuzz: ## fuzz every target for SECONDS each, beyond its seeds
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(SECONDS)s -fuzzminimizetime 10x $$p || exit 1; done; done

vuln: ## known vulnerabilities of what we depend on (asks the internet)
	go run golang.org/x/vuln/cmd/govulncheck@latest ./...

clean: ## remove what was built
	rm -rf bin
