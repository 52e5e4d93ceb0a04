# SPDX-License-Identifier: BSD-2-Clause
#
# Input that is not POP3, comes at the wrong time or hides something in a credential: each one is
# refused or ends the session, the log says why in one line, and no server sees any of it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tls;

expect_log('tls-failed');
expect_reason('stls-injection');

my $has_tls  = features()->{tls} && has_openssl();
my $identity = $has_tls && identity(name => 'localhost');
my @tls      = $has_tls ? qw(stls required) : ();

sub clear_port {
    my ($tls, $server, @more) = @_;
    return proxy($tls eq 'no' ? () : ('--tls', $tls, '--tls-certificate', $identity->{both}), @more, $server->address);
}

sub refusals { return [ ('refused-command') x $_[0], 'session' ] }

scene 'another protocol ends the session' => sub {
    my $server = server();
    my %words  = (
        'a browser'            => "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        'a form in a browser'  => "POST / HTTP/1.1\r\nHost: x\r\nOrigin: y\r\nAccept: */*\r\nContent-Length: 30\r\n\r\n"
            . "USER joe\r\nPASS x\r\nDELE 1\r\nQUIT\r\n",
        (map { ($_ => "$_ * HTTP/1.1\r\n\r\n") } qw(HEAD PUT DELETE CONNECT OPTIONS TRACE PATCH)),
        'HTTP/2'               => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        'SSH'                  => "SSH-2.0-OpenSSH_9.2\r\n",
        'SMTP'                 => "EHLO x\r\nMAIL FROM:<a\@b>\r\n",
        'SMTP of old'          => "helo\n",
        'IMAP'                 => "a001 CAPABILITY\r\n",
        'RDP'                  => "\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",
        'SMB 1'                => "\0\0\0\x2f\xffSMBr\0\0\0\0\x18\x01\x28" . "\0" x 35,
        'SMB 2'                => "\0\0\0\x66\xfeSMB\x40\0" . "\0" x 96,
        'NetBIOS'              => "\x81\0\0\x44 " . 'CA' x 16 . "\0 " . 'CA' x 16 . "\0",
    );
    for my $tls ('no', @tls) {
        for my $name (sort keys %words) {
            my $client = clear_port($tls, $server)->client;
            $client->greeting;
            $client->send($words{$name});
            is $client->rest, "-ERR this is a POP3 server\r\n", "$name, tls = $tls: told, and closed";
            is $client->session_line->{reason}, 'not-pop3', 'reason';
            is_deeply $client->events, ['session'], 'one line in the log';
        }
    }
    my $client = clear_port('no', $server)->client;
    $client->greeting;
    $client->ask('USER joe');
    is $client->send("GET / HTTP/1.1\r\n")->rest, "-ERR this is a POP3 server\r\n", 'after a command as well';
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'TLS on a port that begins in the clear' => sub {
    my $server = server();
    my $hello  = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . "\n" x 32;
    for my $tls ('no', @tls) {
        for my $cut (0, 1, 5) {
            my $client = clear_port($tls, $server)->client;
            $client->greeting;
            $client->send(substr $hello, 0, $cut)->sent;
            $client->send(substr $hello, $cut);
            is $client->rest, "-ERR this port does not begin with TLS\r\n", "tls = $tls, cut after $cut octets: told, and closed";
            is $client->session_line->{reason}, 'tls-to-clear-port', 'reason';
            is_deeply $client->events, ['session'], 'one line in the log';
        }
    }
    is scalar $server->connections, 0, 'nothing reached the server';
};

# Input that arrives between our last reply and the close must not lose the reply.
scene 'the last reply, while the client sends more' => sub {
    my $proxy   = proxy(server()->address);
    my $refused = "-ERR this port does not begin with TLS\r\n";
    my $heard   = 0;
    my $tries   = 100;
    for (1 .. $tries) {
        my $client = $proxy->client;
        $client->greeting;
        $client->send("\x16\x03\x01")->sent;
        $client->send("\x02" x 40);
        $heard++ if $client->rest eq $refused;
        $client->close;
    }
    is $heard, $tries, 'is heard every time';
};

scene 'STLS inside AUTH' => sub {
    my $server = server();
    for my $tls ('no', grep { $_ eq 'stls' } @tls) {
        for my $mechanism (qw(PLAIN LOGIN XOAUTH2 OAUTHBEARER)) {
            my $client = clear_port($tls, $server)->client;
            $client->greeting;
            $client->send_line("AUTH $mechanism");
            like $client->line, qr/^\+ /, "$mechanism, tls = $tls: challenge";
            # It is base64, but not of a message.
            if ($mechanism eq 'LOGIN') {
                like $client->send_line('STLS')->line, qr/^\+ /, 'is taken for a user name of three octets';
                like $client->ask('STLS '), qr/^-ERR /, 'and for the password';
            }
            else {
                like $client->ask('STLS'), qr/^-ERR /, 'is taken for data';
            }
            my $has_stls = ($client->fetch('CAPA'))[1] =~ /^STLS\r$/m ? 1 : 0;
            is $has_stls, $tls eq 'stls' ? 1 : 0, 'and TLS has not begun';
            like $client->quit, qr/^\+OK/, 'the session goes on';
            is_deeply $client->events, refusals(1), 'one line in the log';
        }
    }
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'STLS in the wrong state' => sub {
    my $server = server();
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->send("STLS\r\n\x16\x03\x01\r\nQUIT\r\n");
    like $client->rest, qr/\A-ERR [^\r]*\r\n-ERR this port does not begin with TLS\r\n\z/, 'where there is no TLS';
    is $client->session_line->{reason}, 'tls-to-clear-port', 'reason';
    is_deeply $client->events, refusals(1), 'in the log';
    return if !$has_tls;

    for my $more ("STLS\r\n", "CAPA\r\n", "QUIT\r\n", "\0") {
        $client = clear_port('stls', $server)->client;
        $client->greeting;
        $client->send("STLS\r\n$more");
        is $client->rest, "-ERR data after STLS before TLS has begun\r\n", 'with more after it: ' . show($more);
        is $client->session_line->{reason}, 'stls-injection', 'reason';
        is_deeply $client->events, ['session'], 'one line in the log';
    }
    $client = clear_port('stls', $server)->client;
    $client->greeting;
    like $client->ask('STLS now'), qr/^-ERR/, 'with an argument';
    $client->quit;
    is scalar $server->connections, 0, 'nothing reached the server';

    my $proxy = clear_port('stls', $server);
    $client = tls_client($proxy, stls => 1);
    $client->greeting;
    like $client->ask('STLS'), qr/^-ERR/, 'a second time';
    like $client->ask('USER joe'), qr/^\+OK/, 'the session goes on';
    like $client->ask('PASS x'),   qr/^\+OK/, 'to its login';
    like $client->ask('STLS'),     qr/^-ERR/, 'and after it, it is refused as well';
    $client->quit;
    $client = clear_port('stls', $server)->client->login;
    like $client->ask('STLS'), qr/^-ERR/, 'also after a login in the clear';
    $client->quit;
    ok !$server->saw('STLS'), 'no server heard of it';
};

scene 'control octets in credentials' => sub {
    my $server = server();
    my %hidden = (NUL => "\0", CR => "\r", LF => "\n", CRLF => "\r\nDELE 1\r\n", ESC => "\e[2J", DEL => "\x7f");
    my %message = (
        PLAIN       => sub { "\0$_[0]\0$_[1]" },
        XOAUTH2     => sub { "user=$_[0]\x01auth=Bearer $_[1]\x01\x01" },
        OAUTHBEARER => sub { "n,a=$_[0],\x01host=x\x01auth=Bearer $_[1]\x01\x01" },
    );
    for my $name (sort keys %hidden) {
        my $bad    = "a$hidden{$name}b";
        my $client = proxy($server->address)->client;
        $client->greeting;
        for my $mechanism (sort keys %message) {
            like $client->ask("AUTH $mechanism " . b64($message{$mechanism}->($bad, 'x'))), qr/^-ERR/, "$name, $mechanism: user";
        }
        $client->quit;
        is_deeply $client->events, refusals(3), 'one line for each';
        $client = proxy($server->address)->client;
        $client->greeting;
        for my $mechanism (sort keys %message) {
            like $client->ask("AUTH $mechanism " . b64($message{$mechanism}->('joe', $bad))), qr/^-ERR/, "$name, $mechanism: secret";
        }
        for my $steps ([ 'AUTH LOGIN', b64($bad) ], [ 'AUTH LOGIN', b64('joe'), b64($bad) ]) {
            my @steps = @$steps;
            while (@steps > 1) {
                $client->send_line(shift @steps);
                like $client->line, qr/^\+ /, "$name, LOGIN: challenge";
            }
            like $client->ask(@steps), qr/^-ERR/, 'refused';
        }
        $client->quit;
        is_deeply $client->events, refusals(5), 'one line for each';
    }
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'invalid base64, or too much of it' => sub {
    my $server = server();
    my $good   = b64("\0joe\0xyz");
    my %bad    = (
        'padding inside'         => substr($good, 0, 4) . '====' . substr($good, 4),
        'padding inside a group' => 'AGpv=' . 'AHh5eg',
        'padding twice'          => b64("\0joe\0xy") . '==',
        'no padding'             => b64("\0joe\0xy") =~ s/=//gr,
        'bits in the padding'    => b64("\0joe\0xy") =~ s/Q==\z/R==/r,
        'a blank'                => substr($good, 0, 4) . ' ' . substr($good, 4),
        'url alphabet'           => substr($good, 0, 8) . '-_' . substr($good, 10),
        '60 KiB'                 => 'A' x 61440,
        '48 KB of a token'       => b64("user=joe\x01auth=Bearer " . 'x' x 48000 . "\x01\x01"),
        '60 KiB of nothing'      => 'x' x 61441,
    );
    for my $name (sort keys %bad) {
        for my $mechanism (qw(PLAIN XOAUTH2)) {
            my $client = proxy($server->address)->client;
            $client->greeting;
            like $client->ask("AUTH $mechanism $bad{$name}"), qr/^-ERR/, "$name, $mechanism: at once";
            $client->send_line("AUTH $mechanism");
            like $client->line, qr/^\+ /, 'challenge';
            like $client->ask($bad{$name}), qr/^-ERR/, 'and as an answer';
            like $client->quit, qr/^\+OK/, 'the session goes on';
            is_deeply $client->events, refusals(2), 'one line for each';
        }
    }
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'a certificate speaks only for the users it names' => sub {
    plan(skip_all => 'no TLS, or no openssl') if !$has_tls;
    my $ca     = authority();
    my $joe    = identity(name => 'Joe', san => ['email:joe@example.org'], ca => $ca);
    my $server = server();
    my $proxy  = clear_port('stls', $server, '--tls-client-ca', $ca->{certificate});
    my $client = tls_client($proxy, stls => 1, args => [ '-cert', $joe->{certificate}, '-key', $joe->{key} ]);
    $client->greeting;
    like $client->ask('AUTH EXTERNAL ' . b64($_)), qr/^-ERR/, show($_) for "joe\r\nDELE 1", "jo\0e";
    like $client->ask('AUTH EXTERNAL ' . b64('root')), qr/^-ERR \[AUTH\]/, 'another user';
    $client->closes;
    is scalar $server->connections, 0, 'nothing reached the server';
};

done;
