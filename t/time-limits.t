# SPDX-License-Identifier: BSD-2-Clause
#
# Time limits: one absolute limit for everything up to the login, limits for
# the single steps, the idle limit and the least rate after it. Each scene
# makes one party slow and measures when the client hears of it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Socket;

expect_log(qw(configuration acp-failed connect-failed));
expect_reason(qw(login-timeout connect-timeout server-timeout server-stalled acp-timeout idle-timeout client-stalled
    server-closed));

use constant SLACK => 3;

my $own = qr/^-ERR \[SYS\/TEMP\] ./;

# The session of $client ends $limit seconds after $since, not earlier (by
# more than a tenth), not much later. Returns all that came before the end.
sub ends_at {
    my ($name, $client, $since, $limit) = @_;
    my $rest = $client->rest($limit + SLACK + 5);
    my $took = $client->{eof} - $since;
    cmp_ok $took, '>=', $limit - 0.1, "$name: not before the limit";
    cmp_ok $took, '<', $limit + SLACK, "$name: at the limit";
    return $rest;
}

# Sends $octets every $seconds in the background until the stream is closed.
sub drip {
    my ($stream, $octets, $seconds) = @_;
    my $next = now();
    Pop3Test::Loop::each_turn(sub {
        return if $stream->{eof} || now() < $next;
        $next = now() + $seconds;
        $stream->send($octets);
    });
    return;
}

scene 'a silent client' => sub {
    my $client = proxy('--login-timeout', 1, server()->address)->client;
    my $start  = now();
    $client->greeting;
    like ends_at('silent', $client, $start, 1), qr/\A-ERR [^\r\n]+\r\n\z/, 'told so';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
};

scene 'a client that drips' => sub {
    for my $drop ('x', "USER joe\r\n", "CAPA\r\n") {
        my $client = proxy('--login-timeout', 1, server()->address)->client;
        my $start  = now();
        drip($client, $drop, 0.15);
        ends_at(show($drop), $client, $start, 1);
    }
};

scene 'a server that is silent' => sub {
    for my $stage ('greeting', 'USER', 'PASS') {
        my $server = $stage eq 'greeting' ? server(script => 1) : server(on => { $stage => '' });
        my $client = proxy('--server-timeout', 1, $server->address)->client;
        $client->greeting;
        $client->ask('USER joe');
        my $start = now();
        $client->send_line('PASS x');
        like ends_at($stage, $client, $start, 1), $own, "$stage: told so";
        is $client->session_line->{reason}, 'server-timeout', "$stage: reason";
    }
};

scene 'a server that drips' => sub {
    for my $stage ('greeting', 'USER', 'PASS') {
        my $slow   = sub { $_[0]->send('+OK '); drip($_[0], 'x', 0.1); '' };
        my $server = server($stage eq 'greeting' ? (script => 1) : (on => { $stage => $slow }));
        $server->{on_accept} = $slow if $stage eq 'greeting';
        my $client = proxy('--login-timeout', 1, $server->address)->client;
        my $start  = now();
        $client->greeting;
        $client->ask('USER joe');
        $client->send_line('PASS x');
        like ends_at($stage, $client, $start, 1), $own, "$stage: told so";
    }
};

scene 'the login limit is the sum of everything' => sub {
    my $server = server(on => { PASS => '' });
    my $client = proxy('--login-timeout', 2, '--server-timeout', 2, $server->address)->client;
    my $start  = now();
    $client->greeting;
    pause(1);
    $client->ask('USER joe');
    $client->send_line('PASS x');
    like ends_at('sum', $client, $start, 2), $own, 'told so';
    is $client->session_line->{reason}, 'login-timeout', 'reason';
};

scene 'a hanging acp within the login limit' => sub {
    my $client = proxy('--login-timeout', 1, '-a', acp('exec tail -f /dev/null'), server()->address)->client;
    my $start  = now();
    $client->greeting;
    $client->ask('USER joe');
    $client->send_line('PASS x');
    like ends_at('acp', $client, $start, 1), qr/\A-ERR /, 'told so';
};

# A listening socket whose queue is full: connecting to it hangs.
sub black_hole {
    socket my $listener, PF_INET, SOCK_STREAM, 0 or die $!;
    bind $listener, pack_sockaddr_in(0, inet_aton('127.0.0.1')) or die $!;
    listen $listener, 0 or die $!;
    my $address = getsockname $listener;
    my @queued;
    for (1 .. 8) {
        socket my $socket, PF_INET, SOCK_STREAM, 0 or die $!;
        $socket->blocking(0);
        connect $socket, $address;
        push @queued, $socket;
    }
    my $probe = $queued[-1];
    vec(my $ready = '', fileno $probe, 1) = 1;
    my $hangs = !select undef, $ready, undef, 0.1;
    return ((unpack_sockaddr_in($address))[0], $hangs, $listener, @queued);
}

