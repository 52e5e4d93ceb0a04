# SPDX-License-Identifier: BSD-2-Clause
#
# The results as tables for people (text and Markdown). `data` is a whole run: format, machine,
# absent, rounds, seconds, labels, results, as in the JSON.
package Bench::Report;

use strict;
use warnings;
use Bench::Figures;
use Bench::Peers;

# The machine, the versions, and how it was measured.
sub head {
    my ($data) = @_;
    my $machine = $data->{machine};
    my $text = "pop3.proxy benchmark, " . $data->{date} . "\n"
        . "  $machine->{cpu}, $machine->{cores} cores, $machine->{memory_mib} MiB, "
        . "$machine->{system}\n"
        . "  CPU by $machine->{cpu_counted_by}; memory by $machine->{memory_counted_by};\n"
        . "  $machine->{network}; $data->{rounds} rounds of $data->{seconds} s\n";
    my %seen;
    for my $peer (Bench::Peers::all()) {
        my $version = $machine->{versions}{$peer->{name}};
        $text .= "  $version\n" if defined $version && !$seen{$version}++;
    }
    $text .= "  absent: $_ ($data->{absent}{$_})\n" for sort keys %{$data->{absent}};
    return $text;
}

# ---- the tables ----

sub cell { my ($format, $value) = @_; return defined $value ? sprintf $format, $value : '-' }

sub rows {
    my ($result, $order) = @_;
    my ($figure, $heading, $format) = @{$Bench::Figures::main{$result->{about}}};
    my @columns = Bench::Figures::columns($result);
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

# The same in Markdown.
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
        my ($remark) = map { $_->{remark} || () }
            @{($result->{peers}{$name} || {})->{rounds} || []};
        $text .= "  ! $definition->{label}: $error\n" if $error;
        $text .= "  - $definition->{label}: $remark\n" if $remark;
        $text .= "  - $definition->{label}: $_\n" for @{$result->{notes}{$name} || []};
    }
    return $text;
}

1;
