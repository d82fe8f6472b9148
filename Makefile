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

release := $(shell uname -r)
host_headers := $(wildcard /lib/modules/$(release)/build/Makefile)
variant := $(FASTPATH:%=-%)
demo_kernel := $(if $(filter host,$(KERNEL)),6.1,$(KERNEL))

.DEFAULT_GOAL := default
.PHONY: default help module lib examples demo check fuzz trinity check-all coverage model bench lint install uninstall clean

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
	@echo '                          K is 6.1, 6.12, 6.1-rt, 6.12-rt, or one of'
	@echo '                          those of vm/build-kernel: debug, kcsan (-6.1)'
	@echo '  FASTPATH=generic        without assembly: build/K-generic/vipc.ko'
	@echo '  V=1                     show what kbuild prints'
	@echo 'make lib                  the library: build/lib/'
	@echo 'make demo                 show it, in a virtual machine'
	@echo 'make check                all tests, in virtual machines'
	@echo 'make check-all            the same and the long ones, also on a real-time kernel and on'
	@echo '                          kernels that find races, leaks and deadlocks, built first'
	@echo 'make fuzz SECONDS=600     fuzz it with coverage as the guide, on an instrumented kernel'
	@echo 'make trinity SECONDS=300  let trinity loose on it'
	@echo 'make coverage             how much of the module the tests run: build/coverage/html'
	@echo 'make model                prove the protocol with spin, and that it finds mistakes'
	@echo 'make bench                measure vipc beside everything else, draw charts: build/bench/;'
	@echo '  UPDATE=1                also renew the figures in README.md and doc/'
	@echo 'make lint                 style, sparse, shellcheck, and no warning from any kernel'
	@echo 'make install, uninstall   module, library and manual pages; DESTDIR, PREFIX (/usr/local)'
	@echo 'make clean                remove build/'
	@echo
	@echo 'vm/run -- COMMAND         run something in a virtual machine that has the module;'
	@echo '                          see vm/run --help'

module:
	@vm/build-module $(KERNEL) $(FASTPATH)

lib:
	@vm/setup build
	@$(MAKE) -C lib

examples:
	@vm/setup build
	@$(MAKE) -C examples

demo: examples
	@FASTPATH=$(FASTPATH) vm/run --kernel $(demo_kernel) --smp 2 \
		$(patsubst %,--add %,$(wildcard examples/*.sh)) \
		$$(find build/examples -maxdepth 1 -type f -executable -printf '--add %p ') \
		-- demo.sh

check:
	@vm/setup check
	@selftests/check

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

# Where a module belongs that is not the kernel's own.
module_release = $(if $(filter host,$(KERNEL)),$(release),$(shell vm/fetch release $(KERNEL)))
module_dir = $(DESTDIR)/lib/modules/$(module_release)/updates

install: module lib
	install -D -m 644 build/$(KERNEL)$(variant)/vipc.ko $(module_dir)/vipc.ko
	$(if $(DESTDIR),,depmod $(module_release))
	$(MAKE) -C lib install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

uninstall:
	rm -f $(module_dir)/vipc.ko
	$(if $(DESTDIR),,depmod $(module_release))
	$(MAKE) -C lib uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

clean:
	rm -rf build
