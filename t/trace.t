# SPDX-License-Identifier: BSD-2-Clause
#
# trace: an operator follows one user or address on both sides, and sees no password, no data of AUTH and no
# message. A trace ends by itself, with its reader, at a full disk, and at a reload.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use MIME::Base64 qw(encode_base64);
use Pop3Test::Process qw(collect);
use Pop3Test::Tls ();

my $PASSWORD = secret('geheim-4711');
my @KINDS    = (1, 100);

# Begins a trace and waits until it is accepted.
sub trace {
    my ($master, @words) = @_;
    my $trace = { text => '' };
    my ($write) = collect(\$trace->{text});
    $trace->{process} = Pop3Test::Process::spawn(command => [ program(), '-f', $master->{path}, 'trace', @words ], fds => { 1 => $write, 2 => $write });
    push @{ $master->{processes} }, $trace->{process};
    wait_until(sub { $trace->{text} =~ /^-- tracing /m || !$trace->{process}->is_running }) or die "the trace does not begin\n";
    return $trace;
}

sub shows { my ($trace, $pattern) = @_; return wait_until(sub { $trace->{text} =~ $pattern }) || diag($trace->{text}) && 0 }

sub end { my ($trace) = @_; $trace->{process}->signal('INT') if $trace->{process}->is_running; $trace->{process}->wait; return }

