# SPDX-License-Identifier: BSD-2-Clause
#
# The command line of the driver.
package Bench::Options;

use strict;
use warnings;
use Bench::Readme;
use Cwd qw(abs_path);
use Getopt::Long qw(GetOptionsFromArray :config no_ignore_case);

my $HELP = <<'END';
usage: run [options]
  --workload LIST   what to measure, separated by commas (all):
                      poll        USER PASS STAT QUIT, 64 clients
                      fetch       10 messages of 8 KiB: UIDL, LIST, RETR and DELE, 64 clients
                      bulk        one message of 64 MiB, 4 clients
                      idle        memory of 2,000 sessions that are logged in and wait
                      storm       2,000 clients at once, one poll each
                      open        polls at a fixed rate, half of what the reference can do
                      wan         poll and fetch, each client 30 ms away, 1,000 and 4,000 at once:
                                  wan-poll-1000 wan-poll-4000 wan-fetch-1000 wan-fetch-4000
                      poll-tls    poll over TLS 1.3 with a P-256 and an RSA-2048 certificate, full
                                  handshakes and resumed ones: poll-tls-p256 poll-tls-p256-resumed
                                  poll-tls-rsa poll-tls-rsa-resumed
                      bulk-tls    bulk over TLS 1.3: bulk-tls-client bulk-tls-server bulk-tls-both
                      scale       poll with 1, 8, 64, 512 and 4,096 clients: scale-1 ...
                      size        one message of 1 KiB, 64 KiB, 1 MiB: size-1k ...
                    how pop3.proxy alone scales, measured with poll:
                      pool        workers: pool-4, pool-64, pool-1024
                      instances   instances-1, instances-10, instances-100
                      allow       names on the allow list: allow-10, allow-1000, allow-100000
                      servers     servers in a group: servers-1, servers-4, servers-16, servers-64
                      users       users in a file: table: users-10, users-1000, users-100000,
                                  users-1000000
                      addresses   addresses of clients, with all limits: addresses-10 and so on
  --peer LIST       what to compare, separated by commas (all that are installed): direct, floor, pop3,
                    haproxy, nginx, nginx_stream, dovecot, perdition, hitch, stunnel, or one
                    variant: floor_event, floor_blocking, pop3_hot, pop3_64, pop3_auto,
                    pop3_many, pop3_hot_auth, pop3_many_auth, pop3_grown,
                    pop3_route,
                    pop3_grown_many, haproxy_splice, nginx_64k, nginx_stream_64k
  --proxy PATH      the pop3.proxy to measure; without it only the others are measured
  --rounds N        how many turns each peer has (3)
  --seconds N       how long each turn of a closed or open workload lasts (1)
  --pin LIST        one: all on one core, the steadiest; compare CPU per session (one)
                    apart: the proxy on one core, load and server on another
                    none: the kernel decides
  --rate N          open: sessions a second, instead of half of the reference's
  --quick           1 round of 1 second, fewer sessions: does it work?
  --json FILE       the figures of every round for programs; "-" is standard output
  --plots DIR       plots by gnuplot (SVG)
  --markdown FILE   the tables in Markdown, for a README
  --readme FILE     a small table in Markdown, between two marks in FILE:
                    <!-- bench: begin --> and <!-- bench: end -->
  --tables FILE     all tables in Markdown, between the same marks
  --chart FILE      the small table as bars (SVG)
  --summary FILE    JSON with the main figure of every round: enough for --from
  --from FILE       measure nothing: tables and plots from an earlier --json or --summary
                    FILE. May be repeated to join the pieces of a run; if a workload is
                    there twice, the later one counts
  --programs DIR    where pop3_load, pop3_canned and relay_floor are (beside this program)
  --no-namespace    stay in the machine's network namespace
  --keep            keep the temporary directory: configurations and logs of the peers
  --list            list workloads and peers, and whether they can be measured here
  --help            print this help
END

# Prints what is wrong with the command line, and exits.
sub usage { print STDERR "run: $_[0]\n"; exit 64 }

# Returns the options as a hash; exits for --help and for a mistake. `directory` is the driver's.
sub parse {
    my ($directory, @given) = @_;
    my %opt = (rounds => 3, seconds => 1, pin => 'one', namespace => 1, programs => $directory);
    GetOptionsFromArray(\@given, \%opt,
        qw(workload=s peer=s proxy=s rounds=i seconds=i pin=s rate=i quick json=s plots=s
           markdown=s readme=s tables=s chart=s summary=s from=s@ programs=s namespace! keep list help inside))
        or do { print STDERR $HELP; exit 64 };
    if ($opt{help}) { print $HELP; exit 0 }
    usage("unexpected argument: $given[0]") if @given;
    usage('--rounds and --seconds must be at least 1') if $opt{rounds} < 1 || $opt{seconds} < 1;
    @opt{qw(rounds seconds)} = (1, 1) if $opt{quick};
    return \%opt;
}

# Checks that everything that the options name exists.
sub check {
    my ($opt) = @_;
    for my $pin (split /,/, $opt->{pin}) {
        usage("--pin $pin: must be one, apart or none") unless $pin =~ /^(one|apart|none)$/;
    }
    for my $option (qw(proxy programs)) {
        next unless defined $opt->{$option};
        my $path = abs_path($opt->{$option});
        usage("--$option $opt->{$option}: no such file") unless $path && -e $path;
        $opt->{$option} = $path;
    }
    usage("--proxy $opt->{proxy}: not a program")
        if $opt->{proxy} && (!-x $opt->{proxy} || -d _);
    for my $option (qw(readme tables)) {
        usage("--$option $opt->{$option}: the file has no marks; --help shows them")
            if defined $opt->{$option} && !Bench::Readme::has_place($opt->{$option});
    }
    return if $opt->{from};
    for my $program (qw(pop3_load pop3_canned relay_floor)) {
        usage("$opt->{programs}/$program is not built; make bench builds it")
            unless -x "$opt->{programs}/$program";
    }
}

1;
