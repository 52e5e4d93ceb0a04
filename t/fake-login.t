#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# A broken server answers a command twice. The spare reply is in flight when PASS goes out, and looks
# like the +OK to it, but the login is refused. The client is never told that it is in, and neither log
# says so, even if the server has behaved well before.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

expect_reason(qw(server-unsolicited server-bad-reply server-closed));

use constant {
    ATTEMPTS => 50,
    GAP      => 0.003, # seconds: a server without CAPA is listened to for longer than this
};

my $HEARD = "-ERR [SYS/TEMP] the server broke the protocol\r\n";

# A proxy with one worker before a server that breaks when $$is_broken is set. The worker has met the
# server in a good login. Returns the proxy and the directory of the client log.
sub known {
    my ($is_broken, $many, $server, %key) = @_;
    my $directory = directory(0777);
    my $master = master(-in_file => 1, server => $server->address, workers => 1, max_workers => 1,
        sessions_per_worker => $many, client_log => $directory, login_failures => 0, %key);
    $$is_broken = 0;
    like $master->client->login->quit, qr/^\+OK/, 'a good login';
    unlink "$directory/127.0.0.1";
    $$is_broken = 1;
    return ($master, $directory);
}

sub is_not_logged_in {
    my ($master, $directory, $told) = @_;
    is $told, $HEARD, 'the client is told so';
    ok !-e "$directory/127.0.0.1", 'the client log has nothing';
    is scalar($master->{log}->with_event('login')), 1, 'nor has the log, but for the good login';
}

# What the client is told after its password.
sub told {
    my ($client) = @_;
    $client->greeting;
    $client->ask('USER victim');
    return $client->send_line('PASS wrong')->rest;
}

# The hooks of a server that has $spares replies in flight when the password comes ($verb), refuses the
# password, and then answers CAPA. These come late: the proxy has read the +OK before it.
sub late {
    my ($is_broken, $verb, $spares) = @_;
    return (
        $verb => sub { return $$is_broken ? "+OK\r\n" x $spares : $verb eq 'AUTH' ? "+OK\r\n" : undef },
        CAPA  => sub {
            my ($connection) = @_;
            return if !$$is_broken || !grep { /^$verb/ } $connection->lines;
            return "-ERR wrong password\r\n" . $connection->_pop3_capa;
        },
    );
}

my %capa = ('with PIPELINING' => [qw(TOP PIPELINING)], 'without PIPELINING' => ['TOP']);
for my $name (sort keys %capa) {
    for my $verb (qw(PASS AUTH)) {
        for my $many (1, 64) {
            scene "CAPA $name, $verb at the server, $many sessions a worker" => sub {
                my $is_broken;
                my $server = server(anything_goes => 1, capa => $capa{$name}, on => { late(\$is_broken, $verb, 1) });
                my ($master, $directory) = known(\$is_broken, $many, $server, $verb eq 'AUTH' ? (server_auth => 'plain') : ());
                is_not_logged_in($master, $directory, told($master->client));
            };
        }
    }
    scene "CAPA $name, a login that lasts" => sub {
        my $server = server(capa => $capa{$name}, password => 'geheim');
        my $master = master(server => $server->address, workers => 1, max_workers => 1);
        for my $round (1, 2) {
            is $master->client->login('joe', 'geheim')->quit, '+OK bye', "round $round: a good login";
            is $master->client->try_login('joe', 'wrong'), '-ERR [AUTH] bad login', "round $round: a refused one";
        }
    };
}

scene 'CAPA with PIPELINING, three spare replies' => sub {
    my $is_broken;
    my $server = server(capa => $capa{'with PIPELINING'}, on => { late(\$is_broken, 'PASS', 3) });
    my ($master, $directory) = known(\$is_broken, 1, $server);
    is_not_logged_in($master, $directory, told($master->client));
};

# The server answers twice within GAP seconds, as far as it can tell: then it must have been heard.
sub sends_soon {
    my ($connection, $first, $second, $count) = @_;
    my $began = clock_gettime(CLOCK_MONOTONIC);
    $connection->send($first)->taken;
    $connection->send($second);
    $$count++ if clock_gettime(CLOCK_MONOTONIC) - $began < GAP;
    return '';
}

for my $verb (qw(USER PASS)) {
    scene "no CAPA, $verb is answered twice" => sub {
        my ($is_broken, $in_time, $fooled) = (0, 0, 0);
        my @second = ("+OK\r\n", $verb eq 'PASS' ? "-ERR wrong password\r\n" : "+OK\r\n");
        my $server = server(on => { $verb => sub { $is_broken ? sends_soon($_[0], @second, \$in_time) : undef },
            $verb eq 'USER' ? (PASS => sub { $is_broken ? "-ERR wrong password\r\n" : undef }) : () });
        my ($master) = known(\$is_broken, 1, $server);
        for (1 .. ATTEMPTS) {
            my $before = $in_time;
            my $told   = told($master->client);
            $fooled++ if $in_time > $before && $told =~ /^\+OK/;
        }
        ok $in_time, 'the server was fast enough at least once';
        is $fooled, 0, 'and was heard each time';
    };
}

scene 'a server that answers CAPA without a list' => sub {
    my $server = server(on => { CAPA => "+OK\r\n" });
    my $master = master(server => $server->address, workers => 1, max_workers => 1);
    is $master->client->login->quit, '+OK bye', "login $_" for 1, 2;
    is scalar(grep { /^CAPA/ } map { @{ $_->{lines} } } $server->connections), 1, 'it is asked once';
};

scene 'a server that closes the connection for CAPA' => sub {
    my $server = server(on => { CAPA => sub { $_[0]->close; '' } });
    my $master = master(server => $server->address, workers => 1, max_workers => 1);
    like $master->client->try_login, qr/^-ERR \[SYS\/TEMP\]/, 'the first login fails';
    is $master->client->login->quit, '+OK bye', 'the second does not ask again';
};

done;
