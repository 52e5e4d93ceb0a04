# SPDX-License-Identifier: BSD-2-Clause
#
# The pool: it grows when connections wait, shrinks again, replaces processes that die, and survives
# the limits of the system and the death of the master.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Socket qw(SOMAXCONN);

expect_log('log-lines-lost');   # a burst of lines: the kernel queues only ten for the collector

my $BURST = $ENV{POP3_TEST_BURST} || 300;

sub has_prlimit { return defined installed('prlimit') }

# Sets a limit of a process as its own user, because even root may not always do it.
sub limit {
    my ($pid, $limit) = @_;
    my $facts = facts($pid);
    my ($uid, $gid) = map { $facts->{$_} =~ s/\s.*//r } qw(Uid Gid);
    my $become = sub { return if $uid == $>; $( = $gid; $) = "$gid $gid"; $< = $> = $uid };
    my $result = run([ 'prlimit', "--$limit", '--pid', $pid ], before => $become);
    die "prlimit: $result->{err}" if $result->{status};
    return;
}

sub ticks_of {
    my ($pid) = @_;
    my @field = split ' ', read_file("/proc/$pid/stat") =~ s/.*\) //sr;
    return $field[11] + $field[12];
}

sub ticks { my ($master) = @_; return ticks_of($master->pid) }

scene 'a burst of connections' => sub {
    needs_one_session('counts a worker for each session');
    my $server = server();
    listen $server->{listener}, SOMAXCONN;
    my $master = master(server => $server->address, workers => 4, max_workers => 500);
    my $begin  = now();
    my @client = map { $master->client } 1 .. $BURST;
    $_->send("USER joe\r\nPASS x\r\n") for @client;
    wait_until(sub { !grep { $_->{all} !~ /(?:\+OK[^\n]*\n){3}/ && !$_->{eof} } @client }, 60);
    diag(sprintf '%d sessions held after %.0f ms', $BURST, 1000 * (now() - $begin));
    is scalar(grep { $_->{all} =~ /\A(?:\+OK[^\n]*\n){3}\z/ } @client), $BURST, 'all are logged in at once';
    my $most = $master->counts;
    cmp_ok $most->{busy}, '==', $BURST, 'a worker each';
    $_->send("QUIT\r\n") for @client;
    wait_until(sub { !grep { !$_->{eof} } @client }, 30);
    is scalar(grep { $_->{all} =~ /\+OK bye\r\n\z/ } @client), $BURST, 'all end in order';
    $begin = now();
    is $master->settled(4, 0, 40), 'settled', 'surplus workers leave';
    diag(sprintf 'back to 4 workers after %.1f s', now() - $begin);
};

scene 'sessions that finish quickly need no more workers' => sub {
    my $master  = master(server => server()->address, workers => 4, max_workers => 500, quiet => 'yes');
    my $pollers = pollers(address => $master->address, count => 8);
    $pollers->more(200);
    my $workers = $master->workers;
    is $pollers->stop->{broken}, 0, 'all served';
    cmp_ok $workers, '<=', 16, "by $workers workers";
};

# The workers that served the last $count sessions.
sub last_workers {
    my ($count) = @_;
    my @pid = map { $_->{raw} =~ /\[(\d+)\]: / } log_lines('session');
    return if @pid < $count;
    my %seen = map { $_ => 1 } @pid[ -$count .. -1 ];
    return keys %seen;
}

# A command that keeps a program on one processor.
sub on_one_processor {
    my $status = read_file('/proc/self/status');
    my ($number) = $status =~ /^Cpus_allowed_list:\s*(\d+)/m;
    return if !defined $number || !installed('taskset');
    return [ 'taskset', '-c', $number ];
}

