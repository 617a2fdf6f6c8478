#include "runtime/steps/table.h"

#include <sys/mman.h>

/* fills: the step leaves a new fd in its slot `into`; when it fails and that is tolerated the slot must be empty, not
 * hold the fd of an earlier step. */
static const struct {
        const char *name;
        step_function *run;
        bool fills;
} kinds[STEP_KINDS] = {
        [STEP_OPEN] = { "open", step_open, true },
        [STEP_CLOSE] = { "close", step_close, false },
        [STEP_TREE] = { "tree", step_tree, true },
        [STEP_FS] = { "mount", step_fs, true },
        [STEP_OVERLAY_OLD] = { "overlay", step_overlay_old, true },
        [STEP_ATTR] = { "attributes", step_attr, false },
        [STEP_IDMAP] = { "idmap", step_idmap, false },
        [STEP_TARGET] = { "target", step_target, true },
        [STEP_ATTACH] = { "attach", step_attach, false },
        [STEP_DETACH] = { "detach", step_detach, false },
        [STEP_COPYUP] = { "copyup", step_copyup, false },
        [STEP_MASK] = { "mask", step_mask, false },
        [STEP_READONLY] = { "readonly", step_readonly, false },
        [STEP_NODE] = { "node", step_node, false },
        [STEP_LINK] = { "link", step_link, false },
        [STEP_WRITE] = { "write", step_write, false },
        [STEP_PIVOT] = { "pivot", step_pivot, false },
        [STEP_MOVE_ROOT] = { "move-root", step_move_root, false },
        [STEP_CHROOT] = { "chroot", step_chroot, false },
        [STEP_SETNS] = { "setns", step_setns, false },
        [STEP_UNSHARE] = { "unshare", step_unshare, false },
        [STEP_HOSTNAME] = { "hostname", step_hostname, false },
        [STEP_DOMAINNAME] = { "domainname", step_domainname, false },
        [STEP_LOOPBACK] = { "loopback", step_loopback, false },
        [STEP_FORK] = { "fork", step_fork, false },
        [STEP_SEND] = { "send", step_send, false },
        [STEP_AWAIT] = { "await", step_await, false },
        [STEP_START] = { "start", step_start, false },
        [STEP_HOOK] = { "hook", step_hook, false },
        [STEP_GUARD] = { "guard", step_guard, false },
        [STEP_KEYRING] = { "keyring", step_keyring, false },
        [STEP_SESSION] = { "session", step_session, false },
        [STEP_PTY] = { "pty", step_pty, true },
        [STEP_CONSOLE] = { "console", step_console, false },
        [STEP_STDIO] = { "stdio", step_stdio, false },
        [STEP_UMASK] = { "umask", step_umask, false },
        [STEP_RLIMIT] = { "rlimit", step_rlimit, false },
        [STEP_SCHED] = { "scheduler", step_sched, false },
        [STEP_IOPRIO] = { "ioprio", step_ioprio, false },
        [STEP_AFFINITY] = { "affinity", step_affinity, false },
        [STEP_MEMPOLICY] = { "mempolicy", step_mempolicy, false },
        [STEP_PERSONALITY] = { "personality", step_personality, false },
        [STEP_LABEL] = { "label", step_label, false },
        [STEP_RELABEL] = { "relabel", step_relabel, false },
        [STEP_RULESET] = { "ruleset", step_ruleset, true },
        [STEP_RULE] = { "rule", step_rule, false },
        [STEP_RESTRICT] = { "restrict", step_restrict, false },
        [STEP_CORE] = { "core-scheduling", step_core, false },
        [STEP_GROUPS] = { "groups", step_groups, false },
        [STEP_IDS] = { "ids", step_ids, false },
        [STEP_BOUNDS] = { "bounds", step_bounds, false },
        [STEP_CAPS] = { "capabilities", step_caps, false },
        [STEP_NNP] = { "no-new-privileges", step_nnp, false },
        [STEP_SECCOMP] = { "seccomp", step_seccomp, false },
        [STEP_CWD] = { "cwd", step_cwd, false },
        [STEP_FIND] = { "find", step_find, false },
        [STEP_FDS] = { "fds", step_fds, false },
        [STEP_EXEC] = { "exec", step_exec, false },
};

static int run_step(const struct step *step, struct context *context) {
        int r = step->kind < STEP_KINDS && kinds[step->kind].run ? kinds[step->kind].run(step, context) : -ENOSYS;
        if (r < 0 && -r == step->tolerate)
                r = kinds[step->kind].fills ? slot_put(context, step->into, -1) : 0;
        if (step->kind != STEP_NODE && step->kind != STEP_LINK)
                folder_forget(context);
        return r;
}

int steps_run(const struct lane *lane, struct context *context, size_t *ret_step) {
        int r = 0;
        context->data = lane->data;
        context->is_null_set = false;
        for (size_t i = 0; i < lane->count && r >= 0; i++) {
                r = run_step(&lane->at[i], context);
                if (r < 0)
                        *ret_step = i;
        }
        folder_forget(context);
        return r;
}

const char *step_name(enum step_kind kind) {
        return kind < STEP_KINDS && kinds[kind].name ? kinds[kind].name : "step";
}

int slot_put(struct context *context, int slot, int fd) {
        if (slot < 0 || slot >= SLOT_MAX) {
                sys_closep(&fd);
                return -EBADF;
        }
        if (context->slot[slot] != fd)
                sys_closep(&context->slot[slot]);
        context->slot[slot] = fd;
        return 0;
}

const char *const *step_strings(const struct context *context, uint32_t at) {
        const uint32_t *list = (const void *)(context->data + at);
        size_t count = at ? list[0] : 0;
        long memory = sys_mmap(NULL, (count + 1) * sizeof(char *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                               -1, 0);
        if (memory < 0 && memory > -4096)
                return NULL;
        const char **strings = (const char **)memory; /* zeroed: the NULL at the end is there */
        for (size_t i = 0; i < count; i++)
                strings[i] = step_text(context, list[1 + i]);
        return strings;
}
