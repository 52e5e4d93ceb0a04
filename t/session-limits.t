# SPDX-License-Identifier: BSD-2-Clause
#
# Limits for sessions that have logged in: how many an address and a user may have. With one session a
# worker and with many.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_log(qw(worker-died session-lost));

my %kind = (
    'one session a worker'   => { workers => 8, max_workers => 8, sessions_per_worker => 1 },
    'many sessions a worker' => { workers => 1, max_workers => 1, sessions_per_worker => 8 },
);

my $by_address = qr/\A-ERR \[SYS\/TEMP\] too many sessions from your address\r\n\z/;
my $by_user    = qr/\A-ERR \[IN-USE\] too many sessions of this user\r\n\z/;

my $lines_before;    # of the scene

sub each_kind {
    my ($name, $code) = @_;
    for my $kind (sort keys %kind) {
        scene "$name: $kind" => sub {
            $lines_before = () = log_lines('session');
            $code->(%{ $kind{$kind} });
        };
    }
    return;
}

# A client of this address that tries to log in, and the whole reply to PASS.
sub try_from {
    my ($master, $address, $user) = @_;
    my $client = $master->client(from => $address);
    $client->greeting;
    $client->ask("USER $user");
    $client->send("PASS x\r\n");
    return $client->rest;
}

