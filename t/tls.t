# SPDX-License-Identifier: BSD-2-Clause
#
# TLS with the client: STLS, TLS from the first octet, required TLS, which certificate is shown, and
# what must not come right before or after the switch.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tls;

plan(skip_all => 'TLS is not built in') if !features()->{tls};
plan(skip_all => 'openssl is missing')  if !has_openssl();

expect_log('tls-failed');
expect_reason('stls-injection');

my $first  = identity(name => 'pop.example.org', san => ['DNS:pop.example.org'], key => 'rsa');
my $second = identity(name => 'other.example.net', san => [ 'DNS:other.example.net', 'DNS:*.wild.example.net' ]);
my $twin   = identity(name => 'pop.example.org', san => ['DNS:pop.example.org']);

sub tls_proxy {
    my ($tls, $server, @more) = @_;
    return proxy('--tls', $tls, '--tls-certificate', $first->{both}, @more, $server->address);
}

sub session_lines { return map { $_->{f} } log_lines('session') }

# The last session line, after its client is gone.
sub last_session {
    my $before = shift;
    wait_until(sub { session_lines() > $before }) or die "no session line\n";
    return (session_lines())[-1];
}

scene 'STLS, then a session' => sub {
    my $server = server(messages => [ message(300_000) ]);
    my $before = session_lines();
    my $client = tls_client(tls_proxy('stls', $server), stls => 1)->login;
    my ($status, $body) = $client->fetch('RETR 1');
    is $body, $server->{messages}[0] =~ s/^\./../mgr, 'a large message, as it is';
    like $client->quit, qr/^\+OK/, 'QUIT';
    my $line = last_session($before);
    like $line->{tls}, qr/^TLSv1\.3,TLS_AES_128_GCM/, 'version and cipher in the log';
    is $line->{reason}, 'quit', 'reason';
};

scene 'TLS from the first octet' => sub {
    my $server = server();
    my $before = session_lines();
    my $client = tls_client(tls_proxy('implicit', $server), args => [qw(-servername pop.example.org)])->login;
    like $client->ask('STLS'), qr/^-ERR/, 'STLS is refused there';
    like $client->quit, qr/^\+OK/, 'QUIT';
    is last_session($before)->{sni}, 'pop.example.org', 'SNI in the log';
};

scene 'both over pipes and with TLS 1.2' => sub {
    my $server = server();
    my $before = session_lines();
    tls_client(tls_proxy('implicit', $server), args => ['-tls1_2'])->login->quit;
    like last_session($before)->{tls}, qr/^TLSv1\.2,ECDHE-RSA-AES128-GCM/, 'cipher';
};

scene 'CAPA and the refusals before and after STLS' => sub {
    my %capa;
    for my $tls (qw(no stls required)) {
        my $client = proxy('--tls', $tls, '--tls-certificate', $first->{both}, server()->address)->client;
        $client->greeting;
        $capa{$tls} = { map { $_ => 1 } split /\r\n/, ($client->fetch('CAPA'))[1] };
        $client->quit;
    }
    ok !$capa{no}{STLS},       'no: no STLS';
    ok $capa{no}{USER},        'no: USER';
    ok $capa{stls}{STLS},      'stls: STLS';
    ok $capa{stls}{USER},      'stls: USER';
    ok $capa{required}{STLS},  'required: STLS';
    ok !$capa{required}{USER}, 'required: no USER';

    my $server = server();
    my $proxy  = tls_proxy('required', $server);
    my $client = $proxy->client;
    $client->greeting;
    like $client->ask('USER joe'), qr/^-ERR/, 'required: USER is refused in the clear';
    like $client->ask('PASS x'),   qr/^-ERR/, 'and PASS';
    $client->quit;
    $client = tls_client($proxy, stls => 1);
    my %after = map { $_ => 1 } split /\r\n/, ($client->fetch('CAPA'))[1];
    ok $after{USER}, 'USER after STLS';
    ok !$after{STLS}, 'no STLS after STLS';
    $client->login;
    my %trans = map { $_ => 1 } split /\r\n/, ($client->fetch('CAPA'))[1];
    ok $trans{USER} && !$trans{STLS}, 'the same after the login';
    like $client->ask('STLS'), qr/^-ERR/, 'STLS after the login';
    like $client->quit, qr/^\+OK/, 'QUIT';
    is scalar $server->connections, 1, 'one login reached the server';

    $client = proxy(server()->address)->client;
    $client->greeting;
    like $client->ask('STLS'), qr/^-ERR/, 'STLS without TLS';
    $client->quit;
};