# Other tests that run at the same time do not slow the sessions down: the scene has priority over
# them, where it may. A program of the lowest priority keeps the processor busy.
scene 'a few workers serve quick sessions on a busy processor' => sub {
    my $pinned = on_one_processor() or plan(skip_all => 'no taskset');
    setpriority 0, 0, -15;
    my $master = master(server => server()->address, workers => 6, max_workers => 6, -wrapper => $pinned);
    my @before = $master->workers(6);
    my $hog    = Pop3Test::Process::spawn(command => [ @$pinned, $^X, '-e', 'alarm 100; setpriority 0, 0, 19; 1 while 1' ]);
    my $pollers = pollers(address => $master->address, count => 6);
    ok wait_until(sub { my @few = last_workers(40); @few && @few <= 4 }, 60), 'the others rest';
    $master->reload;
    ok wait_until(sub { !grep { is_alive($_) } @before }, 30), 'and leave when they are told to';
    ok wait_until(sub { my @few = last_workers(40); @few && @few <= 4 }, 60), 'so do the next';
    my @held = map { $master->client->login("held$_") } 1 .. 5;
    is scalar(grep { $_->ask('NOOP') eq '+OK' } @held), 5, 'sessions that stay call them back';
    $hog->destroy;
    is $pollers->stop->{broken}, 0, 'no session failed';
    is $_->quit, '+OK bye', 'they end in order' for @held;
    setpriority 0, 0, 0;
};

scene 'a worker retires after max_sessions' => sub {
    needs_one_session('counts sessions by worker');
    my $master = master(server => server()->address, workers => 1, max_workers => 1, max_sessions => 3);
    is $master->client->login("n$_")->quit, '+OK bye', "session $_" for 1 .. 9;
    my %by_worker;
    $by_worker{ $master->worker_of("n$_") }++ for 1 .. 9;
    is_deeply [ values %by_worker ], [ 3, 3, 3 ], 'three by each of three';
    is $master->settled(1), 'settled', 'and a fourth waits';
};

scene 'a busy worker is killed' => sub {
    needs_one_session('another session is on another worker');
    expect_log('worker-died');
    my $server = server(messages => [ message(100) ]);
    my $master = master(server => $server->address, workers => 3);
    my @client = map { $master->client->login("user$_") } 1 .. 3;
    my $victim = $master->worker_of('user2');
    my $begin  = now();
    kill 'KILL', $victim;
    is $client[1]->rest, '', 'its client sees the end';
    my $next = $master->client->login('next');
    diag(sprintf 'told after %.1f ms, the next login after %.1f ms', map { 1000 * ($_ - $begin) } $client[1]{eof}, now());
    is $_->ask('NOOP'), '+OK', 'others are not touched' for @client[ 0, 2 ];
    my $line = wait_until(sub { ($master->events('worker-died'))[-1] });
    is $line->{f}{pid}, $victim, 'logged';
    like $line->{f}{signal}, qr/Killed/, 'with the signal';
    is $line->{f}{client}, '127.0.0.1', 'the client';
    is $line->{f}{user}, 'user2', 'the user';
    is $line->{f}{server}, $server->address, 'the server';
    is $line->{f}{stage}, 'relay', 'and the stage';
    is $_->quit, '+OK bye', 'they end in order' for @client[ 0, 2 ], $next;
    is $master->settled(3), 'settled', 'the pool is whole';
    is $master->status->{instances}[0]{crashes}, 1, 'and has counted it';
};

scene 'a worker killed before the login gives the place of its address back' => sub {
    expect_log('worker-died');
    my $master = master(server => server()->address, workers => 3, max_per_ip => 2);
    for my $round (1 .. 5) {
        my $client = $master->client;
        $client->greeting;
        my $row = wait_until(sub { (grep { is_alive($_->{pid}) } @{ $master->status->{sessions} })[0] });
        $master->after(sub { kill 'KILL', $row->{pid} }, 'worker-died');   # now the master knows it, too
        ok wait_until(sub { $client->{eof} }), "killed ($round)";
    }
    is $master->client->login->quit, '+OK bye', 'and still no place is lost';
};

