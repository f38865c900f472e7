# Two commands: `make demo` plays the story, `make test` runs every test. Each installs what is missing.
CARGO ?= cargo
PREFIX ?= /usr/local
TARGET := $(or $(CARGO_TARGET_DIR),target)
LOOM_TARGET := $(TARGET)/loom
RELEASE := $(abspath $(TARGET))/release
# Manifold on a DPDK of its own: where that is installed, where it is built, and how.
DPDK := $(abspath $(TARGET))/dpdk
FAST_TARGET := $(abspath $(TARGET))/fast
ON_OWN_DPDK = PKG_CONFIG_PATH="$(DPDK)/lib/pkgconfig" RUSTFLAGS="-Ctarget-cpu=native" CARGO_TARGET_DIR="$(FAST_TARGET)"
# A release's tarball in place of the distribution's source, and the sum that its publisher gives.
DPDK_TARBALL ?=
DPDK_SHA256 ?=
DPDK_SOURCE = $(if $(DPDK_TARBALL),--tarball "$(DPDK_TARBALL)") $(if $(DPDK_SHA256),--sha256 "$(DPDK_SHA256)")
# The same for one that counts references atomically, which several workers take.
ATOMIC_DPDK := $(abspath $(TARGET))/dpdk-atomic
ON_ATOMIC_DPDK = PKG_CONFIG_PATH="$(ATOMIC_DPDK)/lib/pkgconfig" RUSTFLAGS="-Ctarget-cpu=native" CARGO_TARGET_DIR="$(abspath $(TARGET))/atomic"

.DEFAULT_GOAL := build
.PHONY: setup build dpdk fast demo test test-build test-page test-own test-fast test-atomic test-unit test-loom test-system test-systemd test-long fuzz fmt lint install deny bench bench-quick bench-ready guard bench-guard bench-guard-accept doc clean

setup:
	@dpdk-build/setup.sh

# All that people run; the benches build themselves.
build: setup
	$(CARGO) build --release --workspace --exclude bench --exclude guard --exclude guard-dpdk --bins

# DPDK built for Manifold on this machine alone: once, some minutes.
dpdk: setup
	@dpdk-build/build-dpdk.sh --prefix "$(DPDK)" $(DPDK_SOURCE)

# target/fast/release/manifold, for one worker and this CPU; `manifoldctl` beside it.
fast: dpdk
	$(ON_OWN_DPDK) $(CARGO) build --release -p dataplane -p ctl --bins

demo: build
	@$(TARGET)/release/story

# Each of these targets, and those that ALSO names: the ones that wait beside the ones that compute.
test: setup
	@.ci/test $(ALSO)

# Every test, and beside them the programs that the tests of whole processes run.
test-build: setup
	$(CARGO) test --workspace --exclude tests --no-run
	$(CARGO) test -p tests --no-run

test-unit: setup
	$(CARGO) test --workspace --exclude tests

# Every interleaving of the group table's writer and reader, as far as the model goes.
test-loom:
	RUSTFLAGS="--cfg loom" $(CARGO) test --profile loom -p group-table --target-dir $(LOOM_TARGET) --test loom

# The timers of the RFC as they are, on kernel interfaces: a stream of twelve minutes without a gap.
test-long: build
	MANIFOLD_BIN="$(RELEASE)/manifold" $(CARGO) test -p tests --features long --test kernel -- --nocapture long::

# Whole processes: replay and golden files, bad input, network namespaces. They wait more than they compute: two at a time.
test-system: test-build
	$(CARGO) test -p tests -- --test-threads=2

# Both services under a real systemd, in a container; the small system for it is made once, in target/systemd-root.
test-systemd: build
	@dpdk-build/setup.sh systemd
	MANIFOLD_BIN="$(RELEASE)/manifold" MANIFOLDCTL_BIN="$(RELEASE)/manifoldctl" MANIFOLD_BACKEND_BIN="$(RELEASE)/manifold-backend" \
		$(CARGO) test -p tests --features systemd --test systemd -- --nocapture

