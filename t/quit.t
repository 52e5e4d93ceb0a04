# SPDX-License-Identifier: BSD-2-Clause
#
# Only a QUIT of the client commits deletions. The proxy never sends QUIT on its own; a QUIT of the
# client reaches the server, and the proxy waits for the answer even if the client is gone.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_log('configuration');
expect_reason(qw(server-closed server-lost server-timeout server-unsolicited server-bad-reply));

my @messages = map { "Subject: $_\r\n\r\n" } 1 .. 3;

sub session {
    my (%option) = @_;
    my $server = server(messages => [@messages], %option);
    my $client = proxy(@{ $option{arguments} || [] }, $server->address)->client->login;
    return ($client, $server, ($server->connections)[-1]);
}

# Waits for the end of the server connection; QUIT must not have come.
sub ends_without_quit {
    my ($name, $client, $server, $connection) = @_;
    ok wait_until(sub { $connection->{eof} }), "$name: the server connection is closed";
    is $server->saw(qr/QUIT/i), 0, "$name: no QUIT";
    is_deeply $server->{committed}, [], "$name: nothing is deleted";
    return;
}

scene 'QUIT commits' => sub {
    my ($client, $server) = session();
    $client->ask('DELE 1');
    $client->ask('DELE 3');
    is $client->quit, '+OK bye', 'answered by the server';
    is_deeply $server->{committed}, [ 1, 3 ], 'committed';
    my $line = $client->session_line;
    is $line->{deleted}, 2,    'deleted=2';
    is $line->{commit},  'ok', 'commit=ok';
    is $line->{reason},  'quit', 'reason=quit';
};

scene 'sessions without deletions' => sub {
    my ($client) = session();
    $client->quit;
    my $line = $client->session_line;
    is "$line->{deleted} $line->{commit}", '0 none', 'none at all';
    ($client) = session();
    $client->ask('DELE 1');
    $client->ask('RSET');
    $client->quit;
    $line = $client->session_line;
    is "$line->{deleted} $line->{commit}", '0 none', 'taken back by RSET';
    ($client) = session();
    $client->ask('DELE 9');
    $client->quit;
    $line = $client->session_line;
    is "$line->{deleted} $line->{commit}", '0 none', 'refused by the server';
};

scene 'an -ERR to QUIT is passed on' => sub {
    my ($client) = session(on => { QUIT => "-ERR some messages were not removed\r\n" });
    $client->ask('DELE 1');
    is $client->quit, '-ERR some messages were not removed', 'reply';
    is $client->session_line->{commit}, 'lost', 'commit=lost';
};

scene 'a client that is lost' => sub {
    for my $how (qw(close reset half_close)) {
        my ($client, $server, $connection) = session();
        $client->ask('DELE 1');
        $client->$how;
        ends_without_quit($how, $client, $server, $connection);
        my $line = $client->session_line;
        is $line->{commit}, 'lost', "$how: commit=lost";
        like $line->{reason}, qr/^client-(?:closed|lost)$/, "$how: reason";
    }
};

scene 'a client lost within a line' => sub {
    for my $line ('QUIT', "QUIT\r", 'QUI', 'NOOP', 'DELE 2') {
        my ($client, $server, $connection) = session();
        $client->ask('DELE 1');
        $client->send($line)->half_close;
        ends_without_quit(show($line), $client, $server, $connection);
        is $server->saw(qr/NOOP|DELE 2/), 0, show($line) . ': half a line is none';
    }
};

scene 'a client lost while it waits for a reply' => sub {
    my ($client, $server, $connection) = session(on => { STAT => '' });
    $client->ask('DELE 1');
    $client->send_line('STAT');
    $server->wait_line(qr/STAT/);
    $client->reset;
    $connection->send("+OK 2 2\r\n");
    ends_without_quit('owed', $client, $server, $connection);
};

scene 'a client lost before the message it asked for' => sub {
    for my $fetch ('RETR 1', 'TOP 1 5') {
        my ($client, $server, $connection) = session(on => { STAT => '' });
        $client->send("STAT\r\n$fetch\r\nDELE 1\r\nQUIT\r\n");
        $server->wait_line(qr/^STAT/);
        $client->reset;
        $connection->send("+OK 3 60\r\n");
        ends_without_quit($fetch, $client, $server, $connection);
        is $server->saw(qr/^DELE/), 0, "$fetch: what it did not get is not deleted";
        my $line = $client->session_line;
        is "$line->{reason} $line->{retrieved} $line->{deleted}", 'client-lost 0 0', "$fetch: in the log";
    }
};

scene 'a client that takes no replies' => sub {
    my @limits = ('--timeout', 1, '--server-timeout', 60);
    my $server = server(on => { DELE => '+OK ' . 'z' x 500 . "\r\n" });
    my $client = proxy(@limits, $server->address)->client(rcvbuf => 4096)->login;
    my $connection = ($server->connections)[-1];
    $client->hold->send("DELE 1\r\n" x 20_000);
    ok wait_until(sub { $connection->{eof} }, 15), 'is cut by its own limit, not by the server\'s';
    $client->close;
    my $line = $client->session_line;
    is $line->{reason}, 'client-stalled', 'reason';
    is "$line->{deleted} $line->{commit}", scalar($connection->lines) - 2 . ' lost', 'every deletion of the server is counted';
};

scene 'a client lost in the middle of a message' => sub {
    my ($client, $server, $connection) = session(messages => [ message(5_000_000) ]);
    $client->ask('DELE 1');
    $client->ask('RSET');
    $client->send_line('RETR 1');
    $client->octets(1000);
    $client->reset;
    ends_without_quit('message', $client, $server, $connection);
};

