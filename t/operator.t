# SPDX-License-Identifier: BSD-2-Clause
#
# What an operator does to users: kick ends their sessions, hold lets their logins wait while a mailbox is
# moved, release lets them go on. Each with workers of one session and with workers of many.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Process ();
use Pop3Test::Tables qw(conf_keys);

my @KINDS = (1, 100);

# Runs a command on the server's file. Returns "exit status: what it said".
sub told {
    my ($master, @words) = @_;
    my $result = $master->run_command(@words);
    return exit_code($result->{status}) . ": $result->{out}$result->{err}";
}

for my $places (@KINDS) {
    my %pool = (workers => 2, max_workers => 20, sessions_per_worker => $places);

    scene "kick ends the sessions of a user without QUIT, $places a worker" => sub {
        my $server = server(messages => ["Subject: x\r\n\r\nbody\r\n"]);
        my $master = master(server => $server->address, %pool);
        my @anna   = map { $master->client->login($_) } qw(anna Anna@example.net ANNA);
        my $bert   = $master->client->login('bert');
        $anna[0]->ask('DELE 1');
        is told($master, 'kick', 'aNNa'), "0: 2 sessions ended\n", 'both sessions of this name, in any case';
        for my $client (@anna[ 0, 2 ]) {
            ok wait_until(sub { $client->{eof} }), 'the connection is closed';
            is $master->session_of($client)->{reason}, 'kicked', 'the log says why';
        }
        like $_->ask('NOOP'), qr/^\+OK/, 'another user stays' for $anna[1], $bert;
        my @ended = grep { ($_->lines)[0] =~ /^USER anna$/i } $server->connections;
        ok wait_until(sub { !grep { !$_->{eof} } @ended }), 'the server sees the end';
        ok !grep({ $_ eq 'QUIT' } map { $_->lines } @ended), 'and no QUIT';
        is_deeply $server->{committed}, [], 'nothing is deleted';
        my ($id) = map { $_->{session} } grep { $_->{user} eq 'bert' } @{ $master->status->{sessions} };
        is told($master, 'kick', $id), "0: 1 session ended\n", 'a session by its id';
        ok wait_until(sub { $bert->{eof} }), 'is closed';
        is told($master, 'kick', 'anna'), "69: pop3.proxy: the server says: anna has no session\n", 'nobody is left';
        like $anna[1]->ask('NOOP'), qr/^\+OK/, 'its workers serve on';
        for my $name ("j\xc3\xb6rg\xc3\xa9", "\xc3\xb6" x 40, 'with a blank', "\x9b") {   # in UTF-8, too long for the status, and in neither
            my $named = $master->client->login($name);
            is told($master, 'kick', $name), "0: 1 session ended\n", 'a session by its whole name: ' . length($name) . ' octets';
            ok wait_until(sub { $named->{eof} }), 'is closed';
        }
        my $again = $master->client->login('anna');
        like $again->quit, qr/^\+OK/, 'the user may come back';
        $anna[1]->quit;
    };

    scene "kick of a session that has ended leaves the next one of its worker alone, $places a worker" => sub {
        my $server = server();
        my $master = master(server => $server->address, %pool, workers => 1, max_workers => 1,
            proxy_protocol => 'v1', proxy_protocol_from => '127.0.0.1');
        my $header = "PROXY TCP4 192.0.2.7 192.0.2.8 4711 110\r\n";
        my $first  = $master->client;
        $first->send($header);
        $first->login('anna');
        my ($id) = map { $_->{session} } @{ $master->status->{sessions} };
        $first->quit;
        ok $master->shows(sub { !@{ $_[0]{sessions} } }), 'the first session has ended';
        my $next = $master->client;
        ok $master->shows(sub { @{ $_[0]{sessions} } == 1 }), 'the next one waits for its PROXY header';
        like told($master, 'kick', $_), qr/\A69: .* has no session\n\z/, "kick $_" for $id, 'anna';
        $next->send($header);
        $next->login('bert');
        like $next->quit, qr/^\+OK/, 'it goes on';
    };

    scene "kick reaches a login that is under way, and a client that does not read, $places a worker" => sub {
        my $silent = server(script => 1);
        my $server = server(messages => ["Subject: x\r\n\r\n" . ('x' x 998 . "\r\n") x 8000], sndbuf => 4096);
        my $master = master(-instances => [
            one => { listen => '127.0.0.1:0', server => $silent->address },
            two => { listen => '127.0.0.2:0', server => $server->address } ], %pool);
        my $waits = $master->client(to => '127.0.0.1');
        $waits->greeting;
        $waits->ask('USER anna');
        $waits->send("PASS $Pop3Test::Client::PASSWORD\r\n");
        ok $master->shows(sub { grep { $_->{stage} eq 'server-login' } @{ $_[0]{sessions} } }), 'a login waits for the server';
        my $stuffed = $master->client(to => '127.0.0.2')->login('bert');
        $stuffed->send_line('RETR 1');
        ok wait_until(sub { length $stuffed->{in} }), 'a message begins';
        $stuffed->hold;
        is told($master, 'kick', 'anna'), "0: 1 session ended\n", 'it is ended';
        ok wait_until(sub { $waits->{eof} }), 'the connection is closed';
        is $waits->reply, '-ERR [SYS/TEMP] the operator has ended this session', 'the client is told';
        is told($master, 'kick', 'bert'), "0: 1 session ended\n", 'the other as well';
        is $master->session_of($stuffed)->{reason}, 'kicked', 'at once';
    };

    scene "hold keeps the logins of a user from the server until release, $places a worker" => sub {
        my $server = server();
        my $master = master(server => $server->address, %pool);
        is told($master, qw(hold anna 600)), "0: logins of anna wait, for 600 s at most\n", 'hold';
        my @held = map { $master->client } 1 .. 3;
        for my $client (@held) {
            $client->greeting;
            $client->ask('USER Anna');
            $client->send("PASS $Pop3Test::Client::PASSWORD\r\n");
        }
        ok $master->shows(sub { 3 == grep { $_->{stage} eq 'hold' } @{ $_[0]{sessions} } }), 'three logins wait';
        like $master->client->login('bert')->quit, qr/^\+OK/, 'others log in';
        is scalar(grep { ($_->lines)[0] =~ /anna/i } $server->connections), 0, 'no login of the user has reached the server';
        my ($hold) = @{ $master->status->{holds} };
        is $hold->{user}, 'anna', 'the status names the user';
        cmp_ok $hold->{left_ms}, '<=', 600_000, 'and the time';
        like $master->ask('status'), qr/^HELD +FOR\nanna +\d+m\d\ds\n\n/m, 'so does the table';
        is $master->reload->{event}, 'reloaded', 'a reload';
        is told($master, qw(hold anna 500)), "0: logins of anna wait, for 500 s at most\n", 'the new process knows the user';
        is scalar @{ $master->status->{holds} }, 1, 'still one';
        is told($master, qw(release ANNA)), "0: logins of ANNA go on\n", 'release';
        like $_->reply, qr/^\+OK/, 'a login goes on' for @held;
        is scalar(grep { ($_->lines)[0] =~ /anna/i } $server->connections), 3, 'at the server';
        $_->quit for @held;
        is told($master, qw(release anna)), "69: pop3.proxy: the server says: anna is not held\n", 'nobody is held';
        is_deeply $master->status->{holds}, [], 'nor shown';
    };
}

