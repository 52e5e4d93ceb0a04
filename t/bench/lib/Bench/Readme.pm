# SPDX-License-Identifier: BSD-2-Clause
#
# The summary of a run for the README: a row for each peer, a column for each workload, written
# between two marks, so that no figure is ever typed by hand. `data` as in Bench::Report.
package Bench::Readme;

use strict;
use warnings;
use Bench::Figures;
use Bench::System qw(slurp write_file);

my ($BEGIN, $END) = ('<!-- bench: begin -->', '<!-- bench: end -->');

# [what the table is about, which results are its columns, whether there are ratios to HAProxy].
my @tables = (
    ['Sessions in the plain', sub { $_[0]{workload} !~ /-/ }, 1],
    ['TLS 1.3', sub { $_[0]{workload} =~ /-tls/ }, 1],
    ['Clients 30 ms away', sub { $_[0]{workload} =~ /^wan-/ }, 1],
    ['Clients at once', sub { $_[0]{workload} =~ /^scale-/ }, 1],
    ['Size of the message', sub { $_[0]{workload} =~ /^size-/ }, 1],
    ['What grows in pop3.proxy', sub { $_[0]{workload} =~ /^(pool|instances|allow)-/ }, 0],
);

my %unit = (cpu => 'µs', octets => 'ns/octet', memory => 'octets', last => 's');
my %pin_text = (one => 'everything on one core', apart => 'the proxy on a core of its own',
                none => 'all cores');

# Is there a place for it in this file?
sub has_place {
    my ($path) = @_;
    return (slurp($path) || '') =~ /^\Q$BEGIN\E\n.*^\Q$END\E\n/ms;
}

# With a core of its own, or by the number of clients, a proxy is asked how much it can do, else
# what it costs.
sub figure_of {
    my ($result) = @_;
    my ($figure, undef, $format) = @{$Bench::Figures::main{$result->{about}}};
    my $is_rate = $result->{workload} =~ /^scale-/
        || $result->{pin} eq 'apart' && $result->{about} !~ /^(memory|last)$/;
    return ($figure, $format, $unit{$result->{about}}) unless $is_rate;
    return ('mb_per_s', '%.0f', 'MB/s') if $result->{about} eq 'octets';
    return ('sessions_per_s', '%.0f', 'sessions/s');
}

sub cell {
    my ($result, $peer, $has_ratio) = @_;
    my ($figure, $format) = figure_of($result);
    return '' unless $peer && defined $peer->{median}{$figure};
    my $text = sprintf $format, $peer->{median}{$figure};
    1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
    my $reference = $result->{peers}{$Bench::Figures::REFERENCE};
    my $ratio = $has_ratio ? Bench::Figures::ratio($peer, $reference, $figure) : undef;
    $text .= sprintf ' (%.2f)', $ratio if defined $ratio;
    $text .= " $peer->{errors} errors" if $peer->{errors};
    return $text;
}

sub table {
    my ($title, $pin, $has_ratio, $order, @results) = @_;
    my $lines = "| $title, $pin_text{$pin} |"
        . join('', map { " `$_->{workload}` " . (figure_of($_))[2] . ' |' } @results)
        . "\n|---" . '|--:' x @results . "|\n";
    for my $definition (@$order) {
        my @cells = map { cell($_, $_->{peers}{$definition->{name}}, $has_ratio) } @results;
        $lines .= '| ' . join(' | ', $definition->{label}, @cells) . " |\n"
            if grep { length } @cells;
    }
    return "$lines\n";
}

sub head {
    my ($data) = @_;
    my $machine = $data->{machine};
    my %measured = map { map { $_ => 1 } keys %{$_->{peers}} } @{$data->{results}};
    my %seen;
    my @versions = grep { defined && !$seen{$_}++ } map { $machine->{versions}{$_} }
        sort keys %measured;
    return "Measured on $data->{date}: $machine->{cpu}, $machine->{cores} cores, "
        . "$machine->{memory_mib} MiB, $machine->{system}, $machine->{architecture}; "
        . "CPU by $machine->{cpu_counted_by}; "
        . range($data, 'rounds') . ' rounds of ' . range($data, 'seconds') . " s.\n" . join('; ', @versions) . ".\n";
}

# Pieces of a run may have been measured more or less often, and longer.
sub range {
    my ($data, $what) = @_;
    my ($least, $most) = (sort { $a <=> $b } map { $_->{$what} } @{$data->{results}})[0, -1];
    return $least == $most ? $least : "$least to $most";
}

# The text between the marks.
sub text {
    my ($data, $order) = @_;
    my $text = head($data) . "\n";
    for my $pin (qw(one apart none)) {
        for my $table (@tables) {
            my ($title, $is_column, $has_ratio) = @$table;
            my @results = grep { $_->{pin} eq $pin && $is_column->($_) } @{$data->{results}};
            $text .= table($title, $pin, $has_ratio, $order, @results) if @results;
        }
    }
    return $text;
}

# Writes the summary into the file, which has_place() for it.
sub write {
    my ($path, $data, $order) = @_;
    my $text = text($data, $order);
    my $readme = slurp($path);
    $readme =~ s/^\Q$BEGIN\E\n.*^\Q$END\E\n/$BEGIN\n$text$END\n/ms;
    write_file($path, $readme) or die "$path: $!\n";
}

1;
