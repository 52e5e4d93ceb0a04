# SPDX-License-Identifier: BSD-2-Clause
#
# Multi-line replies pass octet for octet, whatever they contain and wherever reads and writes are
# cut; only CRLF . CRLF ends them.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

# Sends $wire (status line, body, terminator) as the answer to RETR and
# returns what the client got after the status line, including the terminator.
sub passes {
    my ($client, $server, $name, @pieces) = @_;
    my $wire = join '', @pieces;
    my $connection = ($server->connections)[-1];
    $server->{on}{RETR} = sub {
        for my $i (0 .. $#pieces) {
            $connection->send($pieces[$i]);
            $connection->taken if $i < $#pieces;
        }
        return '';
    };
    $client->send_line('RETR 1');
    my $got = $client->octets(length $wire);
    my $same = $got eq $wire;
    ok $same, $name or diag(_difference($got, $wire));
    $client->ask('NOOP') eq '+OK' or die "$name: out of step\n";
    return $same;
}

sub _difference {
    my ($got, $wanted) = @_;
    my $at = 0;
    $at++ while $at < length $got && substr($got, $at, 1) eq substr $wanted, $at, 1;
    return "differs at octet $at: got \"" . show(substr $got, $at, 40) . '", wanted "' . show(substr $wanted, $at, 40) . '"';
}

sub session {
    my $server = server();
    return (proxy($server->address)->client->login, $server);
}

my $ok  = "+OK\r\n";
my $end = ".\r\n";

scene 'bodies of any content' => sub {
    my ($client, $server) = session();
    my %body = (
        'empty'                         => '',
        'one empty line'                => "\r\n",
        'every octet'                   => join('', map { chr } 0 .. 255) . "\r\n",
        'NUL octets'                    => "\0\0a\0\r\n\0\r\n",
        '8-bit'                         => "gr\xfc\xdfe \xe2\x82\xac\r\n",
        'bare CR'                       => "a\rb\r\r\r\n",
        'bare LF'                       => "a\nb\n\n\r\n",
        'LF CR'                         => "a\n\rb\r\n",
        'a dot that ends in a bare LF'  => "a\r\n.\nb\r\n",
        'a dot after a bare LF'         => "a\n.\r\nb\r\n",
        'a dot and a bare CR'           => "a\r\n.\rb\r\n",
        'a dot between bare LFs'        => "a\n.\nb\r\n",
        'a dot, CR, CR, LF'             => "a\r\n.\r\r\nb\r\n",
        'a dot after CR CR LF and LF'   => "a\r\r\n\n.\r\nb\r\n",
        'a dot and a blank'             => "a\r\n. \r\nb\r\n",
        'stuffed lines'                 => "..\r\n...\r\n..a\r\n.. \r\n",
        'a line that begins with a dot' => ".a\r\n.b\r\n",
        'a dot first, bare LF'          => ".\nb\r\n",
        'trailing blanks'               => "a  \t \r\n   \r\n\t\r\n",
        'only line ends'                => "\r\n" x 1000,
        'a 10,000-octet line'           => 'x' x 10_000 . "\r\n",
        'a 1 MB line'                   => 'y' x 1_000_000 . "\r\n",
        'status lines inside'           => "+OK\r\n-ERR no\r\n+OK 1 2\r\n",
        'commands inside'               => "QUIT\r\nDELE 1\r\nPASS x\r\n",
        'looks like CRLF . CRLF almost' => "\r\n\r.\r\n\n.\r\n\r\n.\r.\r\n",
    );
    passes($client, $server, $_, $ok . $body{$_} . $end) for sort keys %body;
    passes($client, $server, 'a body of 5 MB', $ok . message(5_000_000) . $end);
    passes($client, $server, 'a longest status line', '+OK ' . 'x' x 506 . "\r\n" . "body\r\n" . $end);
    $client->quit;
};

