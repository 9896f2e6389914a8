#!/usr/bin/env bash
# image.sh DOCKER TAG DOCKERFILE BASE WHEELS PROJECT PIP: builds one of the project's images; must not need a network.
set -euo pipefail
docker=$1 tag=$2 dockerfile=$3 base=$4 wheels=$5 project=$6 pip=$7
context=$(mktemp -d "$CACHE/build/context.XXXXXX")
trap 'rm -rf "$context"' EXIT
mkdir "$context"/{dependencies,project}
ln "$wheels"/*.whl "$context/dependencies/"
ln "$project"/*.whl "$context/project/"
ln "$pip"/pip-*.whl "$context/pip.whl"

"$docker" build --build-arg BASE="$base" -t "$tag" -f "$dockerfile" "$context"
