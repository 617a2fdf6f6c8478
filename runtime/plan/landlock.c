/* Landlock: what the container's processes may do with files, ports and their neighbours, whoever they are.  Parent
 * side; pure.  The annotation org.rundlet.landlock is a JSON object:
 *
 *   ro, rx, rw, rwx  lists of paths in the container: read; read and execute; read, write, make and remove; all of it.
 *                    With any of them, what no list names can be neither read nor written nor executed.
 *   bind, connect    lists of TCP ports; every other one is refused
 *   scope            "signal", "abstract-unix-socket": only processes confined together with the caller are reached
 *   mode             "strict" (default): an error where the kernel cannot; "best-effort": a warning
 *
 * Paths are opened while the root is still privileged, so that mistakes end `create`; the ruleset holds after
 * no_new_privs, which it needs, and before the filter, which may deny its calls. */
#include "runtime/steps/landlock.h"
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define NAME      "org.rundlet.landlock"
#define PLACE     "annotations[\"" NAME "\"]"
#define RULES_MAX 1024
#define PORT_MAX  65535

#define READS (RIGHT_READ_FILE | RIGHT_READ_FOLDER)
#define WRITES                                                                                                         \
        (RIGHT_WRITE_FILE | RIGHT_REMOVE_FOLDER | RIGHT_REMOVE_FILE | RIGHT_MAKE_FOLDER | RIGHT_MAKE_FILE |            \
         RIGHT_MAKE_SOCKET | RIGHT_MAKE_FIFO | RIGHT_MAKE_LINK | RIGHT_REFER | RIGHT_TRUNCATE | RIGHT_IOCTL)
#define ALL (READS | WRITES | RIGHT_EXECUTE | RIGHT_MAKE_CHAR | RIGHT_MAKE_BLOCK)

struct landlock {
        struct strv ro, rx, rw, rwx, scope;
        struct u32v bind, connect;
        const char *mode;
};

static const struct json_field landlock_fields[] = {
        FIELD(landlock, "ro", ro),
        FIELD(landlock, "rx", rx),
        FIELD(landlock, "rw", rw),
        FIELD(landlock, "rwx", rwx),
        FIELD(landlock, "bind", bind, .max = PORT_MAX),
        FIELD(landlock, "connect", connect, .max = PORT_MAX),
        FIELD(landlock, "scope", scope),
        FIELD(landlock, "mode", mode),
};
static TYPE(landlock);

/* The same, for what the lists do not tell: which of them are there. */
struct given {
        struct json_raw ro, rx, rw, rwx, scope, bind, connect, mode;
};

static const struct json_field given_fields[] = {
        FIELD(given, "ro", ro),       FIELD(given, "rx", rx),     FIELD(given, "rw", rw),
        FIELD(given, "rwx", rwx),     FIELD(given, "bind", bind), FIELD(given, "connect", connect),
        FIELD(given, "scope", scope), FIELD(given, "mode", mode),
};
static TYPE(given);

/* What is to be confined, before and after the kernel was asked. */
struct wanted {
        struct landlock lists;
        struct given given;
        struct landlock_ruleset handled;
        bool is_best_effort;
};

static const struct name scopes[] = {
        { "abstract-unix-socket", SCOPE_ABSTRACT_SOCKET },
        { "signal", SCOPE_SIGNAL },
        { 0 },
};

/* What later kernels learnt to confine. */
static const struct {
        int abi;
        struct landlock_ruleset adds;
        const char *what;
} learnt[] = {
        { 2, { .files = RIGHT_REFER }, NULL }, /* before that it was always denied */
        { 3, { .files = RIGHT_TRUNCATE }, "truncation" },
        { 4, { .ports = PORT_BIND | PORT_CONNECT }, "TCP ports" },
        { 5, { .files = RIGHT_IOCTL }, "ioctl of devices" },
        { 6, { .scopes = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL }, "scopes" },
};

/* -- reading -- */

static int read_scopes(struct wanted *w) {
        static const struct names names = { "scope", scopes };
        for (size_t i = 0; i < w->lists.scope.n; i++) {
                const struct name *row = names_find(&names, w->lists.scope.at[i]);
                if (!row)
                        return fail_words(EINVAL, PLACE ": scope[%zu]: %s: signal or abstract-unix-socket expected", i,
                                          str_printable(w->lists.scope.at[i]));
                w->handled.scopes |= (uint64_t)row->value;
        }
        return 0;
}

