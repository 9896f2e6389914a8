#!/usr/bin/env bash
# small.sh OUT: builds the programs in recipe/small into the folder OUT; must not depend on a Kubernetes version.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$here/go.sh"
mkdir -p "$out"
cd "$here/small"
GOBIN=$out GOFLAGS="${GOFLAGS/-mod=mod/-mod=readonly}" go install -ldflags '-s -w' ./...
touch "$out/.done"
