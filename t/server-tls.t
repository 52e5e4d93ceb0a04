# SPDX-License-Identifier: BSD-2-Clause
#
# TLS with the server: STLS and TLS from the first octet, which certificates are accepted, and that no
# password is sent when anything is wrong.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tls;

plan(skip_all => 'TLS is not built in') if !features()->{'server-tls'};
plan(skip_all => 'openssl is missing')  if !has_openssl();
plan(skip_all => 'stunnel is missing')  if !has_stunnel();

expect_log('tls-failed');
expect_reason(qw(server-unsolicited server-tls-failed server-no-stls server-stls-injection server-bad-reply server-lost
        server-refused server-closed login-timeout));

my $ca    = authority();
my $good  = identity(name => 'localhost', san => [ 'DNS:localhost', 'IP:127.0.0.1' ], ca => $ca);
my $refusal = qr/^-ERR \[SYS\/TEMP\] /;

sub port_of { return $_[0] =~ s/.*://r }

sub proxy_to {
    my ($tls, $address, @more) = @_;
    return proxy('--server-tls', $tls, '--server-tls-ca', $ca->{certificate}, @more, $address);
}

for my $tls (qw(implicit stls)) {
    scene "a session, $tls" => sub {
        my $server  = server(messages => [ message(300_000) ]);
        my $address = tls_server($server, identity => $good, stls => $tls eq 'stls');
        for my $name ($address, 'localhost:' . port_of($address)) {
            my $client = proxy_to($tls, $name)->client->login;
            is + ($client->fetch('RETR 1'))[1], $server->{messages}[0] =~ s/^\./../mgr, "$name: a large message";
            like $client->quit, qr/^\+OK/, 'QUIT';
            like $client->session_line->{server_tls}, qr/^TLSv1\.[23],/, 'version and cipher in the log';
        }
    };
}

scene 'the oldest version, and the ciphers' => sub {
    expect_log('configuration');
    my $old = tls_server(server(), identity => $good,
        lines => [ 'sslVersionMin = TLSv1', 'sslVersionMax = TLSv1.1', 'securityLevel = 0', 'ciphers = ALL:@SECLEVEL=0' ]);
    like proxy_to('implicit', $old)->client->try_login, $refusal, 'TLS 1.1 is refused';
    for my $oldest (qw(1.0 1.1)) {
        my $client = proxy_to('implicit', $old, '--server-tls-min-version', $oldest)->client->login;
        is $client->quit, '+OK bye', "unless server_tls_min_version = $oldest";
        like $client->session_line->{server_tls}, qr/^TLSv1\.1,/, 'in the log';
    }
    my $recent = tls_server(server(), identity => $good, lines => ['sslVersionMax = TLSv1.2']);
    like proxy_to('implicit', $recent, '--server-tls-min-version', '1.3')->client->try_login, $refusal, 'TLS 1.3 may be required';
    for my $lines ([], ['sslVersionMax = TLSv1.2']) {
        my $address = tls_server(server(), identity => $good, lines => $lines);
        my $client  = proxy_to('implicit', $address, '--server-tls-ciphers', 'ECDHE+CHACHA20:TLS_CHACHA20_POLY1305_SHA256')->client->login;
        is $client->quit, '+OK bye', 'with ciphers of our own';
        like $client->session_line->{server_tls}, qr/CHACHA20/, 'one of them is used';
    }
};

scene 'certificates that are not accepted' => sub {
    my %bad = (
        'expired'     => identity(name => 'localhost', san => ['IP:127.0.0.1'], ca => $ca, days => -1),
        'wrong name'  => identity(name => 'localhost', san => [ 'DNS:localhost', 'IP:127.0.0.2' ], ca => $ca),
        'self-signed' => identity(name => 'localhost', san => ['IP:127.0.0.1']),
        'foreign CA'  => identity(name => 'localhost', san => ['IP:127.0.0.1'], ca => authority('Other')),
    );
    for my $what (sort keys %bad) {
        for my $tls (qw(implicit stls)) {
            my $server  = server();
            my $address = tls_server($server, identity => $bad{$what}, stls => $tls eq 'stls');
            my $client  = proxy_to($tls, $address)->client;
            like $client->try_login, $refusal, "$what, $tls: refused";
            $client->closes;
            is $client->session_line->{reason}, 'server-tls-failed', 'reason';
            is_deeply $client->events, [qw(tls-failed session)], 'one line says why';
            is scalar grep({ /^(?:USER|PASS)/ } $server->lines), 0, 'no password was sent';
        }
        my $server  = server();
        my $address = tls_server($server, identity => $bad{$what});
        like proxy_to('implicit', $address, '--server-tls-verify=no')->client->login->quit, qr/^\+OK/,
            "$what: taken without verification";
    }
};

scene 'the name in the certificate must be the server\'s' => sub {
    my %named = (
        'DNS:other.example.org' => 0, 'DNS:localhost.example.org' => 0, 'DNS:*.localhost' => 0, 'DNS:*' => 0,
        'DNS:local*' => 0, 'IP:127.0.0.1' => 0, 'DNS:LOCALHOST' => 1,
    );
    for my $name (sort keys %named) {
        my $server  = server();
        my $address = tls_server($server, identity => identity(name => 'x', san => [$name], ca => $ca));
        my $client  = proxy_to('implicit', 'localhost:' . port_of($address))->client;
        like $client->try_login, $named{$name} ? qr/^\+OK/ : $refusal, "$name for localhost";
        $client->close;
        ok $named{$name} || !$server->saw('USER|PASS'), 'no password was sent where it is not';
    }
};

scene 'a server without STLS, and one that refuses it' => sub {
    my $server = server();
    my $client = proxy_to('stls', $server->address)->client;
    $server->{anything_goes} = 1;
    like $client->try_login, $refusal, 'refused';
    is $client->session_line->{reason}, 'server-no-stls', 'reason';
    is_deeply [ $server->lines ], ['STLS'], 'nothing but STLS was sent';
    for my $reply ("-ERR no certificate\r\n", "500 what?\r\n") {
        $server = server(anything_goes => 1, on => { STLS => $reply });
        $client = proxy_to('stls', $server->address)->client;
        like $client->try_login, $refusal, show($reply);
        is $client->session_line->{text}, '"' . $reply =~ s/\r\n//r . '"', 'its words are in the log';
    }
};

scene 'only the capabilities after STLS decide about XCLIENT' => sub {
    my $offer = '+OK [XCLIENT] ready';
    my $try   = sub {
        my ($tls, $greeting, $reply, @option) = @_;
        my $server  = server(greeting => $greeting, anything_goes => 1, on => { XCLIENT => "$reply\r\n" });
        my $address = tls_server($server, identity => $good, stls => $tls eq 'stls');
        my $client  = proxy_to($tls, $address, @option)->client;
        my $answer  = $client->try_login;
        $client->close;
        return ($server, $client->session_line, $answer);
    };
    my ($server, $line, $answer) = $try->('stls', '+OK ready', '+OK', '--send-xclient');
    like + ($server->lines)[0], qr/^XCLIENT ADDR=127\.0\.0\.1 PORT=\d+ SESSION=/, 'sent without an offer, which may have been taken away';
    like $answer, qr/^\+OK/, 'a login';
    ($server, $line, $answer) = $try->('stls', '+OK ready', '-ERR what?', '--send-xclient');
    like $answer, qr/^\+OK/, 'a server that does not know it is used without';
    is_deeply [ map { /(\w+)/ } $server->lines ], [qw(XCLIENT USER PASS)], 'once it has been asked';
    ($server, $line, $answer) = $try->('stls', $offer, '-ERR not you', '--send-xclient');
    like $answer, $refusal, 'one that offers it and refuses is not';
    is "$line->{reason} $line->{text}", 'server-refused "-ERR not you"', 'reason';
    ok !$server->saw('^USER'), 'nothing follows';
    for my $case ([ 'stls', $offer ], [ 'implicit', $offer ], [ 'implicit', '+OK ready', '--send-xclient' ]) {
        my ($tls, $greeting, @option) = @$case;
        ($server, $line, $answer) = $try->($tls, $greeting, '+OK', @option);
        like $answer, qr/^\+OK/, "$tls, $greeting, @option: a login";
        ok !$server->saw('^XCLIENT'), 'without it';
    }
};

scene 'octets after the server\'s +OK to STLS' => sub {
    for my $more ("+OK injected\r\n", "\x16", "-ERR\r\n") {
        my $server = server(anything_goes => 1, on => { STLS => "+OK begin\r\n$more" });
        my $client = proxy_to('stls', $server->address)->client;
        like $client->try_login, $refusal, show($more);
        is $client->session_line->{reason}, 'server-stls-injection', 'reason';
        is_deeply $client->events, ['session'], 'one line in the log';
        is_deeply [ $server->lines ], ['STLS'], 'nothing but STLS was sent';
    }
    my $server = server(anything_goes => 1, greeting => \"+OK ready\r\n+OK begin\r\n");
    my $client = proxy_to('stls', $server->address)->client;
    like $client->try_login, $refusal, 'octets after the greeting';
    is $client->session_line->{reason}, 'server-unsolicited', 'reason';
    is_deeply [ $server->lines ], [], 'nothing was sent';
};

scene 'clear text instead of TLS' => sub {
    my $server = server(anything_goes => 1, on => { STLS => "+OK begin\r\n" });
    $server->{connections_before} = 0;
    my $client = proxy_to('implicit', $server->address)->client;
    like $client->try_login, $refusal, 'implicit';
    is $client->session_line->{reason}, 'server-tls-failed', 'reason';
    is scalar grep({ /USER|PASS/ } $server->lines), 0, 'nothing readable was sent';
};

scene 'a server that goes silent in the handshake' => sub {
    my $server = server(script => 1, anything_goes => 1);
    my $client = proxy_to('implicit', $server->address, qw(--login-timeout 1))->client;
    like $client->try_login, $refusal, 'refused';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
};

# A server behind stunnel and a connection to it that a test can cut. Returns a client whose
# login is in progress, the connection to cut, and the server's connection.
sub login_through_a_cut {
    my ($server) = @_;
    my $front  = server(script => 1, anything_goes => 1);   # cuts the connection between stunnel and the proxy
    my $tunnel = tls_server($server, identity => $good);
    my $client = proxy_to('implicit', $front->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    $client->send_line("PASS $Pop3Test::Client::PASSWORD");
    my $near = $front->connection;
    my $far  = Pop3Test::Client->new(
        IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => port_of($tunnel)), name => 'tunnel', tcp => 1);
    my $pump = sub { my ($from, $to) = @_; sub { $to->send($from->{in}); $from->{in} = '' } };
    $near->{on_input} = $pump->($near, $far);
    $far->{on_input}  = $pump->($far, $near);
    $near->{on_input}->();
    my $connection = $server->connection->admit;
    like $client->line, qr/^\+OK/, 'logged in';
    return ($client, $near, $connection);
}

scene 'a server that ends without close_notify' => sub {
    my ($client, $cut, $connection) = login_through_a_cut(server(script => 1));
    $client->send_line('STAT');
    is $connection->command, 'STAT', 'STAT arrives';
    $cut->close;
    like $client->rest, $refusal, 'the client is told';
    is $client->session_line->{reason}, 'server-lost', 'lost, not closed';

    ($client, $cut, $connection) = login_through_a_cut(server(script => 1));
    $client->send_line('QUIT');
    is $connection->command, 'QUIT', 'QUIT arrives';
    $cut->close;
    like $client->rest, $refusal, 'in the middle of QUIT: the client is told';
    is $client->session_line->{reason}, 'server-lost', 'reason';
    isnt $client->session_line->{commit}, 'done', 'the log does not say that it is done';

    ($client, $cut, $connection) = login_through_a_cut(server(script => 1));
    $client->send_line('RETR 1');
    is $connection->command, 'RETR 1', 'RETR arrives';
    $connection->send("+OK\r\nSubject: half\r\n\r\nof a message\r\n.");
    ok wait_until(sub { $client->{all} =~ /half/ }), 'the first half';
    $cut->close;
    unlike $client->rest, qr/-ERR|^\.\r\n/m, 'in the middle of RETR: nothing is put into the message';
    is $client->session_line->{reason}, 'server-lost', 'reason';
    is_deeply $client->events, [qw(login session)], 'TLS itself did not fail';
};

scene 'SNI' => sub {
    my $server = server();
    my $other  = identity(name => 'other', san => ['DNS:other'], ca => $ca);
    my $address = tls_server($server, identity => $other, lines => [
        '[named]', 'sni = pop3:localhost', 'connect = ' . $server->address, "cert = $good->{both}" ]);
    like proxy_to('implicit', 'localhost:' . port_of($address))->client->login->quit, qr/^\+OK/, 'is sent';
};

scene 'the certificate must name the server that the client chose' => sub {
    my $server  = server();
    my $address = tls_server($server, identity => $good);
    my $client  = proxy_to('implicit', '-', '-e')->client;
    like $client->login("joe\@$address")->quit, qr/^\+OK/, 'address';
    is + ($server->lines)[0], 'USER joe', 'user';
};

done;
