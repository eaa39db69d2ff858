#include "rlhf/identity.h"

#include "base/sha256.h"

#include <stdio.h>
#include <string.h>

static void add(eng_sha256 *sha, const char *text)
{
    eng_sha256_update(sha, text, strlen(text) + 1);
}

void identity_of(char hex[65], const job *j, const example_set *const *sets, size_t n)
{
    eng_sha256 sha;
    char seed[24];
    eng_sha256_init(&sha);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)j->seed);
    add(&sha, schema_method_name(j->method));
    add(&sha, j->model);
    add(&sha, seed);
    add(&sha, j->method_json);
    for (size_t i = 0; i < n; i++)
        add(&sha, sets[i] ? sets[i]->sha256 : "");
    eng_sha256_final_hex(&sha, hex);
}
