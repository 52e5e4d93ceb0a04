# SPDX-License-Identifier: BSD-2-Clause
#
# The start of the server: by file and by option, on every kind of address, in the foreground and
# detached, and what it says when it cannot start.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Pop3Test::Process ();
use POSIX ();

sub polls {
    my ($master, %option) = @_;
    my $client = $master->client(%option)->login;
    my $stat   = $client->ask('STAT');
    return $stat . ' ' . $client->quit;
}

sub has_ipv6 { return IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1) }

# A user without any privilege.
my $nobody = sub { $( = 12345; $) = '12345 12345'; $< = $> = 12346 };

scene 'from a file' => sub {
    my $server = server(messages => [ message(1000) ]);
    my $master = master(server => $server->address);
    like polls($master), qr/\A\+OK 1 \d+ \+OK bye\z/, 'a session';
    is scalar(() = $master->workers(2)), 2, 'as many workers as asked for';
    is scalar(() = $master->helpers), 1, 'and a helper';
    is $master->settled(2), 'settled', 'all wait again';
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'TERM ends it';
    is $master->stderr, '', 'nothing on standard error';
};

scene 'the log names instances and version' => sub {
    my ($version) = run([ program(), '--version' ])->{out} =~ /^pop3\.proxy (\S+)/;
    my $master = master(server => server()->address);
    is_deeply [ map { @{ $_->{f} }{qw(instance version)} } $master->events('listening') ], [ 'main', $version ], 'listening';
    is_deeply [ map { @{ $_->{f} }{qw(instances version)} } $master->events('started') ], [ 'main', $version ], 'started';
};

scene 'without a file, on several addresses' => sub {
    my $server = server();
    my $master = master(-arguments => [ '-n', 3, '-b', '127.0.0.1:0', '--bind', '127.0.0.2:0', $server->address ]);
    like polls($master, to => $_), qr/bye/, "a session on $_" for $master->addresses;
    is scalar(() = $master->addresses), 2, 'two of them';
    is scalar(() = $master->workers(6)), 6, '-n workers for each';
    $master->reload;
    like polls($master, to => $_), qr/bye/, "$_ after a reload" for $master->addresses;
    is scalar(() = grep { /:0\z/ } $master->addresses), 0, 'bound for good';
};

scene 'IPv6, both families on one socket, and a UNIX socket' => sub {
    plan(skip_all => 'no IPv6 here') if !has_ipv6();
    my $server = server();
    my $path   = directory() . '/pop3';
    my $master = master(-instances => [
        six   => { listen => '[::1]:0' },
        both  => { listen => '[::]:0' },
        local => { listen => $path },
    ], server => $server->address);
    my ($port) = map { /^\[?::\]?:(\d+)\z/ } $master->addresses;
    like polls($master, to => '[::1]:' . $master->port('[::1]')), qr/bye/, 'IPv6';
    like polls($master, to => "[::1]:$port"), qr/bye/, '[::] by IPv6';
    my $client = $master->client(to => "127.0.0.1:$port")->login;
    $client->quit;
    is $master->session_of($client)->{client}, '127.0.0.1', '[::] by IPv4, logged as such';
    like polls($master, to => $path), qr/bye/, 'UNIX socket';
    $master->close;
    $master->wait;
    $master->start;
    like polls($master, to => $path), qr/bye/, 'and once more: the file is replaced';
};

scene 'a UNIX socket with mode, owner and group' => sub {
    plan(skip_all => 'only root may set an owner') if !is_root();
    my $server = server();
    my $path   = directory(0755) . '/pop3';
    my $is     = sub { my @stat = stat $path; return sprintf '%04o %d %d', $stat[2] & 07777, @stat[ 4, 5 ] };
    my $master = master(listen => $path, server => $server->address, listen_mode => '0660', listen_owner => 12345, listen_group => 23456);
    is $is->(), '0660 12345 23456', 'at the start';
    like polls($master, to => $path), qr/bye/, 'a session';
    $master->change(listen_mode => '666', listen_group => 34567)->reload;
    is $is->(), '0666 12345 34567', 'after a reload';
    expect_log('configuration');
    unlink $path or die "unlink: $!\n";
    $master->change(listen_mode => '600')->reload;
    like join('', map { $_->{text} } $master->events('configuration')), qr/listen = \Q$path\E: .*cannot be set: No such file.*restart/,
        'the log says that somebody has removed the file';
    for ([ listen_owner => 'no-such-user', 'there is no such user' ], [ listen_group => 'no-such-group', 'there is no such group' ],
        [ listen_mode => '0888', 'three octal digits, such as 660 or 0660' ], [ listen_mode => '4755', 'three octal digits' ]) {
        my ($key, $value, $why) = @$_;
        my $told = master(listen => $path, server => $server->address, $key => $value, -start => 0, -extra => ['-T'])->run_to_end;
        like $told->{err}, qr/\b$key = $value: .*\Q$why\E/, "$key = $value is a mistake";
    }
};

