/* Any bytes as a GGUF file: opened, and every tensor read both ways. */
#include "formats/source.h"
#include "formats/source_parts.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    eng_source *src = NULL;
    eng_error err;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        abort();
    if (eng__source_adopt_gguf(&src, fd, &err) != ENG_OK)
        return 0;
    for (size_t i = 0; i < eng__source_n_tensors(src); i++) {
        const eng_tensor_info *t = eng__source_tensor(src, i);
        void *raw = malloc((size_t)t->n_bytes);
        float *floats = malloc((size_t)t->n_elements * sizeof *floats);
        if (raw && floats && eng__source_read(src, t, raw, &err) == ENG_OK &&
            eng__source_read_f32(src, t, floats, &err) == ENG_IO)
            abort();
        free(raw);
        free(floats);
    }
    eng__source_close(src);
    return 0;
}
