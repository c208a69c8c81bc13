#!/bin/sh
# Builds the image and runs it the way a careful operator would: plain user, read-only root, no capabilities, 512 MiB.
# Then: does it answer, is it not root, does what was written survive a restart, does it end cleanly on SIGTERM?
#
# Uses a docker engine when one runs, else buildah and podman. Settings: IMAGE, PORT, BUILD_ARGS (more arguments for
# the build, such as a certificate mount), RUN_ARGS (more arguments for the run).
set -eu
cd "$(dirname "$0")/.."
IMAGE=${IMAGE:-localhost/quire:check}
PORT=${PORT:-18733}
URL=http://127.0.0.1:$PORT
NAME=quire-check-$$

fail() {
    echo "container check failed: $1" >&2
    engine logs "$NAME" 2>&1 | tail -30 >&2 || true
    exit 1
}

if docker info >/dev/null 2>&1; then
    engine() { docker "$@"; }
    # shellcheck disable=SC2086  # several arguments on purpose
    docker build --tag "$IMAGE" ${BUILD_ARGS:-} .
elif command -v buildah >/dev/null && command -v podman >/dev/null; then
    RUNTIME=$(command -v runc || command -v crun)
    engine() { podman --runtime "$RUNTIME" --cgroup-manager cgroupfs "$@"; }
    # docker's image format keeps HEALTHCHECK; chroot isolation needs no container runtime for the build.
    # shellcheck disable=SC2086
    buildah build --layers --isolation chroot --network host --format docker --tag "$IMAGE" ${BUILD_ARGS:-} .
    # Health checks of podman need systemd timers; the limits keep below the hard ones of a nested machine.
    RUN_ARGS="--no-healthcheck --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 ${RUN_ARGS:-}"
else
    echo "neither a docker engine nor buildah and podman found: install one of them" >&2
    exit 1
fi

trap 'engine rm --force --volumes "$NAME" >/dev/null 2>&1 || true' EXIT

wait_for() {
    tries=0
    until curl --silent --fail --max-time 2 --output /dev/null "$URL$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "no answer on $1 within a minute"
        sleep 0.2
    done
    echo "answers on $1"
}

# shellcheck disable=SC2086
engine run --detach --name "$NAME" --network host --read-only --tmpfs /tmp --cap-drop ALL \
    --security-opt no-new-privileges --memory 512m --env PORT="$PORT" ${RUN_ARGS:-} "$IMAGE" >/dev/null
wait_for /livez
wait_for /readyz

[ "$(engine exec "$NAME" id -u)" != 0 ] || fail "it runs as root"
if engine exec "$NAME" touch /opt/quire/written 2>/dev/null; then fail "its root file system can be written"; fi
echo "runs as user $(engine exec "$NAME" id -u) on a read-only root"

curl --silent --fail --output /dev/null --request PUT "$URL/v1/libraries/kept" \
    --header 'content-type: application/json' --data '{"dimension": 3, "metric": "cosine"}' || fail "cannot create a library"
engine stop --time 15 "$NAME" >/dev/null
code=$(engine inspect --format '{{.State.ExitCode}}' "$NAME")
[ "$code" = 0 ] || fail "exit code $code after SIGTERM"
echo "ends with exit code 0 on SIGTERM"

engine start "$NAME" >/dev/null
wait_for /readyz
curl --silent --fail --output /dev/null "$URL/v1/libraries/kept" || fail "the library is gone after a restart"
echo "keeps its data over a restart"