scene 'a hold ends by itself; a login waits no longer than a login may take' => sub {
    expect_reason('held');
    my $server = server();
    my $master = master(server => $server->address, login_timeout => 2);
    told($master, qw(hold anna 600));
    is $master->client->try_login('anna'), '-ERR [SYS/TEMP] the mailbox is being moved, try again later', 'after login_timeout';
    is scalar $server->connections, 0, 'without the server';
    $master->change(login_timeout => 60);
    $master->reload;
    told($master, qw(hold anna 1));
    like $master->client->login('anna')->quit, qr/^\+OK/, 'after the time of the hold';
};

scene 'a hold matches the name that the server gets, and the tables are asked after it' => sub {
    my ($old, $new) = (server(), server());
    my $path   = directory() . '/table';
    write_file($path, 'anna a.n.other@' . $old->address . "\n");
    my $master = master(server => '-', route => "file:$path", workers => 1);
    told($master, qw(hold a.n.other 600));
    my $client = $master->client;
    $client->greeting;
    $client->ask('USER anna');
    $client->send("PASS $Pop3Test::Client::PASSWORD\r\n");
    ok $master->shows(sub { grep { $_->{stage} eq 'hold' } @{ $_[0]{sessions} } }), 'the login waits';
    write_file($path, 'anna b@' . $new->address . "\n");
    ok wait_until(sub { log_lines('route-table-read') }, 20), 'the table has changed';
    is told($master, qw(release a.n.other)), "0: logins of a.n.other go on\n", 'release';
    like $client->reply, qr/^\+OK/, 'the login goes on';
    is scalar $old->connections, 0, 'nobody has come to the old server';
    is join(' ', map { ($_->lines)[0] } $new->connections), 'USER b', 'but to the new one';
};