scene 'the idle limit' => sub {
    my ($client, $server, $connection) = session(arguments => [ '-t', 1 ]);
    $client->ask('DELE 1');
    is $client->rest, '', 'closed without a word';
    ends_without_quit('idle', $client, $server, $connection);
    my $line = $client->session_line;
    is "$line->{reason} $line->{commit}", 'idle-timeout lost', 'in the log';
};

scene 'too many refused commands' => sub {
    my ($client, $server, $connection) = session();
    $client->ask('DELE 1');
    $client->send("FOO\r\n" x 6 . "QUIT\r\n");
    $client->rest;
    ends_without_quit('refused', $client, $server, $connection);
};

scene 'a server that breaks the protocol' => sub {
    my ($client, $server, $connection) = session(on => { NOOP => "what?\r\n" });
    $client->ask('DELE 1');
    $client->send("NOOP\r\nQUIT\r\n");
    $client->rest;
    ends_without_quit('invalid reply', $client, $server, $connection);
};

scene 'a proxy that is killed' => sub {
    for my $signal (qw(KILL TERM INT HUP QUIT)) {
        my ($client, $server, $connection) = session();
        $client->ask('DELE 1');
        $client->process->signal($signal);
        $client->rest;
        ends_without_quit("SIG$signal", $client, $server, $connection);
        defined $client->process->wait or fail("SIG$signal: ended");
    }
};

scene 'a QUIT reaches the server although the client is gone' => sub {
    for my $how (qw(close half_close)) {
        my ($client, $server, $connection) = session(on => { QUIT => '' });
        $client->ask('DELE 2');
        $client->send("QUIT\r\n")->$how;
        ok wait_until(sub { $server->saw(qr/^QUIT$/) }), "$how: QUIT arrived";
        pause(0.3);
        ok !$connection->{eof}, "$how: its answer is awaited";
        ok $client->process->is_running, "$how: the session is still there";
        $connection->send("+OK bye\r\n");
        ok defined $client->process->wait, "$how: then it ends";
        my $line = $client->session_line;
        is "$line->{reason} $line->{commit}", 'quit ok', "$how: commit=ok in the log";
    }
};

scene 'a QUIT sent before the last reply came, then a reset' => sub {
    my ($client, $server, $connection) = session(on => { DELE => '' });
    $client->send_line('DELE 1');
    $server->wait_line(qr/^DELE/);
    $client->send_line('QUIT');
    $client->reset;
    $connection->send("+OK deleted\r\n");
    ok wait_until(sub { $server->saw(qr/^QUIT$/) }), 'QUIT arrives';
    defined $client->process->wait or fail('the session ends');
};

scene 'DELE and QUIT in one segment, then the client closes' => sub {
    for my $how (qw(close half_close)) {
        my ($client, $server) = session();
        $client->send("DELE 1\r\nDELE 2\r\nQUIT\r\n")->$how;
        ok defined $client->process->wait, "$how: the session ends";
        is_deeply $server->{committed}, [ 1, 2 ], "$how: committed";
        is $client->session_line->{commit}, 'ok', "$how: commit=ok";
    }
};

scene 'a server that does not answer QUIT' => sub {
    my ($client, $server) = session(on => { QUIT => sub { $_[0]->close; '' } });
    $client->ask('DELE 1');
    $client->send_line('QUIT');
    like $client->rest, qr/\A(?:-ERR [^\r\n]+\r\n)?\z/, 'closed: never a +OK of our own';
    is $client->session_line->{commit}, 'unknown', 'commit=unknown';
    ($client, $server) = session(arguments => [ '--server-timeout', 1, '--timeout', 1 ], on => { QUIT => '' });
    $client->ask('DELE 1');
    $client->send_line('QUIT');
    like $client->rest, qr/\A(?:-ERR [^\r\n]+\r\n)?\z/, 'silent: never a +OK of our own';
    is $client->session_line->{commit}, 'unknown', 'commit=unknown';
    ($client, $server) = session(on => { QUIT => "what?\r\n" });
    $client->ask('DELE 1');
    $client->send_line('QUIT')->rest;
    is $client->session_line->{commit}, 'unknown', 'nonsense: commit=unknown';
};

scene 'a server that dies before QUIT' => sub {
    my ($client, $server, $connection) = session();
    $client->ask('DELE 1');
    $connection->close;
    $client->rest;
    is $client->session_line->{commit}, 'lost', 'commit=lost';
};

scene 'a server that is slow with its deletions' => sub {
    my $held;
    my ($client, $server) = session(arguments => [ '--server-timeout', 1 ], on => { QUIT => sub { $held = $_[0]; '' } });
    $client->ask('DELE 1');
    $client->send_line('QUIT');
    ok wait_until(sub { $held }), 'has the QUIT';
    pause(1.5);
    $held->send("+OK bye\r\n");
    is $client->reply, '+OK bye', 'has the time of an idle session, not that of a reply';
    is $client->session_line->{commit}, 'ok', 'commit=ok';
    ($client, $server) = session(arguments => [ '--server-timeout', 1 ], on => { QUIT => '' });
    $client->send_line('QUIT');
    like $client->rest, qr/\A-ERR \[SYS\/TEMP\]/, 'not without deletions';
    is $client->session_line->{reason}, 'server-timeout', 'reason';
};

scene 'nothing is served after QUIT' => sub {
    my ($client, $server) = session();
    $client->send("QUIT\r\nDELE 1\r\nSTAT\r\n");
    is $client->rest, "+OK bye\r\n", 'one answer';
    is $server->saw(qr/DELE|STAT/), 0, 'nothing more at the server';
};

done;
