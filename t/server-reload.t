# SPDX-License-Identifier: BSD-2-Clause
#
# HUP: a new configuration is in force as a whole or not at all. Running sessions keep theirs, and no
# client is turned away.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_log('log-lines-lost');   # a burst of lines, of which the collector takes ten at once
use IO::Socket::IP;
use Socket qw(AF_UNIX SOCK_STREAM pack_sockaddr_un);

sub polls { my ($master, %option) = @_; return $master->client(%option)->login->quit }

scene 'a new server, a new limit' => sub {
    my $old    = server(messages => []);
    my $new    = server(messages => [ message(100) ]);
    my $master = master(server => $old->address);
    my $stays  = $master->client->login('stays');
    my $early  = $master->client;
    $early->greeting;
    is $master->change(server => $new->address, timeout => 1)->reload->{event}, 'reloaded', 'said in the log';
    my $client = $master->client->login;
    like $client->ask('STAT'), qr/^\+OK 1 /, 'new sessions: the new server';
    like $stays->ask('STAT'), qr/^\+OK 0 /, 'a session that runs: the old one';
    ok wait_until(sub { $client->{eof} }), 'the new limit';
    is $stays->ask('NOOP'), '+OK', 'not for the old session';
    like $early->ask('USER joe'), qr/^\+OK/, 'one that had not logged in';
    like $early->ask('PASS x'), qr/^\+OK/, 'goes on';
    like $early->ask('STAT'), qr/^\+OK 0 /, 'with the old settings';
    is $_->quit, '+OK bye', 'to its end' for $stays, $early;
    is $master->settled(2), 'settled', 'the old pool is gone';
    is $master->counts->{pools}, 1, 'with its row';
    ok wait_until(sub { 1 == $master->helpers }), 'and its helper';
};

scene 'the allow list' => sub {
    my @server = (server(), server(host => '127.0.0.2'));
    my $list   = directory() . '/allowed';
    write_file($list, "127.0.0.1:$server[0]{port}\n");
    my $master = master(server => '-', select_server => 'yes', allow_servers_file => $list);
    my $try = sub { $master->client->try_login('joe@' . $server[ $_[0] ]->address) };
    like $try->(0), qr/^\+OK/, 'on the list';
    like $try->(1), qr/^-ERR/, 'off it';
    write_file($list, "127.0.0.2:*\n");
    like $try->(0), qr/^\+OK/, 'unchanged until told';
    is $master->reload->{event}, 'reloaded', 'HUP';
    like $try->(0), qr/^-ERR/, 'off the new list';
    like $try->(1), qr/^\+OK/, 'on it';
};

scene 'listening addresses are added, removed and changed' => sub {
    my $server = server();
    my $master = master(-instances => [ one => { listen => '127.0.0.1:0' } ], server => $server->address);
    my $first  = $master->address('127.0.0.1');
    my $held   = $master->client->login;
    push @{ $master->{instances} }, two => { listen => '127.0.0.2:0' };
    is $master->write->reload->{event}, 'reloaded', 'one more';
    is polls($master, to => '127.0.0.2'), '+OK bye', 'serves';
    is polls($master, to => $first), '+OK bye', 'the old address is the same';
    my $second = $master->address('127.0.0.2');
    splice @{ $master->{instances} }, 0, 2;
    is $master->write->reload->{event}, 'reloaded', 'one less';
    ok wait_until(sub { !$master->connect(to => $first) }), 'that address is closed';
    is $held->ask('NOOP'), '+OK', 'its session goes on';
    is $held->quit, '+OK bye', 'to its end';
    is polls($master, to => $second), '+OK bye', 'the other address serves on';
    $master->change('two', listen => '127.0.0.3:0');
    is $master->write->reload->{event}, 'reloaded', 'changed';
    is polls($master, to => '127.0.0.3'), '+OK bye', 'the new address';
    ok wait_until(sub { !$master->connect(to => $second) }), 'not the old one';
    my $renamed = $master->address('127.0.0.3');
    $master->change('two', listen => undef);
    @{ $master->{instances} } = (other => { listen => $renamed });
    is $master->write->reload->{event}, 'reloaded', 'the same socket, written out and under another name';
    is polls($master, to => $renamed), '+OK bye', 'serves on';
};

scene 'pool sizes' => sub {
    my $master = master(server => server()->address, workers => 2);
    $master->change(workers => 7)->reload;
    is $master->settled(7), 'settled', 'more';
    $master->change(workers => 1)->reload;
    is $master->settled(1), 'settled', 'fewer';
    ok wait_until(sub { 1 == $master->workers }), 'and no process besides';
};

