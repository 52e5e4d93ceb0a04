# SPDX-License-Identifier: BSD-2-Clause
#
# The processes of the benchmark: starts them on given cores in a control group of their own, and
# ends each of them by its process id, even if the driver is interrupted.
package Bench::Process;

use strict;
use warnings;
use Bench::Account;
use Bench::System qw(now pause in_path);
use Errno qw(EINTR);
use IO::Select;
use POSIX qw(:sys_wait_h :signal_h);

my @running;                  # every process that was started and not yet ended
my $owner = $$;

# ---- starting ----

# spawn(name => TEXT, argv => [...], cores => "0,1" or undef, log => FILE, is_peer => BOOL,
#       pipes => BOOL): an object, or dies. is_peer: counted in a control group of its own. pipes:
# standard input and output are the members in and out, else /dev/null and the log.
sub spawn {
    my ($class, %self) = @_;
    my $self = bless {%self, groups => {}}, $class;
    $self->{groups} = Bench::Account::make_groups($self->{name}) if $self->{is_peer};
    my ($out_read, $out_write, $in_read, $in_write);
    if ($self->{pipes}) {
        pipe $out_read, $out_write or die "pipe: $!\n";
        pipe $in_read, $in_write or die "pipe: $!\n";
    }
    # Signals wait until the process is on the list of what must be ended.
    my ($signals, $before) = (POSIX::SigSet->new(SIGINT, SIGTERM, SIGHUP), POSIX::SigSet->new);
    sigprocmask(SIG_BLOCK, $signals, $before);
    defined(my $pid = fork) or die "fork: $!\n";
    sigprocmask(SIG_SETMASK, $before) if $pid == 0;
    $self->become($in_read, $out_write) if $pid == 0;
    $self->{pid} = $pid;
    @$self{qw(out in)} = ($out_read, $in_write);
    push @running, $self;
    sigprocmask(SIG_SETMASK, $before);
    return $self;
}

# In the child: joins the groups, sets the descriptors up, executes the program.
sub become {
    my ($self, $in, $out) = @_;
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
    setpgrp 0, 0;
    Bench::Account::join_groups($self->{groups});
    open STDIN, '<', '/dev/null' or POSIX::_exit(126);
    POSIX::dup2(fileno $in, 0) if $in;
    open STDERR, '>>', $self->{log} || '/dev/null' or POSIX::_exit(126);
    open STDOUT, '>&', \*STDERR or POSIX::_exit(126);
    POSIX::dup2(fileno $out, 1) if $out;
    my @argv = @{$self->{argv}};
    my $taskset = in_path('taskset');
    unshift @argv, $taskset, '-c', $self->{cores} if defined $self->{cores} && $taskset;
    # If the driver is killed, its peers get a signal.
    my $setpriv = in_path('setpriv');
    unshift @argv, $setpriv, '--pdeathsig', 'TERM' if $setpriv;
    { no warnings 'exec'; exec {$argv[0]} @argv }
    print STDERR "$argv[0]: $!\n";
    POSIX::_exit(127);
}

# ---- its output ----

# A line from its standard output; undef at its end or after `limit` seconds.
sub line {
    my ($self, $limit) = @_;
    my $until = now() + $limit;
    $self->{unread} = '' unless defined $self->{unread};
    while ($self->{unread} !~ /\n/) {
        my $left = $until - now();
        return undef if $left <= 0;
        next unless IO::Select->new($self->{out})->can_read($left);
        my $got = sysread $self->{out}, $self->{unread}, 65536, length $self->{unread};
        next if !defined $got && $! == EINTR;
        return undef unless $got;
    }
    $self->{unread} =~ s/^(.*)\n//;
    return $1;
}

sub close_input { my ($self) = @_; close delete $self->{in} if $self->{in} }

# ---- what it costs ----

# CPU seconds since its start, user and kernel separately, with children, including dead ones.
sub cpu { my ($self) = @_; return Bench::Account::cpu($self->{groups}, $self->{pid}) }

# Octets in use now, user and kernel separately; undef if that cannot be read.
sub memory { my ($self) = @_; return Bench::Account::memory($self->{groups}, $self->{pid}) }

# ---- ending ----

sub is_alive {
    my ($self) = @_;
    return 0 unless $self->{pid};
    return 1 if waitpid($self->{pid}, WNOHANG) == 0;
    $self->{status} = $? unless defined $self->{status};
    return 0;
}

# Waits for the end of the process itself. Returns its exit status, or undef after `limit` seconds.
sub wait_end {
    my ($self, $limit) = @_;
    my $until = now() + $limit;
    while ($self->is_alive) {
        return undef if now() > $until;
        pause(0.005);
    }
    return $self->{status};
}

sub stop {
    my ($self) = @_;
    $self->close_input;
    my @left = $self->is_alive ? Bench::Account::tree($self->{pid}) : ();
    kill 'TERM', $self->{pid} if @left;
    for my $try (1 .. 250) {
        $self->is_alive;
        @left = %{$self->{groups}} ? Bench::Account::pids($self->{groups}, $self->{pid})
                                   : grep { kill 0, $_ } @left;
        last unless @left;
        kill 'TERM', @left if $try == 75;
        kill 'KILL', @left if $try == 150;
        pause(0.02);
    }
    $self->is_alive;
    @running = grep { $_ != $self } @running;
    Bench::Account::drop_groups($self->{groups});
}

sub stop_all {
    return if $$ != $owner;
    local @SIG{qw(INT TERM HUP)} = ('IGNORE') x 3;
    my @all = reverse @running;          # stop() takes each from the list
    $_->stop for @all;
    Bench::Account::remove_groups();
}

END { my $status = $?; stop_all(); $? = $status }

1;
