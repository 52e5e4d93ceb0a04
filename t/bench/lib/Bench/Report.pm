# SPDX-License-Identifier: BSD-2-Clause
#
# What the benchmark found, for people (tables), for programs (JSON) and for the eye (gnuplot).
# A figure is the median of the rounds, its range stands beside it, and a ratio is the median of
# the ratios within each round, so that a machine that slows down in between does not count.
package Bench::Report;

use strict;
use warnings;
use JSON::PP ();

our $REFERENCE = 'haproxy';

sub sorted { return sort { $a <=> $b } grep { defined } @_ }

sub median {
    my @values = sorted(@_) or return undef;
    my $middle = int(@values / 2);
    return @values % 2 ? $values[$middle] : ($values[$middle - 1] + $values[$middle]) / 2;
}

# ---- figures of a workload ----

# The columns beside the first, by what a workload is about: [figure, heading, format].
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
my %main = (
    cpu => ['cpu', 'CPU us/session', '%.1f'],
    octets => ['cpu', 'CPU ns/octet', '%.3f'],
    memory => ['memory', 'octets/session', '%.0f'],
    last => ['seconds', 'all done, s', '%.3f'],
);

sub column_list {
    my ($result) = @_;
    my @columns = @{$columns{$result->{about}}};
    push @columns, ['latency_ratio', 'p50 x HAProxy', '%.2f'] if $result->{workload} eq 'open';
    push @columns, ['resumed', 'resumed', '%.2f'] if $result->{is_tls};
    push @columns, ['feeder_busy', 'feeder', '%.2f']
        if $result->{pin} eq 'apart' && $result->{about} ne 'memory';
    return @columns;
}