static int read_mode(struct wanted *w) {
        const char *mode = w->lists.mode;
        w->is_best_effort = mode && str_eq(mode, "best-effort");
        if (!mode || w->is_best_effort || str_eq(mode, "strict"))
                return 0;
        return fail_words(EINVAL, PLACE ": mode: %s: strict or best-effort expected", str_printable(mode));
}

static int read_text(const char *text, struct wanted *w) {
        const struct json_read_options strict = { .strict = true };
        int r = json_read(text, strlen(text), &landlock_type, &strict, &w->lists);
        if (r == 0)
                r = json_read(text, strlen(text), &given_type, &strict, &w->given);
        if (r < 0)
                return fail_in(r, PLACE);
        const struct given *given = &w->given;
        w->handled.files = given->ro.text || given->rx.text || given->rw.text || given->rwx.text ? ALL : 0;
        w->handled.ports = (given->bind.text ? PORT_BIND : 0) | (given->connect.text ? PORT_CONNECT : 0);
        const struct landlock *l = &w->lists;
        if (l->ro.n + l->rx.n + l->rw.n + l->rwx.n + l->bind.n + l->connect.n > RULES_MAX)
                return fail_words(E2BIG, PLACE ": more than %d paths and ports", RULES_MAX);
        r = read_scopes(w);
        return r < 0 ? r : read_mode(w);
}

/* -- paths -- */

struct path_list {
        const char *name;
        const struct strv *paths;
        uint64_t rights;
};

/* The lists with what they grant; all four, so that they can be walked. */
static void path_lists(const struct landlock *l, struct path_list ret[4]) {
        ret[0] = (struct path_list){ "ro", &l->ro, READS };
        ret[1] = (struct path_list){ "rx", &l->rx, READS | RIGHT_EXECUTE };
        ret[2] = (struct path_list){ "rw", &l->rw, READS | WRITES };
        ret[3] = (struct path_list){ "rwx", &l->rwx, READS | WRITES | RIGHT_EXECUTE };
}

/* Its components without "." and doubled slashes; NULL when it is no absolute path, or has "..". */
static const char *plain(const char *path) {
        struct strv parts = str_split(path, '/', true), kept = { 0 };
        for (size_t i = 0; i < parts.n; i++) {
                if (str_eq(parts.at[i], ".."))
                        return NULL;
                if (!str_eq(parts.at[i], "."))
                        strv_add(&kept, parts.at[i]);
        }
        if (*path != '/')
                return NULL;
        return kept.n ? str_format("/%s", str_join(&kept, "/")) : "/";
}

/* Who may write to a folder may put a link in place of what is in it, and exec opens the paths again. */
static int check_not_exchanged(const struct path_list lists[4], const struct path_list *list, size_t at) {
        const char *path = list->paths->at[at];
        for (size_t i = 0; i < 4; i++) {
                if (!(lists[i].rights & RIGHT_MAKE_LINK) || !(list->rights & ~lists[i].rights))
                        continue;
                for (size_t j = 0; j < lists[i].paths->n; j++)
                        if (str_is_below(path, lists[i].paths->at[j]))
                                return fail_words(EINVAL, PLACE ": %s[%zu]: %s can be exchanged by who may write to %s",
                                                  list->name, at, str_printable(path),
                                                  str_printable(lists[i].paths->at[j]));
        }
        return 0;
}

