#include "label_ranking.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

int label_output(char name, int n)
{
    int i = name >= '1' && name <= '9' ? name - '1' : tolower((unsigned char)name) - 'a';
    return i >= 0 && i < n ? i : -1;
}

char label_letter(int i)
{
    return (char)('a' + i);
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* False, and why: at most one character between the words. */
static bool wrong(char why[LABEL_WHY_ROOM], const char *before, char name, const char *behind)
{
    snprintf(why, LABEL_WHY_ROOM, "%s%.*s%s", before, name != 0, &name, behind);
    return false;
}

/* One name of an output at *at. */
static bool take_output(const char **at, int n, int rank, int *ranks, char why[LABEL_WHY_ROOM])
{
    *at = skip_blanks(*at);
    const char name = **at;
    const int i = label_output(name, n);
    if (!name)
        return wrong(why, "an output is missing at the end", 0, "");
    if (name == '>' || name == '=')
        return wrong(why, "an output is missing before ", name, "");
    if (i < 0 && name > ' ' && name < 0x7F)
        return wrong(why, "there is no output ", name, "");
    if (i < 0)
        return wrong(why, "only letters, numbers, > and = make a ranking", 0, "");
    if (ranks[i] >= 0)
        return wrong(why, "", label_letter(i), " stands there twice");
    ranks[i] = rank;
    *at = skip_blanks(*at + 1);
    return true;
}

static bool all_ranked(const int *ranks, int n, char why[LABEL_WHY_ROOM])
{
    for (int i = 0; i < n; i++)
        if (ranks[i] < 0)
            return wrong(why, "", label_letter(i), " is missing");
    return true;
}

bool ranking_parse(const char *line, int n, int *ranks, char why[LABEL_WHY_ROOM])
{
    int found[LABEL_OUTPUTS_MAX], rank = 0;
    for (int i = 0; i < n; i++)
        found[i] = -1;
    for (const char *at = line;;) {
        if (!take_output(&at, n, rank, found, why))
            return false;
        if (!*at)
            break;
        if (*at != '>' && *at != '=')
            return wrong(why, "> or = is missing between two outputs", 0, "");
        rank += *at++ == '>';
    }
    if (!all_ranked(found, n, why))
        return false;
    memcpy(ranks, found, (size_t)n * sizeof *ranks);
    return true;
}

void ranking_format(const int *ranks, int n, text *out)
{
    for (int rank = 0; rank < n; rank++) {
        const char *between = rank ? " > " : "";
        for (int i = 0; i < n; i++) {
            if (ranks[i] != rank)
                continue;
            text_printf(out, "%s%c", between, label_letter(i));
            between = " = ";
        }
    }
}
