#!/usr/bin/env bash
# build-image.sh DOCKER TAG KEY: Debian 13 with its Python 3.13, a C compiler and Python's headers, in which the hot modules are compiled; nothing
# of it goes into an image that runs. Must not download anything but Debian packages.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
docker=$1 tag=$2 key=$3
root=$(mktemp -d "$CACHE/build/compiler.XXXXXX")
trap 'rm -rf "$root"' EXIT
known=/usr/share/debootstrap/scripts/trixie
[ -e $known ] || known=/usr/share/debootstrap/scripts/sid
debootstrap --variant=minbase --include=python3,python3-dev,gcc,libc6-dev,ca-certificates trixie "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" $known
ln -sf python3 "$root/usr/bin/python"
cd "$root"
rm -rf var/cache/apt/archives/*.deb var/cache/apt/*.bin var/lib/apt/lists/* usr/share/{doc,man,locale,info}/* var/log/*.log
chmod 755 .
tar -cf - . | "$docker" import -c 'CMD ["python3"]' -c "ENV LANG=C.UTF-8" -c "LABEL slipstream.key=$key" - "$tag"
