# SPDX-License-Identifier: BSD-2-Clause
#
# One turn of one peer: starts it, sends load through it, and collects its figures.
package Bench::Turn;

use strict;
use warnings;
use Bench::Account;
use Bench::Load;
use Bench::Process;
use Bench::Stage;
use Bench::System qw(pause slurp);
use File::Path qw(make_path);
use List::Util qw(sum0);

# ---- starting a peer ----

# How many sessions, two descriptors each, a process may carry.
sub descriptor_room {
    my $limits = slurp('/proc/self/limits') || '';
    my ($limit) = $limits =~ /^Max open files\s+\d+\s+(\d+)/m;
    my $room = int((($limit || 1024) - 200) / 2);
    return $room < 20000 ? $room : 20000;
}

sub start_peer {
    my ($stage, $peer, $workload, $cores, $note) = @_;
    return {port => $stage->{server_port}} unless $peer->{start};
    our $serial;
    my $place = sprintf '%s/%03d-%s', $stage->{dir}, ++$serial, $peer->{name};
    make_path($place, "$place/run", "$place/state");
    chmod 01777, $place if $> == 0;
    my $tls = $workload->{tls} || {};
    my $files = $stage->{certificates} && $stage->{certificates}{$tls->{client} || 'p256'};
    my %at = (%$stage, %{$files || {}}, dir => $place, listen => '127.0.0.1',
              port => Bench::Stage::free_port(), note => $note,
              programs => $stage->{opt}{programs}, proxy => $stage->{opt}{proxy},
              cores => $cores->{count}, binary => $peer->{binary},
              is_tls => $tls->{client}, server_ca => $tls->{server} && $stage->{ca},
              sessions => $workload->{clients}, room => descriptor_room(),
              workload => $workload->{name}, grown => $workload->{grown}, kind => $peer->{kind},
              companions => [], rest => $cores->{rest},
              free_port => \&Bench::Stage::free_port);
    $at{server_port} = $stage->{tls_port} if $tls->{server};
    my @argv = eval { $peer->{start}->(\%at) };
    if (!@argv) {
        my $why = $@;
        $_->stop for @{$at{companions}};
        die $why;
    }
    my $process = Bench::Process->spawn(name => $peer->{name}, is_peer => 1, argv => \@argv,
                                        cores => $cores->{proxy}, log => "$place/output");
    my $running = {port => $at{port}, process => $process, dir => $place,
                   companions => $at{companions}};
    my $why = wait_ready($stage, $running, $workload, $cores) || warm($stage, $running, $workload, $cores);
    return $running unless $why;
    stop($running);
    die "$why\n";
}

sub stop {
    my ($running) = @_;
    $_->stop for grep { defined } $running->{process}, @{$running->{companions} || []};
}

# Clients choose their server by the user name, so that the allow list is used.
sub user_suffix {
    my ($stage, $workload) = @_;
    return () unless $workload->{is_selecting};
    return ('--user-suffix', "%$stage->{server}:$stage->{server_port}");
}

# Tries a whole session through the peer until one succeeds: it has started and its caches are warm.
sub wait_ready {
    my ($stage, $running, $workload, $cores) = @_;
    my @script = ((grep { /^--tls/ } @{$workload->{load}}), user_suffix($stage, $workload));
    my $found;
    for (1 .. 60) {
        $found = Bench::Load::run_load($stage, $running->{port}, $cores, {limit => 12},
            '--sessions', 1, '--clients', 1, '--stall', 5, '--deadline', 8, @script);
        return undef if $found->{sessions};
        last unless $running->{process}->is_alive;
        pause(0.1);
    }
    my $log = slurp("$running->{dir}/output") || '';
    $log =~ s/\s+/ /g;
    return "does not serve: $found->{first_error} " . substr $log, -300 if length $log > 300;
    return "does not serve: $found->{first_error} $log";
}

# Makes the sessions that a workload wants before it is measured. Returns what went wrong, or nothing.
sub warm {
    my ($stage, $running, $workload, $cores) = @_;
    return undef unless $workload->{warm};
    my $seconds = 180;
    my $found = Bench::Load::run_load($stage, $running->{port}, $cores, {limit => $seconds + 20},
        @{$workload->{load}}, '--sessions', $workload->{warm}, '--seconds', $seconds);
    return $found->{errors} ? "does not warm up: $found->{first_error}" : undef;
}

# ---- one turn ----

my $SETTLE_S = 0.05;          # the peer closes its last sockets in this time

sub server_cpu {
    my ($stage) = @_;
    my ($user, $system) = Bench::Account::cpu_of_tree($stage->{canned}{pid});
    return $user + $system;
}

sub no_cpu { return {user => 0, system => 0} }

