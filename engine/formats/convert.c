#include "formats/convert.h"

eng_status eng_convert_to_gguf(const char *from, const char *path, const eng_gguf_options *options,
                               eng_error *err)
{
    eng_source *src;
    eng_status status = eng__source_open(&src, from, err);
    if (status != ENG_OK)
        return status;
    status = eng_gguf_write(src, path, options, err);
    eng__source_close(src);
    return status;
}

eng_status eng_convert_to_directory(const char *from, const char *dir,
                                    const eng_checkpoint_options *options,
                                    char id[ENG_POLICY_ID_BYTES], eng_error *err)
{
    eng_source *src;
    eng_status status = eng__source_open(&src, from, err);
    if (status != ENG_OK)
        return status;
    status = eng_checkpoint_write(src, dir, options, id, err);
    eng__source_close(src);
    return status;
}
