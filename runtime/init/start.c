/* The entry of the init image: what runs in the child between clone and execve, from bytes of its own.
 *
 * No libc, no thread-local storage, no relocations.  argv[1] is the number of the fd that holds the plan (struct
 * plan_image), argv[0] a name for ps.  The parent made it: the checks only guard against our own mistakes. */
#include "runtime/steps/steps.h"
#include "specs/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#define EXIT_FAILED 127
#define SIGNALS     64

__attribute__((noreturn, used)) void init_main(const long *stack);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall init_main\n\thlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl init_main\n\tbrk #0\n");
#elif defined(__riscv) && __riscv_xlen == 64
__asm__(".globl _start\n_start:\n\t.option push\n\t.option norelax\n\tla gp, __global_pointer$\n\t.option pop\n"
        "\tmv a0, sp\n\tandi sp, sp, -16\n\tcall init_main\n\tebreak\n");
#else
#error "the init image needs an entry for this machine: add yours here"
#endif

/* The compiler may call these whatever it is told.  The empty asm keeps it from seeing in their loops what they are. */
void *memcpy(void *to, const void *from, size_t size) {
        for (size_t i = 0; i < size; i++) {
                ((char *)to)[i] = ((const char *)from)[i];
                __asm__ volatile("");
        }
        return to;
}

void *memmove(void *to, const void *from, size_t size) {
        if ((uintptr_t)to < (uintptr_t)from)
                return memcpy(to, from, size);
        while (size-- > 0) {
                ((char *)to)[size] = ((const char *)from)[size];
                __asm__ volatile("");
        }
        return to;
}

void *memset(void *to, int byte, size_t size) {
        for (size_t i = 0; i < size; i++) {
                ((char *)to)[i] = (char)byte;
                __asm__ volatile("");
        }
        return to;
}

int memcmp(const void *a, const void *b, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (((const unsigned char *)a)[i] != ((const unsigned char *)b)[i])
                        return ((const unsigned char *)a)[i] - ((const unsigned char *)b)[i];
        return 0;
}

static int slots[SLOT_MAX];
static struct context context;

static int parse_fd(const char *text) {
        int fd = 0;
        if (!text || !*text)
                return -1;
        for (; *text; text++) {
                if (*text < '0' || *text > '9' || fd > 100000)
                        return -1;
                fd = fd * 10 + (*text - '0');
        }
        return fd;
}

static bool is_within(const struct plan_image *image, uint64_t at, uint64_t count, size_t size) {
        return at >= sizeof(*image) && at % 8 == 0 && at + count * size <= image->size;
}

/* Maps the plan; NULL when it is none. */
static const struct plan_image *map_plan(int fd) {
        struct statx status;
        if (fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &status) < 0 ||
            status.stx_size < sizeof(struct plan_image))
                return NULL;
        long memory = sys_mmap(NULL, status.stx_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (memory < 0 && memory > -4096)
                return NULL;
        const struct plan_image *image = (const void *)memory;
        if (image->magic != PLAN_IMAGE_MAGIC || image->size > status.stx_size || image->slots_count > SLOT_MAX ||
            !is_within(image, image->steps_at, image->steps_count, sizeof(struct step)) ||
            !is_within(image, image->data_at, image->data_size, 1) ||
            !is_within(image, image->slots_at, image->slots_count, sizeof(int32_t)))
                return NULL;
        return image;
}

/* Takes the fds over; from here on none of them outlives an execve by accident. */
static void take_slots(const struct plan_image *image) {
        const int32_t *fds = (const void *)((const char *)image + image->slots_at);
        for (size_t i = 0; i < SLOT_MAX; i++) {
                slots[i] = i < image->slots_count ? fds[i] : -1;
                if (slots[i] >= 0)
                        (void)sys_fcntl(slots[i], F_SETFD, FD_CLOEXEC);
        }
}

/* The parent's blocked and ignored signals are not the payload's. */
static void reset_signals(void) {
        static const unsigned long default_action[4] = {
                0
        }; /* struct sigaction of the kernel: SIG_DFL, no flags, no mask */
        static const uint64_t none = 0;
        for (int number = 1; number <= SIGNALS; number++)
                if (number != SIGKILL && number != SIGSTOP)
                        (void)sys_rt_sigaction(number, default_action, NULL, sizeof(uint64_t));
        (void)sys_rt_sigprocmask(SIG_SETMASK, &none, NULL, sizeof(none));
}

static void tell_failure(const struct lane *lane, size_t step, int r) {
        struct step_message message = {
                .type = MESSAGE_FAILED, .kind = (uint8_t)lane->at[step].kind, .step = (uint16_t)step, .value = -r
        };
        struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
        int to = context.start >= 0 ? context.start : slots[SLOT_SYNC];
        if (to >= 0)
                (void)sys_sendmsg(to, &header, MSG_NOSIGNAL);
}

void init_main(const long *stack) {
        const char *const *argv = (const void *)(stack + 1);
        int fd = stack[0] == 2 ? parse_fd(argv[1]) : -1;
        const struct plan_image *image = map_plan(fd);
        size_t step = 0;
        context.slot = slots;
        context.start = -1;
        if (!image)
                sys_exit(EXIT_FAILED);
        (void)sys_close(fd);
        take_slots(image);
        reset_signals();
        (void)sys_umask(0);
        struct lane lane = { .at = (const void *)((const char *)image + image->steps_at),
                             .count = image->steps_count,
                             .data = (const char *)image + image->data_at };
        int r = steps_run(&lane, &context, &step);
        if (r < 0)
                tell_failure(&lane, step, r);
        sys_exit(EXIT_FAILED);
}
