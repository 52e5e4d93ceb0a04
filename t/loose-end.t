# SPDX-License-Identifier: BSD-2-Clause
#
# A message that ends with LF.CRLF: some servers pass on what they store and add only ".CRLF". Mail
# programs that read lines take it for complete, and so the session goes on when such a client does.
# A client that waits, or that has sent its commands ahead, gets what it always got.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tls;

expect_reason(qw(server-stalled server-bad-reply server-unsolicited));

my $loose = "Subject: x\r\n\r\nlast line\n.\r\n";
my $long  = message(600_000) =~ s/\r\n\z/\n.\r\n/r;
my %body  = (short => $loose, 'in the kernel' => $long);

# A logged-in client of a server whose messages are these octets.
sub session {
    my ($body, %option) = @_;
    my $server = server(on => { RETR => "+OK\r\n$body" }, %option);
    return (proxy(@{ $option{arguments} // [] }, $server->address)->client->login, $server);
}

sub loose_ends { my ($client) = @_; return scalar grep { $_ eq 'loose-end' } @{ $client->events } }

scene 'the client sends its next command' => sub {
    for my $name (sort keys %body) {
        my $wire = "+OK\r\n$body{$name}";
        my ($client, $server) = session($body{$name});
        for my $number (1 .. 2) {
            $client->send_line("RETR $number");
            ok $client->octets(length $wire) eq $wire, "$name: message $number";
            is $client->ask('NOOP'), '+OK', "$name: the next command is served";
        }
        is $client->quit, '+OK bye', 'QUIT';
        is $client->session_line->{retrieved}, 2, 'both count';
        is loose_ends($client), 1, 'one line in the log';
    }
};

scene 'in a worker with many sessions' => sub {
    my $server = server(on => { RETR => sub { "+OK\r\n" . ($_[1] == 1 ? $loose : $long) } });
    my $daemon = master(server => $server->address, workers => 1, sessions_per_worker => 40);
    for my $number (1, 2) {
        my $wire = "+OK\r\n" . ($number == 1 ? $loose : $long);
        my $client = $daemon->client->login;
        $client->send_line("RETR $number");
        ok $client->octets(length $wire) eq $wire, "message $number";
        is $client->ask('NOOP'), '+OK', 'the next command is served';
        is $client->quit, '+OK bye', 'QUIT';
    }
};

scene 'through TLS' => sub {
    plan(skip_all => 'needs TLS, openssl and stunnel') if !features()->{tls} || !has_openssl() || !has_stunnel();
    my $identity = identity(name => 'localhost', san => ['IP:127.0.0.1']);
    my $server = server(on => { RETR => "+OK\r\n$loose" });
    my $proxy  = proxy(qw(--tls implicit --server-tls implicit --server-tls-verify=no --tls-certificate),
        $identity->{both}, tls_server($server, identity => $identity));
    my $client = tls_client($proxy)->login;
    $client->send_line('RETR 1');
    is $client->octets(length "+OK\r\n$loose"), "+OK\r\n$loose", 'the message';
    is $client->ask('NOOP'), '+OK', 'the next command is served';
    $client->quit;
};

scene 'an end in pieces, and TOP' => sub {
    my ($client, $server) = session('');
    my $connection = ($server->connections)[-1];
    for my $cut (1 .. length($loose) - 1) {
        my ($first, $second) = (substr($loose, 0, $cut), substr $loose, $cut);
        $server->{on}{TOP} = sub { $connection->send("+OK\r\n$first"); $connection->taken; $second };
        $client->send_line('TOP 1 1');
        $client->octets(length "+OK\r\n$loose");
        is $client->ask('NOOP'), '+OK', "cut at $cut";
    }
    $client->quit;
};

scene 'the server goes on' => sub {
    my ($client, $server) = session('');
    my $connection = ($server->connections)[-1];
    $server->{on}{RETR} = sub { $connection->send("+OK\r\n$loose"); $connection->taken; "more\r\n.\r\n" };
    is + ($client->fetch('RETR 1'))[1], $loose . "more\r\n", 'it was not the end';
    is $client->ask('NOOP'), '+OK', 'the session goes on';
    $client->quit;
    is loose_ends($client), 0, 'nothing in the log';
};

scene 'the server goes on after the client did' => sub {
    my ($client, $server) = session($loose, on => { RETR => "+OK\r\n$loose", NOOP => "more\r\n.\r\n+OK\r\n" });
    $client->send_line('RETR 1');
    $client->octets(length "+OK\r\n$loose");
    unlike $client->send_line('NOOP')->rest, qr/more/, 'nothing of the message answers a command';
    is $client->session_line->{reason}, 'server-bad-reply', 'reason';
};

scene 'commands sent ahead do not end a message' => sub {
    my ($client, $server) = session($loose, arguments => [qw(--server-timeout 1)]);
    $client->send("RETR 1\r\nDELE 1\r\n");
    is $client->rest, "+OK\r\n$loose", 'the message, then nothing';
    is $client->session_line->{reason}, 'server-stalled', 'reason';
    is $server->saw(qr/^DELE/), 0, 'the command is not served';
};

scene 'a client that waits, that sends half a line, or leaves' => sub {
    my %client;
    my @ways = (waits => sub { }, half => sub { $_[0]->send('NOO') }, leaves => sub { $_[0]->half_close });
    while (my ($way, $act) = splice @ways, 0, 2) {
        my ($client) = session($loose, arguments => [qw(--server-timeout 1)]);
        $client->send_line('RETR 1');
        $client->octets(length "+OK\r\n$loose");
        $act->($client);
        $client{$way} = $client;
    }
    for my $way (sort keys %client) {
        is $client{$way}->rest, '', "$way: closed";
        is $client{$way}->session_line->{reason}, 'server-stalled', 'reason';
    }
};

done;
