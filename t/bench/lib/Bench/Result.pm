# SPDX-License-Identifier: BSD-2-Clause
#
# The whole of a run as JSON, for programs and for later.
package Bench::Result;

use strict;
use warnings;
use Bench::Peers;
use Bench::Plots;
use Bench::Report;
use Bench::System;
use JSON::PP ();

sub write_file {
    my ($path, $text) = @_;
    Bench::System::write_file($path, $text) or die "$path: $!\n";
}

# Writes what the options ask for: JSON, plots and Markdown. `gnuplot` may be undef: no plots.
sub save {
    my ($opt, $data, $gnuplot) = @_;
    my @order = Bench::Peers::all();
    if (defined $opt->{json}) {
        my $text = JSON::PP->new->canonical->pretty->encode($data);
        if ($opt->{json} eq '-') { print $text } else { write_file($opt->{json}, $text) }
    }
    Bench::Plots::draw($gnuplot, $opt->{plots}, $data->{results}, \@order) if $gnuplot;
    return unless defined $opt->{markdown};
    my $text = "```\n" . Bench::Report::head($data) . "```\n";
    $text .= Bench::Report::markdown($_, \@order) for @{$data->{results}};
    write_file($opt->{markdown}, $text);
}

# An earlier run from its file; undef when it is none.
sub load {
    my ($path) = @_;
    my $text = Bench::System::slurp($path);
    my $data = defined $text ? eval { JSON::PP->new->decode($text) } : undef;
    return $data && $data->{results} ? $data : undef;
}

1;
