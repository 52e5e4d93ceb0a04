# SPDX-License-Identifier: BSD-2-Clause
#
# The sandbox in the running server: every process that reads from the network is in it; a process
# that somebody has taken over (t/fault/escape.c, loaded before the C library) is ended when it tries to
# leave, the log names role and call, and the others go on. t/unit/test_sandbox.c tries every escape
# in every role.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Pop3Test;
use Socket qw(MSG_DONTWAIT SOL_SOCKET SO_TYPE SOCK_SEQPACKET);

my ($library) = grep { -f } map { "$_/escape.so" } program() =~ s{/src/[^/]*\z}{/t/fault}r;
my $has_escapes = $library && !is_sanitized();

use constant { OPEN => 1, EXECUTE => 2, FORK => 3, KILL => 4, UNIX_SOCKET => 5, RAW_SOCKET => 6, BPF => 7, IO_URING => 8,
    UNSHARE => 9, PRIVILEGES => 10, WRITE => 11 };
my %call = (OPEN, 'openat', EXECUTE, 'execve', FORK, 'clone', KILL, 'kill', RAW_SOCKET, 'socket',
    PRIVILEGES, 'setuid', map { $_ => '-' } BPF, IO_URING, UNSHARE);     # the kernel kills at once

sub sandbox_of { my ($master) = @_; return JSON::PP::decode_json($master->ask('status --json'))->{sandbox} }
sub is_filtered { return (facts($_[0])->{Seccomp} // 0) == 2 }

if (!features()->{seccomp}) {
    scene 'a build without libseccomp' => sub {
        my $master  = goes_on_without(qr/\A"no filter of system calls \(seccomp\): this build has no libseccomp; /);
        my $sandbox = sandbox_of($master);
        my ($role)  = grep { $_->{role} =~ /\Aworker/ } @{ $sandbox->{roles} };
        ok !$role->{seccomp}, 'no filter is shown';
        is !!$role->{files}, !!$sandbox->{landlock_abi}, 'Landlock is in force, where the kernel has it';
    };
    done;
    exit;
}

# ---- what is in force ----

scene 'every process that reads from the network' => sub {
    my $server = server();
    my $master = master(-in_file => 1, server => $server->address, acp => acp('exit 0'),
        features()->{groups} ? (-groups => [ stores => { servers => $server->address, check_interval => 1 } ]) : ());
    is $master->client->login->quit, '+OK bye', 'a session';
    for my $pid (grep { $_ != $master->pid } $master->children) {
        ok wait_until(sub { is_filtered($pid) }), "process $pid: filtered";
        is facts($pid)->{NoNewPrivs}, 1, "process $pid: no new privileges";
        is facts($pid)->{$_}, '0' x 16, "process $pid: $_" for is_root() ? qw(CapPrm CapEff CapBnd) : qw(CapPrm CapEff);
        like read_file("/proc/$pid/limits"), qr/^Max processes\s+0\s+0/m, "process $pid: makes no process" if !is_sanitized();
    }
    ok !is_filtered($master->pid), 'not the master';
    my $sandbox = sandbox_of($master);
    my %role    = map { $_->{role} => $_ } @{ $sandbox->{roles} };
    my $worker  = has_many_sessions() ? 'worker-many' : 'worker';
    ok $role{$_}{seccomp}, "$_ is shown" for $worker, qw(helper status), features()->{groups} ? 'check' : ();
    is !!$role{$worker}{files}, !!$sandbox->{landlock_abi}, 'Landlock, where the kernel has it';
    my $limits = is_sanitized() ? 'no' : 'yes';     # a sanitizer makes processes
    my $table = $master->ask('status');
    like $table, qr/^SANDBOX .*\n(?:\S.*\n)*$worker +$limits +yes/m, 'status has a table';
    like $table, qr/^$_ +no +no +no +no +no$/m, "which says that the $_ is not confined" for qw(starter master);
    ok exists $role{$_} && !$role{$_}{seccomp}, "JSON says it of the $_, too" for qw(starter master);
    my %name = map { facts($_)->{Name} => 1 } $master->pid, descendants($master->pid);
    my @kinds = (qw(helper starter status worker), features()->{groups} ? 'check' : ());
    is_deeply [ sort keys %name ], [ sort 'pop3.proxy', map { "pop3:$_" } @kinds ], 'processes are told apart by their names';
};

scene 'sandbox = no' => sub {
    my $master = master(server => server()->address, sandbox => 'no');
    is $master->client->login->quit, '+OK bye', 'a session';
    my ($worker) = $master->workers(1);
    ok !is_filtered($worker), 'no filter';
    is facts($worker)->{NoNewPrivs}, 1, 'but no new privileges';
    my $sandbox = sandbox_of($master);
    is $sandbox->{mode}, 'no', 'status says so';
    my ($role) = grep { $_->{role} =~ /\Aworker/ } @{ $sandbox->{roles} };
    ok $role && !(grep { $role->{$_} } qw(limits seccomp files ports signals)), 'and shows that nothing is in force';
    like $master->ask('status'), qr/^SANDBOX .*\n(?:\S.*\n)*master +no.*\nsandbox = no: no process is confined$/m, 'the table, too';
};

scene 'sandbox = require' => sub {
    my $master = master(server => server()->address, sandbox => 'require');
    is $master->client->login->quit, '+OK bye', 'a session';
    ok is_filtered(($master->workers(1))[0]), 'filtered';
    my $rights = facts($master->pid)->{CapEff};
    is $master->after(sub { $master->signal('USR2') }, 'master-draining')->{event}, 'master-draining', 'an upgrade';
    $master->follow(wait_until(sub { my $status = eval { $master->status }; $status && $status->{pid} != $master->pid && $status->{pid} }));
    is $master->client->login->quit, '+OK bye', 'a session of the next binary';
    is facts($master->pid)->{CapEff}, $rights, 'which has the capabilities of the first one, though no child can get any';
};

# What is missing: one line of the log, or of standard error where it is required.
sub goes_on_without {
    my ($expected, %environment) = @_;
    expect_log(qw(sandbox configuration));
    my $before = () = log_lines('sandbox');
    my @with   = %environment ? (-env => \%environment) : ();
    my $master = master(server => server()->address, @with);
    is $master->client->login->quit, '+OK bye', 'the server goes on without';
    my @lines = log_lines('sandbox');
    is @lines - $before, 1, 'one line says so';
    like $lines[-1]{f}{text}, $expected, 'and what is left out';
    my $failed = master(server => server()->address, sandbox => 'require', @with, -start => 0)->run_to_end;
    is exit_code($failed->{status}), 71, 'require: the exit code';
    like $failed->{err}, qr/\A[^\n]*sandbox = require: no (?:filter|restriction)[^\n]*\n\z/, 'and one line';
    return $master;
}

# The library stands in for each of these. Landlock restricts ports since its version 4, and signals
# since 6.
my %lacking = (
    'a container that permits none' => [ ESCAPE_DENY => 1, qr/seccomp\): .* does not permit it; no restriction of files \(Landlock\)/ ],
    'filters that are at the limit of the kernel already' => [ ESCAPE_FULL => 1, qr/seccomp\): too many are in force already/ ],
    'a libseccomp that refuses a rule' => [ ESCAPE_REFUSE => 1, qr/seccomp\): libseccomp refuses the rule for \w+: Invalid argument; the server/ ],
    'a kernel with an older Landlock' => [ ESCAPE_LANDLOCK => 3, qr/no restriction of ports: .*; no restriction of signals/ ],
);
for my $name (sort keys %lacking) {
    scene $name => sub {
        plan(skip_all => 'make check builds the library') if !$has_escapes;
        my ($variable, $value, $expected) = @{ $lacking{$name} };
        goes_on_without($expected, LD_PRELOAD => $library, $variable => $value);
    };
}

