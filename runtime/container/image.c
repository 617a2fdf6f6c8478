#include "runtime/container/image.h"
#include "runtime/container/network.h"
#include "runtime/container/prepare.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STREAMS     "descriptors.json"
#define STREAMS_MAX 65536
#define MOUNTS      "mounts.json"
#define LOG_LEVEL   4

/* -- folders -- */

static int open_folder(const char *option, const char *path, bool make) {
        if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
                return fail(errno, "%s: make %s", option, path);
        struct stat status;
        autofd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &status) < 0)
                return fail(errno, "%s: open %s", option, path);
        /* Its owner could read what is written there, and choose what is brought back. */
        if (status.st_uid != 0 && status.st_uid != geteuid())
                return fail_hint(fail_words(EPERM, "%s: %s belongs to user %u", option, path, (unsigned)status.st_uid),
                                 "chown -R root %s, if what is in it can be trusted", path);
        return fd_take(&fd);
}

int image_open(const struct image_options *options, bool make, struct image *ret) {
        autoimage image = IMAGE_NONE;
        image.path = path_absolute(options->image_path ? options->image_path : "checkpoint");
        image.work_path = options->work_path ? path_absolute(options->work_path) : image.path;
        image.folder = open_folder("--image-path", image.path, make);
        if (image.folder < 0)
                return image.folder;
        image.work = open_folder("--work-path", image.work_path, true);
        if (image.work < 0)
                return image.work;
        *ret = image;
        image = (struct image)IMAGE_NONE;
        return 0;
}

int image_admit(const struct image *image, const struct oci_config *config) {
        const struct oci_namespace *user = oci_namespace_find(config, CLONE_NEWUSER);
        for (size_t i = 0; user && !user->path && i < config->linux_->gid_mappings.n; i++) {
                const struct oci_idmap *map = &config->linux_->gid_mappings.at[i];
                if (map->container_id == 0 && map->size > 0 &&
                    (fchown(image->folder, (uid_t)-1, map->host_id) < 0 || fchmod(image->folder, 02710) < 0))
                        return fail(errno, "--image-path: give %s to group %u", image->path, (unsigned)map->host_id);
        }
        return 0;
}

unsigned image_umask(const struct oci_config *config) {
        return oci_namespace_find(config, CLONE_NEWUSER) ? 0027 : 0077;
}

void image_release(struct image *image) {
        image->folder = fd_close(image->folder);
        image->work = fd_close(image->work);
}

/* -- the request -- */

static const struct {
        size_t offset;
        enum criu_field field;
} flags[] = {
        { offsetof(struct image_options, tcp_established), CRIU_TCP_ESTABLISHED },
        { offsetof(struct image_options, tcp_skip_in_flight), CRIU_TCP_SKIP_IN_FLIGHT },
        { offsetof(struct image_options, tcp_close), CRIU_TCP_CLOSE },
        { offsetof(struct image_options, ext_unix_sk), CRIU_EXT_UNIX_SK },
        { offsetof(struct image_options, shell_job), CRIU_SHELL_JOB },
        { offsetof(struct image_options, file_locks), CRIU_FILE_LOCKS },
        { offsetof(struct image_options, link_remap), CRIU_LINK_REMAP },
        { offsetof(struct image_options, lazy_pages), CRIU_LAZY_PAGES },
        { offsetof(struct image_options, auto_dedup), CRIU_AUTO_DEDUP },
        { offsetof(struct image_options, leave_running), CRIU_LEAVE_RUNNING },
};

struct word {
        const char *word;
        uint64_t value;
};
static const struct word cgroup_modes[] = {
        { "soft", 3 }, { "full", 4 }, { "strict", 5 }, { "ignore", 0 }, { NULL, 0 }
};
static const struct word network_locks[] = { { "iptables", 1 }, { "nftables", 2 }, { NULL, 0 } };
static const struct word empty_nss[] = { { "network", CLONE_NEWNET }, { NULL, 0 } };

