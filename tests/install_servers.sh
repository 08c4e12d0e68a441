#!/bin/sh
# Install the real servers the tests run against, and with `browser` the browser too, where they are missing and apt-get is there.
# Where that is impossible this says so and succeeds: the tests then name each group they could not run.
set -u
need=""
command -v prosody >/dev/null 2>&1 || need="$need prosody"
command -v turnserver >/dev/null 2>&1 || need="$need coturn"
command -v ip >/dev/null 2>&1 || need="$need iproute2"
# A media stack that others wrote, and the bindings for the system's Python to drive it with.
for package in python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-base \
    gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-nice; do
    dpkg -s "$package" >/dev/null 2>&1 || need="$need $package"
done
if [ "${1:-}" = browser ]; then
    command -v chromium >/dev/null 2>&1 || need="$need chromium"
    command -v node >/dev/null 2>&1 || need="$need nodejs"
    command -v npm >/dev/null 2>&1 || need="$need npm"
fi
[ -z "$need" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "== no apt-get here: please install$need by hand" >&2
    exit 0
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo -n"
echo "== installing$need"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq >/dev/null 2>&1
# The packages would start system-wide servers; the tests start their own, with their own configuration.
# shellcheck disable=SC2086
$sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >/dev/null \
    || echo "== could not install$need" >&2
exit 0
