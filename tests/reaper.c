/* Runs a command as a child subreaper (or as pid 1 of a pid namespace) that reaps every orphan at once, as an engine's
 * monitor would, and ends with the command's status.  Test tool: pid 1 of some machines reaps only now and then. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void forward(int signal) {
        if (child > 0)
                (void)kill(child, signal);
}

int main(int argc, char **argv) {
        int status;

        if (argc < 2) {
                fprintf(stderr, "usage: reaper COMMAND...\n");
                return 2;
        }
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
                perror("reaper: prctl");
                return 126;
        }
        child = fork();
        if (child < 0) {
                perror("reaper: fork");
                return 126;
        }
        if (child == 0) {
                execvp(argv[1], argv + 1);
                fprintf(stderr, "reaper: %s: %s\n", argv[1], strerror(errno));
                _exit(127);
        }
        (void)signal(SIGTERM, forward);
        (void)signal(SIGINT, forward);
        for (;;) {
                pid_t pid = wait(&status);
                if (pid == child)
                        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                if (pid < 0 && errno != EINTR)
                        return 126;
        }
}
