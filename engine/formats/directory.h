/* The tensors that a file lists: where each lies, found by name, checked against each other. */
#ifndef ENG_FORMATS_DIRECTORY_H
#define ENG_FORMATS_DIRECTORY_H

#include "base/arena.h"
#include "base/status.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct eng__stored {
    eng_tensor_info info; /* `type` is valid only where foreign is NULL */
    uint64_t offset;      /* of its bytes in the file */
    const char *foreign;  /* name of a storage type this engine does not compute with, or NULL */
    bool transposed;      /* stored [in][out]: info.dims are canonical, the bytes are not */
} eng__stored;

/* Arrays live in the arena that filled them. */
typedef struct eng__directory {
    eng__stored *tensors; /* [n], in file order */
    size_t n;
    uint32_t *by_name; /* [n] indices, sorted by name */
} eng__directory;

/* Sets n_elements and n_bytes from dims and block size; refuses zero dimensions, overflow and rows
 * that are not whole blocks, naming the tensor. */
ENG_MUST_CHECK eng_status eng__stored_measure(eng__stored *tensor, uint32_t block_elements,
                                              uint32_t block_bytes, eng_error *err);
/* Builds by_name; refuses two tensors of one name. */
ENG_MUST_CHECK eng_status eng__directory_index(eng__directory *dir, eng_arena *arena,
                                               eng_error *err);
const eng__stored *eng__directory_find(const eng__directory *dir, const char *name); /* or NULL */
/* Refuses tensors outside [begin, end) of the file and overlapping ones; with `dense`, also holes
 * between them and bytes after the last. */
ENG_MUST_CHECK eng_status eng__directory_check_extents(const eng__directory *dir, uint64_t begin,
                                                       uint64_t end, bool dense, eng_error *err);

#endif
