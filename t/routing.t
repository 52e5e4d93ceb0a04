# SPDX-License-Identifier: BSD-2-Clause
#
# Routing: tables say which server has a user's mailbox and how to log in there.
# Whatever a table does, no user may come to a server that is not his.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use IO::Socket::UNIX;
use Pop3Test;
use Pop3Test::Process qw(fork_off);

$Pop3Test::Server::FORWARDED{AUTH} = 1;

my $TEMPORARY = qr/^-ERR \[SYS\/TEMP\] cannot find out the server/;

sub table { return 'file:' . write_file(directory() . '/table', join '', map { "$_\n" } @_) }

# The login that each server saw, "-" for a server that saw nobody.
sub logins {
    return join ' ', map { join(',', map { /^USER (.*)/ ? $1 : () } $_->lines) || '-' } @_;
}

sub fetch_as {
    my ($proxy, $user) = @_;
    my $client = $proxy->client->login($user);
    return $client->quit;
}

# The last lines about sessions.
sub sessions { my ($count) = @_; return (log_lines('session'))[ -$count .. -1 ] }

# Waits until an event has been logged once more than so many times.
sub wait_event {
    my ($event, $before) = @_;
    return wait_until(sub { log_lines($event) > $before }, 20) || die "no further $event\n";
}

# A table that is a server: it is given each question and returns the answer, or nothing to say
# nothing. Ends with the scene.
sub answerer {
    my ($path, $answer) = @_;
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 16) or die "$path: $!\n";
    chmod 0777, $path;
    return fork_off('table', sub {
        while (my $connection = $listener->accept) {
            my $child = fork // POSIX::_exit(1);
            next if $child;
            $answer->($connection);
            POSIX::_exit(0);
        }
    });
}

# Reads on until the proxy gives the question up and closes.
sub never_answer { my ($connection) = @_; 1 while sysread $connection, my $more, 4096; return }

scene 'the first table that knows a key answers; without one the default server' => sub {
    my ($default, $a, $b) = (server(), server(), server());
    my $first  = table('anna@example.net: ' . $a->address, '# nobody');
    my $second = table('anna@example.net: ' . $default->address, '@example.org ' . $b->address,
        'bert: ' . $a->address);
    my $proxy = proxy('--route', "$first, $second", $default->address);
    fetch_as($proxy, 'Anna@Example.NET');
    is logins($default, $a, $b), '- Anna@Example.NET -', 'the whole login, in any case';
    fetch_as($proxy, 'carl@example.org');
    is logins($b), 'carl@example.org', 'the domain';
    fetch_as($proxy, 'bert');
    is logins($a), 'Anna@Example.NET,bert', 'a login without a domain';
    fetch_as($proxy, 'dora@example.com');
    is logins($default), 'dora@example.com', 'the default for whom no table knows';
    is_deeply [ map { $_->{f}{route} } sessions(4) ], [ $first, $second, $second, 'default' ],
        'the log names the table';
};

