# SPDX-License-Identifier: BSD-2-Clause
#
# The figures of a workload, and the summary of its rounds. A figure is the median of the rounds and
# has a range. A ratio is the median of the ratios within each round, so that it stays right if the
# machine becomes slower in between.
package Bench::Figures;

use strict;
use warnings;

our $REFERENCE = 'haproxy';
our $UNROUTED = 'pop3_route_none';      # what the others of a route workload cost more than

sub sorted { return sort { $a <=> $b } grep { defined } @_ }

sub median {
    my @values = sorted(@_) or return undef;
    my $middle = int(@values / 2);
    return @values % 2 ? $values[$middle] : ($values[$middle - 1] + $values[$middle]) / 2;
}

# ---- figures of a workload ----

# The columns after the first, by what a workload is about: [figure, heading, format].
my %columns = (
    cpu => [['cpu_user', 'user', '%.1f'], ['cpu_kernel', 'kernel', '%.1f'],
            ['sessions_per_s', 'sessions/s', '%.0f'], ['p50_ms', 'p50 ms', '%.2f'],
            ['p99_ms', 'p99 ms', '%.2f']],
    octets => [['cpu_user', 'user', '%.3f'], ['cpu_kernel', 'kernel', '%.3f'],
               ['mb_per_s', 'MB/s', '%.0f'], ['p50_ms', 'p50 ms', '%.1f']],
    memory => [['memory_user', 'user', '%.0f'], ['memory_kernel', 'kernel', '%.0f']],
    last => [['p50_ms', 'p50 ms', '%.1f'], ['p99_ms', 'p99 ms', '%.1f'],
             ['cpu', 'CPU us', '%.1f']],
);
our %main = (
    cpu => ['cpu', 'CPU us/session', '%.1f'],
    octets => ['cpu', 'CPU ns/octet', '%.3f'],
    memory => ['memory', 'octets/session', '%.0f'],
    last => ['seconds', 'all done, s', '%.3f'],
);

sub columns {
    my ($result) = @_;
    my @columns = @{$columns{$result->{about}}};
    push @columns, ['more', 'more us', '%+.1f'], ['helper_kib', 'helper KiB', '%.0f']
        if $result->{peers}{$UNROUTED};
    push @columns, ['latency_ratio', 'p50 x HAProxy', '%.2f'] if $result->{workload} eq 'open';
    push @columns, ['resumed', 'resumed', '%.2f'] if $result->{is_tls};
    push @columns, ['feeder_busy', 'feeder', '%.2f']
        if $result->{pin} eq 'apart' && $result->{about} ne 'memory';
    return @columns;
}

# The figures that documents show.
sub published {
    my ($result) = @_;
    return ($main{$result->{about}}[0], 'sessions_per_s', 'mb_per_s', 'more', 'helper_kib');
}

# What a session costs more than without a table in the same round.
sub add_more {
    my ($result) = @_;
    my $without = $result->{peers}{$UNROUTED} or return;
    for my $peer (grep { $_ != $without } values %{$result->{peers}}) {
        for my $i (0 .. $#{$peer->{rounds}}) {
            my ($mine, $its) = ($peer->{rounds}[$i]{cpu}, ($without->{rounds}[$i] || {})->{cpu});
            $peer->{rounds}[$i]{more} = $mine - $its if defined $mine && defined $its;
        }
    }
}

# Median, smallest and largest value of every figure of a peer, and its ratio to the reference.
sub summarise {
    my ($result) = @_;
    my $figure = $main{$result->{about}}[0];
    my $reference = $result->{peers}{$REFERENCE};
    add_more($result);
    for my $peer (values %{$result->{peers}}) {
        my %names = map { map { $_ => 1 } grep { !/^(?:first_error|remark)$/ } keys %$_ }
            @{$peer->{rounds}};
        for my $name (keys %names) {
            my @values = sorted(map { $_->{$name} } @{$peer->{rounds}});
            $peer->{$_->[0]}{$name} = $_->[1]
                for ['median', median(@values)], ['min', $values[0]], ['max', $values[-1]];
        }
        $peer->{errors} = 0;
        $peer->{errors} += $_->{errors} for @{$peer->{rounds}};
        next unless $reference;
        $peer->{ratios}{$_} = ratio($peer, $reference, $_) for published($result);
        $peer->{ratio} = $peer->{ratios}{$figure};
        $peer->{median}{latency_ratio} = ratio($peer, $reference, 'p50_ms');
    }
}

sub ratio {
    my ($peer, $reference, $figure) = @_;
    my @ratios;
    for my $i (0 .. $#{$peer->{rounds}}) {
        my ($mine, $its) =
            ($peer->{rounds}[$i]{$figure}, ($reference->{rounds}[$i] || {})->{$figure});
        push @ratios, $mine / $its if defined $mine && $its;
    }
    return median(@ratios);
}

1;
