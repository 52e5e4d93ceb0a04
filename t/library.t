# SPDX-License-Identifier: BSD-2-Clause
#
# The test library itself, without the product: the fake server serves a real POP3 client, keeps what
# it receives and notes what is forbidden, and every wait ends at its limit. Only a correct library
# proves anything about the product.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Socket::IP;
use Pop3Test::Log;

sub stream_to {
    my ($server, %option) = @_;
    my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $server->port)
        or die "connect: $@\n";
    return Pop3Test::Client->new($socket, name => 'direct', tcp => 1, %option);
}

my @messages = ("Subject: one\r\n\r\n.dot\r\n..\r\nend\r\n", "Subject: two\r\n\r\n", message(200_000));

scene 'the mailbox answers like a POP3 server' => sub {
    my $server = server(messages => \@messages, capa => [qw(TOP UIDL)]);
    my $client = stream_to($server)->login;
    like $client->ask('STAT'), qr/^\+OK 3 \d+$/, 'STAT';
    is $client->ask('LIST 2'), '+OK 2 ' . length $messages[1], 'LIST 2';
    is + ($client->fetch('UIDL'))[1], "1 uid-1\r\n2 uid-2\r\n3 uid-3\r\n", 'UIDL';
    is + ($client->fetch('RETR 1'))[1], "Subject: one\r\n\r\n..dot\r\n...\r\nend\r\n", 'RETR 1, stuffed';
    is + ($client->fetch('RETR 3'))[1], $messages[2] =~ s/^\./../mgr, 'RETR 3';
    is + ($client->fetch('TOP 1 1'))[1], "Subject: one\r\n\r\n..dot\r\n", 'TOP 1 1';
    is + ($client->fetch('CAPA'))[1], "TOP\r\nUIDL\r\n", 'CAPA';
    like $client->ask('DELE 2'), qr/^\+OK/,  'DELE 2';
    like $client->ask('RETR 2'), qr/^-ERR/, 'RETR of a deleted message';
    like $client->quit, qr/^\+OK/, 'QUIT';
    is_deeply $server->{committed}, [2], 'deletions committed by QUIT';
    is_deeply [ ($server->lines)[ 0, -1 ] ], [ "USER $Pop3Test::Client::USER", 'QUIT' ], 'record of lines';
};

scene 'Net::POP3 can use it' => sub {
    plan(skip_all => 'Net::POP3 is not installed') if !eval { require Net::POP3; 1 };
    my $server = server(messages => \@messages);
    my $script = 'my $p = Net::POP3->new("127.0.0.1", Port => shift, Timeout => 10) or exit 2;'
        . 'exit 3 if $p->login("a", "b") != 3; print join "", @{ $p->get(1) }; $p->delete(1); $p->quit';
    my $result = run([ $^X, '-MNet::POP3', '-e', $script, $server->port ]);
    is exit_code($result->{status}), 0, 'exit code';
    is $result->{out}, $messages[0] =~ s/\r\n/\n/gr, 'message';
    is_deeply $server->{committed}, [1], 'deleted';
};

scene 'hooks and scripts replace answers' => sub {
    my $server = server(on => { STAT => "+OK 7 7\r\n", NOOP => sub { $_[0]->send("+OK a\r\n"); '' } });
    my $client = stream_to($server)->login;
    is $client->ask('STAT'), '+OK 7 7', 'fixed octets';
    is $client->ask('NOOP'), '+OK a',   'code';
    my $scripted = server(script => 1);
    $client = stream_to($scripted);
    my $connection = $scripted->connection;
    $connection->send('+O');
    $connection->taken;
    ok !eval { $client->line(0.05); 1 }, 'half a greeting is not a line';
    $connection->send("K ready\r\n");
    is $client->greeting, '+OK ready', 'the whole one';
    $client->send_line('CAPA')->send_line('NOOP');
    is $connection->command, 'NOOP', 'a command, CAPA refused in passing';
    $connection->reset;
    $client->rest;
    ok $client->{reset}, 'a reset is seen as such';
};

scene 'forbidden input is noted' => sub {
    my $server = server();
    stream_to($server)->login->send("NOOP\r\nEXPN x\r\nNOOP\n")->half_close->rest;
    is @{ $server->{violations} }, 2, 'verb and line end' or diag explain $server->{violations};
    ok +($server->connections)[0]{ahead}, 'pipelining is noticed';
    $server->{violations} = [];
};

scene 'the port of a closed server stays its own' => sub {
    my $server = server();
    my $port   = $server->port;
    $server->close;
    for my $host ('127.0.0.1', '::1') {
        ok !IO::Socket::IP->new(LocalHost => $host, LocalPort => $port, Listen => 1, Proto => 'tcp'), "$host: nobody gets it";
        ok !IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Proto => 'tcp'), "$host: nobody answers";
    }
    ok server(port => $port), 'a server that asks for it does';
};

scene 'every wait ends at its limit' => sub {
    my $client = stream_to(server(script => 1));
    local $Pop3Test::Loop::LIMIT = 1000;    # longer than this file may run
    ok !eval { $client->line(0.2); 1 }, 'no line: dies';
    like $@, qr/no answer in time/, 'with a reason';
    ok !wait_until(sub { 0 }, 0.01), 'a condition that never holds';
    $Pop3Test::Loop::LIMIT = 0.01;
    ok !wait_until(sub { 0 }), 'nor without a limit of its own';
    $Pop3Test::Loop::LIMIT = 1000;
    my $result = run([ $^X, '-e', 'select undef, undef, undef, undef' ], limit => 0.2);
    ok $result->{late}, 'a command that never ends';
    is exit_code($result->{status}), 'signal 9', 'is killed';
};

scene 'log lines are parsed strictly' => sub {
    my %good = (
        '<22>Nov  2 10:00:00 pop3.proxy[7]: event=x a=b' => undef,
        '<22>Nov 22 10:00:00 pop3.proxy[7]: event=x text="a b" c=\x20' => undef,
        '<22>Nov 22 10:00:00 pop3.proxy[7]: event=x a=b a=c' => 'repeated key a',
        '<22>Nov 22 10:00:00 pop3.proxy[7]: event=x a b' => 'fields',
        "<22>Nov 22 10:00:00 pop3.proxy[7]: event=x a=\x1b" => 'octets',
        'pop3.proxy: event=x' => 'frame',
    );
    is Pop3Test::Log::parse($_)->{malformed}, $good{$_}, show($_) for sort keys %good;
};

done;
