# SPDX-License-Identifier: BSD-2-Clause
#
# The login at the server: what is passed on, what a refusal looks like and that it ends the session,
# what the client is told about failures that are not the user's fault, and that a broken server is
# never taken for a login.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Server;

expect_reason(qw(server-refused server-bad-reply server-closed server-lost server-unsolicited connect-failed));

my $own = qr/^-ERR \[SYS\/TEMP\] ./;

# A load balancer may look for these words: they are in the manual of HAProxy.
scene 'the greeting' => sub {
    my $client = proxy(server()->address)->client;
    is $client->line, '+OK POP3 ready', 'is what checks expect';
    $client->quit;
};

scene 'credentials arrive as they were given' => sub {
    my $server = server();
    for my $pair ([ 'joe', 'x' ], [ 'joe@example.org', 'two words ' ], [ 'a b', ' leading' ], [ 'x' x 200, 'y' x 200 ],
        [ '%s%n', '$(id) `id` \\ "\'' ], [ 'joe', '~!@#^&*()_+=-[]{}|;:,.<>/?' ]) {
        my ($user, $password) = @$pair;
        like proxy($server->address)->client->login($user, $password)->quit, qr/^\+OK/, 'session';
        my @lines = ($server->connections)[-1]->lines;
        is_deeply [ @lines[ 0, 1 ] ], [ "USER $user", "PASS $password" ], 'what the server saw';
    }
};

scene 'an 8-bit password is not changed' => sub {
    my $server = server();
    my $client = proxy($server->address)->client;
    my $reply  = $client->try_login('joe', secret("p\xc3\xa4ss\xff"));
    like $reply, qr/^\+OK/, 'is taken';
    is + ($server->lines)[1], "PASS p\xc3\xa4ss\xff", 'and passed on';
    $client->quit;
};

scene 'an 8-bit login name is not changed' => sub {
    my $server = server();
    my $client = proxy($server->address)->client->login("j\xc3\xb6rg\xff");
    is + ($server->lines)[0], "USER j\xc3\xb6rg\xff", 'and passed on';
    $client->quit;
    is $client->session_line->{user}, 'j\xc3\xb6rg\xff', 'the log escapes it';
    for my $name ("j\xf6\x01", "j\xf6\x7f") {
        $client = proxy($server->address)->client;
        $client->greeting;
        like $client->ask("USER $name"), qr/^-ERR invalid characters/, show($name) . ': control octets stay forbidden';
        $client->quit;
    }
};

scene 'the replies of a login' => sub {
    my $client = proxy(server(on => { PASS => "+OK joe has 2 messages\r\n" })->address)->client->login;
    is $client->{pass_reply}, '+OK joe has 2 messages', 'the server\'s +OK passes through';
    $client->quit;
    $client = proxy(server(on => { PASS => "+OK\r\n" })->address)->client->login;
    is $client->{pass_reply}, '+OK', 'also a bare one';
    $client->quit;
};

scene 'a refused login ends the session' => sub {
    for my $verb ('USER', 'PASS') {
        my $server = server(on => { $verb => "-ERR no such thing\r\n" });
        my $client = proxy($server->address)->client;
        is $client->try_login, '-ERR [AUTH] bad login', "refused at $verb: a refusal of our own";
        ok $client->closes, 'and the end';
        is $client->session_line->{reason}, 'login-refused', 'reason';
        ok wait_until(sub { ($server->connections)[0]{eof} }), 'the server connection is closed';
        ok !$server->saw(qr/^QUIT/i), 'without QUIT';
    }
    my @seen = map {
        my $client = proxy(server(on => { $_ => "-ERR $_ is wrong\r\n" })->address)->client;
        $client->greeting;
        $client->send("USER joe\r\nPASS x\r\n");
        $client->rest;
    } 'USER', 'PASS';
    is $seen[0], $seen[1], 'a wrong user and a wrong password look the same';
};

scene 'a response code of the server is passed on' => sub {
    for my $refusal ('-ERR [AUTH] wrong', '-ERR [IN-USE] locked', '-ERR [SYS/TEMP] later', '-ERR [LOGIN-DELAY] too soon',
        '-ERR [SYS/PERM] never') {
        my $client = proxy(server(on => { PASS => "$refusal\r\n" })->address)->client;
        is $client->try_login, $refusal, $refusal;
        ok $client->closes, 'end';
        is $client->session_line->{reason}, $refusal =~ /AUTH/ ? 'login-refused' : 'login-unavailable', 'reason';
    }
};

scene 'commands after a refused login are not served' => sub {
    my $server = server(on => { PASS => "-ERR no\r\n" });
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->send("USER joe\r\nPASS x\r\nSTAT\r\nQUIT\r\n");
    like $client->rest, qr/\A\+OK[^\r\n]*\r\n-ERR [^\r\n]*\r\n\z/, 'two replies';
    is_deeply [ map { /^(\w+)/ } $server->lines ], [ 'USER', 'PASS' ], 'the server saw nothing after PASS';
};