scene 'sockets of systemd' => sub {
    my @sockets = map { IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 5) } 1 .. 3;
    my @port    = map { $_->sockport } @sockets;
    my $server  = server();
    expect_log('configuration');
    my $master = master(server => $server->address, -start => 0,
        -wrapper => [ 'sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=main:other:third exec "$@"', 'sh' ]);
    $master->{older_lines} = $master->{log}->lines;
    $master->{process} = $master->spawn_with(map { $_ + 3 => $sockets[$_] } 0 .. 2);
    $master->ready;
    is_deeply [ $master->addresses ], ["127.0.0.1:$port[0]"], 'the one that has its name is taken';
    my @told = sort map { $_->{severity} . ' ' . $_->{f}{text} } $master->events('configuration');
    my @expected = sort map {
        qq{warning "systemd has passed a socket that no instance takes: 127.0.0.1:$port[$_->[0]], FileDescriptorName=$_->[1]; give an instance this name or this listen address"}
    } [ 1, 'other' ], [ 2, 'third' ];
    is_deeply \@told, \@expected, 'the others are named';
};

scene 'the messages to a service manager' => sub {
    my $path = directory(0777) . '/notify';
    my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die $!;
    $manager->blocking(0);
    my $said = sub {
        my @said;
        while (defined(recv $manager, my $text, 4096, 0)) { push @said, $text }
        return @said;
    };
    my @all;
    my $until = sub { my ($wanted) = @_; wait_until(sub { push @all, $said->(); grep { /$wanted/ } @all }) };
    my $master = master(server => server()->address, sessions_per_worker => 4, -env => { NOTIFY_SOCKET => $path });
    ok $until->(qr/^READY=1\nMAINPID=@{[ $master->pid ]}\z/), 'ready';
    my $held = $master->client->login;
    $until->(qr/^STATUS=/);
    @all = ();
    $master->reload;
    ok $until->(qr/^STATUS=/), 'told after a reload';
    is_deeply [ map { /\A(\w+)/ } @all ], [qw(RELOADING READY STATUS)], 'in order';
    like $all[-1], qr/^STATUS=0 workers busy, [012] idle\z/, 'a worker that only sees a session out is not busy';
    is $held->quit, '+OK bye', 'the session';
    @all = ();
    $master->signal('TERM');
    ok $until->(qr/^STOPPING=1\z/), 'the end';
    is exit_code($master->wait), 0, 'in order';
};

scene 'detached' => sub {
    my $server  = server();
    my $pidfile = directory() . '/pid';
    my $master  = master(server => $server->address, pidfile => $pidfile, workers => 3, -extra => ['-d'], -start => 0);
    my $result  = $master->run_to_end;
    is exit_code($result->{status}), 0, 'the parent says that it is up';
    is $result->{err} . $result->{out}, '', 'and nothing else';
    my $pid = read_file($pidfile) + 0;
    $master->follow($pid);
    ok $master->events('started') || $master->ready, 'it is ready';
    my $name = sub { readlink "/proc/$pid/fd/$_[0]" };
    if (is_root()) {
        is $name->($_), '/dev/null', "descriptor $_" for 0 .. 2;
        is readlink("/proc/$pid/cwd"), '/', 'working directory';
    }
    my ($group, $session) = read_file("/proc/$pid/stat") =~ /\) \S \d+ (\d+) (\d+)/;
    is $session, $pid, 'a session of its own';
    like polls($master), qr/bye/, 'a session';
    kill 'TERM', $pid;
    ok wait_until(sub { !is_alive($pid) }), 'TERM ends it';
    ok !-e $pidfile, 'the pidfile is gone';
};

