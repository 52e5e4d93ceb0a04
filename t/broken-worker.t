# SPDX-License-Identifier: BSD-2-Clause
#
# What a worker can do that an attacker has taken over: it shuts down the shared listening socket, or
# the one to the helper, and fills the shared memory with random words or zeros. The master and the other workers go on.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_ACCEPTCONN SO_TYPE SOCK_SEQPACKET);

# System calls of Linux with the same number on all processors.
use constant { PIDFD_OPEN => 434, PIDFD_GETFD => 438 };

plan(skip_all => 'not run by root') if !is_root();

expect_log('log-lines-lost');   # the kernel queues only ten for the collector

# The sockets of a process that $is_wanted->($socket), as handles of our own.
sub sockets_of {
    my ($pid, $is_wanted) = @_;
    my @sockets;
    my $pidfd = syscall PIDFD_OPEN, 0 + $pid, 0;   # a string would be passed as an address
    die "pidfd_open: $!\n" if $pidfd < 0;
    for my $path (glob "/proc/$pid/fd/*") {
        next if (readlink($path) // '') !~ /^socket:/;
        my ($number) = $path =~ /(\d+)\z/;
        my $fd = syscall PIDFD_GETFD, $pidfd, 0 + $number, 0;
        die "pidfd_getfd: $!\n" if $fd < 0;
        open my $socket, '+<&=', $fd or die "open: $!\n";
        push @sockets, $socket if $is_wanted->($socket);
    }
    die "process $pid has no such socket\n" if !@sockets;
    return @sockets;
}

sub has_option { my ($socket, $option, $value) = @_; return unpack('i', getsockopt $socket, SOL_SOCKET, $option) == $value }
sub listener_of { return (sockets_of($_[0], sub { has_option($_[0], SO_ACCEPTCONN, 1) }))[0] }
# One of them leads to the helper, another one takes traces.
sub channels_of { return sockets_of($_[0], sub { has_option($_[0], SO_TYPE, SOCK_SEQPACKET) }) }

# A port that the kernel does not choose for the server: a socket keeps such a one when it is shut down.
sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0) or die "socket: $!\n";
    my $port = $socket->sockport;
    $socket->close;
    return $port;
}

# Calls $code->($handle, $start, $length) for each piece of memory that the process shares and can write.
sub each_shared {
    my ($pid, $code) = @_;
    no warnings 'portable';   # addresses of 64 bits
    open my $memory, '+<', "/proc/$pid/mem" or die "mem: $!\n";
    binmode $memory;
    for (split /\n/, read_file("/proc/$pid/maps")) {
        my ($start, $end, $rights, $path) = /^(\w+)-(\w+) (\S+) \S+ \S+ \S+\s*(.*)/ or next;
        next if $rights !~ /^rw.s/ || $path !~ m{/dev/zero};
        $code->($memory, hex $start, hex($end) - hex $start);
    }
    return;
}

# Fills it with the octets of a device; returns how many pieces there are.
sub fill_from {
    my ($pid, $path) = @_;
    my ($pieces, $octets) = (0);
    open my $source, '<', $path or die "$path: $!\n";
    each_shared($pid, sub {
        my ($memory, $start, $length) = @_;
        read $source, $octets, $length;
        sysseek $memory, $start, 0;
        $pieces++ if defined syswrite $memory, $octets;
    });
    return $pieces;
}

my @kinds = ([ 'one session a worker', workers => 4, max_workers => 8, sessions_per_worker => 1 ],
    [ 'many sessions a worker', workers => 2, max_workers => 4, sessions_per_worker => 16 ]);

for (@kinds) {
    my ($kind, %pool) = @$_;

    scene "the listening socket is shut down, $kind" => sub {
        expect_log(qw(tampering accept-failed));
        my $master = master(server => server()->address, listen => '127.0.0.1:' . free_port(), %pool);
        my $held   = $master->client->login('held');
        ok shutdown(listener_of($master->worker_of('held')), 0), 'a worker shuts it down';
        ok wait_until(sub { $master->events('tampering') }), 'the master notices';
        ok wait_until(sub { eval { $master->client->login->quit eq '+OK bye' } }), 'and clients are served again';
        is $held->ask('NOOP'), '+OK', 'a session goes on';
        is $held->quit, '+OK bye', 'to its end';
    };

    scene "the socket to the helper is shut down, $kind" => sub {
        expect_log(qw(tampering helper-died helper-failed resolve-failed fork-throttled));
        expect_reason('resolve-failed');
        for my $how (1, 2) {   # for writing alone, and for both
            my $master = master(server => 'localhost:' . server()->port, %pool);
            my $held   = $master->client->login('held');
            ok +(grep { shutdown $_, $how } channels_of($master->worker_of('held'))), "a worker shuts it down ($how)";
            ok wait_until(sub { $master->events('tampering') }), 'the master notices';
            ok wait_until(sub { eval { $master->client->login->quit eq '+OK bye' } }), 'a name is found again';
            is $held->quit, '+OK bye', 'a session goes on to its end';
        }
    };

    # Then no worker may listen after its session, none counts as idle, and the master is said to sleep.
    scene "zeros in the shared memory, $kind" => sub {
        expect_log(qw(worker-died session-lost fork-throttled));
        my $master = master(server => server()->address, %pool);
        my $held   = $master->client->login('held');
        for my $round (1 .. 3) {
            cmp_ok fill_from($master->worker_of('held'), '/dev/zero'), '>=', 3, 'a worker writes them';
            is scalar(grep { $master->client->login->quit eq '+OK bye' } 1 .. 12), 12, 'clients are served';
        }
        is $held->quit, '+OK bye', 'and the session goes on';
    };

    scene "random words in the shared memory, $kind" => sub {
        expect_log(qw(worker-died session-lost fork-throttled accounts-full helper-died));
        my $server = server();
        my $master = master(server => $server->address, %pool);
        my $held   = $master->client->login('held');
        my $worker = $master->worker_of('held');
        cmp_ok fill_from($worker, '/dev/urandom'), '>=', 3, 'a worker writes them';
        kill SEGV => $worker;
        ok wait_until(sub { $master->events('worker-died') }), 'and dies';
        ok $master->is_running, 'the master lives';
        ok $master->ask($_), "it shows $_" for 'status', 'status --json', 'metrics', 'view';
        ok wait_until(sub { eval { $master->client->login->quit eq '+OK bye' } }), 'clients are served';
        is $master->reload->{event}, 'reloaded', 'a reload';
        is $master->client->login->quit, '+OK bye', 'clients are served after it';
        ok $master->ask($_), "it shows $_" for 'status --json', 'metrics';
        my %known = map { $_->{pid} => 1 } log_lines('started');
        is $master->after(sub { $master->signal('USR2') }, 'master-draining', 'upgrade-failed')->{event}, 'master-draining', 'an upgrade';
        my ($new) = grep { !$known{ $_->{pid} } } log_lines('started');
        $master->follow($new->{pid});
        ok wait_until(sub { eval { $master->client->login->quit eq '+OK bye' } }), 'clients are served after it';
    };
}

done;
