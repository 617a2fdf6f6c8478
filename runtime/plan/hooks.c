/* Hooks that run in the child, and the barrier for those that run in the parent.  Parent side; pure.
 * Spec: config.md "POSIX-platform Hooks". */
#include "runtime/plan/plan.h"

#include "specs/base/err.h"

/* A hook gets exactly its own list of arguments and environment; without arguments, its path as argv[0]. */
static void add_hooks(struct build *b, const char *list, const struct oci_hook *hooks, size_t count) {
        for (size_t i = 0; i < count; i++) {
                struct strv args = hooks[i].args;
                if (!args.n)
                        strv_add(&args, hooks[i].path);
                struct hook_data data = {
                        .args = plan_strings(b->plan, &args),
                        .env = plan_strings(b->plan, &hooks[i].env),
                };
                b->plan->place = str_format("hooks.%s[%zu]", list, i);
                plan_add(b->plan, LANE_CHILD, STEP_HOOK, .a = plan_text(b->plan, hooks[i].path),
                         .b = plan_bytes(b->plan, &data, sizeof(data), _Alignof(struct hook_data)),
                         .more = hooks[i].timeout.set ? (uint64_t)hooks[i].timeout.v * 1000 : 0);
        }
}

int plan_hooks(struct build *b) {
        const struct oci_hooks *hooks = b->config->hooks;
        bool has_hooks = hooks && (hooks->prestart.n || hooks->create_runtime.n || hooks->create_container.n);
        int r = plan_net_devices(b);
        if (r < 0)
                return r;
        /* Network devices are moved there too: the network namespace is made or joined by then. */
        if (has_hooks || b->plan->net_devices.n) {
                /* The state of createContainer hooks needs the pid, which is in SLOT_STATE from the barrier on. */
                b->plan->place = has_hooks ? "hooks" : "linux.netDevices";
                b->plan->has_hooks_barrier = true;
                plan_add(b->plan, LANE_CHILD, STEP_SEND, .flags = MESSAGE_HOOKS);
                plan_add(b->plan, LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_GO);
        }
        if (hooks)
                add_hooks(b, "createContainer", hooks->create_container.at, hooks->create_container.n);
        return 0;
}

int plan_hooks_start(struct build *b) {
        if (b->config->hooks)
                add_hooks(b, "startContainer", b->config->hooks->start_container.at,
                          b->config->hooks->start_container.n);
        return 0;
}