scene 'idle workers are killed, all at once' => sub {
    expect_log(qw(worker-died fork-throttled));
    my $master = master(server => server()->address, workers => 5);
    is $master->client->login->quit, '+OK bye', 'before';
    my @workers = $master->workers(5);
    kill 'KILL', @workers;
    ok wait_until(sub { !grep { is_alive($_) } @workers }), 'all are dead';
    is $master->client->login->quit, '+OK bye', 'after';
    is $master->settled(5), 'settled', 'all are replaced';
};

scene 'the master is killed' => sub {
    my $server = server(messages => [ message(3000) ]);
    my $master = master(server => $server->address, workers => 4, acp => acp('exit 0'));
    my @client = map { $master->client->login("user$_") } 1 .. 2;
    my $early  = $master->client;
    $early->greeting;
    my @others = $master->children;
    my %busy   = map { $master->worker_of("user$_") => 1 } 1 .. 2;
    my $port   = $master->port;
    kill 'KILL', $master->pid;
    $master->wait;
    $master->{processes} = [];
    my @idle = grep { Pop3Test::Master::is_worker($_) && !$busy{$_} } @others;
    ok wait_until(sub { 1 >= grep { is_alive($_) } @idle }), 'idle workers leave';
    my $again = wait_until(sub { server(port => $port) });
    ok $again, 'the port is free while sessions run';
    $early->ask('USER late');
    like $early->ask('PASS x'), qr/^\+OK/, 'a session before its login finishes it, helper and all';
    is $early->quit, '+OK bye', 'and itself';
    like +($_->fetch('RETR 1'))[0], qr/^\+OK/, 'a session that runs' for @client;
    is $_->quit, '+OK bye', 'ends in order' for @client;
    my $begin = now();
    ok wait_until(sub { !grep { is_alive($_) } @others }), 'then no process is left';
    diag(sprintf 'the last process was gone %.0f ms after the last session', 1000 * (now() - $begin));
};

scene 'workers that die at once' => sub {
    plan(skip_all => 'not run by root') if !is_root();
    expect_log(qw(privileges worker-died fork-throttled configuration));
    my $jail   = directory(0755) . '/jail';
    mkdir $jail or die $!;
    my $master = master(server => server()->address, chroot => $jail, workers => 2);
    is $master->client->login->quit, '+OK bye', 'before';
    rmdir $jail or die $!;
    kill 'KILL', $master->workers(2);
    ok wait_until(sub { 3 <= (() = $master->events('fork-throttled')) }), 'throttled';
    my @pause = map { $_->{f}{pause} } $master->events('fork-throttled');
    is_deeply [ @pause[ 0 .. 2 ] ], [qw(0.100 0.200 0.400)], 'with a pause that doubles';
    my $before = ticks($master);
    pause(1);
    cmp_ok ticks($master) - $before, '<=', 10, 'which costs little';
    my $deaths = () = $master->events('worker-died');
    cmp_ok $deaths, '<=', 2 + 2 * @pause + 4, 'and no death is in vain: ' . $deaths;
    mkdir $jail or die $!;
    is $master->client->login->quit, '+OK bye', 'mended: the waiting connection is served';
    is $master->settled(2), 'settled', 'and the pool is whole';
};

