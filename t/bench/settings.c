/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of the load generator; see settings.h. */
#include "settings.h"

#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOURCES_MAX = 1000000, /* the last one is 127.15.66.65 */
    USERS_MAX = 1000000,   /* their numbers have six digits */
};

static const char *const mode_names[] = {"closed", "storm", "open", "idle"};

struct settings set = {
    .clients = 64, .rate = 100, .users = USERS_MAX, .messages = 10, .size = 8192, .script = "poll",
    .stall_ns = 30 * BENCH_S, .deadline_ns = 120 * BENCH_S,
};

static const char help[] =
    "usage: pop3_load [options] --connect ADDRESS:PORT\n"
    "the commands\n"
    "  --script poll|fetch|bulk  poll: USER PASS STAT QUIT; fetch: also UIDL, LIST, RETR and DELE\n"
    "                            of each message; bulk: STAT and RETR of each (poll)\n"
    "  --messages N              how many there are (10)\n"
    "  --size OCTETS             of each; a multiple of 64 (8192)\n"
    "  --delay-ms N              wait between a reply and the next command (0)\n"
    "  --user-suffix TEXT        append to each user name, such as %server:port (none)\n"
    "  --users N                 use N users in turn (1000000)\n"
    "how clients arrive\n"
    "  --mode closed             --clients at a time; each begins again when it has finished\n"
    "  --mode storm              --clients at the same time, one session each\n"
    "  --mode open               --rate sessions a second for --seconds, timed from when each\n"
    "                            was due; at most --clients at a time\n"
    "  --mode idle               --clients log in and stay until standard input ends or SIGTERM;\n"
    "                            prints \"held N\" when all have logged in\n"
    "  --clients N (64)  --sessions N (no limit)  --seconds N (no limit)  --rate N (100)\n"
    "  --ramp-ms N               spread the first --clients over this time (0)\n"
    "  --sources N               connect from N addresses, 127.0.0.2 and up (the kernel's choice)\n"
    "  --stall S, --deadline S   give up a client that receives nothing (30), or all (120)\n"
    "TLS 1.3\n"
    "  --tls                     from the first octet\n"
    "  --tls-resume              use each ticket once instead of a full handshake\n"
    "  --tls-ca FILE, --tls-name NAME  check the certificate\n"
    "  --with-parent             exit when the parent process ends\n"
    "  --help                    print this help\n"
    "The result is one JSON object on standard output. Exit status: 0; 1 errors; 64 usage.\n";

static enum mode mode_of(const char *name)
{
    int mode;

    for (mode = MODE_CLOSED; mode <= MODE_IDLE; mode++)
        if (strcmp(name, mode_names[mode]) == 0)
            return (enum mode)mode;
    bench_die("--mode %s: must be closed, storm, open or idle", name);
}

static void take_option(int option, const char *name)
{
    switch (option) {
    case 'a': set.address = bench_address(name, optarg); break;
    case 'S': set.script = optarg; break;
    case 'm': set.messages = bench_number(name, optarg, 0, 10000); break;
    case 'z': set.size = bench_number(name, optarg, 0, 1ULL << 40); break;
    case 'd': set.delay_ns = bench_number(name, optarg, 0, 60000) * BENCH_MS; break;
    case 'M': set.mode = mode_of(optarg); break;
    case 'c': set.clients = bench_number(name, optarg, 1, 100000); break;
    case 'n': set.sessions = bench_number(name, optarg, 1, 100000000); break;
    case 't': set.seconds_ns = bench_number(name, optarg, 1, 86400) * BENCH_S; break;
    case 'r': set.rate = bench_number(name, optarg, 1, 1000000); break;
    case 'R': set.ramp_ns = bench_number(name, optarg, 0, 600000) * BENCH_MS; break;
    case 's': set.sources = bench_number(name, optarg, 1, SOURCES_MAX); break;
    case 'U': set.users = bench_number(name, optarg, 1, USERS_MAX); break;
    case 'w': set.stall_ns = bench_number(name, optarg, 1, 3600) * BENCH_S; break;
    case 'D': set.deadline_ns = bench_number(name, optarg, 1, 86400) * BENCH_S; break;
    case 'T': set.is_tls = true; break;
    case 'u': set.is_tls = set.tls.is_resuming = true; break;
    case 'C': set.tls.ca_file = optarg; break;
    case 'N': set.tls.name = optarg; break;
    case 'x': set.suffix = optarg; break;
    case 'p': bench_end_with_parent(); break;
    case 'h': fputs(help, stdout); exit(0);
    default: fputs(help, stderr); exit(64);
    }
}

void settings_take(int argc, char **argv)
{
    static const struct option options[] = {
        {"connect", required_argument, NULL, 'a'},  {"script", required_argument, NULL, 'S'},
        {"messages", required_argument, NULL, 'm'}, {"size", required_argument, NULL, 'z'},
        {"delay-ms", required_argument, NULL, 'd'}, {"mode", required_argument, NULL, 'M'},
        {"clients", required_argument, NULL, 'c'},  {"sessions", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 't'},  {"rate", required_argument, NULL, 'r'},
        {"ramp-ms", required_argument, NULL, 'R'},  {"sources", required_argument, NULL, 's'},
        {"stall", required_argument, NULL, 'w'},    {"deadline", required_argument, NULL, 'D'},
        {"tls", no_argument, NULL, 'T'},            {"tls-resume", no_argument, NULL, 'u'},
        {"tls-ca", required_argument, NULL, 'C'},   {"tls-name", required_argument, NULL, 'N'},
        {"user-suffix", required_argument, NULL, 'x'}, {"users", required_argument, NULL, 'U'},
        {"with-parent", no_argument, NULL, 'p'},    {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option, which = 0;

    while ((option = getopt_long(argc, argv, "", options, &which)) != -1)
        take_option(option, options[which].name);
    if (optind < argc || !set.address.sin_port)
        bench_die("--connect ADDRESS:PORT is missing, or there is an unexpected argument");
    if (set.suffix && strlen(set.suffix) > 64)
        bench_die("--user-suffix: at most 64 octets");
    if (set.mode == MODE_OPEN && !set.seconds_ns)
        bench_die("--mode open needs --seconds");
    if (set.mode == MODE_CLOSED && !set.seconds_ns && !set.sessions)
        bench_die("--mode closed needs --seconds or --sessions");
    if (set.mode == MODE_STORM || set.mode == MODE_IDLE)
        set.sessions = set.clients;
}

const char *settings_mode(void)
{
    return mode_names[set.mode];
}
