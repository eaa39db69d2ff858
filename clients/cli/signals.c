#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t pending, resized, resumed;
static int wake[2] = {-1, -1};

static void on_ending(int number)
{
    int saved = errno;
    if (!pending || number != SIGINT)
        pending = number;
    ssize_t n = write(wake[1], "", 1);
    (void)n; /* a full pipe is readable as it is */
    errno = saved;
}

static void on_notice(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else
        resumed = 1;
}

void signals_install(void)
{
    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0)
        abort(); /* a process that cannot open one pipe cannot open a connection */
    /* Without SA_RESTART: a blocked read returns, so that its caller can look. */
    struct sigaction ending = {.sa_handler = on_ending};
    struct sigaction notice = {.sa_handler = on_notice};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &ending, NULL);
    sigaction(SIGTERM, &ending, NULL);
    sigaction(SIGHUP, &ending, NULL);
    sigaction(SIGWINCH, &notice, NULL);
    sigaction(SIGCONT, &notice, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

int signals_pending(void)
{
    return pending;
}

int signals_fd(void)
{
    return wake[0];
}

void signals_take_interrupt(void)
{
    if (pending != SIGINT)
        return;
    char bytes[64];
    while (read(wake[0], bytes, sizeof bytes) > 0)
        continue;
    pending = 0;
}

bool signals_take_resized(void)
{
    bool was = resized;
    resized = 0;
    return was;
}

bool signals_take_resumed(void)
{
    bool was = resumed;
    resumed = 0;
    return was;
}