scene 'a server that cannot be reached' => sub {
    my ($port, $hangs, @keep) = black_hole();
    plan(skip_all => 'a full queue does not hang here') if !$hangs;
    for my $option ('--connect-timeout', '--login-timeout') {
        my $client = proxy($option, 1, "127.0.0.1:$port")->client;
        my $start  = now();
        $client->greeting;
        $client->ask('USER joe');
        $client->send_line('PASS x');
        like ends_at($option, $client, $start, 1), $own, "$option: told so";
    }
};

scene '-t is felt in every limit' => sub {
    my $client = proxy('-t', 1, server()->address)->client;
    my $start  = now();
    $client->greeting;
    ends_at('login', $client, $start, 1);
    $client = proxy('-t', 1, server(script => 1)->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    $start = now();
    $client->send_line('PASS x');
    ends_at('server', $client, $start, 1);
};

scene 'an idle client' => sub {
    my $client = proxy('-t', 1, server()->address)->client->login;
    my $start  = now();
    is ends_at('idle', $client, $start, 1), '', 'closed without a reply';
    is $client->session_line->{reason}, 'idle-timeout', 'reason';
    $client = proxy('-t', 1, server()->address)->client->login;
    $start = now();
    drip($client, 'x', 0.1);
    ends_at('half a line for ever', $client, $start, 1);
};

scene 'an active client is not idle' => sub {
    my $client = proxy('-t', 1, server()->address)->client->login;
    my $start  = now();
    for (1 .. 4) {
        pause(0.5);
        is $client->ask('NOOP'), '+OK', 'after half the limit';
    }
    cmp_ok now() - $start, '>', 1.5, 'longer than the limit in all';
    $client->quit;
};

scene 'a server that owes a reply after login' => sub {
    my $server = server(on => { STAT => '' });
    my $client = proxy('--server-timeout', 1, $server->address)->client->login;
    my $start  = now();
    $client->send_line('STAT');
    like ends_at('STAT', $client, $start, 1), $own, 'told so';
    is $client->session_line->{reason}, 'server-timeout', 'reason';
};

scene 'a server that stalls or drips in a message' => sub {
    for my $drops (0, 1) {
        my $server = server(on => { RETR => sub { $_[0]->send("+OK\r\nhalf a "); drip($_[0], 'x', 0.2) if $drops; '' } });
        my $client = proxy('--server-timeout', 1, $server->address)->client->login;
        my $start  = now();
        $client->send_line('RETR 1');
        my $seen = $client->rest;
        cmp_ok $client->{eof} - $start, '<', 2 + SLACK, 'cut within two spans of the limit';
        like $seen, qr/\A\+OK\r\nhalf a x*\z/, 'nothing said into the message';
        is $client->session_line->{reason}, 'server-stalled', 'reason';
    }
};

scene 'a slow transfer that lives' => sub {
    my $server = server(on => { RETR => sub {
        my ($connection) = @_;
        $connection->send("+OK\r\n");
        my ($next, $left) = (now(), 12);
        Pop3Test::Loop::each_turn(sub {
            return if !$left || now() < $next;
            $next = now() + 0.25;
            $connection->send('x' x 98 . "\r\n");
            $connection->send(".\r\n") if !--$left;
        });
        return '';
    } });
    my $client = proxy('-t', 1, '--server-timeout', 1, $server->address)->client->login;
    my $start  = now();
    my ($status, $body) = $client->fetch('RETR 1');
    is length $body, 1200, 'is not cut';
    cmp_ok now() - $start, '>', 2, 'though it took longer than the limits';
    $client->quit;
};

scene 'a client that does not read its message' => sub {
    my $server = server(messages => [ message(20_000_000) ]);
    my $client = proxy('-t', 1, $server->address)->client(rcvbuf => 4096)->login;
    my $start  = now();
    $client->hold->send_line('RETR 1');
    ok defined $client->process->wait(2 + SLACK), 'is cut within two spans of the limit';
    cmp_ok now() - $start, '>=', 0.9, 'not at once';
    is $client->session_line->{reason}, 'client-stalled', 'reason';
    ok !$server->saw(qr/QUIT/i), 'no QUIT';
};

scene 'an unread message is not collected' => sub {
    my $server = server(messages => [ message(50_000_000) ], sndbuf => 65536);
    my $client = proxy($server->address)->client(rcvbuf => 16384)->login;
    $client->hold->send_line('RETR 1');
    my $connection = ($server->connections)[-1];
    wait_until(sub { length $connection->{out} }, 10);
    my $before;
    do { $before = length $connection->{out}; pause(0.3) } while length $connection->{out} < $before;
    my $gone = length($server->{messages}[0]) - length $connection->{out};
    cmp_ok $gone, '<', 2_500_000, "octets under way in all buffers";
    $client->close;
};

done;
