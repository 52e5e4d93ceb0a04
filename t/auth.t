# SPDX-License-Identifier: BSD-2-Clause
#
# AUTH: every mechanism in every form, what the proxy sends to the server for it, and everything that
# is refused before a server sees it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Server;
use Pop3Test::Tls;

expect_reason(qw(server-bad-reply server-unsolicited));

$Pop3Test::Server::FORWARDED{AUTH} = 1;

my $password = secret("Sesam-auth-$$");

sub plain       { my ($user, $word) = @_; return b64("\0$user\0" . ($word // $password)) }
sub xoauth2     { my ($user, $token) = @_; return b64("user=$user\x01auth=Bearer $token\x01\x01") }
sub oauthbearer { my ($user, $token) = @_; return b64("n,a=$user,\x01host=x\x01auth=Bearer $token\x01\x01") }

sub client_of {
    my $client = proxy(@_)->client;
    $client->greeting;
    return $client;
}


my @all = qw(PLAIN LOGIN XOAUTH2 OAUTHBEARER);

# The mechanisms that CAPA announces, and those that a bare AUTH lists.
sub announced {
    my ($client) = @_;
    my ($sasl) = ($client->fetch('CAPA'))[1] =~ /^SASL (.*)\r$/m;
    return ([ split / /, $sasl // '' ], [ split /\r\n/, ($client->fetch('AUTH'))[1] ]);
}

scene 'without TLS only what is listed is announced' => sub {
    my %case = (
        'nothing is set'             => [ [], [] ],
        'auth_mechanisms is set'     => [ [qw(PLAIN XOAUTH2)], [ '--auth-mechanisms', 'plain, xoauth2' ] ],
        'clear mechanisms'           => [ ['LOGIN'], [ '--clear-auth-mechanisms', 'login' ] ],
        'both'                       => [ ['PLAIN'], [ '--auth-mechanisms', 'plain, xoauth2', '--clear-auth-mechanisms', 'login plain' ] ],
        'no clear ones'              => [ [], [ '--auth-mechanisms', 'plain', '--clear-auth-mechanisms', 'none' ] ],
    );
    for my $name (sort keys %case) {
        my ($expected, $arguments) = @{ $case{$name} };
        my $client = client_of(@$arguments, server()->address);
        is_deeply [ announced($client) ], [ $expected, $expected ], $name;
        is $client->ask('AUTH PLAIN ' . plain('joe')), '+OK logged in', 'AUTH works, announced or not';
        is_deeply [ ($client->fetch('CAPA'))[1] =~ /^SASL (.*)\r$/m ], [ @$expected ? "@$expected" : () ], 'the same after the login';
        $client->quit;
    }
};

scene 'with TLS all are announced' => sub {
    plan(skip_all => 'no TLS, or no openssl') if !features()->{tls} || !has_openssl();
    my $identity = identity(name => 'localhost');
    my $proxy    = proxy('--tls', 'stls', '--tls-certificate', $identity->{both}, server()->address);
    my $client   = $proxy->client;
    $client->greeting;
    is_deeply [ announced($client) ], [ [], [] ], 'none before STLS';
    $client->quit;
    $client = tls_client($proxy, stls => 1);
    is_deeply [ announced($client) ], [ \@all, \@all ], 'all after it';
    $client->quit;
};

scene 'mechanisms are listed' => sub {
    my $client = client_of('--auth-mechanisms', "@all", server()->address);
    my @capa = split /\r\n/, ($client->fetch('CAPA'))[1];
    is_deeply [ grep { /^SASL/ } @capa ], ['SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER'], 'CAPA';
    is + ($client->fetch('AUTH'))[1], "PLAIN\r\nLOGIN\r\nXOAUTH2\r\nOAUTHBEARER\r\n", 'bare AUTH';
    is + ($client->fetch('auth '))[1], "PLAIN\r\nLOGIN\r\nXOAUTH2\r\nOAUTHBEARER\r\n", 'with a blank';
    $client->quit;
    is scalar(grep { $_->{event} eq 'refused-command' && $_->{pid} == $client->process->pid } log_lines()), 0,
        'and never count';
};

scene 'keys hide capabilities and mechanisms' => sub {
    my $client = client_of('--capabilities', 'USER, UIDL SASL', '--auth-mechanisms', 'plain', server()->address);
    is + ($client->fetch('CAPA'))[1], "USER\r\nSASL PLAIN\r\nUIDL\r\n", 'CAPA';
    like $client->ask('AUTH LOGIN'), qr/^-ERR/, 'a hidden mechanism is refused';
    $client->quit;
    for my $none ('none', '') {
        $client = client_of('--auth-mechanisms', $none, server()->address);
        unlike + ($client->fetch('CAPA'))[1], qr/SASL/, "'$none': no SASL";
        is $client->ask($_), '-ERR command not supported', "'$none': $_" for 'AUTH', 'AUTH PLAIN';
        $client->quit;
    }
    for my $bad ([ '--capabilities', 'TOP,NONSENSE' ], [ '--auth-mechanisms', 'CRAM-MD5' ],
        [ '--auth-mechanisms', 'none PLAIN' ]) {
        my $result = run([ program(), @$bad, 'localhost' ]);
        is exit_code($result->{status}), 64, "@$bad";
    }
};

scene 'PLAIN and LOGIN become USER and PASS' => sub {
    my %dialogue = (
        'PLAIN, initial response'    => [ 'AUTH PLAIN ' . plain('joe') ],
        'plain in lower case'        => [ 'auth plain ' . plain('joe') ],
        'PLAIN, continuation'        => [ 'AUTH PLAIN', '+ ', plain('joe') ],
        'PLAIN with the same authzid' => [ 'AUTH PLAIN ' . b64("joe\0joe\0$password") ],
        'PLAIN and a blank'          => [ 'AUTH PLAIN ', '+ ', plain('joe') ],
        'PLAIN and many blanks'      => [ 'AUTH  PLAIN   ' . plain('joe') . ' ' ],
        'LOGIN'                      => [ 'AUTH LOGIN', '+ VXNlcm5hbWU6', b64('joe'), '+ UGFzc3dvcmQ6', b64($password) ],
        'LOGIN, initial response'    => [ 'AUTH LOGIN ' . b64('joe'), '+ UGFzc3dvcmQ6', b64($password) ],
    );
    for my $name (sort keys %dialogue) {
        my $server = server();
        my $client = client_of($server->address);
        my @steps  = @{ $dialogue{$name} };
        while (@steps > 1) {
            $client->send_line(shift @steps);
            is $client->line, shift @steps, "$name: challenge";
        }
        is $client->ask(@steps), '+OK logged in', "$name: logged in";
        like $client->quit, qr/^\+OK/, 'QUIT';
        is_deeply [ $server->lines ], [ 'USER joe', "PASS $password", 'QUIT' ], 'what the server saw';
    }
};

scene '8-bit login names' => sub {
    my $name     = "j\xc3\xb6rg\xff";
    my %dialogue = (
        'PLAIN'              => [ 'AUTH PLAIN ' . plain($name) ],
        'PLAIN with authzid' => [ 'AUTH PLAIN ' . b64("$name\0$name\0$password") ],
        'LOGIN'              => [ 'AUTH LOGIN', b64($name), b64($password) ],
        'XOAUTH2'            => [ 'AUTH XOAUTH2 ' . xoauth2($name, $password) ],
        'OAUTHBEARER'        => [ 'AUTH OAUTHBEARER ' . oauthbearer($name, $password) ],
    );
    for my $mechanism (sort keys %dialogue) {
        my $server = server(on => { AUTH => "+OK in\r\n" });
        my $client = client_of($server->address);
        my @steps  = @{ $dialogue{$mechanism} };
        while (@steps > 1) {
            $client->send_line(shift @steps);
            $client->line;
        }
        like $client->ask(@steps), qr/^\+OK/, "$mechanism: logged in";
        $client->quit;
        my $expected = $mechanism =~ /^(?:PLAIN|LOGIN)/ ? "USER $name" : $dialogue{$mechanism}[0];
        is + ($server->lines)[0], $expected, 'the server sees the name as it is';
    }
};

scene 'malformed AUTH is refused, and the session goes on' => sub {
    my $long = 'x' x 20000;
    my %wrong = (
        'unknown mechanism'    => ['AUTH CRAM-MD5'],
        'empty initial'        => ['AUTH PLAIN ='],
        'no base64'            => ['AUTH PLAIN !!!!'],
        'padding inside'       => [ 'AUTH PLAIN ' . 'AGpv=' . 'AA=' ],
        'cut short'            => [ 'AUTH PLAIN ' . substr plain('joe'), 0, -1 ],
        'one NUL'              => [ 'AUTH PLAIN ' . b64("joe\0$password") ],
        'three NULs'           => [ 'AUTH PLAIN ' . b64("\0joe\0$password\0") ],
        'CRLF in the password' => [ 'AUTH PLAIN ' . b64("\0joe\0x\r\nDELE 1") ],
        'LF in the user'       => [ 'AUTH PLAIN ' . b64("\0jo\ne\0x") ],
        'no password'          => [ 'AUTH PLAIN ' . b64("\0joe\0") ],
        'another authzid'      => [ 'AUTH PLAIN ' . b64("root\0joe\0x") ],
        'two words'            => [ 'AUTH PLAIN ' . plain('joe') . ' x' ],
        'LOGIN with NUL'       => [ 'AUTH LOGIN', b64("jo\0e") ],
        'LOGIN with CRLF'      => [ 'AUTH LOGIN', b64('joe'), b64("x\r\nQUIT") ],
        'cancel'               => [ 'AUTH PLAIN', '*' ],
        'cancel in LOGIN'      => [ 'AUTH LOGIN', b64('joe'), '*' ],
        'STLS for the user'    => [ 'AUTH LOGIN', 'STLS now' ],
        'STLS now'             => [ 'AUTH LOGIN', b64('joe'), 'STLS now' ],
        'a line too long'      => [ 'AUTH PLAIN', $long ],
        'a command too long'   => [ "AUTH PLAIN $long" ],
        'XOAUTH2 rubbish'      => [ 'AUTH XOAUTH2 ' . b64('rubbish') ],
        'OAUTHBEARER, no name' => [ 'AUTH OAUTHBEARER ' . b64("n,,\x01auth=Bearer x\x01\x01") ],
        'EXTERNAL without TLS' => ['AUTH EXTERNAL ='],
    );
    my $server = server();
    for my $name (sort keys %wrong) {
        my $client = client_of($server->address);
        my @steps  = @{ $wrong{$name} };
        while (@steps > 1) {
            $client->send_line(shift @steps);
            like $client->line, qr/^\+ /, "$name: challenge";
        }
        like $client->ask(@steps), qr/^-ERR /, "$name: refused";
        like $client->ask('PASS x'), qr/^-ERR /, 'nothing is left of it';
        like $client->quit, qr/^\+OK/, 'and the session goes on';
    }
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'a refusal counts, a cancelled AUTH does not' => sub {
    my $client = client_of(server()->address);
    for (1 .. 8) {
        $client->send_line('AUTH PLAIN');
        $client->line;
        like $client->ask('*'), qr/^-ERR/, 'cancelled';
    }
    like $client->ask('AUTH PLAIN !'), qr/^-ERR/, 'refused' for 1 .. 5;
    like $client->ask('AUTH PLAIN !'), qr/^-ERR/, 'once too often';
    $client->closes;
    is $client->session_line->{reason}, 'too-many-refused-commands', 'reason';
};

scene 'tokens are passed on' => sub {
    for my $octets (10, 300, 4096, 11000) {
        for my $name (qw(XOAUTH2 OAUTHBEARER)) {
            my $token = secret(join '', map { chr(97 + $_ % 26) } 1 .. $octets);
            my @seen;
            my $server = server(on => {
                AUTH => sub { @seen = split / /, $_[1]; return @seen > 1 ? "+OK in\r\n" : "+ \r\n" },
            }, anything_goes => 1);
            my $data = $name eq 'XOAUTH2' ? xoauth2('joe', $token) : oauthbearer('joe', $token);
            $server->{on}{$data} = sub { push @seen, $data; return "+OK in\r\n" };
            $server->{on}{uc $data} = $server->{on}{$data};
            my $client = client_of($server->address);
            is $client->ask("AUTH $name $data"), '+OK in', "$name, $octets octets: logged in";
            $client->quit;
            is_deeply \@seen, [ $name, $data ], 'octet for octet';
            my @auth = grep { /^AUTH/ } $server->lines;
            cmp_ok length $auth[0], '<=', 253, 'no command line over 255 octets';
        }
    }
};

scene 'the user name in a token selects the server' => sub {
    my $server  = server(on => { AUTH => "+OK in\r\n" });
    my $address = $server->address;
    my $client  = client_of('-e', '-s', $address, '-');
    is $client->ask('AUTH XOAUTH2 ' . xoauth2("joe\@$address", 'tok')), '+OK in', 'logged in';
    $client->quit;
    is + ($server->lines)[0], 'AUTH XOAUTH2 ' . xoauth2('joe', 'tok'), 'without the server\'s part';
    $client = client_of('-e', '-s', $address, '-');
    like $client->ask('AUTH XOAUTH2 ' . xoauth2('joe@127.0.0.1:1', 'tok')), qr/^-ERR/, 'the allow list counts';
    $client->closes;
    $client = client_of('-e', '-s', $address, '-');
    like $client->ask('AUTH PLAIN ' . plain('joe@127.0.0.1:1')), qr/^-ERR/, 'for PLAIN too';
    $client->closes;
};

scene 'proxy authentication and the acp' => sub {
    my $server = server();
    my $acp    = acp('echo "+OK $PROXY_USERNAME:$PROXY_PASSWD:$PROXY_SERVERLOGIN:$PROXY_SERVER"; exit 0');
    my $client = client_of('-e', '-a', $acp, '-');
    my $address = $server->address;
    $client->send_line('AUTH PLAIN ' . plain("me:joe\@$address", "mine:$password"));
    is $client->line, '+OK me:mine:joe:127.0.0.1', 'what the acp is told';
    like $client->line, qr/^\+OK/, 'login';
    $client->quit;
    is_deeply [ ($server->lines)[ 0, 1 ] ], [ 'USER joe', "PASS $password" ], 'what the server is told';
};

scene 'a refused token' => sub {
    for my $name (qw(XOAUTH2 OAUTHBEARER)) {
        my @answers;
        my $server = server(anything_goes => 1, on => { AUTH => '+ ' . b64('{"status":"401"}') . "\r\n" });
        my $hook = sub { push @answers, $_[1]; return "-ERR [AUTH] expired\r\n" };
        $server->{on}{''} = $server->{on}{'AQ=='} = $hook;
        my $client = client_of($server->address);
        my $data = $name eq 'XOAUTH2' ? xoauth2('joe', 'old') : oauthbearer('joe', 'old');
        is $client->ask("AUTH $name $data"), '-ERR [AUTH] expired', "$name: the server\'s last word";
        is $client->ask('USER joe'), '+OK password please', 'the client may log in in another way';
        $client->quit;
        is $client->session_line->{reason}, 'quit-before-login', 'reason';
    }
};

scene 'AUTH PLAIN at the server' => sub {
    for my $length (10, 200) {
        my $word   = secret('p' x $length . $$);
        my $data   = plain('joe', $word);
        my $server = server(anything_goes => 1, on => { AUTH => sub { $_[1] =~ / / ? "+OK in\r\n" : "+ \r\n" } });
        $server->{on}{ uc $data } = "+OK in\r\n";
        my $client = client_of('--server-auth', 'plain', $server->address);
        $client->ask('USER joe');
        is $client->ask("PASS $word"), '+OK in', "$length octets: logged in";
        $client->quit;
        is_deeply [ ($server->lines)[ 0 .. ($length > 100) ] ],
            [ $length > 100 ? ('AUTH PLAIN', $data) : "AUTH PLAIN $data" ], 'what the server saw';
    }
    my $server = server(on => { AUTH => "-ERR no\r\n" });
    my $client = client_of('--server-auth', 'plain', $server->address);
    $client->ask('USER joe');
    is $client->ask("PASS $password"), '-ERR [AUTH] bad login', 'a refusal';
    $client->closes;
};

scene 'a server that accepts an empty user name' => sub {
    my $token = 'x' x 1000;
    for my $answer ("+OK\r\n", "+ \r\n+OK\r\n", "+OK\r\n+OK\r\n") {
        my $server = server(anything_goes => 1, on => { AUTH => $answer });
        my $client = client_of($server->address);
        like $client->ask('AUTH XOAUTH2 ' . xoauth2('joe', $token)), qr/^-ERR \[SYS\/TEMP\]/, show($answer);
        $client->closes;
        is_deeply [ $server->lines ], ['AUTH XOAUTH2'], 'the token was not sent';
    }
};

scene 'a challenge is not a reply to USER or PASS' => sub {
    for my $verb (qw(USER PASS)) {
        my $client = client_of(server(on => { $verb => "+ \r\n" })->address);
        $client->ask('USER joe');
        like $client->ask("PASS $password"), qr/^-ERR \[SYS\/TEMP\]/, $verb;
        $client->closes;
    }
};

done;