# The lines that have come since there were $count.
sub lines_since { my ($count) = @_; my @lines = log_lines(); return @lines[ $count .. $#lines ] }

scene 'each order is logged before it has an effect, with the user id that gave it' => sub {
    my $master = master(server => server()->address);
    my $client = $master->client->login('anna');
    my $before = () = log_lines();
    told($master, @$_) for [qw(kick anna)], [ 'hold', 'a b', 600 ], [ 'release', 'a b' ], [qw(drain 192.0.2.1:110)], [qw(ready 192.0.2.1:110)],
        [qw(trace anna --for 1s)], [qw(trace 192.0.2.7 --for 1s)], [qw(status)], [qw(metrics)];
    $master->ask($_) for 'hold soon anna', 'kick', 'kicks anna', "release x event=order uid=0";
    my @keys = qw(command uid seconds user server client);
    my @said = map { my $f = $_->{f}; join ' ', map { "$_=$f->{$_}" } grep { defined $f->{$_} } @keys } grep { $_->{event} eq 'order' } lines_since($before);
    is_deeply \@said, [
        map { s/ / uid=$> /r } 'command=kick user=anna', 'command=hold seconds=600 user=a\x20b', 'command=release user=a\x20b',
        'command=drain server=192.0.2.1:110', 'command=ready server=192.0.2.1:110',
        'command=trace seconds=1 user=anna', 'command=trace seconds=1 client=192.0.2.7',
        'command=hold user=soon\x20anna', 'command=kick user=-', 'command=release user=x\x20event=order\x20uid=0',
    ], 'orders, also those that fail, and nothing that only asks';
    is $master->session_of($client)->{reason}, 'kicked', 'the session has ended';
    my @lines = map { $_->{event} } grep { $_->{event} eq 'order' || ($_->{f}{reason} // '') eq 'kicked' } lines_since($before);
    is "@lines[0, 1]", 'order session', 'after the line of the order';
};

scene 'the lines of orders keep log_privacy' => sub {
    my $master = master(server => server()->address, log_privacy => 'hashed');
    my $client = $master->client->login('anna');
    my $before = () = log_lines();
    told($master, @$_) for [qw(kick Anna)], [qw(trace 192.0.2.7 --for 1s)];
    my ($kick, $trace) = grep { $_->{event} eq 'order' } lines_since($before);
    is $kick->{f}{user}, $master->session_of($client)->{user}, 'the hash that the lines of the session have';
    is $trace->{f}{client}, '192.0.2.0/24', 'a network';
};

scene 'no worker can write the list of holds, or has the orders' => sub {
    plan skip_all => 'the list is a mapping of Linux' if !-r "/proc/$$/maps";
    my $master = master(server => server()->address);
    my $seen   = 0;
    for my $pid ($master->workers(1)) {
        my @all  = eval { split /\n/, read_file("/proc/$pid/maps") };
        my @maps = grep { /PROXY_HOLDS/ } @all;
        next if !@maps;
        is_deeply [ grep { /PROXY_KICKS/ } @all, descriptors($pid) ], [], "worker $pid has no orders";
        $seen++;
        is_deeply [ grep { !/ r--s / } @maps ], [], "worker $pid can only read it";
        is_deeply [ grep { /HOLDS/ } descriptors($pid) ], [], 'and has no descriptor of it';
    }
    cmp_ok $seen, '>', 0, 'workers have the list';
};

scene 'route in a group' => sub {
    plan skip_all => 'built without groups' if !features()->{groups};
    my $file = write_file(directory() . '/conf', <<"END");
[group stores]
servers = 127.0.0.1:1101, 127.0.0.1:1102*50, 127.0.0.1:1103*0
[instance main]
listen = 127.0.0.1:0
server = group:stores
END
    my $result = run([ program(), '-f', $file, 'route', 'Anna' ]);
    my ($chosen) = $result->{out} =~ /^ +\* (127\.0\.0\.1:110[12]), weight \d+, score \d+\.\d$/m;
    like $result->{out}, qr/^ +group +stores, hash of anna$/m, 'the group, and what is hashed';
    like $result->{out}, qr/^ +127\.0\.0\.1:1103, weight 0, score 0\.0, drained$/m, 'a drained server';
    like $result->{out}, qr/^ +server +\Q$chosen\E \(the default\)$/m, 'the chosen one';
};

scene 'route where no server of the group has room' => sub {
    plan skip_all => 'built without groups' if !features()->{groups};
    my $master = master(server => 'group:stores',
        -groups => [ stores => { servers => server()->address, check => 'no', max_sessions => 1 } ]);
    my $client = $master->client->login('anna');
    like told($master, 'route', 'bert'), qr/^ +refused +every server of the group that is not drained has max_sessions$/m, 'says so';
    $client->quit;
};

scene 'route takes the fields of an answer as a session does' => sub {
    plan(skip_all => 'built without TLS') if !features()->{tls};
    my $directory = directory();
    my $table     = write_file("$directory/table", "anna port=99\nbert 127.0.0.1 ssl=any-cert\n");
    my $file      = write_file("$directory/conf", <<"END");
[instance main]
listen = 127.0.0.1:0
server = -
route = file:$table
END
    my $route = sub { return run([ program(), '-f', $file, 'route', @_ ])->{out} };
    like $route->('anna'), qr/^ +refused +no table names a server for the user, and there is no default server$/m, 'a port and no server';
    like $route->('bert'), qr/^ +server +127\.0\.0\.1:995 .*^ +TLS +from the first octet, with any certificate$/ms, 'any certificate';
};

scene 'what a command needs' => sub {
    my $master = master(server => server()->address);
    my %wrong = (
        'kick'             => qr/kick needs USER\|SESSION/,
        'hold anna'        => qr/hold needs USER SECONDS/,
        'hold anna 0'      => qr/hold: "0" must be a number of seconds from 1 to 86400/,
        'hold anna 5x'     => qr/hold: "5x" must be a number of seconds/,
        'release'          => qr/release needs USER/,
        'release anna bob' => qr/unexpected argument "bob" after release/,
        'kick ' . 'x' x 1100 => qr/kick: the name is too long/,
    );
    like told($master, split / /, $_), qr/\A64: pop3\.proxy: $wrong{$_}/, $_ =~ s/x{9,}/xxx/r for sort keys %wrong;
    like told($master, 'kick', "a\nb"), qr/\A64: .*invalid characters/, 'a name with a line end';
    for my $line ('hold', 'hold x', 'hold 5', 'hold x y', 'hold 99999999999999999999 x', 'kick', 'kick ', 'release', 'x' x 3000) {
        like $master->ask($line), qr/\Aerror: [^\n]+\n\z/, substr($line, 0, 20) . ': an error in one line';
    }
};

scene 'route shows to which server a login leads, and why' => sub {
    plan(skip_all => 'built without TLS') if !features()->{tls};
    my %default   = map { $_->{name} => $_->{default} } conf_keys();
    my $directory = directory();
    my $moved     = write_file("$directory/moved", join '', map { "$_\n" }
        'anna@example.net a.n.other@127.0.0.1:1110 pass=geheim starttls=any-cert', 'bert reject "[SYS/PERM] closed"', '@example.org new.invalid ssl');
    my $broken = 'socketmap:unix:/nonexistent/socket:users';
    my $file   = write_file("$directory/conf", <<"END");
[proxy]
server_tls_ca = @{[ -d '/etc/ssl/certs' ? '/etc/ssl/certs' : $directory ]}
[instance one]
listen = 127.0.0.1:0
server = 127.0.0.1:1111
route = file:$moved
login_timeout = 33
[instance two]
listen = 127.0.0.2:0
server = -
select_server = yes
delimiters = %
route = $broken
route_key = \\U, \\i
END
    my $route = sub {
        my $result = run([ program(), '-f', $file, 'route', @_ ]);
        my ($one, $two) = split /\n\n/, $result->{out};
        return ($one, $two, exit_code($result->{status}), $result->{err});
    };
    my ($one, $two, $status) = $route->('Anna@example.net');
    is $status, 75, 'a table has failed' or diag $one;
    is $one =~ s/ \(\d+\.\d{3} ms\)/ (TIME)/gr, <<"END" =~ s/\n\z//r, 'what the tables say, and the server';
instance one, 127.0.0.1:0
  table      file:$moved
             anna\@example.net: found host=127.0.0.1 port=1110 destuser=a.n.other pass=*** starttls=any-cert (TIME)
  server     127.0.0.1:1110 (by the table)
  login      a.n.other, with the password of the table
  TLS        by STLS, with any certificate
  limits     connect_timeout $default{connect_timeout} s, server_timeout $default{server_timeout} s, login_timeout 33 s, timeout $default{timeout} s
END
    like $two, qr/^ +table +\Q$broken\E\n +anna\@example\.net: failed: [^\n]+ \(\d+\.\d+ ms\)\n +failed +the login is refused for now/m, 'one that fails';
    unlike $two, qr/server  /, 'leads to no server';
    ($one) = $route->('bert');
    like $one, qr/^ +bert: refused reason=.*\n +refused +"?\[SYS\/PERM\] closed/m, 'a user who is refused';
    ($one) = $route->('carl@example.org');
    like $one, qr/^ +carl\@example\.org: not-found .*\n +\@example\.org: found host=new\.invalid ssl \(.*\n +server +new\.invalid:995 \(by the table\)\n +addresses +none: /m,
        'each key, and a name without an address';
    ($one) = $route->('dora');
    like $one, qr/^ +dora: not-found .*\n +server +127\.0\.0\.1:1111 \(the default\)\n +login +dora\n +TLS +no\n/m, 'the default server';
    ($one, $two) = $route->('emil%127.0.0.1:99');
    like $two, qr/^ +user +emil\n +server +127\.0\.0\.1:99 \(the client's choice\)/m, 'a server that the client chooses';
    ($one, $two) = $route->('emil', '--client', '192.0.2.7');
    unlike $two, qr/192\.0\.2\.7: /, 'the first key fails: the second is not asked';
    like +($route->('emil', '--sni', 'mail.example.net'))[0], qr/^ +client TLS none: the instance has no certificate$/m, 'a name of TLS';
    for my $case ([ 'emil', '--client', 'x' ], [ 'emil', '--client' ], [ 'emil', '--foo', 'x' ], [], [ 'a', 'b' ]) {
        is +($route->(@$case))[2], 64, "route @$case: is refused";
    }
    is exit_code(run([ program(), '--control', '/nonexistent', 'route', 'emil' ])->{status}), 64, 'without a file';
};

done;
