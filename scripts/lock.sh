#!/bin/sh
# Resolves requirements/*.lock from pyproject.toml: exact versions with hashes, for Python 3.11 and newer on Linux
# and macOS. No package registry is named in the result. UPGRADE=1 takes the newest versions.
set -eu
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}

compile() {
    target=$1
    shift
    "$BIN/uv" pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-package quiredb --no-emit-package quiredb-client \
        --custom-compile-command "make lock" ${UPGRADE:+--upgrade} --output-file "requirements/$target" "$@"
    echo "requirements/$target: $(grep -c '==' "requirements/$target") packages"
}

compile runtime.lock pyproject.toml
compile build.lock --group build --constraint requirements/runtime.lock
compile dev.lock --group dev pyproject.toml --constraint requirements/runtime.lock
compile bench.lock requirements/bench.in
compile fuzz.lock requirements/fuzz.in
echo 'torch ; python_version < "3"' >requirements/.without-torch
trap 'rm -f requirements/.without-torch' EXIT
compile local.lock requirements/local.in --constraint requirements/dev.lock --overrides requirements/.without-torch
