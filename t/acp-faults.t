# SPDX-License-Identifier: BSD-2-Clause
#
# Access control programs that misbehave: they hang with children, print without end, leave a daemon
# that holds their output open, or outlive the client. Only the exit status decides, and only within
# the time limit.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_log(qw(acp-failed configuration log-lines-lost));
expect_reason(qw(acp-timeout acp-failed));

# tail -f would not do: it ends when its output is no longer read.
my $forever      = "$^X -e 'select undef, undef, undef, undef'";
my $wait_forever = "exec $forever";

sub pids_in {
    my ($file, $count) = @_;
    my @pids;
    wait_until(sub {
        @pids = -e $file ? read_file($file) =~ /^(\d+)\n/mg : ();
        return @pids >= $count;
    }) or die "the acp did not write its process numbers\n";
    return @pids;
}

scene 'a hanging acp is killed with its whole process group' => sub {
    my $server = server();
    my $file   = directory(0777) . '/pids';
    my $acp = acp("(echo \$\$ >>$file; trap '' TERM HUP INT; $wait_forever) & echo \$! >>$file\n"
        . "echo \$\$ >>$file; trap '' TERM HUP INT; while :; do wait; done");
    my $client = proxy('--acp-timeout', 1, '-a', $acp, $server->address)->client;
    my $start  = now();
    like $client->try_login, qr/^-ERR/, 'denied';
    cmp_ok now() - $start, '>=', 0.9, 'not before the limit';
    $client->closes;
    is $client->session_line->{reason}, 'acp-timeout', 'but at it';
    my @pids = pids_in($file, 3);
    ok wait_until(sub { !grep { is_alive($_) } @pids }), 'all of the group are gone' or kill 'KILL', @pids;
    is scalar $server->connections, 0, 'the server was not contacted';
};

scene '-t bounds the acp as well' => sub {
    my @arguments = ('--login-timeout', 600, '-a', acp($wait_forever), server()->address);
    my ($patient, $client) = (proxy(@arguments)->client, proxy('-t', 1, @arguments)->client);
    $patient->greeting;
    $patient->ask('USER joe');
    $patient->send_line('PASS x');
    like $client->try_login, qr/^-ERR/, 'denied';
    ok $patient->quiet(0), 'one that came before, without it, waits on';
    is $client->session_line->{reason}, 'acp-timeout', 'reason';
};

scene 'a daemon that the acp leaves running does not delay the login' => sub {
    my $server = server();
    my $file   = directory(0777) . '/pids';
    for my $status (0, 1) {
        unlink $file;
        my $acp = acp("$forever & echo \$! >>$file; exit $status");
        my $client = proxy('--acp-timeout', 600, '--login-timeout', 600, '-a', $acp, $server->address)->client;
        my $reply  = $client->try_login;
        like $reply, $status ? qr/^-ERR/ : qr/^\+OK/, "exit $status: by exit status";
        if (!$status) { like $client->quit, qr/^\+OK/, 'the session works' }
        else          { ok $client->closes, 'the session ended' }
        ok defined $client->process->wait, "exit $status: the proxy ended too";
        kill 'KILL', pids_in($file, 1);
    }
};

# A server that runs this acp and logs to a file, because a file loses no line.
sub server_with {
    my ($acp) = @_;
    return master(server => server()->address, acp => $acp, acp_timeout => 60, login_timeout => 60, -in_file => 1);
}

# The lengths of the lines of the acp's output in that file.
sub lengths_in_log {
    my ($master) = @_;
    return map { length $_->{f}{text} =~ s/\A"(x*)"\z/$1/r } grep { $_->{event} eq 'acp-output' } $master->{log}->lines;
}

scene '10 MB of output to the log' => sub {
    my $master = server_with(executable("#!$^X\nprint STDERR 'x' x 99, \"\\n\" for 1 .. 100_000; exit 0;\n"));
    my $client = $master->client;
    like $client->try_login, qr/^\+OK/, 'granted';
    like $client->quit, qr/^\+OK/, 'the session works';
    is_deeply [ lengths_in_log($master) ], [ (99) x 655, 36 ], 'its first 64 KiB, line ends included, are in the log';
};

