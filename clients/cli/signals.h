/* The signals of the program. SIGINT, SIGTERM and SIGHUP are noted, not obeyed at once: whoever
 * waits (the transfer, the line editor, a read) wakes, leaves its terminal and connection in order
 * and returns. SIGPIPE is ignored: a failed write says the same where it can be handled. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

void signals_install(void); /* once, at the start */
/* The ending signal that is pending: SIGINT, SIGTERM, SIGHUP, or 0. */
int signals_pending(void);
/* Readable while an ending signal is pending; for poll beside other descriptors. */
int signals_fd(void);
/* Answers a pending SIGINT, so that the program goes on. Others stay pending. */
void signals_take_interrupt(void);
/* True once after the terminal changed its size (resized) or the program was continued (resumed).
 */
bool signals_take_resized(void);
bool signals_take_resumed(void);

#endif
