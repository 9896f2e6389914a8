#!/usr/bin/env bash
# compiled-wheel.sh DOCKER IMAGE ROOT WHEELS BUILD PIP OUT: the project's wheel with the hot modules compiled (setup.py), in the folder OUT; must
# not write into the checkout nor use the network. WHEELS: what the modules import, BUILD: what compiles them (both folders of wheels).
# A few lines of the wheel's own code are run at its end: modules that don't load are an error here and not in a pod.
set -euo pipefail
docker=$1 image=$2 root=$3 wheels=$4 build=$5 pip=$6 out=$7
name=slipstream-compile-$$
tmp=$out.tmp
rm -rf "$tmp"
mkdir -p "$tmp"/{source,wheels,build}
trap '"$docker" rm -f "$name" >/dev/null 2>&1 || true' EXIT
tar -C "$root" --exclude=__pycache__ --exclude=*.egg-info -cf - setup.py pyproject.toml README.md LICENSE crds operator runtime examples | tar -C "$tmp/source" -xf -
cp "$build"/*.whl "$tmp/build/"
cp "$wheels"/*.whl "$tmp/wheels/"
cp "$pip"/pip-*.whl "$tmp/"
cat >"$tmp/run" <<'RUN'
set -eu
pip=$(echo /in/pip-*.whl)
cp -r /in/source /source
python3 -m venv --without-pip /venv
/venv/bin/python "$pip/pip" install --quiet --no-index --no-deps /in/build/*.whl "$pip"
/venv/bin/python -m pip install --quiet --no-index --no-deps /in/wheels/*.whl # after the others: these versions hold
cd /source
/venv/bin/python -m pip wheel --disable-pip-version-check --no-index --no-deps --no-build-isolation -w /out .
/venv/bin/python -m pip install --quiet --no-index --no-deps /out/*.whl
cd /
/venv/bin/python -c 'from slipstream_runtime.proxy import client; assert client.__file__.endswith(".so"), client.__file__
from slipstream_runtime.http import scanner; assert scanner.SCANNER == "c", scanner.SCANNER
from slipstream_runtime.wire import wires; assert wires.WIRES == "c", wires.WIRES'
RUN
# A fixed time, so that the same code gives the same wheel and the image's layer stays.
"$docker" create --name "$name" --network none -e SOURCE_DATE_EPOCH=1767225600 -e SLIPSTREAM_COMPILE=1 "$image" sh /in/run >/dev/null
"$docker" cp "$tmp/." "$name:/in"
"$docker" start -a "$name"
mkdir -p "$tmp/out"
"$docker" cp "$name:/out/." "$tmp/out"
rm -rf "$out"
mv "$tmp/out" "$out"
rm -rf "$tmp"
