/* The implementation behind the public text_stream.h. */
#ifndef ENG_TEXT_UTF8_H
#define ENG_TEXT_UTF8_H

#include "text_stream.h"

/* Length of the run of ASCII bytes that bytes[0..len) starts with. [any thread] */
size_t eng__ascii_run(const char *bytes, size_t len);

#endif
