#!/usr/bin/env bash
# project-wheel.sh ROOT OUT: the wheel of the project in the folder OUT; must not write into the checkout, where build/ would disturb others.
set -euo pipefail
root=$1 out=$2
tmp=$out.tmp
rm -rf "$tmp"
mkdir -p "$tmp/source"
tar -C "$root" --exclude=__pycache__ --exclude=*.egg-info -cf - pyproject.toml README.md LICENSE crds operator runtime examples | tar -C "$tmp/source" -xf -
# A fixed time, so that the same code gives the same wheel and the image's layer stays.
SOURCE_DATE_EPOCH=1767225600 "$PYTHON" -m pip wheel --disable-pip-version-check --no-deps -w "$tmp" "$tmp/source"
rm -rf "$tmp/source" "$out"
mv "$tmp" "$out"
