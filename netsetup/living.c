#include "netsetup/living.h"
#include "netsetup/tag.h"

#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <errno.h>

void living_close(struct living *living) {
        nl_closep(&living->host);
        living->attached = fd_close(living->attached);
        living->lock = fd_close(living->lock);
        living->root = fd_close(living->root);
}

static int find(const struct net_request *request, struct living *living) {
        struct net_records all;
        const char *boot = NULL;
        size_t n = 0;
        int r = record_boot(&boot);
        if (r < 0 || (r = record_list_of(living->attached, request->id, &all)) < 0)
                return r;
        for (size_t i = 0; i < all.records.n; i++) {
                const struct net_record *record = &all.records.at[i];
                if (!str_eq(record->boot, boot) ||
                    (request->interface && !str_eq(record->policy.interface, request->interface)))
                        continue;
                living->record = *record;
                n++;
        }
        if (n > 1)
                return fail_words(EINVAL, "it has %zu interfaces: say which (--ifname)", n);
        if (n == 1)
                r = link_get(&living->host, living->record.policy.link, &living->link);
        if (n == 0 || r == -ENODEV || (r == 0 && !tag_is_of(living->link.alias, request->id, NULL)))
                return fail_words(ENODEV, "not attached");
        return r;
}

int living_open(const struct net_request *request, struct living *ret) {
        int r = net_lock(request->root, &ret->root, &ret->lock);
        if (r < 0 || (r = record_folder(ret->root, "attached", &ret->attached)) < 0 || (r = nl_open(&ret->host)) < 0)
                return r;
        return find(request, ret);
}

void living_say(struct living *living, struct net_result *result) {
        const struct net_policy *policy = &living->record.policy;
        struct net_link *out = net_describe(&living->host, &living->link, policy->id, result);
        net_recall(out, &living->record);
        err_clear();
}
