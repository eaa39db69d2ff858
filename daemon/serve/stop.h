/* Stop strings: where the earliest one begins in unsent text, and how much of the text's end might
 * become one. Pure functions. [any thread] */
#ifndef DAEMON_SERVE_STOP_H
#define DAEMON_SERVE_STOP_H

#include "bridge/gen_request.h"

#include <stdbool.h>
#include <stddef.h>

/* The stop string that begins first in text (the longest of those that begin there): true, with its
 * place and length. */
bool stop_find(const gen_stop *stops, uint32_t n, const char *text, size_t len, size_t *at,
               size_t *stop_len);

/* Length of the longest suffix of text that is a proper prefix of a stop string: it must be held.
 */
size_t stop_hold(const gen_stop *stops, uint32_t n, const char *text, size_t len);

#endif
