/* Any bytes as a safetensors file: what is accepted must lie inside the file and be found. */
#include "formats/safetensors.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    eng__directory dir;
    eng__file file;
    eng_arena arena;
    eng_error err;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len ||
        eng__file_adopt(&file, fd, &err) != ENG_OK)
        abort();
    eng_arena_init(&arena, 64 << 20);
    if (eng__safetensors_read(&dir, &file, &arena, &err) == ENG_OK)
        for (size_t i = 0; i < dir.n; i++) {
            const eng__stored *t = &dir.tensors[i];
            if (eng__directory_find(&dir, t->info.name) != t || t->offset > len ||
                t->info.n_bytes > len - t->offset)
                abort();
        }
    eng_arena_free(&arena);
    eng__file_close(&file);
    return 0;
}
