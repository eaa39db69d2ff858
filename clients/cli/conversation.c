#include "conversation.h"

#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void conversation_init(conversation *c, const char *system)
{
    c->messages = cJSON_CreateArray();
    if (system && *system)
        conversation_add(c, "system", system);
}

void conversation_free(conversation *c)
{
    cJSON_Delete(c->messages);
    c->messages = NULL;
}

static cJSON *message(const char *role, const char *content)
{
    cJSON *m = cJSON_CreateObject();
    cJSON_AddStringToObject(m, "role", role);
    cJSON_AddStringToObject(m, "content", content);
    return m;
}

void conversation_add(conversation *c, const char *role, const char *content)
{
    cJSON_AddItemToArray(c->messages, message(role, content));
}

void conversation_drop_last(conversation *c)
{
    int len = cJSON_GetArraySize(c->messages);
    if (len)
        cJSON_DeleteItemFromArray(c->messages, len - 1);
}

static bool has_system(const conversation *c)
{
    const char *role = json_string(cJSON_GetArrayItem(c->messages, 0), "role");
    return role && strcmp(role, "system") == 0;
}

void conversation_set_system(conversation *c, const char *system)
{
    if (has_system(c))
        cJSON_DeleteItemFromArray(c->messages, 0);
    if (*system)
        cJSON_InsertItemInArray(c->messages, 0, message("system", system));
}

void conversation_reset(conversation *c)
{
    int keep = has_system(c) ? 1 : 0;
    while (cJSON_GetArraySize(c->messages) > keep)
        conversation_drop_last(c);
}

int conversation_len(const conversation *c)
{
    return cJSON_GetArraySize(c->messages);
}

exit_code conversation_save(const conversation *c, const char *path, bool may_replace, problem *p)
{
    /* What people say to a model is theirs alone until they share it. */
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (may_replace ? O_TRUNC : O_EXCL);
    int fd = open(path, flags, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        problem_set(p, EXIT_USAGE, "cannot write %.300s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return EXIT_USAGE;
    }
    char *json = json_print(c->messages);
    bool ok = json && fprintf(file, "{\"messages\":%s}\n", json) > 0;
    free(json);
    if (fclose(file) != 0 || !ok)
        return problem_set(p, EXIT_USAGE, "cannot write all of %.300s: %s", path, strerror(errno));
    return EXIT_DONE;
}
