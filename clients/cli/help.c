#include "help.h"

static const struct {
    command_id id;
    const char *usage, *summary, *detail;
} pages[] = {
    {COMMAND_COMPLETE, "complete [PROMPT|-]", "continue a text",
     "The prompt is the argument, or standard input with - or on a pipe, byte for byte.\n"
     "Without --max-tokens the server's default of 16 holds.\n"},
    {COMMAND_CHAT, "chat [MESSAGE|-]", "talk, or ask one question",
     "Without MESSAGE and on a terminal: a conversation. Ctrl-C stops an answer, Ctrl-D leaves,\n"
     "a backslash at the end of a line continues it; /help lists the commands.\n"},
    {COMMAND_MODELS, "models", "list the models the server offers", ""},
    {COMMAND_TOKENIZE, "tokenize [TEXT|-]", "show the tokens of a text",
     "Prints each id with the text it stands for, then the count.\n"},
    {COMMAND_MODEL, "model new", "make a small random model",
     "Writes a checkpoint directory and prints its policy id; no server is needed. The same\n"
     "options give the same bytes.\n\n"
     "  instruct model new --arch llama --layers 4 --dim 128 --heads 4 --context 512 --out tiny\n"
     "  ./quickstart up --model tiny\n"},
    {COMMAND_HELP, "help [COMMAND]", "explain a command", ""},
};
enum { PAGES = sizeof pages / sizeof pages[0] };

static void print_options(FILE *out, command_id command)
{
    fputs("\nOptions:\n", out);
    for (int i = 0; i < option_rows_len; i++) {
        const option_row *row = &option_rows[i];
        if (!(row->commands & command))
            continue;
        char left[40];
        snprintf(left, sizeof left, "%s%s%s", row->name, row->value ? " " : "",
                 row->value ? row->value : "");
        if (row->letter)
            fprintf(out, "  -%c, %-22s %s\n", row->letter, left, row->help);
        else
            fprintf(out, "      %-22s %s\n", left, row->help);
    }
}

static void print_exit_codes(FILE *out)
{
    fputs("\nExit codes:\n"
          "  0    done\n"
          "  1    the server answered with an error\n"
          "  2    usage: the command line or the input cannot be sent\n"
          "  3    no connection to the server\n"
          "  4    unauthorised: the key is missing, unknown or lacks the scope\n"
          "  5    the answer broke off or the server fell silent\n"
          "  130  stopped by Ctrl-C\n",
          out);
}

static void print_overview(FILE *out)
{
    fputs("instruct: the command line of an instructd server\n\nUsage:\n", out);
    for (int i = 0; i < PAGES; i++)
        fprintf(out, "  instruct %-22s %s\n", pages[i].usage, pages[i].summary);
    print_options(out, COMMAND_MODELS); /* it takes the common options only */
    fputs("\nEnvironment: INSTRUCTD_URL, INSTRUCTD_API_KEY, INSTRUCTD_DATA_DIR, NO_COLOR\n", out);
}

void help_print(FILE *out, command_id command)
{
    if (!command)
        print_overview(out);
    for (int i = 0; i < PAGES; i++) {
        if (pages[i].id != command)
            continue;
        fprintf(out, "instruct %s: %s\n\nUsage: instruct %s [OPTIONS]\n", command_name(command),
                pages[i].summary, pages[i].usage);
        if (pages[i].detail[0])
            fprintf(out, "\n%s", pages[i].detail);
        print_options(out, command);
    }
    print_exit_codes(out);
}
