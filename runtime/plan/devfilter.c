/* Device rules -> a BPF program for BPF_PROG_TYPE_CGROUP_DEVICE.  Parent side; pure.
 * Spec: config-linux.md "Allowed Device list"; kernel: bpf_cgroup_dev_ctx.
 *
 * Rules speak in order and the last word counts, for reading, writing and mknod each on its own: an access is allowed
 * when every part of it is.  What no rule names is denied.  The devices that every container has, and mknod (a node is
 * nothing before it is opened), are allowed after all rules of the config, as engines expect.  Without rules, or when
 * the last rule allows everything, there is no program. */
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"

#include <linux/bpf.h>
#include <string.h>

#define ACCESS_ALL         (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)
#define RULE_INSTRUCTIONS  10 /* at most */
#define FRAME_INSTRUCTIONS 8

struct rule {
        bool allow;
        int type;             /* BPF_DEVCG_DEV_x, 0: both */
        int64_t major, minor; /* -1: any; the tables keep them within 20 bits */
        int access;           /* BPF_DEVCG_ACC_x */
};

#define ALWAYS(dev_type, dev_major, dev_minor, dev_access)                                                             \
        { true, BPF_DEVCG_DEV_##dev_type, dev_major, dev_minor, dev_access }
static const struct rule always[] = {
        ALWAYS(CHAR, -1, -1, BPF_DEVCG_ACC_MKNOD),
        ALWAYS(BLOCK, -1, -1, BPF_DEVCG_ACC_MKNOD),
        ALWAYS(CHAR, 1, 3, ACCESS_ALL),    /* null */
        ALWAYS(CHAR, 1, 5, ACCESS_ALL),    /* zero */
        ALWAYS(CHAR, 1, 7, ACCESS_ALL),    /* full */
        ALWAYS(CHAR, 1, 8, ACCESS_ALL),    /* random */
        ALWAYS(CHAR, 1, 9, ACCESS_ALL),    /* urandom */
        ALWAYS(CHAR, 5, 0, ACCESS_ALL),    /* tty */
        ALWAYS(CHAR, 5, 2, ACCESS_ALL),    /* ptmx */
        ALWAYS(CHAR, 136, -1, ACCESS_ALL), /* pts: the console is one of them */
};
#define ALWAYS_COUNT (sizeof(always) / sizeof(always[0]))

static int access_bits(const char *letters) {
        int bits = 0;
        if (!letters || !*letters)
                return ACCESS_ALL;
        for (const char *l = letters; *l; l++)
                bits |= *l == 'r' ? BPF_DEVCG_ACC_READ : *l == 'w' ? BPF_DEVCG_ACC_WRITE : BPF_DEVCG_ACC_MKNOD;
        return bits;
}

static struct rule rule_of(const struct oci_device_rule *r) {
        char type = r->type && *r->type ? *r->type : 'a';
        return (struct rule){
                .allow = r->allow,
                .type = type == 'b'   ? BPF_DEVCG_DEV_BLOCK
                        : type == 'a' ? 0
                                      : BPF_DEVCG_DEV_CHAR,
                .major = r->major.set ? r->major.v : -1,
                .minor = r->minor.set ? r->minor.v : -1,
                .access = access_bits(r->access),
        };
}

static bool is_everything(const struct rule *r) {
        return !r->type && r->major < 0 && r->minor < 0 && r->access == ACCESS_ALL;
}

struct program {
        struct bpf_insn *at;
        size_t n;
};

#define INSTRUCTION(c, dst, jump, number)                                                                              \
        (struct bpf_insn) {                                                                                            \
                .code = (c), .dst_reg = (dst), .off = (int16_t)(jump), .imm = (number)                                 \
        }

enum {
        RESULT = BPF_REG_0,
        CONTEXT = BPF_REG_1,
        TYPE = BPF_REG_2,
        WANTED = BPF_REG_3,
        MAJOR = BPF_REG_4,
        MINOR = BPF_REG_5
};

static void emit(struct program *p, struct bpf_insn instruction) {
        p->at[p->n++] = instruction;
}

static void emit_load(struct program *p, uint8_t reg, size_t offset) {
        struct bpf_insn load = INSTRUCTION(BPF_LDX | BPF_MEM | BPF_W, reg, offset, 0);
        load.src_reg = CONTEXT;
        emit(p, load);
}

static void emit_answer(struct program *p, bool allow) {
        emit(p, INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, allow));
        emit(p, INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0));
}

