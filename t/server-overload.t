# SPDX-License-Identifier: BSD-2-Clause
#
# More connections than places: silent and dripping clients, one address that wants every place,
# guessing of passwords. Well-behaved clients still get through, and sessions that have logged in
# stay.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use List::Util qw(sum);

expect_log('log-lines-lost');   # a burst of lines: the kernel queues only ten for the collector

# Client addresses.
sub address { my ($number) = @_; return '127.' . (16 + int $number / 250) . '.1.' . (1 + $number % 250) }

# Clients that each send an octet now and then, and connect again when they are cut
# off, while the code after `while' runs.
sub with_drips {
    my ($master, $count, $code, %option) = @_;
    my (@drip, $is_over, $next);
    my $comes = sub {
        my ($number) = @_;
        my $client = $master->client(from => $option{from} // address($number));
        $client->{forget} = 1;
        return $drip[$number] = $client;
    };
    $comes->($_) for 0 .. $count - 1;
    Pop3Test::Loop::each_turn(sub {
        return if $is_over || now() < ($next // 0);
        $next = now() + 0.1;
        for my $number (0 .. $#drip) {
            $drip[$number]->close, $comes->($number) if $drip[$number]{eof};
            $drip[$number]->send('U') if !$option{silent};
        }
    });
    my $done  = eval { $code->(@drip); 1 };
    my $error = $@;
    $is_over = 1;
    $_->close for @drip;
    die $error if !$done;
    return;
}

# This many good clients one after the other; all get in long before the limit of a bad
# one passes. The time is only reported, because it depends on the machine. tries: if no
# other client holds more places than a good one, a slow good one may be shed and try again.
sub good_clients {
    my ($master, $count, %option) = @_;
    my @took;
    for (1 .. $count) {
        my $begin = now();
        my $client;
        for my $try (1 .. $option{tries} // 1) {
            $client = $master->client(from => '127.200.0.1');
            last if eval { $client->login };
            die $@ if $try == ($option{tries} // 1) || $@ !~ /too busy/;
        }
        push @took, now() - $begin;
        is $client->quit, '+OK bye', 'a good client is served';
    }
    diag('good clients logged in after ' . join ' ', map { sprintf '%.0f ms', 1000 * $_ } @took);
    return;
}

scene '200 dripping clients, 32 workers at most' => sub {
    needs_one_session('fills the pool');
    expect_reason('shed');
    my $master = master(server => server()->address, workers => 8, max_workers => 32, max_per_ip => undef, login_timeout => 600);
    with_drips($master, 200, sub {
        is $master->settled(0, 32), 'settled', 'every worker is held';
        good_clients($master, 6, tries => 10);
    });
    my %reason;
    $reason{ $_->{f}{reason} }++ for log_lines('session');
    ok $reason{shed}, "sessions made room: $reason{shed}";
    good_clients($master, 1);
};

scene 'sessions that have logged in stay' => sub {
    expect_reason('shed');
    my $server = server(messages => [ message(500) ]);
    my $master = master(server => $server->address, workers => 8, max_workers => 12, login_timeout => 600);
    my @held   = map { $master->client(from => address($_))->login("held$_") } 1 .. 11;
    with_drips($master, 40, sub {
        good_clients($master, 3, tries => 10);
    });
    like +($_->fetch('RETR 1'))[0], qr/^\+OK/, 'served' for @held;
    is $_->quit, '+OK bye', 'to its end' for @held;
    is scalar(grep { $_->{f}{reason} eq 'shed' && $_->{f}{stage} eq 'relay' } log_lines('session')), 0, 'no such session was shed';
};

scene 'sessions that have logged in hold all places: new connections wait' => sub {
    needs_one_session('fills the pool');
    my $master = master(server => server()->address, workers => 2, max_workers => 3);
    my @held   = map { $master->client->login } 1 .. 3;
    my @wait   = map { $master->client } 1 .. 20;
    ok $wait[0]->quiet(1), 'it is not refused';
    is $_->quit, '+OK bye', 'in order' for @held;
    is scalar(grep { $_->login->quit eq '+OK bye' } @wait), 20, 'and all have their turn';
};

scene 'the limit of places for one address' => sub {
    my $master = master(server => server()->address, workers => 6, max_per_ip => 3);
    my @held   = map { $master->client(from => '127.0.0.9') } 1 .. 3;
    $_->greeting for @held;
    my $refused = $master->client(from => '127.0.0.9');
    like $refused->rest, qr/\A-ERR \[SYS\/TEMP\] [^\r\n]*\r\n\z/, 'one too many is told so';
    is $master->client(from => '127.0.0.10')->login->quit, '+OK bye', 'another address is not';
    like $held[0]->ask('USER joe'), qr/^\+OK/, 'one of them';
    like $held[0]->ask('PASS x'), qr/^\+OK/, 'logs in';
    is $master->client(from => '127.0.0.9')->login->quit, '+OK bye', 'which makes a place';
    $held[1]->close;
    ok wait_until(sub { eval { $master->client(from => '127.0.0.9')->login->quit } }), 'as does one that leaves';
    is scalar(grep { $_->{f}{reason} eq 'too-many-per-ip' } log_lines('session')) > 0, 1, 'logged';
};

scene '500 silent connections of one address' => sub {
    needs_one_session('fills the pool');
    expect_reason('shed');
    my $master = master(server => server()->address, workers => 16, max_workers => 64, max_per_ip => undef, login_timeout => 600);
    my @silent = map { $master->client(from => '127.0.0.66') } 1 .. 500;
    good_clients($master, 10);
    my $held = grep { !$_->{eof} } @silent;
    cmp_ok $held, '<=', 32, 'it holds at most half of all places';
};

scene 'passwords are guessed' => sub {
    my $server = server(password => 'right');
    my $master = master(server => $server->address, workers => 4, login_failures => undef);
    my $begin  = now();
    my ($tried, $turned_away) = (300, 0);
    for my $number (1 .. $tried) {
        my $client = $master->client(from => '127.0.0.77');
        $client->send("USER joe\r\nPASS wrong$number\r\n");
        $turned_away++ if $client->rest =~ /\A-ERR \[SYS\/TEMP\] [^\r\n]*\r\n\z/;
        $client->close;
    }
    my $seconds = now() - $begin;
    my $reached = $server->saw(qr/^PASS /);
    diag(sprintf '%d tries in %.1f s, %d passwords reached the server', $tried, $seconds, $reached);
    cmp_ok $reached, '<=', 30 + $seconds / 2 + 1, 'few reach the server';
    cmp_ok $reached, '>=', 25, 'but not too few';
    cmp_ok $turned_away, '>', ($tried - $reached) / 2, "the others are refused at the greeting: $turned_away";
    my $other = $master->client(from => '127.0.0.78')->login('joe', 'right');
    is $other->quit, '+OK bye', 'others are not';
    my @refusals = map { my $c = $master->client(from => "127.0.0.$_"); $c->try_login('joe', "wrong$_") } 80, 81;
    is $refusals[0], $refusals[1], 'a refusal is a refusal';
};

scene 'a mail store that is down does not count as a wrong password' => sub {
    my $server  = server(on => { PASS => "-ERR [SYS/TEMP] down\r\n" });
    my $master  = master(server => $server->address, login_failures => 4);
    my @replies = map { $master->client->try_login } 1 .. 12;
    is scalar(grep { $_ eq '-ERR [SYS/TEMP] down' } @replies), 12, 'each is told by the server';
    delete $server->{on}{PASS};
    is $master->client->login->quit, '+OK bye', 'and let in once it is up';
};

# A server that keeps its answers to PASS until release() is called; then it gives them at once.
sub holding_server {
    my %option = @_;
    my $server = server(%option);
    $server->{kept}     = [];
    $server->{on}{PASS} = sub {
        my ($connection, $password) = @_;
        return $server->{is_released} ? undef : do { push @{ $server->{kept} }, [ $connection, $password ]; '' };
    };
    return $server;
}

sub release {
    my ($server) = @_;
    $server->{is_released} = 1;
    for (splice @{ $server->{kept} }) {
        my ($connection, $password) = @$_;
        $connection->send(($server->{password} // $password) eq $password ? "+OK in\r\n" : "-ERR no\r\n");
    }
    return;
}

# Not more passwords have reached the server than may fail since $begin.
sub few_tried {
    my ($server, $limit, $begin) = @_;
    my $tried = $server->saw(qr/^PASS /);
    return cmp_ok $tried, '<=', $limit + (now() - $begin) / 2, "no more passwords than may fail: $tried";
}

for my $many (1, 40) {
    my $kind = $many == 1 ? 'one session a worker' : 'many sessions a worker';
    my %pool = $many == 1 ? (workers => 60, sessions_per_worker => 1) : (workers => 2, sessions_per_worker => 40);

    scene "a burst of wrong passwords at once, $kind" => sub {
        my $server = holding_server(password => 'right');
        my $master = master(server => $server->address, login_failures => 10, max_per_ip => 0, %pool);
        my $begin  = now();
        my @client = map { $master->client(from => '127.0.0.77') } 1 .. 40;
        $_->send("USER joe\r\nPASS wrong\r\n") for @client;
        ok wait_until(sub { $server->saw(qr/^PASS /) >= 10 }), 'as many are tried as may fail';
        release($server);
        like $_->rest, qr/-ERR [^\r\n]*\r\n\z/, 'each has an answer' for @client;
        few_tried($server, 10, $begin);
        is $master->client(from => '127.0.0.78')->login('joe', 'right')->quit, '+OK bye', 'another address logs in';
        ok wait_until(sub { eval { $master->client(from => '127.0.0.77')->login('joe', 'right')->quit eq '+OK bye' } }, 15),
            'the address owes no more than the limit, and soon logs in again';
    };

    scene "many good users of one address, $kind" => sub {
        my $server = holding_server(password => 'right');
        my $master = master(server => $server->address, login_failures => 10, max_per_ip => 0, %pool);
        my @client = map { $master->client(from => '127.0.0.77') } 1 .. 40;
        $_->send("USER joe\r\nPASS right\r\n") for @client;
        ok wait_until(sub { $server->saw(qr/^PASS /) >= 10 }), 'some are at the server';
        release($server);
        for (@client) {
            $_->greeting;
            like $_->line, qr/^\+OK/, 'USER';
            like $_->line, qr/^\+OK/, 'all log in';
        }
        is $_->quit, '+OK bye', 'and are served' for @client;
    };
}

scene 'a client that hangs up before the answer has failed all the same' => sub {
    my $server = holding_server(password => 'right');
    my $master = master(server => $server->address, login_failures => 3, workers => 20, max_per_ip => 0);
    my $begin  = now();
    for (1 .. 20) {
        my $client = $master->client(from => '127.0.0.77');
        $client->send("USER joe\r\nPASS wrong\r\n");
        $client->greeting;
        $client->close;
    }
    ok wait_until(sub { $server->saw(qr/^PASS /) >= 3 }), 'the server has some passwords';
    release($server);
    ok $master->shows(sub { sum(values %{ $_[0]{instances}[0]{ended} }) == 20 }), 'the sessions are over';
    few_tried($server, 3, $begin);
};

scene 'a session that is shed while its password is tried has failed' => sub {
    needs_one_session('fills the pool');
    expect_reason('shed');
    my $server = holding_server(password => 'right');
    my $master = master(server => $server->address, login_failures => 8, max_per_ip => 0, workers => 8, max_workers => 8);
    my $begin  = now();
    my @client = map { my $client = $master->client(from => '127.0.0.77'); $client->send("USER joe\r\nPASS wrong\r\n"); $client } 1 .. 8;
    ok wait_until(sub { $server->saw(qr/^PASS /) == 8 }), 'the server has eight passwords';
    my @queue = map { $master->client(from => '127.0.0.78') } 1 .. 20;
    ok wait_until(sub { 6 <= grep { $_->{eof} } @client }), 'sessions are shed until two places are left';
    $_->close for @queue;
    release($server);
    like $_->rest, qr/^-ERR [^\r\n]*\r\n\z/m, 'each has an answer' for @client;
    for (1 .. 10) {
        my $client = $master->client(from => '127.0.0.77');
        $client->send("USER joe\r\nPASS wrong\r\n");
        like $client->rest, qr/^-ERR [^\r\n]*\r\n\z/m, 'the next has one';
    }
    few_tried($server, 8, $begin);
};

scene 'a worker that dies gives back what its sessions held' => sub {
    expect_log(qw(worker-died fork-throttled));
    my $server = holding_server(password => 'right');
    my $master = master(server => $server->address, login_failures => 3, max_per_ip => 2, workers => 8);
    for my $number (1, 2) {
        my $client = $master->client(from => '127.0.0.77');
        $client->send("USER joe\r\nPASS wrong\r\n");
        ok wait_until(sub { $server->saw(qr/^PASS /) == $number }), 'the server has the password';
    }
    kill KILL => $master->workers;
    ok wait_until(sub { log_lines('worker-died') >= 2 }), 'the workers die';
    release($server);
    ok wait_until(sub { eval { $master->client(from => '127.0.0.77')->login('joe', 'right')->quit eq '+OK bye' } }),
        'the address has its places again, and one attempt left';
};

scene 'passwords are guessed in parallel, and during a reload' => sub {
    my $server = server(password => 'right');
    my $master = master(server => $server->address, workers => 30, login_failures => 10);
    for my $round (1 .. 3) {
        my @client = map { $master->client(from => '127.0.0.77') } 1 .. 25;
        $_->send("USER joe\r\nPASS wrong\r\n") for @client;
        wait_until(sub { !grep { !$_->{eof} } @client });
        $master->change(timeout => 600 + $round)->reload;
    }
    cmp_ok $server->saw(qr/^PASS /), '<=', 30, 'no more than came before the first failed: ' . $server->saw(qr/^PASS /);
};

done;