# What a trace says without time and session.
sub dialogue { my ($trace) = @_; return map { s/\A\d\d:\d\d:\d\d\.\d{3} \S+ //r } split /\n/, $trace->{text} }

for my $places (@KINDS) {
    my %pool = (workers => 1, max_workers => 4, sessions_per_worker => $places);

    scene "a session at both sides, $places a worker" => sub {
        my $server = server(messages => [ "Subject: x\r\n\r\nthe body of the message\r\n" ], password => $PASSWORD);
        my $master = master(server => $server->address, %pool);
        my $early  = $master->client->login('anna', $PASSWORD);
        my $trace  = trace($master, 'Anna', '--for', '1h');
        my $other  = $master->client->login('bert', $PASSWORD);
        my $client = $master->client->login('anna', $PASSWORD);
        $client->ask('RETR 1');
        $client->body;
        $client->ask("$PASSWORD");
        $client->ask('DELE 1');
        $client->quit;
        ok shows($trace, qr/the session ends: quit/), 'to its end';
        $early->ask('STAT');
        ok shows($trace, qr/client > STAT/), 'a session that has begun before';
        $_->quit for $early, $other;
        my @said = dialogue($trace);
        my $text = join "\n", @said;
        for my $line ('-- stage relay', 'server < +OK', 'client < +OK', 'client > RETR 1', 'server > RETR 1', 'client > unknown *** (unknown)', 'client > DELE 1', 'server > QUIT', 'server > PASS ***', 'server > USER anna') {
            ok scalar(grep { index($_, $line) == 0 } @said), $line;
        }
        like $text, qr/^-- \d+ octets to the client$/m, 'the size of the message';
        unlike $text, qr/the body|Subject|bert|\Q$PASSWORD\E/, 'no message, no other user, no password';
        end($trace);
    };

    scene "names that are not ASCII, $places a worker" => sub {
        my $master = master(server => server()->address, %pool);
        my $long   = "\xc3\xb6" x 40;
        my @traces = map { trace($master, $_, '--for', '1h') } "j\xc3\xb6rg\xc3\xa9", $long, '127.0.0.1';
        $master->client->login($_)->quit for "j\xc3\xb6rg\xc3\xa9", $long, "x\xe2\x80\xae\x9b";
        for ([ 0, "j\xc3\xb6rg\xc3\xa9" ], [ 1, $long ], [ 2, 'x\xe2\x80\xae\x9b' ]) {
            my ($trace, $name) = ($traces[ $_->[0] ], $_->[1]);
            ok shows($trace, qr/server > USER \Q$name\E\n(?s:.*)the session ends: quit/), show($name) . ', and what cannot be seen is escaped';
        }
        end($_) for @traces;
    };

    scene "no credential in any way to log in, $places a worker" => sub {
        my $server = server(password => $PASSWORD, anything_goes => 1);
        my $master = master(server => $server->address, %pool, clear_auth_mechanisms => 'PLAIN,LOGIN,XOAUTH2,OAUTHBEARER',
            proxy_protocol => 'v1', proxy_protocol_from => '127.0.0.1', send_proxy_protocol => 'no');
        my $trace  = trace($master, '192.0.2.77');
        my $token  = encode_base64("user=anna\1auth=Bearer $PASSWORD\1\1", '');
        my $bearer = encode_base64("n,a=anna,\1auth=Bearer $PASSWORD\1\1", '');
        my $plain  = encode_base64("\0anna\0$PASSWORD", '');
        my @ways = (
            [ 'USER anna', "PASS $PASSWORD" ],
            [ "AUTH PLAIN $plain" ],
            [ 'AUTH PLAIN', $plain ],
            [ 'AUTH LOGIN', encode_base64('anna', ''), encode_base64($PASSWORD, '') ],
            [ "AUTH XOAUTH2 $token", '' ],
            [ "AUTH OAUTHBEARER $bearer", '' ],
            [ "AUTH $PASSWORD" ],
            [ "PASS $PASSWORD" ],
            [ "PASS\t$PASSWORD" ],
            [ "USER\t$PASSWORD", "PAS $PASSWORD", "APOP anna $PASSWORD" ],
        );
        for my $way (@ways) {
            my $client = $master->client;
            $client->send("PROXY TCP4 192.0.2.77 192.0.2.1 4711 110\r\n");
            $client->greeting;
            for my $line (@$way) { last if $client->{eof}; eval { $client->send_line($line)->line } }
            $client->send("QUIT\r\n") if !$client->{eof};
            $client->rest;
        }
        ok wait_until(sub { (() = $trace->{text} =~ /the session ends/g) == @ways }), 'all sessions are followed';
        unlike $trace->{text}, qr/\Q$_\E/i, 'no secret' for $PASSWORD, $token, $bearer, $plain, encode_base64($PASSWORD, ''), unpack('H*', $PASSWORD);
        like $trace->{text}, qr/client > AUTH $_ \*\*\*$/m, "$_ is named" for qw(PLAIN XOAUTH2 OAUTHBEARER);
        like $trace->{text}, qr/client > APOP \*\*\* \(unknown\)/, 'a foreign command is named';
        end($trace);
    };
}

scene 'which server a session gets, and why not' => sub {
    expect_reason(qw(connect-failed access-denied group-full));
    expect_log(qw(failover server-down));
    my ($default, $home, $closed) = map { server() } 1 .. 3;
    $closed->close;
    my ($there, $not) = ($home->address, $closed->address);
    my $table  = write_file(directory() . '/table', "anna $there destuser=anne\nbert $not\ncarl group:stores\ndora $there\n");
    my $acp    = acp(qq{[ "\$PROXY_SERVERLOGIN" = dora ] || exit 0; echo "-ERR not you, dora"; exit 1});
    my $master = master(server => $default->address, route => "file:$table", acp => $acp,
        -groups => [ stores => { servers => "$not, $there", check => 'no' } ]);
    my $trace  = trace($master, '127.0.0.1');
    for my $user (qw(anna bert carl dora emil)) {
        my $client = $master->client;
        $client->ask("USER $user");
        $client->send_line("PASS $PASSWORD")->line;
        $client->send("QUIT\r\n") if !$client->{eof};
        $client->rest;
    }
    ok wait_until(sub { (() = $trace->{text} =~ /the session ends/g) == 5 }), 'all sessions are followed';
    my @of = split /^.*-- client 127\.0\.0\.1, .*\n/m, $trace->{text};
    my ($anna, $bert, $carl, $dora, $emil) = @of[ 1 .. 5 ];
    like $trace->{text}, qr/-- client 127\.0\.0\.1, user not known yet, server not chosen yet$/m, 'no server is named before one is chosen';
    like $anna, qr/-- route file:\Q$table: server $there\E, user anne\n.*-- connect to server \Q$there\E\n.*-- connected to \Q$there\E$/ms, 'the table, its server and the address';
    like $bert, qr/-- cannot connect to \Q$not\E: Connection refused\n.*the session ends: connect-failed: Connection refused$/ms, 'an address that does not answer';
    like $carl, qr/-- route file:\Q$table\E: group stores, user carl\n.*-- group stores: server \Q$there\E.*-- connected to \Q$there\E$/ms, 'the server of a group';
    like $dora, qr/client < -ERR not you, dora\n.*the session ends: access-denied/ms, 'what the access control program says';
    like $emil, qr/-- route default: server \Q${\$default->address}\E, user emil$/m, 'nobody in a table: the default server';
    end($trace);
};

scene 'TLS with the server' => sub {
    features()->{'server-tls'} && Pop3Test::Tls::has_stunnel() or plan(skip_all => 'there is no TLS, or no stunnel');
    expect_reason(qw(server-tls-failed));
    expect_log('tls-failed');
    my ($ca, $stranger) = map { Pop3Test::Tls::authority() } 1 .. 2;
    my $address = Pop3Test::Tls::tls_server(server(), identity => Pop3Test::Tls::identity(ca => $ca, name => 'mail', san => ['IP:127.0.0.1']));
    for ([ $ca, qr/-- TLS with the server: TLSv1\S+\n.*-- stage relay$/ms ], [ $stranger, qr/-- TLS with the server fails: \S.*the session ends: server-tls-failed/s ]) {
        my $master = master(server => $address, server_tls => 'implicit', server_tls_ca => $_->[0]{certificate});
        my $trace  = trace($master, 'anna');
        $master->client->try_login('anna', $PASSWORD);
        ok shows($trace, $_->[1]), 'how it went';
        end($trace);
    }
};

scene 'traces end, and their number is limited' => sub {
    my $server = server();
    my $master = master(server => $server->address);
    my @traces = map { trace($master, 'anna') } 1 .. 8;
    my $ninth = run([ program(), '-f', $master->{path}, 'trace', 'anna' ], limit => 20);
    is exit_code($ninth->{status}), 69, 'the ninth is refused';
    like $ninth->{err}, qr/too many traces/, 'and told why';
    $master->client->login('anna')->quit;
    ok shows($_, qr/the session ends: quit/), 'each trace has the session' for @traces[ 0, 7 ];
    $_->{process}->signal('KILL') for @traces;
    $_->{process}->wait for @traces;
    my $short;
    ok wait_until(sub { $short = trace($master, 'anna', '--for', '1s'); $short->{text} =~ /tracing/ }), 'a reader that goes makes room';
    $short->{process}->wait;
    is exit_code($short->{process}{status}), 0, 'the time is over';
    like $short->{text}, qr/^-- the time of this trace is over$/m, 'which is said';
    my $reloaded = trace($master, 'anna');
    $master->reload;
    $reloaded->{process}->wait;
    like $reloaded->{text}, qr/^-- this trace ends: the server has read its settings again/m, 'a reload ends it';
    is exit_code($reloaded->{process}{status}), 69, 'which is not its own end';
    @{ $master->{processes} } = grep { $_ != $reloaded->{process} } @{ $master->{processes} };    # the others end with 0
    like $reloaded->{text}, qr/^pop3\.proxy: the server has ended the trace before its time was over$/m, 'and is told';
    my $again = trace($master, 'anna');
    $master->client->login('anna')->quit;
    ok shows($again, qr/the session ends: quit/), 'and the next one works';
    end($again);
};

scene 'to a file, and to a full disk' => sub {
    my $server = server();
    my $master = master(server => $server->address);
    my $file   = directory() . '/trace';
    my $trace  = { process => Pop3Test::Process::spawn(command => [ program(), '-f', $master->{path}, 'trace', 'anna', '--output', $file ]) };
    push @{ $master->{processes} }, $trace->{process};
    ok wait_until(sub { -s $file }), 'the file is there';
    is sprintf('%o', (stat $file)[2] & 0777), '600', 'for its owner';
    $master->client->login('anna')->quit;
    ok wait_until(sub { read_file($file) =~ /the session ends: quit/ }), 'with the session';
    end($trace);
    my $full = run([ program(), '-f', $master->{path}, 'trace', 'anna', '--output', '/dev/full' ], limit => 20);
    is exit_code($full->{status}), 74, 'a full disk ends the trace';
    like $full->{err}, qr/No space left/, 'and is told';
    is $master->client->login('anna')->quit, '+OK bye', 'the server goes on';
    for ([ '--for', '0' ], [ '--for', '25h' ], [ '--for', '10x' ], ['--for'], [ '--loud', 'x' ]) {
        my $wrong = run([ program(), '-f', $master->{path}, 'trace', 'anna', @$_ ], limit => 20);
        is exit_code($wrong->{status}), 64, "trace anna @$_";
    }
};

done;
