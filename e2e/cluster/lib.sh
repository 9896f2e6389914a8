# lib.sh: settings and helpers of e2e/cluster, to be sourced by its scripts; must not change anything by being sourced.
# shellcheck shell=bash

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for the scripts that source this
ROOT=$(cd "$HERE/../.." && pwd)
KV=${KV:-1.35.4}
KV=${KV#v}
KINDV=${KINDV:-v0.33.0}
# Kubernetes 1.36 and later ask for containerd 2, which Debian 12 does not have: it is built for those nodes.
if [ -z "${CTD+set}" ]; then
  if [ "$(cut -d. -f2 <<<"$KV")" -ge 36 ]; then CTD=v2.2.1; else CTD=; fi
fi
CLUSTER=${SLIPSTREAM_CLUSTER:-slipstream}
CACHE=${SLIPSTREAM_CACHE:-/var/cache/slipstream}
STATE=$CACHE/clusters/$CLUSTER # what is known of this cluster: mode, kubeconfig, bin/
DAEMON=$CACHE/daemon           # the data of a Docker daemon of our own
# One daemon and one network namespace for each cache folder. Sockets and pid files live where a reboot removes them.
if [ "$CACHE" = /var/cache/slipstream ]; then NETNS=slipstream; else NETNS=slipstream-$(cksum <<<"$CACHE" | cut -d' ' -f1); fi
RUN=/run/$NETNS
# shellcheck disable=SC2034
NODE_IMAGE=kindest/node:v$KV
PYTHON=${PYTHON:-python3}
KUBECONFIG=$STATE/kubeconfig # never the caller's own cluster
export KV KINDV CTD CLUSTER CACHE STATE DAEMON NETNS RUN PYTHON KUBECONFIG

say() { printf '[%s +%4ds] %s\n' "$(date +%T)" "$SECONDS" "$*"; }
# die CODE MESSAGE...: 1 a step failed, 2 wrong usage, 3 something has to be installed or done first
die() {
  local code=$1
  shift
  printf 'FAILED: %s\n' "$*" >&2
  exit "$code"
}

# usage FILE: the comment that FILE starts with, from its second line on
usage() { sed -n '2,/^[^#]/ { /^[^#]/q; s/^# \{0,1\}//p }' "$1"; }

# step NAME HINT COMMAND...: runs COMMAND with its output in a log, of which a failure shows the tail.
# COMMAND must be a script or program: in a function called from here "set -e" would have no effect.
step() {
  local name=$1 hint=$2 log=$CACHE/log/$CLUSTER-$1.log begin=$SECONDS
  shift 2
  say "$name ..."
  local code=0
  "$@" >"$log" 2>&1 </dev/null 9>&- || code=$?
  if [ $code = 0 ]; then
    say "$name: $((SECONDS - begin)) s"
    return
  fi
  tail -n 25 "$log" >&2
  [ $code != 3 ] || die 3 "$name: something is missing, see above" # a script of ours that said what
  die 1 "$name (the whole log: $log). $hint"
}

# lock: one of up, down and images at a time for a cache folder; descriptor 9 is closed in whatever outlives us.
lock() {
  if ! mkdir -p "$CACHE" 2>/dev/null || [ ! -w "$CACHE" ]; then die 3 "cannot write to $CACHE: run as root, or set SLIPSTREAM_CACHE"; fi
  mkdir -p "$CACHE/log" "$CACHE/build" "$STATE"
  : >"$CACHE/.slipstream-cache" # "down --purge" removes only folders that have this mark
  exec 9>"$CACHE/lock"
  if ! flock -n 9; then
    say "waiting for another e2e/cluster command that holds $CACHE/lock"
    flock 9
  fi
}

# hash_of FILE|FOLDER...: a short digest of names and contents under IN (default here), with the words of KEY
hash_of() {
  {
    printf '%s\n' "${KEY:-}" "$(uname -m)"
    (cd "${IN:-$HERE}" && find "$@" -type f -not -path '*/__pycache__/*' -not -path '*.egg-info/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
  } | sha256sum | cut -c1-12
}
small_key() { hash_of recipe/small recipe/small.sh; }
binaries_key() { KEY="$KV $KINDV $CTD" hash_of recipe/binaries.sh recipe/coredns; }
node_key() { KEY="$(small_key) $(binaries_key)" hash_of recipe/rootfs.sh recipe/node-image.sh recipe/node_spec.py recipe/archive.py recipe/goconst.py recipe/crictl-lite recipe/default-cni.yaml; }
base_key() { hash_of recipe/base-image.sh; }

# Debian's client before any other: a much newer one refuses to talk to Debian's daemon.
own_docker_client() { if [ -x /usr/bin/docker ]; then echo /usr/bin/docker; else command -v docker; fi; }
own_docker() { nsenter --net="/run/netns/$NETNS" env DOCKER_HOST="unix://$RUN/docker.sock" "$(own_docker_client)" "$@"; }
own_daemon_runs() { [ -S "$RUN/docker.sock" ] && own_docker version >/dev/null 2>&1; }
host_docker_runs() { command -v docker >/dev/null && timeout 10 docker version >/dev/null 2>&1; }
mode() { cat "$STATE/mode" 2>/dev/null || true; } # "host": the machine's own Docker; "own": ours, in a network namespace

# wrapper NAME LINE...: an executable in STATE/bin
wrapper() {
  local name=$1
  shift
  mkdir -p "$STATE/bin"
  {
    printf '#!/usr/bin/env bash\n# %s for the cluster %s, written by e2e/cluster; do not edit.\n' "$name" "$CLUSTER"
    printf '%s\n' "$@"
  } >"$STATE/bin/$name.tmp"
  chmod 755 "$STATE/bin/$name.tmp"
  mv "$STATE/bin/$name.tmp" "$STATE/bin/$name"
}
# programs_host; docker_own and programs_own BIN: docker, kind and kubectl in STATE/bin, for either mode
programs_host() {
  local name path
  for name in kind kubectl docker; do
    if path=$(PATH=${PATH//$STATE\/bin:/} command -v $name); then wrapper $name "export KUBECONFIG=\${KUBECONFIG:-$STATE/kubeconfig}" "exec $path \"\$@\""; fi
  done
}
docker_own() { # DOCKER_BUILDKIT=0: Debian's Docker has the classic builder only
  wrapper docker "export DOCKER_HOST=unix://$RUN/docker.sock DOCKER_BUILDKIT=0" "exec nsenter --net=/run/netns/$NETNS $(own_docker_client) \"\$@\""
}
programs_own() {
  local in_ns="exec nsenter --net=/run/netns/$NETNS" config="export KUBECONFIG=\${KUBECONFIG:-$STATE/kubeconfig}"
  docker_own
  wrapper kubectl "$config" "$in_ns $1/kubectl \"\$@\""
  wrapper kind "$config" "export DOCKER_HOST=unix://$RUN/docker.sock PATH=$STATE/bin:\$PATH" "$in_ns $1/kind \"\$@\""
}

need_root() { [ "$(id -u)" = 0 ] || die 3 "this needs root: it uses a network namespace and a Docker daemon of its own"; }

# small_programs: leaves their folder in SMALL
small_programs() {
  SMALL=$CACHE/build/small-$(small_key)
  [ -e "$SMALL/.done" ] || step small-programs "It builds Go modules: is the Go module proxy within reach?" "$HERE/recipe/small.sh" "$SMALL"
}

# own_daemon: a running daemon of our own
own_daemon() {
  local missing
  need_root
  if own_daemon_runs; then return; fi
  small_programs
  missing=$("$HERE/recipe/packages.sh" missing)
  [ -z "$missing" ] || step packages "Install by hand: $missing" "$HERE/recipe/packages.sh" install
  step daemon "Its own log: $DAEMON/log" "$HERE/recipe/daemon.sh" start "$SMALL"
}

cluster_container_runs() { [ -n "$("$STATE/bin/docker" ps -q --filter "name=^$CLUSTER-control-plane\$" 2>/dev/null)" ]; }
cluster_ready() { # TIMEOUT: the API server answers and every node is ready
  "$STATE/bin/kubectl" get --raw /readyz --request-timeout=5s >/dev/null 2>&1 &&
    "$STATE/bin/kubectl" wait --for=condition=Ready node --all --timeout="$1" >/dev/null 2>&1
}
cluster_up() { [ -n "$(mode)" ] && [ -x "$STATE/bin/kubectl" ] && cluster_container_runs && cluster_ready 5s; }