static int put_word(struct criu_message *message, enum criu_field field, const char *option, const struct word *words,
                    const char *given) {
        struct strv known = { 0 };
        if (!given)
                return 0;
        for (; words->word; words++) {
                strv_add(&known, words->word);
                if (!str_eq(words->word, given))
                        continue;
                criu_put_number(message, field, words->value);
                return 0;
        }
        return fail_words(EINVAL, "%s: %s: %s expected", option, str_printable(given), str_join(&known, ", "));
}

static int put_words(struct criu_message *message, const struct image_options *options) {
        /* The container's cgroup is made and limited by us, before CRIU and everything that it brings back is in it. */
        const char *mode = options->manage_cgroups ? options->manage_cgroups : "ignore";
        int r = put_word(message, CRIU_MANAGE_CGROUPS_MODE, "--manage-cgroups-mode", cgroup_modes, mode);
        if (r == 0)
                criu_put_number(message, CRIU_MANAGE_CGROUPS, !str_eq(mode, "ignore"));
        if (r == 0)
                r = put_word(message, CRIU_NETWORK_LOCK, "--network-lock", network_locks, options->network_lock);
        for (size_t i = 0; r == 0 && i < options->empty_ns.n; i++)
                r = put_word(message, CRIU_EMPTY_NS, "--empty-ns", empty_nss, options->empty_ns.at[i]);
        return r;
}

int image_check(const struct image_options *options) {
        struct criu_message unsent = { 0 };
        return put_words(&unsent, options);
}

/* Its links lead outside, and the hooks make them anew: who ran with --net has to say nothing more. */
static bool has_network_by_netsetup(const struct oci_config *config) {
        const struct oci_namespace *network = oci_namespace_find(config, CLONE_NEWNET);
        for (size_t i = 0; network && !network->path && i < config->annotations.n; i++)
                if (str_starts(config->annotations.at[i].key, NETWORK_ANNOTATIONS))
                        return true;
        return false;
}

int image_request(const struct image *image, const struct image_options *options, const struct oci_config *config,
                  const char *log, struct criu_message *ret) {
        const char *file = oci_annotation(config, "org.criu.config");
        criu_put_number(ret, CRIU_IMAGES_DIR, (uint64_t)image->folder);
        criu_put_number(ret, CRIU_WORK_DIR, (uint64_t)image->work);
        criu_put_number(ret, CRIU_LOG_LEVEL, LOG_LEVEL);
        criu_put_text(ret, CRIU_LOG_FILE, log);
        criu_put_number(ret, CRIU_NOTIFY_SCRIPTS, true);
        /* What was bound from the host may have been shared there; it comes back as the config says. */
        criu_put_number(ret, CRIU_EXT_MASTERS, true);
        if (config->process && config->process->terminal)
                criu_put_number(ret, CRIU_ORPHAN_PTS_MASTER, true);
        if (file && *file)
                criu_put_text(ret, CRIU_CONFIG_FILE, file);
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
                if (*(const bool *)((const char *)options + flags[i].offset))
                        criu_put_number(ret, flags[i].field, true);
        if (has_network_by_netsetup(config) && !options->empty_ns.n)
                criu_put_number(ret, CRIU_EMPTY_NS, CLONE_NEWNET);
        return put_words(ret, options);
}

/* A restriction that is lost without a word would be worse than no image. */
int image_allows(const struct oci_config *config) {
        static const char landlock[] = "org.rundlet.landlock";
        const struct oci_namespace *mount = oci_namespace_find(config, CLONE_NEWNS);
        if (!mount || mount->path)
                return fail_words(EINVAL, "linux.namespaces: CRIU needs a mount namespace of the container's own");
        if (oci_annotation(config, landlock))
                return fail_words(EINVAL, "annotations[\"%s\"]: CRIU forgets the rules of Landlock", landlock);
        for (size_t i = 0; i < config->mounts.n; i++) {
                const struct oci_mount *one = &config->mounts.at[i];
                if (one->uid_mappings.n || strv_has(&one->options, "idmap") || strv_has(&one->options, "ridmap"))
                        return fail_words(EINVAL, "mounts[%zu]: CRIU forgets the id map of a mount", i);
        }
        return 0;
}