scene 'a broken file changes nothing' => sub {
    expect_log(qw(configuration reload-failed));
    my $taken  = server();
    my $master = master(server => server()->address, workers => 2);
    $master->workers(2);    # the second one starts after the first one has shown that it can
    my @before = sort $master->children;
    my $sound  = read_file($master->{path});
    my %broken = (
        'an unknown key'       => "$sound\nwrokers = 3\n",
        'a value out of range' => $sound =~ s/workers = 2/workers = -2/r,
        'an address in use'    => "$sound\n[instance more]\nlisten = " . $taken->address . "\n",
        'no address'           => $sound =~ s/^listen = .*//mr,
        'nothing'              => '',
    );
    for my $name (sort keys %broken) {
        $master->write_raw($broken{$name});
        my $line = $master->reload;
        is $line->{event}, 'reload-failed', $name;
        my ($why) = grep { $_->{text} =~ /\Q$master->{path}\E/ } reverse log_lines();
        like $why->{text}, $name eq 'nothing' ? qr/instance/ : qr/\Q$master->{path}\E:\d+: /, "$name: with file and line";
        is polls($master), '+OK bye', "$name: served on";
    }
    unlink $master->{path};
    is $master->reload->{event}, 'reload-failed', 'no file at all';
    is polls($master), '+OK bye', 'served on';
    is_deeply [ sort $master->children ], \@before, 'by the very same processes';
    $master->write_raw($sound);
    is $master->reload->{event}, 'reloaded', 'mended';
    is polls($master), '+OK bye', 'served';
};

