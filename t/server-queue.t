# SPDX-License-Identifier: BSD-2-Clause
#
# A pool whose places are all taken by sessions that have logged in: the log says so, the status shows
# how many connections wait, and none waits longer than queue_timeout. With one session a worker and with
# many.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

my %kind = (
    'one session a worker'   => { workers => 2, max_workers => 2, sessions_per_worker => 1 },
    'many sessions a worker' => { workers => 1, max_workers => 1, sessions_per_worker => 2 },
);
my $refusal = "-ERR [SYS/TEMP] too busy, try again later\r\n";

sub each_kind {
    my ($name, $code) = @_;
    scene "$name: $_" => sub { $code->(%{ $kind{$_} }) } for sort keys %kind;
    return;
}

sub full_master {
    my $master = master(server => server()->address, @_);
    return ($master, map { $master->client->login("user$_") } 1, 2);
}

sub queue { return $_[0]->status->{instances}[0]{pools}[0]{waiting} }

# The lines about this master's pool in this state.
sub told {
    my ($master, $state) = @_;
    return grep { $_->{f}{state} eq $state } $master->events('pool-full');
}

each_kind 'a full pool is told, and shown' => sub {
    my ($master, @held) = full_master(@_);
    is queue($master), 0, 'nobody waits';
    my @wait = map { $master->client } 1 .. 3;
    ok wait_until(sub { queue($master) == 3 }), 'three wait';
    like $master->ask('metrics'), qr/^pop3_proxy_queued_connections\{instance="main"\} 3$/m, 'in the metrics as well';
    ok wait_until(sub { told($master, 'full') }), 'logged';
    my ($line) = told($master, 'full');
    is $line->{f}{$_}, { instance => 'main', queue => 3, sessions => 2, logged_in => 2 }->{$_}, $_
        for qw(instance queue sessions logged_in);
    is $_->quit, '+OK bye', 'in order' for @held;
    is $_->login->quit, '+OK bye', 'those that have waited are served' for @wait;
    ok wait_until(sub { told($master, 'over') }), 'that it is over is logged';
    ok wait_until(sub { queue($master) == 0 }), 'nobody waits any more';
    is scalar(told($master, 'full')), 1, 'it was told once';
};

each_kind 'the address that has most is named' => sub {
    my $master = master(server => server()->address, max_sessions_per_ip => 2, @_);
    my @held   = map { $master->client(from => '127.0.0.9')->login("user$_") } 1, 2;
    my $wait   = $master->client;
    ok wait_until(sub { told($master, 'full') }), 'logged';
    my ($line) = told($master, 'full');
    is_deeply [ @{ $line->{f} }{qw(client client_sessions)} ], [ '127.0.0.9', 2 ], 'with its sessions';
    is $_->quit, '+OK bye', 'in order' for @held;
    is $wait->login->quit, '+OK bye', 'the next one';
};

each_kind 'a connection that waits too long is refused' => sub {
    my ($master, @held) = full_master(queue_timeout => 1, @_);
    my $begin = now();
    my @wait  = map { $master->client(from => "127.0.0.$_") } 1 .. 3;
    $wait[1]->send("USER joe\r\nPASS x\r\n");
    is $_->rest, $refusal, 'told so' for @wait;
    cmp_ok now() - $begin, '>=', 1, 'not before the time has passed';
    ok wait_until(sub { $master->events('queue-timeout') == 3 }), 'each is logged';
    my @lines = $master->events('queue-timeout');
    cmp_ok $lines[0]{f}{waited}, '>=', 1, 'with the time that it has waited';
    is $lines[0]{f}{client}, '127.0.0.1', 'and its address';
    is $master->status->{instances}[0]{ended}{'queue-timeout'}, 3, 'and counted';
    my $late = $master->client;
    is $held[0]->quit, '+OK bye', 'those that have logged in are not ended';
    is $late->login->quit, '+OK bye', 'a connection that came later waits for its turn';
    is $held[1]->quit, '+OK bye', 'to its end';
    is $master->client->login->quit, '+OK bye', 'the pool takes connections as before';
};

# The worker is stopped, so the master believes that it takes connections.
each_kind 'a worker asks the kernel how long a connection has waited' => sub {
    my $master  = master(server => server()->address, queue_timeout => 1, @_);
    my @workers = $master->workers(1);
    ok $master->settled(scalar @workers), 'idle';
    kill 'STOP', $master->workers;
    my $client = $master->client;
    pause(1.5);
    kill 'CONT', $master->workers;
    is $client->rest, $refusal, 'refused when it was accepted';
    is $master->session_of($client)->{reason}, 'queue-timeout', 'logged';
    is $master->client->login->quit, '+OK bye', 'the next one is not';
};

each_kind 'without a limit a connection waits' => sub {
    my ($master, @held) = full_master(queue_timeout => 0, @_);
    my $wait = $master->client;
    ok $wait->quiet(1.5), 'it is not refused';
    is $_->quit, '+OK bye', 'in order' for @held;
    is $wait->login->quit, '+OK bye', 'and has its turn';
};

each_kind 'a UNIX socket' => sub {
    my ($master, @held) = full_master(listen => directory() . '/socket', queue_timeout => 1, @_);
    my $wait = $master->client;
    ok wait_until(sub { queue($master) == 1 }), 'the status shows that one waits';
    is $wait->rest, $refusal, 'it is refused';
    ok wait_until(sub { $master->events('queue-timeout') }), 'logged';
    is $_->quit, '+OK bye', 'in order' for @held;
};

done;
