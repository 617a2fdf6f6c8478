/* The device filter is executed in a small interpreter and compared with the rules; the kernel's verifier takes it. */
#include "tests/unit/plan_case.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

struct access {
        uint32_t access_type, major, minor; /* struct bpf_cgroup_dev_ctx */
};

/* The instructions that the builder uses; anything else is -1.  64-bit registers, jumps compare all 64 bits. */
static int run(const struct plan *plan, const struct access *request) {
        const struct bpf_insn *at = plan->device_filter;
        uint64_t r[11] = { 0 };
        for (size_t pc = 0; pc < plan->device_filter_count; pc++) {
                const struct bpf_insn *i = &at[pc];
                uint64_t k = (uint64_t)(int64_t)i->imm;
                switch (i->code) {
                case BPF_LDX | BPF_MEM | BPF_W:
                        if (i->src_reg != BPF_REG_1 || (size_t)i->off > sizeof(*request) - 4)
                                return -1;
                        uint32_t word;
                        memcpy(&word, (const char *)request + i->off, sizeof(word));
                        r[i->dst_reg] = word;
                        break;
                case BPF_ALU | BPF_MOV | BPF_X:
                        r[i->dst_reg] = (uint32_t)r[i->src_reg];
                        break;
                case BPF_ALU64 | BPF_MOV | BPF_K:
                        r[i->dst_reg] = k;
                        break;
                case BPF_ALU | BPF_RSH | BPF_K:
                        r[i->dst_reg] = (uint32_t)r[i->dst_reg] >> k;
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        r[i->dst_reg] = (uint32_t)(r[i->dst_reg] & k);
                        break;
                case BPF_JMP | BPF_JA:
                        pc += (size_t)i->off;
                        break;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        pc += r[i->dst_reg] == k ? (size_t)i->off : 0;
                        break;
                case BPF_JMP | BPF_JNE | BPF_K:
                        pc += r[i->dst_reg] != k ? (size_t)i->off : 0;
                        break;
                case BPF_JMP | BPF_JSET | BPF_K:
                        pc += r[i->dst_reg] & k ? (size_t)i->off : 0;
                        break;
                case BPF_JMP | BPF_EXIT:
                        return (int)r[0];
                default:
                        return -1;
                }
        }
        return -1;
}

static const char letters[] = "mrw"; /* in the order of the kernel's bits */

/* -- the rules as the spec has them -- */
static bool rule_names(const struct oci_device_rule *rule, char type, int64_t major, int64_t minor, char letter) {
        return (!rule->type || *rule->type == 'a' || *rule->type == type) &&
               (!rule->major.set || rule->major.v == -1 || rule->major.v == major) &&
               (!rule->minor.set || rule->minor.v == -1 || rule->minor.v == minor) &&
               (!rule->access || strchr(rule->access, letter));
}

static bool is_always(char type, int64_t major, int64_t minor, char letter) {
        static const int64_t memory[] = { 3, 5, 7, 8, 9 };
        if (letter == 'm')
                return true;
        if (type != 'c')
                return false;
        for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
                if (major == 1 && minor == memory[i])
                        return true;
        return major == 136 || (major == 5 && (minor == 0 || minor == 2));
}

static bool is_allowed(const struct oci_resources *res, char type, int64_t major, int64_t minor, unsigned access) {
        for (unsigned bit = 0; bit < 3; bit++) {
                bool allow = false;
                for (size_t i = 0; i < res->devices.n; i++)
                        if (rule_names(&res->devices.at[i], type, major, minor, letters[bit]))
                                allow = res->devices.at[i].allow;
                if (access & 1u << bit && !allow && !is_always(type, major, minor, letters[bit]))
                        return false;
        }
        return true;
}

static uint64_t random_state = 0x2545f4914f6cdd1d;

static uint32_t random_below(uint32_t n) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t)(random_state >> 33) % n;
}

static const int64_t majors[] = { 1, 5, 8, 10, 136, 4095 }, minors[] = { 0, 1, 2, 3, 5, 200, 1048575 };

static struct opt_i64 random_number(const int64_t *values, uint32_t n) {
        uint32_t i = random_below(n + 2);
        return i == n  ? (struct opt_i64){ true, -1 }
               : i > n ? (struct opt_i64){ 0 }
                       : (struct opt_i64){ true, values[i] };
}

static void make_random(struct oci_resources *res, struct oci_device_rule *rules) {
        static const char *const types[] = { "a", "b", "c", NULL, "c" };
        static const char *const accesses[] = { "r", "w", "m", "rw", "rm", "wm", "rwm", NULL };
        res->devices.at = rules;
        res->devices.n = 1 + random_below(8);
        for (size_t i = 0; i < res->devices.n; i++) {
                rules[i] = (struct oci_device_rule){
                        .allow = random_below(2),
                        .type = types[random_below(5)],
                        .access = accesses[random_below(8)],
                        .major = random_number(majors, 6),
                        .minor = random_number(minors, 7),
                };
        }
}

static int ask(const struct plan *plan, char type, int64_t major, int64_t minor, unsigned access) {
        struct access request = { access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
                                  (uint32_t)major, (uint32_t)minor };
        return plan->device_filter ? run(plan, &request) : 1;
}

