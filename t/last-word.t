# SPDX-License-Identifier: BSD-2-Clause
#
# The last word must arrive: by then the client has sent more than the session will ever read, and
# closing a connection with unread octets resets it. The server's last word counts as well, however
# late it comes: a spare reply that Nagle's algorithm holds back is not a login. And a server may say why
# it closes an idle session.

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

scene 'a server that says why it closes' => sub {
    my @ways = (
        'at once'           => sub { $_[0]->send("-ERR idle too long\r\n"); $_[0]->close_when_sent },
        'a little later'    => sub { $_[0]->send("-ERR idle too long\r\n"); $_[0]->taken; $_[0]->close },
        'in pieces'         => sub { $_[0]->send("-ER"); $_[0]->taken; $_[0]->send("R idle too long\r\n"); $_[0]->close_when_sent },
        'without a line end' => sub { $_[0]->send('-ERR idle too long'); $_[0]->taken; $_[0]->close },
        'by a reset'        => sub { $_[0]->send("-ERR idle too long\r\n"); $_[0]->taken; $_[0]->reset },
    );
    while (my ($way, $act) = splice @ways, 0, 2) {
        my $server = server();
        my $client = proxy($server->address)->client->login;
        $act->(($server->connections)[-1]);
        is $client->rest, '', "$way: a client that waits for nothing is closed";
        my $line = $client->session_line;
        is "$line->{reason} $line->{text}", 'server-closed "-ERR idle too long"', "$way: the log has the words";
    }
};

scene 'a command that crosses the server\'s last word' => sub {
    my $server = server();
    my $client = proxy($server->address)->client->login;
    $client->process->signal('STOP');
    ($server->connections)[-1]->send("-ERR \e[idle\r\n")->close_when_sent;
    $client->send("NOOP\r\nSTAT\r\n");
    pause(0.1);
    $client->process->signal('CONT');
    like $client->rest, qr/\A(?:-ERR \?\[idle\r\n)?\z/, 'the word is its answer, or the client is closed';
    is $client->session_line->{text}, '"-ERR ?[idle"', 'in the log';
    is $server->saw(qr/^(?:NOOP|STAT)/), 0, 'the command is not served';
};

scene 'the last word is the answer to the next command' => sub {
    my $server = server();
    my $client = proxy($server->address)->client->login;
    my $connection = ($server->connections)[-1];
    $connection->send("-ERR idle\r\n");
    $connection->taken;
    $client->send_line('NOOP');
    pause(0.2);
    $connection->close;
    like $client->rest, qr/\A(?:-ERR idle\r\n)?\z/, 'or the client is closed';
    is $server->saw(qr/^NOOP/), 0, 'the command is not served';
};

scene 'what is not a last word' => sub {
    my %spare = (
        'no end after it'   => [ "-ERR idle\r\n",             0, 'server-unsolicited' ],
        'two lines'         => [ "-ERR idle\r\n-ERR bye\r\n", 1, 'server-unsolicited' ],
        'not a refusal'     => [ "+OK bye\r\n",               1, 'server-unsolicited' ],
        'something else'    => [ "421 bye\r\n",               1, 'server-unsolicited' ],
        'too long'          => [ '-ERR ' . 'x' x 600 . "\r\n", 1, 'server-unsolicited' ],
    );
    for my $name (sort keys %spare) {
        my ($octets, $is_closed, $reason) = @{ $spare{$name} };
        my $server = server();
        my $client = proxy($server->address)->client->login;
        my $connection = ($server->connections)[-1];
        $connection->send($octets);
        $connection->close_when_sent if $is_closed;
        is $client->rest, '', "$name: nothing is passed on";
        is $client->session_line->{reason}, $reason, "$name: reason";
    }
    my $server = server(on => { STAT => sub { $_[0]->send("+OK 1 2\r\n-ERR bye\r\n"); $_[0]->close_when_sent; '' } });
    my $client = proxy($server->address)->client->login;
    $client->send_line('STAT');
    like $client->rest, qr/\A(?:\+OK 1 2\r\n)?\z/, 'two answers to one command: the second is not passed on';
    is $client->session_line->{reason}, 'server-unsolicited', 'reason';
};

scene 'a last word that repeats the password' => sub {
    my $password = secret("Sesam-last-$$");
    my $server = server();
    my $client = proxy($server->address)->client->login('joe', $password);
    ($server->connections)[-1]->send("-ERR bye, $password\r\n")->close_when_sent;
    is $client->rest, '', 'closed';
    my $line = $client->session_line;
    is $line->{reason} . (exists $line->{text} ? ' text' : ''), 'server-closed', 'is not in the log';
};

scene 'a last word to many sessions of one worker' => sub {
    my $server = server();
    my $daemon = master(server => $server->address, workers => 1, sessions_per_worker => 20);
    my @client = map { $daemon->client->login } 1 .. 5;
    $_->send("-ERR idle\r\n")->close_when_sent for $server->connections;
    is $_->rest, '', 'closed' for @client;
    ok wait_until(sub { 5 <= grep { ($_->{f}{text} // '') eq '"-ERR idle"' } log_lines('session') }), 'in the log';
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
