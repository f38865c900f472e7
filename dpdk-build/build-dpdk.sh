#!/usr/bin/env bash
# Builds a DPDK for Manifold alone: the distribution's source, only the drivers that Manifold takes, static, for this
# CPU, 64 ports, and with references to an mbuf counted without atomics. One worker must then own every mbuf from its
# receipt to the last transmit completion; `manifold` refuses to start what would break that. Its net_af_xdp is mended
# (mend-af-xdp.sh).
#
#   build-dpdk.sh [--prefix DIR] [--atomic] [--tarball FILE --sha256 SUM]
#
# --prefix   where it is installed (target/dpdk of this tree)
# --atomic   counts references atomically, as the distribution's does: for drivers and layouts that the other refuses
# --tarball  a DPDK release in place of the distribution's source package
#
# Nothing is done when what is there was built from the same source in the same way. What was built of a tarball is
# never replaced by the distribution's unasked: without --tarball it stays.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
prefix=$here/../target/dpdk
atomic=false tarball='' sha256=''

fail() {
    echo "build-dpdk.sh: $1" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --tarball | --sha256)
        [ $# -ge 2 ] || fail "$1 needs a value"
        declare "${1#--}=$2"
        shift 2
        ;;
    --atomic)
        atomic=true
        shift
        ;;
    *) fail "$1 is no option; there are --prefix DIR, --atomic, --tarball FILE --sha256 SUM" ;;
    esac
done
[ -z "$tarball" ] || [ -n "$sha256" ] || fail "--tarball needs --sha256 SUM, from whoever published the tarball"
[ -z "$sha256" ] || [ -n "$tarball" ] || fail "--sha256 is for --tarball FILE; apt checks the distribution's source"

# Drivers have moved between folders: a name that a release lacks is passed over.
drivers=bus/pci,bus/vdev,bus/auxiliary,common/mlx5,common/iavf,mempool/ring,mempool/stack
drivers+=,net/af_packet,net/af_xdp,net/memif,net/null,net/pcap,net/ring,net/tap
drivers+=,net/bnxt,net/ena,net/mlx5,net/virtio,net/vmxnet3
for nic in e1000 igc ixgbe i40e iavf ice; do
    drivers+=,net/$nic,net/intel/$nic
done
# testpmd and bonding: what the benchmarks hold Manifold against.
drivers+=,net/bonding
apps=test-pmd
# What those need of the libraries that can be left out.
libraries=bitratestats,cryptodev,dmadev,eventdev,gro,gso,hash,ip_frag,latencystats,metrics,rcu,sched,security,stack,timer

prefix=$(realpath -m "$prefix")
options=(
    -Dprefix="$prefix" -Dlibdir=lib -Dbuildtype=release -Ddefault_library=static -Dplatform=native
    # Freeing a buffer belongs into the drivers' loops: as a call it saves and takes back six registers for each copy.
    -Dc_args=--param=max-inline-insns-single=1000
    -Dmax_ethports=64 -Dmbuf_refcnt_atomic="$atomic"
    -Denable_drivers="$drivers" -Denable_apps="$apps" -Dtests=false -Denable_docs=false
)

[ ! -e "$prefix" ] || [ -e "$prefix/built" ] || fail "$prefix is there and not of this script's making; name another --prefix"
built=$(cat "$prefix/built" 2>/dev/null || true)
kept=${built%%$'\n'*}

# The distribution's source, by its own name and version; else the tarball's sum.
if [ -n "$tarball" ]; then
    [ -r "$tarball" ] || fail "cannot read $tarball"
    echo "$sha256  $tarball" | sha256sum --check --status || fail "$tarball does not have the sha256 sum $sha256"
    source=sha256:$sha256
elif [[ $kept == sha256:* ]]; then
    source=$kept
else
    version=$(dpkg-query -W -f '${source:Version}' libdpdk-dev 2>/dev/null) ||
        fail "libdpdk-dev is not installed, so there is no telling which source to take; run dpdk-build/setup.sh, or give a --tarball with its --sha256"
    source=dpdk=$version
