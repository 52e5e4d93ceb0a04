# SPDX-License-Identifier: BSD-2-Clause
#
# What the proxy learns of a server by CAPA, and what it does with it: which mechanism a token or a
# password goes out with, what is announced to clients, and when commands go in one segment. A refused
# token does not end the session.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Server;
use Pop3Test::Tls;

$Pop3Test::Server::FORWARDED{AUTH} = 1;

my $token  = secret("ya29.token-$$");
my %form   = (
    XOAUTH2     => sub { "user=$_[0]\x01auth=Bearer $token\x01\x01" },
    OAUTHBEARER => sub { "n,a=$_[0],\x01auth=Bearer $token\x01\x01" },
);

sub token { my ($mechanism, $user) = @_; return "AUTH $mechanism " . b64($form{$mechanism}->($user // 'joe')) }
sub plain { return 'AUTH PLAIN ' . b64("\0joe\0" . ($_[0] // $Pop3Test::Client::PASSWORD)) }

# A server with these mechanisms; %right are those that let a client in.
sub server_with {
    my ($mechanisms, %right) = @_;
    return server(capa => [ 'TOP', @$mechanisms ? "SASL @$mechanisms" : () ],
        on => { AUTH => sub { my ($name) = split / /, $_[1]; $right{ uc $name } ? "+OK in\r\n" : "-ERR no\r\n" } });
}

sub client_of { my $client = proxy(@_)->client; $client->greeting; return $client }

# How often all connections of the server have asked for its capabilities before the login.
sub asked { my ($server) = @_; return scalar grep { $_->{lines}[0] =~ /^CAPA/ } $server->connections }

scene 'a token goes out with the mechanism that the server has' => sub {
    for my $here (sort keys %form) {
        for my $there (sort keys %form) {
            my $server = server_with([ 'PLAIN', $there ], $there => 1);
            my $client = client_of('-e', $server->address);
            my %user = (XOAUTH2 => 'joe,=x', OAUTHBEARER => 'joe=2C=3Dx');
            is $client->ask(token($here, "$user{$here}\@127.0.0.1:$server->{port}")), '+OK in', "$here to $there";
            $client->quit;
            is + ($server->lines)[0], token($there, $user{$there}), 'what the server saw';
        }
        my $server = server_with([ 'XOAUTH2', 'OAUTHBEARER' ], $here => 1);
        my $client = client_of($server->address);
        is $client->ask(token($here)), '+OK in', "$here to a server with both";
        $client->quit;
        is + ($server->lines)[0], token($here), 'goes out as it came';
    }
};

scene 'the other fields of OAUTHBEARER stay, or go' => sub {
    my $data   = "n,a=joe,\x01host=h\x01port=110\x01auth=Bearer $token\x01\x01";
    my $server = server_with(['OAUTHBEARER'], OAUTHBEARER => 1);
    my $client = client_of($server->address);
    $client->ask('AUTH OAUTHBEARER ' . b64($data));
    $client->quit;
    is + ($server->lines)[0], 'AUTH OAUTHBEARER ' . b64($data), 'to the same mechanism';
    $server = server_with(['XOAUTH2'], XOAUTH2 => 1);
    $client = client_of($server->address);
    $client->ask('AUTH OAUTHBEARER ' . b64($data));
    $client->quit;
    is + ($server->lines)[0], token('XOAUTH2'), 'to the other';
};

scene 'a long token' => sub {
    my $long   = secret('t' x 8000);
    my $data   = b64("user=joe\x01auth=Bearer $long\x01\x01");
    my $server = server(capa => ['SASL XOAUTH2'], anything_goes => 1, on => { AUTH => "+ \r\n", uc $data => "+OK in\r\n" });
    my $client = client_of($server->address);
    is $client->ask('AUTH OAUTHBEARER ' . b64("n,a=joe,\x01auth=Bearer $long\x01\x01")), '+OK in', 'is converted, too';
    $client->quit;
    is_deeply [ ($server->lines)[ 0, 1 ] ], [ 'AUTH XOAUTH2', $data ], 'and sent when the server asks for it';
};

# MailKit tries a token first, then the password, then USER and PASS.
scene 'a token that the server refuses does not end the session' => sub {
    my %kind = (
        'no AUTH at all'          => [ [],        [ 'bad-mechanism', 'bad-mechanism' ] ],
        'neither mechanism'       => [ ['PLAIN'], [ 'bad-mechanism', 'bad-mechanism' ] ],
        'XOAUTH2, which it refuses' => [ [qw(PLAIN XOAUTH2)], [ 'token-refused', 'token-refused' ] ],
    );
    for my $name (sort keys %kind) {
        my ($mechanisms, $faults) = @{ $kind{$name} };
        my $server = server_with($mechanisms, PLAIN => 1);
        my $client = client_of($server->address);
        like $client->ask(token('XOAUTH2')), qr/^-ERR /, "$name: XOAUTH2 is refused";
        like $client->ask(token('OAUTHBEARER')), qr/^-ERR /, 'OAUTHBEARER is refused';
        is scalar(grep { /^AUTH/ } $server->lines), $mechanisms->[1] ? 2 : 0, 'the server saw only what it has';
        is $client->ask(plain()), @$mechanisms ? '+OK in' : '+OK logged in', 'PLAIN in the same connection';
        is $client->ask('NOOP'), '+OK', 'the session goes on';
        $client->quit;
        my $line = $client->session_line;
        is $line->{reason}, 'quit', 'reason';
        my @logged = grep { $_->{f}{session} eq $line->{session} } log_lines('refused-command');
        is_deeply [ map { $_->{f}{fault} } @logged ], $faults, 'the log says why each was refused';
        is $logged[0]{f}{text}, $faults->[0] eq 'token-refused' ? '"-ERR no"' : undef, 'with the words of the server';
    }
};

scene 'the words of a refusal' => sub {
    my $client = client_of(server_with(['PLAIN'])->address);
    is $client->ask(token('XOAUTH2')), '-ERR mechanism not supported', 'no such mechanism';
    $client->quit;
    my $server = server(capa => ['SASL XOAUTH2'], anything_goes => 1, on => { AUTH => "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n",
        '' => "-ERR [AUTH] token expired\r\n" });
    $client = client_of($server->address);
    $client->send_line(token('XOAUTH2'));
    my $connection = $server->connection;
    ok wait_until(sub { ($connection->{lines}[-1] // 'x') eq '' }), 'the reason of the refusal is answered';
    is $client->reply, '-ERR [AUTH] token expired', 'the server has the last word';
    is $client->ask('USER joe'), '+OK password please', 'and the session goes on';
    $client->quit;
};

# The client has sent a password, and has nothing else to try.
scene 'a token of a routing table that the server refuses ends the session' => sub {
    my $server = server_with(['XOAUTH2']);
    my $table  = write_file(directory() . '/table', 'joe: ' . $server->address . " pass=$token proxy_mech=xoauth2\n", 0644);
    my $client = client_of('--route', "file:$table", $server->address);
    $client->ask('USER joe');
    like $client->send_line('PASS x')->rest, qr/\A-ERR [^\r\n]+\r\n\z/, 'told, and closed';
    is $client->session_line->{reason}, 'login-refused', 'reason';
    is + ($server->lines)[0], token('XOAUTH2'), 'what the server saw';
};

scene 'refused tokens are refused commands' => sub {
    for my $mechanisms (['PLAIN'], ['XOAUTH2']) {
        my $server = server_with($mechanisms);
        my $client = client_of($server->address);
        like $client->ask(token('XOAUTH2')), qr/^-ERR/, "@$mechanisms: number $_" for 1 .. 5;
        like $client->send_line(token('XOAUTH2'))->rest, qr/\A-ERR [^\r\n]+\r\n\z/, 'the sixth ends the session';
        is $client->session_line->{reason}, 'too-many-refused-commands', 'reason';
    }
};

scene 'a refused password still ends the session' => sub {
    my $client = client_of(server_with(['PLAIN'])->address);
    like $client->send_line(plain())->rest, qr/\A-ERR [^\r\n]+\r\n\z/, 'told, and closed';
    is $client->session_line->{reason}, 'login-refused', 'reason';
};

scene 'refused tokens count as failed logins, unless the server was not asked' => sub {
    my %expected = (XOAUTH2 => [ ('-ERR') x 3, 'closed' ], PLAIN => [ ('-ERR') x 5 ]);
    for my $mechanism (sort keys %expected) {
        my $server = server_with([$mechanism]);
        my $master = master(server => $server->address, workers => 1, login_failures => 3);
        my $client = $master->client;
        $client->greeting;
        my @got = map { eval { $client->ask(token('XOAUTH2')) =~ /^(-ERR)(?! \[SYS)/ ? $1 : 'closed' } // 'closed' }
            1 .. @{ $expected{$mechanism} };
        is_deeply \@got, $expected{$mechanism}, "a server with $mechanism";
        $client->close;
    }
};

scene 'server_auth' => sub {
    my %case = (
        'auto, PLAIN announced'     => [ [qw(LOGIN PLAIN)], [], 1 ],
        'auto, not announced'       => [ ['LOGIN'], [], 0 ],
        'auto, no SASL'             => [ [], [], 0 ],
        'userpass, announced'       => [ ['PLAIN'], [qw(--server-auth userpass)], 0 ],
        'plain, not announced'      => [ [], [qw(--server-auth plain)], 1 ],
    );
    for my $name (sort keys %case) {
        my ($mechanisms, $arguments, $is_plain) = @{ $case{$name} };
        my $server = server_with($mechanisms, PLAIN => 1);
        proxy(@$arguments, $server->address)->client->login->quit;
        is + ($server->lines)[0], $is_plain ? plain() : 'USER joe', $name;
    }
    my $server = server();
    proxy($server->address)->client->login->quit;
    is + ($server->lines)[0], 'USER joe', 'auto, a server without CAPA';
};

# The mechanisms that a client of the master is told of.
sub announced {
    my ($master) = @_;
    my $client = $master->client;
    $client->greeting;
    my ($sasl) = ($client->fetch('CAPA'))[1] =~ /^SASL (.*)\r$/m;
    $client->quit;
    return $sasl // '';
}

scene 'tokens are announced if the server may take them' => sub {
    my %case = (
        'neither'        => [ ['PLAIN'], 'PLAIN LOGIN' ],
        'no SASL'        => [ [], 'PLAIN LOGIN' ],
        'one of the two' => [ [qw(PLAIN XOAUTH2)], 'PLAIN LOGIN XOAUTH2 OAUTHBEARER' ],
    );
    my @all = (auth_mechanisms => 'PLAIN LOGIN XOAUTH2 OAUTHBEARER');
    for my $name (sort keys %case) {
        my ($mechanisms, $expected) = @{ $case{$name} };
        my $server = server_with($mechanisms, PLAIN => 1);
        my $master = master(server => $server->address, workers => 1, @all);
        is announced($master), 'PLAIN LOGIN XOAUTH2 OAUTHBEARER', "$name: all while the server is unknown";
        $master->client->login->quit;
        is announced($master), $expected, "$name: what it may take is announced after a login";
    }
    my $server = server_with(['PLAIN'], PLAIN => 1);
    my $master = master(server => $server->address, select_server => 'yes', workers => 1, @all);
    $master->client->login->quit;
    is announced($master), 'PLAIN LOGIN XOAUTH2 OAUTHBEARER', 'all where the client may select another server';
};

scene 'a server is asked once, by all workers' => sub {
    my $server = server_with(['PLAIN'], PLAIN => 1);
    my $master = master(server => $server->address, workers => 2, max_sessions => 1);
    $master->client->login->quit for 1 .. 5;
    is scalar $server->connections, 5, 'five sessions, each in a process of its own';
    is asked($server), 1, 'one of them has asked';
};

scene 'a server that does not answer CAPA' => sub {
    expect_reason(qw(login-timeout server-timeout));
    for my $case ([ 'login_timeout', 'the login had no time left: the next one asks again', 2 ],
        [ 'server_timeout', 'the server had its time: the next one does not ask', 1 ]) {
        my ($limit, $name, $asked) = @$case;
        my $count  = 0;
        my $server = server(capa => ['SASL PLAIN'], on => { CAPA => sub { $count++ ? undef : '' }, AUTH => "+OK in\r\n" });
        my $master = master(server => $server->address, workers => 1, $limit => 1);
        like $master->client->try_login, qr/^-ERR \[SYS\/TEMP\]/, "$limit: the first login fails";
        $master->change($limit => 60);
        $master->reload;
        $master->client->login->quit;
        is asked($server), $asked, $name;
    }
};

scene 'USER and PASS in one segment' => sub {
    my $server = server(capa => [qw(TOP PIPELINING)]);
    my $master = master(server => $server->address, workers => 2, max_sessions => 1);
    $master->client->login->quit for 1 .. 3;
    is_deeply [ map { $_->{ahead} ? 1 : 0 } $server->connections ], [ 0, 1, 1 ],
        'only after a login has shown that each command is answered once';
    $server = server(capa => ['TOP']);
    $master = master(server => $server->address, workers => 2);
    $master->client->login->quit for 1 .. 2;
    is_deeply [ map { $_->{ahead} ? 1 : 0 } $server->connections ], [ 0, 0 ], 'not without PIPELINING';
};

# Whether each session has sent a command ahead of a reply.
sub ahead { my ($server) = @_; return [ map { $_->{ahead} ? 1 : 0 } $server->connections ] }

scene 'AUTH PLAIN and CAPA in one segment' => sub {
    for my $case ([ ['PIPELINING'], [ 0, 1, 1 ], 'after a login has shown how the server answers' ],
        [ [], [ 0, 0, 0 ], 'not without PIPELINING' ]) {
        my ($words, $expected, $name) = @$case;
        my $server = server(capa => [ 'SASL PLAIN', @$words ], on => { AUTH => "+OK in\r\n" });
        my $master = master(server => $server->address, workers => 2, max_sessions => 1);
        $master->client->login->quit for 1 .. 3;
        is_deeply ahead($server), $expected, $name;
    }
};

# A server that asks for the response of AUTH when $$asks is set.
sub asking_server {
    my ($asks) = @_;
    my $plain = b64("\0joe\0$Pop3Test::Client::PASSWORD");
    return server(capa => [ 'SASL PLAIN', 'PIPELINING' ], anything_goes => 1,
        on => { AUTH => sub { $$asks ? "+ \r\n" : "+OK in\r\n" }, uc $plain => "+OK in\r\n" });
}

scene 'a server that asks for the response of AUTH' => sub {
    my $asks   = 1;
    my $server = asking_server(\$asks);
    my $master = master(server => $server->address, workers => 1);
    $master->client->login->quit for 1 .. 3;
    is_deeply ahead($server), [ 0, 0, 0 ], 'gets CAPA only after it has let the client in';
};

scene 'a server that begins to ask for the response of AUTH' => sub {
    expect_reason('server-bad-reply');
    my $asks   = 0;
    my $server = asking_server(\$asks);
    my $master = master(server => $server->address, workers => 1);
    $master->client->login->quit;
    $asks = 1;
    like $master->client->try_login, qr/^-ERR \[SYS\/TEMP\]/, 'costs one login';
    like $master->client->login->quit, qr/^\+OK/, 'the next one waits until it is asked';
    is_deeply ahead($server), [ 0, 1, 0 ], 'one session has sent ahead';
};

scene 'the list is asked for after TLS has begun' => sub {
    plan(skip_all => 'no TLS, or no stunnel') if !features()->{tls} || !has_openssl() || !has_stunnel();
    my $identity = identity(name => 'localhost');
    my $server   = server_with(['XOAUTH2'], XOAUTH2 => 1);
    my $address  = tls_server($server, identity => $identity, stls => 1);
    my $client   = client_of(qw(--server-tls stls --server-tls-verify=no), $address);
    is $client->ask(token('OAUTHBEARER')), '+OK in', 'and used';
    $client->quit;
    is_deeply [ @{ ($server->connections)[-1]{lines} }[ 0, 1 ] ], [ 'CAPA', token('XOAUTH2') ], 'what the server saw';
};

done;