# ---- escapes ----

# An order to a process: the escape that it tries when it next calls one of a few functions.
sub order {
    my ($file, $pid, $order) = @_;
    open my $cell, '+<', $file or die "$file: $!\n";
    syswrite $cell, pack 'l5', $pid, $order, 0, 0, 0;
    return;
}

sub outcome { my @cell = unpack 'l5', read_file($_[0]); return $cell[2] ? { result => $cell[3], error => $cell[4] } : undef }

sub escape_file {
    my $file = directory(0777) . '/cell';
    write_file($file, "\0" x 4096);
    chmod 0666, $file;
    return $file;
}

my $users = 0;

sub taken_over {
    my ($file, @keys) = @_;
    return master(server => server()->address, -env => { LD_PRELOAD => $library, ESCAPE_FILE => $file }, @keys);
}

# A session in another worker than this one, and that worker. Those that come to this one stay until
# then, so that it becomes full. Each has a name of its own: the status may still show the last one.
sub session_elsewhere {
    my ($master, $worker) = @_;
    my @clients;
    while (@clients < 8) {
        my $name = 'user' . ++$users;
        push @clients, $master->client->login($name);
        my $at = $master->worker_of($name);
        return (pop @clients, $at) if $at != $worker;
    }
    die "all sessions come to worker $worker\n";
}

for my $many (0, 1) {     # t/unit/test_sandbox.c has the other roles
    my $role = $many ? 'worker-many' : 'worker';

    scene "escapes of a process in the role $role" => sub {
        plan(skip_all => 'make check builds the library of escapes') if !$has_escapes;
        expect_log(qw(worker-died session-lost fork-throttled));
        my $file   = escape_file();
        my $master = taken_over($file, workers => 2, max_workers => 8, sessions_per_worker => $many ? 4 : 1);
        my $held   = $master->client->login('bystander');
        my $own    = $master->worker_of('bystander');
        for my $order (sort { $a <=> $b } keys %call) {
            my ($client, $worker) = session_elsewhere($master, $own);
            my $died   = $master->after(sub { order($file, $worker, $order); $client->send("NOOP\r\n") }, 'worker-died');
            is $died->{f}{call}, $call{$order}, "$call{$order}: the log names the call";
            is $died->{f}{role}, $role, 'and the role';
            is $died->{f}{text}, $call{$order} eq '-' ? '"it made a call that no part of this program makes"' : undef, 'and why it does not';
            is outcome($file), undef, 'the call has not returned';
        }
        order($file, $own, UNIX_SOCKET);
        is $held->ask('NOOP'), '+OK', 'a call that fails';
        cmp_ok outcome($file)->{result}, '==', -1, 'there is no UNIX socket but that of syslog';
        is $held->quit, '+OK bye', 'the session of another worker has gone on';
        is $master->client->login->quit, '+OK bye', 'and the next one is served';
    };
}