# The page in a browser, against Manifold on veth; pictures in target/page.
test-page: build
	@dpdk-build/setup.sh page
	cd tests/page && npm ci --no-audit --no-fund
	$(TARGET)/release/page-stage --test tests/page/*.test.mjs

# What the other DPDK and this CPU's own instructions could change: the bindings, and the crates on the frames' way.
test-own: dpdk
	$(ON_OWN_DPDK) $(CARGO) test -p dpdk-sys -p dpdk -p types -p group-table -p forwarding -p dataplane

# The same, and whole processes.
test-fast: fast test-own
	$(ON_OWN_DPDK) $(CARGO) build --release -p backend --bins
	$(ON_OWN_DPDK) $(CARGO) test -p tests --features own-dpdk -- --test-threads=2

# Several workers, and af_xdp among them: on a DPDK of our own that counts atomically.
test-atomic: setup
	@dpdk-build/build-dpdk.sh --atomic --prefix "$(ATOMIC_DPDK)" $(DPDK_SOURCE)
	$(ON_ATOMIC_DPDK) $(CARGO) build -p dataplane -p lab --bins
	$(ON_ATOMIC_DPDK) $(CARGO) test -p tests --features atomic-dpdk --test kernel -- --test-threads=2 workers:: af_xdp:: unstarted::

# libFuzzer on each target for FUZZ_SECONDS (60); crashes in target/fuzz/crashes.
fuzz:
	.ci/fuzz

fmt:
	$(CARGO) fmt --all -- --check

lint: setup fmt
	$(CARGO) clippy --workspace --all-targets --features tests/long,tests/atomic-dpdk,tests/systemd -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items
	shellcheck dpdk-build/setup.sh dpdk-build/build-dpdk.sh dpdk-build/mend-af-xdp.sh .ci/run .ci/test .ci/deny .ci/fuzz .ci/promtool .ci/schemathesis .ci/systemd-root

deny:
	.ci/deny

# Programs, units and examples of the settings. Builds nothing: `make && sudo make install`.
install:
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)/usr/lib/sysusers.d \
		$(DESTDIR)$(PREFIX)/share/manifold $(DESTDIR)/etc/manifold
	install -m 755 $(addprefix $(TARGET)/release/,manifold manifoldctl manifold-backend) $(DESTDIR)$(PREFIX)/bin
	for unit in manifold.service manifold-backend.service; do \
		sed 's,=/usr/bin/manifold,=$(PREFIX)/bin/manifold,' packaging/systemd/$$unit | \
			install -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; \
	done
	install -m 644 packaging/systemd/manifold.sysusers $(DESTDIR)/usr/lib/sysusers.d/manifold.conf
	install -m 644 packaging/manifold.toml $(DESTDIR)/etc/manifold/manifold.toml.example
	install -m 644 packaging/backend.toml $(DESTDIR)/etc/manifold/backend.toml.example
	install -m 644 packaging/prometheus/alerts.yml packaging/grafana/manifold.json $(DESTDIR)$(PREFIX)/share/manifold

# Builds before it measures: what the figures of our own DPDK need, and the control side's own benches. ONLY=b2,b6 picks.
bench: bench-ready build fast
	$(CARGO) bench --no-run -p igmp -p control --bench scale
	$(TARGET)/release/bench $(BENCH_ONLY)

# A few of the figures in less than two minutes.
bench-quick: bench-ready build
	$(TARGET)/release/bench --quick $(BENCH_ONLY)

# An ONLY that is empty is somebody's mistake.
BENCH_ONLY = $(if $(filter undefined,$(origin ONLY)),,--only='$(ONLY)')

# What a run would be refused for, before all that it takes is built.
bench-ready:
	@[ "$$(id -u)" = 0 ] || { echo "make bench: hugepages and network namespaces are root's;" \
		'run it as root, or as sudo -E env "PATH=$$PATH" make bench' >&2; exit 1; }
	@dpdk-build/setup.sh
	$(CARGO) build --release -p bench
	$(TARGET)/release/bench --check $(BENCH_ONLY)

# What a turn of each hot path costs in instructions, held to bench/guard/baseline.toml, 3 % either way, and what pieces
# cost beyond others, 5 %; then the same of what DPDK has a part in.
bench-guard: guard
	@$(TARGET)/release/guard
	@$(TARGET)/release/guard-dpdk

# Takes what it costs now as the new baseline.
bench-guard-accept: guard
	@$(TARGET)/release/guard --accept
	@$(TARGET)/release/guard-dpdk --accept

guard:
	@dpdk-build/setup.sh guard
	$(CARGO) build --release -p guard
	$(CARGO) build --release -p guard-dpdk

doc:
	$(CARGO) doc --workspace --no-deps --open

clean:
	$(CARGO) clean
