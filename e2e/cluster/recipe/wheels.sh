#!/usr/bin/env bash
# wheels.sh REQUIREMENTS OUT PYTHON GLIBC: downloads the locked wheels for Python PYTHON (3.13) and glibc 2.GLIBC; must not run code of any package.
# The host's Python may be another version: only wheels are taken, and hashes hold for all of them.
set -euo pipefail
requirements=$1 out=$2 python=$3 glibc=$4
# shellcheck disable=SC2153 # PYTHON runs here, python is for whom the wheels are
"$PYTHON" -m pip --version >/dev/null 2>&1 || {
  echo "there is no pip for $PYTHON: install it (Debian: python3-pip), or set PYTHON"
  exit 3
}
platforms=()
for minor in $(seq 5 "$glibc"); do platforms+=(--platform "manylinux_2_${minor}_$(uname -m)"); done
for old in manylinux1 manylinux2010 manylinux2014; do platforms+=(--platform "${old}_$(uname -m)"); done
tmp=$out.tmp
rm -rf "$tmp"
mkdir -p "$tmp"
"$PYTHON" -m pip download --disable-pip-version-check --progress-bar off --no-deps --require-hashes --only-binary :all: \
  --implementation cp --python-version "$python" "${platforms[@]}" -r "$requirements" -d "$tmp"
rm -rf "$out"
mv "$tmp" "$out"