scene 'a detached start that fails' => sub {
    expect_log('configuration');
    my $taken  = server();
    my $master = master(server => '127.0.0.1:9', listen => $taken->address, -extra => ['-d'], -start => 0);
    my $result = $master->run_to_end;
    is exit_code($result->{status}), 71, 'address in use';
    like $result->{err}, qr/\Apop3\.proxy: [^\n]*\n\z/, 'one line';
    ok !Pop3Test::Process::orphans(), 'no process is left';
};

# At its start, and in a pool that runs.
scene 'workers that cannot start' => sub {
    my $wrapper = without_setuid() or plan(skip_all => 'not run by root, or no setpriv');
    expect_log(qw(worker-died helper-died status fork-throttled privileges));
    my $master = master(server => '127.0.0.1:9', workers => 16, -wrapper => $wrapper, -start => 0, -any_exit => 1, -any_stderr => 1);
    is exit_code($master->start_only->wait(60)), 71, 'it gives up';
    like $master->stderr, qr/no worker could start; the log says why/, 'and says so';
    my @lines = grep { $_->{pid} == $master->pid } log_lines('worker-died');
    cmp_ok scalar @lines, '<=', 12, 'they are tried one at a time';
    cmp_ok scalar @lines, '>=', 3, 'more than once';
    is scalar($master->events('started')), 0, 'it does not say that it has started';
    cmp_ok scalar(grep { $_->{f}{text} =~ /cannot become uid/ } log_lines('privileges')), '<=', @lines, 'the reason is logged, but not in a flood';
};

scene 'pidfile' => sub {
    my $pidfile = directory() . '/pid';
    write_file($pidfile, "1\n");
    my $master = master(server => '127.0.0.1:9', pidfile => $pidfile);
    is read_file($pidfile), $master->pid . "\n", 'a stale one is replaced';
    my $second = master(server => '127.0.0.1:9', pidfile => $pidfile, -start => 0);
    my $result = $second->run_to_end;
    is exit_code($result->{status}), 71, 'a second start is refused';
    like $result->{err}, qr/\Apop3\.proxy: \S+conf:\d+: pidfile = \Q$pidfile\E: [^\n]*running[^\n]*process @{[ $master->pid ]}\b[^\n]*\n\z/,
        'with a line that names file and process';
    is read_file($pidfile), $master->pid . "\n", 'and leaves the file alone';
    kill 'KILL', $master->pid;
    $master->wait;
    $master->{processes} = [];
    ok -e $pidfile, 'killed, it leaves the file';
    ok wait_until(sub { !Pop3Test::Process::orphans() }), 'but no process';
    my $third = master(server => '127.0.0.1:9', pidfile => $pidfile);
    is read_file($pidfile), $third->pid . "\n", 'and the next one takes it';
    $third->signal('INT');
    is exit_code($third->wait), 0, 'INT ends it';
    ok !-e $pidfile, 'with the file';
    my $fourth = master(server => '127.0.0.1:9', pidfile => $pidfile);
    write_file("$pidfile.new", "1\n");
    rename "$pidfile.new", $pidfile or die $!;
    $fourth->signal('TERM');
    is exit_code($fourth->wait), 0, 'it ends';
    is read_file($pidfile), "1\n", 'and leaves the file of another process';
};

scene 'a path that cannot be a pidfile' => sub {
    my $master = master(server => '127.0.0.1:9', pidfile => '/no/such/directory/pid', -start => 0);
    my $result = $master->run_to_end;
    is exit_code($result->{status}), 71, 'exit status';
    like $result->{err}, qr{\Apop3\.proxy: \S+conf:\d+: pidfile = /no/such/directory/pid: No such file or directory\n\z}, 'one line';
    my $fifo = directory() . '/fifo';
    POSIX::mkfifo($fifo, 0600) or die $!;
    $result = master(server => '127.0.0.1:9', pidfile => $fifo, -start => 0)->run_to_end;
    like $result->{err}, qr{\Apop3\.proxy: \S+conf:\d+: pidfile = \Q$fifo\E: not a regular file; [^\n]+\n\z}, 'no file';
    ok -p $fifo, 'which stays';
};

