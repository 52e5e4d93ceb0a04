# SPDX-License-Identifier: BSD-2-Clause
#
# The checks of servers in groups, by a process of its own, and what an operator does to servers: servers
# shows them, drain sends no new users to one, ready puts it back.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Process ();
use Pop3Test::Tls;

plan(skip_all => 'built without xxHash') if !features()->{groups};

expect_log(qw(server-down));

my @USERS = map { "user$_" } 1 .. 24;

sub list { return join ', ', map { ref $_ ? $_->address : $_ } @_ }

# A server with one group, checked each second. Keys that begin with group_ are those of the group.
sub gateway {
    my ($servers, %more) = @_;
    my %group = map { s/^group_//r => delete $more{$_} } grep { /^group_/ } keys %more;
    return master(server => 'group:stores', workers => 2,
        -groups => [ stores => { servers => $servers, check_interval => 1, fall => 2, rise => 2, %group } ], %more);
}

# What the status says of a server.
sub shown {
    my ($status, $server) = @_;
    my $name = ref $server ? $server->address : $server;
    my ($one) = grep { $_->{server} eq $name } @{ $status->{servers} };
    return $one // die "the status has no server $name\n";
}

# Waits until the server is in this state.
sub becomes {
    my ($master, $server, $state, $name) = @_;
    my $status = $master->shows(sub { shown($_[0], $server)->{state} eq $state }, 30);
    ok $status, "$name: is $state" or diag explain shown($master->status, $server);
    return shown($master->status, $server);
}

# Waits for the first good check.
sub checked { my ($master, $server) = @_; return $master->shows(sub { (shown($_[0], $server)->{check} // '') eq 'good' }, 30) }

# Runs a command on the server's file. Returns "exit status: what it said".
sub told {
    my ($master, @words) = @_;
    my $result = $master->run_command(@words);
    return exit_code($result->{status}) . ": $result->{out}$result->{err}";
}

# The process that checks: it is no worker and no helper, and reads no signals from a descriptor.
sub checker {
    my ($master) = @_;
    my $found;
    wait_until(sub {
        ($found) = grep { !Pop3Test::Master::is_worker($_) && !Pop3Test::Master::is_helper($_) && !grep { /signalfd/ } descriptors($_) } $master->children;
        return $found && facts($found)->{SigIgn} =~ /[1-9a-f]/;
    });
    return $found;
}

scene 'without groups' => sub {
    my $master = master(server => server()->address);
    is told($master, 'servers'), "0: no groups of servers\n", 'servers';
    like told($master, 'drain', 'x'), qr/\A69: /, 'drain';
};

scene 'a server that is lost goes down and comes back, without a login' => sub {
    my ($one, $two) = (server(), server());
    my $master = gateway(list($one, $two));
    ok checked($master, $_), 'a good check' for $one, $two;
    my $good = shown($master->status, $one);
    cmp_ok $good->{check_us}, '>', 0, 'its latency';
    is_deeply [ map { $_->lines } $one->connections ], [ ('QUIT') x $one->connections ], 'all that a check says is QUIT';
    $one->deaf;
    my $down = becomes($master, $one, 'down', 'a server that does not listen');
    is $down->{check}, 'connect', 'why';
    cmp_ok $down->{failures}{connect}, '>=', 2, 'its failures';
    is shown($master->status, $two)->{state}, 'up', 'the other one is up';
    my $before = $two->connections;
    $master->client->login($_)->quit for @USERS;
    is scalar(grep { $_->{event} eq 'failover' } log_lines()), 0, 'no login meets the lost one';
    is $master->reload->{event}, 'reloaded', 'a reload';
    is shown($master->status, $one)->{state}, 'down', 'keeps the state';
    like $master->ask('metrics'), qr/^pop3_proxy_server_up\{group="stores",server="\Q@{[ $one->address ]}\E"\} 0$/m, 'the metric';
    $one->listen_again;
    becomes($master, $one, 'up', 'a server that is back');
    ok scalar(log_lines('server-up')), 'the log says so';
};

scene 'what each check wants' => sub {
    my %speaks = (greets => '+OK ready', refuses => '-ERR busy', babbles => 'hello');
    for my $case ([ connect => 'up', 'up', 'up' ], [ greeting => 'up', 'down', 'down' ]) {
        my ($check, @states) = @$case;
        my @servers = map { server(greeting => $speaks{$_}) } qw(greets refuses babbles);
        my $master  = gateway(list(@servers), group_check => $check, group_fall => 1);
        ok $master->shows(sub { my $status = $_[0]; !grep { !defined shown($status, $_)->{check} } @servers }, 30), "$check: all are checked";
        is shown($master->status, $servers[$_])->{state}, $states[$_], "$check: " . (qw(greets refuses babbles))[$_] for 0 .. 2;
    }
    my $silent = server(script => 1);
    my $master = gateway(list($silent), group_check_timeout => 1);
    is becomes($master, $silent, 'down', 'a silent server')->{check}, 'no-reply', 'why';
};

scene 'names are looked up' => sub {
    my $server = server();
    my $name   = 'localhost:' . $server->port;
    my $master = gateway("$name, nowhere.invalid:1");
    ok $master->shows(sub { (shown($_[0], $name)->{check} // '') eq 'good' }, 30), 'a name that has an address';
    is becomes($master, 'nowhere.invalid:1', 'down', 'one that has none')->{check}, 'resolve', 'why';
};

scene 'the PROXY header' => sub {
    my $ask = sub {
        my ($version) = @_;
        my $server = server(script => 1, anything_goes => 1);
        my $master = gateway(list($server), send_proxy_protocol => $version);
        my $connection;
        ok wait_until(sub { ($connection) = $server->connections; $connection && length $connection->{in} }, 30), "$version: a check";
        return $connection->{in};
    };
    is $ask->('v1'), "PROXY UNKNOWN\r\n", 'version 1';
    is unpack('H*', $ask->('v2')), unpack('H*', "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"), 'version 2: the connection is the proxy\'s own';
};

scene 'TLS and the certificate' => sub {
    plan skip_all => 'built without TLS' if !features()->{tls};
    plan skip_all => 'openssl or stunnel is missing' if !has_openssl() || !has_stunnel();
    my $good = identity(name => 'good', san => [ 'IP:127.0.0.1' ]);
    my $bad  = identity(name => 'bad', san => [ 'DNS:other.example' ]);
    my @names = map { tls_server(server(), identity => $_) } $good, $bad;
    my %tls   = (server_tls => 'implicit', server_tls_ca => $good->{certificate});
    my $master = gateway(list(@names), group_check => 'greeting', %tls);
    ok $master->shows(sub { my $status = $_[0]; !grep { (shown($status, $_)->{check} // '') ne 'good' } $names[0] }, 30), 'greeting: a good certificate';
    $master = gateway(list(@names), group_check => 'tls', %tls);
    ok checked($master, $names[0]), 'tls: a good certificate';
    is becomes($master, $names[1], 'down', 'tls: a wrong one')->{check}, 'tls', 'why';
};

scene 'instances that reach a server in many ways' => sub {
    plan skip_all => 'built without TLS' if !features()->{tls};
    plan skip_all => 'openssl is missing' if !has_openssl();
    my $ca     = identity(name => 'ca')->{certificate};
    expect_log('configuration');   # that the ways differ
    my $server = server(anything_goes => 1);
    my @many   = map { ("way$_" => { listen => '127.0.0.1:0', server_tls => 'stls', server_tls_ca => ('/' x $_) . $ca }) } 1 .. 9;
    my $master = gateway(list($server), -instances => \@many);
    ok checked($master, $server), 'each way is good';
    $master = gateway(list($server), -instances => [ @many, last => { listen => '127.0.0.1:0', server_tls => 'implicit' } ]);
    is becomes($master, $server, 'down', 'the last one')->{check}, 'tls', 'why';
};

scene 'the process has no rights, and is started again' => sub {
    expect_log(qw(checks));
    my $server = server();
    my $master = gateway(list($server));
    ok checked($master, $server), 'a good check';
    my $pid = checker($master) // die "no process checks\n";
    SKIP: {
        skip 'needs root', 1 if !is_root();
        isnt +(split ' ', facts($pid)->{Uid})[1], 0, 'it is not root';
    }
    my $before = () = $server->connections;
    kill 'KILL', $pid;
    ok wait_until(sub { my $now = checker($master); $now && $now != $pid }), 'another one is started';
    ok wait_until(sub { $server->connections > $before + 1 }, 30), 'and checks';
    is $master->stop, 0, 'the server stops';
    ok wait_until(sub { !is_alive($pid) }), 'and no process is left';
};

scene 'servers, drain and ready' => sub {
    my ($one, $two) = (server(), server());
    my $master = gateway(list($one, $two), group_check => 'no', group_stay => 0, group_slow_start => 0);
    my @held = map { $master->client->login($_) } @USERS;
    my @counts = map { scalar $_->connections } $one, $two;
    cmp_ok $counts[0], '>', 0, 'the first has users';
    cmp_ok $counts[1], '>', 0, 'so has the second';
    is shown($master->status, $one)->{sessions}, $counts[0], 'the status counts them';
    my $name = $one->address;
    like told($master, 'servers'), qr/\A0: GROUP +SERVER +STATE .*\nstores +\Q$name\E +up +- +100 +$counts[0] +0 +0 +0 +- +- +-\n/, 'the table';
    is told($master, 'drain', $name), "0: $name gets no new users\n", 'drain';
    like told($master, 'servers'), qr/^stores +\Q$name\E +drained +\d+s/m, 'it is drained';
    my $route = told($master, 'route', $USERS[0]);
    like $route, qr/^ +\Q$name\E, weight 100, score [\d.]+, drained, $counts[0] sessions$/m, 'route knows the state';
    like $route, qr/^ +server +\Q@{[ $two->address ]}\E \(the default\)$/m, 'and that users go elsewhere';
    my @more = map { $master->client->login($_) } @USERS;
    is scalar $one->connections, $counts[0], 'nobody new comes to it';
    like $_->ask('NOOP'), qr/^\+OK/, 'a session goes on' for @held[ 0, 1 ];
    is $master->reload->{event}, 'reloaded', 'a reload';
    is shown($master->status, $one)->{state}, 'drained', 'keeps it drained';
    like $master->ask('status'), qr/^stores +\Q$name\E +drained/m, 'the status shows it';
    like $master->ask('metrics'), qr/^pop3_proxy_server_up\{group="stores",server="\Q$name\E"\} 0$/m, 'so do the metrics';
    like $master->ask('metrics'), qr/^pop3_proxy_server_drained\{group="stores",server="\Q$_->[0]\E"\} $_->[1]$/m, "drained: $_->[1]"
        for [ $name => 1 ], [ $two->address => 0 ];
    is told($master, 'ready', $name), "0: $name takes users\n", 'ready';
    is shown($master->status, $one)->{state}, 'up', 'it is up';
    push @more, map { $master->client->login($_) } @USERS;
    is scalar $one->connections, 2 * $counts[0], 'its users come back';
    like told($master, 'drain', 'nobody.example'), qr/\A69: pop3\.proxy: the server says: no group has the server nobody\.example;/, 'an unknown server';
    $_->quit for @held, @more;
};

done;
