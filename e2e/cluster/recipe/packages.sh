#!/usr/bin/env bash
# packages.sh missing|install: names or installs the Debian packages of the recipe; must not start any service.
set -euo pipefail

missing() {
  local want
  for want in dockerd:docker.io docker:docker.io containerd:containerd runc:runc debootstrap:debootstrap iptables:iptables nft:nftables jq:jq ip:iproute2; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${want%%:*}" >/dev/null || echo "${want#*:}"
  done | sort -u | tr '\n' ' '
}

case ${1:-} in
missing) missing ;;
install)
  command -v apt-get >/dev/null || {
    echo "there is no apt-get here; install these (or an ordinary Docker with kind): $(missing)"
    exit 3
  }
  apt-get update
  # RUNLEVEL=1: the packages' own services stay off on machines without systemd
  read -ra packages <<<"$(missing)"
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
  ;;
*) exit 2 ;;
esac
