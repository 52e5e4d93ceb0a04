# SPDX-License-Identifier: BSD-2-Clause
#
# Lines of a client up to 8 KiB are accepted whole, a USER line up to 255 octets. A longer one is
# refused with one -ERR and never cut; the session goes on after its end. A line that has not ended
# after 64 KiB ends the session. Its length costs no memory.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

scene 'lines that are taken' => sub {
    my $server = server();
    my $proxy  = proxy($server->address);
    for my $length (255, 512, 1024, 4096, 8000, 8192) {
        my $password = secret('p' x ($length - 7));
        my $client   = $proxy->client->login('joe', $password);
        is + (($server->connections)[-1]->lines)[1], "PASS $password", "a PASS of $length octets is whole";
        $client->quit;
    }
};

scene 'a USER line of 255 octets with its end is taken, a longer one refused' => sub {
    my $server = server();
    my $proxy  = proxy($server->address);
    for my $length (254, 255) {
        my $name = 'u' x ($length - 7);
        $proxy->client->login($name)->quit;
        is + (($server->connections)[-1]->lines)[0], "USER $name", "$length octets: taken whole";
    }
    my $before = $server->connections;
    for my $length (256, 1000, 8192) {
        my $client = $proxy->client;
        $client->greeting;
        is $client->ask('USER ' . 'u' x ($length - 7)), '-ERR line too long', "$length octets: refused";
        like $client->ask('PASS x'), qr/^-ERR/, 'so PASS is out of place';
        like $client->ask('USER joe'), qr/^\+OK/, 'and the session goes on';
        $client->quit;
    }
    is scalar $server->connections, $before, 'nothing reached the server';
};

scene 'a line over 8 KiB is refused once' => sub {
    my $server = server();
    for my $length (8193, 8200, 8192 * 2, 8192 * 2 + 1, 20_000, 65_536) {
        for my $command ('NOOP', 'QUIT', 'DELE') {
            my $client = proxy($server->address)->client->login;
            $client->send($command . ' ' x 3 . 'x' x ($length - 9) . "\r\n" . "NOOP\r\n");
            like $client->reply, qr/^-ERR ./, "$command, $length octets: refused";
            is $client->reply, '+OK', 'the session goes on after it';
            is $client->quit, '+OK bye', 'QUIT';
        }
    }
    is $server->saw(qr/x/), 0, 'no part of them reached the server';
};

scene 'a line of 8192 octets with its end is taken, a longer one refused' => sub {
    my $server = server();
    my $proxy  = proxy($server->address);
    for my $length (8185 .. 8200) {
        my $password = secret('q' x ($length - 7));
        my $client   = $proxy->client;
        $client->greeting;
        $client->ask('USER joe');
        my $before = $server->connections;
        my $reply  = $client->ask("PASS $password");
        if ($length <= 8192) {
            is $reply, '+OK logged in', "$length octets: taken";
            is + (($server->connections)[-1]->lines)[1], "PASS $password", "$length octets: whole";
        } else {
            like $reply, qr/^-ERR line too long/, "$length octets: refused";
            is scalar $server->connections, $before, "$length octets: before the server was asked";
        }
    }
};

scene 'a long line in small pieces' => sub {
    my $client = proxy(server()->address)->client->login;
    for (1 .. 30) {
        $client->send('x' x 500);
        $client->taken;
    }
    $client->send("\r\nSTAT\r\n");
    like $client->reply, qr/^-ERR/, 'one refusal';
    like $client->reply, qr/^\+OK 0 0/, 'then the next command';
    $client->quit;
};

scene 'a long line before login' => sub {
    my $server = server();
    my $client = proxy($server->address)->client;
    $client->greeting;
    like $client->ask('USER ' . 'x' x 10_000), qr/^-ERR/, 'USER refused';
    like $client->ask('PASS y'), qr/^-ERR/, 'so PASS is out of place';
    like $client->ask('USER joe'), qr/^\+OK/, 'a new USER';
    like $client->ask('PASS ' . 'x' x 10_000), qr/^-ERR/, 'PASS refused';
    is scalar $server->connections, 0, 'no server so far';
    like $client->ask('PASS y'), qr/^\+OK/, 'the login works';
    $client->quit;
};

scene 'a line that ends in the middle of the next read' => sub {
    my $server = server();
    my $client = proxy($server->address)->client->login;
    $client->send('x' x 9000);
    $client->taken;
    $client->send("\nNOOP\r\nLAST\r\n");
    like $client->reply, qr/^-ERR/, 'refused';
    is $client->reply, '+OK',   'NOOP';
    is $client->reply, '+OK 0', 'LAST';
    $client->quit;
};

scene 'a line that does not end' => sub {
    my $server = server();
    my $told   = qr/\A(?:-ERR line too long\r\n)?\z/;      # the close may lose it while the client sends more
    for my $state ('before', 'after', 'in AUTH') {
        for my $octets (65_537, 100_000) {
            my $client = proxy($server->address)->client;
            $state eq 'after' ? $client->login : $client->greeting;
            if ($state eq 'in AUTH') {
                $client->send_line('AUTH PLAIN');
                is $client->line, '+ ', 'a challenge';
            }
            $client->send('x' x $octets);
            like $client->rest, $told, "$state login, $octets octets: the session ends";
            is $client->session_line->{reason}, 'line-too-long', 'reason';
        }
    }
    my $client = proxy($server->address)->client->login;
    for my $i (1 .. 128) {
        $client->send('x' x 512);
        $client->taken if $i % 8 == 0;
    }
    is $client->send("\r\n")->rest, "-ERR line too long\r\n", 'the client is told, also after 64 KiB and an end';
    is $client->session_line->{reason}, 'line-too-long', 'reason';
    is $server->saw(qr/x/), 0, 'no part of the lines reached the server';
};

scene 'a long line costs no memory' => sub {
    plan(skip_all => 'needs /proc') if !-r '/proc/self/smaps_rollup';
    plan(skip_all => 'a sanitizer has its own ideas of memory') if is_sanitized();
    my $client = proxy(server()->address)->client->login;
    plan(skip_all => 'may not look at the process') if !open my $probe, '<', '/proc/' . $client->process->pid . '/smaps_rollup';
    my $size = sub {
        my $sum = 0;
        for my $pid (descendants($client->process->pid)) {
            $sum += $1 if read_file("/proc/$pid/smaps_rollup") =~ /^Private_Dirty:\s+(\d+)/m;
        }
        return $sum;
    };
    $client->ask('NOOP');
    my $before = $size->();
    $client->send('x' x 65_000);
    $client->sent(60);
    $client->taken;
    cmp_ok $size->() - $before, '<=', 32, 'KiB more after 64 KB';
    $client->send("\r\n");
    like $client->reply, qr/^-ERR/, 'refused';
    $client->quit;
};

scene 'an endless status line costs no memory' => sub {
    plan(skip_all => 'needs /proc') if !-r '/proc/self/smaps_rollup';
    expect_reason('server-bad-reply');
    my $server = server(on => { STAT => '' });
    my $client = proxy($server->address)->client->login;
    $client->send_line('STAT');
    $server->wait_line(qr/STAT/);
    my $connection = ($server->connections)[-1];
    $connection->send('+OK ' . 'x' x 20_000_000);
    like $client->rest, qr/\A-ERR [^\r\n]{1,200}\r\n\z/, 'cut off';
    ok $connection->{broken} || wait_until(sub { $connection->{eof} }), 'the server connection is closed';
};

done;
