# SPDX-License-Identifier: BSD-2-Clause
#
# The processor time and memory of a process and all its children: by control groups of its own
# (version 1 or 2), otherwise from /proc.
package Bench::Account;

use strict;
use warnings;
use Bench::System qw(pause slurp write_file);
use Errno;
use List::Util qw(max);
use POSIX qw(_SC_CLK_TCK);

my %group_base;               # controller => directory under which groups are made
my @made_groups;

sub ticks_a_second { return POSIX::sysconf(_SC_CLK_TCK) }

# ---- control groups ----

# The group of this process in each hierarchy, so that its limits also apply to the peers.
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
    # Version 2 counts memory only if every group above passes the controller on.
    write_file("$dir/cgroup.subtree_control", '+memory');
    write_file("$base/cgroup.subtree_control", '+memory');
}

# Makes a directory of our own under each controller that can count: cpuacct and memory of version 1
# if they are mounted, otherwise version 2. Returns what is counted by which of them.
sub prepare {
    my %own = own_groups();
    my %at = mounted_groups();
    for my $controller (qw(cpuacct memory)) {
        make_base($controller, @{$at{$controller}}, $own{$controller})
            if $at{$controller} && defined $own{$controller};
    }
    make_base('unified', @{$at{unified}}, $own{unified})
        if $at{unified} && defined $own{unified} && !($group_base{cpuacct} && $group_base{memory});
    return describe();
}

sub describe {
    my $cpu = $group_base{cpuacct} ? 'cgroup v1 cpuacct' : $group_base{unified}
        ? 'cgroup v2 cpu.stat' : '/proc, process by process (no control group can be made)';
    my $memory = $group_base{memory} ? 'cgroup v1 memory, kernel included'
        : $group_base{unified} && -e "$group_base{unified}/memory.stat"
        ? 'cgroup v2 memory, kernel included' : 'estimate: PSS and the kernel\'s totals';
    return {cpu => $cpu, memory => $memory};
}

# Makes groups for a process: controller => directory; none if that is impossible.
sub make_groups {
    my ($name) = @_;
    my %groups;
    our $serial;
    $serial++;
    for my $controller (sort keys %group_base) {
        my $dir = "$group_base{$controller}/$serial-$name";
        $dir =~ s/[^\w.\/-]/_/g;
        next unless mkdir $dir;
        push @made_groups, $dir;
        $groups{$controller} = $dir;
    }
    return \%groups;
}

# Moves the calling process, and so all its future children, to these groups.
sub join_groups {
    my ($groups) = @_;
    write_file("$_/cgroup.procs", "$$\n") for values %$groups;
}

# A group can be removed when the last process in it has been reaped.
sub remove {
    my ($group) = @_;
    for (1 .. 50) {
        last if rmdir $group or !-d $group;
        pause(0.02);
    }
}

sub drop_groups {
    my ($groups) = @_;
    for my $group (values %$groups) {
        remove($group);
        @made_groups = grep { $_ ne $group || -d } @made_groups;
    }
}

sub remove_groups {
    remove($_) for reverse splice @made_groups;
    %group_base = ();
}

# ---- what a process and its children cost ----

sub stat_of {
    my ($pid) = @_;
    my $text = slurp("/proc/$pid/stat") or return;
    $text =~ s/^.*\) //s;                 # a name may contain blanks and parentheses
    my @field = split / /, $text;
    return {parent => $field[1], ticks => [@field[11 .. 14]]};
}

# The process and all its descendants.
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

# All processes of the groups, or of the tree if there are no groups.
sub pids {
    my ($groups, $pid) = @_;
    my ($group) = grep { defined } map { $groups->{$_} } qw(cpuacct memory unified);
    return tree($pid) unless $group;
    return split /\n/, slurp("$group/cgroup.procs") || '';
}

# Seconds that the living threads of a process have run, exact to the nanosecond; 0 if the kernel
# does not tell.
sub run_time {
    my ($pid) = @_;
    my $sum = 0;
    for my $path (glob "/proc/$pid/task/*/schedstat") {
        my ($ns) = (slurp($path) || '') =~ /^(\d+)/ or next;
        $sum += $ns / 1e9;
    }
    return $sum;
}

# The same for a process and its children, ended ones included. 64 workers that use 2 ms each use no
# whole tick, so ticks only divide the time between user and kernel.
sub cpu_of_tree {
    my ($root) = @_;
    my ($total, $user, $system) = (0, 0, 0);
    my $hz = ticks_a_second();
    for my $pid (tree($root)) {
        my $stat = stat_of($pid) || next;
        my @ticks = @{$stat->{ticks}};
        my $own = max(run_time($pid), ($ticks[0] + $ticks[1]) / $hz);
        $user += $ticks[0] + $ticks[2];
        $system += $ticks[1] + $ticks[3];
        $total += $own + ($ticks[2] + $ticks[3]) / $hz;
    }
    my $share = $user + $system > 0 ? $user / ($user + $system) : 0;
    return ($total * $share, $total * (1 - $share));
}

# CPU seconds since its start, user and kernel separately, with children, including dead ones.
sub cpu {
    my ($groups, $pid) = @_;
    if (my $group = $groups->{cpuacct}) {
        my $total = (slurp("$group/cpuacct.usage") || 0) / 1e9;
        my $user = slurp("$group/cpuacct.usage_user") || 0;
        my $system = slurp("$group/cpuacct.usage_sys") || 0;
        my $share = $user + $system > 0 ? $user / ($user + $system) : 0;
        return {user => $total * $share, system => $total * (1 - $share)};
    }
    if (my $group = $groups->{unified}) {
        my %stat = (slurp("$group/cpu.stat") || '') =~ /^(\w+) (\d+)$/mg;
        return {user => ($stat{user_usec} || 0) / 1e6, system => ($stat{system_usec} || 0) / 1e6};
    }
    my ($user, $system) = cpu_of_tree($pid);
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

# Without a group: the pages of the tree, shared ones in proportion, and the memory of the whole
# kernel. The caller subtracts the part of load generator and server. Undef if a process may not be
# read: one that holds passwords can be read by root only.
sub memory_estimate {
    my ($root) = @_;
    my ($user, $kernel) = (0, 0);
    for my $pid (tree($root)) {
        my $rollup = slurp("/proc/$pid/smaps_rollup");
        return undef if !defined $rollup && $!{EACCES};
        next unless defined $rollup;
        $user += 1024 * $1 if $rollup =~ /^Pss_Anon:\s+(\d+)/m || $rollup =~ /^Pss:\s+(\d+)/m;
    }
    my %info = (slurp('/proc/meminfo') || '') =~ /^(\w+):\s+(\d+) kB$/mg;
    $kernel += 1024 * ($info{$_} || 0) for qw(Slab KernelStack PageTables);
    return {user => $user, kernel => $kernel, is_estimate => 1};
}

# Octets in use now, user and kernel separately; undef if that cannot be read.
sub memory {
    my ($groups, $pid) = @_;
    return memory_v1($groups->{memory}) if $groups->{memory};
    my $group = $groups->{unified};
    return memory_v2($group) if $group && -e "$group/memory.stat";
    return memory_estimate($pid);
}

1;
