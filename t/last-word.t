# SPDX-License-Identifier: BSD-2-Clause
#
# The last word must arrive: by then the client has sent more than the session will ever read, and
# closing a connection with unread octets resets it. The server's last word counts as well, however
# late it comes: a spare reply that Nagle's algorithm holds back is not a login.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

expect_reason(qw(server-closed server-bad-reply server-unsolicited));

# A server that does not answer the command, and the connection that brought it.
sub pending {
    my ($verb) = @_;
    my $held;
    my $server = server(messages => [], on => { $verb => sub { $held = $_[0]; '' } });
    return ($server, sub { wait_until(sub { $held }); $held });
}

scene 'a refusal, while a command after PASS arrives in its own segment' => sub {
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

scene 'octets after QUIT' => sub {
    my ($server, $held) = pending('QUIT');
    my $client = proxy($server->address)->client->login;
    $client->send("QUIT\r\n");
    my $connection = $held->();
    $client->send("\r\n");
    $connection->send("+OK bye\r\n");
    is $client->rest, "+OK bye\r\n", 'the answer arrives';
};

scene 'a spare reply that Nagle\'s algorithm holds back' => sub {
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

scene 'QUIT after a listing that the client does not read' => sub {
    my $server = server(messages => [ map { "$_\r\n" } 1 .. 3 ]);
    my $client = proxy($server->address)->client->login;
    $client->send("DELE 1\r\nLIST\r\nQUIT\r\n");
    $client->close;
    ok wait_until(sub { @{ $server->{committed} } }), 'reaches the server';
    is_deeply $server->{committed}, [1], 'and counts';
};

done;