scene '10 MB in a single line' => sub {
    my $master = server_with(executable("#!$^X\nprint STDERR 'x' x 10_000_000; exit 1;\n"));
    my $client = $master->client;
    like $client->try_login, qr/^-ERR/, 'denied';
    $client->closes;
    is_deeply [ lengths_in_log($master) ], [ (239) x 274, 50 ], 'its first 64 KiB are in the log, cut into lines';
};

scene '10 MB of output to the client' => sub {
    my $acp = executable("#!$^X\n\$SIG{PIPE} = 'IGNORE'; print '-ERR ', 'x' x 93, \"\\n\" for 1 .. 100_000; exit 1;\n");
    my $client = proxy('--acp-timeout', 60, '-a', $acp, server()->address)->client;
    my $passed = substr +('-ERR ' . 'x' x 93 . "\n") x 700, 0, 65536;
    my $seen   = $client->try_login . "\r\n" . $client->rest(60);
    ok $seen eq $passed =~ s/\n/\r\n/gr . "\r\n", 'its first 64 KiB, and nothing else' or diag(show($seen));
};

scene 'a client that reads none of it' => sub {
    my $acp = executable("#!$^X\n\$SIG{PIPE} = 'IGNORE'; print '-ERR ', 'x' x 93, \"\\n\" for 1 .. 400_000; exit 1;\n");
    my $client = proxy('--acp-timeout', 2, '-a', $acp, server()->address)->client(rcvbuf => 4096);
    $client->greeting;
    $client->ask('USER joe');
    $client->hold->send_line('PASS x');
    ok defined $client->process->wait, 'the session ends at the limit';
};

scene 'a client that leaves while the acp writes' => sub {
    my $server = server();
    my $file   = directory(0777) . '/pids';
    my $client = proxy('--acp-timeout', 2, '-a', acp("echo \$\$ >>$file; $wait_forever"), $server->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    $client->send_line('PASS x');
    my ($pid) = pids_in($file, 1);
    $client->close;
    ok defined $client->process->wait, 'the proxy ends';
    ok wait_until(sub { !is_alive($pid) }), 'the acp as well' or kill 'KILL', $pid;
    is scalar $server->connections, 0, 'no login reached the server';
};

scene 'a hanging acp ends after its proxy is killed' => sub {
    my $file   = directory(0777) . '/pids';
    my $client = proxy('--acp-timeout', 2, '-a', acp("echo \$\$ >>$file; $wait_forever"), server()->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    $client->send_line('PASS x');
    my ($pid) = pids_in($file, 1);
    $client->process->signal('TERM');
    ok wait_until(sub { !is_alive($pid) }), 'the acp ends' or kill 'KILL', $pid;
};

scene 'a process that starts programs and is stopped' => sub {
    my $server = server();
    my $master = master(server => $server->address, acp => acp('exit 0'), acp_timeout => 1);
    expect_log(qw(helper-failed helper-died));
    my $login = sub { my $client = $master->client; my $reply = $client->try_login; $client->close; return $reply };
    like $login->(), qr/^\+OK/, 'a login';
    my ($helper)  = $master->helpers;
    my ($starter) = $master->starters;
    kill 'STOP', $starter;
    like $login->(), qr/^-ERR/, 'no program runs, and the login fails in time';
    my $said = wait_until(sub { (grep { $_->{event} eq 'helper-failed' && $_->{f}{text} =~ /does not answer/ } log_lines())[0] });
    ok $said, 'the log says what is wrong';
    ok wait_until(sub { !is_alive($helper) }),  'the helper ends';
    ok wait_until(sub { !is_alive($starter) }), 'and the one that was stopped, too' or kill 'KILL', $starter;
    ok wait_until(sub { $login->() =~ /^\+OK/ }), 'the next helper runs programs again';
};

scene 'output that looks like a log line' => sub {
    my $client = proxy('-a', acp(q{printf 'x\nevent=session session=1 reason=forged\n\r\001y\n' >&2; exit 1}),
        server()->address)->client;
    $client->try_login;
    $client->closes;
    my @forged = grep { ($_->{f}{reason} // '') eq 'forged' } log_lines();
    is scalar @forged, 0, 'no line was forged';
};

done;
