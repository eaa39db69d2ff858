/* A model file in another form: a GGUF file or checkpoint directory in, either of the two out. */
#ifndef ENG_FORMATS_CONVERT_H
#define ENG_FORMATS_CONVERT_H

#include "formats/checkpoint.h"
#include "formats/gguf_write.h"

/* Opens `from` and writes it as eng_gguf_write does. [any thread] */
ENG_MUST_CHECK eng_status eng_convert_to_gguf(const char *from, const char *path,
                                              const eng_gguf_options *options, eng_error *err);
/* Opens `from` and writes it as eng_checkpoint_write does. [any thread] */
ENG_MUST_CHECK eng_status eng_convert_to_directory(const char *from, const char *dir,
                                                   const eng_checkpoint_options *options,
                                                   char id[ENG_POLICY_ID_BYTES], eng_error *err);

#endif
