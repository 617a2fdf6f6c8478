/* The talk with CRIU: messages byte by byte, and a program in its place that answers what no CRIU would. */
#include "runtime/host/criu.h"
#include "runtime/host/mountinfo.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/str.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/rundlet-criu-XXXXXX";
static int root = -1;

static bool is_bytes(const struct criu_message *message, const char *bytes, size_t size) {
        return message->n == size && memcmp(message->at, bytes, size) == 0;
}

static void test_messages(void) {
        struct criu_message inner = { 0 }, outer = { 0 };
        criu_put_number(&inner, 1, 0);
        criu_put_number(&inner, 2, 300);
        criu_put_text(&inner, 3, "ab");
        CHECK(is_bytes(&inner,
                       "\x08\x00\x10\xac\x02\x1a\x02"
                       "ab",
                       9));
        criu_put_inner(&outer, 64, &inner);
        criu_put_number(&outer, 1, UINT64_MAX);
        CHECK(is_bytes(&outer,
                       "\x82\x04\x09\x08\x00\x10\xac\x02\x1a\x02"
                       "ab"
                       "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                       23));
}

/* A program that reads what it is asked and gives these answers (perl strings), one a datagram. */
static const char *program(const char *answers) {
        const char *text = str_format("#!/usr/bin/perl\nopen(my $s, '+<&=', $ARGV[1]) or die;\n"
                                      "for (%s) { sysread($s, my $asked, 65536); syswrite($s, $_); }\n"
                                      "sysread($s, my $asked, 65536);\n",
                                      answers);
        CHECK_INT(replace_file_at(root, "criu", 0755, text, strlen(text)), 0);
        return str_path(folder, "criu");
}

static struct strv heard;
static int listened;

static int listener(const char *event, pid_t pid, int fd, void *data) {
        (void)fd_close(fd);
        CHECK(data == folder);
        strv_add(&heard, str_format("%s %d", event, (int)pid));
        return listened < 0 ? fail_words(-listened, "I will not") : 0;
}

static int ask(const char *answers) {
        struct criu_message options = { 0 };
        autocriu criu = CRIU_NONE;
        const struct criu_start start = { .program = program(answers) };
        heard = (struct strv){ 0 };
        criu_put_number(&options, 1, 7);
        int r = criu_start(&start, &criu);
        return r < 0 ? r : criu_ask(&criu, CRIU_DUMP, &options, listener, folder);
}

static void test_talk(void) {
        /* A notification {script, pid}, then the end {type: dump, success}. */
        CHECK_INT(ask("\"\\x08\\x06\\x10\\x01\\x2a\\x06\\x0a\\x02go\\x10\\x2a\", \"\\x08\\x01\\x10\\x01\""), 0);
        CHECK_STR(str_join(&heard, ";"), "go 42");
        CHECK_INT(ask("\"\\x08\\x01\\x10\\x00\""), -EIO);
        CHECK_FAIL(ask("\"\\x08\\x01\\x10\\x00\\x4a\\x03bad\""), "CRIU: bad");
        listened = -EPERM;
        CHECK_FAIL(ask("\"\\x08\\x06\\x10\\x01\\x2a\\x04\\x0a\\x02go\", \"\\x08\\x01\\x10\\x01\""), "I will not");
        listened = 0;
}

static void test_hostile(void) {
        CHECK_FAIL(ask("\"\""), "CRIU ended without an answer");
        CHECK_FAIL(ask("\"\\xff\\xff\\xff\""), "no message");
        CHECK_FAIL(ask("\"\\x2a\\x7f\\x01\""), "no message"); /* longer than it is */
        CHECK_FAIL(ask("\"\\x0b\\x01\""), "no message");      /* a wire type that is gone */
        CHECK_FAIL(ask("\"\\xff\" x 11"), "no message");      /* a number without an end */
        CHECK_FAIL(ask("\"\\x08\\x06\\x10\\x01\", \"\\x01\""),
                   "no message"); /* an event without a name, half a field */
        CHECK_INT((int)heard.n, 0);
        CHECK_FAIL(ask("\"\\x08\\x01\\x10\\x00\\x4a\\x04\\x1b[2J\""), "CRIU: \\x1b[2J");
        const struct criu_start absent = { .program = "/nowhere/criu" };
        autocriu criu = CRIU_NONE;
        CHECK_FAIL(criu_start(&absent, &criu), "start CRIU (/nowhere/criu): No such file");
        CHECK_STR(err_hint(), "install CRIU (Debian package criu), or name it by --criu");
}

static void test_words(void) {
        static const char log[] = "(00.1) mnt: fine\n(00.2) Error (criu/a.c:1): one\n(00.3) Error (criu/b.c:2): two\n"
                                  "(00.4) Error (criu/c.c:3): three \x1b[2J\n(00.5)      1: Error (criu/d.c:4): four\n"
                                  "(00.6) Error (criu/cr-dump.c:5): Dumping FAILED.\nError (no end";
        CHECK_INT(replace_file_at(root, "log", 0600, log, strlen(log)), 0);
        err_clear();
        CHECK_FAIL(criu_fail(-EIO, root, folder, "log"), "CRIU: two; three \\x1b[2J; four");
        CHECK_STR(err_hint(), str_format("all it said is in %s/log", folder));
        CHECK_INT(symlinkat("log", root, "link"), 0);
        err_clear();
        CHECK_FAIL(criu_fail(-EIO, root, folder, "link"), "it failed without saying why");
        (void)fail_words(EPERM, "ours");
        CHECK_INT(criu_fail(-EPERM, root, folder, "log"), -EPERM);
        CHECK_STR(err_message(), "ours");
}

static void test_mountinfo(void) {
        static const char text[] =
                "22 1 0:23 / / rw,relatime shared:1 master:2 - overlay over\\134lay rw\n"
                "x 1 0:23 / / rw - tmpfs tmpfs rw\n23 22 0:5\n24 22 0:5 /a\\040b /c\\040d ro - tmpfs\n"
                "25 22 0:6 / /e ro\n26 22 0:7 / /f rw - proc proc rw\n";
        struct mount_list list;
        CHECK_INT(replace_file_at(root, "mountinfo", 0600, text, strlen(text)), 0);
        CHECK_INT(mountinfo_read(str_path(folder, "mountinfo"), &list), 0);
        CHECK_INT((int)list.n, 3);
        CHECK_STR(list.at[0].type, "overlay");
        CHECK_STR(list.at[0].options, "rw,relatime");
        CHECK_STR(list.at[1].root, "/a b");
        CHECK_STR(list.at[1].point, "/c d");
        CHECK_INT((int)list.at[2].id, 26);
        CHECK_INT(mountinfo_read(str_path(folder, "absent"), &list), -ENOENT);
        CHECK(str_is_below("/a/b", "/a") && str_is_below("/a", "/"));
        CHECK(!str_is_below("/a", "/a") && !str_is_below("/ab", "/a") && !str_is_below("/", "/"));
}

int main(void) {
        CHECK(mkdtemp(folder) != NULL);
        root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        test_messages();
        test_talk();
        test_hostile();
        test_words();
        test_mountinfo();
        autofd parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(remove_tree_at(parent, folder + strlen("/tmp/")), 0);
        return test_done();
}