scene 'octets after STLS end the session' => sub {
    my $server = server();
    for my $more ("USER evil\r\n", "\x16", "\n") {
        my $client = tls_proxy('stls', $server)->client;
        $client->greeting;
        $client->send("STLS\r\n$more");
        like $client->rest, qr/\A-ERR [^\r]*\r\n\z/, show($more);
        is $client->session_line->{reason}, 'stls-injection', 'reason';
    }
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'a USER before STLS is forgotten' => sub {
    my $server = server();
    my $proxy  = tls_proxy('stls', $server);
    my $relay  = server(script => 1, anything_goes => 1);           # carries octets between s_client and the proxy
    my $client = tls_client($relay->port, stls => 1);
    my $near   = $relay->connection;
    my $far    = $proxy->client;
    $near->send($far->greeting . "\r\n");
    is $near->line, 'STLS', 's_client begins';
    like $far->ask('USER evil'), qr/^\+OK/, 'a man in the middle says USER';
    $far->send_line('STLS');
    $near->send($far->line . "\r\n");
    $_->{in} = '' for $near, $far;
    $near->{on_input} = sub { $far->send($near->{in});  $near->{in} = ''; $far->half_close if $near->{eof} };
    $far->{on_input}  = sub { $near->send($far->{in}); $far->{in} = ''; $near->close_when_sent if $far->{eof} };
    like $client->ask('PASS x'), qr/^-ERR/, 'PASS without USER';
    like $client->quit, qr/^\+OK/, 'QUIT';
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'broken handshakes' => sub {
    my $server = server();
    for my $octets ("USER joe\r\nPASS x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x00\x05hello", '') {
        my $client = tls_proxy('implicit', $server)->client;
        $client->send($octets)->half_close;
        unlike $client->rest, qr/^[-+]/, 'no POP3 in the clear: ' . show($octets);
        is $client->session_line->{reason}, 'tls-failed', 'reason';
        is_deeply $client->events, [qw(tls-failed session)], 'one line says why';
    }
    my $client = tls_proxy('stls', $server)->client;
    $client->greeting;
    like $client->ask('STLS'), qr/^\+OK Begin TLS/, 'STLS';
    $client->send("USER joe\r\n");
    unlike $client->rest, qr/^[-+]/, 'no POP3 after a failed STLS';
    is $client->session_line->{reason}, 'tls-failed', 'reason';
    is_deeply $client->events, [qw(tls-failed session)], 'one line says why';
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'a silent handshake ends at the login limit' => sub {
    my $server = server();
    my $client = tls_proxy('implicit', $server, qw(--login-timeout 1))->client;
    is $client->rest, '', 'without a word';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
};

scene 'TLS to a port that begins in the clear' => sub {
    my $client = tls_proxy('stls', server())->client;
    $client->greeting;
    $client->send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n\n");
    like $client->rest, qr/\A-ERR [^\r]*\r\n\z/, 'is told and closed';
    is $client->session_line->{reason}, 'tls-to-clear-port', 'reason';
};

scene 'HTTP to a port that begins in the clear' => sub {
    my $server = server();
    my $client = tls_proxy('stls', $server)->client;
    $client->greeting;
    $client->send("POST / HTTP/1.1\r\nHost: x\r\nA: b\r\nB: c\r\nC: d\r\n\r\nUSER joe\r\nPASS x\r\n");
    is $client->rest, "-ERR this is a POP3 server\r\n", 'is told and closed';
    is $client->session_line->{reason}, 'not-pop3', 'reason';
    is scalar grep({ /^PASS/ } $server->lines), 0, 'no login';
};

scene 'an end without close_notify is not a QUIT' => sub {
    for my $half ('QUI', "QUIT\r", 'DELE 1') {
        my $server = server(messages => [ message(1000) ]);
        my $before = session_lines();
        my $client = tls_client(tls_proxy('stls', $server), stls => 1)->login;
        like $client->ask('DELE 1'), qr/^\+OK/, 'DELE';
        $client->send($half);
        $client->sent;
        pause(0.1);
        $client->crash;
        my $line = last_session($before);
        is $line->{reason}, 'client-lost', "reason after " . show($half);
        is $line->{commit}, 'lost', 'nothing was committed';
        ok !$server->saw('^QUIT'), 'no QUIT reached the server';
    }
    my $server = server(messages => [ message(8_000_000) ]);
    my $before = session_lines();
    my $client = tls_client(tls_proxy('stls', $server), stls => 1)->login;
    $client->hold->send_line('RETR 1');
    $server->wait_line('^RETR 1');
    pause(0.1);
    $client->crash;
    is last_session($before)->{reason}, 'client-lost', 'in the middle of RETR';
    ok !$server->saw('^QUIT'), 'no QUIT reached the server';
};

# The proxy reads its close_notify before the first reply that does not reach it.
scene 'a QUIT before close_notify is served although the client is gone' => sub {
    my $server = server(messages => [ map { message(100) } 1 .. 3 ], on => { STAT => '' });
    my $before = session_lines();
    my $client = tls_client(tls_proxy('stls', $server), stls => 1, args => ['-no_ign_eof'])->login;
    $client->send_line('STAT');
    $server->wait_line(qr/^STAT/);
    $client->send("DELE 1\r\nDELE 2\r\nDELE 3\r\nQUIT\r\n")->half_close;
    ok defined $client->{s_client}->wait, 'it has said goodbye and closed';
    ($server->connections)[-1]->send("+OK 3 300\r\n");
    my $line = last_session($before);
    is_deeply $server->{committed}, [ 1, 2, 3 ], 'committed';
    is "$line->{reason} $line->{commit}", 'quit ok', 'in the log';
};

sub shown_name {
    my ($proxy, @arguments) = @_;
    my $client = tls_client($proxy, commands => 1, args => \@arguments);
    wait_until(sub { $client->{all} =~ /^\+OK/m });
    $client->send_line('QUIT') ;
    $client->rest;
    my ($name) = $client->{all} =~ /^subject=.*?CN = (\S+)/m;
    return $name;
}

scene 'the certificate is chosen by SNI and by kind of key' => sub {
    my $list = join ',', map { $_->{certificate} } $first, $second, $twin;
    my $keys = join ',', map { $_->{key} } $first, $second, $twin;
    my $server = server();
    my $proxy  = proxy('--tls', 'implicit', '--tls-certificate', $list, '--tls-key', $keys, $server->address);
    is shown_name($proxy, '-servername', $_->[0]), $_->[1], "$_->[0]"
        for [ 'pop.example.org', 'pop.example.org' ], [ 'OTHER.example.net', 'other.example.net' ],
        [ 'a.wild.example.net', 'other.example.net' ], [ 'a.b.wild.example.net', 'pop.example.org' ],
        [ 'wild.example.net', 'pop.example.org' ], [ 'unknown.example', 'pop.example.org' ];
    is shown_name($proxy, '-noservername'), 'pop.example.org', 'none';
    for my $kind (qw(RSA ECDSA)) {
        my $before = session_lines();
        tls_client($proxy, args => [ '-tls1_2', '-cipher', "ECDHE+a$kind" ])->login->quit;
        like last_session($before)->{tls}, qr/-$kind-/, "both kinds for one name: $kind";
    }
};

scene 'a directory of certificates' => sub {
    my $directory = directory();
    write_file("$directory/b.pem", read_file($second->{both}));
    write_file("$directory/a.crt", read_file($first->{certificate}));
    write_file("$directory/a.key", read_file($first->{key}));
    write_file("$directory/README", 'not one');
    my $proxy = proxy('--tls', 'implicit', '--tls-certificate', $directory, server()->address);
    is shown_name($proxy, '-servername', 'other.example.net'), 'other.example.net', 'by name';
    is shown_name($proxy, '-noservername'), 'pop.example.org', 'the first by file name is the default';
};

scene 'ALPN' => sub {
    my $proxy = tls_proxy('implicit', server());
    tls_client($proxy, args => [ '-alpn', 'h2,pop3' ])->login->quit;
    pass 'pop3 among others';
    my $before = session_lines();
    my $client = tls_client($proxy, args => [qw(-alpn imap)]);
    is $client->rest, '', 'another is refused';
    is last_session($before)->{reason}, 'tls-failed', 'reason';
};

scene 'oldest version and ciphers' => sub {
    my $proxy = tls_proxy('implicit', server(), qw(--tls-min-version 1.3));
    is tls_client($proxy, args => ['-tls1_2'])->rest, '', 'TLS 1.2 is refused with tls_min_version = 1.3';
    $proxy = tls_proxy('implicit', server());
    is tls_client($proxy, args => [ '-tls1_1', '-cipher', 'ALL@SECLEVEL=0' ])->rest, '', 'TLS 1.1 is always refused';
    $proxy = tls_proxy('implicit', server(), '--tls-ciphers', 'ECDHE+CHACHA20:TLS_CHACHA20_POLY1305_SHA256');
    for my $version (qw(-tls1_2 -tls1_3)) {
        my $before = session_lines();
        tls_client($proxy, args => [$version])->login->quit;
        like last_session($before)->{tls}, qr/CHACHA20/, "ciphers as set, $version";
    }
};

scene 'programs without authenticated encryption' => sub {
    my $proxy = proxy(qw(--tls implicit --tls-certificate), "$first->{both},$twin->{both}", server()->address);
    for my $cipher (qw(ECDHE-RSA-AES128-SHA256 ECDHE-RSA-AES256-SHA ECDHE-ECDSA-AES128-SHA)) {
        my $before = session_lines();
        tls_client($proxy, args => [ '-tls1_2', '-cipher', $cipher ])->login->quit;
        like last_session($before)->{tls}, qr/^TLSv1\.2,$cipher$/, $cipher;
    }
    my $before = session_lines();
    tls_client($proxy, args => [ '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384' ])->login->quit;
    like last_session($before)->{tls}, qr/GCM/, 'GCM comes first, whatever the client prefers';
    is tls_client($proxy, args => [ '-tls1_2', '-cipher', 'AES128-SHA' ])->rest, '', 'without forward secrecy: refused';
    $proxy = tls_proxy('implicit', server(), '--tls-ciphers', 'ECDHE+AESGCM:ECDHE+CHACHA20');
    is tls_client($proxy, args => [ '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA' ])->rest, '', "the manual's way to leave them out";
};

scene 'TLS 1.0 and 1.1 for old devices' => sub {
    expect_log('configuration');
    for my $oldest (qw(1.0 1.1)) {
        my $proxy = tls_proxy('implicit', server(), '--tls-min-version', $oldest);
        for my $version (qw(1.0 1.1 1.2)) {
            my $before = session_lines();
            my @args   = ($version eq '1.0' ? '-tls1' : '-tls' . $version =~ tr/./_/r, '-cipher', 'ALL@SECLEVEL=0');
            if ($version lt $oldest) {
                is tls_client($proxy, args => \@args)->rest, '', "$version is refused with $oldest";
                next;
            }
            tls_client($proxy, args => \@args)->login->quit;
            like last_session($before)->{tls}, $version eq '1.0' ? qr/^TLSv1,/ : qr/^TLSv$version,/, "$version is spoken with $oldest";
        }
        tls_client($proxy, args => [ '-tls1_1', '-cipher', 'AES128-SHA@SECLEVEL=0' ])->login->quit;
        my $told = run([ program(), '-T', '-b', '127.0.0.1:0', qw(--tls implicit --tls-certificate), $first->{both},
            '--tls-min-version', $oldest, '127.0.0.1' ]);
        like $told->{err}, qr/^warning: .*tls_min_version = \Q$oldest\E: TLS 1.0 and 1.1 are not secure \(RFC 8996\); let only clients use/m, 'and warned of';
    }
};

scene 'renegotiation is refused' => sub {
    my $server = server();
    my $before = session_lines();
    my $proxy  = tls_proxy('implicit', $server);
    my $client = tls_client($proxy, commands => 1, args => ['-tls1_2']);
    wait_until(sub { $client->{all} =~ /^\+OK/m });
    $client->send("R\n");
    $client->rest;
    like $client->told, qr/no renegotiation|handshake failure|unexpected message/i, 'said the proxy';
    is last_session($before)->{reason}, 'client-lost', 'the client gave up';
    is_deeply [ map { $_->{event} } grep { $_->{pid} == ($proxy->processes)[-1]->pid } log_lines() ],
        [qw(tls-failed session)], 'one line says why';
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'a client certificate' => sub {
    my $ca     = authority();
    my $joe    = identity(name => 'Joe', san => ['email:joe@example.org'], ca => $ca);
    my $rogue  = identity(name => 'Rogue', san => ['email:joe@example.org']);
    my $acp    = acp('echo "+OK $PROXY_TLS $PROXY_CERTIFICATE"; exit 0');
    my @more   = ('--tls-client-ca', $ca->{certificate}, '-a', $acp);
    my $server = server();
    my $before = session_lines();
    my $client = tls_client(tls_proxy('implicit', $server, @more),
        args => [ '-cert', $joe->{certificate}, '-key', $joe->{key} ]);
    $client->greeting;
    $client->ask('USER joe');
    like $client->ask('PASS x'), qr/^\+OK TLSv1\.3,TLS_\S+ joe\@example\.org$/, 'version and name in the environment';
    like $client->line, qr/^\+OK/, 'login';
    $client->quit;
    is last_session($before)->{certificate}, 'joe@example.org', 'name in the log';
    tls_client(tls_proxy('implicit', $server, @more[ 0, 1 ]))->login->quit;
    pass 'it is optional';
    $before = session_lines();
    $client = tls_client(tls_proxy('implicit', $server, @more),
        args => [ '-cert', $rogue->{certificate}, '-key', $rogue->{key} ]);
    is $client->rest, '', 'a bad one is refused';
    is last_session($before)->{reason}, 'tls-failed', 'reason';
};

scene 'an OCSP response is stapled' => sub {
    my $ca    = authority();
    my $known = identity(name => 'pop.example.org', san => ['DNS:pop.example.org'], ca => $ca);
    my $proxy = proxy('--tls', 'implicit', '--tls-certificate', $known->{both}, '--tls-ocsp',
        revocation($known, $ca), server()->address);
    my $client = tls_client($proxy, commands => 1, args => ['-status']);
    wait_until(sub { $client->{all} =~ /^\+OK/m });
    $client->close;
    like $client->{all}, qr/OCSP Response Status: successful/, 'the client sees it';
};

scene 'mistakes are reported at the start' => sub {
    my $text = write_file(directory() . '/text', "no certificate\n");
    my %mistake = (
        'no certificate'  => [ [ qw(--tls stls) ], qr/tls_certificate/ ],
        'no tls'          => [ [ '--tls-certificate', $first->{both} ], qr/needs tls/ ],
        'no file'         => [ [ qw(--tls stls --tls-certificate /nowhere) ], qr{/nowhere: No such file} ],
        'not PEM'         => [ [ qw(--tls stls --tls-certificate), $text ], qr/\Q$text\E: not a certificate/ ],
        'no key'          => [ [ qw(--tls stls --tls-certificate), $first->{certificate} ], qr/\Q$first->{certificate}\E: there is no private key in this file; set tls_key = FILE/ ],
        'a foreign key'   => [ [ qw(--tls stls --tls-certificate), $first->{certificate}, '--tls-key', $second->{key} ],
            qr/not the key|private key/ ],
        'too few keys'    => [ [ qw(--tls stls --tls-certificate), join(',', map { $_->{both} } $first, $second),
            '--tls-key', $first->{key} ], qr/2 certificates and 1 key: give one key for each$/m ],
        'ciphers'         => [ [ qw(--tls stls --tls-certificate), $first->{both}, qw(--tls-ciphers NONSENSE) ],
            qr/tls_ciphers/ ],
        'a relative path' => [ [ qw(--tls stls --tls-certificate x.pem) ], qr/absolute/ ],
        'OCSP'            => [ [ qw(--tls stls --tls-certificate), $first->{both}, '--tls-ocsp', $text ], qr/OCSP/ ],
        'CA'              => [ [ qw(--server-tls stls --server-tls-ca /nowhere) ], qr{/nowhere: No such file} ],
    );
    for my $name (sort keys %mistake) {
        my ($arguments, $pattern) = @{ $mistake{$name} };
        my $result = run([ program(), @$arguments, 'localhost' ]);
        is exit_code($result->{status}), 64, "$name: exit code";
        like $result->{err}, $pattern, "$name: message";
        is scalar(() = $result->{err} =~ /\n/g), 1, "$name: one line";
    }
};

done;
