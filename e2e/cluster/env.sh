# env.sh: source me for kubectl, kind and docker that reach the cluster from a shell; must not start or change anything.
# For programs that open connections themselves (pytest) use e2e/cluster/exec.
# shellcheck shell=bash
eval "$(
  # shellcheck source-path=SCRIPTDIR source=lib.sh
  . "$(dirname "${BASH_SOURCE[0]:-$0}")/lib.sh"
  # shellcheck disable=SC2016 # the caller expands PATH
  printf 'export KUBECONFIG=%q PATH=%q:$PATH\n' "$STATE/kubeconfig" "$STATE/bin"
  [ -n "$(mode)" ] || printf 'echo "there is no cluster named %s yet: run e2e/cluster/up" >&2\n' "$CLUSTER"
)"
