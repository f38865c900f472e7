#!/bin/sh
# Installs what building, testing and showing Manifold needs from the distribution. Asks nothing, says nothing when all
# is there. The Rust toolchain is the caller's own.
#
#   setup.sh [dpdk] [guard] [page] [systemd]     also what building DPDK, counting instructions, the page in a browser, or
#                                                a small system under systemd needs
set -eu

packages="
build-essential clang libclang-dev pkg-config
libdpdk-dev dpdk dpdk-dev
iproute2 nftables ethtool tcpdump iputils-ping procps util-linux
shellcheck openssl python3-venv systemd
"
for extra in "$@"; do
	case $extra in
	# Headers without which a driver would be left out come with libdpdk-dev, but for these.
	dpdk) packages="$packages
meson ninja-build python3-pyelftools dpkg-dev xz-utils
libbpf-dev libelf-dev libibverbs-dev libnuma-dev libpcap-dev libxdp-dev
" ;;
	guard) packages="$packages
valgrind
" ;;
	systemd) packages="$packages
debootstrap systemd-container
" ;;
	# Node from elsewhere has npm in it, and does not stand beside the distribution's.
	page)
		packages="$packages
chromium
"
		command -v npm >/dev/null 2>&1 || packages="$packages
nodejs npm
"
		;;
	*)
		echo "setup.sh: $extra is not known; there are: dpdk guard page systemd" >&2
		exit 2
		;;
	esac
done

unknown() {
	echo "setup.sh: $1" >&2
	echo "Install the equivalents of these Debian packages, with DPDK 22.11 or later, and run this again:" >&2
	for package in $packages; do
		echo "  $package" >&2
	done
	exit 1
}

# What a system of another kind has in its own way is enough.
have_all_tools() {
	for tool in cc clang pkg-config ip nft ethtool tcpdump ping sysctl unshare; do
		command -v "$tool" >/dev/null 2>&1 || return 1
	done
	pkg-config --atleast-version=22.11 libdpdk 2>/dev/null
}

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
	have_all_tools && exit 0
	unknown "this distribution has no apt"
fi

missing=
for package in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "setup.sh: missing:$missing" >&2
		echo "Installing them needs root, and sudo is absent or asks for a password. Run: sudo $0" >&2
		exit 1
	fi
	as_root="sudo -n"
fi

run_apt() {
	# A lock that another apt holds is waited for.
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

echo "setup.sh: installing$missing" >&2
run_apt update >&2 || echo "setup.sh: the package lists could not be renewed; trying with those there are" >&2
# The list is split on purpose: one word a package.
# shellcheck disable=SC2086
if ! run_apt install --no-install-recommends $missing >&2; then
	unknown "apt could not install:$missing"
fi
if ! pkg-config --atleast-version=22.11 libdpdk; then
	unknown "the distribution's DPDK is older than 22.11: $(pkg-config --modversion libdpdk 2>&1)"
fi
