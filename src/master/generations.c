/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generation is read as a whole and does not change any more.
 */
#include "master/generations.h"

#include <stdlib.h>

#include "config/conf_build.h"
#include "config/conf_ini.h"

static unsigned generations;

/* Checks settings that were given as options again: a file that one of them names may have
 * changed. */
static int load_options(struct conf *conf, const struct options *options, conf_report *report,
                        void *context)
{
    struct conf_section copy;

    conf_section_init(&copy, options->section.name, options->section.section_origin);
    conf_override(&copy, &options->section);
    return conf_from_section(conf, &copy, options->listens, options->listen_count, report, context);
}

struct generation *generation_load(const struct options *options, conf_report *report,
                                   void *context)
{
    struct generation *generation = calloc(1, sizeof(*generation));
    int result;

    if (generation == NULL) {
        report(context, "out of memory");
        return NULL;
    }
    if (options->config_file != NULL)
        result =
            conf_load(&generation->conf, options->config_file, &options->section, report, context);
    else
        result = load_options(&generation->conf, options, report, context);
    if (result == -1) {
        free(generation);
        return NULL;
    }
    generation->number = ++generations;
    generation->users = 1;
    return generation;
}
