#include "runtime/host/cgroup_stats.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX    (1u << 20)
#define DEVICES_MAX 4096

/* -- files and their pieces -- */

/* One file after the other is read here and not into the arena: a thousand containers have twenty each. */
static char text[FILE_MAX + 1];

/* Kernel files answer ENODEV once their cgroup is gone and EOPNOTSUPP when what they tell is switched off. */
static bool is_absent(int r) {
        return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP;
}

/* The file into text: 0, or absent without words. */
static int read_text(int folder, const char *file) {
        struct stat status;
        size_t size = 0;
        autofd fd = openat(folder, file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return is_absent(-errno) ? -errno : fail(errno, "open %s of the cgroup", file);
        if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
                return fail_words(EINVAL, "read %s of the cgroup: not a regular file", file);
        for (;;) {
                ssize_t n = read(fd, text + size, FILE_MAX - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return is_absent(-errno) ? -errno : fail(errno, "read %s of the cgroup", file);
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size == FILE_MAX)
                        return fail_words(EFBIG, "read %s of the cgroup: larger than %u bytes", file, FILE_MAX);
        }
        text[size] = '\0';
        return 0;
}

/* The next piece before one of the separators, NULL at the end; the text is cut there. */
static char *next_piece(char **at, const char *separators) {
        char *piece = *at + strspn(*at, separators);
        if (!*piece)
                return NULL;
        *at = piece + strcspn(piece, separators);
        if (**at)
                *(*at)++ = '\0';
        return piece;
}

/* Cuts "name=value" (or with a space) in two; NULL: it is not that. */
static char *cut(char *piece, char separator) {
        char *at = strchr(piece, separator);
        if (at)
                *at++ = '\0';
        return at;
}

static void set_number(struct opt_u64 *into, const char *number, uint64_t factor) {
        uint64_t value;
        if (parse_u64(number, 0, UINT64_MAX, &value) < 0)
                return;
        into->set = true;
        if (__builtin_mul_overflow(value, factor, &into->v))
                into->v = UINT64_MAX;
}

/* -- one number a file -- */

struct single {
        const char *file;
        size_t offset;
        bool has_max; /* "max" is a number as well */
};
#define SINGLE(file_, member, has_max_)                                                                                \
        { file_, offsetof(struct oci_stats, member), has_max_ }

static const struct single singles[] = {
        SINGLE("memory.current", memory.usage.usage, false),
        SINGLE("memory.max", memory.usage.limit, true),
        SINGLE("memory.peak", memory.usage.max, false), /* 5.19 */
        SINGLE("memory.swap.current", memory.swap_only.usage, false),
        SINGLE("memory.swap.max", memory.swap_only.limit, true),
        SINGLE("memory.swap.peak", memory.swap_only.max, false), /* 6.5 */
        SINGLE("pids.current", pids.current, false),
        SINGLE("pids.max", pids.limit, false),
        SINGLE("pids.peak", pids.peak, false), /* 6.1 */
};

static void *member(struct oci_stats *stats, size_t offset) {
        return (char *)stats + offset;
}

static int read_single(int folder, const struct single *row, struct oci_stats *stats) {
        int r = read_text(folder, row->file);
        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = '\0';
        if (row->has_max && str_eq(text, "max"))
                *(struct opt_u64 *)member(stats, row->offset) = (struct opt_u64){ true, UINT64_MAX };
        else
                set_number(member(stats, row->offset), text, 1);
        return 0;
}

/* -- a number a line -- */

struct keyed {
        const char *file, *key;
        size_t offset;
        uint64_t factor;
};
#define KEYED_ROW(file_, key_, member, factor_)                                                                        \
        { file_, key_, offsetof(struct oci_stats, member), factor_ }

/* The kernel counts microseconds here, runc nanoseconds.  Rows of one file stand together. */
static const struct keyed keyed[] = {
        KEYED_ROW("cpu.stat", "usage_usec", cpu.usage.total, 1000),
        KEYED_ROW("cpu.stat", "user_usec", cpu.usage.user, 1000),
        KEYED_ROW("cpu.stat", "system_usec", cpu.usage.kernel, 1000),
        KEYED_ROW("cpu.stat", "nr_periods", cpu.throttling.periods, 1),
        KEYED_ROW("cpu.stat", "nr_throttled", cpu.throttling.throttled_periods, 1),
        KEYED_ROW("cpu.stat", "throttled_usec", cpu.throttling.throttled_time, 1000),
        KEYED_ROW("cpu.stat", "nr_bursts", cpu.burst.bursts, 1),
        KEYED_ROW("cpu.stat", "burst_usec", cpu.burst.burst_time, 1000),
        KEYED_ROW("memory.events", "low", memory.events.low, 1),
        KEYED_ROW("memory.events", "high", memory.events.high, 1),
        KEYED_ROW("memory.events", "max", memory.events.max, 1),
        KEYED_ROW("memory.events", "oom", memory.events.oom, 1),
        KEYED_ROW("memory.events", "oom_kill", memory.events.oom_kill, 1),
        KEYED_ROW("memory.events", "oom_group_kill", memory.events.oom_group_kill, 1),
        KEYED_ROW("memory.swap.events", "high", memory.swap_events.high, 1),
        KEYED_ROW("memory.swap.events", "max", memory.swap_events.max, 1),
        KEYED_ROW("memory.swap.events", "fail", memory.swap_events.fail, 1),
        KEYED_ROW("pids.events", "max", pids.events.max, 1),
};
#define KEYED_COUNT (sizeof(keyed) / sizeof(keyed[0]))

static int read_keyed(int folder, size_t from, size_t to, struct oci_stats *stats) {
        int r = read_text(folder, keyed[from].file);
        if (r < 0)
                return r;
        char *rest = text, *line;
        while ((line = next_piece(&rest, "\n"))) {
                const char *value = cut(line, ' ');
                for (size_t i = from; value && i < to; i++)
                        if (str_eq(line, keyed[i].key))
                                set_number(member(stats, keyed[i].offset), value, keyed[i].factor);
        }
        return 0;
}

/* -- memory.stat -- */

static int read_memory_stat(int folder, struct oci_stats *stats) {
        struct strv pieces = { 0 };
        int r = read_text(folder, "memory.stat");
        if (r < 0)
                return r;
        char *rest = text, *line;
        while ((line = next_piece(&rest, "\n"))) {
                struct opt_u64 value = { 0 };
                char *number = cut(line, ' ');
                if (number)
                        set_number(&value, number, 1);
                if (!value.set)
                        continue;
                strv_add(&pieces, str_format("%s:%s", json_quote(line), number));
                if (str_eq(line, "file"))
                        stats->memory.cache = value;
        }
        if (pieces.n > 0)
                stats->memory.raw.text = str_format("{%s}", str_join(&pieces, ","));
        return 0;
}

/* -- pressure -- */

/* "12.34" is a JSON number as it stands. */
static const char *decimal(const char *number) {
        size_t whole = strspn(number, "0123456789");
        size_t part = number[whole] == '.' ? strspn(number + whole + 1, "0123456789") : 0;
        bool is_good = whole > 0 && whole < 10 && part > 0 && part < 10 && !number[whole + 1 + part] &&
                       (whole == 1 || number[0] != '0');
        return is_good ? arena_strdup(number) : NULL;
}

static void set_pressure(char *line, struct oci_psi_data *data) {
        char *piece;
        while ((piece = next_piece(&line, " "))) {
                const char *value = cut(piece, '=');
                if (!value)
                        continue;
                if (str_eq(piece, "avg10"))
                        data->avg10.text = decimal(value);
                else if (str_eq(piece, "avg60"))
                        data->avg60.text = decimal(value);
                else if (str_eq(piece, "avg300"))
                        data->avg300.text = decimal(value);
                else if (str_eq(piece, "total"))
                        set_number(&data->total, value, 1);
        }
}

static int read_pressure(int folder, const char *file, struct oci_psi *psi) {
        int r = read_text(folder, file);
        if (r < 0)
                return r;
        char *rest = text, *line;
        while ((line = next_piece(&rest, "\n"))) {
                char *values = cut(line, ' ');
                if (values && str_eq(line, "some"))
                        set_pressure(values, &psi->some);
                else if (values && str_eq(line, "full"))
                        set_pressure(values, &psi->full);
        }
        return 0;
}

/* -- io.stat -- */

/* "8:16" */
static bool is_device(char *piece, struct oci_io_device *ret) {
        struct opt_u64 major = { 0 }, minor = { 0 };
        char *second = strchr(piece, '=') ? NULL : cut(piece, ':');
        if (!second)
                return false;
        set_number(&major, piece, 1);
        set_number(&minor, second, 1);
        *ret = (struct oci_io_device){ .major = major.v, .minor = minor.v };
        return major.set && minor.set;
}

static void add_entry(struct oci_blkio_stats *blkio, const struct oci_io_device *device, const char *op,
                      const struct opt_u64 *bytes, const struct opt_u64 *operations) {
        struct oci_blkio_entry entry = { device->major, device->minor, op, bytes->v };
        if (bytes->set)
                blkio->bytes.at[blkio->bytes.n++] = entry;
        entry.value = operations->v;
        if (operations->set)
                blkio->operations.at[blkio->operations.n++] = entry;
}

/* A device that the kernel has nothing to tell about is a line, or the beginning of one, without numbers. */
static void add_device(struct oci_blkio_stats *blkio, const struct oci_io_device *device) {
        if (!device->rbytes.set && !device->wbytes.set && !device->rios.set && !device->wios.set &&
            !device->dbytes.set && !device->dios.set)
                return;
        if (blkio->devices.n == DEVICES_MAX)
                return;
        blkio->devices.at[blkio->devices.n++] = *device;
        add_entry(blkio, device, "Read", &device->rbytes, &device->rios);
        add_entry(blkio, device, "Write", &device->wbytes, &device->wios);
        add_entry(blkio, device, "Discard", &device->dbytes, &device->dios);
}

static void set_device(struct oci_io_device *device, char *piece) {
        static const struct {
                const char *key;
                size_t offset;
        } rows[] = {
                { "rbytes", offsetof(struct oci_io_device, rbytes) },
                { "wbytes", offsetof(struct oci_io_device, wbytes) },
                { "rios", offsetof(struct oci_io_device, rios) },
                { "wios", offsetof(struct oci_io_device, wios) },
                { "dbytes", offsetof(struct oci_io_device, dbytes) },
                { "dios", offsetof(struct oci_io_device, dios) },
        };
        const char *value = cut(piece, '=');
        for (size_t i = 0; value && i < sizeof(rows) / sizeof(rows[0]); i++)
                if (str_eq(piece, rows[i].key))
                        set_number((struct opt_u64 *)(void *)((char *)device + rows[i].offset), value, 1);
}

static int read_io(int folder, struct oci_blkio_stats *blkio) {
        int r = read_text(folder, "io.stat");
        if (r < 0)
                return r;
        size_t devices = 0;
        blkio->is_counted = true;
        for (const char *at = text; devices < DEVICES_MAX && (at = strchr(at, ':')); at++)
                devices++;
        blkio->devices.at = arena_array(devices, sizeof(struct oci_io_device));
        blkio->bytes.at = arena_array(3 * devices, sizeof(struct oci_blkio_entry));
        blkio->operations.at = arena_array(3 * devices, sizeof(struct oci_blkio_entry));
        char *rest = text, *line, *piece;
        while ((line = next_piece(&rest, "\n"))) {
                struct oci_io_device device = { 0 }, next;
                bool is_open = false;
                while ((piece = next_piece(&line, " "))) {
                        if (is_device(piece, &next)) {
                                if (is_open)
                                        add_device(blkio, &device);
                                device = next;
                                is_open = true;
                        } else if (is_open) {
                                set_device(&device, piece);
                        }
                }
                if (is_open)
                        add_device(blkio, &device);
        }
        return 0;
}

/* -- hugetlb -- */

static void closedirp(DIR **folder) {
        if (*folder)
                (void)closedir(*folder);
}

/* "hugetlb.SIZE.current" gives SIZE, anything else NULL. */
static const char *page_size(const char *file) {
        size_t size = strlen("hugetlb."), n = strcspn(file + (str_starts(file, "hugetlb.") ? size : 0), ".");
        if (!str_starts(file, "hugetlb.") || n == 0 || !str_eq(file + size + n, ".current"))
                return NULL;
        return arena_strndup(file + size, n);
}

static int read_page_size(int folder, const char *size, struct oci_hugetlb_stats *ret) {
        *ret = (struct oci_hugetlb_stats){ .key = size };
        int r = read_text(folder, str_format("hugetlb.%s.current", size));
        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = '\0';
        set_number(&ret->usage, text, 1);
        r = read_text(folder, str_format("hugetlb.%s.events", size));
        char *rest = text, *line;
        while (r == 0 && (line = next_piece(&rest, "\n"))) {
                const char *value = cut(line, ' ');
                if (value && str_eq(line, "max"))
                        set_number(&ret->failcnt, value, 1);
        }
        return r;
}

static int read_hugetlb(int folder, struct oci_stats *stats) {
        enum { SIZES_MAX = 16 }; /* no architecture has more than a handful */
        int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        __attribute__((cleanup(closedirp))) DIR *list = copy < 0 ? NULL : fdopendir(copy);
        if (!list) {
                r = -errno;
                (void)fd_close(copy);
                return is_absent(r) ? r : fail(r, "list the cgroup");
        }
        stats->hugetlb.at = arena_array(SIZES_MAX, sizeof(stats->hugetlb.at[0]));
        for (const struct dirent *found; stats->hugetlb.n < SIZES_MAX && (found = readdir(list));) {
                const char *size = page_size(found->d_name);
                if (!size)
                        continue;
                r = read_page_size(folder, size, &stats->hugetlb.at[stats->hugetlb.n]);
                if (r < 0 && !is_absent(r))
                        return r;
                stats->hugetlb.n += stats->hugetlb.at[stats->hugetlb.n].usage.set;
        }
        return 0;
}

/* -- all of it -- */

/* What runc's keys mean but cgroup v2 counts in another way. */
static void complete(struct oci_memory_stats *memory) {
        memory->usage.failcnt = memory->events.max;
        memory->swap_only.failcnt = memory->swap_events.max;
        if (!memory->swap_only.usage.set || !memory->usage.usage.set)
                return;
        memory->swap.usage = (struct opt_u64){ true, 0 };
        if (__builtin_add_overflow(memory->usage.usage.v, memory->swap_only.usage.v, &memory->swap.usage.v))
                memory->swap.usage.v = UINT64_MAX;
        if (!memory->swap_only.limit.set || !memory->usage.limit.set)
                return;
        memory->swap.limit.set = true;
        if (__builtin_add_overflow(memory->usage.limit.v, memory->swap_only.limit.v, &memory->swap.limit.v))
                memory->swap.limit.v = UINT64_MAX;
}

int cgroup_stats(int fd, struct oci_stats *ret) {
        struct oci_stats stats = { 0 };
        /* Every cgroup has cpu.stat, with or without controllers: without it the cgroup is gone. */
        int r = 0;
        for (size_t from = 0, to; from < KEYED_COUNT; from = to) {
                for (to = from + 1; to < KEYED_COUNT && str_eq(keyed[to].file, keyed[from].file); to++)
                        ;
                r = read_keyed(fd, from, to, &stats);
                if (is_absent(r) && from == 0)
                        return -ENOENT;
                if (r < 0 && !is_absent(r))
                        return r;
        }
        for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
                r = read_single(fd, &singles[i], &stats);
                if (r < 0 && !is_absent(r))
                        return r;
        }
        int results[] = {
                read_memory_stat(fd, &stats),
                read_pressure(fd, "cpu.pressure", &stats.cpu.psi),
                read_pressure(fd, "memory.pressure", &stats.memory.psi),
                read_pressure(fd, "io.pressure", &stats.blkio.psi),
                read_io(fd, &stats.blkio),
                read_hugetlb(fd, &stats),
        };
        for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
                if (results[i] < 0 && !is_absent(results[i]))
                        return results[i];
        complete(&stats.memory);
        *ret = stats;
        return 0;
}