scene 'an escape of a session under a superserver, which has no master' => sub {
    plan(skip_all => 'make check builds the library of escapes') if !$has_escapes;
    expect_log('sandbox');
    my $file  = escape_file();
    my $proxy = proxy(server()->address, { any_exit => 1, env => { LD_PRELOAD => $library, ESCAPE_FILE => $file } });
    my $client = $proxy->client->login;
    order($file, $client->{process}->pid, OPEN);
    $client->send("NOOP\r\n");
    my $line = wait_until(sub { (grep { ($_->{f}{role} // '') eq 'session' } log_lines('sandbox'))[0] });
    ok $line, 'it logs its role itself';
    is $line->{f}{call}, 'openat', 'and the name of the call';
    is outcome($file), undef, 'and allocates no memory, which it may have been doing';
};

scene 'escapes of the status process and of the helper' => sub {
    plan(skip_all => 'make check builds the library of escapes') if !$has_escapes;
    expect_log(qw(status helper-died fork-throttled resolve-failed));
    my $file   = escape_file();
    my $master = taken_over($file, server => 'localhost:' . server()->port, client_log => directory(0777));
    my $held   = $master->client->login;
    my $died   = $master->after(sub { order($file, $master->status_pid, EXECUTE); eval { $master->ask('status') } }, 'status');
    like $died->{f}{text}, qr/role=status call=execve/, 'the status process is ended';
    ok wait_until(sub { eval { $master->ask('status') } }), 'and another one answers';
    $died = $master->after(sub { order($file, $master->status_pid, WRITE); eval { $master->ask('status') } }, 'status');
    like $died->{f}{text}, qr/role=status call=openat/, 'which is ended when it opens a file to write';
    ok wait_until(sub { eval { $master->ask('status') } }), 'and another one answers';
    my ($helper) = $master->helpers;
    order($file, $helper, OPEN);
    is $master->client->login->quit, '+OK bye', 'a session that asks the helper';
    is outcome($file)->{result}, -1, 'the helper opens no other file';
    order($file, $helper, WRITE);
    is $master->client->login->quit, '+OK bye', 'nor is it ended';
    is outcome($file)->{result}, -1, 'when it opens one to write that is not of the client log';
    $died = $master->after(sub { order($file, $helper, FORK); eval { $master->client->try_login } }, 'helper-died');
    like $died->{f}{text}, qr/role=helper call=clone/, 'and is ended when it forks';
    ok wait_until(sub { eval { $master->client->login->quit eq '+OK bye' } }), 'another one looks names up';
    is $held->quit, '+OK bye', 'the session of a worker has gone on';
};

scene 'lies to the helper' => sub {
    plan(skip_all => 'not run by root') if !is_root();
    expect_log(qw(acp-failed resolve-failed client-log-failed));
    my $master = master(server => 'localhost:' . server()->port, acp => acp('exit 0'), client_log => directory(0777));
    my $held   = $master->client->login('liar');
    my ($helper) = $master->helpers;
    my @channels = sockets_of($master->worker_of('liar'), sub { unpack('i', getsockopt $_[0], SOL_SOCKET, SO_TYPE) == SOCK_SEQPACKET });
    srand 1;
    for my $channel (@channels) {     # one of them leads to the helper; nobody may read another one
        send $channel, '', MSG_DONTWAIT;
        for my $kind (0 .. 9) {
            send $channel, chr($kind) . join('', map { chr int rand 256 } 1 .. $_), MSG_DONTWAIT for 0, 1, 10, 500, 4000;
            send $channel, chr($kind) . "\0" x $_, MSG_DONTWAIT for 1 .. 24;
        }
    }
    is $master->client->login->quit, '+OK bye', 'a session that asks it';
    is(($master->helpers)[0], $helper, 'the helper is the same one');
    is $held->quit, '+OK bye', 'and the session of the worker has gone on';
};

# System calls of Linux with the same number on all processors.
sub sockets_of {
    my ($pid, $is_wanted) = @_;
    my $pidfd = syscall 434, 0 + $pid, 0;     # pidfd_open
    my @sockets;
    die "pidfd_open: $!\n" if $pidfd < 0;
    for my $path (glob "/proc/$pid/fd/*") {
        next if (readlink($path) // '') !~ /^socket:/;
        my ($number) = $path =~ /(\d+)\z/;
        my $fd = syscall 438, $pidfd, 0 + $number, 0;     # pidfd_getfd
        next if $fd < 0;
        open my $socket, '+<&=', $fd or die "open: $!\n";
        push @sockets, $socket if $is_wanted->($socket);
    }
    die "process $pid has no such socket\n" if !@sockets;
    return @sockets;
}

done;