scene 'no server listens' => sub {
    my $gone = server();
    my $address = $gone->address;
    $gone->close;
    my $client = proxy('--connect-timeout', 60, $address)->client;
    like $client->try_login, $own, 'refused connection';
    ok $client->closes, 'end';
    is $client->session_line->{reason}, 'connect-failed', 'reason';
};

scene 'malformed greetings' => sub {
    my %greeting = (
        '-ERR busy'        => "-ERR too busy\r\n",
        'garbage'          => "220 mail.example ESMTP\r\n",
        'lower case'       => "+ok ready\r\n",
        'IMAP'             => "* OK ready\r\n",
        'a blank first'    => " +OK\r\n",
        'empty'            => "\r\n",
        'NUL'              => "\0+OK\r\n",
        'TLS'              => "\x15\x03\x01\x00\x02\x02\x0a\r\n",
        'bare LF'          => "+OK ready\n",
        'endless'          => '+OK ' . 'x' x 100_000,
        'two lines'        => "+OK ready\r\n+OK\r\n",
        'nothing at all'   => '',
        'half a line'      => '+OK rea',
    );
    for my $name (sort keys %greeting) {
        my $server = server(script => 1);
        my $client = proxy($server->address)->client;
        $client->greeting;
        $client->ask('USER joe');
        $client->send_line('PASS x');
        my $connection = $server->connection;
        $connection->send($greeting{$name});
        $connection->half_close if $name =~ /nothing|half/;
        my $reply = $client->reply;
        like $reply, $own, "$name: refused, not the user's fault";
        ok $client->closes, "$name: end";
        is scalar(grep { /^PASS/ } $connection->lines), 0, "$name: the password was not sent";
        ok wait_until(sub { $connection->{eof} }, 5), "$name: the server connection is closed";
    }
};

scene 'the words of a server that refuses the connection' => sub {
    my %words = (
        "-ERR [SYS/TEMP] too many of you\r\n" => '-ERR [SYS/TEMP] too many of you',
        "-ERR a\0b\x1b[31m\"c\xff\r\n"       => '-ERR a?b?[31m\x22c\xff',
        "-ERR\r\n"                           => '-ERR',
        '-ERR ' . 'x' x 500 . "\r\n"        => '-ERR ' . 'x' x 315 . '...',
        "220 this is\r\nanother service\r\n" => '220 this is',
        "HTTP/1.1 400 Bad Request\n\n"       => 'HTTP/1.1 400 Bad Request',
    );
    for my $greeting (sort keys %words) {
        my $server = server(greeting => \$greeting, anything_goes => 1);
        my $client = proxy($server->address)->client;
        like $client->try_login, $own, show(substr $greeting, 0, 30);
        my $line = $client->session_line;
        is $line->{text}, qq("$words{$greeting}"), 'are in the log';
        is $line->{reason}, $greeting =~ /^-ERR/ ? 'server-refused' : 'server-bad-reply', 'with the reason';
    }
    for my $verb ('USER', 'PASS') {
        my $server = server(on => { $verb => sub { "501 $verb $_[1]?\r\n" } });
        my $client = proxy($server->address)->client;
        like $client->try_login, $own, "$verb repeated";
        ok !exists $client->session_line->{text}, 'is not in the log';
    }
};

scene 'malformed replies to USER and PASS' => sub {
    for my $verb ('USER', 'PASS') {
        for my $reply ("250 ok\r\n", "OK\r\n", "+ok\r\n", "-err\r\n", "\r\n", "+\r\n", "+ go on\r\n", "+OK\n", "x" x 70_000) {
            my $server = server(on => { $verb => $reply });
            my $client = proxy($server->address)->client;
            like $client->try_login, $own, "$verb: " . show(substr $reply, 0, 20);
            ok $client->closes, 'end';
            ok !$server->saw(qr/^PASS/), 'no password sent' if $verb eq 'USER';
        }
    }
};

scene 'servers that leave during the login' => sub {
    for my $verb ('USER', 'PASS') {
        for my $how ('close_when_sent', 'reset') {
            my $server = server(on => { $verb => sub { $_[0]->$how; '' } });
            my $client = proxy($server->address)->client;
            like $client->try_login, $own, "$verb, $how";
            ok $client->closes, 'end';
        }
    }
};

scene 'two replies to USER are never a login' => sub {
    my %trick = (
        'in one segment' => sub { "+OK\r\n+OK logged in\r\n" },
        'back to back'   => sub { $_[0]->send("+OK\r\n"); "+OK logged in\r\n" },
        'half of it'     => sub { "+OK\r\n+O" },
    );
    for my $name (sort keys %trick) {
        my $server = server(on => { USER => $trick{$name}, PASS => "-ERR wrong password\r\n" });
        my $proxy  = proxy($server->address);
        my $rounds = 5;         # two segments: which one is read first varies
        my @replies = map { $proxy->client->try_login } 1 .. $rounds;
        is scalar(grep { /^-ERR/ } @replies), $rounds, "$name: never a login";
    }
};

scene 'a spare reply after the one to PASS' => sub {
    my $server = server(on => { PASS => "+OK logged in\r\n+OK 7 7\r\n" });
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    $client->send("PASS x\r\nSTAT\r\n");
    unlike $client->rest, qr/7 7/, 'is not passed on';
};

done;
