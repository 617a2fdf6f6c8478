# rundlet: plain make, no configure step.  `make help` lists the targets.
NAME := rundlet
VERSION := 0.1.0
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
ENGINEDIR ?= $(PREFIX)/share/rundlet/engines
# Where engines read drop-ins is theirs to say, whatever our prefix is.
SYSCONFDIR ?= /etc

# Each variant has its own folder below build/: STATIC=1, SAN=address,undefined, DEBUG=1, CC=clang.
comma := ,
VARIANT := $(if $(STATIC),static)$(if $(SAN),-san-$(subst $(comma),-,$(SAN)))$(if $(DEBUG),-debug)$(if $(filter clang%,$(notdir $(CC))),-clang)$(if $(FUZZ),-fuzz)$(if $(COVER),-cover)
BUILD ?= build$(if $(strip $(VARIANT)),/$(patsubst -%,%,$(strip $(VARIANT))))
PKG_CONFIG ?= pkg-config
V ?= 0
Q := $(if $(filter 0,$(V)),@)
# What is made is said, but for V=1 (make says more) and make -s.
SAYS := $(if $(findstring s,$(firstword -$(MAKEFLAGS))),,$(filter 0,$(V)))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wswitch-enum -Wformat=2 -Wundef \
	-Wpointer-arith -Wwrite-strings -Wno-missing-field-initializers $(if $(WERROR),-Werror)
# clang 14 and 15 take the zero initialisation only together with this word.
CLANG_ZERO := $(shell $(CC) -Werror -ftrivial-auto-var-init=zero -x c -c -o /dev/null - </dev/null 2>/dev/null || \
	echo -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fstack-clash-protection \
	-ftrivial-auto-var-init=zero $(if $(filter clang%,$(notdir $(CC))),$(CLANG_ZERO))
OPTIMISE := $(if $(DEBUG)$(SAN)$(COVER),-O1 -g3 -fno-omit-frame-pointer,-O2 -g)
ifneq ($(DEBUG)$(COVER),)
HARDEN := $(filter-out -D_FORTIFY_SOURCE=2,$(HARDEN))
endif
# Relative relocations in a bitmap: 0.15 ms of every start of a static program.  glibc knows them since 2.36.
RELR := $(if $(STATIC),$(shell printf '\043include <features.h>\n\043if __GLIBC__ > 2 || __GLIBC_MINOR__ > 35\nyes\n\043endif\n' | \
	$(CC) -E -P - 2>/dev/null | sed -n 's/^yes$$/-Wl,-z,pack-relative-relocs/p'))
override CPPFLAGS += -D_GNU_SOURCE -I. -DVERSION='"$(VERSION)"' -DCOMMIT='"$(COMMIT)"' -DPREFIX='"$(PREFIX)"'
override CFLAGS += -std=c11 $(OPTIMISE) $(WARN) $(HARDEN) -fPIE -fno-common -fno-strict-aliasing \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all) $(if $(COVER),--coverage)
override LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed \
	$(if $(SAN),-fsanitize=$(SAN)) $(if $(COVER),--coverage) $(if $(STATIC),-static-pie $(RELR))

# One door a library: yajl in specs/json_read.c and json_write.c, libseccomp in plan/seccomp.c, libcap in plan/caps.c,
# libmnl in netsetup/nl.c, libnftnl in netsetup/nft.c.  libyajl has no pkg-config file for its archive.
RUNDLET_LIBS := $(if $(STATIC),-lseccomp -lcap -lyajl_s,$(shell $(PKG_CONFIG) --libs libseccomp libcap yajl))
NETSETUP_LIBS := $(shell $(PKG_CONFIG) --libs libmnl libnftnl)

