# SPDX-License-Identifier: BSD-2-Clause
#
# What is said last must arrive: the client has sent more by then than the
# session will ever read, and closing over unread octets resets a connection.
# And what a server says last counts, however late it comes: a spare reply that
# Nagle's algorithm holds back is still no login.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

expect_reason(qw(server-closed server-bad-reply server-unsolicited));

# A server that keeps the command unanswered, and the connection it came on.
sub pending {
    my ($verb) = @_;
    my $held;
    my $server = server(messages => [], on => { $verb => sub { $held = $_[0]; '' } });
    return ($server, sub { wait_until(sub { $held }); $held });
}

scene 'a refusal, with a command sent behind PASS in a segment of its own' => sub {
    my ($server, $held) = pending('PASS');
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->send("USER joe\r\nPASS x\r\n");
    my $connection = $held->();
    $client->send("STAT\r\n");
    $connection->send("-ERR no\r\n");
    like $client->rest, qr/\r\n-ERR \[AUTH\] bad login\r\n\z/, 'arrives';
};

scene 'a server that closes or breaks the protocol' => sub {
    for my $way ('close', 'garbage') {
        my ($server, $held) = pending('STAT');
        my $client = proxy($server->address)->client->login;
        $client->send("STAT\r\n");
        my $connection = $held->();
        $client->send("LIST\r\nUIDL\r\n");
        if   ($way eq 'close') { $connection->close }
        else                   { $connection->send("250 what\r\n") }
        like $client->rest, qr/\A-ERR \[SYS\/TEMP\][^\r\n]*\r\n\z/, "$way: one word about it";
    }
};

scene 'octets behind QUIT' => sub {
    my ($server, $held) = pending('QUIT');
    my $client = proxy($server->address)->client->login;
    $client->send("QUIT\r\n");
    my $connection = $held->();
    $client->send("\r\n");
    $connection->send("+OK bye\r\n");
    is $client->rest, "+OK bye\r\n", 'the answer arrives';
};

scene 'a spare reply that Nagle holds back' => sub {
    my $nagle = sub {
        my ($connection) = @_;
        setsockopt $connection->{fh}, IPPROTO_TCP, TCP_NODELAY, 0;
        $connection->send("+OK\r\n");
        return "+OK logged in\r\n";
    };
    my $proxy = proxy(server(on => { USER => $nagle, PASS => "-ERR wrong password\r\n" })->address);
    my @replies = map { $proxy->client->try_login } 1 .. 5;
    is scalar(grep { /^-ERR/ } @replies), 5, 'is never a login';
};

scene 'QUIT behind a listing that nobody takes' => sub {
    my $server = server(messages => [ map { "$_\r\n" } 1 .. 3 ]);
    my $client = proxy($server->address)->client->login;
    $client->send("DELE 1\r\nLIST\r\nQUIT\r\n");
    $client->close;
    ok wait_until(sub { @{ $server->{committed} } }), 'reaches the server';
    is_deeply $server->{committed}, [1], 'and counts';
};

done;
