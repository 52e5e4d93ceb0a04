# SPDX-License-Identifier: BSD-2-Clause
#
# Descriptors 0 and 1 need not be one TCP socket: a pair of UNIX sockets and two pipes are served as
# well, without a client address.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Fcntl qw(F_GETFL F_SETFD);
use Pop3Test::Process ();

my @kinds = (socketpair => 'client_on_socketpair', pipes => 'client_on_pipes');

while (my ($kind, $method) = splice @kinds, 0, 2) {
    scene "a session over $kind" => sub {
        my $server = server(messages => [ "Subject: x\r\n\r\n.\n\0\r\n", message(300_000) ]);
        my $client = proxy($server->address)->$method->login;
        is + ($client->fetch('RETR 1'))[1], "Subject: x\r\n\r\n..\n\0\r\n", 'a message';
        is + ($client->fetch('RETR 2'))[1], $server->{messages}[1] =~ s/^\./../mgr, 'a big one';
        $client->ask('DELE 1');
        like $client->ask('FOO'), qr/^-ERR/, 'a refusal';
        is $client->quit, '+OK bye', 'QUIT';
        is_deeply $server->{committed}, [1], 'committed';
        my $line = $client->session_line;
        is "$line->{reason} $line->{commit}", 'quit ok', 'in the log';
    };

    scene "half-close over $kind" => sub {
        my $server = server(messages => ["Subject: x\r\n\r\n"]);
        my $client = proxy($server->address)->$method;
        $client->send("USER joe\r\nPASS x\r\nRETR 1\r\nQUIT\r\n")->half_close;
        like $client->rest, qr/\+OK message follows\r\nSubject: x\r\n\r\n\.\r\n\+OK bye\r\n\z/, 'everything is answered';
    };

    scene "lost over $kind" => sub {
        my $server = server(messages => ["Subject: x\r\n\r\n"]);
        my $client = proxy($server->address)->$method->login;
        $client->ask('DELE 1');
        $client->close;
        ok defined $client->process->wait, 'the session ends';
        is $server->saw(qr/QUIT/i), 0, 'without QUIT';
    };

    scene "an acp over $kind" => sub {
        my $server = server();
        my $file   = directory(0777) . '/env';
        my $client = proxy('-a', acp("env >$file; echo +OK hello"), $server->address)->$method;
        is $client->try_login, '+OK hello', 'its output arrives';
        like $client->reply, qr/^\+OK/, 'the login too';
        like read_file($file), qr/^PROXY_CLIENT=$/m, 'PROXY_CLIENT is empty';
        $client->quit;
    };

    scene "an idle limit over $kind" => sub {
        expect_log('configuration');
        my $client = proxy('-t', 1, server()->address)->$method->login;
        is $client->rest, '', 'closed without a word';
    };
}

scene 'a session by hand, with input from a file' => sub {
    my $server = server(messages => ["Subject: x\r\n\r\nbody\r\n"]);
    my $script = write_file(directory() . '/in', "USER joe\nPASS x\nSTAT\nQUIT\n");
    open my $input, '<', $script or die $!;
    my $result = run([ program(), $server->address ], fds => { 0 => $input },
        env => { POP3_PROXY_SYSLOG => '/no/such/socket' });
    is exit_code($result->{status}), 0, 'exit status';
    like $result->{out}, qr/\A(?:\+OK[^\r\n]*\r\n){5}\z/, 'greeting and four replies';
    is $result->{err}, '', 'nothing on standard error';
};

scene 'descriptors are left as they were' => sub {
    # The program that started ours, a shell for instance, shares them.
    my $server = server();
    my $script = "USER joe\nPASS x\nQUIT\n";
    pipe my $input, my $feed or die $!;
    pipe my $drain, my $output or die $!;
    syswrite $feed, $script;
    my @before = map { fcntl $_, F_GETFL, 0 } $input, $output;
    my $process = Pop3Test::Process::spawn(command => [ program(), $server->address ], fds => { 0 => $input, 1 => $output },
        env => { POP3_PROXY_SYSLOG => '/no/such/socket' });
    ok defined $process->wait, 'a session';
    is_deeply [ map { fcntl $_, F_GETFL, 0 } $input, $output ], \@before, 'flags are what they were';
};

scene 'no standard input at all' => sub {
    for my $closed ([0], [ 0, 1 ], [ 0, 1, 2 ]) {
        my $result = run([ program(), server()->address ], limit => 10, env => { POP3_PROXY_SYSLOG => '/no/such/socket' },
            before => sub { POSIX::close($_) for @$closed });
        ok !$result->{late}, "closed: @$closed, ends";
        unlike exit_code($result->{status}), qr/signal/, 'without a crash';
    }
};

scene '/dev/null as the client' => sub {
    my $result = run([ program(), server()->address ], limit => 10, env => { POP3_PROXY_SYSLOG => '/no/such/socket' });
    is exit_code($result->{status}), 0, 'a session that ends at once';
    like $result->{out}, qr/\A\+OK[^\r\n]*\r\n\z/, 'greeting';
};

scene 'a session closes what the superserver has left open' => sub {
    my $server = server();
    pipe my $read, my $write or die "pipe: $!\n";
    my $client = proxy($server->address, { before => sub { fcntl $write, F_SETFD, 0 } })->client->login;
    close $write;
    my $is_closed = 0;
    Pop3Test::Loop::watch_read($read, sub { $is_closed = !sysread $read, my $octet, 1; Pop3Test::Loop::unwatch($read) });
    ok wait_until(sub { $is_closed }), 'a pipe that was open has no writer any more';
    like $client->ask('NOOP'), qr/^\+OK/, 'and the session goes on';
};

done;