static void test_random(void) {
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        struct oci_device_rule rules[8];
        struct oci_resources res = { 0 };
        size_t wrong = 0, allowed = 0;
        struct plan plan;
        b->config->linux_->resources = &res;
        for (int round = 0; round < 100000; round++) {
                if (round % 1000 == 0) {
                        arena_reset();
                        b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
                        b->config->linux_->resources = &res;
                }
                make_random(&res, rules);
                plan = (struct plan){ 0 };
                b->plan = &plan;
                if (plan_devfilter(b) < 0)
                        wrong++;
                for (int i = 0; i < 20; i++) {
                        char type = random_below(2) ? 'c' : 'b';
                        int64_t major = majors[random_below(6)], minor = minors[random_below(7)];
                        unsigned access = 1 + random_below(7);
                        bool want = is_allowed(&res, type, major, minor, access);
                        int got = ask(&plan, type, major, minor, access);
                        allowed += want;
                        if (got != want && wrong++ < 5)
                                printf("# round %d: %c %lld:%lld access %u: got %d, want %d\n", round, type,
                                       (long long)major, (long long)minor, access, got, want);
                }
        }
        CHECK_INT(wrong, 0);
        CHECK(allowed > 200000 && allowed < 1800000);
}

#define DENY_ALL       "{\"allow\":false,\"access\":\"rwm\"}"
#define DEVICES(rules) "\"resources\":{\"devices\":[" rules "]}"

static void test_table(void) {
        static const struct {
                const char *linux_;
                char type;
                int64_t major, minor;
                unsigned access;
                int want;
        } rows[] = {
                { DEVICES(DENY_ALL), 'c', 1, 3, 7, 1 },
                { DEVICES(DENY_ALL), 'c', 1, 1, BPF_DEVCG_ACC_READ, 0 },
                { DEVICES(DENY_ALL), 'b', 8, 0, BPF_DEVCG_ACC_READ, 0 },
                { DEVICES(DENY_ALL), 'b', 8, 0, BPF_DEVCG_ACC_MKNOD, 1 },
                { DEVICES(DENY_ALL), 'c', 136, 77, 6, 1 },
                { DEVICES(DENY_ALL), 'c', 5, 1, 6, 0 },
                { DEVICES(DENY_ALL), 'c', 10, 200, 6, 0 },
                { DEVICES(DENY_ALL ",{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"r\"},"
                                   "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"w\"}"),
                  'c', 10, 229, 6, 1 },
                { DEVICES(DENY_ALL ",{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229}"), 'b', 10, 229, 6, 0 },
                { DEVICES("{\"allow\":true},{\"allow\":false,\"type\":\"b\"}"), 'b', 8, 0, 2, 0 },
                { DEVICES("{\"allow\":true},{\"allow\":false,\"type\":\"b\"}"), 'c', 9, 9, 7, 1 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b =
                        plan_case_build(&(struct plan_case){ .process = USER(0, 0), .linux_ = rows[i].linux_ });
                CHECK(plan_devfilter(b) == 0);
                CHECK_INT(ask(b->plan, rows[i].type, rows[i].major, rows[i].minor, rows[i].access), rows[i].want);
        }
        static const char *const none[] = { DEVICES(""), "", DEVICES("{\"allow\":true,\"access\":\"rwm\"}"),
                                            DEVICES(DENY_ALL ",{\"allow\":true,\"type\":\"a\"}") };
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
                struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0), .linux_ = none[i] });
                CHECK(plan_devfilter(b) == 0 && !b->plan->device_filter && !b->plan->device_filter_count);
        }
}

/* Only root may ask the verifier, which follows every way through the program: thousands of rules must not make more
 * ways than it has patience for. */
static void test_live(void) {
        static const size_t counts[] = { 1, 50, 200, 7000 };
        struct oci_device_rule *rules = arena_array(7000, sizeof(*rules));
        for (size_t i = 0; i < 7000; i++)
                rules[i] = (struct oci_device_rule){ .allow = i % 3 != 0,
                                                     .type = i % 2 ? "c" : "b",
                                                     .major = { true, (int64_t)i },
                                                     .minor = { i % 5 != 0, 7 },
                                                     .access = i % 4 ? "rw" : NULL };
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
                struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
                struct oci_resources res = { .devices = { rules, counts[i] } };
                b->config->linux_->resources = &res;
                CHECK(plan_devfilter(b) == 0 && b->plan->device_filter_count > 0);
                if (geteuid() != 0) {
                        printf("ok %d - the verifier takes %zu rules # SKIP not root\n", ++test_count, counts[i]);
                        continue;
                }
                union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                                        .insns = (uintptr_t)b->plan->device_filter,
                                        .insn_cnt = (uint32_t)b->plan->device_filter_count,
                                        .license = (uintptr_t) "GPL" };
                long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
                CHECK_ROW(fd >= 0, str_format("the verifier takes %zu rules, %zu instructions", counts[i],
                                              b->plan->device_filter_count));
                if (fd >= 0)
                        close((int)fd);
        }
}

int main(void) {
        test_table();
        test_live();
        test_random();
        return test_done();
}
