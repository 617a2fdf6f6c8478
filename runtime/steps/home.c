/* HOME by the container's own /etc/passwd, as users of engines expect it. */
#include "runtime/steps/table.h"

#define PASSWD_MAX (1u << 20) /* more of it is not read: the image says how much there is */

/* A line as it comes in: name:password:uid:gid:comment:home:shell */
struct line {
        unsigned field;
        uint64_t uid;
        bool is_number; /* so far, field 2 is one */
        size_t length;  /* of the home folder; more than the buffer has: it is too long */
};

static void take_digit(struct line *line, char c) {
        line->is_number = c >= '0' && c <= '9' && line->uid <= UINT32_MAX;
        line->uid = line->is_number ? line->uid * 10 + (uint64_t)(c - '0') : UINT64_MAX;
}

static void take_home(struct line *line, char c, char *buffer, size_t size) {
        if (line->length + 1 < size)
                buffer[line->length++] = c;
        else
                line->length = SIZE_MAX - 1;
}

/* One character; true: the line of uid is over and its home folder is in the buffer. */
static bool take(struct line *line, char c, uint32_t uid, char *buffer, size_t size) {
        if (c == '\n' || c == ':') {
                bool is_home = line->field == 5 && line->is_number && line->uid == uid;
                if (is_home && line->length > 0 && line->length < size && buffer[0] == '/') {
                        buffer[line->length] = '\0';
                        return true;
                }
                if (c == '\n')
                        *line = (struct line){ 0 };
                else
                        line->field++;
        } else if (line->field == 2) {
                take_digit(line, c);
        } else if (line->field == 5) {
                take_home(line, c, buffer, size);
        }
        return false;
}

bool find_home(uint32_t uid, char *buffer, size_t size) {
        struct line line = { 0 };
        struct statx status;
        char chunk[1024];
        size_t total = 0;
        sysfd fd = open_inside("/etc/passwd", O_RDONLY | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) < 0 || !is_mode(&status, S_IFREG))
                return false;
        while (total < PASSWD_MAX) {
                long n = sys_read(fd, chunk, sizeof(chunk));
                if (n <= 0)
                        return n == 0 && take(&line, '\n', uid, buffer, size);
                for (long i = 0; i < n; i++)
                        if (take(&line, chunk[i], uid, buffer, size))
                                return true;
                total += (size_t)n;
        }
        return false;
}
