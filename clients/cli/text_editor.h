/* A text in the person's own editor. The one place of this program that runs another. */
#ifndef CLI_TEXT_EDITOR_H
#define CLI_TEXT_EDITOR_H

#include "problem.h"
#include "text.h"

/* Opens t in $VISUAL, else $EDITOR, else vi, and waits; t becomes what was saved, without line ends
 * behind it. The file is private, beside `path` (its name and ".txt"), and goes afterwards. On a
 * failure t is as it was. */
exit_code text_editor_edit(text *t, const char *path, problem *p);

#endif
