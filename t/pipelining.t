# SPDX-License-Identifier: BSD-2-Clause
#
# Clients that send commands ahead: no octet after PASS is lost, replies come in order, a server that
# did not announce PIPELINING gets one command at a time, and full windows in both directions do not
# stop a session for good.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

my @messages = map { "Subject: $_\r\n\r\nbody $_\r\n" } 1 .. 3;

# All replies to a session of USER, PASS and @commands.
sub whole_session {
    my ($client) = @_;
    return $client->rest;
}

scene 'a whole session in one segment' => sub {
    my $server = server(messages => \@messages);
    my $client = proxy($server->address)->client;
    $client->send("USER joe\r\nPASS x\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nLIST 2\r\nQUIT\r\n");
    is whole_session($client) =~ s/\A\+OK[^\r\n]*\r\n\+OK[^\r\n]*\r\n//r,
        "+OK logged in\r\n+OK 3 " . 3 * length($messages[0]) . "\r\n+OK message follows\r\n$messages[0].\r\n+OK deleted\r\n"
        . '+OK 2 ' . length($messages[1]) . "\r\n+OK bye\r\n", 'replies in order';
    is_deeply $server->{committed}, [1], 'the deletion was committed';
    is_deeply [ map { /^(\w+)/ } $server->lines ], [qw(USER PASS STAT RETR DELE LIST QUIT)], 'commands in order';
};

scene 'commands after PASS, cut anywhere' => sub {
    my $server = server(messages => \@messages);
    my $proxy  = proxy($server->address);
    my $tail   = "PASS x\r\nSTAT\r\nQUIT\r\n";
    for my $at (1 .. length($tail) - 1) {
        my $client = $proxy->client;
        $client->greeting;
        $client->ask('USER joe');
        $client->send(substr $tail, 0, $at);
        $client->taken if $at < 8;
        $client->send(substr $tail, $at);
        like $client->rest, qr/\A\+OK logged in\r\n\+OK 3 \d+\r\n\+OK bye\r\n\z/, 'cut at ' . show(substr $tail, $at);
    }
};

scene 'octet by octet' => sub {
    my $client = proxy(server(messages => \@messages)->address)->client;
    for my $octet (split //, "USER joe\r\nPASS x\r\nRETR 2\r\nQUIT\r\n") {
        $client->send($octet);
        $client->taken;
    }
    like $client->rest, qr/\+OK logged in\r\n\+OK message follows\r\n\Q$messages[1]\E\.\r\n\+OK bye\r\n\z/, 'a whole session';
};

scene 'one command at a time for a server that announced nothing' => sub {
    my $server = server(messages => \@messages);
    my $client = proxy($server->address)->client;
    $client->send("USER joe\r\nPASS x\r\n" . "NOOP\r\nSTAT\r\nRETR 1\r\n" x 50 . "QUIT\r\n");
    $client->rest;
    is scalar $server->lines, 153, 'all arrived';
    ok !(grep { $_->{ahead} } $server->connections), 'never two commands in the server\'s hands';
    my $held = server(on => { STAT => '' });
    $client = proxy($held->address)->client->login;
    $client->send("STAT\r\nNOOP\r\nLAST\r\n");
    $held->wait_line(qr/^STAT/);
    pause(0.2);
    is $held->saw(qr/^(?:NOOP|LAST)/), 0, 'the next waits for the reply';
    ($held->connections)[0]->send("+OK 0 0\r\n");
    is $client->reply, '+OK 0 0', 'STAT';
    is $client->reply, '+OK',     'NOOP';
    is $client->reply, '+OK 0',   'LAST';
    $client->quit;
};

scene '1000 commands at once' => sub {
    my $server = server(messages => \@messages);
    my $client = proxy($server->address)->client;
    $client->send("USER joe\r\nPASS x\r\n", map({ "LIST " . (1 + $_ % 3) . "\r\n" } 1 .. 1000), "QUIT\r\n");
    my @replies = split /\r\n/, $client->rest;
    is scalar @replies, 1004, 'as many replies';
    my @wrong = grep { $replies[ $_ + 2 ] ne '+OK ' . (1 + $_ % 3) . ' ' . length $messages[0] } 1 .. 1000;
    is "@wrong", '', 'each in its place';
};

