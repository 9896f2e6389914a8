#!/usr/bin/env bash
# binaries.sh OUT: builds kind, Kubernetes, etcd, CoreDNS and local-path-provisioner from Go modules into OUT; must not build what recipe/small has.
# Environment: KV, KINDV, CTD as in lib.sh. An interrupted build is picked up again out of Go's build cache.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$here/go.sh"
out=$1
work=$(mktemp -d "$CACHE/build/go.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
export GOBIN=$out

# tools NAME LDFLAGS MODULE@VERSION [PACKAGE...]: a throw-away module with these tools, built. Lines of $work/NAME.extra go to its go.mod.
tools() {
  local name=$1 flags=$2 module=${3%@*} version=${3#*@} begin=$SECONDS
  shift 3
  [ $# -gt 0 ] || set -- "$module"
  mkdir "$work/$name"
  cd "$work/$name"
  {
    printf 'module example.test/%s\n\ngo 1.26.0\n\ntool (\n' "$name"
    printf '\t%s\n' "$@"
    printf ')\n\nrequire %s %s\n' "$module" "$version"
    cat "$work/$name.extra" 2>/dev/null || true
  } >go.mod
  go install -ldflags "$flags" tool || return
  echo "[$(date +%T)] $name: $((SECONDS - begin)) s"
}

tools kind "-s -w" "sigs.k8s.io/kind@$KINDV"

# k8s.io/kubernetes points its staging modules at folders of its own tree; each gets its released version instead
# shellcheck disable=SC2016 # jq's variables
replaced='"replace (", (.Replace[] | select(.New.Path | startswith("./staging")) | "\t\(.Old.Path) => \(.Old.Path) \($v)"), ")"'
go mod download -json "k8s.io/kubernetes@v$KV" | jq -r .GoMod | xargs go mod edit -json | jq -r --arg v "v0.${KV#1.}" "$replaced" >"$work/kube.extra"
stamp=k8s.io/component-base/version
cmd=k8s.io/kubernetes/cmd
tools kube "-s -w -X $stamp.gitVersion=v$KV -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(cut -d. -f2 <<<"$KV") -X $stamp.gitTreeState=clean -X $stamp.buildDate=2026-01-01T00:00:00Z" \
  "k8s.io/kubernetes@v$KV" $cmd/{kubeadm,kubelet,kubectl,kube-apiserver,kube-controller-manager,kube-scheduler,kube-proxy}

# etcd and CoreDNS in the versions that kubeadm asks for
images=$("$out/kubeadm" config images list --kubernetes-version "v$KV")
etcd=v$(sed -n 's#.*/etcd:\([0-9.]*\).*#\1#p' <<<"$images")
coredns=$(sed -n 's#.*/coredns:##p' <<<"$images")
tools etcd "-s -w" "go.etcd.io/etcd/server/v3@$etcd"
if [ -n "${CTD:-}" ]; then
  ctd=github.com/containerd/containerd/v2
  tools containerd "-s -w -X $ctd/version.Version=$CTD" "$ctd@$CTD" $ctd/cmd/{containerd,ctr,containerd-shim-runc-v2}
fi

# What follows takes every module that Kubernetes uses in the same version, so that the client library is not compiled
# two more times in other ones, which is a fifth of all the time. Where that doesn't compile, its own versions are taken.
pins() {
  (cd "$work/kube" && go list -deps -f '{{with .Module}}{{.Path}} {{.Version}}{{end}}' tool) | sort -u |
    awk 'NF == 2 && $1 != "k8s.io/kubernetes" { print "replace " $1 " => " $1 " " $2 }'
}
pins >"$work/pins"
provisioner=github.com/rancher/local-path-provisioner@v0.0.30
cp "$work/pins" "$work/provisioner.extra"
tools provisioner "-s -w" $provisioner || tools provisioner-unpinned "-s -w" $provisioner

coredns() { # FILE: lines for go.mod
  local begin=$SECONDS
  rm -rf "$work/coredns"
  cp -r "$here/coredns" "$work/coredns"
  cd "$work/coredns"
  { printf 'module example.test/coredns\n\ngo 1.26.0\n\nrequire github.com/coredns/coredns %s\n' "$coredns" && cat "$1"; } >go.mod
  go install -ldflags "-s -w" . || return
  echo "[$(date +%T)] coredns: $((SECONDS - begin)) s"
}
coredns "$work/pins" || coredns /dev/null
touch "$out/.done"
