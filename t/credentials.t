# SPDX-License-Identifier: BSD-2-Clause
#
# A control octet in a credential would be a command for the server. It is refused at the client's
# line, before a server, name server or acp sees the session. A NUL does not shorten a password.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

my @octets = grep { $_ != 10 } 0 .. 31, 127;

sub refused_at {
    my ($line, @before) = @_;
    my $server = server();
    my $mark   = directory(0777) . '/ran';
    my $client = proxy('-a', acp("echo x >>$mark; exit 0"), $server->address)->client;
    $client->greeting;
    $client->ask($_) for @before;
    $client->send("$line\r\n");
    my $reply = $client->reply;
    pause(0.02);
    return $reply =~ /^-ERR/ && !$server->connections && !-e $mark;
}

scene 'in a user name' => sub {
    ok refused_at("USER a" . chr($_) . 'b'), sprintf 'octet %02x', $_ for @octets;
    ok refused_at("USER \0"), 'NUL alone';
    ok refused_at("USER joe\r"), 'a CR before the CRLF';
};

scene 'in a password' => sub {
    ok refused_at("PASS a" . chr($_) . 'b', 'USER joe'), sprintf 'octet %02x', $_ for @octets;
    ok refused_at("PASS good\0bad", 'USER joe'), 'NUL after a good password';
    ok refused_at("PASS x\rQUIT", 'USER joe'), 'a CR and a command';
    ok refused_at("PASS x\r\r", 'USER joe'), 'CRs before the CRLF';
};

scene 'the session goes on' => sub {
    my $server = server(password => 'right');
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    like $client->ask("PASS right\0"), qr/^-ERR/, 'refused';
    like $client->ask('PASS right'), qr/^\+OK/, 'the good one is taken';
    is_deeply [ $server->lines ], [ 'USER joe', 'PASS right' ], 'the server saw nothing else';
    $client->quit;
};

scene 'a bare LF is the end of a line, not part of it' => sub {
    my $server = server();
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->send("USER joe\nPASS a\nDELE 1\n");
    like $client->reply, qr/^\+OK/, 'USER';
    like $client->reply, qr/^\+OK/, 'PASS';
    like $client->reply, qr/^-ERR no such message/, 'DELE is a command of its own, seen as such';
    is_deeply [ $server->lines ], [ 'USER joe', 'PASS a', 'DELE 1' ], 'three lines, all clean';
    $client->quit;
};

scene 'in the parts of a proxy login and a server name' => sub {
    for my $line ("USER a\x01:b", "USER a:b\x01", "USER a\@b\x01", "USER a\@127.0.0.1\0:1") {
        my $client = proxy('-e', '-a', acp('exit 0'), '-')->client;
        $client->greeting;
        like $client->ask($line), qr/^-ERR/, show($line);
        $client->quit;
    }
};

scene 'in arguments after login' => sub {
    my $server = server(messages => ["Subject: x\r\n\r\n"]);
    my $client;
    for my $i (0 .. $#octets) {
        $client = proxy($server->address)->client->login if $i % 5 == 0;
        my $octet = chr $octets[$i];
        next if $octet eq "\r";         # the CR of CRLF
        like $client->ask("RETR 1$octet"), qr/^-ERR/, sprintf 'octet %02x', ord $octet;
    }
    is $server->saw(qr/RETR/), 0, 'no RETR was passed on';
};

done;