# How many sessions of this scene have ended for this reason.
sub reasons_of {
    my ($reason) = @_;
    my @lines = log_lines('session');
    return scalar grep { $_->{f}{reason} eq $reason } @lines[ $lines_before .. $#lines ];
}

# Waits until the pool has noticed that a session has ended.
sub logs_in {
    my ($master, $address, $user) = @_;
    my $client;
    wait_until(sub { $client = $master->client(from => $address); eval { $client->login($user) } })
        or die "$user cannot log in\n";
    return $client;
}

each_kind 'the sessions of one address' => sub {
    my $server = server();
    my $master = master(server => $server->address, max_sessions_per_ip => 3, @_);
    my @held   = map { $master->client(from => '127.0.0.9')->login("user$_") } 1 .. 3;
    my $seen   = $server->saw(qr/^USER /);
    like try_from($master, '127.0.0.9', 'user4'), $by_address, 'one too many is told so';
    is $server->saw(qr/^USER /), $seen, 'and the server is not asked';
    is reasons_of('too-many-sessions-per-ip'), 1, 'logged';
    is +(log_lines('session'))[-1]{f}{user}, 'user4', 'with the user';
    is $master->client(from => '127.0.0.10')->login('user4')->quit, '+OK bye', 'another address is not refused';
    is $_->quit, '+OK bye', 'those that have logged in stay' for splice @held, 0, 1;
    is logs_in($master, '127.0.0.9', 'user4')->quit, '+OK bye', 'one that ends makes room';
    is $_->quit, '+OK bye', 'the others go on' for @held;
};

each_kind 'a login that is refused before its name is split' => sub {
    my $server = server(password => 'right');
    my $master = master(server => $server->address, login_failures => 1, select_server => 'yes', @_);
    my $early  = $master->client(from => '127.0.0.9');
    $early->greeting;
    $master->client(from => $_)->try_login('anna', 'wrong') for '127.0.0.9', '127.0.0.10';
    ok wait_until(sub { reasons_of('login-refused') == 2 }), 'a login of each address has failed';
    $early->ask('USER carl@' . $server->address);
    $early->send("PASS right\r\n");
    like $early->rest, qr/too many failed logins/, 'another one may not try';
    my $line = $master->session_of($early);
    is "$line->{reason} $line->{user}", 'too-many-failures carl', 'the log names the user as in other lines';
    my $late = $master->client(from => '127.0.0.10');
    $late->rest;
    $line = $master->session_of($late);
    is "$line->{reason} $line->{user}", 'too-many-failures -', 'but not of one that is refused before the greeting';
};

each_kind 'the sessions of one user' => sub {
    my $master = master(server => server()->address, max_sessions_per_user => 2, @_);
    my @held   = map { $master->client(from => "127.0.0.$_")->login('joe') } 11, 12;
    like try_from($master, '127.0.0.13', 'JOE'), $by_user, 'one too many is told so, in any case of letters';
    is reasons_of('too-many-sessions-per-user'), 1, 'logged';
    is $master->client(from => '127.0.0.13')->login('jane')->quit, '+OK bye', 'another user is not refused';
    $held[0]->close;
    is logs_in($master, '127.0.0.13', 'joe')->quit, '+OK bye', 'one that is gone makes room';
    is $held[1]->quit, '+OK bye', 'the other goes on';
};

each_kind 'a password that is wrong does not tell how many sessions a user has' => sub {
    my $server = server(password => 'right');
    my $master = master(server => $server->address, max_sessions_per_user => 1, @_);
    my $held   = $master->client->login('joe', 'right');
    like try_from($master, '127.0.0.2', 'joe'), qr/\A-ERR \[AUTH\]/, 'refused by the server';
    is $held->quit, '+OK bye', 'the session goes on';
};

each_kind 'a login above the limit does not count as failed' => sub {
    my $master = master(server => server()->address, max_sessions_per_user => 1, login_failures => 2, @_);
    my $held   = $master->client(from => '127.0.0.8')->login('joe');
    like try_from($master, '127.0.0.8', 'joe'), $by_user, 'refused' for 1 .. 5;
    is $master->client(from => '127.0.0.8')->login('jane')->quit, '+OK bye', 'the address may log in';
    is $held->quit, '+OK bye', 'the session goes on';
};

each_kind 'many logins at the same moment' => sub {
    my $master = master(server => server()->address, max_sessions_per_user => 3, @_);
    my @client = map { $master->client(from => "127.0.0.$_") } 21 .. 28;
    $_->greeting for @client;
    $_->send("USER joe\r\nPASS x\r\nNOOP\r\n") for @client;
    ok wait_until(sub { 5 == grep { $_->{eof} } @client }), 'all but three are refused';
    is reasons_of('too-many-sessions-per-user'), 5, 'for the user';
    $_->close for @client;
};

each_kind 'exempt networks' => sub {
    my $master = master(server => server()->address, max_per_ip => 1, max_sessions_per_ip => 1,
        exempt_networks => '10.0.0.0/8, 127.0.0.32/28', max_sessions_per_user => 2, @_);
    my @held = map { $master->client(from => '127.0.0.33')->login("user$_") } 1 .. 4;
    push @held, $master->client(from => '127.0.0.9')->login('user5');
    like try_from($master, '127.0.0.9', 'user6'), $by_address, 'an address outside them';
    push @held, $master->client(from => '127.0.0.34')->login('user1');
    like try_from($master, '127.0.0.35', 'user1'), $by_user, 'the limit of a user holds';
    is $_->quit, '+OK bye', 'to its end' for @held;
};

# No address and no user fills a small pool that has no limits set.
each_kind 'by default there is a place left' => sub {
    my $master = master(server => server()->address, max_sessions_per_ip => undef, max_sessions_per_user => undef, @_);
    my @held   = map { $master->client(from => '127.0.0.9')->login('joe') } 1 .. 6;
    like try_from($master, '127.0.0.9', 'jane'), $by_address, 'of an address';
    like try_from($master, '127.0.0.10', 'joe'), $by_user, 'of a user';
    is $master->client(from => '127.0.0.11')->login('jane')->quit, '+OK bye', 'others are served';
    is $_->quit, '+OK bye', 'to its end' for @held;
};

each_kind 'a worker that is killed gives its accounts back' => sub {
    my $master = master(server => server()->address, max_sessions_per_ip => 2, max_sessions_per_user => 1, @_);
    for my $round (1 .. 3) {
        my @held = map { logs_in($master, '127.0.0.9', "user$_") } 1, 2;
        like try_from($master, '127.0.0.9', 'user3'), $by_address, 'the address is full';
        like try_from($master, '127.0.0.10', 'user1'), $by_user, 'so is the user';
        kill 'KILL', $master->busy_pids;
        ok wait_until(sub { 2 == grep { $_->{eof} } @held }), "its sessions are lost, round $round";
    }
    is logs_in($master, '127.0.0.9', 'user1')->quit, '+OK bye', 'both may log in';
};

done;