static int check_paths(const struct path_list lists[4]) {
        for (size_t i = 0; i < 4; i++)
                for (size_t j = 0; j < lists[i].paths->n; j++) {
                        const char *path = plain(lists[i].paths->at[j]);
                        if (!path)
                                return fail_words(EINVAL,
                                                  PLACE ": %s[%zu]: %s: an absolute path without \"..\" expected",
                                                  lists[i].name, j, str_printable(lists[i].paths->at[j]));
                        lists[i].paths->at[j] = path;
                }
        for (size_t i = 0; i < 4; i++)
                for (size_t j = 0; j < lists[i].paths->n; j++) {
                        int r = check_not_exchanged(lists, &lists[i], j);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* -- the kernel -- */

static int fail_abi(int abi, const char *what, int needed) {
        int r = abi ? fail_words(EOPNOTSUPP,
                                 PLACE ": %s: Landlock confines that from ABI %d on, this kernel has ABI %d", what,
                                 needed, abi)
                    : fail_words(EOPNOTSUPP, PLACE ": this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, lsm=)");
        return fail_hint(r, "\"mode\": \"best-effort\" does with what there is");
}

/* Takes away what the kernel does not know; its words into ret_missing, the last one is that of the highest ABI. */
static int take_away(struct wanted *w, int abi, struct strv *ret_missing) {
        int needed = 0;
        for (size_t i = 0; i < sizeof(learnt) / sizeof(learnt[0]); i++) {
                const struct landlock_ruleset *adds = &learnt[i].adds;
                struct landlock_ruleset *handled = &w->handled;
                bool is_wanted = (handled->files & adds->files) || (handled->ports & adds->ports) ||
                                 (handled->scopes & adds->scopes);
                if (abi >= learnt[i].abi || !is_wanted)
                        continue;
                handled->files &= ~adds->files;
                handled->ports &= ~adds->ports;
                handled->scopes &= ~adds->scopes;
                if (!learnt[i].what)
                        continue;
                strv_add(ret_missing, learnt[i].what);
                needed = learnt[i].abi;
        }
        return needed;
}

/* Strict: all of it or an error; else a warning says what is left out. */
static int fit(struct build *b, struct wanted *w) {
        struct strv missing = { 0 };
        int abi = b->probe->landlock_abi, needed = take_away(w, abi, &missing);
        if (!w->is_best_effort && (!abi || needed))
                return fail_abi(abi, missing.n ? missing.at[missing.n - 1] : "", needed);
        bool is_exec = b->process != b->config->process; /* create has said it */
        if (abi && missing.n && !is_exec)
                plan_warn(b->plan, PLACE ": this kernel's Landlock (ABI %d) does not confine: %s", abi,
                          str_join(&missing, ", "));
        if (!abi && !is_exec)
                plan_warn(b->plan, PLACE ": this kernel has no Landlock, nothing is confined");
        if (!abi)
                w->handled = (struct landlock_ruleset){ 0 };
        return 0;
}

/* -- steps -- */

static void add_ports(struct build *b, const struct wanted *w, const struct u32v *ports, uint64_t right) {
        for (size_t i = 0; i < ports->n && w->handled.ports & right; i++)
                plan_add(b->plan, LANE_CHILD, STEP_RULE, .flags = right, .more = ports->at[i]);
}

static int add_paths(struct build *b, const struct wanted *w, const struct path_list lists[4]) {
        struct plan *plan = b->plan;
        int root = plan_slot(plan, "landlock root");
        if (root < 0)
                return root;
        plan_add(plan, LANE_CHILD, STEP_OPEN, .into = (int16_t)root, .a = plan_text(plan, "/"),
                 .flags = O_PATH | O_DIRECTORY, .more = OPEN_FOLDER);
        for (size_t i = 0; i < 4; i++)
                for (size_t j = 0; j < lists[i].paths->n; j++) {
                        plan->place = str_format(PLACE ": %s[%zu]", lists[i].name, j);
                        plan_add(plan, LANE_CHILD, STEP_RULE, .slot = (int16_t)root,
                                 .a = plan_text(plan, lists[i].paths->at[j]),
                                 .flags = lists[i].rights & w->handled.files,
                                 .tolerate = w->is_best_effort ? ENOENT : 0);
                }
        plan->place = PLACE;
        plan_add(plan, LANE_CHILD, STEP_CLOSE, .slot = (int16_t)root);
        return 0;
}

static int add_ruleset(struct build *b, const struct wanted *w, const struct path_list lists[4]) {
        b->plan->place = PLACE;
        if (!w->handled.files && !w->handled.ports && !w->handled.scopes)
                return 0;
        plan_add(b->plan, LANE_CHILD, STEP_RULESET, .into = SLOT_RULESET,
                 .b = plan_bytes(b->plan, &w->handled, sizeof(w->handled), _Alignof(struct landlock_ruleset)));
        b->confines_itself = true;
        add_ports(b, w, &w->lists.bind, PORT_BIND);
        add_ports(b, w, &w->lists.connect, PORT_CONNECT);
        return w->handled.files ? add_paths(b, w, lists) : 0;
}

int plan_landlock(struct build *b) {
        const char *text = oci_annotation(b->config, NAME);
        struct wanted w = { .is_best_effort = false };
        struct path_list lists[4];
        if (!text)
                return 0;
        int r = read_text(text, &w);
        if (r < 0)
                return r;
        path_lists(&w.lists, lists);
        r = check_paths(lists);
        if (r < 0)
                return r;
        if (!b->process->no_new_privileges)
                return fail_words(EINVAL, PLACE ": needs process.noNewPrivileges");
        r = fit(b, &w);
        return r < 0 ? r : add_ruleset(b, &w, lists);
}

void plan_restrict(struct build *b) {
        b->plan->place = PLACE;
        if (b->confines_itself)
                plan_add(b->plan, LANE_CHILD, STEP_RESTRICT, .slot = SLOT_RULESET);
}
