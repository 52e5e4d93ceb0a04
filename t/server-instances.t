# SPDX-License-Identifier: BSD-2-Clause
#
# Several instances in one file: each has its own address, policy and pool, and none can be made to
# connect to the server itself.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Socket::IP;

# The manual's example: inside, users choose their server and an acp decides;
# outside, all get the local server and only that.
scene 'one policy inside, another outside' => sub {
    my $chosen    = server(greeting => '+OK chosen', messages => [ message(500) ]);
    my $local     = server(greeting => '+OK local');
    my $asked     = directory(0777) . '/asked';
    my $internal_log = directory(0777);
    my $master    = master(-instances => [
        internal => {
            listen => '127.0.0.1:0', server => '-', select_server => 'yes', acp => acp("echo \$PROXY_SERVER >>$asked"),
            allow_servers => "127.0.0.1:$chosen->{port}", client_log => $internal_log, workers => 3,
        },
        external => { listen => '127.0.0.2:0', server => $local->address, workers => 2 },
    ]);
    my $inside = $master->client(to => '127.0.0.1')->login('joe@' . $chosen->address);
    like $inside->ask('STAT'), qr/^\+OK 1 /, 'inside: the chosen server';
    $inside->quit;
    ok -s $asked, 'the program was asked';
    ok -s "$internal_log/127.0.0.1", 'and the client log written';
    my $refused = $master->client(to => '127.0.0.1')->try_login('joe@' . $local->address);
    like $refused, qr/^-ERR/, 'inside: a server off the list';
    unlink $asked;
    my $outside = $master->client(to => '127.0.0.2')->login('joe@' . $chosen->address);
    like $outside->ask('STAT'), qr/^\+OK 0 /, 'outside: the local one, whatever the name';
    $outside->quit;
    ok !-e $asked, 'the acp did not run';
    is $local->saw(qr/^USER joe\@/), 1, 'and the name went there whole';
    my %by_name = map { $_->{name} => $_ } @{ $master->status->{instances} };
    is $by_name{internal}{pools}[0]{idle}, 3, 'a pool each';
    is $by_name{external}{pools}[0]{idle}, 2, 'of its own size';
    is $by_name{internal}{logins}, 1, 'and counts of its own';
    is $by_name{external}{logins}, 1, 'for both';
    is_deeply [ sort map { $_->{f}{instance} } log_lines('session') ], [qw(external internal internal)], 'named in the log';
};

scene 'more instances than the soft limit of open files allows' => sub {
    my $said   = directory(0777) . '/limit';
    my $server = server();
    my @many   = map { ("i$_" => { listen => '127.0.0.1:0' }) } 1 .. 30;
    my $limit  = sub { return [ 'sh', '-c', "ulimit -n $_[0] && ulimit -Sn 80 && exec \"\$\@\"", 'sh' ] };
    my $master = master(-instances => \@many, server => $server->address, workers => 1, acp => acp("ulimit -Sn >$said"), -wrapper => $limit->(1000));
    is $master->client->login->quit, '+OK bye', 'it serves';
    is read_file($said), "80\n", 'programs have the limit that was given';
    is $master->reload->{event}, 'reloaded', 'it reloads';
    expect_log('configuration');
    my $none   = master(-instances => \@many, server => $server->address, workers => 1, -wrapper => $limit->(80), -start => 0);
    my $result = $none->run_to_end;
    is exit_code($result->{status}), 71, 'no more than the hard limit';
    like $result->{err}, qr/\Apop3\.proxy: \Q$none->{path}\E:\d+: [^\n]*Too many open files[:;] raise the limit of open files \(LimitNOFILE=, ulimit -n\)\n\z/, 'and a line that says so';
};

scene 'one instance full, the other one free' => sub {
    needs_one_session('one session fills the pool');
    my $server = server();
    my $master = master(-instances => [
        full => { listen => '127.0.0.1:0', workers => 1, max_workers => 1 },
        free => { listen => '127.0.0.2:0' },
    ], server => $server->address);
    my $first = $master->client(to => '127.0.0.1')->login;
    my $waits = $master->client(to => '127.0.0.1');
    is $master->client(to => '127.0.0.2')->login->quit, '+OK bye', 'the other instance';
    ok $waits->quiet(0.2), 'the connection waits';
    $first->quit;
    like $waits->greeting, qr/^\+OK/, 'and has its turn';
};

my $loop = qr/\A-ERR \[SYS\/PERM\] [^\r\n]*\z/;

sub is_loop {
    my ($name, $master, $to, $user) = @_;
    like $master->client(to => $to)->try_login($user), $loop, $name;
    return;
}

scene 'a loop' => sub {
    expect_reason('loop');
    my $master = master(-instances => [
        one => { listen => '127.0.0.1:0' }, two => { listen => '127.0.0.2:0' },
    ], select_server => 'yes', server => '-');
    my ($one, $two) = map { $master->port($_) } '127.0.0.1', '127.0.0.2';
    is_loop('to itself', $master, '127.0.0.1', "joe\@127.0.0.1:$one");
    is_loop('to another instance', $master, '127.0.0.1', "joe\@127.0.0.2:$two");
    is_loop('by name', $master, '127.0.0.1', "joe\@localhost:$one");
    is_loop('as mapped address', $master, '127.0.0.1', "joe\@[::ffff:127.0.0.1]:$one")
        if IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1);
};

scene 'a loop over a wildcard address' => sub {
    expect_reason('loop');
    my $master = master(listen => '*:0', select_server => 'yes', server => '-');
    my ($port) = map { /:(\d+)\z/ } $master->addresses;
    for my $host (qw(127.0.0.1 127.0.0.7 localhost)) {
        is_loop("by $host", $master, "127.0.0.1:$port", "joe\@$host:$port");
    }
    my $server = server(host => '127.0.0.3');
    is $master->client(to => "127.0.0.1:$port")->login('joe@' . $server->address)->quit, '+OK bye',
        'another port is none';
    SKIP: {
        skip 'no IPv6 here', 1 if !IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1);
        my $both = master(listen => '[::]:0', select_server => 'yes', server => '-');
        my ($own) = map { /:(\d+)\z/ } $both->addresses;
        is_loop('[::] by IPv4', $both, "127.0.0.1:$own", "joe\@127.0.0.1:$own");
        is_loop('[::] by IPv6', $both, "[::1]:$own", "joe\@[::1]:$own");
    }
};

scene 'an address added by a reload is known, too' => sub {
    expect_reason('loop');
    my $master = master(-instances => [ one => { listen => '127.0.0.1:0' } ], select_server => 'yes', server => '-');
    push @{ $master->{instances} }, two => { listen => '127.0.0.2:0' };
    $master->write->reload;
    my $port = $master->port('127.0.0.2');
    is_loop('from the old one to the new one', $master, '127.0.0.1', "joe\@127.0.0.2:$port");
    is_loop('and the other way round', $master, '127.0.0.2', 'joe@' . $master->address('127.0.0.1'));
};

done;
