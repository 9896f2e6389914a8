# go.sh: the Go environment of the recipe, to be sourced by the scripts that build; must not write outside Go's own caches.
# shellcheck shell=bash

# Since 1.21 the go command fetches by itself the toolchain that a module asks for, through the module proxy.
go_found=$(go env GOVERSION 2>/dev/null || true)
go_minor=$(sed -n 's/^go1\.\([0-9]*\).*/\1/p' <<<"$go_found")
if [ "${go_minor:-0}" -lt 21 ]; then
  echo "The cluster is built with Go 1.21 or newer, which is not on PATH (found: ${go_found:-none})."
  echo "Install it from https://go.dev/dl, or on Debian 12 golang-go from bookworm-backports, and start again."
  exit 3
fi
# As many compilations at once as there are processors, which is go's default too unless GOFLAGS of the machine says otherwise.
export GOTOOLCHAIN=${GOTOOLCHAIN:-auto} GOFLAGS="-mod=mod -buildvcs=false -p=${GO_PARALLEL:-$(nproc)}" CGO_ENABLED=0 GO111MODULE=on GOWORK=off