scene '1000 commands that are answered by the proxy' => sub {
    expect_reason('too-many-refused-commands');
    my $proxy = proxy(server(messages => \@messages)->address);
    my %lists = (before => 20, after => 1000);
    my %end   = (before => qr/\.\r\n(?:-ERR too many commands[^\r\n]*\r\n){6}\z/, after => qr/\.\r\n\+OK[^\r\n]*\r\n\z/);
    for my $state ('before', 'after') {
        my $client = $proxy->client;
        $state eq 'after' ? $client->login : $client->greeting;
        $client->send("CAPA\r\n" x 1000 . "QUIT\r\n");
        my $seen = $client->rest;
        is scalar(() = $seen =~ /^\.\r\n/mg), $lists{$state}, "CAPA $state login: so many lists";
        like $seen, $end{$state}, "CAPA $state login: and the end";
    }
};

scene 'long replies to many short commands' => sub {
    my $server = server(on => { STAT => '+OK ' . 'x' x 500 . "\r\n" });
    my $client = proxy($server->address)->client(rcvbuf => 4096)->login;
    $client->hold->send("STAT\r\n" x 3000 . "QUIT\r\n");
    pause(0.2);
    $client->resume;
    is length $client->rest, 3000 * 506 + length("+OK bye\r\n"), 'everything came back';
};

scene 'more commands than a window holds' => sub {
    my $server = server(messages => [ message(20_000) ]);
    my $client = proxy($server->address)->client(rcvbuf => 8192)->login;
    my $count  = 300;
    $client->send("RETR 1\r\n" x $count . "NOOP\r\n" x 20_000 . "QUIT\r\n");
    my $wire = "+OK message follows\r\n" . ($server->{messages}[0] =~ s/^\./../mgr) . ".\r\n";
    my $seen = $client->rest(60);
    is length $seen, $count * length($wire) + 20_000 * 5 + length("+OK bye\r\n"), 'everything came back';
    ok substr($seen, 0, $count * length $wire) eq $wire x $count, 'messages';
};

scene 'commands while a message is being sent' => sub {
    my $server = server(messages => [ message(2_000_000) ]);
    my $client = proxy($server->address)->client(rcvbuf => 4096)->login;
    $client->hold->send_line('RETR 1');
    $server->wait_line(qr/^RETR/);
    $client->send("NOOP\r\nSTAT\r\nQUIT\r\n");
    $client->taken;
    $client->resume;
    $client->reply;
    is length $client->body, length($server->{messages}[0] =~ s/^\./../mgr), 'the message';
    like $client->rest, qr/\A\+OK\r\n\+OK 1 \d+\r\n\+OK bye\r\n\z/, 'then the answers';
};

scene 'half-close after QUIT' => sub {
    my $server = server(messages => \@messages);
    my $proxy  = proxy($server->address);
    for (1 .. 10) {
        my $client = $proxy->client->login;
        $client->send("RETR 1\r\nQUIT\r\n")->half_close;
        is $client->rest, "+OK message follows\r\n$messages[0].\r\n+OK bye\r\n", 'everything is answered';
    }
    my $client = $proxy->client;
    $client->send("USER joe\r\nPASS x\r\nSTAT\r\nQUIT\r\n")->half_close;
    like $client->rest, qr/\+OK 3 \d+\r\n\+OK bye\r\n\z/, 'also a whole session at once';
    $client = $proxy->client;
    $client->send("QUIT\r\n")->half_close;
    like $client->rest, qr/\A\+OK[^\r\n]*\r\n\+OK[^\r\n]*\r\n\z/, 'also before login';
};

scene 'refusals come in order' => sub {
    my $server = server(messages => \@messages);
    my $client = proxy($server->address)->client->login;
    $client->send("STAT\r\nFOO\r\nLAST\r\nRETR x\r\nNOOP\r\nQUIT\r\n");
    like $client->rest, qr/\A\+OK 3 \d+\r\n-ERR [^\r\n]+\r\n\+OK 0\r\n-ERR [^\r\n]+\r\n\+OK\r\n\+OK bye\r\n\z/, 'in order';
};

scene 'a server that announces PIPELINING' => sub {
    my $server = server(messages => \@messages, capa => [qw(TOP UIDL PIPELINING)], pipelining => 1);
    my $client = proxy($server->address)->client;
    $client->send("USER joe\r\nPASS x\r\nSTAT\r\nRETR 1\r\nUIDL\r\nDELE 2\r\nFOO\r\nNOOP\r\nQUIT\r\n");
    my $seen = $client->rest;
    like $seen, qr/\+OK 3 \d+\r\n\+OK message follows\r\n\Q$messages[0]\E\.\r\n\+OK\r\n1 uid-1\r\n2 uid-2\r\n3 uid-3\r\n\.\r\n\+OK deleted\r\n-ERR [^\r\n]+\r\n\+OK\r\n\+OK bye\r\n\z/,
        'the same replies in the same order';
    is_deeply $server->{committed}, [2], 'committed';
};

done;