fi
stamp=$(printf '%s\n' "$source" "${options[@]}" "$libraries" "$(cat "$0" "$here/mend-af-xdp.sh" | sha256sum)" "$(gcc -march=native -Q --help=target | sha256sum)")
if [ "$built" = "$stamp" ]; then
    exit 0
fi
[[ -n $tarball || $kept != sha256:* ]] ||
    fail "$prefix was built of a tarball ($kept) and must be built anew; give that tarball again, or remove $prefix to have the distribution's DPDK there"

"$here/setup.sh" dpdk
work=$(mktemp -d "${TMPDIR:-/tmp}/manifold-dpdk.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Python modules of the distribution: meson's are not those of another Python that may come first.
PATH=/usr/bin:$PATH

# Downloads the source package into $work/package. The system's apt is not touched: a source list of our own,
# beside the keys that it has.
download() {
    local list=$work/sources.sources lists=$work/lists package=$work/package
    mkdir -p "$lists/partial" "$package"
    local release keys mirror=http://deb.debian.org
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && echo "${ID:-}:${VERSION_CODENAME:-}")
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    [ "${release%%:*}" = debian ] || fail "only Debian's source package is known here; give a --tarball with its --sha256"
    local suite=${release#*:}
    cat >"$list" <<END
Types: deb-src
URIs: $mirror/debian
Suites: $suite $suite-updates
Components: main
Signed-By: $keys

Types: deb-src
URIs: $mirror/debian-security
Suites: $suite-security
Components: main
Signed-By: $keys
END
    local apt=(apt-get -q -o "Dir::Etc::sourcelist=$list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$lists"
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
    # apt checks the archive's signature, and with it the sum of every file.
    "${apt[@]}" update >&2 || fail "the distribution's list of sources cannot be had; give a --tarball with its --sha256"
    (cd "$package" && "${apt[@]}" source --download-only "$source") >&2 ||
        fail "the distribution has no source of $source any more; upgrade libdpdk-dev, or give a --tarball with its --sha256"
}

if [ -n "$tarball" ]; then
    mkdir "$work/source"
    tar -x -f "$tarball" -C "$work/source" --strip-components=1
else
    download
    # The list's signature covers the files; the maintainer's own key need not be here.
    dpkg-source --no-check -x "$work"/package/*.dsc "$work/source" >&2
fi

"$here/mend-af-xdp.sh" "$work/source" || echo "build-dpdk.sh: net_af_xdp stays as it is: a port uses it where its \`driver\` names it" >&2

# Which libraries can be left out is said in one way up to 22.11, and in another later.
if grep -q "'enable_libs'" "$work/source/meson_options.txt"; then
    options+=(-Denable_libs="$libraries")
else
    options+=(-Ddisable_libs='cfgfile,flow_classify,gpudev,kni,jobstats,node,pdump,pipeline,port,power,table,vhost')
fi
echo "build-dpdk.sh: building $source into $prefix" >&2
if ! { meson setup "$work/build" "$work/source" "${options[@]}" && ninja -C "$work/build"; } >"$work/log" 2>&1; then
    tail -n 40 "$work/log" >&2
    fail "DPDK did not build; above is the end of what was said"
fi
rm -rf "$prefix"
# An install that does not come to its end is ours, too, and never the one that is asked for.
mkdir -p "$prefix"
: >"$prefix/built"
DESTDIR='' meson install -C "$work/build" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2 && fail "DPDK was not installed"; }
# Only what is linked statically is left: the shared ones would be found first.
find "$prefix/lib" -name '*.so*' -delete
rm -rf "$prefix/lib/dpdk" "$prefix/share"
printf '%s\n' "$stamp" >"$prefix/built"
echo "build-dpdk.sh: done; PKG_CONFIG_PATH=$prefix/lib/pkgconfig builds on it" >&2
