/* Inside of an eng_source; only the files of this folder and their fuzz targets look in. */
#ifndef ENG_FORMATS_SOURCE_PARTS_H
#define ENG_FORMATS_SOURCE_PARTS_H

#include "base/arena.h"
#include "formats/digesting.h"
#include "formats/directory.h"
#include "formats/file.h"
#include "formats/source.h"

struct eng_source {
    eng_arena arena; /* everything below that points */
    eng__file file;  /* the GGUF file or model.safetensors */
    int dir_fd;      /* the directory, or -1 */
    eng_config config;
    eng_vocab vocab;
    eng__directory tensors;    /* canonical names and dims */
    eng__source_maker make;    /* NULL: the file has the weights; else all tensors are ENG_F32 */
    void *make_ctx;            /* outlives the source */
    const eng_weights *lent;   /* NULL, or what `make` copies from: they lie in memory */
    eng__digesting *digesting; /* of `file`; NULL: nobody has asked yet */
};

/* An empty one, for the caller to fill; NULL when there is no memory. */
eng_source *eng__source_blank(void);

/* Takes the descriptor of a GGUF file over, also on failure. */
ENG_MUST_CHECK eng_status eng__source_adopt_gguf(eng_source **out, int fd, eng_error *err);
/* Fills a source whose dir_fd is set from a Hugging Face directory (hf_source.c). */
ENG_MUST_CHECK eng_status eng__source_load_hf(eng_source *src, bool tokenizer_optional,
                                              eng_error *err);

#endif
