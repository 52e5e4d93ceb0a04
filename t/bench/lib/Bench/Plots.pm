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

# What the curves are drawn over, by the first word of the workload; its last word is the number.
my %over = (
    scale => 'clients at once', pool => 'workers', instances => 'instances',
    allow => 'names on the allow list', servers => 'servers in the group',
    users => 'users in the table', addresses => 'addresses of clients',
);

sub family_of { my ($result) = @_; return $result->{workload} =~ /^([a-z]+)-\d+$/ && $over{$1} ? $1 : '' }

sub number_of { my ($result) = @_; return $result->{workload} =~ /(\d+)$/ ? $1 : 0 }

# A line for each peer over that number.
sub plot_curves {
    my ($gnuplot, $dir, $family, $pin, $results, $order, $figure, $heading) = @_;
    my $base = "$dir/$family-$pin-$figure";
    my ($data, @lines) = ('');
    my @numbers = sort { $a <=> $b } map { number_of($_) } @$results;
    for my $definition (@$order) {
        my @points = map { [number_of($_), $_->{peers}{$definition->{name}}] }
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
    my $tics = join ', ', @numbers;
    my ($left, $right) = (0.8 * $numbers[0], 1.27 * $numbers[-1]);
    my $y_axis = $family eq 'scale' ? 'set logscale y' : 'set yrange [0:*]';
    return gnuplot($gnuplot, $base, <<"END");
set terminal svg size 900,480 font "sans,12" background "white"
set output "$base.svg"
set title "poll, $heading over $over{$family} ($pin)" noenhanced
set xlabel "$over{$family}"
set ylabel "$heading"
set logscale x 2
set xtics ($tics)
set xrange [$left:$right]
$y_axis
set grid
set key outside right
plot $lines
END
}

# The curves of a family, for all cores on which it was measured.
sub plot_family {
    my ($gnuplot, $dir, $family, $results, $order) = @_;
    my @figures = (['cpu', 'CPU us/session']);
    unshift @figures, ['sessions_per_s', 'sessions/s'] if $family eq 'scale';
    my $is_well = 1;
    for my $pin (qw(one apart none)) {
        my @own = grep { family_of($_) eq $family && $_->{pin} eq $pin } @$results or next;
        $is_well &= plot_curves($gnuplot, $dir, $family, $pin, \@own, $order, @$_) for @figures;
    }
    return $is_well;
}

# All plots of a run.
sub draw {
    my ($gnuplot, $dir, $results, $order) = @_;
    my $is_well = 1;
    $is_well &= plot_bars($gnuplot, $dir, $_, $order) for grep { !family_of($_) } @$results;
    $is_well &= plot_family($gnuplot, $dir, $_, $results, $order) for sort keys %over;
    return $is_well;
}

1;
