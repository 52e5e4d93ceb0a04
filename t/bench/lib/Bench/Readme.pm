# SPDX-License-Identifier: BSD-2-Clause
#
# Tables of a run for two documents: a small one for the README of the project, all of them for the
# README of the benchmark. The driver writes them between two marks, so that nobody types a figure.
# `data` as in Bench::Report.
package Bench::Readme;

use strict;
use warnings;
use Bench::Figures;
use Bench::System qw(slurp write_file);

my ($BEGIN, $END) = ('<!-- bench: begin -->', '<!-- bench: end -->');

# [what the table is about, which results are its columns, whether there are ratios to HAProxy].
my @tables = (
    ['Without TLS', sub { $_[0]{workload} !~ /-/ }, 1],
    ['TLS 1.3', sub { $_[0]{workload} =~ /-tls/ }, 1],
    ['Clients 30 ms away', sub { $_[0]{workload} =~ /^wan-/ }, 1],
    ['Number of clients', sub { $_[0]{workload} =~ /^scale-/ }, 1],
    ['Size of a message', sub { $_[0]{workload} =~ /^size-/ }, 1],
    ['What a table costs', sub { $_[0]{workload} =~ /^route-/ }, 0],
    ['How pop3.proxy scales', sub { $_[0]{workload} =~ /^(pool|instances|allow)-/ }, 0],
    ['How routes and accounts scale', sub { $_[0]{workload} =~ /^(servers|users|addresses)-/ }, 0],
);

my %unit = (cpu => 'µs', octets => 'ns/octet', memory => 'octets', last => 's');
my %pin_text = (one => 'everything on one core', apart => 'the proxy on a core of its own',
                none => 'all cores');

# Does the file have both marks?
sub has_place {
    my ($path) = @_;
    return (slurp($path) || '') =~ /^\Q$BEGIN\E\n.*^\Q$END\E\n/ms;
}

# The figure of a proxy is what it can do if it has a core of its own or if the number of clients
# varies, otherwise what it costs.
sub figure_of {
    my ($result) = @_;
    my ($figure, undef, $format) = @{$Bench::Figures::main{$result->{about}}};
    my $is_rate = $result->{workload} =~ /^scale-/
        || $result->{pin} eq 'apart' && $result->{about} !~ /^(memory|last)$/;
    return ($figure, $format, $unit{$result->{about}}) unless $is_rate;
    return ('mb_per_s', '%.0f', 'MB/s') if $result->{about} eq 'octets';
    return ('sessions_per_s', '%.0f', 'sessions/s');
}

# 1234567 as 1,234,567
sub grouped { my ($text) = @_; 1 while $text =~ s/^(\d+)(\d{3})/$1,$2/; return $text }

sub cell {
    my ($result, $peer, $has_ratio) = @_;
    my ($figure, $format) = figure_of($result);
    return '' unless $peer && defined $peer->{median}{$figure};
    my $text = grouped(sprintf $format, $peer->{median}{$figure});
    my $ratio = $peer->{ratios}{$figure};
    $text .= sprintf ' (%.2f)', $ratio if $has_ratio && defined $ratio;
    $text .= sprintf ' (%+.1f)', $peer->{median}{more} if defined $peer->{median}{more};
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

# The pieces of a run may differ in rounds and seconds.
sub range {
    my ($data, $what) = @_;
    my ($least, $most) = (sort { $a <=> $b } map { $_->{$what} } @{$data->{results}})[0, -1];
    return $least == $most ? $least : "$least to $most";
}

# All tables of a run.
sub tables {
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

# ---- the small table ----

# [workload, heading, unit, factor from the figure to the unit, format].
my @small = (
    ['poll', 'check an empty mailbox', 'µs', 1, '%.0f'],
    ['fetch', 'fetch 10 messages', 'µs', 1, '%.0f'],
    ['bulk', 'pass on 1 MB', 'µs', 1000, '%.0f'],
    ['idle', 'hold a session', 'KiB', 1 / 1024, '%.1f'],
    ['storm', '2,000 clients at once', 's', 1, '%.2f'],
);

# The columns of the small table that this run has: each a hash of result, what, unit, and `value`,
# a function from a peer's name to the text of its figure and its ratio, or nothing.
sub small_columns {
    my ($data) = @_;
    my @columns;
    for my $row (@small) {
        my ($workload, $what, $unit, $factor, $format) = @$row;
        my ($result) = grep { $_->{workload} eq $workload && $_->{pin} eq 'one' } @{$data->{results}} or next;
        my $figure = $Bench::Figures::main{$result->{about}}[0];
        my $value = sub {
            my $peer = $result->{peers}{$_[0]} or return;
            return unless defined $peer->{median}{$figure} && !$peer->{errors};
            return (grouped(sprintf $format, $factor * $peer->{median}{$figure}), $peer->{ratio});
        };
        push @columns, {what => $what, unit => $unit, value => $value};
    }
    return @columns;
}

# Is this peer in the small table and the chart? They have one variant of each program.
sub is_small { return $_[0]{name} =~ /^(?:pop3_hot|pop3_auto|pop3_many|haproxy|nginx|dovecot|perdition)$/ }

sub small {
    my ($data, $order) = @_;
    my @columns = small_columns($data);
    my $text = '| |' . join('', map { " $_->{what}, $_->{unit} |" } @columns) . "\n|---" . '|--:' x @columns . "|\n";
    for my $peer (grep { is_small($_) } @$order) {
        my @cells;
        for my $column (@columns) {
            my ($figure, $ratio) = $column->{value}->($peer->{name});
            push @cells, !defined $figure ? '' : defined $ratio ? sprintf('%s (%.2f)', $figure, $ratio) : $figure;
        }
        $text .= '| ' . join(' | ', $peer->{label}, @cells) . " |\n" if grep { length } @cells;
    }
    my $machine = $data->{machine};
    return "$text\nMeasured on $data->{date}: $machine->{cpu}, $machine->{system}.\n";
}

# Writes the text between the marks of the file, which has_place() for it.
sub write {
    my ($path, $text) = @_;
    my $readme = slurp($path);
    $readme =~ s/^\Q$BEGIN\E\n.*^\Q$END\E\n/$BEGIN\n$text$END\n/ms;
    write_file($path, $readme) or die "$path: $!\n";
}

1;