# Stops a process and waits for it: until then it can still accept a connection.
sub halt {
    my ($pid) = @_;
    kill 'STOP', $pid;
    wait_until(sub { (facts($pid)->{State} // '') =~ /^T/ }) or die "it does not stop\n";
    return;
}

# A stopped worker stands for one that was just woken for a connection and has not run yet.
scene 'a reload is finished when no old worker can accept a connection' => sub {
    expect_log('reloaded');
    my $server = server();
    my $master = master(server => $server->address, workers => 3);
    my ($slow) = $master->workers(3);
    my $line   = sub { ($master->events('reloaded'))[-1] };
    halt($slow);
    $master->change(server => '-', select_server => 'yes')->signal('HUP');
    my $tries = 100;
    $tries-- while $tries && $master->client->try_login !~ /^-ERR/;
    ok $tries, 'the new settings are in force';
    # On a machine that is too slow for this the time limit came first, and the line says so.
    like $line->() ? $line->()->{f}{text} : 'not yet', qr/not yet|may each take one more/, 'an old worker has not reacted';
    kill 'CONT', $slow;
    ok wait_until($line), 'it goes on';
    ok wait_until(sub { !is_alive($slow) }), 'and leaves';
};

scene 'an old worker that does not react' => sub {
    expect_log(qw(reloaded worker-died));
    my $master = master(server => server()->address, workers => 3);
    my ($dead) = $master->workers(3);
    halt($dead);
    my $line = $master->change(timeout => 5)->reload;
    like $line->{f}{text}, qr/after 2 s 1 old worker, stopped or starved of CPU, may take one more connection under/, 'is not waited for without end';
    kill 'KILL', $dead;
};

# How many connections wait in a UNIX socket's queue before it is full.
sub queue_of {
    my ($path) = @_;
    my @waiting;
    while (@waiting < 100) {
        socket my $socket, AF_UNIX, SOCK_STREAM, 0 or die $!;
        $socket->blocking(0);
        connect $socket, pack_sockaddr_un($path) or last;
        push @waiting, $socket;
    }
    return scalar @waiting;
}

scene 'a reload that fails leaves the sockets as they are' => sub {
    needs_one_session('one session keeps the only worker from the queue');
    expect_log(qw(configuration reload-failed));
    my $path   = directory(0777) . '/pop3';
    my $master = master(listen => $path, server => server()->address, backlog => 3, workers => 1, max_workers => 1);
    my $held   = $master->client(to => $path)->login;
    $master->change(backlog => 60, pidfile => '/no/such/directory/pid');
    is $master->reload->{event}, 'reload-failed', 'refused';
    is queue_of($path), 4, 'the backlog is the old one';
    $master->change(pidfile => undef);
    is $master->reload->{event}, 'reloaded', 'mended';
    is $held->quit, '+OK bye', 'the session from before';
    $held = $master->client(to => $path)->login;
    cmp_ok queue_of($path), '>', 50, 'the new backlog';
    is $held->quit, '+OK bye', 'in order';
};

scene 'a log that cannot be opened' => sub {
    expect_log(qw(reload-failed));
    my $master = master(server => server()->address, workers => 2, control => undef);
    my $control = directory() . '/control';
    my @before = sort $master->workers(2);
    $master->change(log => '/no/such/directory/log', control => $control, timeout => 700);
    is $master->reload->{event}, 'reload-failed', 'refused';
    like +($master->events('reload-failed'))[0]{f}{text}, qr/cannot open the log file/, 'with the reason';
    is_deeply [ sort $master->workers ], \@before, 'the old workers stay';
    is_deeply [ glob "$control*" ], [], 'and nothing else is left';
};

scene 'log and pidfile are changed and removed' => sub {
    my ($log, $pidfile) = map { directory(0777) . $_ } '/log', '/pid';
    my $master = master(server => server()->address);
    $master->change(pidfile => $pidfile)->reload;
    is read_file($pidfile), $master->pid . "\n", 'a pidfile that comes';
    $master->change(pidfile => "$pidfile.2")->reload;
    is read_file("$pidfile.2"), $master->pid . "\n", 'one that changes';
    ok !-e $pidfile, 'leaves no other';
    unlink "$pidfile.2" or die $!;
    $master->reload;
    is read_file("$pidfile.2"), $master->pid . "\n", 'one that was removed';
    $master->change(pidfile => undef)->reload;
    ok !-e "$pidfile.2", 'one that goes';
    $master->change(log => $log)->signal('HUP');
    ok wait_until(sub { -e $log && read_file($log) =~ /event=reloaded/ }), 'a log that comes';
    is $master->change(log => undef)->reload->{event}, 'reloaded', 'one that goes: syslog again';
};

scene 'from a wildcard address to a single address and back' => sub {
    my $server = server();
    my $master = master(listen => '*:0', server => $server->address);
    my ($port) = map { /:(\d+)\z/ } $master->addresses;
    my $held   = $master->client(to => "127.0.0.1:$port")->login;
    for my $listen ("127.0.0.1:$port", "*:$port", "127.0.0.1:$port") {
        is $master->change(listen => $listen)->reload->{event}, 'reloaded', "to $listen";
        # A busy old worker may still have its copy of the old socket open.
        ok wait_until(sub { (eval { polls($master, to => "127.0.0.1:$port") } // '') eq '+OK bye' }), 'serves';
        my $reaches = $listen =~ /\*/ ? 1 : 0;
        ok wait_until(sub { $reaches == ($master->connect(to => "127.0.0.2:$port") ? 1 : 0) }), "other addresses: $reaches";
    }
    is $held->quit, '+OK bye', 'a session from before';
    my $other = master(listen => "127.0.0.1:$port", server => $server->address, -start => 0)->run_to_end;
    like $other->{err}, qr/another program listens there/, 'another server cannot share the port afterwards';
    expect_log('configuration');
};

scene 'while clients poll without pause' => sub {
    my $server  = server();
    my $master  = master(server => $server->address, workers => 4, quiet => 'yes');
    my $held    = $master->client->login('held');
    my $pollers = pollers(address => $master->address, count => 6, pause => 0.005);
    my $most    = 0;
    my $reloads = 50;
    $pollers->more(20);
    for my $round (1 .. $reloads) {
        my $line = $master->change(timeout => 100 + $round)->reload;
        is $line->{event}, 'reloaded', "reload $round" if $line->{event} ne 'reloaded';
        my $alive = $master->children;
        $most = $alive if $alive > $most;
        $pollers->more(3);
    }
    my $result = $pollers->stop;
    diag(sprintf '%d reloads, %d sessions, %d refused, %d broken, worst %.0f ms, at most %d processes',
        $reloads, @$result{qw(sessions refused broken)}, 1000 * $result->{worst}, $most);
    is $result->{refused}, 0, 'no connection was refused';
    is $result->{broken}, 0, 'no session was broken' or diag($result->{remarks});
    is $held->ask('NOOP'), '+OK', 'a session from before the first one';
    is $held->quit, '+OK bye', 'to its end';
    is $master->settled(4), 'settled', 'the last pool is left';
    ok wait_until(sub { 4 + 2 == $master->children }), 'and no other process';
    cmp_ok $most, '<=', 2 * 6 + 6 + 2, 'never many more processes than twice the pool\'s';
};

scene 'many HUPs' => sub {
    my $master = master(server => server()->address, workers => 3);
    my $client = $master->client->login;
    for my $round (1 .. 10) {
        $master->signal('HUP') for 1 .. 20;
        $master->reload;
    }
    is $client->quit, '+OK bye', 'a session';
    is $master->settled(3), 'settled', 'one pool is left';
    ok wait_until(sub { 3 + 2 == $master->children }), 'and no other process';
};

done;
