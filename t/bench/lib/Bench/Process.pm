# SPDX-License-Identifier: BSD-2-Clause
#
# Processes the benchmark starts: how they are started on given cores in a control group of their
# own, what they cost (CPU, memory, children included), and how they are ended. Whatever was
# started here is ended here, by its process id, also when the driver is interrupted.
package Bench::Process;

use strict;
use warnings;
use Errno qw(EINTR);
use IO::Select;
use POSIX qw(:sys_wait_h :signal_h _SC_CLK_TCK);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my @running;                  # every process that was started and not yet ended
my %group_base;               # controller => directory under which groups are made
my @made_groups;
my $owner = $$;

sub now { return clock_gettime(CLOCK_MONOTONIC) }

sub pause { select undef, undef, undef, $_[0] }

sub ticks_a_second { return POSIX::sysconf(_SC_CLK_TCK) }

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or return undef;
    local $/;
    return scalar <$file>;
}

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>', $path or return 0;
    my $is_well = print {$file} $text;
    return close($file) && $is_well;      # the kernel refuses at close()
}

sub in_path {
    my ($program) = @_;
    for my $dir (split(/:/, $ENV{PATH} || ''), qw(/usr/sbin /sbin /usr/local/sbin)) {
        return "$dir/$program" if -x "$dir/$program" && !-d _;
    }
    return undef;
}

# ---- control groups ----

# Where this process stands in each hierarchy, so that limits set on it also hold for the peers.
sub own_groups {
    my %own;
    for my $line (split /\n/, slurp('/proc/self/cgroup') || '') {
        my ($controllers, $path) = $line =~ /^\d+:([^:]*):(.*)$/ or next;
        $own{$_} = $path for $controllers eq '' ? 'unified' : split /,/, $controllers;
    }
    return %own;
}

sub mounted_groups {
    my %at;
    for my $line (split /\n/, slurp('/proc/self/mountinfo') || '') {
        my ($head, $tail) = split / - /, $line, 2;
        my ($root, $mount) = (split / /, $head)[3, 4];
        my ($type, undef, $options) = split / /, $tail || '';
        $at{unified} = [$mount, $root] if ($type || '') eq 'cgroup2';
        next if ($type || '') ne 'cgroup';
        $at{$_} = [$mount, $root] for split /,/, $options || '';
    }
    return %at;
}

sub make_base {
    my ($controller, $mount, $root, $path) = @_;
    $path =~ s/^\Q$root\E// if $root ne '/';
    my $dir = "$mount$path";
    $dir =~ s{/+$}{};
    my $base = "$dir/pop3bench-$$";
    return unless mkdir $base;
    push @made_groups, $base;
    $group_base{$controller} = $base;
    return unless $controller eq 'unified';
    # Memory of version 2 is counted only where every group above passes the controller on.
    write_file("$dir/cgroup.subtree_control", '+memory');
    write_file("$base/cgroup.subtree_control", '+memory');
}

# Finds out once what can be counted by control group: cpuacct and memory of version 1 where they
# are mounted, else version 2.
sub prepare_groups {
    my %own = own_groups();
    my %at = mounted_groups();
    for my $controller (qw(cpuacct memory)) {
        make_base($controller, @{$at{$controller}}, $own{$controller})
            if $at{$controller} && defined $own{$controller};
    }
    make_base('unified', @{$at{unified}}, $own{unified})
        if $at{unified} && defined $own{unified} && !($group_base{cpuacct} && $group_base{memory});
    return describe_groups();
}

sub describe_groups {
    my $cpu = $group_base{cpuacct} ? 'cgroup v1 cpuacct' : $group_base{unified}
        ? 'cgroup v2 cpu.stat' : '/proc/PID/stat, in ticks of 1/' . ticks_a_second() . ' s';
    my $memory = $group_base{memory} ? 'cgroup v1 memory, kernel included'
        : $group_base{unified} && -e "$group_base{unified}/memory.stat"
        ? 'cgroup v2 memory, kernel included' : 'estimate: PSS and the kernel\'s totals';
    return {cpu => $cpu, memory => $memory};
}

sub remove_groups {
    for my $group (reverse splice @made_groups) {
        for (1 .. 50) {
            last if rmdir $group or !-d $group;
            pause(0.02);
        }
    }
    %group_base = ();
}

