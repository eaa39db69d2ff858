/* Are stored weights free of NaN and infinity? Formats permit them; a model cannot use them. */
#ifndef ENG_FORMATS_FINITE_H
#define ENG_FORMATS_FINITE_H

#include "base/dtype.h"

#include <stdbool.h>
#include <stddef.h>

/* Looks at n elements as stored: at each float, or at each block's scales. [any thread] */
bool eng__is_finite(eng_dtype type, const void *data, size_t n);

#endif
