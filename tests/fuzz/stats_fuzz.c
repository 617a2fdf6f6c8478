/* Files of a cgroup with anything in them: what is read can be written as JSON, and read again as the same.  The input
 * is cut at NUL bytes; each piece is a file, in the order of the table. */
#include "runtime/cli/stats_view.h"
#include "runtime/host/cgroup_stats.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = { "cpu.stat",      "io.stat",         "memory.stat",         "cpu.pressure",
                                     "memory.events", "memory.current",  "memory.max",          "memory.swap.current",
                                     "pids.max",      "memory.swap.max", "hugetlb.2MB.current", "hugetlb.2MB.events" };
#define FILES (sizeof(files) / sizeof(files[0]))

static int folder = -1, fds[FILES];

static void must(bool is_good) {
        if (!is_good)
                abort();
}

static void remove_folder(void) {
        for (size_t i = 0; i < FILES; i++)
                (void)unlinkat(folder, files[i], 0);
        char path[64], real[4096];
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", folder);
        ssize_t n = readlink(path, real, sizeof(real) - 1);
        if (n > 0) {
                real[n] = '\0';
                (void)rmdir(real);
        }
}

static void make_folder(void) {
        char path[] = "/tmp/rundlet-stats-fuzz.XXXXXX";
        must(mkdtemp(path));
        folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(folder >= 0);
        for (size_t i = 0; i < FILES; i++) {
                fds[i] = openat(folder, files[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                must(fds[i] >= 0);
        }
        (void)atexit(remove_folder);
}

static void fuzz(const uint8_t *data, size_t size) {
        struct oci_container_stats element = { .id = "fuzz" }, again;
        for (size_t i = 0; i < FILES; i++) {
                const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
                size_t n = end && i + 1 < FILES ? (size_t)(end - data) : size;
                must(ftruncate(fds[i], 0) == 0 && pwrite(fds[i], data, n, 0) == (ssize_t)n);
                data = end && i + 1 < FILES ? end + 1 : data + n;
                size -= end && i + 1 < FILES ? n + 1 : n;
        }
        must(cgroup_stats(folder, &element.stats) == 0);
        const char *once = json_write(&element, &oci_container_stats_type, false);
        struct json_read_options options = { .strict = true };
        must(json_read(once, strlen(once), &oci_container_stats_type, &options, &again) == 0);
        must(str_eq(json_write(&again, &oci_container_stats_type, false), once));
        struct stats_row row = { .id = element.id, .stats = &element.stats };
        struct stats_look look = { .width = 80, .height = 5, .has_colour = true, .processors = 2 };
        must(*stats_screen(&row, 1, &look));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (folder < 0)
                make_folder();
        fuzz(data, size);
        err_clear();
        arena_reset();
        return 0;
}