BASE_SRCS := $(wildcard specs/base/*.c)
SPECS_SRCS := $(wildcard specs/*.c)
STEPS_SRCS := $(wildcard runtime/steps/*.c)
INIT_SRCS := $(wildcard runtime/init/*.c)
RUNDLET_SRCS := $(BASE_SRCS) $(SPECS_SRCS) $(STEPS_SRCS) $(wildcard runtime/*.c runtime/plan/*.c runtime/host/*.c \
	runtime/container/*.c runtime/cli/*.c)
NETSETUP_SRCS := $(BASE_SRCS) $(addprefix specs/,json_read.c json_text.c json_write.c json_walk.c oci_state.c) \
	$(wildcard netsetup/*.c)
RUNDLET_OBJS := $(RUNDLET_SRCS:%.c=$(BUILD)/%.o)
# The program build/netsetup stands where the folder of its own objects would be.
NETSETUP_OBJS := $(patsubst $(BUILD)/netsetup/%,$(BUILD)/objects/netsetup/%,$(NETSETUP_SRCS:%.c=$(BUILD)/%.o))

# The image that the child runs between clone and execve: the steps linked once more, without libc, into one small
# static executable that rundlet carries inside itself (runtime/host/selfcopy.c embeds it).
INIT_OBJS := $(patsubst %.c,$(BUILD)/init/%.o,$(INIT_SRCS) $(STEPS_SRCS) specs/base/path.c)
INIT_CFLAGS := -std=c11 -Os $(WARN) -ffreestanding -fno-stack-protector -fno-pie -fno-pic -fno-builtin \
	-fno-asynchronous-unwind-tables -fno-common -fno-strict-aliasing -ffunction-sections -fdata-sections -fcf-protection=none
INIT_LDFLAGS := -static -nostdlib -nostartfiles $(if $(filter clang%,$(notdir $(CC))),,-no-pie) -Wl,--gc-sections,-z,noexecstack,-z,norelro,-z,noseparate-code,-z,max-page-size=4096,--build-id=none -s

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all bench bench-quick bench-cgroup bench-isolation bench-net help clean install install-engines uninstall

all: $(if $(STATIC),$(BUILD)/rundlet,$(BUILD)/rundlet $(BUILD)/netsetup) ## build rundlet and netsetup into build/ (STATIC=1, SAN=address,undefined, DEBUG=1: own folders)

$(BUILD)/rundlet: $(RUNDLET_OBJS)
	$(if $(SAYS),@echo "  LINK   $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(RUNDLET_LIBS)

$(BUILD)/netsetup: $(NETSETUP_OBJS)
	$(if $(SAYS),@echo "  LINK   $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(NETSETUP_LIBS) $(shell $(PKG_CONFIG) --libs yajl)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(SAYS),@echo "  CC     $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/objects/%.o: %.c
	@mkdir -p $(@D)
	$(if $(SAYS),@echo "  CC     $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/init/%.o: %.c
	@mkdir -p $(@D)
	$(if $(SAYS),@echo "  CC     $< (init)")
	$(Q)$(CC) -D_GNU_SOURCE -I. -DINIT_IMAGE=1 $(INIT_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/rundlet-init: $(INIT_OBJS)
	$(if $(SAYS),@echo "  LINK   $@")
	$(Q)$(CC) $(INIT_CFLAGS) $(INIT_LDFLAGS) -o $@ $^

$(BUILD)/runtime/host/selfcopy.o: override CPPFLAGS += -DINIT_FILE='"$(BUILD)/rundlet-init"'
$(BUILD)/runtime/host/selfcopy.o: $(BUILD)/rundlet-init

# The section of commands in the man page is printed by the program from its own option tables.
$(BUILD)/rundlet.8: runtime/rundlet.8.in $(BUILD)/rundlet
	@$(BUILD)/rundlet --man > $@.commands
	@sed -e '/^@COMMANDS@$$/{r $@.commands' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< > $@
	@rm -f $@.commands

install: all $(BUILD)/rundlet.8 install-engines ## install below PREFIX (default /usr/local) and DESTDIR
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(COMPLETIONDIR)
	install -m 755 $(BUILD)/rundlet $(DESTDIR)$(BINDIR)/rundlet
	install -m 644 $(BUILD)/rundlet.8 $(DESTDIR)$(MANDIR)/man8/rundlet.8
	$(BUILD)/rundlet --bash-completion > $(DESTDIR)$(COMPLETIONDIR)/rundlet
	$(if $(STATIC),,install -m 755 $(BUILD)/netsetup $(DESTDIR)$(BINDIR)/netsetup)
	$(if $(STATIC),,install -m 644 netsetup/netsetup.8 $(DESTDIR)$(MANDIR)/man8/netsetup.8)
	$(if $(STATIC),,$(BUILD)/netsetup --bash-completion > $(DESTDIR)$(COMPLETIONDIR)/netsetup)

# What makes engines find rundlet: every file as an example, and in place those that stand beside the owner's own.
DROP_INS := $(SYSCONFDIR)/containers/containers.conf.d/50-rundlet.conf $(SYSCONFDIR)/crio/crio.conf.d/50-rundlet.conf

install-engines: # part of install; alone for packages of their own
	install -d $(DESTDIR)$(ENGINEDIR) $(addprefix $(DESTDIR),$(dir $(DROP_INS)))
	set -e; for file in runtime/engines/*.in; do \
		sed -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@ENGINEDIR@|$(ENGINEDIR)|g' $$file > $(DESTDIR)$(ENGINEDIR)/$$(basename $$file .in); done
	install -m 644 $(DESTDIR)$(ENGINEDIR)/containers.conf $(DESTDIR)$(word 1,$(DROP_INS))
	install -m 644 $(DESTDIR)$(ENGINEDIR)/crio.conf $(DESTDIR)$(word 2,$(DROP_INS))

uninstall: ## remove what install put in place
	rm -rf $(DESTDIR)$(ENGINEDIR)
	rm -f $(addprefix $(DESTDIR),$(DROP_INS)) \
		$(addprefix $(DESTDIR)$(BINDIR)/,rundlet netsetup) $(addprefix $(DESTDIR)$(MANDIR)/man8/,rundlet.8 netsetup.8) \
		$(addprefix $(DESTDIR)$(COMPLETIONDIR)/,rundlet netsetup)

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

-include $(wildcard tests/tests.mk)

bench: all $(TEST_TOOLS) ## rundlet beside crun, runc and a bare program, every kind of work (as root; ROUNDS=50)
	@$(MAKE) --no-print-directory STATIC=1 BUILD=$(BUILD)/static all
	@BUILD=$(BUILD) tests/native.sh tests/bench/run.sh run filter exec life state load many
	@tests/vm/run.sh env BUILD=$(BUILD) OUT=/tmp/bench tests/bench/run.sh memory

bench-quick: all $(TEST_TOOLS) ## `run /bin/true` only, in less than a minute
	@$(MAKE) --no-print-directory STATIC=1 BUILD=$(BUILD)/static all
	@BUILD=$(BUILD) ROUNDS=$(or $(ROUNDS),30) tests/native.sh tests/bench/run.sh run

bench-isolation: all $(TEST_TOOLS) ## what isolation costs a program and how good it is, beside the host and the peers
	@set -e; for part in costs network walls; do BUILD=$(BUILD) tests/native.sh tests/bench/isolation.sh $$part; echo; done
	@tests/vm/run.sh --results $(BUILD)/bench-isolation env BUILD=$(BUILD) OUT=/run/results tests/bench/isolation.sh neighbours

bench-cgroup: all $(TEST_TOOLS) ## what cgroups cost: one of 1,000 containers; the calls of `create` beside crun's
	@BUILD=$(BUILD) tests/native.sh tests/bench/cgroup.sh many
	@tests/vm/run.sh env BUILD=$(BUILD) tests/bench/cgroup.sh calls

bench-net: all $(TEST_TOOLS) ## attach and detach by netsetup, the CNI plugins and netavark (ROUNDS=30 COUNT=1000)
	@BUILD=$(BUILD) tests/native.sh tests/bench/net.sh

-include $(shell find $(BUILD) -name real -prune -o -name '*.d' -type f -print 2>/dev/null)