/* -- names that both ends know -- */

void image_put_mount(struct criu_message *message, const char *key, const char *value) {
        struct criu_message pair = { 0 };
        criu_put_text(&pair, 1, key);
        criu_put_text(&pair, 2, value);
        criu_put_inner(message, CRIU_EXT_MNT, &pair);
}

bool image_binds_cgroup(const struct oci_config *config) {
        return !oci_namespace_find(config, CLONE_NEWCGROUP) || oci_namespace_find(config, CLONE_NEWUSER);
}

const char *image_namespace_name(int64_t kind) {
        return kind == CLONE_NEWNET ? "extRootNetNS" : kind == CLONE_NEWPID ? "extRootPidNS" : NULL;
}

/* -- standard streams -- */

struct streams {
        struct strv streams;
};
static const struct json_field streams_fields[] = { FIELD(streams, "streams", streams) };
static TYPE(streams);

/* A bare array, as runc and crun write it; the reader knows objects, and the array is the only key of one. */
int image_save_streams(const struct image *image, const struct strv *streams) {
        static const char head[] = "{\"streams\":";
        struct streams all = { *streams };
        const char *text = json_write(&all, &streams_type, false);
        size_t size = strlen(text);
        if (!str_starts(text, head))
                return fail_words(EPROTO, "write " STREAMS);
        text += strlen(head);
        size -= strlen(head) + 1;
        int r = replace_file_at(image->folder, STREAMS, 0600, text, size);
        return r < 0 ? fail_in(r, "%s/" STREAMS, image->path) : 0;
}

int image_load_streams(const struct image *image, struct strv *ret) {
        struct json_read_options reading = { .strict = true };
        struct streams all;
        char *text;
        int r = read_file_at(image->folder, STREAMS, STREAMS_MAX, &text, NULL);
        if (r < 0)
                return fail_hint(fail_in(r, "%s/" STREAMS, image->path), "is --image-path an image of checkpoint?");
        const char *object = str_format("{\"streams\":%s}", text);
        r = json_read(object, strlen(object), &streams_type, &reading, &all);
        if (r < 0)
                return fail_in(r, "%s/" STREAMS, image->path);
        *ret = all.streams;
        return 0;
}

/* -- mounts -- */

static const struct json_field image_mounts_fields[] = { LIST(image_mounts, "mounts", mounts, oci_mount) };
static TYPE(image_mounts);

int image_save_mounts(const struct image *image, const struct mount_list *mounts) {
        struct image_mounts all = { 0 };
        all.mounts.at = arena_array(mounts->n, sizeof(*all.mounts.at));
        for (size_t i = 0; i < mounts->n; i++)
                all.mounts.at[all.mounts.n++] =
                        (struct oci_mount){ .destination = mounts->at[i].point,
                                            .options = str_split(mounts->at[i].options, ',', true) };
        const char *text = json_write(&all, &image_mounts_type, false);
        int r = replace_file_at(image->folder, MOUNTS, 0600, text, strlen(text));
        return r < 0 ? fail_in(r, "%s/" MOUNTS, image->path) : 0;
}

int image_load_mounts(const struct image *image, struct image_mounts *ret) {
        struct json_read_options reading = { .strict = true };
        char *text;
        size_t size;
        int r = read_file_at(image->folder, MOUNTS, JSON_MAX_SIZE, &text, &size);
        if (r == 0)
                r = json_read(text, size, &image_mounts_type, &reading, ret);
        return r < 0 ? fail_in(r, "%s/" MOUNTS, image->path) : 0;
}
