# SPDX-License-Identifier: GPL-2.0
#
# What people type; what the kernel's build system reads is in Kbuild.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

# The kernel that runs here, or one that vm/fetch knows.
KERNEL ?= host
FASTPATH ?=
DESTDIR ?=
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib

release := $(shell uname -r)
host_headers := $(wildcard /lib/modules/$(release)/build/Makefile)
variant := $(FASTPATH:%=-%)
# For a kernel for another processor; not as whoever builds kernels may have it set.
CROSS_COMPILE := $(if $(filter %-arm64,$(KERNEL)),aarch64-linux-gnu-)
export CROSS_COMPILE
compiler_set := $(if $(CROSS_COMPILE),arm64)
demo_kernel := $(if $(filter host,$(KERNEL)),6.1,$(KERNEL))

.DEFAULT_GOAL := default
.PHONY: default help module lib man examples demo check fuzz trinity check-all coverage model bench \
	check-arm64 check-watching lint programs install uninstall packages check-packages \
	check-signing check-systemd clean

ifneq ($(host_headers),)
default: module lib
else
default: help
	@echo
	@echo "There are no headers of the kernel that runs here ($(release)), so nothing was built."
endif

help:
	@echo 'make                      the module for the kernel that runs here, and the library'
	@echo 'make module KERNEL=K      the module for one of Debian'\''s kernels: build/K/vipc.ko;'
	@echo '                          K is 6.1, 6.12, 6.1-rt, 6.12-rt, one of those of'
	@echo '                          vm/build-kernel: debug, kcsan (-6.1); or, cross-compiled,'
	@echo '                          6.1-arm64, 6.12-arm64'
	@echo '  FASTPATH=generic        without assembly: build/K-generic/vipc.ko'
	@echo '  V=1                     show what kbuild prints'
	@echo 'make lib                  the library: build/lib/, and the manual pages:'
	@echo 'make man                  man -M build/man vipc_serve'
	@echo 'make demo                 show it, in a virtual machine (KERNEL=K: with that kernel)'
	@echo 'make check                all tests, in virtual machines'
	@echo 'make check-all            the same and the long ones, also on a real-time kernel and on'
	@echo '                          kernels that find races, leaks and deadlocks, built first'
	@echo 'make check-watching       what the manual says of perf, bpftrace, strace and lsof'
	@echo 'make check-arm64          the tests on emulated arm64 machines: half an hour'
	@echo 'make fuzz SECONDS=600     fuzz it with coverage as the guide, on an instrumented kernel'
	@echo 'make trinity SECONDS=300  let trinity loose on it'
	@echo 'make coverage             how much of the module the tests run: build/coverage/html'
	@echo 'make model                prove the protocol with spin, and that it finds mistakes'
	@echo 'make bench                measure vipc beside everything else, draw charts: build/bench/;'
	@echo '  UPDATE=1                also renew the figures in README.md and doc/'
	@echo 'make lint                 style, sparse, shellcheck, and no warning from any kernel'
	@echo 'make install, uninstall   module, libraries, programs, manual pages, and the rules that give'
	@echo '                          /dev/vipc to group vipc; DESTDIR, PREFIX (/usr/local), KERNEL'
	@echo 'make packages             Debian packages: build/packages/'
	@echo 'make check-packages       build, install, use, sign and remove these, in a Debian 12 of'
	@echo '                          their own'
	@echo 'make check-systemd        boot machines with systemd: is all there, does an endpoint survive?'
	@echo 'make check-signing        boot machines with Secure Boot, with the key enrolled and without'
	@echo 'make clean                remove build/'
	@echo
	@echo 'vm/run -- COMMAND         run something in a virtual machine that has the module;'
	@echo '                          see vm/run --help'

module:
	@vm/build-module $(KERNEL) $(FASTPATH)

