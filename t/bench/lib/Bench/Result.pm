# SPDX-License-Identifier: BSD-2-Clause
#
# A whole run as JSON, for programs and for later.
package Bench::Result;

use strict;
use warnings;
use Bench::Chart;
use Bench::Figures;
use Bench::Peers;
use Bench::Plots;
use Bench::Readme;
use Bench::Report;
use Bench::System;
use JSON::PP ();

sub write_file {
    my ($path, $text) = @_;
    Bench::System::write_file($path, $text) or die "$path: $!\n";
}

# What the documents show of a run and nothing else, a line for each workload. It loads like the
# whole.
sub summary {
    my ($data) = @_;
    my $json = JSON::PP->new->canonical;
    my @results;
    for my $result (@{$data->{results}}) {
        my @figures = Bench::Figures::published($result);
        my %peers;
        for my $name (keys %{$result->{peers}}) {
            my $peer = $result->{peers}{$name};
            $peers{$name} = {errors => $peer->{errors}, ratio => $peer->{ratio}};
            for my $part (qw(median ratios)) {
                $peers{$name}{$part} = {map { ($_ => $peer->{$part}{$_}) } grep { defined $peer->{$part}{$_} } @figures};
            }
        }
        push @results, $json->encode({%$result, peers => \%peers});
    }
    my $text = $json->encode({%$data, results => undef});
    my $lines = join ",\n", @results;
    return $text =~ s/"results":null/"results":[\n$lines\n]/r . "\n";
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
    write_file($opt->{summary}, summary($data)) if defined $opt->{summary};
    Bench::Readme::write($opt->{readme}, Bench::Readme::small($data, \@order)) if defined $opt->{readme};
    Bench::Readme::write($opt->{tables}, Bench::Readme::tables($data, \@order)) if defined $opt->{tables};
    write_file($opt->{chart}, Bench::Chart::svg($data, \@order)) if defined $opt->{chart};
    return unless defined $opt->{markdown};
    my $text = "```\n" . Bench::Report::head($data) . "```\n";
    $text .= Bench::Report::markdown($_, \@order) for @{$data->{results}};
    write_file($opt->{markdown}, $text);
}

# A summary has the figures already, and no rounds to compute them from.
sub has_rounds { return grep { $_->{rounds} } values %{$_[0]{peers}} }

# An earlier run from its file (--json or --summary); undef when the file is something else.
sub load {
    my ($path) = @_;
    my $text = Bench::System::slurp($path);
    my $data = defined $text ? eval { JSON::PP->new->decode($text) } : undef;
    return undef unless $data && $data->{results};
    Bench::Figures::summarise($_) for grep { has_rounds($_) } @{$data->{results}};
    return $data;
}

# Adds a later piece of the same run. False if it was measured on another machine or system, because
# its figures cannot be compared with these.
sub add {
    my ($data, $piece) = @_;
    for my $key (qw(cpu cores memory_mib system cpu_counted_by memory_counted_by)) {
        return 0 if $data->{machine}{$key} ne $piece->{machine}{$key};
    }
    for my $result (@{$piece->{results}}) {
        my ($same) = grep { $_->{workload} eq $result->{workload} && $_->{pin} eq $result->{pin} }
            @{$data->{results}};
        if ($same) { %$same = %$result } else { push @{$data->{results}}, $result }
    }
    $data->{machine}{versions} = {%{$data->{machine}{versions}}, %{$piece->{machine}{versions}}};
    $data->{absent} = {%{$data->{absent}}, %{$piece->{absent}}};
    delete $data->{absent}{$_} for keys %{$data->{machine}{versions}};
    $data->{date} = $piece->{date};
    return 1;
}

1;
