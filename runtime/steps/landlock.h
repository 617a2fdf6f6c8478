/* Numbers of Landlock (landlock(7)) that the builder of a plan and its steps share; the machine's headers may be older
 * than its kernel.  Both sides of clone. */
#ifndef RUNTIME_STEPS_LANDLOCK_H
#define RUNTIME_STEPS_LANDLOCK_H

#include <stdint.h>

enum landlock_right {
        RIGHT_EXECUTE = 1 << 0,
        RIGHT_WRITE_FILE = 1 << 1,
        RIGHT_READ_FILE = 1 << 2,
        RIGHT_READ_FOLDER = 1 << 3,
        RIGHT_REMOVE_FOLDER = 1 << 4,
        RIGHT_REMOVE_FILE = 1 << 5,
        RIGHT_MAKE_CHAR = 1 << 6,
        RIGHT_MAKE_FOLDER = 1 << 7,
        RIGHT_MAKE_FILE = 1 << 8,
        RIGHT_MAKE_SOCKET = 1 << 9,
        RIGHT_MAKE_FIFO = 1 << 10,
        RIGHT_MAKE_BLOCK = 1 << 11,
        RIGHT_MAKE_LINK = 1 << 12,
        RIGHT_REFER = 1 << 13,    /* ABI 2 */
        RIGHT_TRUNCATE = 1 << 14, /* ABI 3 */
        RIGHT_IOCTL = 1 << 15,    /* ABI 5; of devices */
};
/* What a rule on anything but a folder may give. */
#define RIGHTS_OF_FILES (RIGHT_EXECUTE | RIGHT_WRITE_FILE | RIGHT_READ_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL)

enum landlock_port_right { PORT_BIND = 1 << 0, PORT_CONNECT = 1 << 1 };        /* ABI 4; TCP */
enum landlock_scope { SCOPE_ABSTRACT_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 }; /* ABI 6 */
enum landlock_rule { RULE_PATH = 1, RULE_PORT = 2 };

/* The kernel's landlock_ruleset_attr; an older kernel takes it as long as what it does not know is 0. */
struct landlock_ruleset {
        uint64_t files, ports, scopes;
};

/* landlock_path_beneath_attr */
struct landlock_path {
        uint64_t rights;
        int32_t fd;
} __attribute__((packed));

/* landlock_net_port_attr */
struct landlock_port {
        uint64_t rights, port;
};

#endif
