# SPDX-License-Identifier: BSD-2-Clause
#
# A broken worker can write all memory that it shares with the master and other workers. Here the test
# writes random words there, as such a worker would, while the master counts and replaces workers, shows
# the status, reloads and is upgraded: it survives all of it, and new sessions are served afterwards.
# POP3_TEST_SEED repeats a run.

use strict;
use warnings;
no warnings 'portable';     # 64-bit numbers
use FindBin;
use JSON::PP ();
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Mutate qw(seed any_of);

plan(skip_all => 'not run by root') if !is_root();
plan(skip_all => 'needs /proc') if !-r '/proc/self/maps';

# What workers do with such memory may be logged; the master and the status process are judged.
expect_log(qw(worker-died session-lost fork-throttled accept-failed configuration master reloaded server-down server-up repeated));
expect_reason(qw(shed too-many-per-ip too-many-failures stopped internal-error));

use constant { ROUNDS => 8, PAGE => 4096 };

my @special = (0, 1, 63, 64, 1_000_000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff);

# The parts of a process's memory that it shares and may write: [begin, end].
sub shared {
    my ($pid) = @_;
    return map { /^([0-9a-f]+)-([0-9a-f]+) rw-s / ? [ hex $1, hex $2 ] : () } split /\n/, read_file("/proc/$pid/maps");
}

# Half of a word: a number that may be a state, a count or a stage, a limit, or anything.
sub random_half { return any_of(int rand 8, any_of(@special), int rand 2**32) }

# Overwrites a share of the words of all shared memory, as the process itself could. Many others stay,
# because a slot is only read on if its state is a valid one. Returns the number of pages.
sub scribble {
    my ($pid, $share) = @_;
    my $pages = 0;
    open my $memory, '+<:raw', "/proc/$pid/mem" or return 0;
    for my $part (shared($pid)) {
        my ($begin, $end) = @$part;
        for (my $at = $begin; $at < $end && $at < $begin + 64 * PAGE; $at += PAGE) {
            sysseek $memory, $at, 0;
            sysread $memory, my $page, PAGE or next;
            my @halves = map { rand() < $share ? random_half() : $_ } unpack 'L*', $page;
            sysseek $memory, $at, 0;
            $pages++ if syswrite $memory, pack 'L*', @halves;
        }
    }
    close $memory;
    return $pages;
}

my %kind = ('one session a worker' => { max_workers => 6, sessions_per_worker => 1 },
    'many sessions a worker' => { max_workers => 2, sessions_per_worker => 3 });
my $seed = seed();

for my $kind (sort keys %kind) {
    scene "random words, $kind, seed $seed" => sub {
        my $server = server(messages => [ message(1000) ]);
        my $master = master(-in_file => 1, server => $server->address, workers => 2, grace => 2,
            features()->{groups} ? (-groups => [ stores => { servers => $server->address } ]) : (), %{ $kind{$kind} });
        my $pid = $master->pid;
        my $is_unhurt = sub { return $master->is_running && $master->pid == $pid };
        my $pages = 0;
        for my $round (1 .. ROUNDS) {
            # More than there are places, so that the master also looks for sessions to shed.
            my @held = map { eval { $master->client } } 1 .. 10;
            wait_until(sub { grep { length $_->received } @held }, 2);
            my ($worker) = $master->workers(1);
            for my $share (0.02, 0.1, 0.3, 1) {
                $pages += scribble($worker, $share);
                my %answer = map { ($_ => $master->ask($_)) } 'status', 'status --json', 'metrics', 'view';
                is join(', ', grep { !length($answer{$_} // '') } sort keys %answer), '', "round $round, $share: all requests answered";
                ok eval { JSON::PP::decode_json($answer{'status --json'}) }, "round $round, $share: JSON";
            }
            kill 'KILL', $worker;
            ok wait_until(sub { !is_alive($worker) }), "round $round: the worker is reaped";
            $master->reload;
            ok $is_unhurt->(), "round $round: the master goes on" or return;
            $_->close for @held;
        }
        cmp_ok $pages, '>', ROUNDS, "$pages pages were overwritten";

        # The tables of addresses outlive a reload; a new binary makes its own.
        scribble(($master->workers(1))[0], 0.3);
        $master->after(sub { $master->signal('USR2') }, 'master-draining');
        my $next = wait_until(sub { my $status = eval { $master->status }; $status && $status->{pid} != $pid && $status->{pid} })
            or return fail('there is no new master');
        my $old = $master->process;
        $master->follow($next);
        $old->wait;
        is exit_code($old->{status}), 0, 'the old master ends in order';
        like $master->client->login->fetch('RETR 1'), qr/./, 'a session of the new one';
        is $master->stop, 0, 'which ends in order';
    };
}

done;
