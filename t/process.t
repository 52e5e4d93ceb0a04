# SPDX-License-Identifier: BSD-2-Clause
#
# The process of a session: which user it runs as, which descriptors it has open, that nothing of it
# remains, and that it never writes to standard error, which may be the client's connection.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Process ();
use Socket qw(AF_UNIX SOCK_STREAM);

scene 'started by root it becomes 65535/65534' => sub {
    plan(skip_all => 'not run by root') if !is_root();
    plan(skip_all => 'needs /proc') if !-r '/proc/self/status';
    my $server = server();
    my $file   = directory(0777) . '/id';
    my $client = proxy('-a', acp("id -u >$file; id -g >>$file; id -G >>$file"), '-l', directory(0777), $server->address)
        ->client->login;
    for my $pid (descendants($client->process->pid)) {
        my $status = facts($pid);
        is $status->{Uid} =~ s/\s+/ /gr, '65535 65535 65535 65535', 'user, for good';
        is $status->{Gid} =~ s/\s+/ /gr, '65534 65534 65534 65534', 'group, for good';
        is_deeply [ grep { $_ != 65534 } split ' ', $status->{Groups} ], [], 'no other group';
        is $status->{CapEff}, '0000000000000000', 'no capability';
        is $status->{CapPrm}, '0000000000000000', 'nor a permitted one';
    }
    is read_file($file), "65535\n65534\n65534\n", 'so does the acp';
    $client->quit;
};

scene 'started by another user it keeps that user' => sub {
    plan(skip_all => 'not run by root') if !is_root();
    my $before = sub { $( = 12345; $) = '12345 12345'; $< = $> = 12346 };
    my $client = proxy(server()->address, { before => $before })->client->login;
    my $status = facts($client->process->pid);
    is $status->{Uid} =~ s/\s.*//r, 12346, 'user';
    is $status->{Gid} =~ s/\s.*//r, 12345, 'group';
    $client->quit;
};

scene 'few descriptors, none of the superserver\'s' => sub {
    plan(skip_all => 'needs /proc') if !-d '/proc/self/fd';
    my $server = server(messages => ["Subject: x\r\n\r\n"]);
    my $client = proxy('-a', acp('exit 0'), '-l', directory(0777), $server->address)->client->login;
    for my $pid (descendants($client->process->pid)) {
        my @open = descriptors($pid);
        cmp_ok scalar @open, '<=', 12, "at most a dozen: @open";
    }
    $client->fetch("RETR 1") for 1 .. 50;
    my @after = descriptors($client->process->pid);
    cmp_ok scalar @after, '<=', 12, 'nor later';
    $client->quit;
};

scene 'no core file, no dump' => sub {
    plan(skip_all => 'needs /proc') if !-r '/proc/self/limits';
    my $client = proxy(server()->address)->client->login;
    my ($soft) = read_file('/proc/' . $client->process->pid . '/limits') =~ /^Max core file size\s+(\S+)/m;
    is $soft, 0, 'limit of core files';
    is((stat '/proc/' . $client->process->pid . '/environ')[4], 0, 'not dumpable') if is_root();
    $client->quit;
};

scene 'standard error is the client\'s connection, as inetd does it' => sub {
    expect_log(qw(configuration client-log-failed acp-failed));
    expect_reason('acp-failed');
    my $server = server();
    for my $set ([], [ '-t', 5 ], [ '-l', '/no/such/directory' ], [ '-a', acp('echo x >&2') ]) {
        my $client = proxy(@$set, $server->address, { stderr => 'socket' })->client->login;
        is $client->quit, '+OK bye', "[@$set] a clean session";
        unlike $client->received, qr/^(?!\+OK)/m, "[@$set] nothing but replies";
    }
    my $client = proxy('-a', '/no/such/acp', $server->address, { stderr => 'socket' })->client;
    $client->send("USER joe\r\nPASS x\r\n");
    unlike $client->rest, qr/^(?!\+OK|-ERR)./m, 'nothing but replies';
};

scene 'a mistake in the options under inetd, where standard error is the client' => sub {
    expect_log('configuration');
    my %mistake = ('-t: timeout = x: ' => [ '-t', 'x' ], 'no-such-user' => [ '-u', 'no-such-user' ], '/no/such/list' => [ '-e', '--allow-servers-file', '/no/such/list' ]);
    for my $named (sort keys %mistake) {
        for my $stderr ('socket', 'pipe') {
            my $client = proxy(@{ $mistake{$named} }, server()->address, { stderr => $stderr, any_exit => 1, any_stderr => 1 })->client;
            is $client->rest, "-ERR [SYS/PERM] the proxy has a mistake in its settings\r\n", "$named ($stderr): a reply, and no more";
        }
        is scalar(grep { $_->{event} eq 'configuration' && $_->{raw} =~ /\Q$named\E/ } log_lines()), 2, "$named: in the log";
    }
};

