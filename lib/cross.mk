# SPDX-License-Identifier: MIT
#
# CROSS_COMPILE=aarch64-linux-gnu- builds for another processor: then all of it is in
# build/aarch64-linux-gnu/ instead of build/. Sets BUILD, CC and AR; and LIBRARY_FLAGS to
# where the libraries for it are that this project's programs are linked with: looked up
# when it is needed first, and then not again.

BUILD := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/../build$(patsubst %-,/%,$(notdir $(CROSS_COMPILE))))

ifdef CROSS_COMPILE
CC := $(CROSS_COMPILE)gcc
AR := $(CROSS_COMPILE)ar
cross_libraries = $(eval cross_libraries := $$(shell $(dir $(BUILD))../vm/fetch libraries-arm64))$(cross_libraries)
LIBRARY_FLAGS = -isystem $(cross_libraries)/usr/include -L$(cross_libraries)/usr/lib/aarch64-linux-gnu
endif
