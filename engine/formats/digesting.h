/* The digest of a file while its owner does something else with it. SHA-256 is one chain, which no
 * second core makes faster; but it need not wait for the header to be understood, nor for the disk
 * or the copy out of the page cache. So one thread reads, some pieces ahead, and another hashes. */
#ifndef ENG_FORMATS_DIGESTING_H
#define ENG_FORMATS_DIGESTING_H

#include "formats/file.h"

typedef struct eng__digesting eng__digesting;

/* Begins; the file stays open until eng__digesting_free. NULL when there is no memory or no thread
 * for it: it can still be digested by eng__file_digest. */
eng__digesting *eng__digesting_start(const eng__file *file);
/* Waits for the end: as eng__file_digest. [any one thread] */
ENG_MUST_CHECK eng_status eng__digesting_wait(eng__digesting *d, char hex[65], eng_error *err);
/* Stops what still goes on, without waiting for the whole file; NULL allowed. */
void eng__digesting_free(eng__digesting *d);

#endif
