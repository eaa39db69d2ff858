/* The digest of the configured model's file, remembered in the data directory, so that a restart
 * need not read and hash the file for the name that it had before.
 *
 * <data-dir>/base.digest holds one line: the digest and the file's device, inode, size and times of
 * change. All of them as before: the file is the one that was hashed, and nobody has written to it
 * (setting a time of modification back moves the other). A line that cannot be read is no line.
 *
 * A file that changed within the last two seconds is hashed and not remembered: it may change once
 * more within the same tick of the file system's clock, which nothing would tell. */
#ifndef DAEMON_POLICY_BASE_DIGEST_H
#define DAEMON_POLICY_BASE_DIGEST_H

#include "engine.h"

/* As eng_model_file_digest; computed, and remembered, unless the file is the one remembered.
 * Directories are never remembered: their digest is that of a small manifest, or of several files.
 * Blocks on the disk. [start] */
ENG_MUST_CHECK eng_status base_digest(const char *data_dir, const char *model, char digest[65],
                                      eng_error *err);

#endif
