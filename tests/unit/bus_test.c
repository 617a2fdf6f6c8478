/* D-Bus: values against bytes that systemd's own writer made, hostile bytes, and talks with a server that misbehaves.
 */
#include "tests/unit/bus_case.h"

#include "specs/base/clock.h"

#define PATIENCE 1000

static const char *name; /* of the test's abstract socket */

static const char *address(void) {
        return str_format("unix:abstract=%s", name);
}

static size_t from_hex(const char *hex, uint8_t *ret) {
        size_t n = 0;
        unsigned value;
        for (; *hex; hex += *hex == ' ' ? 1 : 2)
                if (*hex != ' ' && sscanf(hex, "%2x", &value) == 1)
                        ret[n++] = (uint8_t)value;
        return n;
}

/* -- writing -- */

static bool is_hex(const struct bus_message *m, const char *hex) {
        uint8_t want[256];
        size_t n = from_hex(hex, want);
        return !m->has_overflowed && m->n == n && memcmp(m->at, want, n) == 0;
}

static const char *texts[] = { "x", "yz", NULL };
static const struct unit_pair pairs[] = { { "/dev/a", 5 }, { "b", 6 } };
static const uint8_t three[] = { 1, 2, 255 };
static const struct {
        struct unit_property property;
        const char *hex;
} properties[] = {
        { { "A", "b", 1 }, "100000000000000001000000410001620000000001000000" },
        { { "AB", "u", 7 }, "100000000000000002000000414200017500000007000000" },
        { { "ABC", "i", (uint64_t)-2 }, "1000000000000000030000004142430001690000feffffff" },
        { { "ABCD", "t", 0x123456789abcdef }, "180000000000000004000000414243440001740000000000efcdab8967452301" },
        { { "A", "x", (uint64_t)-3 }, "180000000000000001000000410001780000000000000000fdffffffffffffff" },
        { { "A", "d", .real = 1.5 }, "180000000000000001000000410001640000000000000000000000000000f83f" },
        { { "A", "s", .text = "text" }, "1500000000000000010000004100017300000000040000007465787400" },
        { { "A", "o", .text = "/a" }, "1300000000000000010000004100016f00000000020000002f6100" },
        { { "A", "g", .text = "a{sv}" }, "100000000000000001000000410001670005617b73767d00" },
        { { "A", "as", .strings = { texts, 2, 0 } },
          "1f000000000000000100000041000261730000000f000000010000007800000002000000797a00" },
        { { "A", "as" }, "100000000000000001000000410002617300000000000000" },
        { { "A", "ay", .bytes = three, .bytes_count = 3 }, "1300000000000000010000004100026179000000030000000102ff" },
        { { "A", "a(st)", .pairs = pairs, .pairs_count = 2 },
          "4000000000000000010000004100056128737429000000002800000000000000060000002f6465762f61000000000000 "
          "050000000000000001000000620000000600000000000000" },
        { { "A", "a(st)" }, "1800000000000000010000004100056128737429000000000000000000000000" },
};

/* One property as an array a(sv), as `busctl call` (systemd 252) sends it. */
static void test_properties(void) {
        for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
                struct bus_message m = { 0 };
                const char *type = "a(sv)";
                size_t all = bus_begin_array(&m, 8);
                bus_put_property(&m, &properties[i].property);
                bus_end_array(&m, all, 8);
                CHECK_ROW(is_hex(&m, properties[i].hex),
                          str_format("property of type %s", properties[i].property.signature));
                struct bus_message back = { .at = m.at, .n = m.n };
                CHECK_ROW(bus_skip(&back, &type) && !*type && back.position == m.n, "and it can be passed over");
        }
        struct bus_message m = { 0 };
        bus_put_property(&m, &(struct unit_property){ .name = "A", .signature = "aas" });
        CHECK(m.has_overflowed);
}

static void test_limits(void) {
        struct bus_message m = { 0 };
        char *text = arena_alloc(BUS_MESSAGE_MAX + 1), *type = arena_alloc(257);
        memset(text, 'x', BUS_MESSAGE_MAX);
        memset(type, 'y', 256);
        bus_put_text(&m, text);
        CHECK(m.has_overflowed);
        m = (struct bus_message){ 0 };
        bus_put_signature(&m, type);
        CHECK(m.has_overflowed);
        m = (struct bus_message){ 0 };
        text[BUS_MESSAGE_MAX / 2 - 8] = '\0';
        bus_put_text(&m, text);
        CHECK(!m.has_overflowed);
        bus_put_text(&m, text);
        bus_put_text(&m, text);
        CHECK(m.has_overflowed && m.n <= BUS_MESSAGE_MAX); /* sticky, and never larger */
}

