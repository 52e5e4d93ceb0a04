# SPDX-License-Identifier: BSD-2-Clause
#
# Routing while many users poll: what a server or a table that fails costs them, counted at the servers.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::UNIX;
use Pop3Test;
use Pop3Test::Process qw(fork_off);

my $has_groups = features()->{groups};

# Servers that note each login: [ user, index of the server ].
my @logins;

sub servers {
    my ($count) = @_;
    @logins = ();
    return map {
        my $index = $_;
        server(on => { PASS => sub { push @logins, [ $_[0]{user}, $index ]; return } });
    } 0 .. $count - 1;
}

sub list { return join ', ', map { $_->address } @_ }

# A server with a group as its default, and few processes with many sessions each.
sub gateway {
    my ($servers, %group) = @_;
    return master(server => 'group:stores', workers => 4, sessions_per_worker => 20, -in_file => 1,
        -groups => [ stores => { servers => $servers, slow_start => 0, %group } ]);
}

# The servers at which a user was, one after the other, without repetitions.
sub ways {
    my %way;
    for my $login (@logins) {
        my ($user, $server) = @$login;
        push @{ $way{$user} }, $server if !$way{$user} || $way{$user}[-1] != $server;
    }
    return \%way;
}

# The connections that the server has not seen the end of.
sub is_open { return scalar grep { $_->{fh} && !$_->{eof} } $_[0]->connections }

# Waits for the next line with this event. Looks at each line once.
sub wait_event {
    my ($master, $event) = @_;
    my $lines = $master->{log}{lines};
    my $next  = @$lines;
    return wait_until(sub {
        while ($next < @$lines) { return 1 if $lines->[ $next++ ]{event} eq $event }
        return;
    }, 30);
}

scene 'a server of a group is killed under pollers, and comes back' => sub {
    plan(skip_all => 'built without xxHash') if !$has_groups;
    expect_log('failover', 'server-down');
    expect_reason('server-closed', 'server-lost', 'login-unavailable');
    my @servers = servers(3);
    my $master  = gateway(list(@servers), stay => 900, check_interval => 1, check_timeout => 60, fall => 2, rise => 1);
    my $pollers = pollers(count => 50, address => $master->address, pause => 0.5)->round('fine');
    my $homes   = ways();
    my $open    = is_open($servers[1]);
    $servers[1]->close;
    ok wait_event($master, 'server-down'), 'it is down';
    $pollers->round('fine');
    cmp_ok $pollers->count('broken'), '<=', $open, 'the sessions that it had are cut, and no login fails' or diag $pollers->stop->{remarks};
    my $broken = $pollers->count('broken');
    $servers[1]->listen_again;
    ok wait_event($master, 'server-up'), 'it is back';
    $pollers->round('fine');
    my $ways = ways();
    is_deeply { map { $_ => $ways->{$_}[0] } keys %$homes }, { map { $_ => $homes->{$_}[0] } keys %$homes }, 'users are at home until then';
    is_deeply [ grep { $homes->{$_}[0] == 1 xor @{ $ways->{$_} } > 1 } keys %$ways ], [], 'exactly its users have moved';
    is_deeply [ grep { @{ $ways->{$_} } > 2 } keys %$ways ], [], 'nobody has come back within stay';
    $master->client->login("new$_")->quit for 1 .. 24;
    cmp_ok scalar(grep { $_->[0] =~ /^new/ && $_->[1] == 1 } @logins), '>', 0, 'but new users come to it';
    is scalar(grep { $_->{event} eq 'server-down' } $master->{log}->lines), 1, 'no other server was down';
    my $result = $pollers->stop;
    is "$result->{refused} $result->{broken}", "0 $broken", 'no other poll has failed' or diag $result->{remarks};
};