# ---- starting ----

# spawn(name => TEXT, argv => [...], cores => "0,1" or undef, log => FILE, is_peer => BOOL,
#       pipes => BOOL): an object, or dies. is_peer: counted in a control group of its own. pipes:
# standard input and output are the members in and out, else /dev/null and the log.
sub spawn {
    my ($class, %self) = @_;
    my $self = bless {%self, groups => {}}, $class;
    $self->make_groups if $self->{is_peer};
    my ($out_read, $out_write, $in_read, $in_write);
    if ($self->{pipes}) {
        pipe $out_read, $out_write or die "pipe: $!\n";
        pipe $in_read, $in_write or die "pipe: $!\n";
    }
    # Held back until the process is on the list of what must be ended.
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

sub make_groups {
    my ($self) = @_;
    our $serial;
    $serial++;
    for my $controller (sort keys %group_base) {
        my $dir = "$group_base{$controller}/$serial-$self->{name}";
        $dir =~ s/[^\w.\/-]/_/g;
        next unless mkdir $dir;
        push @made_groups, $dir;
        $self->{groups}{$controller} = $dir;
    }
}

# In the child: joins the groups, takes its descriptors, becomes the program.
sub become {
    my ($self, $in, $out) = @_;
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
    setpgrp 0, 0;
    write_file("$_/cgroup.procs", "$$\n") for values %{$self->{groups}};
    open STDIN, '<', '/dev/null' or POSIX::_exit(126);
    POSIX::dup2(fileno $in, 0) if $in;
    open STDERR, '>>', $self->{log} || '/dev/null' or POSIX::_exit(126);
    open STDOUT, '>&', \*STDERR or POSIX::_exit(126);
    POSIX::dup2(fileno $out, 1) if $out;
    my @argv = @{$self->{argv}};
    my $taskset = in_path('taskset');
    unshift @argv, $taskset, '-c', $self->{cores} if defined $self->{cores} && $taskset;
    # Should the driver be killed without a word, its peers get a signal.
    my $setpriv = in_path('setpriv');
    unshift @argv, $setpriv, '--pdeathsig', 'TERM' if $setpriv;
    { no warnings 'exec'; exec {$argv[0]} @argv }
    print STDERR "$argv[0]: $!\n";
    POSIX::_exit(127);
}

# ---- reading from it ----

# A line from its standard output; undef at its end or when `limit` seconds are over.
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

sub stat_of {
    my ($pid) = @_;
    my $text = slurp("/proc/$pid/stat") or return;
    $text =~ s/^.*\) //s;                 # a name may hold blanks and parentheses
    my @field = split / /, $text;
    return {parent => $field[1], ticks => [@field[11 .. 14]]};
}

# The process and all that descend from it.
sub tree {
    my ($root) = @_;
    my %stat;
    for my $path (glob '/proc/[0-9]*') {
        my ($pid) = $path =~ /(\d+)$/;
        $stat{$pid} = stat_of($pid) || next;
    }
    my @found = $stat{$root} ? ($root) : ();
    for (my $i = 0; $i < @found; $i++) {
        push @found, grep { $stat{$_}{parent} == $found[$i] } keys %stat;
    }
    return @found;
}

sub pids {
    my ($self) = @_;
    my ($group) = grep { defined } map { $self->{groups}{$_} }
        qw(cpuacct memory unified);
    return tree($self->{pid}) unless $group;
    return split /\n/, slurp("$group/cgroup.procs") || '';
}

sub cpu_of_tree {
    my ($self) = @_;
    my ($user, $system) = (0, 0);
    for my $pid (tree($self->{pid})) {
        my $stat = stat_of($pid) || next;
        $user += $stat->{ticks}[0] + $stat->{ticks}[2];
        $system += $stat->{ticks}[1] + $stat->{ticks}[3];
    }
    my $hz = ticks_a_second();
    return ($user / $hz, $system / $hz);
}