scene 'a mistake in the options, under a service manager whose journal is a socket' => sub {
    socketpair(my $ours, my $journal, AF_UNIX, SOCK_STREAM, 0) or die $!;
    open my $null, '<', '/dev/null' or die $!;
    my $process = Pop3Test::Process::spawn(command => [ program(), '-t', 'x', '127.0.0.1' ], fds => { 0 => $null, 1 => $journal, 2 => $journal });
    close $journal;
    is exit_code($process->wait(10)), 64, 'exit status';
    like do { local $/; <$ours> }, qr/\Apop3\.proxy: -t: [^\n]+\n\z/, 'a line in the journal';
};

scene 'a session that ends leaves no process' => sub {
    my $server = server();
    for my $way ('quit', 'close', 'reset') {
        my $client = proxy('-a', acp('exit 0'), '-l', directory(0777), $server->address)->client->login;
        my @pids   = descendants($client->process->pid);
        $client->$way;
        ok wait_until(sub { !grep { is_alive($_) } @pids }), "$way: all " . @pids . ' are gone';
    }
};

scene 'a killed session leaves no process' => sub {
    for my $signal (qw(KILL TERM)) {
        my $client = proxy('-a', acp('exit 0'), '-l', directory(0777), server()->address)->client->login;
        my @pids   = descendants($client->process->pid);
        $client->process->signal($signal);
        ok wait_until(sub { !grep { is_alive($_) } @pids }), "$signal: all " . @pids . ' are gone';
    }
};

scene 'TERM before the login' => sub {
    my $client = proxy(server()->address)->client;
    $client->greeting;
    $client->process->signal('TERM');
    like $client->rest, qr/\A(?:-ERR [^\r\n]+\r\n)?\z/, 'a word at most';
    ok defined $client->process->wait, 'and the end';
};

scene 'a signal without a meaning does not cut a message' => sub {
    my $server = server(messages => [ message(3_000_000) ]);
    my $client = proxy($server->address)->client(rcvbuf => 8192)->login;
    $client->hold->send_line('RETR 1');
    for my $signal (qw(WINCH CONT PIPE XFSZ CHLD URG)) {
        kill $signal, $client->process->pid;
        pause(0.02);
    }
    $client->resume;
    $client->reply;
    is length $client->body, length($server->{messages}[0] =~ s/^\./../mgr), 'complete';
    $client->quit;
};

scene 'stopped and continued' => sub {
    my $server = server(messages => [ message(500_000) ]);
    my $client = proxy($server->address)->client->login;
    kill 'STOP', $client->process->pid;
    $client->send("RETR 1\r\nNOOP\r\n");
    pause(0.1);
    kill 'CONT', $client->process->pid;
    $client->reply;
    is length $client->body, length($server->{messages}[0] =~ s/^\./../mgr), 'complete';
    is $client->reply, '+OK', 'and on';
    $client->quit;
};

scene 'few file descriptors left' => sub {
    plan(skip_all => 'a sanitizer needs some of its own') if is_sanitized();
    expect_log(qw(client-log-failed configuration privileges acp-failed helper-failed resolve-failed sandbox));
    expect_reason(qw(connect-failed internal-error acp-failed resolve-failed));
    my $server = server();
    for my $limit (4 .. 12) {
        my $wrapper = [ 'sh', '-c', "ulimit -n $limit && exec \"\$@\"", 'sh' ];
        my $proxy   = proxy('-e', '-a', acp('exit 0'), '-l', directory(0777), $server->address,
            { wrapper => $wrapper, any_exit => 1, any_stderr => 1 });
        my $client = $proxy->client;
        $client->send("USER joe\@localhost:$server->{port}\r\nPASS x\r\nQUIT\r\n");
        my $seen = $client->rest;
        like $seen, qr/\A(?:(?:\+OK|-ERR)[^\r\n]*\r\n)*\z/, "limit $limit: clean replies or none";
        my $status = $client->process->wait;
        ok defined $status && !($status & 127), "limit $limit: no crash, no hang";
    }
};

done;