/* -- reading -- */

static bool skips(const char *signature, const char *hex, bool is_swapped) {
        uint8_t bytes[256];
        struct bus_message m = { .n = from_hex(hex, bytes), .is_swapped = is_swapped };
        m.at = arena_memdup(bytes, m.n); /* exactly so large: what reads behind it is seen by the sanitizers */
        while (*signature)
                if (!bus_skip(&m, &signature))
                        return m.has_overflowed ? false : (abort(), false);
        return m.position == m.n;
}

static void test_values(void) {
        static const struct {
                const char *signature, *hex;
                bool is_swapped;
        } rows[] = {
                { "", "", false },
                { "yyu", "01020000ffffffff", false },
                { "nqih", "010002000300000004000000", false },
                { "yt", "01000000000000000200000000000000", false },
                { "s", "0000000000", false },
                { "uoss", "01000000 020000002f6100 00 0100000062 0000 00 0400000064 6f6e6500", false },
                { "uoss", "00000001 000000022f6100 00 0000000162 0000 00 0000000464 6f6e6500", true },
                { "a{sv}", "10000000 00000000 01000000 4100 0175 0000000007000000", false },
                { "v", "017600 017600 017900 05", false },
                { "(y(y))", "01 00000000000000 02", false },
                { "aay", "0e000000 01000000 aa 000000 02000000 bbcc", false },
                { "a(ii)y", "00000000 00000000 07", false },
                { "aa{sas}", "00000000", false },
                { "at", "00000010 00000000 0000000000000001 0000000000000002", true },
                { "g", "05617b73767d00", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_ROW(skips(rows[i].signature, rows[i].hex, rows[i].is_swapped), rows[i].signature);
}

static void test_hostile_values(void) {
        static const struct {
                const char *signature, *hex, *what;
        } rows[] = {
                { "u", "010000", "a cut number" },
                { "s", "ffffffff00", "a text as long as can be" },
                { "s", "0100000061", "a text without its end" },
                { "s", "010000006162", "a text that goes on" },
                { "s", "02000000610000", "a text with a NUL inside" },
                { "g", "ff00", "a signature that is too long" },
                { "ay", "ffffffff00", "an array as long as can be" },
                { "at", "0400000000000000 01000000", "an array that ends inside an element" },
                { "a(yy)", "0100000000000000 01", "a struct that ends early" },
                { "aas", "08000000 0f000000 0000000000", "an array larger than what holds it" },
                { "v", "02797900 0102", "a variant of two values" },
                { "v", "000000", "a variant of none" },
                { "v", "01610000", "a variant of an array of nothing" },
                { "()", "", "a struct of nothing" },
                { "a()", "08000000000000000000000000000000", "an array of nothing" },
                { "a", "00000000", "an array without a type" },
                { "(i", "00000000", "a struct without an end" },
                { "i)", "00000000", "an end without a struct" },
                { "(i}", "00000000", "a struct that ends as an entry" },
                { "{sv}", "0000000000", "an entry outside an array" },
                { "a{vs}", "00000000", "an entry whose key is a variant" },
                { "a{s}", "00000000", "an entry without a value" },
                { "a{sss}", "00000000", "an entry of three" },
                { "z", "00000000", "an unknown type" },
                { "\xff", "00000000", "a type that is no letter" },
        };
        char deep[512], nested[1024] = "";
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_ROW(!skips(rows[i].signature, rows[i].hex, false), rows[i].what);
        memset(deep, 'a', 200);
        (void)snprintf(deep + 200, sizeof(deep) - 200, "y");
        CHECK_ROW(!skips(deep, "00000000", false), "an array 200 deep");
        for (int i = 0; i < 80; i++)
                (void)strcat(nested, "017600");
        CHECK_ROW(!skips("v", strcat(nested, "01790005"), false), "a variant 80 deep");
}

/* -- whole messages -- */

/* A call as `busctl` sends it, but for its body. */
#define FIELDS                                                                                                         \
        "01016f00020000002f6100000000000003017300010000004d000000000000000201730003000000612e620000000000060173000300" \
        "0000612e6200"

static bool parses(const char *hex, struct bus_header *header) {
        uint8_t bytes[512];
        size_t n = from_hex(hex, bytes);
        return bus_parse(arena_memdup(bytes, n), n, header);
}

static const struct {
        const char *hex, *what;
} no_messages[] = {
        { "6c01040100000000020000003c000000" FIELDS "000000", "a message that is cut" },
        { "7801040100000000020000003c000000" FIELDS "00000000", "a byte order that there is not" },
        { "6c00040100000000020000003c000000" FIELDS "00000000", "type 0" },
        { "6c01040200000000020000003c000000" FIELDS "00000000", "a version that is not yet" },
        { "6c02040100000000020000003c000000" FIELDS "00000000", "a reply to nothing" },
        { "6c03040100000000020000003c000000" FIELDS "00000000", "an error without a name" },
        { "6c01040100000000020000000d000000 01017300020000002f61000000 000000", "a path that is no path" },
        { "6c01040100000000020000000d000000 00016f00020000002f61000000 000000", "field 0" },
        { "6c01040100000000020000000b000000 01016f00ff0000002f6100 0000000000", "a field that goes on" },
        { "6c0104010000000002000000080000000102797901020000", "a field of two values" },
        { "42", "one byte" },
};

static void test_messages(void) {
        struct bus_header header;
        CHECK(parses("6c01040100000000020000003c000000" FIELDS "00000000", &header));
        CHECK(header.type == BUS_CALL && header.body.n == 0);
        CHECK_STR(header.path, "/a");
        CHECK_STR(header.interface, "a.b");
        CHECK_STR(header.member, "M");
        CHECK_STR(header.signature, "");
        for (size_t i = 0; i < sizeof(no_messages) / sizeof(no_messages[0]); i++)
                CHECK_ROW(!parses(no_messages[i].hex, &header), no_messages[i].what);
        /* The other byte order, an unknown field (200, a variant in it), and a body. */
        CHECK(parses("420201010000000400000003 0000001f 0501750000000007 c801760001690000 0000002a00000000 "
                     "08016700017500 00 0000002b",
                     &header));
        uint32_t value = 0;
        CHECK(header.reply_serial == 7 && header.body.is_swapped && bus_get_u32(&header.body, &value) && value == 0x2b);
        CHECK_STR(header.signature, "u");
}

static void test_sizes(void) {
        uint8_t fixed[BUS_FIXED_SIZE];
        bool is_too_large;
        (void)from_hex("6c010401050000000200000009000000", fixed);
        CHECK(bus_size(fixed, &is_too_large) == 32 + 5 && !is_too_large);
        (void)from_hex("42010401000000050000000200000009", fixed);
        CHECK(bus_size(fixed, &is_too_large) == 32 + 5 && !is_too_large);
        (void)from_hex("6c010401ffffffff02000000ffffffff", fixed);
        CHECK(bus_size(fixed, &is_too_large) == 0 && is_too_large);
        (void)from_hex("6c010401000010000200000008000000", fixed); /* 1 MiB and a header */
        CHECK(bus_size(fixed, &is_too_large) == 0 && is_too_large);
}

/* -- talks -- */

static const struct bus_call question = { "/a", "a.b", "Ask", "", NULL };

static void silence(int fd) {
        (void)take_auth(fd);
        (void)pause();
}
static void rejection(int fd) {
        (void)take_auth(fd);
        say_text(fd, "REJECTED EXTERNAL\r\n");
}
static void other_words(int fd) {
        say_text(fd, "220 mail.example\r\n");
        (void)pause();
}
static void endless_line(int fd) {
        char line[1000];
        memset(line, 'x', sizeof(line));
        say(fd, line, sizeof(line));
        (void)pause();
}
static void goodbye(int fd) {
        (void)take_auth(fd);
}
/* Every answer one byte at a time, the line and the first message in one piece of them. */
static void slow_hello(int fd) {
        static const char hello[] = "DATA\r\nOK 0011\r\n";
        (void)take_auth(fd);
        for (size_t i = 0; i < sizeof(hello) - 1; i++)
                say(fd, hello + i, 1);
        struct incoming call;
        if (take(fd, &call))
                reply(fd, &call, "s", ":1.5");
}
static void silence_later(int fd) {
        welcome(fd);
        (void)pause();
}
static void huge(int fd) {
        uint8_t fixed[BUS_FIXED_SIZE];
        (void)from_hex("6c0201010000f0000200000008000000", fixed);
        welcome(fd);
        say(fd, fixed, sizeof(fixed));
        (void)pause();
}
static void garbage(int fd) {
        welcome(fd);
        say_text(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
        (void)pause();
}
static void chatter(int fd) {
        (void)signal(SIGPIPE, SIG_DFL);
        welcome(fd);
        for (;;)
                job_removed(fd, "/job/1", "done", ":1.1");
}

static void test_misbehaviour(void) {
        static const struct {
                void (*conversation)(int fd);
                const char *words;
                bool is_later; /* after a good start */
        } rows[] = {
                { silence, "no answer after 1 s", false },        { rejection, "it does not let in uid", false },
                { other_words, "this is not D-Bus: 220", false }, { endless_line, "this is not D-Bus", false },
                { goodbye, "the connection was closed", false },  { slow_hello, "the connection was closed", true },
                { silence_later, "no answer after 1 s", true },   { huge, "a message larger than 1048576 bytes", true },
                { garbage, "this is not D-Bus", true },           { chatter, "no answer after 1 s", true },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                autobus bus = BUS_NONE;
                pid_t server = serve(name, rows[i].conversation);
                err_clear();
                int r = bus_connect(address(), false, PATIENCE, &bus);
                CHECK_ROW((r == 0) == rows[i].is_later, rows[i].words);
                if (r == 0)
                        r = bus_call(&bus, &question, NULL, NULL);
                CHECK_ROW(r < 0 && strstr(err_message(), rows[i].words), rows[i].words);
                end(server);
        }
}

/* What comes before the answer to Ask; then errors to what is asked next. */
static void busy(int fd) {
        struct incoming call;
        struct bus_message body = { 0 };
        welcome(fd);
        if (!take(fd, &call) || call.header.interface == NULL || !str_eq(call.header.interface, "a.b"))
                _exit(1);
        struct incoming other = call;
        other.serial += 100;
        job_removed(fd, "/job/0", "done", ":1.1");
        reply(fd, &other, "s", "to somebody else");
        give(fd, &(struct outgoing){ .type = BUS_CALL, .path = "/", .interface = "a.b", .member = "Ping" });
        give(fd, &(struct outgoing){ .type = 77, .path = "/" });
        reply(fd, &call, "s", "the answer");
        job_removed(fd, "/job/1", "done", ":1.9"); /* of a stranger */
        job_removed(fd, "/job/2", "done", ":1.1");
        if (take(fd, &call))
                refuse(fd, &call, "org.freedesktop.systemd1.NoSuchUnit", "Unit x not loaded.");
        if (take(fd, &call))
                refuse(fd, &call, "org.example.Odd", NULL);
        if (take(fd, &call))
                refuse(fd, &call, "org.freedesktop.DBus.Error.ServiceUnknown", "nobody is there");
        bus_put_u32(&body, 5);
        if (take(fd, &call))
                give(fd, &(struct outgoing){ BUS_ERROR, call.serial, .error = "a.Number", .signature = "u",
                                             .body = &body });
        (void)pause();
}

static void test_talk(void) {
        pid_t server = serve(name, busy);
        autobus bus = BUS_NONE;
        struct bus_reply got;
        const char *text = NULL, *error = "";
        uint32_t id;
        CHECK_INT(bus_connect(str_format("tcp:host=localhost,port=1;unix:abstract=%%%02x%s,guid=00", name[0], name + 1),
                              false, 5000, &bus),
                  0);
        CHECK_INT(bus_call(&bus, &question, &got, &error), 0);
        CHECK(!error && bus_get_text(&got.body, &text));
        CHECK_STR(got.signature, "s");
        CHECK_STR(text, "the answer");
        CHECK_INT(bus_wait(&bus, "org.freedesktop.systemd1.Manager", "JobRemoved", 5000, &got), 0);
        CHECK(bus_get_u32(&got.body, &id) && bus_get_text(&got.body, &text));
        CHECK_STR(text, "/job/2");
        CHECK_INT(bus_call(&bus, &question, &got, &error), -ENOENT);
        CHECK_STR(error, "org.freedesktop.systemd1.NoSuchUnit");
        CHECK_STR(err_message(), "Unit x not loaded.");
        CHECK_FAIL(bus_call(&bus, &question, &got, NULL), "org.example.Odd");
        CHECK_FAIL(bus_call(&bus, &question, &got, NULL), "nobody is there");
        CHECK(err_hint() && strstr(err_hint(), "--cgroup-manager cgroupfs"));
        CHECK_FAIL(bus_call(&bus, &question, &got, NULL), "a.Number");
        CHECK_FAIL(bus_wait(&bus, "org.freedesktop.systemd1.Manager", "JobRemoved", 100, &got),
                   "no signal JobRemoved after 0.1 s");
        end(server);
        CHECK_FAIL(bus_call(&bus, &question, &got, NULL), "the connection was closed");
}

/* systemd's own socket: no bus between, so no names, no Hello, and signals without having asked. */
static void direct(int fd) {
        struct incoming call;
        if (!take_auth(fd))
                _exit(1);
        say_text(fd, "DATA\r\nOK 0011\r\n");
        if (!take(fd, &call) || !str_eq(call.header.member, "Ask"))
                _exit(1);
        give(fd, &(struct outgoing){ .type = BUS_REPLY, .reply_serial = call.serial });
        job_removed(fd, "/job/3", "done", NULL);
        (void)pause();
}

static void test_direct(void) {
        pid_t server = serve(name, direct);
        autobus bus = BUS_NONE;
        struct bus_reply got;
        const char *text = NULL;
        uint32_t id;
        CHECK_INT(bus_connect(address(), true, 5000, &bus), 0);
        CHECK_INT(bus_match(&bus, "org.freedesktop.systemd1.Manager", "JobRemoved"), 0);
        CHECK_INT(bus_call(&bus, &question, &got, NULL), 0);
        CHECK_STR(got.signature, "");
        CHECK_INT(bus_wait(&bus, "org.freedesktop.systemd1.Manager", "JobRemoved", 5000, &got), 0);
        CHECK(bus_get_u32(&got.body, &id) && bus_get_text(&got.body, &text));
        CHECK_STR(text, "/job/3");
        end(server);
}

/* -- finding one -- */

static void test_addresses(void) {
        autobus bus = BUS_NONE;
        char longest[200];
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        CHECK_FAIL(bus_connect("unix:path=/no/such/bus", false, PATIENCE, &bus),
                   "connect to unix:path=/no/such/bus: No such file");
        CHECK_FAIL(bus_connect("tcp:host=localhost", false, PATIENCE, &bus), "not an address that rundlet knows");
        CHECK_FAIL(bus_connect("", false, PATIENCE, &bus), "not an address");
        CHECK_FAIL(bus_connect("unix:path=", false, PATIENCE, &bus), "not an address");
        CHECK_FAIL(bus_connect("unix:path=/a%2", false, PATIENCE, &bus), "not an address");
        CHECK_FAIL(bus_connect("unix:path=/a%00b", false, PATIENCE, &bus), "not an address");
        CHECK_INT(bus_connect(str_format("unix:path=/%s", longest), false, PATIENCE, &bus), -ENAMETOOLONG);

        (void)setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/such/session", 1);
        (void)setenv("XDG_RUNTIME_DIR", "/no/such run", 1);
        CHECK_FAIL(bus_open(true, &bus), "reach systemd of the user at unix:path=/no/such%20run/systemd/private, "
                                         "unix:path=/no/such/session, unix:path=/no/such%20run/bus: No such");
        CHECK(err_hint() && strstr(err_hint(), "--cgroup-manager cgroupfs"));
        (void)setenv("DBUS_SESSION_BUS_ADDRESS", address(), 1);
        pid_t server = serve(name, rejection);
        CHECK_FAIL(bus_open(true, &bus), "reach systemd of the user: unix:abstract=");
        end(server);
        server = serve(name, silence_later);
        CHECK_INT(bus_open(true, &bus), 0);
        CHECK(!bus.is_direct);
        end(server);
}

/* One that listens and lets nobody in: its queue is full. */
static void test_full_queue(void) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        autofd listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        autobus first = BUS_NONE, second = BUS_NONE;
        memcpy(to.sun_path + 1, name, strlen(name));
        CHECK(bind(listener, (struct sockaddr *)&to, (socklen_t)(sizeof(sa_family_t) + 1 + strlen(name))) == 0);
        CHECK(listen(listener, 0) == 0);
        int64_t begin = clock_ms();
        CHECK_FAIL(bus_connect(address(), true, PATIENCE, &first), "no answer after");
        autofd filler = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(filler, (struct sockaddr *)&to, (socklen_t)(sizeof(sa_family_t) + 1 + strlen(name)));
        CHECK_INT(bus_connect(address(), true, PATIENCE, &second), -ETIMEDOUT);
        CHECK(clock_ms() - begin < 5000);
}

int main(void) {
        name = str_format("rundlet-bus-test-%d", (int)getpid());
        test_properties();
        test_limits();
        test_values();
        test_hostile_values();
        test_messages();
        test_sizes();
        test_misbehaviour();
        test_talk();
        test_direct();
        test_addresses();
        test_full_queue();
        return test_done();
}
