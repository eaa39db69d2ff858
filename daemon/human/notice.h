/* What people are told before anything of theirs is kept. A change of its meaning takes a new
 * version, and everybody is asked again; until they answer, nothing new of theirs is kept. */
#ifndef DAEMON_HUMAN_NOTICE_H
#define DAEMON_HUMAN_NOTICE_H

enum { NOTICE_VERSION = 1 };

#define NOTICE_TEXT                                                                                \
    "If you agree, what you type here and what the model answers is kept on this server. People "  \
    "may read and rate it, and models may be trained on it. Leave out what identifies you or "     \
    "others: e-mail addresses, numbers and secrets are searched for and left out of training, "    \
    "names and postal addresses are not. Nothing is kept unless you agree. You can change your "   \
    "choice, and delete what was kept, at any time."

#endif
