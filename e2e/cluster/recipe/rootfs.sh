#!/usr/bin/env bash
# rootfs.sh OUT: a bare Debian 12 with what a node needs, as a folder; must not hold anything of Kubernetes, so that it stays.
# Debian 12 and not a newer one: systemd 256 and later don't start on machines that still have cgroup v1.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
out=$1
tmp=$out.tmp
packages=systemd,systemd-sysv,dbus,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,pigz,e2fsprogs
packages=$packages,bash,ca-certificates,curl,jq,procps,socat,containerd,runc,containernetworking-plugins
rm -rf "$tmp"
debootstrap --variant=minbase --include=$packages bookworm "$tmp" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
cd "$tmp"
rm -rf var/cache/apt/archives/*.deb var/cache/apt/*.bin var/lib/apt/lists/* usr/share/{doc,man,locale}/* var/log/*.log var/lib/containerd
mv "$tmp" "$out"
