# SPDX-License-Identifier: BSD-2-Clause
#
# Time limits after the login: the idle limit, the limit for a reply, and the lowest rate of a
# transfer, which cuts a stalled peer but not a slow one. What a client does not read is not collected
# in memory.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Slow;

expect_log('configuration');
expect_reason(qw(server-timeout server-stalled idle-timeout client-stalled));

scene 'an idle client' => sub {
    my $proxy = proxy('-t', 1, server()->address);
    my $start = now();      # before the client's last command
    my ($idle, $dripping) = map { $proxy->client->login } 1 .. 2;
    drip($dripping, 'x', 0.1);
    is ends_at('idle', $idle, $start, 1), '', 'closed without a reply';
    is $idle->session_line->{reason}, 'idle-timeout', 'reason';
    ends_at('half a line for ever', $dripping, $start, 1);
};

scene 'an active client is not idle' => sub {
    my $client = proxy('-t', 2, server()->address)->client->login;
    my $start  = now();
    for (1 .. 5) {
        pause(0.5);
        is $client->ask('NOOP'), '+OK', 'after a quarter of the limit';
    }
    cmp_ok now() - $start, '>', 2, 'longer than the limit in all';
    $client->quit;
};

scene 'a server that does not reply after the login' => sub {
    my $server = server(on => { STAT => '' });
    my $client = proxy('--server-timeout', 1, $server->address)->client->login;
    my $start  = now();
    $client->send_line('STAT');
    like ends_at('STAT', $client, $start, 1), qr/\A-ERR \[SYS\/TEMP\] [^\r\n]+\r\n\z/, 'told so';
    is $client->session_line->{reason}, 'server-timeout', 'reason';
};

scene 'a server that stalls or drips in a message' => sub {
    my %client;
    for my $name ('stalls', 'drips') {
        my $server = server(on => { RETR => sub {
            $_[0]->send("+OK\r\nhalf a ");
            drip($_[0], 'x', 0.2) if $name eq 'drips';
            return '';
        } });
        my $client = proxy('--server-timeout', 1, $server->address)->client->login;
        $client{$name} = $client->send_line('RETR 1');
    }
    for my $name (sort keys %client) {
        my $client = $client{$name};
        like $client->rest, qr/\A\+OK\r\nhalf a x*\z/, "$name: cut, and nothing said into the message";
        is $client->session_line->{reason}, 'server-stalled', "$name: reason";
    }
};

scene 'a slow transfer above the lowest rate' => sub {
    my $server = server(on => { RETR => sub {
        my ($connection) = @_;
        $connection->send("+OK\r\n");
        drip($connection, 'x' x 98 . "\r\n", 0.25, 11);
        my $end = now() + 3;
        Pop3Test::Loop::each_turn(sub { $connection->send(".\r\n") if $end && now() >= $end && !($end = 0) });
        return '';
    } });
    my $client = proxy('-t', 2, '--server-timeout', 2, $server->address)->client->login;
    my ($status, $body) = $client->fetch('RETR 1');
    is length $body, 1100, 'is not cut, though it takes longer than the limits';
    $client->quit;
};

scene 'a client that does not read its message' => sub {
    my $server = server(messages => [ message(8_000_000) ]);
    my $client = proxy('-t', 1, $server->address)->client(rcvbuf => 4096)->login;
    my $start  = now();
    $client->hold->send_line('RETR 1');
    ok defined $client->process->wait, 'is cut';
    cmp_ok now() - $start, '>=', 0.9, 'not at once';
    is $client->session_line->{reason}, 'client-stalled', 'reason';
    ok !$server->saw(qr/QUIT/i), 'no QUIT';
};

# One that has taken a part of it in the same window of the lowest rate gets no second window.
scene 'a client that takes nothing more is cut after one limit' => sub {
    my $idle = proxy('-t', 5, server()->address)->client->login;
    my %size = ('read and written' => 200_000, 'spliced' => 8_000_000);
    my %client;
    for my $name (sort keys %size) {
        my $server = server(messages => [ message($size{$name}) ]);
        $client{$name} = proxy('-t', 3, '--socket-buffer', 4096, $server->address)->client(rcvbuf => 4096)->login;
        $client{$name}->hold->send_line('RETR 1');
    }
    for my $name (sort keys %client) {
        ok defined $client{$name}->process->wait, "$name: is cut";
        is $client{$name}->session_line->{reason}, 'client-stalled', 'reason';
    }
    ok $idle->is_open, 'before one that is idle for five thirds of the limit';
    $idle->quit;
};

# The client stops the transfer for longer than the limit of the server.
scene 'a server is not cut while the client stops the transfer' => sub {
    my $connection;
    my $part   = ('x' x 70 . "\r\n") x 30_000;
    my $server = server(on => { RETR => sub { ($connection) = @_; $connection->send("+OK\r\n$part"); return '' } });
    my $client = proxy('--server-timeout', 2, '--min-rate', 10_000_000, $server->address)->client(rcvbuf => 16384)->login;
    my $before = length $client->received;
    $client->hold->send_line('RETR 1');
    pause(3);
    $client->resume;
    my $first = $before + length "+OK\r\n$part";
    ok wait_until(sub { $client->{eof} || length $client->received >= $first }), 'what it sent before';
    $connection->send("the rest\r\n.\r\n");
    ok wait_until(sub { $client->{eof} || $client->received =~ /the rest\r\n\.\r\n\z/ }) && !$client->{eof}, 'and what it sends then';
    $client->send_line('QUIT');
    is $client->session_line->{reason}, 'quit', 'reason';
};

scene 'an unread message is not collected' => sub {
    my $server = server(messages => [ message(12_000_000) ], sndbuf => 65536);
    my $client = proxy($server->address)->client(rcvbuf => 16384)->login;
    $client->hold->send_line('RETR 1');
    my $connection = ($server->connections)[-1];
    wait_until(sub { length $connection->{out} });
    my $before;
    do { $before = length $connection->{out}; pause(0.3) } while length $connection->{out} < $before;
    my $gone = length($server->{messages}[0]) - length $connection->{out};
    cmp_ok $gone, '<', 2_500_000, "octets under way in all buffers";
    $client->close;
};

done;