sub turn_load {
    my ($stage, $running, $workload, $cores) = @_;
    my $process = $running->{process};
    my $limit = $stage->{opt}{seconds} * 2 + 40;
    pause($SETTLE_S);
    my $before = $process ? $process->cpu : no_cpu();
    my $server_before = server_cpu($stage);
    my $found = Bench::Load::run_load($stage, $running->{port}, $cores, {limit => $limit + 20},
        @{$workload->{load}}, user_suffix($stage, $workload), '--stall', 20, '--deadline', $limit);
    pause($SETTLE_S);
    my $after = $process ? $process->cpu : undef;
    my $figures = figures($found, $workload);
    my $feeders = server_cpu($stage) - $server_before
        + $found->{cpu_s}{user} + $found->{cpu_s}{system};
    $figures->{feeder_busy} = $feeders / $found->{seconds} if $found->{seconds} > 0;
    add_cpu($figures, $found, $before, $after, $workload) if $after;
    $figures->{helper_kib} = helper_kib($process->{pid}) if $workload->{is_routing};
    return $figures;
}

# The memory that only the helper has, without pages of files, which the kernel can take back. The
# helper is the one child that may gain privileges.
sub helper_kib {
    my ($master) = @_;
    for my $pid (grep { $_ != $master } Bench::Account::tree($master)) {
        next if (slurp("/proc/$pid/status") || '') !~ /^NoNewPrivs:\s+0$/m;
        my $rollup = slurp("/proc/$pid/smaps_rollup") || '';
        return sum0($rollup =~ /^Private_Dirty:\s+(\d+)/mg);
    }
    return undef;
}

sub figures {
    my ($found, $workload) = @_;
    my $seconds = $found->{seconds} > 0 ? $found->{seconds} : 1;
    my $figures = {errors => $found->{errors}, sessions => $found->{sessions},
                   octets => $found->{octets}, seconds => $found->{seconds}};
    $figures->{first_error} = $found->{first_error} if $found->{errors};
    return $figures unless $found->{sessions};
    $figures->{sessions_per_s} = $found->{sessions} / $seconds;
    $figures->{mb_per_s} = $found->{octets} / $seconds / 1e6;
    $figures->{"${_}_ms"} = $found->{latency_ms}{$_} for qw(p50 p90 p99 max);
    $figures->{resumed} = $found->{tls}{resumed} / $found->{tls}{handshakes}
        if $workload->{tls} && $found->{tls}{handshakes};
    return $figures;
}

# Microseconds for each session, or nanoseconds for each octet. Failed sessions cost too but are not
# divided by, so a peer does not look cheap by failing.
sub add_cpu {
    my ($figures, $found, $before, $after, $workload) = @_;
    my ($unit, $count) = $workload->{about} eq 'octets' ? (1e9, $found->{octets})
                                                        : (1e6, $found->{sessions});
    return unless $count;
    $figures->{cpu_user} = ($after->{user} - $before->{user}) * $unit / $count;
    $figures->{cpu_kernel} = ($after->{system} - $before->{system}) * $unit / $count;
    $figures->{cpu} = $figures->{cpu_user} + $figures->{cpu_kernel};
}

# Is memory estimated from that of the whole kernel, so that `direct` must be subtracted?
sub is_estimating { my ($stage) = @_; return $stage->{groups}{memory} =~ /^estimate/ }

my $IDLE_S = 2;      # how long the sessions are idle; a program that gives memory back has done so by then

# Memory of the peer before and while the sessions are held.
sub turn_idle {
    my ($stage, $running, $workload, $cores) = @_;
    my $process = $running->{process} || $stage->{canned};
    pause(0.2);
    my $before = $process->memory;
    my $load = Bench::Load::start_load($stage, $running->{port}, $cores,
        @{$workload->{load}}, '--stall', 30, '--deadline', 90);
    my $line = $load->line(60);
    my $held = defined $line && $line =~ /^held (\d+)/ ? $1 : 0;
    pause($IDLE_S);
    my $after = $process->memory;
    $load->close_input;
    my $found = Bench::Load::load_result($stage, $load, 40);
    my $figures = figures($found, $workload);
    return $figures unless $held && ($running->{process} || is_estimating($stage));
    if (!$before || !$after) {
        $figures->{remark} = 'only root can see its memory';
        return $figures;
    }
    $figures->{"memory_$_"} = ($after->{$_} - $before->{$_}) / $held for qw(user kernel);
    $figures->{memory} = $figures->{memory_user} + $figures->{memory_kernel};
    return $figures;
}

# The figures of one turn of a peer that is running.
sub take_turn {
    my ($stage, $running, $workload, $cores) = @_;
    my $turn = $workload->{about} eq 'memory' ? \&turn_idle : \&turn_load;
    return $turn->($stage, $running, $workload, $cores);
}

1;
