#include "runtime/host/selfcopy.h"

#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>

/* Newer than some headers. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* The finished executable, byte by byte, in our read-only data. */
__asm__(".pushsection .rodata, \"a\"\n"
        ".balign 16\n"
        "init_image_start:\n"
        ".incbin \"" INIT_FILE "\"\n"
        "init_image_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char init_image_start[] __attribute__((visibility("hidden")));
extern const char init_image_end[] __attribute__((visibility("hidden")));

/* Kernels before 6.3 do not know MFD_EXEC and make every memfd executable. */
static int make_memfd(void) {
        int fd = memfd_create("rundlet-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("rundlet-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return fd;
}

int selfcopy_open(void) {
        autofd fd = make_memfd();
        if (fd < 0 && errno == EACCES)
                return fail_hint(fail(EACCES, "make an executable memfd"),
                                 "the sysctl vm.memfd_noexec is 2: 1 is enough");
        if (fd < 0)
                return fail(errno, "make an executable memfd");
        int r = write_fd(fd, init_image_start, (size_t)(init_image_end - init_image_start));
        if (r < 0)
                return fail_in(r, "copy the init image");
        if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_EXEC) < 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return fail(errno, "seal the init image");
        return fd_take(&fd);
}