scene 'a server that the client chooses is asked of no table' => sub {
    my ($default, $a, $b) = (server(), server(), server());
    my $proxy = proxy('-e', '--route', table('anna ' . $a->address), $default->address);
    fetch_as($proxy, 'anna@' . $b->address);
    is logins($default, $a, $b), '- - anna', 'the chosen one';
    fetch_as($proxy, 'anna');
    is logins($default, $a, $b), '- anna anna', 'without a choice the table is asked';
    is_deeply [ map { $_->{f}{route} =~ s/:.*//r } sessions(2) ], [ 'client', 'file' ], 'the log says so';
};

scene 'nobody knows the user, and there is no default: as for a wrong password' => sub {
    expect_reason('unknown-user');
    my $server = server(password => 'right');
    my $proxy  = proxy('--route', table('anna ' . $server->address));
    my $unknown = $proxy->client->try_login('bert');
    my $wrong   = $proxy->client->try_login('anna');
    is $unknown, $wrong, 'the client cannot tell the two apart';
    like $unknown, qr/^-ERR \[AUTH\]/, 'the reply';
};

scene 'the login, its password and a master user' => sub {
    my $server = server();
    my $proxy  = proxy('--route', table(
        'anna a.n.other@' . $server->address,
        'bert ' . $server->address . ' destuser=b pass="two words"'));
    fetch_as($proxy, $_) for qw(anna bert);
    is logins($server), 'a.n.other,b', 'logins';
    ok $server->saw(qr/^PASS two words$/), 'a password with a blank';
    my @lines = sessions(2);
    is_deeply [ map { $_->{f}{user} } @lines ], [qw(a.n.other b)], 'the log has the login at the server';
    my $plain;
    my $master = server(on => {
        AUTH => sub { my ($connection, $argument) = @_; $plain = $argument; return "+OK in\r\n" },
    });
    fetch_as(proxy('--route', table('anna ' . $master->address . ' destuser=x master=root pass=key')), 'anna');
    is $plain, 'PLAIN ' . b64("x\0root\0key"), 'the master user opens the mailbox of another one';
};

scene 'a token for the server' => sub {
    my $asked;
    my $server = server(on => {
        AUTH => sub { my ($connection, $argument) = @_; $asked = $argument; return "+OK in\r\n" },
    });
    fetch_as(proxy('--route', table('anna ' . $server->address . ' proxy_mech=xoauth2 pass=TOKEN')), 'anna');
    is $asked, 'XOAUTH2 ' . b64("user=anna\x01auth=Bearer TOKEN\x01\x01"), 'the message';
};

scene 'a user who may not log in is told why' => sub {
    expect_reason('route-refused');
    my $server = server();
    my $proxy  = proxy('--route', table('anna reject your account has moved',
        'bert nologin reason="[SYS/PERM] closed"', 'carl reject'), $server->address);
    is $proxy->client->try_login('anna'), '-ERR your account has moved', 'the text of reject';
    is $proxy->client->try_login('bert'), '-ERR [SYS/PERM] closed',      'a response code of its own';
    like $proxy->client->try_login('carl'), qr/^-ERR [a-z]/, 'without a text';
    is logins($server), '-', 'nobody came to the default server';
};

scene 'a broken or missing file refuses the start' => sub {
    my $missing = run([ program(), '-T', '--route', 'file:/nonexistent/table', '127.0.0.1' ]);
    is exit_code($missing->{status}), 78, 'missing: exit status';
    like $missing->{err}, qr/\Q--route\E.*\/nonexistent\/table: No such file/, 'missing: the mend';
    my $table  = table('anna a.example.net', 'bert');
    my $broken = run([ program(), '-T', '--route', $table, '127.0.0.1' ]);
    is exit_code($broken->{status}), 78, 'broken: exit status';
    like $broken->{err}, qr/table:2: expected a key/, 'broken: file and line';
    my $odd = table('anna a.example.net', 'bert b.example.net prot=1110', 'carl c.example.net port=1110', 'dora d.example.net x=y prot=1');
    my $warned = run([ program(), '-T', '--route', $odd, '127.0.0.1' ]);
    is exit_code($warned->{status}), 0, 'an unknown field is no mistake';
    like $warned->{err}, qr/^warning: --route: route: \S+table:2: prot: unknown field, without effect; 2 lines have one$/m, 'but a warning, once a file';
    unlike run([ program(), '-T', '--route', table('anna a.example.net port=1110 proxy=y'), '127.0.0.1' ])->{err}, qr/field/, 'not without one';
    my $kind = run([ program(), '-T', '--route', 'ldap:x', '127.0.0.1' ]);
    like $kind->{err}, qr/(?<!ldap:x: )ldap:x: unknown kind of table/, 'an unknown kind, with its value once';
};

scene 'a changed table is in force soon; a broken one changes nothing; a missing one fails' => sub {
    expect_log('route-table-broken', 'route-failed');
    expect_reason('route-failed');
    my ($default, $a, $b) = (server(), server(), server());
    my $table  = table('anna ' . $a->address);
    my ($path) = $table =~ /^file:(.*)/;
    my $master = master(server => $default->address, route => $table, route_stale => 0);
    fetch_as($master, 'anna');
    my ($read, $broken) = (scalar log_lines('route-table-read'), scalar log_lines('route-table-broken'));
    write_file("$path.new", 'anna ' . $b->address . "\n");
    rename "$path.new", $path or die;
    wait_event('route-table-read', $read);
    fetch_as($master, 'anna');
    is logins($default, $a, $b), '- anna anna', 'the new content answers';
    write_file($path, "anna\n");
    wait_event('route-table-broken', $broken);
    fetch_as($master, 'anna');
    is logins($default, $a, $b), '- anna anna,anna', 'the old content stays in force';
    unlink $path;
    wait_event('route-table-broken', $broken + 1);
    like $master->client->try_login('anna'), $TEMPORARY, 'the login fails for now';
    like $master->client->try_login('dora'), $TEMPORARY, 'for everybody';
    is logins($default), '-', 'and nobody comes to the default server';
    write_file("$path.new", 'anna ' . $a->address . "\n");
    rename "$path.new", $path;
    wait_event('route-table-read', $read + 1);
    fetch_as($master, 'anna');
    is logins($a), 'anna,anna', 'it is back at once';
};

scene 'while a table fails its last answer stands in, but never "not found"' => sub {
    expect_log('route-table-broken', 'route-failed');
    expect_reason('route-failed');
    my ($default, $a) = (server(), server());
    my $table  = table('anna ' . $a->address);
    my ($path) = $table =~ /^file:(.*)/;
    my $master = master(server => $default->address, route => $table);
    fetch_as($master, 'anna');
    fetch_as($master, 'bert');
    my $broken = log_lines('route-table-broken');
    unlink $path;
    wait_event('route-table-broken', $broken);
    fetch_as($master, 'anna');
    is logins($a), 'anna,anna', 'the server that was named last';
    like $master->client->try_login('bert'), $TEMPORARY, 'whom it did not know: not the default server';
    is logins($default), 'bert', 'but from before';
};

scene 'patterns, and what a login may not do with them' => sub {
    plan(skip_all => 'built without PCRE2') if !features('regexp');
    expect_log('route-failed');
    expect_reason('route-failed', 'unknown-user');
    my $server = server();
    my $path   = write_file(directory() . '/re', '^(.*)@example\.net$ $1@' . $server->address . "\n" . '^x(.*)$ $1' . "\n");
    my $proxy  = proxy('--route', "regexp:$path", '--route-key', '\U');
    fetch_as($proxy, 'anna@example.net');
    is logins($server), 'anna', 'a group of the pattern';
    like $proxy->client->try_login('x' . $server->address), $TEMPORARY, 'a login chooses no server';
    like $proxy->client->try_login('bert'), qr/^-ERR \[AUTH\]/, 'no pattern matches';
};

scene 'a cdb table' => sub {
    plan(skip_all => 'built without tinycdb')    if !features('cdb');
    plan(skip_all => 'no cdb program to make one') if !installed('cdb');
    my $server    = server();
    my $directory = directory();
    my $address   = $server->address;
    my $text      = write_file("$directory/text", "anna $address\nbert\0 $address\0\n" =~ s/\0//gr);
    system('cdb', '-c', '-m', "$directory/table.cdb", $text) == 0 or die "cdb: $?\n";
    chmod 0644, "$directory/table.cdb";
    my $proxy = proxy('--route', "cdb:$directory/table.cdb");
    fetch_as($proxy, $_) for qw(anna Bert);
    is logins($server), 'anna,Bert', 'logins';
};

sub read_netstring {
    my ($connection) = @_;
    my $length = '';
    while (sysread $connection, my $octet, 1) {
        last if $octet eq ':';
        $length .= $octet;
    }
    return if $length eq '';
    my $text = '';
    while (length $text <= $length) {
        sysread $connection, $text, $length + 1 - length $text, length $text or return;
    }
    return substr $text, 0, $length;
}

sub netstring { return length($_[0]) . ":$_[0]," }

scene 'socketmap: the four results, nonsense, and a table that says nothing' => sub {
    expect_log('route-failed');
    expect_reason('route-failed', 'route-refused', 'unknown-user');
    my $server  = server();
    my $address = $server->address;
    my $path    = directory(0777) . '/socket';
    my $table   = answerer($path, sub {
        my ($connection) = @_;
        while (defined(my $question = read_netstring($connection))) {
            my ($key) = $question =~ /^users (.*)/ or return;
            return if $key eq 'cut';
            return never_answer($connection) if $key eq 'hang';
            my %answer = (anna => "OK $address", bert => 'PERM closed', temp => 'TEMP database',
                nonsense => 'MAYBE', malformed => 'OK host=');
            syswrite $connection, $key eq 'endless' ? 'x' x 100_000 : netstring($answer{$key} // 'NOTFOUND ');
        }
    });
    my $proxy = proxy('--route', "socketmap:unix:$path:users", '--route-timeout', 1);
    fetch_as($proxy, 'anna');
    is logins($server), 'anna', 'found';
    like $proxy->client->try_login('carl'), qr/^-ERR \[AUTH\]/, 'not found';
    is $proxy->client->try_login('bert'), '-ERR closed', 'refused';
    like $proxy->client->try_login($_), $TEMPORARY, $_ for qw(temp nonsense malformed endless cut hang);
    is logins($server), 'anna', 'nobody else came to the server';
    $table->destroy;
    like $proxy->client->try_login('anna'), $TEMPORARY, 'nobody listens';
};

scene 'socketmap: one hanging question holds up no other, and comes back' => sub {
    expect_log('route-failed');
    expect_reason('route-failed');
    my $server  = server();
    my $address = $server->address;
    my $path    = directory(0777) . '/socket';
    my $table   = answerer($path, sub {
        my ($connection) = @_;
        while (defined(my $question = read_netstring($connection))) {
            return never_answer($connection) if $question =~ /hang/;
            syswrite $connection, netstring("OK $address");
        }
    });
    my $master = master(server => '-', route => "socketmap:unix:$path:users", route_timeout => 2);
    my $hanging = $master->client;
    $hanging->greeting;
    $hanging->ask('USER hang');
    $hanging->send_line('PASS x');
    fetch_as($master, "user$_") for 1 .. 20;
    is scalar(split /,/, logins($server)), 20, 'others go on';
    like $hanging->reply, $TEMPORARY, 'the time limit';
    $table->destroy;
};

scene 'the auth service of a Dovecot' => sub {
    expect_log('route-failed', 'route-field-ignored');
    expect_reason('route-failed', 'unknown-user');
    my $server = server();
    my ($host, $port) = split /:/, $server->address;
    my $path  = directory(0777) . '/auth-userdb';
    my $table = answerer($path, sub {
        my ($connection) = @_;
        syswrite $connection, "VERSION\t1\t2\nSPID\t1234\n";
        while (<$connection>) {
            my ($id, $user) = /^PASS\t(\d+)\t([^\t]+)\tservice=pop3/ or next;
            my %answer = (
                anna => "PASS\t$id\tuser=anna\tproxy\thost=$host\tport=$port\tdestuser=a\tpass=pw\tuserdb_x=y\n",
                fail => "FAIL\t$id\ttemp\n",
            );
            syswrite $connection, $answer{$user} // "NOTFOUND\t$id\n";
        }
    });
    my $proxy = proxy('--route', "dovecot:$path");
    fetch_as($proxy, 'anna');
    is logins($server), 'a', 'found';
    ok $server->saw(qr/^PASS pw$/), 'its password';
    like $proxy->client->try_login('bert'), qr/^-ERR \[AUTH\]/, 'not found';
    like $proxy->client->try_login('fail'), $TEMPORARY, 'failed';
    $table->destroy;
};

scene 'an auth_http server' => sub {
    plan(skip_all => 'built without libcurl') if !features('auth-http');
    expect_log('route-failed');
    expect_reason('route-failed', 'route-refused', 'unknown-user');
    my $server = server();
    my ($host, $port) = split /:/, $server->address;
    my $path  = directory(0777) . '/http';
    my $seen  = directory(0777) . '/seen';
    my $table = answerer($path, sub {
        my ($connection) = @_;
        local $/ = "\r\n\r\n";
        while (my $request = <$connection>) {
            my ($user) = $request =~ /^Auth-User: (.*?)\r$/m;
            open my $file, '>', $seen;
            print {$file} $request;
            close $file;
            my %answer = (
                anna     => "200 OK\r\nAuth-Status: OK\r\nAuth-Server: $host\r\nAuth-Port: $port\r\nAuth-User: a\r\n",
                bert     => "200 OK\r\nAuth-Status: Invalid login or password\r\n",
                empty    => "200 OK\r\n",
                noserver => "200 OK\r\nAuth-Status: OK\r\n",
                moved    => "302 Found\r\nLocation: http://127.0.0.1/\r\n",
                broken   => "500 No\r\n",
                long     => "200 OK\r\nAuth-Status: OK\r\nAuth-Server: $host\r\nAuth-Port: $port\r\nX: " . 'x' x 70_000 . "\r\n",
            );
            if ($user eq 'cut') {
                syswrite $connection, 'HTTP/1.1 ' . $answer{anna};
                last;
            }
            syswrite $connection, 'HTTP/1.1 ' . ($answer{$user} // "404 No\r\n") . "Content-Length: 0\r\n\r\n";
        }
    });
    my $proxy = proxy('--route', "unix:$path:/auth");
    fetch_as($proxy, 'anna');
    is logins($server), 'a', 'found';
    my $request = read_file($seen);
    like $request, qr/^\Q$_\E\r$/m, $_ for 'GET /auth HTTP/1.1', 'Auth-Method: plain', 'Auth-User: anna',
        'Auth-Protocol: pop3', 'Auth-Login-Attempt: 1', 'Client-IP: 127.0.0.1';
    like $request, qr/^Auth-Pass: \S+\r$/m, 'the password is told';
    is $proxy->client->try_login('bert'), '-ERR Invalid login or password', 'refused, with its text';
    like $proxy->client->try_login('carl'), qr/^-ERR \[AUTH\]/, 'not found';
    like $proxy->client->try_login($_), $TEMPORARY, $_ for qw(empty noserver moved broken);
    for ([ cut => 'the answer is cut' ], [ long => 'the answer is too long' ]) {
        my ($user, $why) = @$_;
        like $proxy->client->try_login($user), $TEMPORARY, $why;
        ok wait_until(sub { grep { ($_->{f}{error} // '') =~ /$why/ } log_lines('route-failed') }), 'the log says so';
    }
    fetch_as($proxy, 'anna');
    is logins($server), 'a,a', 'found after that';
    fetch_as(master(server => '-', route => "unix:$path:/auth", route_password => 'no'), 'anna');
    unlike read_file($seen), qr/Auth-Pass/, 'the password is not told where it may not be';
    $table->destroy;
};

scene 'the acp is told the routed server' => sub {
    my $server = server();
    my ($host, $port) = split /:/, $server->address;
    my $acp = acp('echo "$PROXY_SERVER:$PROXY_SERVERPORT:$PROXY_SERVERLOGIN" >&2; exit 0');
    fetch_as(proxy('-a', $acp, '--route', table('anna other@' . $server->address)), 'anna');
    my ($line) = log_lines('acp-output');
    is join(' ', values %{ $line->{f} }) =~ /(\S+:other)/ && $1 =~ s/^"|"$//gr, $server->address . ':other', 'server and login';
};

scene 'a mailbox that is being moved' => sub {
    expect_reason('route-delayed');
    my $server = server();
    my $proxy  = proxy('--route', table(
        'anna ' . $server->address . ' delay_until=' . (time + 86_400),
        'bert ' . $server->address . ' delay_until=' . (time - 10)));
    like $proxy->client->try_login('anna'), qr/^-ERR \[SYS\/TEMP\] the mailbox is being moved/, 'longer than the login may take';
    fetch_as($proxy, 'bert');
    my $until = time + 2;
    fetch_as(proxy('--route', table('carl ' . $server->address . " delay_until=$until")), 'carl');
    cmp_ok time, '>=', $until, 'the login waits';
    is logins($server), 'bert,carl', 'who came through';
};

scene 'our own address towards the server' => sub {
    my $server = server();
    my $client = proxy('--route', table('anna ' . $server->address . ' source_ip=127.0.0.9'))->client->login('anna');
    is(($server->connections)[0]{fh}->peerhost, '127.0.0.9', 'the server sees it');
    $client->quit;
};

scene 'several own addresses are used in turn' => sub {
    my $server = server();
    my $master = master(server => $server->address, workers => 1, max_workers => 1, sessions_per_worker => 10,
        source_addresses => '127.0.0.7, 127.0.0.8, ::1', route => table('anna ' . $server->address . ' source_ip=127.0.0.9'));
    my @clients = map { $master->client->login($_) } (map { "u$_" } 1 .. 6), 'anna';
    my @hosts   = map { $_->{fh}->peerhost } $server->connections;
    is pop @hosts, '127.0.0.9', 'what a table names comes first';
    is_deeply [ map { my $host = $_; scalar grep { $_ eq $host } @hosts } '127.0.0.7', '127.0.0.8' ], [ 3, 3 ], 'both';
    isnt $hosts[$_], $hosts[ $_ + 1 ], 'in turn' for 0 .. 4;
    my $ipv6 = server(host => '::1') or return;
    $master->change(server => $ipv6->address);
    $master->reload;
    push @clients, $master->client->login('bert');
    is(($ipv6->connections)[0]{fh}->peerhost, '::1', 'of the family of the server');
    $_->quit for @clients;
};

scene 'own addresses that the machine does not have' => sub {
    for my $case ([ '192.0.2.1', qr/^warning: .*source_addresses = 192\.0\.2\.1: Cannot assign requested address$/m, 0 ],
        [ '127.0.0.1', qr/\A\z/, 0 ], [ 'host.example', qr/must be addresses such as/, 64 ], [ '127.0.0.1:25', qr/must be addresses/, 64 ]) {
        my ($list, $words, $status) = @$case;
        my $result = run([ program(), '-T', '--source-addresses', $list, '127.0.0.1' ]);
        is exit_code($result->{status}), $status, "$list: exit status";
        my $said = $result->{err} =~ s/^warning: .*: no syslog daemon listens .*\n//mr;
        like $said, $words, "$list: what -T says";
    }
};

scene 'what tables answer is counted' => sub {
    expect_log('route-failed', 'configuration');
    expect_reason('route-failed', 'route-refused');
    my $server = server();
    my $first  = table('anna ' . $server->address, 'bert reject');
    my $second = 'socketmap:unix:/nonexistent/socket:users';
    my $master = master(server => $server->address, route => "$first, $second", route_key => '\U');
    fetch_as($master, 'anna') for 1 .. 3;
    $master->client->try_login($_) for qw(bert carl);
    my $counts = sub {
        my %count;
        my $text = $master->ask('metrics');
        $count{$1}{$2} = $3 while $text =~ /^pop3_proxy_route_lookups_total\{instance="main",table="([^"]+)",result="([^"]+)"\} (\d+)$/mg;
        return \%count;
    };
    my %wanted = ($first => { found => 3, refused => 1, 'not-found' => 1, failed => 0 },
        $second => { found => 0, refused => 0, 'not-found' => 0, failed => 1 });
    is_deeply $counts->(), \%wanted, 'by table and result';
    is $master->reload->{event}, 'reloaded', 'a reload';
    is_deeply $counts->(), \%wanted, 'keeps the counts';
    fetch_as($master, 'anna');
    $wanted{$first}{found}++;
    is_deeply $counts->(), \%wanted, 'and goes on';
    my ($instance) = @{ $master->status->{instances} };
    is_deeply [ map { "$_->{name} $_->{found}" } @{ $instance->{tables} } ], [ "$first 4", "$second 0" ], 'the JSON has them';
    is $instance->{route_time}{count}, 6, 'and the time of every login';
};

done;
