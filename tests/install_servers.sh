#!/bin/sh
# Install the real servers, the browser and the media stack that the tests run against, where they are missing and apt-get is there.
# Where that is impossible this says so and succeeds: the tests then name each group they could not run.
set -u
need=""
PATH=$PATH:/usr/sbin:/sbin
command -v prosody >/dev/null 2>&1 || need="$need prosody"
command -v ejabberdctl >/dev/null 2>&1 || need="$need ejabberd"
command -v turnserver >/dev/null 2>&1 || need="$need coturn"
command -v ip >/dev/null 2>&1 || need="$need iproute2"
# With it Prosody can be told where to look for names.
dpkg -s lua-unbound >/dev/null 2>&1 || need="$need lua-unbound"
command -v chromium >/dev/null 2>&1 || need="$need chromium"
command -v node >/dev/null 2>&1 || need="$need nodejs"
command -v npm >/dev/null 2>&1 || need="$need npm"
# A screen that nobody has to look at, and what paints it.
command -v Xvfb >/dev/null 2>&1 || need="$need xvfb"
command -v xsetroot >/dev/null 2>&1 || need="$need x11-xserver-utils"
# A media stack that others wrote, and the bindings for the system's Python to drive it with.
for package in python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-base \
    gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-nice; do
    dpkg -s "$package" >/dev/null 2>&1 || need="$need $package"
done
[ -z "$need" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "== no apt-get here: please install$need by hand" >&2
    exit 0
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo -n"
echo "== installing$need"
$sudo apt-get update -qq >/dev/null 2>&1
# The packages would start system-wide servers; the tests start their own, with their own configuration.
# One by one, so that one that is not to be had keeps none of the others away.
for package in $need; do
    $sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
        --no-install-recommends "$package" >/dev/null || echo "== could not install $package" >&2
done
exit 0