# libvipc, and those that build upon it and need another one's library.
libraries := $(patsubst %/Makefile,%,lib/Makefile $(wildcard lib/*/Makefile))

lib: man
	@vm/setup build $(compiler_set)
	@$(MAKE) -C lib

# Where man finds them: many are links to others, which it looks for in man3/ and the like.
man:
	@for d in $(installed); do \
		$(MAKE) -s -C $$d install-man DESTDIR= MANDIR=$(CURDIR)/build/man || exit; \
	done

examples:
	@vm/setup build tools $(compiler_set)
	@$(MAKE) -C examples

demo: examples
	@FASTPATH=$(FASTPATH) vm/run --kernel $(demo_kernel) --smp 2 \
		$(patsubst %,--add %,$(wildcard examples/*.sh)) \
		$$(find build$(CROSS_COMPILE:%-=/%)/examples -maxdepth 1 -type f -executable -printf '--add %p ') \
		-- demo.sh

check:
	@vm/setup check
	@selftests/check

check-watching: examples
	@tools/check-watching

check-arm64:
	@vm/check-arm64

check-all:
	@vm/setup check kernel
	@vm/check-all

# SECONDS is bash's own, so it is not taken from the environment.
fuzz:
	@KERNEL=$(if $(filter file,$(origin KERNEL)),debug,$(KERNEL)) selftests/fuzz/run $(if $(filter command line,$(origin SECONDS)),$(SECONDS),600)

trinity:
	@selftests/fuzz/trinity $(if $(filter command line,$(origin SECONDS)),$(SECONDS),300)

coverage:
	@vm/coverage

model:
	@models/check

bench:
	@UPDATE=$(UPDATE) tools/run-bench

lint:
	@vm/lint

programs:
	@vm/setup tools
	@$(MAKE) -C tools

# Where a module belongs that is not the kernel's own.
module_release = $(if $(filter host,$(KERNEL)),$(release),$(shell vm/fetch release $(KERNEL)))
module_dir = /lib/modules/$(module_release)/updates

# What tells the system about it, where systemd and udev look below /usr and /usr/local.
system := udev/rules.d/60-vipc.rules modules-load.d/vipc.conf sysusers.d/vipc.conf

# The folders that the sub-makes and we install to. Those that were not there before are
# listed, so that they can go again.
folders = $(module_dir) $(LIBDIR)/pkgconfig $(addprefix $(PREFIX)/,bin include/linux \
	share/man/man1 share/man/man3 share/man/man4 share/man/man7 $(dir $(system:%=lib/%)))
list = $(PREFIX)/share/vipc/folders
installed := $(libraries) tools
destinations = DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)'

# What can be had without a module is told before that fails.
.PHONY: headers
headers:
	@[ '$(KERNEL)' != host ] || [ -n '$(host_headers)' ] || { \
		echo 'There are no headers of the kernel that runs here ($(release)), hence no module.'; \
		echo 'KERNEL=6.12 takes that one'\''s. Without any module:'; \
		echo '  for d in $(installed); do make -C $$d install$(DESTDIR:%= DESTDIR=%); done'; \
		exit 1; } >&2

install: headers module lib programs
	packaging/directories make '$(DESTDIR)' $(list) $(folders)
	install -m 644 build/$(KERNEL)$(variant)/vipc.ko $(DESTDIR)$(module_dir)/vipc.ko
	$(if $(DESTDIR),,depmod $(module_release))
	$(foreach d,$(installed),$(MAKE) -C $d install $(destinations) &&) :
	for file in $(system); do \
		install -m 644 packaging/$$file $(DESTDIR)$(PREFIX)/lib/$$file || exit; \
	done
	$(if $(DESTDIR),,-systemd-sysusers $(PREFIX)/lib/sysusers.d/vipc.conf)
	$(if $(DESTDIR),,-udevadm control --reload)

# Of every kernel, as the library goes for all of them. The group stays: a number that
# files may have must not be given to another one.
uninstall:
	for file in $(DESTDIR)/lib/modules/*/updates/vipc.ko; do \
		[ -f "$$file" ] || continue; \
		rm "$$file" || exit; \
		updates=$${file%/vipc.ko}; \
		$(if $(DESTDIR),:,depmod "$$(basename "$${updates%/*}")"); \
	done
	$(foreach d,$(installed),$(MAKE) -C $d uninstall $(destinations) &&) :
	rm -f $(system:%=$(DESTDIR)$(PREFIX)/lib/%)
	packaging/directories remove '$(DESTDIR)' $(list)
	$(if $(DESTDIR),,-udevadm control --reload)

packages:
	@packaging/build

check-packages:
	@vm/check-packages

check-systemd:
	@vm/check-systemd

check-signing:
	@vm/check-signing

clean:
	rm -rf build
