#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# Many sessions in one worker: they run side by side as if each had a process. A session ends without
# touching the others; all end together only when the worker dies.

use strict;
use warnings;
use Fcntl qw(O_NONBLOCK);
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Socket qw(MSG_OOB);

expect_log(qw(configuration worker-died session-lost));
expect_reason(qw(server-unsolicited shed));

sub daemon {
    my ($server, %key) = @_;
    return master(-in_file => 1, server => $server->address, workers => 1, max_workers => 1, sessions_per_worker => 100,
        grace => 2, %key);
}

# How many sessions ended for this reason.
sub sessions_in_log {
    my ($daemon, $reason) = @_;
    return scalar grep { $_->{f}{reason} eq $reason } $daemon->{log}->with_event('session');
}

# The status flags of the socket at the worker's end of the client's connection.
sub flags_of_connection {
    my ($worker, $client) = @_;
    my $port = sprintf '%04X', $client->port;
    my ($inode) = read_file('/proc/net/tcp') =~ /^ *\d+: \S+ [0-9A-F]{8}:$port (?:\S+ +){6}(\d+)/m or return;
    for my $link (glob "/proc/$worker/fd/*") {
        next if (readlink($link) // '') ne "socket:[$inode]";
        my ($flags) = read_file($link =~ s{/fd/}{/fdinfo/}r) =~ /^flags:\s*([0-7]+)/m;
        return oct $flags;
    }
    return;
}

# splice(), which carries long messages, would sleep otherwise, and all sessions of the worker with it.
scene 'the socket of a client never blocks' => sub {
    my $daemon = daemon(server());
    my $client = $daemon->client->login;
    my $flags  = flags_of_connection($daemon->workers(1), $client);
    ok $flags && $flags & O_NONBLOCK, 'O_NONBLOCK is set';
    is $client->quit, '+OK bye', 'a session';
};

scene 'many sessions, side by side' => sub {
    my @messages = map { message(2000 * $_) } 1 .. 5;
    my $server = server(messages => [@messages]);
    my $daemon = daemon($server);
    my @clients = map { $daemon->client } 1 .. 60;
    $_->greeting for @clients;
    $_->send_line('USER ' . $Pop3Test::Client::USER) for @clients;
    like $_->reply, qr/^\+OK/, 'USER' for $clients[0], $clients[-1];
    $_->reply for @clients[ 1 .. $#clients - 1 ];
    $_->send_line("PASS $Pop3Test::Client::PASSWORD") for @clients;
    my $logged_in = grep { $_->reply =~ /^\+OK/ } @clients;
    is $logged_in, 60, 'all are logged in';
    is scalar($daemon->busy_pids), 1, 'one process has them all';
    is scalar @{ $daemon->status->{sessions} }, 60, 'each is shown';

    # All send their pipelined requests before any of them reads, each for another message.
    for my $i (0 .. $#clients) {
        my $number = 1 + $i % 5;
        $clients[$i]->send("NOOP\r\nRETR $number\r\nNOOP\r\n");
    }
    my $right = 0;
    for my $i (reverse 0 .. $#clients) {
        my $client = $clients[$i];
        next if $client->reply !~ /^\+OK/ || $client->reply !~ /^\+OK/;
        $right++ if $client->body eq $messages[ $i % 5 ] && $client->reply =~ /^\+OK/;
    }
    is $right, 60, 'each got its own message';
    my $ended = grep { $_->quit =~ /^\+OK/ } @clients;
    is $ended, 60, 'QUIT';
    ok wait_until(sub { sessions_in_log($daemon, 'quit') == 60 }), 'all are in the log';
    is $daemon->stop, 0, 'ends in order';
};

# With one worker, the worker knows the server. It waits only a moment for octets after the +OK, and
# this process may not run in that moment, so there are several attempts.
scene 'a server that sent a spare reply is no longer trusted' => sub {
    my $is_good = 1;
    my $server  = server(on => { PASS => sub {
        my ($connection) = @_;
        return if $is_good;
        $connection->send("+OK logged in\r\n")->taken;
        $connection->send("-ERR no such password\r\n");
        return '';
    } });
    my $daemon = daemon($server);
    like $daemon->client->login->quit, qr/^\+OK/, 'a good login';
    $is_good = 0;
    my @refused;
    for (1 .. 30) {
        my $client = $daemon->client;
        push @refused, grep { /^-ERR/ } $client->try_login;
        $client->rest;
        last if @refused;
    }
    ok @refused, 'it is listened to again';
};

# A read ends at an urgent octet, and the octets after it, already there, cause no new event.
scene 'octets after an urgent one' => sub {
    my $pid;
    my $urgent = sub {
        my ($connection, $before, $after) = @_;
        kill 'STOP', $pid;      # everything must have arrived when it reads
        CORE::send($connection->{fh}, "${before}u", MSG_OOB);
        CORE::send($connection->{fh}, $after, 0);
        kill 'CONT', $pid;
        return '';
    };
    my $server = server(on => {
        RETR => sub { $urgent->($_[0], "+OK\r\nline\r\n", "rest\r\n.\r\n") },
        STAT => sub { $urgent->($_[0], "+OK 1 2\r\n", "+OK spare\r\n") },
    });
    my $daemon = daemon($server);
    my $client = $daemon->client->login;
    ($pid) = $daemon->busy_pids;
    is join('', ($client->fetch('RETR 1'))[1]), "line\r\nrest\r\n", 'a message is passed on to its end';
    $client->send_line('STAT');
    is $client->rest, "+OK 1 2\r\n", 'a spare reply is noticed without a command';
    ok wait_until(sub { sessions_in_log($daemon, 'server-unsolicited') }, 10), 'reason';
};

scene 'a slow reader does not delay other sessions' => sub {
    my $big    = message(3_000_000);
    my $server = server(messages => [ $big, "Subject: small\r\n\r\nx\r\n" ]);
    my $daemon = daemon($server);
    my $slow   = $daemon->client->login;
    $slow->hold;
    $slow->send_line('RETR 1');
    for (1 .. 20) {
        my $client = $daemon->client->login;
        my (undef, $body) = $client->fetch('RETR 2');
        $client->quit;
    }
    pass '20 others came and went';
    $slow->resume;
    like $slow->reply(20), qr/^\+OK/, 'the slow one has its reply';
    is length $slow->body(20), length $big, 'whole';
    $slow->quit;
};

scene 'each session has its own time limits' => sub {
    my $server = server(messages => []);
    my $daemon = daemon($server, login_timeout => 1, timeout => 2);
    my $begun  = now();
    my $idle   = $daemon->client->login;
    my @silent;
    for (1 .. 2) {
        push @silent, [ now(), $daemon->client ];
        $silent[-1][1]->greeting;
        pause(0.5);
    }
    for (@silent) {
        my ($since, $silent) = @$_;
        like $silent->rest, qr/\A-ERR \[SYS\/TEMP\] the login took too long\r\n\z/, 'told';
        cmp_ok $silent->{eof} - $since, '>', 0.9, 'not before its own limit';
    }
    ok wait_until(sub { $idle->{eof} }), 'the idle one is ended';
    cmp_ok $idle->{eof} - $begun, '>', 1.9, 'not before its limit';
    ok wait_until(sub { sessions_in_log($daemon, 'idle-timeout') }), 'and the log says so';
};

scene 'TERM ends all sessions, each with a reply' => sub {
    my $server  = server(messages => []);
    my $daemon  = daemon($server);
    my @waiting = map { $daemon->client } 1 .. 10;
    $_->greeting for @waiting;
    my @held = map { $daemon->client->login } 1 .. 10;
    $daemon->signal('TERM');
    my $told = grep { $_->line =~ /^-ERR \[SYS\/TEMP\] the proxy is stopping/ } @waiting;
    is $told, 10, 'those at their login are told';
    $_->closes for @waiting, @held;
    is exit_code($daemon->wait), 0, 'ends in order';
    is sessions_in_log($daemon, 'stopped'), 20, 'all are in the log';
};

scene 'QUIT lets them finish' => sub {
    my $server = server(messages => ["Subject: x\r\n\r\nbody\r\n"]);
    my $daemon = daemon($server);
    my @held   = map { $daemon->client->login } 1 .. 5;
    $daemon->after(sub { $daemon->signal('QUIT') }, 'master-draining');
    my $refused = wait_until(sub { !eval { $daemon->client->greeting; 1 } });
    ok $refused, 'new connections are refused';
    for my $client (@held) {
        my (undef, $body) = $client->fetch('RETR 1');
        is $body, "Subject: x\r\n\r\nbody\r\n", 'goes on';
        $client->quit;
    }
    is exit_code($daemon->wait), 0, 'ends with the last';
};

scene 'a silent session makes room for a new one' => sub {
    my $server = server(messages => []);
    my $daemon = daemon($server, sessions_per_worker => 4);
    my $held   = $daemon->client->login;
    my @silent = map { $daemon->client } 1 .. 3;
    $_->greeting for @silent;
    my $late = $daemon->client->login;
    pass 'a place was made for one more';
    ok wait_until(sub { grep { $_->{eof} } @silent }), 'by a silent one';
    like $held->ask('NOOP'), qr/^\+OK/, 'a session that has logged in stays';
    my ($gone) = grep { $_->{eof} } @silent;
    like $gone->received, qr/-ERR \[SYS\/TEMP\] too busy/, 'the client that is shed is told';
    $_->quit for $held, $late;
    ok sessions_in_log($daemon, 'shed') >= 1, 'and the log says so';
};

scene 'a crash' => sub {
    my $server = server(messages => []);
    my $daemon = daemon($server);
    my @held   = map { $daemon->client->login("user$_") } 1 .. 5;
    my @waiting = $daemon->client;
    $_->greeting for @waiting;
    my ($pid) = $daemon->busy_pids;
    my $death = $daemon->after(sub { kill 'KILL', $pid }, 'worker-died');
    $_->closes for @held, @waiting;
    like $death->{text}, qr/ pid=$pid .*sessions=6/, 'the death is in the log';
    ok wait_until(sub { 6 == $daemon->events('session-lost') }), 'and six lost sessions';
    my @lost = map { "$_->{f}{user} server=$_->{f}{server}" } $daemon->events('session-lost');
    is_deeply [ sort @lost ], [ '- server=-', map { "user$_ server=" . $server->address } 1 .. 5 ], 'and whose sessions were lost';
    my $next = $daemon->client->login;
    $next->quit;
    ok wait_until(sub { !@{ $daemon->status->{sessions} } }), 'no place remains taken';
    is $daemon->stop, 0, 'ends in order';
};

scene 'a retiring worker is replaced before it ends' => sub {
    my $server = server(messages => []);
    my $daemon = daemon($server, sessions_per_worker => 3, max_sessions => 1);
    my $held   = $daemon->client->login;
    my ($first) = $daemon->busy_pids;
    $daemon->client->login->quit for 1 .. 2;
    my $second;
    for (1 .. 4) {
        my $client = $daemon->client->login;
        ($second) = grep { $_ != $first } $daemon->busy_pids;
        $client->quit;
    }
    ok $second, 'another process serves the next';
    like $held->ask('NOOP'), qr/^\+OK/, 'the session of the first goes on';
    is_deeply [ grep { $_ == $first } $daemon->busy_pids ], [$first], 'there';
    $held->quit;
    ok wait_until(sub { !is_alive($first) }), 'and with it the process ends';
};

scene 'a rotated log, a reload to single sessions and back' => sub {
    my $server = server(messages => []);
    my $daemon = daemon($server);
    my @held   = $daemon->client->login;
    my %pids   = map { $_ => 1 } $daemon->busy_pids;
    for my $per_worker (undef, 1, 50) {
        if (defined $per_worker) {
            $daemon->change(sessions_per_worker => $per_worker);
            is $daemon->reload->{event}, 'reloaded', "reload to $per_worker";
        } else {
            $daemon->after(sub { $daemon->signal('USR1') }, 'log-reopened');
        }
        push @held, $daemon->client->login;
        ok wait_until(sub { grep { !$pids{$_} } $daemon->busy_pids }), 'a new process';
        $pids{$_} = 1 for $daemon->busy_pids;
    }
    like $_->ask('NOOP'), qr/^\+OK/, 'goes on' for @held;
    $_->quit for @held;
    ok wait_until(sub { !@{ $daemon->status->{sessions} } }), 'all have ended';
};

scene 'what a held session costs' => sub {
    my $server = server(messages => []);
    my $daemon = daemon($server);
    my $anonymous = sub {
        my ($pid) = @_;
        my $text = eval { read_file("/proc/$pid/smaps_rollup") } or return;
        return $text =~ /^Anonymous:\s+(\d+) kB/m ? $1 : undef;
    };
    my $first = $daemon->client->login;
    my ($pid) = $daemon->busy_pids;
    SKIP: {
        skip 'not known here', 1 if is_sanitized() || !defined $anonymous->($pid);
        my @held = map { $daemon->client->login } 1 .. 10;
        pause(1);
        my $before = $anonymous->($pid);
        push @held, map { $daemon->client->login } 1 .. 80;
        ok wait_until(sub { $anonymous->($pid) - $before <= 80 * 6 }), 'a page or so each'
            or diag(($anonymous->($pid) - $before) / 80, ' KiB');
        $_->quit for @held;
    }
    $first->quit;
};

done;
