#include "label_rating.h"

#include <stdio.h>
#include <string.h>

const flag_spec rating_flags[RATING_FLAGS] = {
    {'i', "fails_instruction", "fails the instruction", FLAG_NO},
    {'c', "inappropriate_customer_assistant", "inappropriate for an assistant", FLAG_NO},
    {'h', "hallucination", "invents things (closed domain)", FLAG_NOT_APPLICABLE},
    {'k', "satisfies_constraint", "keeps the constraint given", FLAG_NOT_APPLICABLE},
    {'s', "sexual_content", "sexual content", FLAG_NO},
    {'v', "violent_content", "violent content", FLAG_NO},
    {'e', "encourages_harm", "encourages harm, or lets it pass", FLAG_NO},
    {'d', "denigrates_protected_class", "denigrates a protected class", FLAG_NO},
    {'a', "harmful_advice", "gives harmful advice", FLAG_NO},
    {'o', "expresses_opinion", "expresses an opinion", FLAG_NO},
    {'m', "moral_judgment", "judges morally", FLAG_NO},
};

/* What stands before a flag's letter. */
static const char marks[] = {[FLAG_NO] = '-', [FLAG_NOT_APPLICABLE] = '~'};

static int find_flag(char letter)
{
    for (int i = 0; i < RATING_FLAGS; i++)
        if (rating_flags[i].letter == letter)
            return i;
    return -1;
}

static rating fresh(int quality)
{
    rating r = {.quality = quality};
    for (int i = 0; i < RATING_FLAGS; i++)
        r.flags[i] = rating_flags[i].start;
    return r;
}

/* The flags behind the quality. */
static bool take_flags(const char *at, rating *r, char why[LABEL_WHY_ROOM])
{
    bool seen[RATING_FLAGS] = {false};
    for (at += strspn(at, " \t"); *at; at += strspn(at, " \t")) {
        flag_value value = *at == '-' ? FLAG_NO : *at == '~' ? FLAG_NOT_APPLICABLE : FLAG_YES;
        const char *letter = at + (value != FLAG_YES);
        int i = find_flag(*letter);
        if (i < 0 || seen[i]) {
            const bool shown = *letter > ' ' && *letter < 0x7F;
            snprintf(why, LABEL_WHY_ROOM,
                     i >= 0  ? "flag %c stands there twice"
                     : shown ? "there is no flag %c; ? lists them"
                             : "a flag's letter is missing; ? lists them",
                     *letter);
            return false;
        }
        seen[i] = true;
        r->flags[i] = value;
        at = letter + 1;
    }
    return true;
}

bool rating_parse(const char *line, rating *out, char why[LABEL_WHY_ROOM])
{
    line += strspn(line, " \t");
    if (*line < '1' || *line > '7' || (line[1] >= '0' && line[1] <= '9')) {
        snprintf(why, LABEL_WHY_ROOM, "a rating begins with the quality, 1 to 7; ? explains");
        return false;
    }
    rating r = fresh(*line - '0');
    if (!take_flags(line + 1, &r, why))
        return false;
    *out = r;
    return true;
}

void rating_format(const rating *r, text *out)
{
    const char *before = " ";
    text_printf(out, "%d", r->quality);
    for (int i = 0; i < RATING_FLAGS; i++) {
        if (r->flags[i] == rating_flags[i].start)
            continue;
        text_puts(out, before);
        if (r->flags[i] != FLAG_YES)
            text_append(out, &marks[r->flags[i]], 1);
        text_append(out, &rating_flags[i].letter, 1);
        before = "";
    }
}

cJSON *rating_json(const rating *r, const char *output_id)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "output_id", output_id);
    cJSON_AddNumberToObject(json, "overall_quality", r->quality);
    cJSON *flags = cJSON_AddObjectToObject(json, "flags");
    for (int i = 0; i < RATING_FLAGS; i++)
        cJSON_AddItemToObject(flags, rating_flags[i].name,
                              r->flags[i] == FLAG_NOT_APPLICABLE
                                  ? cJSON_CreateNull()
                                  : cJSON_CreateBool(r->flags[i] == FLAG_YES));
    return json;
}

bool rating_contradicts(const rating *better, const rating *worse)
{
    return better->quality < worse->quality;
}

void rating_words(const rating *r, text *out)
{
    text_printf(out, "quality %d", r->quality);
}

void rating_help(text *out)
{
    text_puts(out, "Overall quality from 1 to 7, then the letters of what holds: 5, or 2 ih.\n"
                   "-h says that it does not hold, ~h that it does not apply.\n");
    for (int i = 0; i < RATING_FLAGS; i++)
        text_printf(out, "  %c %-32s%s", rating_flags[i].letter, rating_flags[i].words,
                    i % 2 && i + 1 < RATING_FLAGS ? "\n" : "");
    text_puts(out, "\n(h and k do not apply unless you say so, the others do not hold.)\n");
}
