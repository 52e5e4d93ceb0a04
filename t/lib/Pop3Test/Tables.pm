# SPDX-License-Identifier: BSD-2-Clause
#
# What the sources say of themselves: the tables in their .def files. A test that
# knows these from here cannot be forgotten when one is added.

package Pop3Test::Tables;

use strict;
use warnings;
use Exporter 'import';
use FindBin;

our @EXPORT_OK = qw(rows events logged_events reasons);

my $sources = "$FindBin::Bin/../src";
my %SEVERITY = (ALERT => 1, ERROR => 3, WARNING => 4, NOTICE => 5, INFO => 6);

sub _text {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    local $/;
    return <$file>;
}

# What stands between the parentheses of each row of a table: rows('config/x.def', 'KEY').
sub rows {
    my ($path, $macro) = @_;
    return _text("$sources/$path") =~ /^$macro\((.*)\)$/mg;
}

# reason => { level, severity, reply }; reply is undef where nothing is said.
sub reasons {
    my %reason;
    for my $row (rows('session/outcome.def', 'OUTCOME')) {
        my ($reason, $level, $reply) = $row =~ /\A\w+, "([^"]+)", (\w+), (?:NULL|"(.*)")\z/ or die "outcome.def: $row\n";
        $reason{$reason} = { level => lc $level, severity => $SEVERITY{$level}, reply => $reply };
    }
    return %reason;
}

# event => { level => severity, ... }: all that its lines may have.
sub events {
    my %event;
    for my $row (rows('base/event.def', 'EVENT')) {
        my ($event, $level, $other) = $row =~ /\A\w+, "([a-z-]+)", (\w+), (\w+), ".+\."\z/ or die "event.def: $row\n";
        my @levels = $other eq 'ANY' ? map { uc $_->{level} } values %{ { reasons() } } : grep { $_ ne 'NONE' } $level, $other;
        $event{$event} = { map { lc $_ => $SEVERITY{$_} } @levels };
    }
    return %event;
}

# The words of the events that some source logs.
sub logged_events {
    my $code = join '', map { _text($_) } glob "$sources/*/*.c";
    my %name = map { reverse /\A(\w+), "([a-z-]+)"/ } rows('base/event.def', 'EVENT');
    return grep { $code =~ /\bEVENT_$name{$_}\b/ } keys %name;
}

1;
