# SPDX-License-Identifier: BSD-2-Clause
#
# A server that says more or less than it was asked for: its session ends at once, long before any
# time limit, and no spare octet reaches the client.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_reason(qw(server-unsolicited server-bad-reply server-closed server-lost));

# A logged-in client, its server, and the server's connection.
sub session {
    my (%option) = @_;
    my $server = server(messages => [ map { "Subject: $_\r\n\r\n" } 1 .. 3 ], %option);
    my $client = proxy($server->address)->client->login;
    return ($client, $server, ($server->connections)[-1]);
}

scene 'unsolicited octets while idle' => sub {
    for my $spare ("+OK\r\n", "+OK 9 9\r\n", "-ERR bye\r\n", '+', "\r\n", "\0", 'x' x 5000) {
        my ($client, $server, $connection) = session();
        $connection->send($spare);
        is $client->rest, '', show($spare) . ': not an octet of it passed on';
        like $client->session_line->{reason}, qr/unsolicited|bad-reply/, 'reason';
        ok !$server->saw(qr/^QUIT/i), 'no QUIT';
    }
};

scene 'unsolicited octets, then a command' => sub {
    my ($client, $server, $connection) = session();
    $client->send_line('NOOP');
    $client->reply;
    $connection->send("+OK 31337 1\r\n");
    $client->send_line('STAT');
    unlike $client->rest, qr/31337/, 'never taken for the answer';
};

scene 'two replies to one command' => sub {
    for my $verb (qw(STAT NOOP RSET LAST DELE LIST UIDL)) {
        my $argument = $verb =~ /DELE|LIST|UIDL/ ? ' 1' : '';
        my ($client, $server) = session(on => { $verb => "+OK first\r\n+OK spare\r\n" });
        my $seen = $client->send_line("$verb$argument")->rest;
        unlike $seen, qr/spare/, "$verb: the spare one is not passed on";
        like $seen, qr/\A(?:\+OK first\r\n|-ERR [^\r\n]*\r\n|)\z/, "$verb: one reply at most";
    }
};

scene 'two replies with the next command waiting' => sub {
    my ($client, $server) = session(on => { NOOP => "+OK first\r\n+OK 31337 1\r\n" });
    $client->send("NOOP\r\nSTAT\r\nLIST\r\n");
    my $seen = $client->rest;
    unlike $seen, qr/31337/, 'the spare one answers nothing';
    is $server->saw(qr/^(?:STAT|LIST)/), 0, 'nothing more was asked';
};

scene 'octets after a multi-line reply' => sub {
    for my $spare ("+OK\r\n", "x", ".\r\n", "\r\n.\r\n") {
        my ($client, $server) = session(on => { RETR => "+OK\r\nbody\r\n.\r\n$spare" });
        my $seen = $client->send_line('RETR 1')->rest;
        is $seen, "+OK\r\nbody\r\n.\r\n", show($spare) . ': the reply alone was passed on';
    }
};

scene 'a multi-line body after a one-line reply' => sub {
    for my $verb (qw(STAT NOOP DELE)) {
        my ($client) = session(on => { $verb => "+OK\r\n1 2\r\n.\r\n" });
        $client->send_line($verb eq 'DELE' ? 'DELE 1' : $verb);
        like $client->rest, qr/\A(?:\+OK\r\n|-ERR [^\r\n]*\r\n|)\z/, "$verb: not passed on";
    }
};

scene 'a body after -ERR' => sub {
    my ($client) = session(on => { RETR => "-ERR no\r\nSubject: x\r\n.\r\n" });
    $client->send_line('RETR 1');
    like $client->rest, qr/\A-ERR [^\r\n]*\r\n\z/, 'not passed on';
};

scene 'replies without a status' => sub {
    my @wrong = ("250 ok\r\n", "OK\r\n", "+ok\r\n", "-err\r\n", "+ OK\r\n", " +OK\r\n", "\r\n", "* OK\r\n",
        "Subject: x\r\n.\r\n", "\xef\xbb\xbf+OK\r\n", "+OK\n", "+\r\n", ".\r\n");
    for my $wrong (@wrong) {
        for my $command ('STAT', 'RETR 1') {
            my ($verb) = split / /, $command;
            my ($client, $server) = session(on => { $verb => $wrong });
            my $seen = $client->send_line($command)->rest;
            like $seen, qr/\A-ERR [\x20-\x7e]+\r\n\z/, "$command: " . show($wrong) . ': one -ERR of our own, and the end';
            ok !$server->saw(qr/^QUIT/i), 'no QUIT';
        }
    }
};

scene 'a body without a status line' => sub {
    my ($client, $server, $connection) = session(on => { RETR => "+OK\r\nSubject: x\r\n\r\nhalf" });
    $client->send_line('RETR 1');
    $client->octets(length "+OK\r\nSubject: x\r\n\r\nhalf");
    $connection->close;
    is $client->rest, '', 'the server leaves in the middle: closed, nothing said';
    is $client->session_line->{reason}, 'server-closed', 'reason';
};

scene 'an endless status line' => sub {
    for my $command ('STAT', 'RETR 1') {
        my ($verb) = split / /, $command;
        my ($client) = session(on => { $verb => '+OK ' . 'x' x 200_000 });
        $client->send_line($command);
        like $client->rest, qr/\A-ERR [\x20-\x7e]{1,200}\r\n\z/, "$command: cut off with a word of our own";
    }
};

scene 'a status line of 512 octets and one of 513' => sub {
    my ($client) = session(on => { STAT => '+OK ' . 'x' x 506 . "\r\n" });
    is length $client->ask('STAT'), 510, '512 are passed on';
    $client->quit;
    ($client) = session(on => { STAT => '+OK ' . 'x' x 507 . "\r\n" });
    $client->send_line('STAT')->half_close;
    is $client->rest, "-ERR [SYS/TEMP] the server broke the protocol\r\n", '513 are not, nor is a part of them';
    is $client->session_line->{reason}, 'server-bad-reply', 'reason';
};

scene 'a status line in pieces' => sub {
    my ($client, $server, $connection) = session();
    $server->{on}{STAT} = sub { for my $octet (split //, "+OK 7 77\r\n") { $connection->send($octet); $connection->taken } '' };
    is $client->ask('STAT'), '+OK 7 77', 'is put together';
    $client->quit;
};

scene 'a server that leaves' => sub {
    for my $how ('close', 'reset', 'half_close') {
        my ($client, $server, $connection) = session();
        $connection->$how;
        is $client->rest, '', "idle, $how: closed without a word";
        ($client, $server, $connection) = session(on => { STAT => sub { $_[0]->$how; '' } });
        $client->send_line('STAT');
        like $client->rest, qr/\A-ERR [^\r\n]+\r\n\z/, "asked, $how: a word where an answer is owed";
    }
};

done;
