#!/bin/sh
# Installs what the end-to-end tests run against: Debian packages in one apt
# call, Go programs at pinned versions into .tools/bin. Does nothing, in well
# under a second, when all is there; fails when anything cannot be had.
#
#   e2e/install.sh            everything
#   e2e/install.sh NAME...    only these Go programs, e.g. staticcheck for lint
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/.tools/bin
stamps=$root/.tools/stamps

# gcc is for the race detector; nginx, haproxy and caddy are what the benchmarks compare with.
packages="apache2-utils bind9 bind9-dnsutils buildah busybox-static ca-certificates caddy chromium containerd curl docker-compose
docker-registry docker.io gcc haproxy iproute2 ldap-utils libc6-dev libnginx-mod-stream mariadb-server nginx nodejs podman postgresql prometheus python3
python3-samba redis-sentinel redis-server runc samba samba-ad-provision samba-dsdb-modules samba-vfs-modules skopeo slapd systemd testssl.sh winbind"

# name  package@version
programs="staticcheck honnef.co/go/tools/cmd/staticcheck@v0.8.2
crane github.com/google/go-containerregistry/cmd/crane@v0.22.1
regctl github.com/regclient/regclient/cmd/regctl@v0.11.7
registry github.com/distribution/distribution/v3/cmd/registry@v3.1.2
helm helm.sh/helm/v4/cmd/helm@v4.3.1
pebble github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1
pebble-challtestsrv github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.1
nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.41.0
step-ca github.com/smallstep/certificates/cmd/step-ca@v0.30.2
toxiproxy github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0"

say() { echo "install: $*" >&2; }
die() { say "$*"; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# missing_packages prints those of $packages that are not installed.
missing_packages() {
	command -v dpkg-query >/dev/null || die "this needs Debian or Ubuntu (dpkg is missing)"
	for p in $packages; do
		case $(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null) in
		installed) ;;
		*) echo "$p" ;;
		esac
	done
	command -v npm >/dev/null || echo npm # which comes with some packages of nodejs
}

# The services that the packages bring must not start: the tests run their own,
# on their own ports. policy-rc.d is how Debian lets an administrator say so.
policy=/usr/sbin/policy-rc.d
forbid_services() {
	if [ -e $policy ]; then as_root mv $policy $policy.before-e2e; fi
	trap allow_services EXIT
	trap 'exit 130' INT TERM
	printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
	as_root chmod 755 $policy
}
allow_services() {
	as_root rm -f $policy
	if [ -e $policy.before-e2e ]; then as_root mv $policy.before-e2e $policy; fi
	trap - EXIT
}

install_packages() {
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	say "apt-get install" $missing
	forbid_services
	as_root apt-get update -qq || die "apt-get update did not succeed"
	# shellcheck disable=SC2086 # a list of words on purpose
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
		die "apt-get could not install all of:" $missing
	allow_services
	missing=$(missing_packages)
	[ -z "$missing" ] || die "still not installed after apt-get:" $missing
}

# A stamp names program, version and compiler, so a change of any builds anew.
# A package may be called otherwise than its program.
install_program() {
	stamp=$stamps/$1-$(echo "${2##*@}" | tr / _)-$(go env GOVERSION)
	[ ! -e "$stamp" ] || [ ! -x "$bin/$1" ] || return 0
	say "go install $2"
	fresh=$(mktemp -d)
	GOBIN=$fresh GOFLAGS= CGO_ENABLED=0 go install -ldflags='-s -w' "$2" || die "go install $2 did not succeed"
	mv "$fresh"/* "$bin/$1" && rmdir "$fresh" || die "go install $2 made no program"
	rm -f "$stamps/$1"-*
	: >"$stamp"
}

# FerretDB speaks MongoDB's protocol and keeps what it is told in SQLite. go
# install does not do: its program wants to be told its version by a file that
# the module leaves out.
ferretdb=github.com/FerretDB/FerretDB@v1.24.2
install_ferretdb() {
	stamp=$stamps/ferretdb-${ferretdb##*@}-$(go env GOVERSION)
	[ ! -e "$stamp" ] || [ ! -x "$bin/ferretdb" ] || return 0
	say "build $ferretdb"
	source=$(cd / && go mod download -json "$ferretdb" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	[ -n "$source" ] || die "go mod download $ferretdb did not succeed"
	copy=$(mktemp -d)
	cp -R "$source/." "$copy" && chmod -R u+w "$copy" && echo "${ferretdb##*@}" >"$copy/build/version/version.txt"
	(cd "$copy" && GOFLAGS= CGO_ENABLED=0 go build -tags ferretdb_no_postgresql -ldflags='-s -w' -o "$bin/ferretdb" ./cmd/ferretdb) ||
		die "go build of $ferretdb did not succeed"
	rm -rf "$copy"
	rm -f "$stamps"/ferretdb-*
	: >"$stamp"
}

# The OIDC provider, with all that it needs at the versions of its lock file.
install_oidc() {
	stamp=$stamps/oidc-$(cat "$root"/e2e/testbed/oidc/package*.json | sha256sum | cut -c 1-16)
	[ ! -e "$stamp" ] || [ ! -d "$root/.tools/oidc/node_modules" ] || return 0
	say "npm ci in .tools/oidc"
	mkdir -p "$root/.tools/oidc"
	cp "$root"/e2e/testbed/oidc/package*.json "$root/.tools/oidc"
	(cd "$root/.tools/oidc" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
		die "npm ci did not succeed"
	rm -f "$stamps"/oidc-*
	: >"$stamp"
}

wanted() {
	[ $# -gt 1 ] || return 0
	name=$1
	shift
	for w in "$@"; do [ "$w" != "$name" ] || return 0; done
	return 1
}

command -v go >/dev/null || die "go is missing (see the README for the version)"
mkdir -p "$bin" "$stamps"
[ $# -gt 0 ] || install_packages
# The image is built without a network, from the modules in the cache.
[ $# -gt 0 ] || (cd "$root" && go mod download) || die "go mod download did not succeed"
[ $# -gt 0 ] || install_oidc
echo "$programs" | while read -r name source; do
	wanted "$name" "$@" || continue
	install_program "$name" "$source"
done
if wanted ferretdb "$@"; then install_ferretdb; fi
