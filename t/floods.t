# SPDX-License-Identifier: BSD-2-Clause
#
# Many sessions that end for the same cause: the log has a line for the first and counts the others. What
# is no flood keeps its lines.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_reason(qw(connect-failed proxy-header-malformed));
expect_log('log-lines-lost');

# The lines of this master since it was started, with what a session line of this reason and a count say.
sub lines {
    my ($master, $event) = @_;
    my $first = $master->{older_lines};
    my @lines = log_lines();
    return grep { $_->{event} eq $event } @lines[ $first .. $#lines ];
}

sub sessions { my ($master, $reason) = @_; return grep { $_->{f}{reason} eq $reason } lines($master, 'session') }

# How many sessions the counting lines tell.
sub counted {
    my ($master, $reason) = @_;
    my $sum = 0;
    $sum += $_->{f}{count} for grep { $_->{f}{reason} eq $reason } lines($master, 'repeated');
    return $sum;
}

# Waits until all $total sessions are in the log, and says with how many lines.
sub told {
    my ($master, $reason, $total) = @_;
    wait_until(sub { sessions($master, $reason) + counted($master, $reason) >= $total })
        or diag(sessions($master, $reason) . ' lines, ' . counted($master, $reason) . ' counted');
    is sessions($master, $reason) + counted($master, $reason), $total, 'none is lost, and none is counted twice';
    cmp_ok counted($master, $reason), '>', 0, 'some have no line';
    is $master->status->{instances}[0]{ended}{$reason}, $total, 'the totals have all';
    return;
}

my %kind = (
    'one session a worker'   => { workers => 4, max_workers => 8, sessions_per_worker => 1 },
    'many sessions a worker' => { workers => 2, max_workers => 2, sessions_per_worker => 8 },
);

sub each_kind {
    my ($name, $code) = @_;
    scene "$name: $_" => sub { $code->(%{ $kind{$_} }) } for sort keys %kind;
    return;
}

each_kind 'a server that is down' => sub {
    my $gone    = server();
    my $address = $gone->address;
    $gone->close;
    my $master = master(server => $address, @_);
    $master->client->try_login("user$_") for 1 .. 40;
    told($master, 'connect-failed', 40);
    my ($line) = sessions($master, 'connect-failed');
    is $line->{f}{text}, '"Connection refused"', 'the line says why';
    my ($count) = lines($master, 'repeated');
    is $count->{f}{$_}, { of => 'session', instance => 'main', server => $address }->{$_}, "the count has $_" for qw(of instance server);
    is $count->{priority}, $line->{priority}, 'and the same severity';
};

each_kind 'an address that is refused' => sub {
    my $master = master(server => server()->address, max_per_ip => 1, @_);
    my $held   = $master->client(from => '127.0.0.9');
    $held->greeting;
    $master->client(from => '127.0.0.9')->rest for 1 .. 40;
    told($master, 'too-many-per-ip', 40);
    my ($count) = lines($master, 'repeated');
    is $count->{f}{client}, '127.0.0.9', 'the count has the address';
};

each_kind 'checks that say nothing' => sub {
    my $master = master(server => server()->address, @_);
    for (1 .. 40) { my $client = $master->client; $client->greeting; $client->close }
    told($master, 'client-closed', 40);
};

each_kind 'checks that say nothing, and quiet' => sub {
    my $master = master(server => server()->address, quiet => 'yes', @_);
    for (1 .. 5) { my $client = $master->client; $client->greeting; $client->close }
    ok $master->shows(sub { $_[0]{instances}[0]{ended}{'client-closed'} == 5 }), 'they are counted in the totals';
    my $client = $master->client;
    $client->greeting;
    $client->ask('CAPA');
    $client->close;
    ok wait_until(sub { sessions($master, 'client-closed') }), 'a client that has said something has a line';
    is scalar(sessions($master, 'client-closed')), 1, 'and the others have none';
    is scalar(lines($master, 'repeated')), 0, 'nor a count';
};

each_kind 'checks of a load balancer of its own' => sub {
    my $local  = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    my $master = master(server => server()->address, quiet => 'yes', proxy_protocol => 'v2', proxy_protocol_from => '127.0.0.0/8', @_);
    for (1 .. 5) { my $client = $master->client; $client->send("${local}QUIT\r\n"); $client->rest }
    ok $master->shows(sub { $_[0]{instances}[0]{ended}{'quit-before-login'} == 5 }), 'they are counted in the totals';
    my $client = $master->client;
    $client->send($local);
    is $client->login->quit, '+OK bye', 'one that logs in';
    ok wait_until(sub { sessions($master, 'quit') }), 'has a line';
    is scalar(sessions($master, 'quit-before-login')), 0, 'and the others have none';
};

each_kind 'sessions that log in are no flood' => sub {
    my $server = server(password => 'right');
    my $master = master(server => $server->address, @_);
    $master->client->try_login('joe', 'wrong') for 1 .. 20;
    $master->client->login('joe', 'right')->quit for 1 .. 20;
    ok wait_until(sub { sessions($master, 'login-refused') == 20 && sessions($master, 'quit') == 20 }), 'each has its line';
    is scalar(lines($master, 'repeated')), 0, 'none is counted';
};

done;