# Whoever can write to the directory of a pidfile or a log must not make the server write elsewhere.
scene 'a pidfile with another name, and a log that is a link' => sub {
    my $victim = write_file(directory() . '/victim', 'precious');
    my $link   = directory() . '/link';
    link $victim, $link or die $!;
    my $result = master(server => '127.0.0.1:9', pidfile => $link, -start => 0)->run_to_end;
    is exit_code($result->{status}), 71, 'a hard link: exit status';
    like $result->{err}, qr{\Apop3\.proxy: \S+conf:\d+: pidfile = \Q$link\E: the file has another name; [^\n]+\n\z}, 'one line';
    unlink $link or die $!;
    symlink $victim, $link or die $!;
    for my $key (qw(pidfile log)) {
        $result = master(server => '127.0.0.1:9', $key => $link, -start => 0)->run_to_end;
        is exit_code($result->{status}), 71, "$key: a symbolic link: exit status";
        like $result->{err}, qr{\Apop3\.proxy: [^\n]*\Q$link\E: is a symbolic link; [^\n]+\n\z}, 'one line';
    }
    is read_file($victim), 'precious', 'what they lead to is left alone';
    like run([ program(), '-T', '-f', master(server => '127.0.0.1:9', log => $link, -start => 0)->{path} ])->{err},
        qr/log = \Q$link\E: is a symbolic link; /, '-T finds it';
};

scene 'a log under /dev may be a link' => sub {
    my $master = master(server => '127.0.0.1:9', log => '/dev/stdout', -start => 0, -any_stderr => 1);
    $master->start_only;
    ok wait_until(sub { $master->stderr =~ /event=started/ || -e $master->{keys}{control} }), 'it starts';
    $master->signal('TERM');
    is exit_code($master->wait), 0, 'and ends';
};

# name, exit status, pattern, keys, options
my @refused = (
    [ 'a port that is in use', 71, qr/conf:\d+: listen = \S+: Address already in use: \S/,
        sub { (listen => server()->address) } ],
    [ 'an address this machine does not have', 71, qr/conf:\d+: listen = 192\.0\.2\.1:1110: [^\n]*: no interface/,
        sub { (listen => '192.0.2.1:1110') } ],
    [ 'an unknown user', 78, qr/conf:\d+: user = nobody-here\b/, sub { (user => 'nobody-here') } ],
    [ 'root', 78, qr/conf:\d+: user = root\b/, sub { (user => 'root') } ],
    [ 'an unknown key', 78, qr/conf:\d+: [^\n]*wrokers/, sub { (wrokers => 3) } ],
);

scene 'settings that make the start fail' => sub {
    for my $case (@refused) {
        my ($name, $code, $pattern, $keys) = @$case;
        my $master = master(server => '127.0.0.1:9', $keys->(), -start => 0);
        my $result = $master->run_to_end;
        is exit_code($result->{status}), $code, "$name: exit status";
        like $result->{err}, qr/\Apop3\.proxy: [^\n]*$pattern[^\n]*\n\z/, "$name: one line";
    }
    my $master = master(-start => 0);
    $master->write_raw("[proxy\n");
    is exit_code($master->run_to_end->{status}), 78, 'no INI file';
    unlink $master->{path};
    is exit_code($master->run_to_end->{status}), 78, 'no file at all';
};

scene 'a port that only root may bind' => sub {
    plan(skip_all => 'not run by root') if !is_root();
    open my $limit, '<', '/proc/sys/net/ipv4/ip_unprivileged_port_start';
    plan(skip_all => 'here everybody may') if !$limit || <$limit> < 1024;
    my $master = master(server => '127.0.0.1:9', listen => '127.0.0.1:998', -before => $nobody, -start => 0);
    my $result = $master->run_to_end;
    is exit_code($result->{status}), 71, 'exit status';
    like $result->{err}, qr/\Apop3\.proxy: [^\n]*listen = 127\.0\.0\.1:998: Permission denied: [^\n]*root[^\n]*\n\z/, 'one line';
};

scene 'a socket with a full queue is not a stale one' => sub {
    my $path = directory() . '/pop3';
    my $other = IO::Socket::UNIX->new(Local => $path, Listen => 1) or die $!;
    my @queued = grep { defined } map { IO::Socket::UNIX->new(Peer => $path, Blocking => 0) } 1 .. 4;
    expect_log('configuration');
    my $master = master(server => '127.0.0.1:9', listen => $path, -start => 0);
    my $result = $master->run_to_end(limit => 5);
    ok !$result->{late}, 'the start does not hang' ;
    is exit_code($result->{status}), 71, 'it belongs to another program';
    ok -S $path, 'and stays';
};

done;
