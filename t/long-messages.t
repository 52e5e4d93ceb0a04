# SPDX-License-Identifier: BSD-2-Clause
#
# Long messages, whose octets are only peeked at and then moved inside the kernel: they arrive octet
# for octet like others, only their end ends them, wherever that is cut, and no pipe or descriptor is
# left over, whoever closes first.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Errno qw(EMFILE EINVAL);
use Socket qw(SOL_SOCKET SO_RCVBUF MSG_OOB);

expect_log('configuration');
expect_reason(qw(server-closed server-unsolicited server-lost client-stalled));

use constant LONG => 300_000;       # from 256 KiB on

my %kind = ('one session a worker' => { workers => 1, max_workers => 1, sessions_per_worker => 1 },
            'many sessions a worker' => { workers => 1, max_workers => 1, sessions_per_worker => 100 });

# One scene for each kind of worker; the code gets its settings.
sub both {
    my ($name, $code) = @_;
    scene "$name, $_" => sub { $code->(%{ $kind{$_} }, max_per_ip => 0) } for sort keys %kind;
    return;
}

# How many pipes a process has open.
sub pipes { return scalar grep { /^pipe:/ } descriptors($_[0]) }

# Makes RETR send the pieces one after the other, each when the proxy has read the
# one before.
sub says {
    my ($server, @pieces) = @_;
    $server->{on}{RETR} = sub {
        my ($connection) = @_;
        for my $i (0 .. $#pieces) {
            $connection->send($pieces[$i]);
            $connection->taken if $i < $#pieces;
        }
        return '';
    };
    return;
}

sub passes {
    my ($client, $server, $name, @pieces) = @_;
    my $wire = join '', @pieces;
    says($server, @pieces);
    $client->send_line('RETR 1');
    my $got  = $client->octets(length $wire);
    my $same = $got eq $wire && $client->ask('NOOP') eq '+OK';
    ok $same, $name;
    return $same;
}

# Why the session of this user ended.
sub reason {
    my ($user) = @_;
    my $line;
    wait_until(sub { ($line) = grep { $_->{f}{user} eq $user } log_lines('session') });
    return $line ? $line->{f}{reason} : 'none';
}

my $number = 0;     # a user for each session whose reason is checked

my $start = "+OK\r\n" . message(LONG);
my $end   = ".\r\n";

both 'bodies of any content' => sub {
    my $server = server();
    my $master = master(server => $server->address, @_);
    my $client = $master->client->login;
    my %body   = (
        'a message'            => message(5_000_000),
        'stuffed lines only'   => "..\r\n" x 400_000,
        'empty lines only'     => "\r\n" x 500_000,
        'one line'             => 'x' x 2_000_000 . "\r\n",
        'every octet'          => join('', map { chr } 0 .. 255) x 4000 . "\r\n",
        'almost the end'       => "a\r\n.\nb\n.\r\nc\r\n.\rd\r\n. \r\n" x 50_000,
    );
    passes($client, $server, $_, "+OK\r\n$body{$_}$end") for sort keys %body;
    my @pipes = map { pipes($_) } $master->workers(1);
    is "@pipes", 0, 'no pipe is kept' if is_root();
    is $client->quit, '+OK bye', 'QUIT';
};

