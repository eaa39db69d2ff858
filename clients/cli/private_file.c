#include "private_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool private_file_write(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    const bool ok = fputs(content, file) >= 0;
    return fclose(file) == 0 && ok;
}
