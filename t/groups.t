# SPDX-License-Identifier: BSD-2-Clause
#
# Groups of servers: the choice that every gateway makes alike, the next server where one cannot be reached,
# and what is known of a server over reloads, upgrades and dead workers.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tls;

plan(skip_all => 'built without xxHash') if !features()->{groups};

my @USERS = map { "user$_\@example.net" } 1 .. 24;

# A scene that sees the log from its beginning on.
my $begin = 0;

sub case {
    my ($name, $code) = @_;
    return scene $name => sub { $begin = () = log_lines(); $code->() };
}

sub logged { my ($event) = @_; my @lines = log_lines(); return grep { $_->{event} eq $event } @lines[ $begin .. $#lines ] }

# A server with groups: the first one is the default. -groups as Pop3Test::Master has it.
sub gateway {
    my ($servers, %more) = @_;
    my %keys  = %{ delete $more{-keys} || {} };
    my %group = map { $_ => delete $more{$_} } grep { !/^-/ && $_ ne 'route' && !/_timeout$|^workers$|^sessions_per_worker$/ } keys %more;
    return master(server => 'group:stores', -groups => [ stores => { servers => $servers, check => 'no', stay => 0, slow_start => 0, %group } ], %keys, %more);
}

sub list { return join ', ', map { ref $_ ? $_->address : $_ } @_ }

# Logs in and out, and waits for the line about the session.
sub poll {
    my ($master, $user) = @_;
    my $before = () = logged('session');
    my $reply  = $master->client->login($user)->quit;
    wait_until(sub { (() = logged('session')) > $before }) or die "no session is logged\n";
    return $reply;
}

# Tries to log in, likewise. If it fails as the one before, it is only counted.
sub try_login {
    my ($master, @credentials) = @_;
    my $told   = sub { return scalar(() = map { logged($_) } qw(session repeated)) };
    my $before = $told->();
    my $reply  = $master->client->try_login(@credentials);
    wait_until(sub { $told->() > $before }) or die "no session is logged\n";
    return $reply;
}

# user => index of the server that each of these came to last.
sub homes {
    my ($servers, @users) = @_;
    my %index = map { $servers->[$_]->address => $_ } 0 .. $#$servers;
    my %home  = map { $_->{f}{user} => $index{ $_->{f}{server} } } logged('session');
    return { map { $_ => $home{$_} // -1 } @users };
}

# The last lines about sessions, without those of the harness.
sub sessions { my ($count) = @_; return (log_lines('session'))[ -$count .. -1 ] }

# A user whose server is the one with this index.
sub user_of {
    my ($homes, $server) = @_;
    my ($user) = grep { $homes->{$_} == $server } sort keys %$homes;
    return $user // die "nobody is at server $server\n";
}

case 'every gateway gives a user the same server' => sub {
    my @servers = map { server() } 1 .. 3;
    my $first   = gateway(list(@servers));
    poll($first, $_) for @USERS;
    my $homes = homes(\@servers, @USERS);
    my %used  = map { $_ => 1 } values %$homes;
    is_deeply [ sort keys %used ], [ 0, 1, 2 ], 'all servers are used';
    is $_->{f}{route}, 'group', 'the log says so' for sessions(1);
    is $_->{f}{attempt}, 1, 'and counts the tries' for sessions(1);
    my $second = gateway(list(reverse @servers));
    poll($second, $_) for map { uc } @USERS;
    my $again = homes(\@servers, map { uc } @USERS);
    is_deeply [ map { $again->{ uc $_ } } @USERS ], [ map { $homes->{$_} } @USERS ],
        'another gateway, whose list has another order, and the login in another case';
};

case 'a table names a group, or only how to log in at the default group' => sub {
    my @servers = map { server() } 1 .. 3;
    my $table   = write_file(directory() . '/table', "anna group:others\nbert destuser=b\n"
        . "carl group:others destuser=carla pass=key\ndora " . $servers[0]->address . "\n");
    my $master = master(server => 'group:stores', route => "file:$table", -groups => [
        stores => { servers => $servers[1]->address, check => 'no' },
        others => { servers => $servers[2]->address, check => 'no' } ]);
    poll($master, $_) for qw(anna bert carl dora erna);
    is_deeply [ map { [ map { /^USER (.*)/ ? $1 : () } $_->lines ] } @servers ], [ ['dora'], [qw(b erna)], [qw(anna carla)] ], 'who came where';
    is_deeply [ map { "$_->{f}{route} " . ($_->{f}{attempt} // '-') } sessions(5) ],
        [ ("file:$table 1") x 3, "file:$table -", 'group 1' ], 'the log';
    is_deeply [ map { $_->{f}{group} // '-' } sessions(5) ], [qw(others stores others - stores)], 'the log names the group';
    ok $servers[2]->saw(qr/^PASS key$/), 'the password of the table';
};

case 'without a default, a table alone may lead to a group' => sub {
    expect_reason('unknown-user');
    my $server = server();
    my $table  = write_file(directory() . '/table', "anna group:stores\n");
    my $master = master(server => '-', route => "file:$table", -groups => [ stores => { servers => $server->address, check => 'no' } ]);
    is poll($master, 'anna'), '+OK bye', 'she is there';
    like try_login($master, 'bert'), qr/^-ERR \[AUTH\]/, 'nobody else is';
};

case 'a table that names a group which is not configured' => sub {
    expect_log('configuration');
    my $table  = write_file(directory() . '/table', "anna group:stars\n");
    my $result = run([ program(), '-T', '--route', "file:$table", '127.0.0.1' ]);
    is exit_code($result->{status}), 78, 'is refused';
    like $result->{err}, qr/table:1: .*stars/, 'with its line';
};

case 'hash = domain and hash = none' => sub {
    my @servers = map { server() } 1 .. 2;
    my $domain  = gateway(list(@servers), hash => 'domain');
    my @users   = map { my $d = $_; map { "$_\@$d.example" } qw(a b c) } 1 .. 8;
    poll($domain, $_) for @users;
    my $homes = homes(\@servers, @users);
    my %by_domain;
    $by_domain{ s/.*\@//r }{ $homes->{$_} } = 1 for @users;
    is_deeply [ map { scalar keys %{ $by_domain{$_} } } sort keys %by_domain ], [ (1) x 8 ], 'a domain is at one server';
    is scalar(keys %{ { map { $_ => 1 } values %$homes } }), 2, 'not all at the same';
    my @other  = map { server() } 1 .. 2;
    my $none   = gateway($other[0]->address . '*200, ' . $other[1]->address, hash => 'none', workers => 8);
    my @held   = map { $none->client->login("user$_") } 1 .. 6;
    is_deeply [ map { scalar $_->connections } @other ], [ 4, 2 ], 'the fewest sessions for its weight';
    $_->quit for @held[ 0 .. 5 ];
};

case 'a server that cannot be reached: the next one at once, and after three failures it is down' => sub {
    expect_log('failover', 'server-down');
    my @servers = map { server() } 1 .. 3;
    my $master  = gateway(list(@servers), check_interval => 3600);
    poll($master, $_) for @USERS;
    my $homes = homes(\@servers, @USERS);
    my $lost  = user_of($homes, 1);
    $servers[1]->deaf;
    is poll($master, $lost), '+OK bye', "try $_" for 1 .. 3;
    is_deeply [ map { $_->{f}{attempt} } sessions(3) ], [ 2, 2, 2 ], 'the log counts the tries';
    my ($line) = logged('server-down');
    is_deeply [ @{ $line->{f} }{qw(group server reason)} ], [ 'stores', $servers[1]->address, 'connect' ], 'it is down';
    is poll($master, $_), '+OK bye', $_ for @USERS;
    is_deeply [ map { $_->{f}{attempt} } sessions(scalar @USERS) ], [ (1) x @USERS ], 'nobody tries it any more';
    my $moved = homes(\@servers, @USERS);
    my @moved = grep { $moved->{$_} != $homes->{$_} } @USERS;
    is_deeply \@moved, [ grep { $homes->{$_} == 1 } @USERS ], 'only its users have moved';
};

# What a server does with a connection, and the word for it.
my %faulty = (
    'a greeting that refuses' => [ { greeting => '-ERR [SYS/TEMP] not now' }, 'greeting' ],
    'a greeting that is none' => [ { greeting => 'SSH-2.0-x' }, 'greeting' ],
    'an end before the greeting' => [ { script => 1, on_accept => sub { $_[0]->close } }, 'no-reply' ],
);
for my $name (sort keys %faulty) {
    my ($option, $word) = @{ $faulty{$name} };
    case "$name counts as a failure" => sub {
        expect_log('failover', 'server-down');
        my @servers = (server(%$option), server());
        my $master  = gateway(list(@servers), fall => 1, check_interval => 3600);
        poll($master, $_) for @USERS;
        is_deeply [ map { $_->{f}{reason} } logged('server-down') ], [$word], 'the reason';
        is scalar($servers[0]->connections), 1, 'one login has tried it';
        is scalar($servers[1]->connections), scalar @USERS, 'and all came to the other one';
    };
}

case 'a certificate that is not accepted counts as a failure' => sub {
    plan(skip_all => 'TLS is not built in') if !features()->{'server-tls'};
    expect_log('tls-failed', 'failover', 'server-down');
    my $ca        = authority();
    my @servers   = map { server() } 1 .. 2;
    my @addresses = map { tls_server($servers[$_], identity => identity(name => 'localhost', san => ['IP:127.0.0.1'], $_ ? (ca => $ca) : ())) } 0, 1;
    my $master    = gateway(list(@addresses), fall => 1, check_interval => 3600, -keys => { server_tls => 'implicit', server_tls_ca => $ca->{certificate} });
    is poll($master, $_), '+OK bye', $_ for @USERS;
    is_deeply [ map { $_->{f}{reason} } logged('server-down') ], ['tls'], 'the reason';
    is scalar($servers[1]->connections), scalar @USERS, 'all came to the other one';
};

case 'a server that is silent: the next one after connect_timeout' => sub {
    expect_log('failover', 'server-down');
    my @servers = (server(script => 1), server());
    my $master  = gateway(list(@servers), fall => 1, check_interval => 3600, connect_timeout => 1);
    poll($master, $_) for @USERS;
    is_deeply [ map { $_->{f}{reason} } logged('server-down') ], ['no-reply'], 'the reason';
    is scalar($servers[1]->connections), scalar @USERS, 'all came to the other one';
};

case 'a refused login is no failure, and after the user name there is no second try' => sub {
    expect_reason('login-refused', 'server-closed');
    my @servers = map { server(on => { PASS => sub { my ($connection, $password) = @_;
        return "-ERR [AUTH] no\r\n" if $password eq 'wrong';
        return if $password ne 'drop';
        $connection->close;
        return '' } }) } 1 .. 2;
    my $master = gateway(list(@servers), fall => 1);
    like try_login($master, 'anna', 'wrong'), qr/^-ERR \[AUTH\]/, 'refused' for 1 .. 3;
    like try_login($master, 'anna', 'drop'), qr/^-ERR \[SYS\/TEMP\] the server closed/, 'an end after the login';
    is_deeply [ sort map { scalar $_->connections } @servers ], [ 0, 4 ], 'nobody came to the other server';
    is_deeply [ map { $_->{f}{attempt} } sessions(4) ], [ 1, 1, 1, 1 ], 'one try each';
    is scalar(() = logged('server-down')), 0, 'and none is down';
};

case 'with check = no a login finds out that a server is back' => sub {
    expect_log('failover', 'server-down', 'server-up');
    my @servers = map { server() } 1 .. 2;
    my $port    = $servers[0]->port;
    my $master  = gateway(list(@servers), fall => 1, check_interval => 1);
    poll($master, $_) for @USERS;
    my $user = user_of(homes(\@servers, @USERS), 0);
    $servers[0]->deaf;
    is poll($master, $user), '+OK bye', 'at the other one';
    $servers[0]->listen_again;
    ok wait_until(sub { poll($master, $user); logged('server-up') }, 20), 'it is back';
    my $before = $servers[0]->connections;
    poll($master, $user);
    is scalar($servers[0]->connections), $before + 1, 'and so are its users';
};

case 'all down: the first choice is tried all the same' => sub {
    expect_log('failover', 'server-down', 'server-up');
    expect_reason('connect-failed');
    my @servers = map { server() } 1 .. 2;
    my $master  = gateway(list(@servers), fall => 1, check => 'greeting', check_interval => 3600);
    poll($master, $_) for @USERS;
    my $homes = homes(\@servers, @USERS);
    $_->deaf for @servers;
    like try_login($master, 'anna'), qr/^-ERR \[SYS\/TEMP\] cannot connect/, 'both are tried' for 1 .. 2;
    is scalar(() = logged('server-down')), 2, 'both are down';
    $_->listen_again for @servers;
    poll($master, $_) for @USERS;
    is_deeply homes(\@servers, @USERS), $homes, 'each user is at home again';
};

case 'a drained server gets nobody, and where all are drained the login fails for now' => sub {
    expect_reason('group-drained');
    my @servers = map { server() } 1 .. 2;
    my $master  = gateway($servers[0]->address . '*0, ' . $servers[1]->address);
    poll($master, $_) for @USERS;
    is_deeply [ map { scalar $_->connections } @servers ], [ 0, scalar @USERS ], 'nobody';
    my $none = gateway(join ', ', map { $_->address . '*0' } @servers);
    like try_login($none, 'anna'), qr/^-ERR \[SYS\/TEMP\] the server is out of service/, 'all drained';
    is_deeply [ map { $_->{f}{group} } sessions(1) ], ['stores'], 'the log names the group';
};

case 'a server that is drained by a reload: no session is cut, and no new user comes' => sub {
    my @servers = map { server() } 1 .. 2;
    my $master  = gateway(list(@servers), stay => 900, workers => 4);
    poll($master, $_) for @USERS;
    my $user = user_of(homes(\@servers, @USERS), 0);
    my $held = $master->client->login($user);
    $master->change('stores', servers => $servers[0]->address . '*0, ' . $servers[1]->address);
    is $master->reload->{event}, 'reloaded', 'reloaded';
    poll($master, $user);
    is homes(\@servers, $user)->{$user}, 0, 'a user comes to where his session runs';
    my $before = $servers[0]->connections;
    poll($master, $_) for grep { $_ ne $user } @USERS;
    is scalar($servers[0]->connections), $before, 'nobody else does';
    is $held->ask('NOOP'), '+OK', 'the session goes on';
    $held->quit;
    ok wait_until(sub { (() = logged('session')) == 2 * @USERS + 1 }), 'and ends';
    poll($master, $user);
    is homes(\@servers, $user)->{$user}, 1, 'then he leaves as well';
};

case 'a reload and an upgrade know which server is down' => sub {
    expect_log('failover', 'server-down');
    my @servers = map { server() } 1 .. 3;
    my $master  = gateway(list(@servers[ 0, 1 ]), fall => 1, check_interval => 3600);
    poll($master, $_) for @USERS;
    my $lost = user_of(homes(\@servers, @USERS), 0);
    $servers[0]->deaf;
    poll($master, $lost);
    $master->change('stores', servers => list(@servers[ 2, 1, 0 ]));
    is $master->reload->{event}, 'reloaded', 'reload, with another order';
    is poll($master, $_), '+OK bye', "after the reload: $_" for @USERS;
    my %known = map { $_->{pid} => 1 } logged('started');
    $master->after(sub { $master->signal('USR2') }, 'master-draining');
    my ($new) = grep { !$known{ $_->{pid} } } logged('started');
    $master->follow($new->{pid});
    is poll($master, $_), '+OK bye', "after the upgrade: $_" for @USERS;
    is_deeply [ map { $_->{f}{attempt} } sessions(2 * @USERS) ], [ (1) x (2 * @USERS) ],
        'nobody has tried the one that is down';
};

case 'a user stays at the server that he used last' => sub {
    expect_log('failover', 'server-down', 'server-up');
    my @servers = map { server() } 1 .. 2;
    my $master  = gateway(list(@servers), fall => 1, check_interval => 1, stay => 900, workers => 4);
    poll($master, $_) for @USERS;
    my $homes = homes(\@servers, @USERS);
    my ($user, $other) = grep { $homes->{$_} == 0 } @USERS;
    $servers[0]->deaf;
    my $held = $master->client->login($user);
    $servers[0]->listen_again;
    my $new = 0;
    ok wait_until(sub { poll($master, 'new' . $new++); logged('server-up') }, 20), 'his server is back';
    poll($master, $user);
    is homes(\@servers, $user)->{$user}, 1, 'he comes to the server where his session runs';
    $held->quit;
    poll($master, $user);
    is homes(\@servers, $user)->{$user}, 1, 'and where it ran';
    $master->change('stores', servers => $servers[0]->address . ', ' . $servers[1]->address . '*0');
    $master->reload;
    poll($master, $user);
    is homes(\@servers, $user)->{$user}, 0, 'but not when that is drained';
    poll($master, $other);
    is homes(\@servers, $other)->{$other}, 0, 'nobody else has moved';
};

case 'a login that is refused makes nobody stay' => sub {
    expect_reason('login-refused');
    expect_log('failover', 'server-down', 'server-up');
    my @servers = map { server(password => 'right') } 1 .. 2;
    my $master  = gateway(list(@servers), fall => 1, check_interval => 1, stay => 900);
    try_login($master, $_, 'wrong') for @USERS;
    my $homes = homes(\@servers, @USERS);
    my ($user, $other) = grep { $homes->{$_} == 0 } @USERS;
    $servers[0]->deaf;
    try_login($master, $user, 'wrong');
    is homes(\@servers, $user)->{$user}, 1, 'at the other one';
    $servers[0]->listen_again;
    ok wait_until(sub { try_login($master, $other, 'wrong'); logged('server-up') }, 20), 'his server is back';
    try_login($master, $user, 'wrong');
    is homes(\@servers, $user)->{$user}, 0, 'and he too';
};

case 'a server with max_sessions: the next one, and where all are full the login fails for now' => sub {
    expect_reason('group-full');
    my @servers = map { server() } 1 .. 2;
    my $master  = gateway(list(@servers), max_sessions => 2, workers => 6);
    my @held    = map { $master->client->login("user$_") } 1 .. 4;
    is_deeply [ map { scalar $_->connections } @servers ], [ 2, 2 ], 'both are full';
    like try_login($master, 'anna'), qr/^-ERR \[SYS\/TEMP\] the server has too many sessions/, 'the fifth';
    (shift @held)->quit;
    ok wait_until(sub { (() = logged('session')) >= 2 }), 'one leaves';
    is poll($master, 'anna'), '+OK bye', 'then there is room';
};

case 'logins wait for their turn' => sub {
    expect_reason('group-busy');
    my @waiting;
    my $server = server(on => { PASS => sub { push @waiting, $_[0]; return '' } });
    my $master = gateway(list($server), max_logins => 1, workers => 8, login_timeout => 60);
    my @clients;
    for my $number (1 .. 4) {
        push @clients, $master->client;
        $clients[-1]->greeting;
        is $clients[-1]->ask("USER user$number"), '+OK password please', "user$number";
        $clients[-1]->send("PASS x\r\n");
        if ($number == 1) { ok wait_until(sub { @waiting == 1 }), 'the first is at the server' }
        else              { ok $master->shows(sub { (grep { $_->{stage} eq 'wait' } @{ $_[0]{sessions} }) == $number - 1 }), 'waits' }
    }
    for my $number (1 .. 4) {
        ok wait_until(sub { @waiting == $number }), "turn $number";
        $waiting[-1]->send("+OK logged in\r\n");
        is $clients[ $number - 1 ]->line, '+OK logged in', 'in the order in which they came';
    }
    is scalar($server->connections), 4, 'one connection each';
    $_->quit for @clients;
};

case 'a login that waits in vain' => sub {
    expect_reason('group-busy', 'server-closed', 'login-timeout');
    my @waiting;
    my $server = server(on => { PASS => sub { push @waiting, $_[0]; return '' } });
    my $master = gateway(list($server), max_logins => 1, workers => 8, login_timeout => 2, server_timeout => 60);
    my ($second, $first) = map { $master->client } 1 .. 2;
    $_->greeting for $second, $first;
    $first->ask('USER first');
    $first->send("PASS x\r\n");
    ok wait_until(sub { @waiting == 1 }), 'one that came later is at the server';
    $second->ask('USER second');
    like $second->ask('PASS x'), qr/^-ERR \[SYS\/TEMP\] (?:the server has too many logins|the login took too long)/, 'the other is told';
    is scalar(grep { /second/ } $server->lines), 0, 'never came to the server';
};

case 'a mailbox that is in use is tried again at the same server, before the client is told' => sub {
    expect_reason('login-unavailable');
    for my $where (qw(group instance)) {
        my $tries   = 0;
        my @servers = map { server(on => { PASS => sub { $tries++; $_[0]{hang_up} = 1;
            return $tries == 1 ? "-ERR [IN-USE] locked\r\n" : "-ERR [in-use/x] still\r\n" if $tries < 3;
            delete $_[0]{hang_up};
            return "+OK in\r\n" } }) } 1 .. 2;
        my $master = $where eq 'group' ? gateway(list(@servers), in_use_wait => 4) : master(server => $servers[0]->address, in_use_wait => 4);
        is poll($master, 'anna'), '+OK bye', "$where: logged in at last";
        is $tries, 3, 'at the third try';
        is scalar(grep { $_->connections } @servers), 1, 'at the same server';
        is scalar(() = logged('mailbox-in-use')), $where eq 'group' ? 2 : 7, 'the log says so';
        $tries = -100;
        like try_login($master, 'anna'), qr/^-ERR \[in-use\/x\] still/, 'in vain: told the words of the server';
        is $tries, -96, 'after 1, 2 and 1 seconds';
    }
};

case 'a mailbox that is in use, at a server with SASL PLAIN' => sub {
    expect_reason('login-unavailable');
    local $Pop3Test::Server::FORWARDED{AUTH} = 1;
    my $tries  = 0;
    my $server = server(capa => ['SASL PLAIN'], on => { AUTH => sub { $tries++; $_[0]{hang_up} = 1; return "-ERR [IN-USE] locked\r\n" } });
    my $master = master(server => $server->address, in_use_wait => 4);
    is try_login($master, 'anna'), '-ERR [IN-USE] locked', 'told the words of the server';
    is $tries, 4, 'after four tries';
};

for my $many (1, 4) {
    case "what a dead worker held at a server is given back, $many a worker" => sub {
        expect_log('worker-died', 'session-lost');
        my @servers = map { server() } 1 .. 2;
        my $master  = gateway(list(@servers), hash => 'none', workers => 4, sessions_per_worker => $many);
        my @held    = map { $master->client->login("user$_") } 1 .. 4;
        is_deeply [ map { scalar $_->connections } @servers ], [ 2, 2 ], 'each where fewer are';
        my %dead;
        $dead{ $master->worker_of("user$_") } = 1 for 1 .. 4;
        kill 'KILL', keys %dead;
        ok wait_until(sub { (() = logged('worker-died')) >= keys %dead }, 20), 'the workers have died';
        my @again = map { $master->client->login("user$_") } 5 .. 8;
        is_deeply [ map { scalar $_->connections } @servers ], [ 4, 4 ], 'and so again';
        $_->quit for @again;
    };
}

done;
