/* The plugin's side of the ABI: its entry and its table. */
#include "instructd_plugin.h"
#include "rlhf/file_check.h"

#include <stdio.h>

#define PLUGIN_VERSION "0.1.0"

static int check_file(int fd, instructd_file_report *report)
{
    data_format format;
    eng_error why;
    job_code code = file_check(fd, &format, &report->rows, &report->bad_line, &why);
    snprintf(report->format, sizeof report->format, "%s", data_format_name(format));
    snprintf(report->error, sizeof report->error, "%s", why.text);
    return code;
}

static const instructd_plugin PLUGIN = {
    .size = sizeof(instructd_plugin),
    .magic = INSTRUCTD_PLUGIN_MAGIC,
    .abi_major = INSTRUCTD_ABI_MAJOR,
    .abi_minor = INSTRUCTD_ABI_MINOR,
    .name = "rlhf",
    .version = PLUGIN_VERSION,
    .file_check = check_file,
};

const instructd_plugin *instructd_plugin_entry(const instructd_host *host, char *err)
{
    (void)host, (void)err;
    return &PLUGIN;
}
