# SPDX-License-Identifier: BSD-2-Clause
#
# Shows the progress of a run: one changing line on a terminal, otherwise a line for each workload.
# The remaining time is estimated first from what a turn should need, then from what it needed.
package Bench::Progress;

use strict;
use warnings;
use Bench::System qw(now);

my $TURN_S = 0.5;             # a turn without its load: pauses, starting, reading figures
my $START_S = 0.7;            # starting and ending a peer
my $SESSIONS_PER_S = 3000;    # sessions that fill a table before the first turn

my ($begin, $guessed, $done, $total, $all, $count, $text);
my $length = 0;

# Estimates the seconds of a workload with this many peers. `seconds` is the time of the load if it
# is not that of the options.
sub guess {
    my ($workload, $peers, $opt) = @_;
    my $turn = $TURN_S + ($workload->{seconds} || $opt->{seconds});
    my $warm = ($workload->{warm} || 0) / $SESSIONS_PER_S;
    return $peers * ($opt->{rounds} * $turn + $START_S + $warm);
}

sub minutes {
    my ($seconds) = @_;
    return $seconds < 90 ? sprintf '%d s', $seconds : sprintf '%d min', $seconds / 60 + 0.5;
}

sub show {
    my ($line) = @_;
    return unless -t STDERR;
    printf STDERR "\r%-*s\r%s", $length, '', $line;
    $length = length $line;
}

# Begins a run of this many workloads, which will take `seconds` in all.
sub start {
    my ($workloads, $seconds) = @_;
    ($begin, $guessed, $done, $total, $count, $all) = (now(), 0, 0, $seconds, 0, $workloads);
    print STDERR "$workloads workloads, about ", minutes($seconds), "\n";
}

# The next workload, which will take `seconds`.
sub workload {
    my ($name, $seconds) = @_;
    my $pace = $done > 0 ? (now() - $begin) / $done : 1;
    $count++;
    $text = sprintf '[%d/%d] %s, %s left', $count, $all, $name, minutes(($total - $done) * $pace);
    $done += $seconds;
    print STDERR "$text\n" unless -t STDERR;
}

# A turn within it.
sub turn {
    my ($what) = @_;
    show("$text; $what");
}

# Makes room for the table.
sub clear { show('') }

1;
