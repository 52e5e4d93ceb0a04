# SPDX-License-Identifier: BSD-2-Clause
#
# The access control program as the manual describes it: when it runs, what it is told, where its
# output goes, and that only its exit status decides.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

expect_log('acp-failed');
expect_reason('acp-failed');

# An acp that writes its environment into a file and then runs $body; the
# path of the acp and that of the file.
sub recording_acp {
    my ($body) = @_;
    my $file = directory(0777) . '/env';
    return (acp("env >$file\n" . ($body // 'exit 0')), $file);
}

sub environment_in {
    my ($file) = @_;
    return { map { /\A([^=]+)=(.*)\z/s ? ($1 => $2) : () } split /\n/, read_file($file) };
}

sub login_environment {
    my ($name, $password, @arguments) = @_;
    my ($acp, $file) = recording_acp();
    my $client = proxy('-a', $acp, @arguments)->client->login($name, $password);
    my $env = environment_in($file);
    $env->{'client port'} = $client->port;
    $client->quit;
    $env->{'session id'} = $client->session_line->{session};
    return $env;
}

scene 'the environment' => sub {
    my $server = server();
    my ($acp, $file) = recording_acp();
    my $proxy  = proxy('-a', $acp, $server->address);
    my $client = $proxy->client->login('joe', 'plain-pass');
    my $env    = environment_in($file);
    is $env->{PROXY_INTERFACE},   '127.0.0.1',      'INTERFACE';
    is $env->{PROXY_PORT},        $proxy->port,     'PORT';
    is $env->{PROXY_CLIENT},      '127.0.0.1',      'CLIENT';
    is $env->{PROXY_CLIENTPORT},  $client->port,    'CLIENTPORT';
    is $env->{PROXY_SERVER},      '127.0.0.1',      'SERVER';
    is $env->{PROXY_SERVERPORT},  $server->port,    'SERVERPORT';
    is $env->{PROXY_SERVERLOGIN}, 'joe',            'SERVERLOGIN';
    is $env->{PROXY_USERNAME} // '', '',            'USERNAME without proxy login';
    is $env->{PROXY_PASSWD} // '',   '',            'PASSWD without proxy login';
    ok exists $env->{PROXY_TLS},                    'TLS';
    ok !(grep { ($_ // '') =~ /plain-pass/ } %$env), 'the server password is not the acp\'s affair';
    $client->quit;
    is $env->{PROXY_SESSION}, $client->session_line->{session}, 'SESSION is the one in the log';
};

scene 'the environment of an IPv6 client and server' => sub {
    my $server = server(host => '::1') or plan(skip_all => 'no IPv6 loopback here');
    my ($acp, $file) = recording_acp();
    my $client = proxy('-a', $acp, $server->address, { host => '::1' })->client->login;
    my $env    = environment_in($file);
    is $env->{"PROXY_$_"}, '::1', $_ for qw(INTERFACE CLIENT SERVER);
    is $env->{PROXY_SERVERPORT}, $server->port, 'SERVERPORT';
    $client->quit;
};

scene 'the environment with a selected server' => sub {
    my $server = server();
    my $env = login_environment("joe\@localhost:$server->{port}", 'x', '-e', '-');
    is $env->{PROXY_SERVER},      'localhost',   'SERVER as given by the client';
    is $env->{PROXY_SERVERPORT},  $server->port, 'SERVERPORT';
    is $env->{PROXY_SERVERLOGIN}, 'joe',         'SERVERLOGIN';
};

scene 'the default port' => sub {
    my ($acp, $file) = recording_acp('exit 1');
    my $reply = proxy('-a', $acp, '-e', '-')->client->try_login('joe@a.invalid');
    like $reply, qr/^-ERR/, 'denied';
    my $env = environment_in($file);
    is $env->{PROXY_SERVER},     'a.invalid', 'SERVER';
    is $env->{PROXY_SERVERPORT}, 110,         'SERVERPORT';
};

scene 'proxy login' => sub {
    my $server = server();
    my $env = login_environment("out:in\@127.0.0.1:$server->{port}", secret('outer-secret') . ':inner:pass', '-e', '-');
    is $env->{PROXY_USERNAME},    'out',          'USERNAME';
    is $env->{PROXY_PASSWD},      'outer-secret', 'PASSWD';
    is $env->{PROXY_SERVERLOGIN}, 'in',           'SERVERLOGIN';
    is_deeply [ ($server->lines)[ 0, 1 ] ], [ 'USER in', 'PASS inner:pass' ], 'what the server saw';

    $env = login_environment('out:in:side', 'a:b', $server->address);
    is $env->{PROXY_SERVERLOGIN}, 'in:side', 'split at the first colon';

    $env = login_environment('joe', 'with:colon', $server->address);
    is $env->{PROXY_USERNAME} // '', '', 'no colon in the name: no USERNAME';
    is $env->{PROXY_PASSWD} // '',   '', 'and the password stays whole';
    is + (grep { /^PASS/ } $server->lines)[-1], 'PASS with:colon', 'as the server sees';
};

scene 'names that are not a proxy login' => sub {
    my $server = server();
    my $seen   = sub { return [ ($server->connections)[-1]->lines ]->@[ 0, 1 ] };
    my $env    = login_environment('recent:ada@example.org', 'se:cret', $server->address);
    is_deeply [ $seen->() ], [ 'USER recent:ada@example.org', 'PASS se:cret' ], "Gmail's recent mode";
    is $env->{PROXY_USERNAME}, '', 'the acp is told no proxy user';
    $env = login_environment('out:recent:ada@example.org', 'a:b', $server->address);
    is_deeply [ $seen->() ], [ 'USER recent:ada@example.org', 'PASS b' ], 'the same with a proxy user';
    is $env->{PROXY_USERNAME}, 'out', 'whom the acp is told';
    $env = login_environment('out:in', 'a:b', '--proxy-login=no', $server->address);
    is_deeply [ $seen->() ], [ 'USER out:in', 'PASS a:b' ], 'proxy_login = no splits nothing';
    is_deeply [ @$env{qw(PROXY_USERNAME PROXY_SERVERLOGIN)} ], [ '', 'out:in' ], 'and tells the acp the whole name';
    my $address = "127.0.0.1:$server->{port}";
    $env = login_environment("out:in\@$address", 'a:b', '--proxy-login=no', '-e', '-');
    is_deeply [ $seen->() ], [ 'USER out:in', 'PASS a:b' ], 'a server is still selected';
};

scene 'without an acp a colon is a colon' => sub {
    my $server = server();
    proxy($server->address)->client->login('a:b', 'c:d')->quit;
    is_deeply [ ($server->lines)[ 0, 1 ] ], [ 'USER a:b', 'PASS c:d' ], 'whole';
};

scene 'another prefix' => sub {
    my $env = login_environment('joe', 'x', '-v', 'GATE_', server()->address);
    is $env->{GATE_CLIENT}, '127.0.0.1', 'GATE_CLIENT';
    ok !(grep { /^PROXY_/ } keys %$env), 'no PROXY_ variable';
};

scene 'it runs immediately before the connection' => sub {
    my $server = server();
    my $file   = directory(0777) . '/ran';
    my $client = proxy('-a', acp("echo x >>$file"), $server->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    pause(0.1);
    ok !-e $file, 'not at USER';
    like $client->ask('PASS x'), qr/^\+OK/, 'PASS';
    is read_file($file), "x\n", 'once, at PASS';
    $client->quit;
};

scene 'the exit status decides' => sub {
    my $server = server();
    for my $end ('exit 1', 'exit 2', 'exit 255', 'kill -TERM $$', 'kill -KILL $$', 'kill -SEGV $$') {
        my $client = proxy('-a', acp($end), $server->address)->client;
        my $reply  = $client->try_login;
        if ($end =~ /exit/) { is $reply, '-ERR access denied', "$end: denied" }
        else                { like $reply, qr/^-ERR (?:\[SYS\/TEMP\] )?access denied/, "$end: denied" }
        ok $client->closes, "$end: session ended";
        like $client->session_line->{reason}, qr/acp|denied/, "$end: reason in the log";
    }
    is scalar $server->connections, 0, 'the server was never contacted';
    my $client = proxy('-a', acp('exit 0'), $server->address)->client->login;
    $client->quit;
    is scalar $server->connections, 1, 'exit 0: granted';
};

scene 'its standard output goes to the client' => sub {
    my $server = server();
    my $client = proxy('-a', acp('echo "-ERR try later again"; exit 1'), $server->address)->client;
    is $client->try_login, '-ERR try later again', 'its own refusal, with CRLF';
    ok $client->closes, 'and nothing more';
    is scalar $server->connections, 0, 'no connection';

    $client = proxy('-a', acp(q{printf '%s\r\n%s\n%s' '-ERR one' two three; exit 1}), $server->address)->client;
    is $client->try_login, '-ERR one', 'a line that has its CRLF';
    is $client->line, 'two',   'one that has not';
    is $client->line, 'three', 'one without any end';
    ok $client->closes, 'end';
};

scene 'the client is always told about a refusal' => sub {
    my $server = server();
    my %before = ('+OK' => '+OK welcome', 'no status' => 'go away', 'an empty line' => '', 'nearly' => '-ER one', 'late' => 'a -ERR');
    for my $name (sort keys %before) {
        my $client = proxy('-a', acp("echo '$before{$name}'; exit 1"), $server->address)->client;
        $client->greeting;
        $client->ask('USER joe');
        $client->send_line('PASS x');
        is $client->rest, "$before{$name}\r\n-ERR access denied\r\n", "$name: followed by ours";
        is $client->session_line->{reason}, 'access-denied', 'reason';
    }
    expect_reason('acp-failed');
    expect_log('acp-failed');
    my $client = proxy('-a', acp('echo "+OK"; kill -9 $$'), $server->address)->client;
    is $client->try_login, '+OK', 'an acp that dies';
    like $client->reply, qr{^-ERR \[SYS/TEMP\]}, 'likewise';
    is scalar $server->connections, 0, 'no connection';
};

scene 'no control character of its output reaches the client' => sub {
    my $client = proxy('-a', acp(q{printf '\033-ERR\n-ERR \033[2J\007\000\177\011x \303\244\r\n'; exit 1}), server()->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    $client->send_line('PASS x');
    is $client->rest, "?-ERR\r\n-ERR ?[2J????x \xc3\xa4\r\n", 'they are replaced';
};

scene 'the sample acp: proxy users and their passwords' => sub {
    plan(skip_all => 'openssl is missing') if !grep { -x "$_/openssl" } split /:/, $ENV{PATH};
    my $users  = directory() . '/users';
    my $sample = executable(read_file("$FindBin::Bin/../contrib/acp/acp.sh") =~ s{^users=.*}{users=$users}mr
            =~ s/^hour=.*/hour=12/mr);
    write_file($users, join '', map { "$_->[0]:" . crypt('geheim', $_->[1]) . "\n" }
        [ ada => '$6$saltsalt$' ], [ bob => '$6$rounds=2000$saltsalt$' ]);
    my $ask = sub {
        my ($user, $password) = @_;
        return run([$sample], env => { PROXY_CLIENT => '192.0.2.1', PROXY_SERVER => 'x', PROXY_USERNAME => $user,
            PROXY_PASSWD => $password });
    };
    for my $user (qw(ada bob)) {
        is exit_code($ask->($user, 'geheim')->{status}), 0, "$user: let in";
        is exit_code($ask->($user, 'falsch')->{status}), 1, 'not with another password';
    }
    is $ask->('eve', 'geheim')->{out}, "-ERR [AUTH] bad login\n", 'an unknown user is refused';
};

scene 'the sample: servers by name and by address' => sub {
    my $sample = sub {
        my ($hour) = @_;
        return executable(read_file("$FindBin::Bin/../contrib/acp/acp.sh") =~ s/^hour=.*/hour=$hour/mr =~ s/^addresses=.*/addresses='127.0.0.2 ::2'/mr);
    };
    my $ask = sub {
        my ($hour, $server) = @_;
        return run([ $sample->($hour) ], env => { PROXY_CLIENT => '10.0.0.1', PROXY_SERVER => $server });
    };
    is exit_code($ask->(12, 'pop.private.example.org')->{status}), 0, 'private mail in the lunch break';
    is $ask->(13, $_)->{out}, "-ERR [SYS/TEMP] try again later\n", "but not later, at $_" for 'pop.private.example.org', 'private.example.org';
    is exit_code($ask->(13, $_)->{status}), 0, "$_ at any time" for 'pop.example.org', '10.example.org', '127.0.0.2', '::2';
    is $ask->(12, $_)->{out}, "-ERR give the name of the server, not its address\n", "$_ goes around names" for '127.0.0.1', '10.1.2.3', '::1', 'fe80::1%2';
};

scene 'the sample sees one form of a name' => sub {
    my $sample = executable(read_file("$FindBin::Bin/../contrib/acp/acp.sh") =~ s/^hour=.*/hour=13/mr);
    for my $server ('pop.PRIVATE.example.org', 'pop.private.example.org.', 'POP.private.EXAMPLE.org.:110') {
        my $client = proxy('-e', '-a', $sample, '-')->client;
        is $client->try_login("joe\@$server"), '-ERR [SYS/TEMP] try again later', $server;
    }
};

scene 'output of an acp that grants' => sub {
    my $client = proxy('-a', acp('echo "+OK welcome"; exit 0'), server()->address)->client;
    is $client->try_login, '+OK welcome', 'goes to the client as well';
    like $client->reply, qr/^\+OK/, 'before the server\'s reply';
    $client->quit;
};

scene 'its standard error goes to the log' => sub {
    my $acp = acp(q{echo 'first line' >&2; echo 'second "quoted" \ line' >&2; printf 'unended \033[1m' >&2; exit 1});
    my $client = proxy('-a', $acp, server()->address)->client;
    like $client->try_login, qr/^-ERR/, 'denied';
    $client->closes;
    my $session = $client->session_line->{session};
    my @lines = grep { ($_->{f}{session} // '') eq $session } log_lines('acp-output');
    is scalar @lines, 3, 'line by line';
    my @texts = map { my $l = $_; map { Pop3Test::Log::unescape($l->{f}{$_}) } grep { /text|line|message|output/ } keys %{ $l->{f} } } @lines;
    is_deeply \@texts, [ 'first line', 'second "quoted" \\ line', "unended \e[1m" ], 'what they say';
    unlike $client->received, qr/first line/, 'the client gets nothing of it';
};

scene 'its standard input is empty' => sub {
    my $file = directory(0777) . '/input';
    my $client = proxy('-a', acp("cat >$file; echo end >>$file"), server()->address)->client;
    $client->greeting;
    $client->send("USER joe\r\nPASS x\r\nNOOP\r\nQUIT\r\n");
    $client->rest;
    is read_file($file), "end\n", 'not an octet, and an end';
};

scene 'it inherits nothing' => sub {
    my $file = directory(0777) . '/fds';
    my $acp  = executable("#!$^X\nopendir my \$d, '/proc/self/fd'; my \$own = fileno \$d; open my \$f, '>', '$file';"
        . "print \$f join ' ', sort { \$a <=> \$b } grep { /^\\d+\$/ && -l \"/proc/self/fd/\$_\" && readlink(\"/proc/self/fd/\$_\") !~ m{^$file|/proc/\\d+/fd|/run\$} } readdir \$d;");
    plan(skip_all => 'needs /proc') if !-d '/proc/self/fd';
    my $client = proxy('-a', $acp, server()->address)->client->login;
    is read_file($file), '0 1 2', 'no further descriptor';
    $client->quit;
};

scene 'it starts with default signals' => sub {
    plan(skip_all => 'needs /proc') if !-r '/proc/self/status';
    my $file = directory(0777) . '/status';
    my $before = sub {
        $SIG{$_} = 'IGNORE' for qw(INT QUIT USR1 USR2 PIPE XFSZ);
        POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(POSIX::SIGUSR1(), POSIX::SIGALRM()));
    };
    my $client = proxy('-a', acp("exec cat /proc/self/status >$file"), server()->address, { before => $before })
        ->client->login;
    my %status = read_file($file) =~ /^(Sig\w+):\s+(\w+)/mg;
    # glibc keeps 32 and 33 for itself; a program cannot set them.
    is hex(substr $status{SigIgn}, -16) & ~0x180000000, 0, 'no signal is ignored';
    is $status{SigBlk}, '0000000000000000', 'no signal is blocked';
    $client->quit;
};

scene 'it is executed as it is, without a shell' => sub {
    my $dir  = directory();
    my $path = write_file("$dir/with blank;x", "#!/bin/sh\necho \"-ERR \$# arguments\"\nexit 1\n", 0755);
    my $client = proxy('-a', $path, server()->address)->client;
    is $client->try_login, '-ERR 0 arguments', 'odd name, no arguments';
};

scene 'names from the client reach it unchanged' => sub {
    my $name = 'a$(id)`id`;\'"*%s';
    my $env  = login_environment($name, 'x', server()->address);
    is $env->{PROXY_SERVERLOGIN}, $name, 'SERVERLOGIN';
};

scene 'an acp that is missing or cannot be executed' => sub {
    my $server = server();
    expect_log('configuration');
    my $not_executable = write_file(directory() . '/acp', "#!/bin/sh\nexit 0\n", 0644);
    for my $acp (directory() . '/none', $not_executable, directory(), executable("#!/no/such/interpreter\n")) {
        my $client = proxy('-a', $acp, $server->address, { any_exit => 1 })->client;
        like $client->try_login, qr/^-ERR \[SYS\/TEMP\]/, 'refused, not the user\'s fault';
        $client->closes;
        my $session = $client->session_line->{session};
        cmp_ok scalar(grep { $_->{pid} == $client->process->pid && ($_->{priority} & 7) <= 4 } log_lines()), '>=', 1,
            'said in the log';
    }
    is scalar $server->connections, 0, 'no login reached the server';
};

done;
