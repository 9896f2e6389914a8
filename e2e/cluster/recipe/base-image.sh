#!/usr/bin/env bash
# base-image.sh DOCKER TAG KEY: a stand-in for python:3.13-slim out of Debian 13, whose Python is 3.13 too; must not download anything but Debian packages.
# DOCKER is a command that talks to the daemon that is to have the image.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
docker=$1 tag=$2 key=$3
root=$(mktemp -d "$CACHE/build/base.XXXXXX")
trap 'rm -rf "$root"' EXIT
# The host's debootstrap may be too old to know this release by name; the script is the same for all of them.
known=/usr/share/debootstrap/scripts/trixie
[ -e $known ] || known=/usr/share/debootstrap/scripts/sid
debootstrap --variant=minbase --include=python3,ca-certificates,netbase,tzdata trixie "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" $known
ln -sf python3 "$root/usr/bin/python"
cd "$root"
rm -rf var/cache/apt/archives/*.deb var/cache/apt/*.bin var/lib/apt/lists/* usr/share/{doc,man,locale,info}/* var/log/*.log
chmod 755 .
tar -cf - . | "$docker" import -c 'CMD ["python3"]' -c "ENV LANG=C.UTF-8" -c "LABEL slipstream.key=$key" - "$tag"