/* What is denied ends the walk; what is allowed is no longer wanted, and when nothing is wanted any more all was
 * allowed.
 *
 * The kernel's verifier follows first what happens without a jump, and gives up after a million instructions.  So a
 * rule that does not match goes on without one: the walk past all rules is known when those with a match come to be
 * looked at, and they add nothing to it.  The other way round each match would be followed through all rules that come
 * after, and some hundred rules would be the end. */
static void emit_rule(struct program *p, const struct rule *r) {
        struct bpf_insn *skips[3];
        size_t count = 0;
        const struct {
                bool is_tested;
                uint8_t reg;
                int64_t value;
        } tests[] = {
                { r->type != 0, TYPE, r->type },
                { r->major >= 0, MAJOR, r->major },
                { r->minor >= 0, MINOR, r->minor },
        };
        for (size_t i = 0; i < 3; i++)
                if (tests[i].is_tested) {
                        emit(p, INSTRUCTION(BPF_JMP | BPF_JEQ | BPF_K, tests[i].reg, 1, (int32_t)tests[i].value));
                        skips[count++] = &p->at[p->n];
                        emit(p, INSTRUCTION(BPF_JMP | BPF_JA, 0, 0, 0));
                }
        if (r->access != ACCESS_ALL && r->allow) {
                emit(p, INSTRUCTION(BPF_ALU | BPF_AND | BPF_K, WANTED, 0, ~r->access));
                emit(p, INSTRUCTION(BPF_JMP | BPF_JNE | BPF_K, WANTED, 2, 0));
        } else if (r->access != ACCESS_ALL) {
                emit(p, INSTRUCTION(BPF_JMP | BPF_JSET | BPF_K, WANTED, 1, r->access));
                emit(p, INSTRUCTION(BPF_JMP | BPF_JA, 0, 2, 0));
        }
        emit_answer(p, r->allow);
        for (size_t i = 0; i < count; i++)
                skips[i]->off = (int16_t)(&p->at[p->n] - skips[i] - 1);
}

int plan_devfilter(struct build *b) {
        const struct oci_resources *res = b->config->linux_ ? b->config->linux_->resources : NULL;
        size_t count = res ? res->devices.n : 0, first = 0;
        bool allow_rest = false;
        if (!count)
                return 0;
        struct rule *rules = arena_array(count + ALWAYS_COUNT, sizeof(*rules));
        for (size_t i = 0; i < count; i++) {
                rules[i] = rule_of(&res->devices.at[i]);
                if (is_everything(&rules[i])) {
                        first = i + 1;
                        allow_rest = rules[i].allow;
                }
        }
        if (allow_rest && first == count)
                return 0;
        memcpy(rules + count, always, sizeof(always));
        count += ALWAYS_COUNT;

        struct program p = { .at = arena_array(FRAME_INSTRUCTIONS + RULE_INSTRUCTIONS * (count - first),
                                               sizeof(*p.at)) };
        emit_load(&p, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
        emit_load(&p, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
        emit_load(&p, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
        struct bpf_insn copy = INSTRUCTION(BPF_ALU | BPF_MOV | BPF_X, WANTED, 0, 0);
        copy.src_reg = TYPE;
        emit(&p, copy);
        emit(&p, INSTRUCTION(BPF_ALU | BPF_RSH | BPF_K, WANTED, 0, 16)); /* access << 16 | type */
        emit(&p, INSTRUCTION(BPF_ALU | BPF_AND | BPF_K, TYPE, 0, 0xffff));
        for (size_t i = count; i-- > first;)
                emit_rule(&p, &rules[i]);
        emit_answer(&p, allow_rest);
        b->plan->device_filter = p.at;
        b->plan->device_filter_count = p.n;
        return 0;
}