scene 'no more processes' => sub {
    needs_one_session('a new session needs a new process');
    plan(skip_all => 'not run by root') if !is_root();
    plan(skip_all => 'no prlimit') if !has_prlimit();
    expect_log(qw(fork-throttled worker-died status));
    my $uid    = 54321;
    my $master = master(server => server()->address, workers => 4, max_workers => 40,
        -before => sub { $( = 12345; $) = '12345 12345'; $< = $> = $uid });
    my @held  = map { $master->client->login("held$_") } 1 .. 2;
    limit($master->pid, 'nproc=1:');
    my $victim = $master->worker_of('held1');
    kill 'KILL', $victim;
    ok wait_until(sub { $master->events('fork-throttled') }), 'fork fails';
    my @more = map { $master->client->login } 1 .. 2;
    my $late = $master->client;
    ok $late->quiet(2), 'no worker for the next one';
    is $held[1]->ask('NOOP'), '+OK', 'sessions go on';
    ok $master->is_running, 'and so does the master';
    my $before = ticks($master);
    pause(1);
    cmp_ok ticks($master) - $before, '<=', 10, 'which costs little';
    my @pause = map { $_->{f}{pause} } $master->events('fork-throttled');
    is_deeply \@pause, [qw(0.100 0.200 0.400)], 'tried often, logged once a step';
    my $begin = now();
    limit($master->pid, 'nproc=1000:');
    $late->greeting;
    diag(sprintf 'served %.0f ms after relief', 1000 * (now() - $begin));
    is scalar(() = $master->events('fork-throttled')), @pause, 'service is back after relief, without a further failure';
    is $_->quit, '+OK bye', 'all end in order' for $held[1], @more, $late;
};

scene 'no more descriptors' => sub {
    plan(skip_all => 'no prlimit') if !has_prlimit();
    expect_log(qw(fork-throttled accept-failed worker-died helper-died helper-failed reload-failed
        resolver-failed configuration privileges status));
    expect_reason(qw(connect-failed internal-error));
    my $master = master(server => server()->address, workers => 2);
    my $held   = $master->client->login('held');
    my @idle   = grep { $_ != $master->worker_of('held') } $master->workers(2);
    limit($_, 'nofile=3:') for @idle;
    my $client = $master->client;
    $client->quiet(0.5);
    cmp_ok scalar(log_lines('accept-failed')), '<=', 2 * @idle, 'logged, but not at every try';
    is $held->ask('NOOP'), '+OK', 'a session goes on';
    limit($_, 'nofile=1000:') for @idle;
    is $client->login->quit, '+OK bye', 'the waiting connection is served on relief';
    limit($master->pid, 'nofile=6:');
    is $master->reload->{event}, 'reload-failed', 'the master cannot reload';
    is $master->client->login->quit, '+OK bye', 'but go on';
    limit($master->pid, 'nofile=1000:');
    is $master->reload->{event}, 'reloaded', 'on relief it can';
    is $master->client->login->quit, '+OK bye', 'served';
    is $held->quit, '+OK bye', 'to its end';
};

scene 'no more descriptors, many sessions a worker' => sub {
    plan(skip_all => 'not run by root') if !is_root();
    plan(skip_all => 'no prlimit') if !has_prlimit();
    expect_log('accept-failed');
    my $master = master(server => server()->address, workers => 1, max_workers => 1, sessions_per_worker => 64, max_per_ip => 0);
    my $held   = $master->client->login('held');
    my $worker = $master->worker_of('held');
    my %open   = map { /(\d+)\z/ ? ($1 => 1) : () } glob "/proc/$worker/fd/*";
    my ($free) = grep { !$open{$_} } 0 .. 1000;
    my $size   = sub { facts($worker)->{VmSize} =~ s/\D//gr };
    my $memory = $size->();
    limit($worker, "nofile=$free:");
    my $logged = () = log_lines('accept-failed');
    my @queue  = map { $master->client } 1 .. 3;
    ok wait_until(sub { $logged < (() = log_lines('accept-failed')) }), 'accept() fails';
    my $before = ticks_of($worker);
    pause(1);
    cmp_ok ticks_of($worker) - $before, '<=', 10, 'which costs little';
    cmp_ok $size->() - $memory, '<=', 4096, 'and no memory';
    is scalar(() = log_lines('accept-failed')), $logged + 1, 'it is logged once';
    is $held->ask('NOOP'), '+OK', 'a session goes on';
    limit($worker, 'nofile=1000:');
    is $_->login->quit, '+OK bye', 'a waiting connection is served after relief' for @queue;
    is $held->quit, '+OK bye', 'to its end';
};

done;
