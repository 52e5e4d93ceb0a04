# SPDX-License-Identifier: BSD-2-Clause
#
# The small table of a run (Bench::Readme) as bars: a panel for each workload, side by side. The
# colours, for a light page and a dark one, are in doc/picture.css.
package Bench::Chart;

use strict;
use warnings;
use Bench::Readme;
use Bench::System qw(slurp);
use FindBin;

my ($LEFT, $PANEL, $BAR, $ROW, $TOP) = (238, 172, 90, 24, 58);

sub escape { my ($text) = @_; $text =~ s/&/&amp;/g; $text =~ s/</&lt;/g; return $text }

sub text_at {
    my ($x, $y, $text, $more) = @_;
    return sprintf "<text x=\"%d\" y=\"%d\"%s>%s</text>\n", $x, $y, $more // '', escape($text);
}

# The bars of one workload. A peer that needs far more than the others gets a bar that is cut off;
# its figure follows.
sub panel {
    my ($x, $column, @peers) = @_;
    my %value = map { my ($text) = $column->{value}->($_->{name}); defined $text ? ($_->{name} => $text) : () } @peers;
    my %number = map { $_ => $value{$_} =~ tr/,//dr } keys %value;
    my @sorted = sort { $a <=> $b } values %number;
    my $middle = $sorted[$#sorted / 2] || 1;
    my ($most) = reverse grep { $_ <= 4 * $middle } @sorted;
    my $svg = text_at($x, 22, $column->{what}) . text_at($x, 38, $column->{unit}, ' class="quiet"');
    for my $i (0 .. $#peers) {
        my $name = $peers[$i]{name};
        next unless defined $number{$name};
        my $is_cut = $number{$name} > $most;
        my $width = $is_cut ? $BAR : $BAR * $number{$name} / $most;
        my $class = $name =~ /^pop3/ ? 'own-bar' : 'bar';
        my $y = $TOP + $ROW * $i;
        $svg .= sprintf "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"15\"/>\n", $class, $x, $y - 12, $width;
        $svg .= sprintf "<path class=\"paper\" d=\"M%d %d l8 -19 h4 l-8 19 z\"/>\n", $x + $BAR - 22, $y + 5 if $is_cut;
        $svg .= text_at($x + $width + 5, $y, $value{$name});
    }
    return $svg;
}

sub svg {
    my ($data, $order) = @_;
    my @columns = Bench::Readme::small_columns($data);
    my %measured = map { map { $_ => 1 } keys %{$_->{peers}} } @{$data->{results}};
    my @peers = grep { Bench::Readme::is_small($_) && $measured{$_->{name}} } @$order;
    my ($width, $height) = ($LEFT + $PANEL * @columns, $TOP + $ROW * @peers);
    my $css = slurp("$FindBin::Bin/../../doc/picture.css") // die "doc/picture.css: $!\n";
    my $svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"$width\" height=\"$height\" "
        . "viewBox=\"0 0 $width $height\" font-size=\"12\">\n<style>\n$css</style>\n"
        . "<rect class=\"paper\" width=\"$width\" height=\"$height\"/>\n";
    $svg .= text_at($LEFT - 12, $TOP + $ROW * $_, $peers[$_]{label}, ' text-anchor="end"') for 0 .. $#peers;
    $svg .= panel($LEFT + $PANEL * $_, $columns[$_], @peers) for 0 .. $#columns;
    return "$svg</svg>\n";
}

1;