# Median, least and most of every figure of a peer, and its ratio to the reference.
sub summarise {
    my ($result) = @_;
    my $figure = $main{$result->{about}}[0];
    my $reference = $result->{peers}{$REFERENCE};
    for my $peer (values %{$result->{peers}}) {
        my %names = map { map { $_ => 1 } grep { $_ ne 'first_error' } keys %$_ }
            @{$peer->{rounds}};
        for my $name (keys %names) {
            my @values = sorted(map { $_->{$name} } @{$peer->{rounds}});
            $peer->{$_->[0]}{$name} = $_->[1]
                for ['median', median(@values)], ['min', $values[0]], ['max', $values[-1]];
        }
        $peer->{errors} = 0;
        $peer->{errors} += $_->{errors} for @{$peer->{rounds}};
        $peer->{ratio} = ratio($peer, $reference, $figure) if $reference;
        $peer->{median}{latency_ratio} = ratio($peer, $reference, 'p50_ms') if $reference;
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

# ---- the table ----

sub cell { my ($format, $value) = @_; return defined $value ? sprintf $format, $value : '-' }

sub rows {
    my ($result, $order) = @_;
    my ($figure, $heading, $format) = @{$main{$result->{about}}};
    my @columns = column_list($result);
    my @rows = (['', $heading, 'range', 'x HAProxy', (map { $_->[1] } @columns), 'errors']);
    for my $definition (@$order) {
        my $peer = $result->{peers}{$definition->{name}} or next;
        my $range = cell($format, $peer->{min}{$figure})
            . '-' . cell($format, $peer->{max}{$figure});
        push @rows, [$definition->{label}, cell($format, $peer->{median}{$figure}),
                     defined $peer->{median}{$figure} ? $range : '-', cell('%.2f', $peer->{ratio}),
                     (map { cell($_->[2], $peer->{median}{$_->[0]}) } @columns),
                     $peer->{errors} || ''];
    }
    return @rows;
}

sub table {
    my ($result, $order) = @_;
    return heading($result) . layout(rows($result, $order)) . remarks($result, $order);
}

# The same for a README.
sub markdown {
    my ($result, $order) = @_;
    my @rows = rows($result, $order);
    my @lines = map { '| ' . join(' | ', @$_) . ' |' } @rows;
    splice @lines, 1, 0, '|---' . '|--:' x (@{$rows[0]} - 1) . '|';
    my $heading = heading($result) =~ s/^\s*(\S+): (.*)\n/\n**$1**: $2\n\n/r;
    return $heading . join("\n", @lines) . "\n";
}

sub heading {
    my ($result) = @_;
    my $pin = {one => 'everything on one core', apart => 'proxy on a core of its own',
               none => 'not pinned'}->{$result->{pin}};
    return sprintf "\n%s: %s; %s\n", $result->{workload}, $result->{what}, $pin;
}

sub layout {
    my @rows = @_;
    my @width;
    for my $row (@rows) {
        for my $i (0 .. $#$row) {
            $width[$i] = 0 unless defined $width[$i];
            $width[$i] = length $row->[$i] if length $row->[$i] > $width[$i];
        }
    }
    my $text = '';
    for my $row (@rows) {
        my $line = sprintf "  %-*s", $width[0], $row->[0];
        $line .= sprintf "  %*s", $width[$_], $row->[$_] for 1 .. $#$row;
        $line =~ s/\s+$//;
        $text .= "$line\n";
    }
    return $text;
}

sub remarks {
    my ($result, $order) = @_;
    my $text = '';
    for my $definition (@$order) {
        my $name = $definition->{name};
        my ($error) = map { $_->{first_error} || () }
            @{($result->{peers}{$name} || {})->{rounds} || []};
        $text .= "  ! $definition->{label}: $error\n" if $error;
        $text .= "  - $definition->{label}: $_\n" for @{$result->{notes}{$name} || []};
    }
    return $text;
}

# ---- JSON ----

sub json {
    my ($data) = @_;
    return JSON::PP->new->canonical->pretty->allow_nonref->encode($data);
}

# ---- plots ----

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
}

sub gnuplot {
    my ($gnuplot, $base, $script) = @_;
    write_file("$base.gp", $script);
    return system($gnuplot, "$base.gp") == 0;
}

# Where a bar chart ends: one peer that is far from the others must not flatten them.
sub bar_top {
    my ($result, $figure) = @_;
    my @most = sorted(map { $_->{max}{$figure} } values %{$result->{peers}});
    my $limit = 4 * (median(@most) || 1);
    return 1.15 * (@most && $most[-1] < $limit ? $most[-1] : $limit);
}

# Bars of the main figure with its value, and the range as a line over each. A bar that is cut
# off at the top still has its value.
sub plot_bars {
    my ($gnuplot, $dir, $result, $order) = @_;
    my ($figure, $heading) = @{$main{$result->{about}}};
    my $top = bar_top($result, $figure);
    my $base = "$dir/$result->{workload}-$result->{pin}";
    my ($data, $row) = ('', 0);
    for my $definition (@$order) {
        my $peer = $result->{peers}{$definition->{name}} or next;
        next unless defined $peer->{median}{$figure};
        my @figures = map { $peer->{$_}{$figure} } qw(median min max);
        my $height = $figures[0] < 0.9 * $top ? $figures[0] : 0.9 * $top;
        $data .= join("\t", $row++, "\"$definition->{label}\"", @figures, $height) . "\n";
    }
    return 1 unless $row;
    write_file("$base.dat", $data);
    return gnuplot($gnuplot, $base, <<"END");
set terminal svg size 900,480 font "sans,12" background "white"
set output "$base.svg"
set title "$result->{workload} ($result->{pin})" noenhanced
set ylabel "$heading"
set yrange [0:$top]
set boxwidth 0.6
set style fill solid 0.6
set grid y
set xtics rotate by -30 noenhanced
plot "$base.dat" using 1:3:xtic(2) with boxes notitle linecolor rgb "#4477aa", \\
     "$base.dat" using 1:3:4:5 with yerrorbars notitle linecolor rgb "#222222" pointtype 0, \\
     "$base.dat" using 1:6:(sprintf("%.4g", \$3)) with labels offset 0,0.7 notitle
END
}

# A line for each peer over the number of clients.
sub plot_scale {
    my ($gnuplot, $dir, $pin, $results, $order, $figure, $heading) = @_;
    my $base = "$dir/scale-$pin-$figure";
    my ($data, @lines) = ('');
    for my $definition (@$order) {
        my @points = map { [$_->{clients}, $_->{peers}{$definition->{name}}] }
            grep { $_->{peers}{$definition->{name}} } @$results;
        @points = grep { defined $_->[1]{median}{$figure} } @points or next;
        push @lines, sprintf '"%s.dat" index %d using 1:2 with linespoints title "%s" noenhanced',
            $base, scalar @lines, $definition->{label};
        $data .= join '', map { "$_->[0]\t$_->[1]{median}{$figure}\n" } @points;
        $data .= "\n\n";
    }
    return 1 unless @lines;
    write_file("$base.dat", $data);
    my $lines = join ", \\\n     ", @lines;
    return gnuplot($gnuplot, $base, <<"END");
set terminal svg size 900,480 font "sans,12" background "white"
set output "$base.svg"
set title "poll, $heading over clients at once ($pin)" noenhanced
set xlabel "clients at once"
set ylabel "$heading"
set logscale x 2
set xtics (1, 8, 64, 512, 4096)
set xrange [0.8:5200]
set logscale y
set grid
set key outside right
plot $lines
END
}

sub plots {
    my ($gnuplot, $dir, $results, $order) = @_;
    my $is_well = 1;
    for my $result (grep { $_->{workload} !~ /^scale-/ } @$results) {
        $is_well &= plot_bars($gnuplot, $dir, $result, $order);
    }
    for my $pin (qw(one apart none)) {
        my @scale = grep { $_->{workload} =~ /^scale-/ && $_->{pin} eq $pin } @$results or next;
        $is_well &= plot_scale($gnuplot, $dir, $pin, \@scale, $order, @$_)
            for ['sessions_per_s', 'sessions/s'], ['cpu', 'CPU us/session'];
    }
    return $is_well;
}

1;