scene 'a server is drained under pollers: no session is cut, and nobody comes' => sub {
    plan(skip_all => 'built without xxHash') if !$has_groups;
    my @servers = servers(2);
    my $name    = $servers[0]->address;
    my $master  = gateway(list(@servers), stay => 0, check => 'no');
    my $pollers = pollers(count => 10, address => $master->address, pause => 0.1);
    my @held    = map { $master->client->login("held$_") } 1 .. 12;
    $pollers->round('fine');
    my $ways = ways();
    my @ours = grep { $ways->{"held$_"}[0] == 0 } 1 .. 12;
    cmp_ok scalar(@ours), '>', 0, 'some of the sessions are there';
    is exit_code($master->run_command('drain', $name)->{status}), 0, 'drain';
    $pollers->round('fine');
    my $before = @logins;
    $pollers->round('fine');
    is_deeply [ grep { $_->[1] == 0 } @logins[ $before .. $#logins ] ], [], 'nobody comes any more';
    like $held[ $_ - 1 ]->ask('NOOP'), qr/^\+OK/, "held$_ goes on" for @ours;
    is exit_code($master->run_command('ready', $name)->{status}), 0, 'ready';
    $pollers->round('fine');
    $before = @logins;
    $pollers->round('fine');
    my %back = map { $_->[0] => 1 } grep { $_->[1] == 0 } @logins[ $before .. $#logins ];
    is_deeply [ sort keys %back ], [ sort grep { /^poller/ && $ways->{$_}[0] == 0 } keys %$ways ], 'then all of its users';
    my $result = $pollers->stop;
    is "$result->{refused} $result->{broken}", '0 0', 'no poll has failed' or diag $result->{remarks};
    $_->quit for @held;
};

# A socketmap server. What it answers is in the file `mode`, which is read for each question.
sub table_server {
    my ($path, $mode, $value) = @_;
    unlink $path;
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 64) or die "$path: $!\n";
    chmod 0777, $path;
    return fork_off('table', sub {
        Pop3Test::Process::keep_only(fileno $listener);
        my $all = IO::Select->new($listener);
        while (my @ready = $all->can_read) {
            for my $one (@ready) {
                if ($one == $listener) { $all->add($listener->accept) }
                elsif (sysread $one, my $question, 4096) { answer($one, read_file($mode), "OK $value") }
                else { $all->remove($one); close $one }
            }
        }
    });
}

sub answer {
    my ($connection, $how, $answer) = @_;
    local $SIG{PIPE} = 'IGNORE';
    syswrite $connection, length($answer) . ":$answer,"    if $how eq 'good';
    syswrite $connection, "HTTP/1.1 400 Bad Request\r\n\r\n" if $how eq 'nonsense';
    return;
}

scene 'a table fails under pollers: nobody comes to another server, and everything else goes on' => sub {
    expect_log('route-failed', 'repeated');
    expect_reason('route-failed');
    my ($right, $other, $default, $second) = servers(4);
    my $path   = directory(0777);
    my ($socket, $mode) = ("$path/socket", write_file("$path/mode", 'good'));
    my $others = write_file("$path/others", join '', map { "poller$_ " . $other->address . "\n" } 1 .. 20);
    my $users  = write_file("$path/users", join '', map { "else$_ " . $second->address . "\n" } 1 .. 4);
    my $table  = table_server($socket, $mode, $right->address);
    my $master = master(workers => 2, sessions_per_worker => 20, route_stale => 0, route_timeout => 2, -in_file => 1, listen => undef, -instances => [
        one => { listen => '127.0.0.1:0', server => $default->address, route => "socketmap:unix:$socket:users, file:$others" },
        two => { listen => '127.0.0.2:0', server => $default->address, route => "file:$users" } ]);
    my $pollers = pollers(count => 20, address => $master->address('127.0.0.1'), pause => 0.2, denied => qr/^-ERR \[SYS\/TEMP\] cannot find out the server/);
    my $else    = pollers(count => 4, address => $master->address('127.0.0.2'), pause => 0.2, user => 'else');
    $_->round('fine') for $pollers, $else;
    is $pollers->count('denied'), 0, 'all is well';
    my %fails = (
        'a table that answers nonsense' => [ sub { write_file($mode, 'nonsense') }, sub { write_file($mode, 'good') } ],
        'a table that says nothing'     => [ sub { write_file($mode, 'silent') },   sub { write_file($mode, 'good') } ],
        'a table that vanishes'         => [ sub { $table->destroy; unlink $socket }, sub { $table = table_server($socket, $mode, $right->address) } ],
    );
    for my $name (sort keys %fails) {
        my ($fail, $mend) = @{ $fails{$name} };
        $fail->();
        ok $pollers->round('denied'), "$name: nobody can log in";
        ok $else->round('fine'), "$name: users of another table can";
        $mend->();
        ok $pollers->round('fine'), "$name: everybody can when the table is back";
    }
    is_deeply [ map { scalar $_->connections } $other, $default ], [ 0, 0 ], 'nobody has come to the next table or the default server';
    for my $result (map { $_->stop } $pollers, $else) {
        is "$result->{refused} $result->{broken}", '0 0', 'no poll has failed otherwise' or diag $result->{remarks};
    }
    $table->destroy;
};

done;