# CPU seconds since its start, user and kernel apart; children, dead ones too, are in it.
sub cpu {
    my ($self) = @_;
    if (my $group = $self->{groups}{cpuacct}) {
        my $total = (slurp("$group/cpuacct.usage") || 0) / 1e9;
        my $user = slurp("$group/cpuacct.usage_user") || 0;
        my $system = slurp("$group/cpuacct.usage_sys") || 0;
        my $share = $user + $system > 0 ? $user / ($user + $system) : 0;
        return {user => $total * $share, system => $total * (1 - $share)};
    }
    if (my $group = $self->{groups}{unified}) {
        my %stat = (slurp("$group/cpu.stat") || '') =~ /^(\w+) (\d+)$/mg;
        return {user => ($stat{user_usec} || 0) / 1e6, system => ($stat{system_usec} || 0) / 1e6};
    }
    my ($user, $system) = $self->cpu_of_tree;
    return {user => $user, system => $system};
}

sub memory_v1 {
    my ($group) = @_;
    my %stat = (slurp("$group/memory.stat") || '') =~ /^(\w+) (\d+)$/mg;
    my $kernel = slurp("$group/memory.kmem.usage_in_bytes") || 0;
    my $tcp = slurp("$group/memory.kmem.tcp.usage_in_bytes") || 0;
    return {user => ($stat{rss} || 0) + ($stat{shmem} || 0), kernel => $kernel + $tcp};
}

sub memory_v2 {
    my ($group) = @_;
    my %stat = slurp("$group/memory.stat") =~ /^(\w+) (\d+)$/mg;
    my $kernel = $stat{kernel};
    $kernel = ($stat{slab} || 0) + ($stat{kernel_stack} || 0) + ($stat{pagetables} || 0)
        unless defined $kernel;
    return {user => ($stat{anon} || 0) + ($stat{shmem} || 0),
            kernel => $kernel + ($stat{sock} || 0)};
}

# Without a group: the pages of the tree, shared ones in parts, and what the whole kernel holds.
# The caller subtracts what the load generator and the server take of that.
sub memory_estimate {
    my ($self) = @_;
    my ($user, $kernel) = (0, 0);
    for my $pid ($self->pids) {
        my $rollup = slurp("/proc/$pid/smaps_rollup") || '';
        $user += 1024 * $1 if $rollup =~ /^Pss_Anon:\s+(\d+)/m || $rollup =~ /^Pss:\s+(\d+)/m;
    }
    my %info = (slurp('/proc/meminfo') || '') =~ /^(\w+):\s+(\d+) kB$/mg;
    $kernel += 1024 * ($info{$_} || 0) for qw(Slab KernelStack PageTables);
    return {user => $user, kernel => $kernel, is_estimate => 1};
}

# Octets in use now, user and kernel apart.
sub memory {
    my ($self) = @_;
    return memory_v1($self->{groups}{memory}) if $self->{groups}{memory};
    my $group = $self->{groups}{unified};
    return memory_v2($group) if $group && -e "$group/memory.stat";
    return $self->memory_estimate;
}

# ---- ending ----

sub is_alive {
    my ($self) = @_;
    return 0 unless $self->{pid};
    return 1 if waitpid($self->{pid}, WNOHANG) == 0;
    $self->{status} = $? unless defined $self->{status};
    return 0;
}

# Waits for the end of the process itself; its exit status, or undef when `limit` seconds passed.
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
    my @left = $self->is_alive ? tree($self->{pid}) : ();
    kill 'TERM', $self->{pid} if @left;
    for my $try (1 .. 250) {
        $self->is_alive;
        @left = %{$self->{groups}} ? $self->pids : grep { kill 0, $_ } @left;
        last unless @left;
        kill 'TERM', @left if $try == 75;
        kill 'KILL', @left if $try == 150;
        pause(0.02);
    }
    $self->is_alive;
    @running = grep { $_ != $self } @running;
    $self->drop_groups;
}

sub drop_groups {
    my ($self) = @_;
    for my $group (values %{$self->{groups}}) {
        for (1 .. 25) {
            last if rmdir $group or !-d $group;
            pause(0.02);
        }
        @made_groups = grep { $_ ne $group || -d } @made_groups;
    }
}

sub stop_all {
    return if $$ != $owner;
    local @SIG{qw(INT TERM HUP)} = ('IGNORE') x 3;
    my @all = reverse @running;          # stop() takes each from the list
    $_->stop for @all;
    remove_groups();
}

END { my $status = $?; stop_all(); $? = $status }

1;
