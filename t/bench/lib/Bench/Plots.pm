# SPDX-License-Identifier: BSD-2-Clause
#
# The results as plots: gnuplot draws SVG files; its data and scripts stay beside them.
package Bench::Plots;

use strict;
use warnings;
use Bench::Figures;
use Bench::System qw(write_file);

sub gnuplot {
    my ($gnuplot, $base, $script) = @_;
    write_file("$base.gp", $script);
    return system($gnuplot, "$base.gp") == 0;
}

# The top of a bar chart: a peer that needs far more than the others must not make them look flat.
sub bar_top {
    my ($result, $figure) = @_;
    my @most = Bench::Figures::sorted(map { $_->{max}{$figure} } values %{$result->{peers}});
    my $limit = 4 * (Bench::Figures::median(@most) || 1);
    return 1.15 * (@most && $most[-1] < $limit ? $most[-1] : $limit);
}

# Bars of the main figure with its value, and the range as a line over each. A bar that is cut off
# at the top still shows its value.
sub plot_bars {
    my ($gnuplot, $dir, $result, $order) = @_;
    my ($figure, $heading) = @{$Bench::Figures::main{$result->{about}}};
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

# All plots of a run.
sub draw {
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
