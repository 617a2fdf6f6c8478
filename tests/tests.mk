# The tests' own targets.  Results are TAP files in $(BUILD)/results/PLACE; the last line of `make check` sums them up.
TIDY_SRCS := $(sort $(RUNDLET_SRCS) $(NETSETUP_SRCS) $(INIT_SRCS))
UNIT_SRCS := $(wildcard tests/unit/*_test.c)
FUZZ_SRCS := $(wildcard tests/fuzz/*_fuzz.c)
TEST_TOOLS := $(BUILD)/tests/reaper $(BUILD)/tests/pty $(BUILD)/tests/probe $(BUILD)/tests/calls $(BUILD)/tests/flow
# A test that includes a header of netsetup is linked with netsetup's objects, every other one with rundlet's.
NETSETUP_TESTS := $(if $(UNIT_SRCS)$(FUZZ_SRCS),$(shell grep -l '"netsetup/' $(UNIT_SRCS) $(FUZZ_SRCS)))
UNIT_PROGRAMS := $(UNIT_SRCS:%.c=$(BUILD)/%)
FUZZ_PROGRAMS := $(FUZZ_SRCS:%.c=$(BUILD)/%)
# The programs of the spec's own judge, for tests/bats/validation.bats.
VALIDATION := $(if $(filter validation,$(or $(TESTS),validation)),$(BUILD)/real/validation)
# A minimal Debian for tests/bats/real.bats, and one with systemd: the root of a virtual machine and of a container.
REAL_ROOT := $(if $(filter real,$(or $(TESTS),real)),$(BUILD)/real/debian)
SYSTEMD_ROOT := $(if $(filter systemd,$(or $(VM_PLACES),systemd)),$(BUILD)/real/systemd)
FUZZ_TIME ?= 20
VM_LIMIT ?= 3000
# How far the analyzer of clang-tidy looks into a function: by default 225000 nodes, which takes four times as long.
TIDY_NODES ?= 60000
SUBMAKE = $(MAKE) --no-print-directory
export BUILD JOBS TESTS V VM_PLACES CONTROL

ifdef FUZZ
override CFLAGS += -fsanitize=fuzzer-no-link
endif

.PHONY: check unit golden golden-update bats engines vm-engines vm-check lint tidy fuzz fuzz-run cover cover-run fmt test-programs
.SECONDARY:

check: ## every test: lint, unit, golden, bats and engines here, then all but the engines again in the virtual machine; ends with the sum
	@rm -rf $(BUILD)/results
	@$(SUBMAKE) all test-programs
	-@$(SUBMAKE) lint
	-@$(SUBMAKE) unit
	-@$(SUBMAKE) golden
	-@$(SUBMAKE) bats
	-@$(SUBMAKE) engines
	-@$(SUBMAKE) vm-check
	@awk -f tests/tap_count.awk -v allowed=tests/allowed-skips $(BUILD)/results/*/*.tap

test-programs: $(TEST_TOOLS) $(UNIT_PROGRAMS)

unit: test-programs ## the unit tests, tests/unit/*_test.c (TESTS="json path": only these)
	@tests/suite.sh native unit

golden: $(BUILD)/rundlet ## the plan of every tests/golden/*.json must be the one beside it
	@tests/suite.sh native golden

golden-update: $(BUILD)/rundlet ## write the plans anew, for review with git diff
	@GOLDEN_UPDATE=1 tests/golden/run.sh

bats: all $(TEST_TOOLS) $(REAL_ROOT) $(VALIDATION) ## the bats tests on this machine, as root in namespaces of their own (TESTS="exec mounts")
	@tests/native.sh tests/suite.sh native bats

engines: all $(TEST_TOOLS) ## podman, buildah, Docker and containerd with rundlet, on this machine (TESTS="podman"; CONTROL=runc)
	@tests/native.sh tests/suite.sh native engines

vm-engines: all $(TEST_TOOLS) ## the same in the virtual machine, with every controller; not part of check
	@VM_PLACES=vm VM_SUITES=engines tests/vm/suites.sh $(VM_LIMIT)

# TESTS="..." as above; VM_PLACES="vm" or "systemd": only this one of the two machines.
vm-check: all test-programs $(REAL_ROOT) $(SYSTEMD_ROOT) ## all tests in virtual machines with a stock Debian kernel, plain and with systemd
	@tests/vm/suites.sh $(VM_LIMIT)

lint: all $(BUILD)/rundlet-init ## layers, sizes, child symbols, hardening, one door a library, shellcheck, clang-tidy
	@tests/tap.sh lint $(BUILD)/results/native/lint.tap tests/lint/run.sh

tidy: $(TIDY_SRCS:%.c=$(BUILD)/tidy/%.ok) # clang-tidy alone, which lint calls; what was clean is not looked at again

fuzz: ## the libFuzzer harnesses, tests/fuzz/*_fuzz.c, FUZZ_TIME=20 seconds each (TESTS="config": only these)
	@$(SUBMAKE) CC=clang FUZZ=1 SAN=address,undefined BUILD=$(BUILD)/fuzz fuzz-run

cover: ## the lines that unit, golden and (as root) bats tests reach, file by file
	@$(SUBMAKE) COVER=1 BUILD=$(BUILD)/cover cover-run

fmt: ## clang-format over all C files
	clang-format -i $(shell git ls-files '*.[ch]')

# Where it cannot be made, the tests that want it show the reason and fail.
$(BUILD)/real/debian:
	-@tests/real/debian.sh $@

$(BUILD)/real/validation: tests/real/validation/go.sum
	-@tests/real/validation.sh build $@

$(BUILD)/real/systemd: tests/packages-systemd
	-@tests/real/debian.sh $@ $<

# --- how they are built --------------------------------------------------------------------------------------------
# Archives, so that a test is linked with what it needs and not with the rest.
$(BUILD)/tests/rundlet.a: $(filter-out $(BUILD)/runtime/main.o,$(RUNDLET_OBJS))
$(BUILD)/tests/netsetup.a: $(filter-out %/netsetup/main.o,$(NETSETUP_OBJS))
$(BUILD)/tests/rundlet.a $(BUILD)/tests/netsetup.a:
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

TEST_ARCHIVE = $(BUILD)/tests/$(if $(filter $(1),$(NETSETUP_TESTS)),netsetup,rundlet).a

define TEST_PROGRAM
$(BUILD)/$(1:.c=): $(BUILD)/$(1:.c=.o) $(call TEST_ARCHIVE,$(1))
endef
$(foreach source,$(UNIT_SRCS) $(FUZZ_SRCS),$(eval $(call TEST_PROGRAM,$(source))))

$(BUILD)/tests/unit/%_test:
	$(if $(SAYS),@echo "  LINK   $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(RUNDLET_LIBS) $(NETSETUP_LIBS)

$(BUILD)/tests/fuzz/%_fuzz:
	$(if $(SAYS),@echo "  LINK   $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(RUNDLET_LIBS) $(NETSETUP_LIBS)

$(BUILD)/tests/reaper $(BUILD)/tests/pty $(BUILD)/tests/flow: $(BUILD)/tests/%: $(BUILD)/tests/%.o
	$(if $(SAYS),@echo "  LINK   $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $<

# They run in any root, so they are static, and never with the flags of sanitizers.
$(BUILD)/tests/probe $(BUILD)/tests/calls: $(BUILD)/tests/%: tests/probes/%.c
	@mkdir -p $(@D)
	$(if $(SAYS),@echo "  LINK   $@")
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) -static -o $@ $<

# The object stands for the headers that its source includes.
define TIDY
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(CPPFLAGS) -std=c11 -DINIT_FILE='"$(BUILD)/rundlet-init"' \
		-Xclang -analyzer-config -Xclang max-nodes=$(TIDY_NODES) \
		$(if $(filter %/err.c,$<),,-include tests/lint/model.h) 2>$@.err || \
		{ cat $@.err; exit 1; }
	@touch $@
endef

$(BUILD)/tidy/netsetup/%.ok: netsetup/%.c .clang-tidy $(BUILD)/objects/netsetup/%.o
	$(TIDY)

$(BUILD)/tidy/%.ok: %.c .clang-tidy $(BUILD)/%.o
	$(TIDY)

# --- inside their own build folder ---------------------------------------------------------------------------------
fuzz-run: $(FUZZ_PROGRAMS)
	@tests/fuzz.sh $(FUZZ_TIME) $(FUZZ_PROGRAMS)

cover-run: all test-programs
	@find $(BUILD) -name '*.gcda' -delete
	-@$(SUBMAKE) unit golden
	-@[ "$$(id -u)" != 0 ] || $(SUBMAKE) bats
	@tests/cover.sh $(BUILD)