both 'the end, cut anywhere' => sub {
    my $server = server();
    my $client = master(server => $server->address, @_)->client->login;
    for my $tail ("\r\n.\r\n", "x\r\n.\r\n", "..\r\n.\r\n", "\r\n.\nx\r\n.\r\n") {
        passes($client, $server, show($tail) . " cut at $_", $start, substr($tail, 0, $_), substr $tail, $_) for 1 .. length($tail) - 1;
        passes($client, $server, show($tail) . ' octet by octet', $start, split //, $tail);
    }
    is $client->quit, '+OK bye', 'QUIT';
};

both 'the end near the borders of a block' => sub {
    my $server = server();
    my $client = master(server => $server->address, @_)->client->login;
    for my $size (65536, 131072, 262144) {
        my $right = grep {
            my $piece = 'y' x ($size - 6 + $_) . "\r\n.\r\n";
            says($server, $start, $piece);
            $client->send_line('RETR 1');
            $client->octets(length "$start$piece") eq "$start$piece" && $client->ask('NOOP') eq '+OK';
        } 0 .. 8;
        is $right, 9, "about $size octets after the first part";
    }
    is $client->quit, '+OK bye', 'QUIT';
};

both 'octets after the end' => sub {
    my $server = server();
    my $master = master(server => $server->address, @_);
    for my $spare ("+OK\r\n", 'x', '+OK ' . 'x' x 100_000) {
        my $client = $master->client->login('u' . ++$number);
        says($server, $start, "more\r\n$end$spare");
        $client->send_line('RETR 1');
        ok $client->rest eq "${start}more\r\n$end", length($spare) . ' octets are not passed on';
        is reason("u$number"), 'server-unsolicited', 'reason';
    }
};

both 'a server that closes' => sub {
    my $server = server(on => { RETR => sub {
        my ($connection) = @_;
        $connection->send("${start}half a li");
        $connection->close_when_sent;
        return '';
    } });
    my $client = master(server => $server->address, @_)->client->login('u' . ++$number);
    $client->send_line('RETR 1');
    ok $client->rest eq "${start}half a li", 'all that it sent, and nothing else';
    is reason("u$number"), 'server-closed', 'reason';
};

# Fills all buffers between server and client after the message has become a long one, so
# that the proxy has to wait.
sub stalled {
    my ($master, $user) = @_;
    my $client = $master->client;
    setsockopt $client->{fh}, SOL_SOCKET, SO_RCVBUF, 16384;
    $client->login($user // ())->send_line('RETR 1');
    wait_until(sub { length $client->received > 1_000_000 }, 10) or die "the message does not come\n";
    return $client->hold;
}

both 'a client that leaves' => sub {
    my $server = server(messages => [ message(12_000_000) ], sndbuf => 65536);
    my $master = master(server => $server->address, @_);
    my ($worker) = $master->workers(1);
    my $before = is_root() ? scalar(descriptors($worker)) : 0;
    for my $how (qw(close reset)) {
        my $client = stalled($master, $how);
        my $connection = ($server->connections)[-1];
        ok wait_until(sub { pipes($worker) == 2 }), "$how: it goes by a pipe" if is_root();
        $client->$how;
        ok wait_until(sub { $connection->{eof} }), "$how: the server is left";
    }
    ok !$server->saw(qr/QUIT/i), 'no QUIT';
    is $master->settled(1), 'settled', 'all wait again';
    is scalar(descriptors($worker)), $before, 'descriptors' if is_root();
    my ($status) = $master->client->login->fetch('RETR 1');
    is $status, '+OK message follows', 'and a good one';
};

both 'a client that does not read' => sub {
    my $reply  = "+OK\r\n" . message(12_000_000) . $end;      # made before: the limit is the server's as well
    my $server = server(on => { RETR => $reply });
    my $master = master(server => $server->address, @_, timeout => 2);
    my $client = stalled($master, 'u' . ++$number);
    my $connection = ($server->connections)[-1];
    ok wait_until(sub { $connection->{eof} }), 'is cut';
    is reason("u$number"), 'client-stalled', 'reason';
    ok !$server->saw(qr/QUIT/i), 'no QUIT';
};

both 'a client that sends ahead while it does not read' => sub {
    my $server = server(messages => [ message(4_000_000) ]);
    my $master = master(server => $server->address, @_);
    my $client = stalled($master);
    pause(0.2);
    $client->send("NOOP\r\nSTAT\r\nRETR 1\r\n")->resume;
    my @replies = map { my $status = $client->reply; $status =~ /follows/ ? length $client->body : $status } 1 .. 4;
    is "@replies", join(' ', length $server->{messages}[0], '+OK', '+OK 1 ' . length $server->{messages}[0], length $server->{messages}[0]),
        'gets all replies, in order';
    is $client->quit, '+OK bye', 'QUIT';
};

scene 'eight clients of different speeds in one worker' => sub {
    my @messages = map { message(400_000 * $_) } 1 .. 8;
    my $server = server(messages => [@messages]);
    my $master = master(server => $server->address, %{ $kind{'many sessions a worker'} }, max_per_ip => 0);
    my ($worker) = $master->workers(1);
    my @clients = map { $master->client->login("joe$_") } 1 .. 8;
    my $before = is_root() ? scalar(descriptors($worker)) : 0;
    $clients[ $_ - 1 ]->hold->send("RETR $_\r\nNOOP\r\n") for 1 .. 8;
    my $right = 0;
    for my $i (reverse 0 .. 7) {
        my $client = $clients[$i]->resume;
        $right++ if $client->reply =~ /^\+OK/ && $client->body eq $messages[$i] && $client->reply eq '+OK';
    }
    is $right, 8, 'each got its own message';
    is scalar(descriptors($worker)), $before, 'descriptors' if is_root();
    is $_->quit, '+OK bye', 'QUIT' for @clients;
};

both 'out-of-band octets' => sub {
    my $server = server(on => { RETR => sub {
        my ($connection) = @_;
        $connection->send($start);
        $connection->taken;
        CORE::send($connection->{fh}, 'u', MSG_OOB);
        CORE::send($connection->{fh}, "v\r\n.\r\n", 0);
        return '';
    } });
    my $client = master(server => $server->address, @_)->client->login;
    $client->send_line('RETR 1');
    my $wire = "${start}uv\r\n.\r\n";
    ok $client->octets(length $wire) eq $wire, 'are passed on like others';
    is $client->quit, '+OK bye', 'QUIT';
};

my ($library) = grep { -f } map { "$_/fault.so" } program() =~ s{/src/[^/]*\z}{/t/fault}r;

both 'a kernel without pipe or splice' => sub {
    plan(skip_all => 'make check builds the library of faults') if !$library;
    plan(skip_all => 'a sanitizer wants to be loaded first') if is_sanitized();
    my %fault = ('no pipe' => { FAULT_CALL => 'pipe2', FAULT_ERRNO => EMFILE },
                 'no splice' => { FAULT_CALL => 'splice', FAULT_ERRNO => EINVAL });
    for my $name (sort keys %fault) {
        my $server = server();
        local @ENV{qw(LD_PRELOAD FAULT_PROCESS FAULT_NUMBER), keys %{ $fault{$name} }} =
            ($library, 'children', 0, values %{ $fault{$name} });
        my $client = master(server => $server->address, @_)->client->login;
        passes($client, $server, "$name: it is read", $start, message(500_000) . $end);
        passes($client, $server, "$name: the end cut", $start, "\r\n.", "\r\n");
        is $client->quit, '+OK bye', 'QUIT';
    }
};

done;
