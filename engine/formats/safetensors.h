/* safetensors: a JSON header that names tensors and byte ranges, then one buffer. */
#ifndef ENG_FORMATS_SAFETENSORS_H
#define ENG_FORMATS_SAFETENSORS_H

#include "base/arena.h"
#include "base/status.h"
#include "formats/directory.h"
#include "formats/file.h"

/* Reads the header into `dir`, whose arrays live in the arena: names as in the file, dims reversed
 * (dims[0] is contiguous). The byte ranges must cover the buffer exactly, without overlap or holes.
 * Types that the engine does not compute with are listed with `foreign` set. [any thread] */
ENG_MUST_CHECK eng_status eng__safetensors_read(eng__directory *dir, const eng__file *file,
                                                eng_arena *arena, eng_error *err);

#endif
