#!/bin/sh
# Bootstrap Debian's root file system into a tar file, where no container registry answers.
#
#   rootfs.sh SUITE SOURCES OUT.tar [APT_CONF]
#
# SOURCES is a file of apt sources (deb822, no credentials), which the result keeps as its own;
# APT_CONF one of apt's settings (a site's CA, credentials), which it does not. What is dropped is what Debian's own slim images drop:
# manuals, translations and documents but the licences.
set -eu
suite=$1 sources=$2 out=$3 apt_conf=${4:-/dev/null}

# Times inside the tar are the same whenever it is built; its packages' versions are the mirror's.
export SOURCE_DATE_EPOCH=1754697600
export ROOM_SOURCES="$sources"

exec mmdebstrap --variant=minbase --quiet --aptopt="$apt_conf" \
  --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/groff/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/lintian/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-include=/usr/share/locale/locale.alias' \
  --customize-hook='rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*' \
  --customize-hook='install -m 0644 "$ROOM_SOURCES" "$1"/etc/apt/sources.list.d/debian.sources' \
  --customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/resolv.conf "$1"/etc/hostname' \
  --customize-hook='rm -rf "$1"/var/cache/apt/*.bin "$1"/var/cache/debconf/*-old "$1"/var/log/*' \
  "$suite" "$out" "$sources"
