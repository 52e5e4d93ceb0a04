# SPDX-License-Identifier: BSD-2-Clause
#
# Who the client is when another proxy stands in between: the PROXY protocol from a load balancer and
# to a server, and Dovecot's XCLIENT.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tls;
use Socket qw(inet_aton inet_pton AF_INET6);

expect_reason(qw(proxy-header-malformed proxy-header-missing proxy-header-refused server-refused));
expect_log('tls-failed');

my $signature = "\r\n\r\n\0\r\nQUIT\n";
my $v1        = "PROXY TCP4 192.0.2.7 198.51.100.9 40000 110\r\n";

sub v2 {
    my (%option) = @_;
    my $addresses = $option{addresses} // inet_aton('192.0.2.7') . inet_aton('198.51.100.9') . pack 'nn', 40000, 110;
    my $block     = $addresses . ($option{tlvs} // '');
    return $signature . pack('CCn', $option{command} // 0x21, $option{family} // 0x11, $option{length} // length $block)
        . $block;
}

my $v2_six = v2(family => 0x21,
    addresses => inet_pton(AF_INET6, '2001:db8::7') . inet_pton(AF_INET6, '2001:db8::9') . pack 'nn', 40000, 110);

sub balanced {
    my ($kind, @arguments) = @_;
    return proxy('--proxy-protocol', $kind, '--proxy-protocol-from', '10.0.0.0/8, 127.0.0.1', @arguments);
}

scene 'the header\'s addresses count' => sub {
    my %header = (
        'v1'            => [ $v1, '192.0.2.7', '198.51.100.9' ],
        'v1 TCP6'       => [ "PROXY TCP6 2001:db8::7 2001:db8::9 40000 110\r\n", '2001:db8::7', '2001:db8::9' ],
        'v2'            => [ v2(), '192.0.2.7', '198.51.100.9' ],
        'v2 IPv6'       => [ $v2_six, '2001:db8::7', '2001:db8::9' ],
        'v2 with TLVs'  => [ v2(tlvs => pack('Cn', 0xee, 3) . 'abc' . pack 'Cn', 4, 0), '192.0.2.7', '198.51.100.9' ],
        'v1 UNKNOWN'    => [ "PROXY UNKNOWN\r\n", '127.0.0.1', '127.0.0.1' ],
        'v2 LOCAL'      => [ v2(command => 0x20, family => 0, addresses => ''), '127.0.0.1', '127.0.0.1' ],
    );
    my $acp = acp('echo "+OK $PROXY_CLIENT $PROXY_INTERFACE"; exit 0');
    for my $name (sort keys %header) {
        my ($octets, $client_ip, $interface) = @{ $header{$name} };
        my $directory = directory(0777);
        my $client = balanced('yes', '-a', $acp, '-l', $directory, server()->address)->client;
        ok $client->quiet(0.05), "$name: no greeting before the header" if $name eq 'v1';
        $client->send($octets, "USER joe\r\nPASS x\r\n");
        $client->greeting;
        like $client->line, qr/^\+OK/, "$name: USER directly after the header";
        is $client->line, "+OK $client_ip $interface", 'the acp is told';
        like $client->line, qr/^\+OK/, 'login';
        $client->quit;
        my $line = $client->session_line;
        is $line->{client}, $client_ip, 'client in the log';
        is $line->{via}, '127.0.0.1', 'and who said so';
        ok -e "$directory/$client_ip", 'client log';
    }
};

scene 'in single octets' => sub {
    for my $octets ($v1, v2()) {
        my $client = balanced('yes', server()->address)->client;
        $client->send($_) for split //, $octets;
        like $client->greeting, qr/^\+OK/, 'complete';
        $client->quit;
        is $client->session_line->{client}, '192.0.2.7', 'client';
    }
};

scene 'anything but a header ends the session without a reply' => sub {
    my $server = server();
    my %bad = (
        'none'                => "USER joe\r\nPASS x\r\n",
        'QUIT'                => "QUIT\r\n",
        'TLS'                 => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        'lower case'          => lc $v1,
        'LF alone'            => $v1 =~ s/\r//r,
        '108 octets'          => 'PROXY UNKNOWN ' . 'x' x 92 . "\r\n",
        'no such address'     => "PROXY TCP4 192.0.2.777 198.51.100.9 40000 110\r\n",
        'port too large'      => "PROXY TCP4 192.0.2.7 198.51.100.9 70000 110\r\n",
        'two blanks'          => "PROXY TCP4  192.0.2.7 198.51.100.9 40000 110\r\n",
        'a port of 0 digits'  => "PROXY TCP4 192.0.2.7 198.51.100.9  110\r\n",
        'a NUL'               => $v1 =~ s/TCP4/TCP4\0/r,
        'v2, nothing'         => v2(length => 0),
        'v2, too short'       => v2(length => 4),
        'v2, one too short'   => v2(length => 11),
        'v2, IPv6 in IPv4\'s' => v2(family => 0x21),
        'v2, the USER in it'  => v2(length => 12 + 10),
        'v2, TLV too long'    => v2(tlvs => pack('Cn', 1, 200) . 'abc'),
        'v2, 64 KiB'          => v2(length => 65535),
        'v2, version 3'       => v2(command => 0x31),
        'v2, unknown command' => v2(command => 0x22),
        'v2, unknown family'  => v2(family => 0x51),
    );
    for my $name (sort keys %bad) {
        my $client = balanced('yes', $server->address)->client;
        $client->send($bad{$name}, "USER joe\r\nPASS x\r\n");
        is $client->rest, '', $name;
        is $client->session_line->{reason}, 'proxy-header-malformed', 'reason';
        is_deeply $client->events, ['session'], 'one line in the log';
    }
    for my $cut (1, 20, length($v1) - 1) {
        my $client = balanced('yes', $server->address)->client;
        $client->send(substr $v1, 0, $cut)->half_close;
        is $client->rest, '', "cut after $cut octets";
        is $client->session_line->{reason}, 'proxy-header-malformed', 'reason';
    }
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'a header shorter than it says' => sub {
    my $server = server();
    my $client = balanced('yes', qw(--login-timeout 1), $server->address)->client;
    $client->send(v2(length => 300));
    is $client->rest, '', 'is waited for in vain';
    is $client->session_line->{reason}, 'proxy-header-missing', 'reason';
    $client = balanced('yes', $server->address)->client;
    $client->send($v1, $v1, "QUIT\r\n");
    $client->greeting;
    is $client->rest, "-ERR PROXY headers are not accepted from this address\r\n", 'a second header ends the session';
    is $client->session_line->{client}, '192.0.2.7', 'the first one counts';
    is $client->session_line->{reason}, 'proxy-header-refused', 'reason';
    is scalar $server->connections, 0, 'nothing reached the server';
};

scene 'only the version that is set' => sub {
    for my $pair ([ 'v1', v2() ], [ 'v2', $v1 ]) {
        my $client = balanced($pair->[0], server()->address)->client;
        $client->send($pair->[1]);
        is $client->rest, '', "$pair->[0]: the other is refused";
    }
    for my $pair ([ 'v1', $v1 ], [ 'v2', v2() ]) {
        my $client = balanced($pair->[0], server()->address)->client;
        $client->send($pair->[1]);
        like $client->greeting, qr/^\+OK/, "$pair->[0]: taken";
        $client->quit;
    }
};

scene 'addresses that may not send a header' => sub {
    my $server = server();
    my $proxy  = proxy(qw(--proxy-protocol yes --proxy-protocol-from 10.0.0.0/8), $server->address);
    my $client = $proxy->client;
    $client->greeting;
    $client->quit;
    my %header = ('version 1' => $v1, 'version 1, unknown' => "PROXY UNKNOWN\r\n", 'version 1, malformed' => "PROXY me\r\n",
        'version 2' => v2());
    for my $version (sort keys %header) {
        $client = $proxy->client;
        $client->greeting;
        $client->send("$header{$version}USER joe\r\nPASS x\r\n");
        is $client->rest, "-ERR PROXY headers are not accepted from this address\r\n", "$version: told and closed";
        is $client->session_line->{client}, '127.0.0.1', 'not believed';
        is $client->session_line->{reason}, 'proxy-header-refused', 'reason';
        is_deeply $client->events, ['session'], 'one line in the log';
    }
    like $proxy->client->login->quit, qr/^\+OK/, 'without one they are served';
    is scalar $server->connections, 1, 'nothing else reached the server';
    $client = proxy($server->address)->client;
    $client->greeting;
    is $client->send($v1)->rest, "-ERR PROXY headers are not accepted from this address\r\n", 'nor where it is not set';
    is $client->session_line->{reason}, 'proxy-header-refused', 'reason';
};

scene 'a header that does not come' => sub {
    my $patient = balanced('yes', server()->address)->client;
    my $client  = balanced('yes', qw(--login-timeout 1), server()->address)->client;
    $client->send('PROXY TCP4 ');
    is $client->rest, '', 'at the login limit, if that comes first: nothing is said';
    is $client->session_line->{reason}, 'proxy-header-missing', 'reason';
    ok $patient->is_open, 'one that came before, with more time for its login, has not ended yet';
    is $patient->rest, '', 'but does at a limit of its own';
    is $patient->session_line->{reason}, 'proxy-header-missing', 'reason';
    $client = balanced('yes', server()->address)->client->half_close;
    is $client->rest, '', 'a load balancer that only looks';
    is $client->session_line->{reason}, 'client-closed', 'is no fault';
};

scene 'TLS begins after the header' => sub {
    plan(skip_all => 'no TLS, or no openssl') if !features()->{tls} || !has_openssl();
    my $identity = identity(name => 'localhost');
    my $server = server();
    my $proxy  = balanced('yes', qw(--tls implicit --tls-certificate), $identity->{both}, $server->address);
    my $relay  = server(script => 1, anything_goes => 1);       # the load balancer
    my $client = tls_client($relay->port);
    my ($near, $far) = ($relay->connection, $proxy->client);
    $far->send(v2());
    $near->{on_input} = sub { $far->send($near->{in});  $near->{in} = '' };
    $far->{on_input}  = sub { $near->send($far->{in}); $far->{in} = ''; $near->close_when_sent if $far->{eof} };
    $near->{on_input}->();
    like $client->login->quit, qr/^\+OK/, 'a session';
    my $line = $far->session_line;
    is $line->{client}, '192.0.2.7', 'client';
    like $line->{tls}, qr/^TLS/, 'TLS';
};

scene 'the header sent to the server' => sub {
    my %expected = (
        v1 => qr/\APROXY TCP4 192\.0\.2\.7 198\.51\.100\.9 40000 110\r\n\z/,
        v2 => qr/\A\Q$signature\E\x21\x11..\xc0\x00\x02\x07\xc6\x33\x64\x09\x9c\x40\x00\x6e\x05\x00.[0-9a-f-]+\z/s,
    );
    for my $version (sort keys %expected) {
        my $server = server(script => 1, anything_goes => 1);
        my $client = balanced('yes', '--send-proxy-protocol', $version, $server->address)->client;
        $client->send($v1);
        $client->greeting;
        $client->ask('USER joe');
        $client->send_line('PASS x');
        my $connection = $server->connection;
        wait_until(sub { $connection->{in} =~ $expected{$version} });
        like $connection->{in}, $expected{$version}, "$version: before the server's greeting";
        $connection->{in} = '';
        $connection->admit;
        like $client->line, qr/^\+OK/, 'login';
        $client->close;
    }
};

scene 'the header before TLS from the first octet' => sub {
    plan(skip_all => 'no TLS, or no openssl') if !features()->{tls} || !has_openssl();
    expect_log('tls-failed');
    expect_reason('tls-failed');
    my $proxy = proxy(qw(--tls implicit --tls-certificate), identity(name => 'x')->{both}, server()->address);
    my %first = (
        'version 1'               => [ 'proxy-header-refused', $v1 ],
        'version 2'               => [ 'proxy-header-refused', v2() ],
        'version 2, in pieces'    => [ 'proxy-header-refused', "\r\n\r", "\n\0\r", "\nQUI", "T\n\x21\x11" ],
        'no header'               => [ 'tls-failed', "\r\n\r\nQUIT\r\n\r\n" ],
        'too little to be one'    => [ 'tls-failed', 'PROX' ],
    );
    for my $name (sort keys %first) {
        my ($reason, @pieces) = @{ $first{$name} };
        my $client = $proxy->client;
        for my $piece (@pieces) {
            $client->send($piece);
            pause(0.02);
        }
        $client->half_close;
        is $client->rest =~ s/\A\x15.*//sr, '', "$name: nothing but an alert";
        is $client->session_line->{reason}, $reason, $reason;
    }
};

scene 'what a header says about TLS' => sub {
    plan(skip_all => 'no TLS, or no openssl') if !features()->{tls} || !has_openssl();
    my $server = server(script => 1, anything_goes => 1);
    my $proxy  = proxy(qw(--tls implicit --send-proxy-protocol v2 --tls-certificate), identity(name => 'x')->{both},
        $server->address);
    my $client = tls_client($proxy, args => [qw(-servername pop.example.org)]);
    $client->greeting;
    $client->ask('USER joe');
    $client->send_line('PASS x');
    my $connection = $server->connection;
    wait_until(sub { $connection->{in} =~ /pop\.example\.org/ && $connection->{in} =~ /TLSv1/ });
    like $connection->{in}, qr/\x20\x00.\x01\x00\x00\x00\x01\x21\x00\x07TLSv1\.3/s, 'the version';
    like $connection->{in}, qr/\x02\x00\x0fpop\.example\.org/, 'the name asked for';
    $connection->{in} = '';
    $connection->admit;
    $client->line;
    $client->close;
};

scene 'XCLIENT' => sub {
    my $server = server(greeting => '+OK [XCLIENT] ready', anything_goes => 1, on => { XCLIENT => "+OK Updated\r\n" });
    my $client = balanced('yes', '--send-xclient', $server->address)->client;
    $client->send($v1);
    $client->login->quit;
    like + ($server->lines)[0], qr/^XCLIENT ADDR=192\.0\.2\.7 PORT=40000 SESSION=[0-9a-f-]+$/, 'sent';
    is + ($server->lines)[1], 'USER joe', 'before USER';

    $server = server(greeting => '+OK [XCLIENT] ready', anything_goes => 1, on => { XCLIENT => "-ERR not you\r\n" });
    $client = proxy('--send-xclient', $server->address)->client;
    like $client->try_login, qr/^-ERR \[SYS\/TEMP\]/, 'refused';
    is $client->session_line->{text}, '"-ERR not you"', 'the server\'s words';
    ok !$server->saw('^USER'), 'nothing follows';

    for my $case ([ '+OK ready', '--send-xclient' ], ['+OK [XCLIENT] ready']) {
        my ($greeting, @option) = @$case;
        $server = server(greeting => $greeting);
        proxy(@option, $server->address)->client->login->quit;
        ok !$server->saw('^XCLIENT'), "not sent: $greeting @option";
    }
};

scene 'mistakes in the settings' => sub {
    for my $bad ([qw(--proxy-protocol yes)], [qw(--proxy-protocol-from 10.0.0.1)],
        [qw(--proxy-protocol yes --proxy-protocol-from 10.0.0.1/8)], [qw(--proxy-protocol v3)],
        [qw(--proxy-protocol yes --proxy-protocol-from localhost)]) {
        my $result = run([ program(), @$bad, 'localhost' ]);
        is exit_code($result->{status}), 64, "@$bad";
    }
};

done;
