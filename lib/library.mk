# SPDX-License-Identifier: MIT
#
# How a library is built and installed. A Makefile beside its sources says
#
#   HERE      its folder
#   NAME      libvipc or another
#   SOURCES   C files there
#   PUBLIC    headers that are installed; PRIVATE others that it depends on
#   LIBS      what it is linked with
#   UAPI      the kernel's header, where that is installed with it
#
# and has NAME.map, NAME.pc.in and man/ there. This gives
#
#   make            build/lib/NAME.a and NAME.so.0
#   make check      its headers in C and C++, its ABI, its manual pages
#   make install    to $(DESTDIR)$(PREFIX); LIBDIR for another lib folder
#   make install-man  the manual pages alone; MANDIR for another folder
#   make uninstall
#
# For another processor see cross.mk.

VERSION := 0.1.0
SONAME := $(NAME).so.0
REAL := $(NAME).so.$(VERSION)

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man

LIB := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
include $(LIB)/cross.mk
OUT := $(BUILD)/lib

CFLAGS ?= -O2 -g
override CFLAGS += -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wshadow -Werror -fPIC -pthread \
	-fvisibility=hidden

OBJECTS := $(SOURCES:%.c=$(OUT)/$(NAME)/%.o)
HEADERS := $(PUBLIC:%=$(HERE)/%) $(PRIVATE:%=$(HERE)/%) $(LIB)/vipc.h $(LIB)/../uapi/vipc.h
MANUALS := $(wildcard $(HERE)/man/*)
SECTIONS := $(sort $(subst .,,$(suffix $(MANUALS))))
# The manual pages of section $(1).
pages = $(filter %.$(1),$(MANUALS))

.PHONY: all check install install-man uninstall clean
all: $(OUT)/$(NAME).a $(OUT)/$(REAL)

$(OUT)/$(NAME):
	mkdir -p $@

$(OUT)/$(NAME)/%.o: $(HERE)/%.c $(HEADERS) $(HERE)/Makefile $(LIB)/library.mk | $(OUT)/$(NAME)
	$(CC) $(CFLAGS) $(LIBRARY_FLAGS) -c -o $@ $<

$(OUT)/$(NAME).a: $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(OUT)/$(REAL): $(OBJECTS) $(HERE)/$(NAME).map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs \
		-Wl,-z,relro,-z,now -Wl,--version-script=$(HERE)/$(NAME).map \
		-o $@ $(OBJECTS) $(LIBRARY_FLAGS) $(LIBS)
	ln -sf $(REAL) $(OUT)/$(SONAME)
	ln -sf $(SONAME) $(OUT)/$(NAME).so

check: all
	$(LIB)/check $(HERE) $(NAME) $(OUT) $(PUBLIC)

# In the tree headers find each other by where they are; installed, beside each other, and
# the kernel's under linux/.
install: all install-man
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)$(if $(UAPI),/linux)
	install -m 644 $(OUT)/$(NAME).a $(DESTDIR)$(LIBDIR)
	install -m 755 $(OUT)/$(REAL) $(DESTDIR)$(LIBDIR)
	ln -sf $(REAL) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/$(NAME).so
	for header in $(PUBLIC); do \
		sed 's|"../uapi/vipc.h"|<linux/vipc.h>|; s|"../vipc.h"|<vipc.h>|' $(HERE)/$$header \
			>$(DESTDIR)$(INCLUDEDIR)/$$header && \
		chmod 644 $(DESTDIR)$(INCLUDEDIR)/$$header || exit; \
	done
	$(if $(UAPI),install -m 644 $(UAPI) $(DESTDIR)$(INCLUDEDIR)/linux)
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' \
		$(HERE)/$(NAME).pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/$(NAME).pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/$(NAME).pc

install-man:
	install -d $(SECTIONS:%=$(DESTDIR)$(MANDIR)/man%)
	$(foreach n,$(SECTIONS),install -m 644 $(call pages,$n) $(DESTDIR)$(MANDIR)/man$n &&) :

uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(NAME).a $(REAL) $(SONAME) $(NAME).so \
		pkgconfig/$(NAME).pc) \
		$(addprefix $(DESTDIR)$(INCLUDEDIR)/,$(PUBLIC) $(if $(UAPI),linux/$(notdir $(UAPI)))) \
		$(foreach n,$(SECTIONS),$(addprefix $(DESTDIR)$(MANDIR)/man$n/,$(notdir \
			$(call pages,$n))))

clean:
	rm -rf $(OUT)/$(NAME) $(OUT)/$(NAME).*