scene 'a terminator split at every border' => sub {
    my ($client, $server) = session();
    for my $body ("text\r\n", "\r\n", '', "a\r\n\r\n", "..\r\n", ".x\r\n") {
        my $wire = "$ok$body$end";
        my $from = length($ok) - 2;
        for my $at ($from .. length($wire) - 1) {
            passes($client, $server, show($body) . " cut at $at", substr($wire, 0, $at), substr $wire, $at);
        }
        passes($client, $server, show($body) . ' octet by octet', split //, $wire);
    }
    $client->quit;
};

scene 'near misses split at every border' => sub {
    my ($client, $server) = session();
    for my $body ("a\r\n.\nb\r\n", "a\n.\r\nb\r\n", "a\r\n.\r\r\nb\r\n", "a\r\n.\rb\r\n") {
        my $wire = "$ok$body$end";
        passes($client, $server, show($body) . " cut at $_", substr($wire, 0, $_), substr $wire, $_) for 5 .. length($wire) - 1;
    }
    $client->quit;
};

scene 'a terminator at every border of a buffer' => sub {
    my ($client, $server) = session();
    for my $size (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072) {
        my $good = 1;
        for my $wanted ($size - 6 .. $size + 2) {
            my $line = "0123456789abcde\r\n";
            my $body = substr $line x ($wanted / 17 + 2), 0, $wanted - length($ok) - 5;
            $body =~ s/[\r\n]*\z/x/ if $body =~ /[\r\n]\z/;
            $good &&= passes($client, $server, "reply of about $wanted octets", "$ok$body\r\n$end");
        }
    }
    $client->quit;
};

scene 'two messages without a pause between' => sub {
    my $server = server(messages => [ message(70_000), message(130_000) ]);
    my $client = proxy($server->address)->client->login;
    $client->send(join '', map { "RETR $_\r\n" } 1, 2, 1, 2);
    for my $number (1, 2, 1, 2) {
        $client->reply;
        is $client->body, $server->{messages}[ $number - 1 ] =~ s/^\./../mgr, "message $number";
    }
    $client->quit;
};

scene 'a slow reader gets everything' => sub {
    my $server = server(messages => [ message(3_000_000) ]);
    my $client = proxy($server->address)->client(rcvbuf => 4096)->login;
    $client->hold->send_line('RETR 1');
    pause(0.3);
    $client->resume;
    $client->reply;
    is $client->body, $server->{messages}[0] =~ s/^\./../mgr, '3 MB';
    $client->quit;
};

scene 'TOP, LIST and UIDL are relayed in the same way' => sub {
    my $odd = "a\r\n.\nb\0\xff\r\n";
    my $server = server(on => { map { $_ => "+OK\r\n$odd.\r\n" } qw(TOP LIST UIDL) });
    my $client = proxy($server->address)->client->login;
    is + ($client->fetch($_))[1], $odd, $_ for 'TOP 1 1', 'LIST', 'UIDL';
    $client->quit;
};

scene 'an -ERR is one line, also as the reply to a multi-line command' => sub {
    my $server = server(on => { map { $_ => "-ERR no\r\n" } qw(TOP LIST UIDL RETR) });
    my $client = proxy($server->address)->client->login;
    is $client->ask($_), '-ERR no', $_ for 'TOP 1 1', 'LIST', 'UIDL', 'RETR 1';
    $client->quit;
};

scene 'texts of status lines pass unchanged' => sub {
    my $server = server();
    my $client = proxy($server->address)->client->login;
    for my $reply ('+OK', '-ERR', '+OK 7 1234', '-ERR [SYS/TEMP] try later', '+OK  two  blanks ', '+OK "quotes" \\ %s',
        '+OK ' . 'z' x 506) {
        $server->{on}{STAT} = "$reply\r\n";
        is $client->ask('STAT'), $reply, substr $reply, 0, 40;
    }
    $client->quit;
};

scene 'control octets in a status line are not passed on raw' => sub {
    for my $octet ("\0", "\e", "\x07", "\x08", "\r", "\x7f") {
        my $server = server(on => { STAT => "+OK a${octet}b\r\n" });
        my $client = proxy($server->address)->client->login;
        is $client->ask('STAT'), '+OK a?b', sprintf 'octet %02x', ord $octet;
        $client->quit;
    }
};

done;
